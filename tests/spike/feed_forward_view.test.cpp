#include "plumb/spike/feed_forward_view.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

FeedForward<double> some_block(Index hidden) {
  const Index neurons = *size();
  return {*weights<double>(neurons, hidden), *weights<double>(neurons, hidden),
          *weights<double>(hidden, neurons)};
}

/// W_down (act(z) .* y) through the view, and what rounding may make of it in double.
void check_value(const FeedForwardView<double>& view, const Vector<double>& x,
                 const Vector<double>& want) {
  const auto at = project(view, x);
  const double size = view.gate.norm() * view.up.norm() * view.down.norm() *
                      view.gain.squaredNorm() * x.squaredNorm();
  const double n = 2 * roundings(x.size()) + roundings(view.neurons()) + 20;
  RC_ASSERT(mismatch(view.down * at.hidden, want, gamma<double>(n) * size) == "");
}

}  // namespace

TEST_CASE("a view of a block and its norm reads the ungained residual") {
  property("RMSNorm, DynamicTanh, LayerNorm and none", [] {
    const Index hidden = *size();
    const auto block = some_block(hidden);
    const Matrix<double> h = *gaussian<double>(1, hidden);
    const Vector<double> gain = *gaussian_vector<double>(hidden);
    const std::vector<std::pair<Norm<double>, Folded>> norms = {
        {{RmsNorm<double>{gain, 1e-5}}, Folded::rms_gain},
        {{DynamicTanh<double>{gain, 0.7}}, Folded::tanh_gain},
        {{LayerNorm<double>{gain, *gaussian_vector<double>(hidden), 1e-5}}, Folded::nothing},
        {{NoNorm<double>{}}, Folded::nothing}};
    for (const auto& [norm, folded] : norms) {
      const FeedForwardView view(block, norm);
      RC_ASSERT(view.folded == folded);
      RC_ASSERT(view.applicable());
      const Vector<double> x = ungained(norm).value(h).row(0).transpose();
      const Vector<double> want = block.value(norm.value(h)).row(0).transpose();
      check_value(view, x, want);
    }
  });
}

TEST_CASE("a view has the activation of its block, and biases are an obstacle") {
  property("each activation", [] {
    const Index hidden = *size();
    auto block = some_block(hidden);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const Matrix<double> row = x.transpose();
    for (const auto kind :
         {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu}) {
      block.activation = kind;
      check_value(FeedForwardView(block), x, block.value(row).row(0).transpose());
    }
    block.up_bias = Vector<double>::Ones(block.neurons());
    RC_ASSERT(FeedForwardView(block).obstacle == Obstacle::input_bias);
    RC_ASSERT(FeedForwardView(block).has_form());
    block.gate = {};
    RC_ASSERT(FeedForwardView(block).obstacle == Obstacle::no_gate);
    block.gate = block.up;
    block.up_bias = {};
    block.gate_bias = Vector<double>::Ones(block.neurons());
    RC_ASSERT(FeedForwardView(block).obstacle == Obstacle::input_bias);
    block.gate_bias = {};
    block.down_bias = Vector<double>::Ones(hidden);
    RC_ASSERT(FeedForwardView(block).applicable());
  });
}

TEST_CASE("a view copies no weights") {
  const Weights<float> own{Matrix<float>::Ones(3, 2), Matrix<float>::Ones(3, 2),
                           Matrix<float>::Ones(2, 3), Vector<float>::Ones(2)};
  const auto view = own.view();
  CHECK(view.gate.data() == own.gate.data());
  CHECK(view.up.data() == own.up.data());
  CHECK(view.down.data() == own.down.data());
  CHECK(view.hidden() == 2);
  CHECK(view.neurons() == 3);
  CHECK(view.channels() == 2);
  const FeedForwardView<float>::Weights gate(own.gate.data(), 3, 2), up(own.up.data(), 3, 2),
      down(own.down.data(), 2, 3);
  CHECK(FeedForwardView<float>(gate, up, down, own.gain).gate.data() == own.gate.data());
}

TEST_CASE("three matrices alone have a gain of ones") {
  const Matrix<double> gate = Matrix<double>::Ones(3, 2), up = gate;
  const Matrix<double> down = Matrix<double>::Ones(4, 3);
  const FeedForwardView view(gate, up, down);
  CHECK(view.gain == Vector<double>::Ones(2));
  CHECK(view.folded == Folded::nothing);
  const FeedForward<double> block{gate, up, down};
  CHECK(FeedForwardView(block).gain == Vector<double>::Ones(2));
}

TEST_CASE("the layer of a decoder is a view in one line") {
  const Decoder<double> model(Checkpoint::open(trained_checkpoints().front().string()));
  const auto layer = model.layer(0);
  const FeedForwardView view(layer);
  CHECK(view.folded == Folded::rms_gain);
  CHECK(view.gate.data() == layer.feed_forward.gate.data());
}

TEST_CASE("a view says why there is no quadratic form") {
  const Matrix<double> some = Matrix<double>::Ones(2, 2), none;
  const FeedForwardView absent(none, none, none);
  CHECK(absent.obstacle == Obstacle::no_block);
  CHECK_FALSE(absent.has_form());
  const FeedForwardView plain(none, some, some);
  CHECK(plain.obstacle == Obstacle::no_gate);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Matrix<double> spoilt = some;
    spoilt(1, 0) = bad;
    CHECK(FeedForwardView(spoilt, some, some).obstacle == Obstacle::not_finite);
    CHECK(FeedForwardView(some, spoilt, some).obstacle == Obstacle::not_finite);
    CHECK(FeedForwardView(some, some, spoilt).obstacle == Obstacle::not_finite);
    const Vector<double> gain{{1, bad}};
    CHECK(FeedForwardView(some, some, some, gain).obstacle == Obstacle::not_finite);
  }
  const Vector<double> x = Vector<double>::Ones(2);
  CHECK_THROWS_WITH(project(plain, x), "project: the feed-forward block has no gate");
}

TEST_CASE("matrices that do not fit each other are refused by name") {
  const Matrix<double> gate = Matrix<double>::Ones(3, 2), up = gate,
                       wide = Matrix<double>::Ones(3, 4);
  const Matrix<double> down = Matrix<double>::Ones(2, 3), narrow = Matrix<double>::Ones(2, 2);
  CHECK_THROWS_WITH(FeedForwardView(gate, up, narrow),
                    "FeedForwardView: columns of down is 2, expected 3");
  CHECK_THROWS_WITH(FeedForwardView(wide, up, down),
                    "FeedForwardView: columns of gate is 4, expected 2");
  const Vector<double> gain = Vector<double>::Ones(5);
  CHECK_THROWS_WITH(FeedForwardView(gate, up, down, gain),
                    "FeedForwardView: gain is 5, expected 2");
  const FeedForwardView view(gate, up, down);
  CHECK_THROWS_WITH(project(view, Vector<double>::Ones(3)), "project: x is 3, expected 2");
  const Vector<double> bad{{1, std::numeric_limits<double>::quiet_NaN()}};
  CHECK_THROWS_WITH(project(view, bad), "project: x has NaN or infinite entries");
}

TEST_CASE("names of obstacles and of what is folded") {
  for (int i = 0; i <= static_cast<int>(Obstacle::not_finite); ++i) {
    CHECK(std::string(to_string(static_cast<Obstacle>(i))) != "?");
  }
  for (int i = 0; i <= static_cast<int>(Folded::tanh_gain); ++i) {
    CHECK(std::string(to_string(static_cast<Folded>(i))) != "?");
  }
}
