#include "plumb/spike/write_budget.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "plumb/model/planted.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

Norm<double> rms(Vector<double> gain) { return {RmsNorm<double>{std::move(gain), 0}}; }

/// One head of two channels, without rotation that matters at position 0.
Attention<double> one_head(Index hidden) {
  Engine engine(5);
  Attention<double> block;
  block.heads = block.kv_heads = 1;
  block.head_dim = 2;
  block.scale = 1;
  block.query = block.key = Matrix<double>::Zero(2, hidden);
  block.values = draw_gaussian<double>(engine, 2, hidden);
  block.output = draw_gaussian<double>(engine, hidden, 2);
  block.rotary = {2, 1e4, RotaryPairing::half_split};
  return block;
}

/// Rounding of a write: of sums of magnitudes that are at most twice the bound.
Vector<double> allowed(const WriteBudget& budget, const Architecture& a) {
  const double n = 2 * roundings(a.hidden_size) + roundings(a.feed_forward_size) + 100;
  return budget.bound * (1 + 2 * gamma<double>(n));
}

double measured_write(const Norm<double>& norm, const Attention<double>& block,
                      const Vector<double>& h, Index channel) {
  const Matrix<double> row = h.transpose();
  return block.value(norm.value(row), Sequence::alone(1))(0, channel);
}

}  // namespace

TEST_CASE("no block of any model writes more than its budget") {
  for (const auto& one : golden_fixtures()) {
    INFO(one.name);
    const Decoder<double> model(Checkpoint::open(one.model));
    const auto& a = model.architecture();
    auto budgets = write_budget(model);
    REQUIRE(static_cast<Index>(budgets.size()) == 2 * a.layers);
    TokenIds ids;
    for (TokenId id = 0; id < 24; ++id)
      ids.push_back((id * 37) % static_cast<TokenId>(a.vocab_size));
    const auto pass = trace(model, ids, TraceOptions{.attention = false, .logits = false});
    measure(budgets, pass);
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      const auto& budget = budgets[i];
      CHECK(budget.layer == static_cast<Index>(i / 2));
      CHECK(budget.block == (i % 2 == 0 ? Block::attention : Block::feed_forward));
      CHECK((budget.measured.array() <= allowed(budget, a).array()).all());
      CHECK(budget.measured.maxCoeff() > 0);
    }
  }
}

TEST_CASE("planted spikes stay within the budget of the block that writes them, and only of it") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  auto budgets = write_budget(model);
  measure(budgets, trace(model, {0, 1, 5, 6, 7}, TraceOptions{.attention = false}));
  const auto able = able_to_write(budgets, planted.channels[0], 1000);
  REQUIRE(able.size() == 2);
  for (const auto& budget : able) {
    CHECK(budget.block == Block::feed_forward);
    CHECK(budget.measured[planted.channels[0]] > 1000);
  }
  CHECK(able[0].layer == planted.plan.step_up_layer);
  CHECK(able[1].layer == *planted.plan.step_down_layer);
}

TEST_CASE("an ungated head reaches its bound when x lies along the row") {
  const Index d = 5;
  const auto block = one_head(d);
  Engine engine(6);
  const Vector<double> gain = draw_gaussian<double>(engine, d, 1);
  const auto norm = rms(gain);
  const auto budget = attention_budget(norm, block);
  CHECK(budget.rule == WriteRule::attention);
  for (Index k = 0; k < d; ++k) {
    const RowVector<double> row = block.output.row(k) * block.values;
    const Vector<double> h = row.transpose().cwiseProduct(gain);
    CHECK(mismatch(measured_write(norm, block, h, k), budget.bound[k],
                   gamma<double>(60) * 10 * budget.bound[k]) == "");
  }
}

TEST_CASE("with DynamicTanh a head reaches its bound when every coordinate is saturated") {
  const Index d = 5;
  const auto block = one_head(d);
  Engine engine(6);
  const Vector<double> gain = draw_gaussian<double>(engine, d, 1);
  const Norm<double> norm{DynamicTanh<double>{gain, 1.0}};
  const auto budget = attention_budget(norm, block);
  for (Index k = 0; k < d; ++k) {
    const Vector<double> row = (block.output.row(k) * block.values).transpose().cwiseProduct(gain);
    const Vector<double> h = 100 * row.cwiseSign();
    CHECK(mismatch(measured_write(norm, block, h, k), budget.bound[k],
                   gamma<double>(60) * 10 * budget.bound[k]) == "");
  }
}

TEST_CASE("a gate a channel may stop what cancels: the bound a head would be false") {
  // Row (1, -1) of W_O over equal values: without a gate the head writes 0.
  auto block = one_head(4);
  block.values.row(1) = block.values.row(0);
  block.output.row(2) << 1, -1;
  const auto norm = rms(Vector<double>::Ones(4));
  CHECK(attention_budget(norm, block).bound[2] == Approx(0).margin(1e-14));

  const Vector<double> h = block.values.row(0).transpose();
  block.gate.weight = Matrix<double>::Zero(2, 4);
  block.gate.weight.row(0) = 100 * h.transpose();
  block.gate.weight.row(1) = -100 * h.transpose();
  const auto gated = attention_budget(norm, block);
  CHECK(gated.rule == WriteRule::attention_channel_gate);
  const double write = measured_write(norm, block, h, 2);
  CHECK(write > 1);
  CHECK(write <= gated.bound[2] * (1 + 1e-14));

  block.gate.weight = Matrix<double>(block.gate.weight.topRows(1));  // one a head
  CHECK(attention_budget(norm, block).rule == WriteRule::attention);
}

TEST_CASE("one neuron reaches its bound on the bisector of its rows") {
  const Index d = 4;
  const RowVector<double> g{{30, 10, 0, 0}}, u{{0, 20, 5, 0}};
  const FeedForward<double> block{g, u, Vector<double>{{2, -3, 0, 1}}};
  const auto norm = rms(Vector<double>::Ones(d));
  const auto budget = feed_forward_budget(norm, block);
  CHECK(budget.rule == WriteRule::feed_forward);
  const Matrix<double> h = g.normalized() + u.normalized();
  const Matrix<double> write = block.value(norm.value(h));
  for (Index k = 0; k < d; ++k) {
    CHECK(std::abs(write(0, k)) == Approx(budget.bound[k]).epsilon(1e-8));
  }
}

TEST_CASE("a feed-forward block stays within its budget on any row") {
  property("with any norm in front, and on the worst rows of its neurons", [] {
    const Index d = *size(), f = *size();
    const FeedForward<double> block{*gaussian<double>(f, d), *gaussian<double>(f, d),
                                    *gaussian<double>(d, f)};
    const Vector<double> gain = *gaussian_vector<double>(d);
    const Norm<double> norm =
        *rc::gen::inRange(0, 2) == 0 ? rms(gain) : Norm<double>{DynamicTanh<double>{gain, 0.5}};
    const auto budget = feed_forward_budget(norm, block);
    Matrix<double> h = *activations<double>(4, d);
    h.row(0) = block.gate.row(0).stableNormalized() + block.up.row(0).stableNormalized();
    h.row(1) = 1e6 * block.gate.row(0).cwiseSign();
    for (Index t = 0; t < h.rows(); ++t) {
      if (h.row(t).isZero(0)) continue;  // 0 / 0 without an eps
      const Matrix<double> row = h.row(t);
      const Matrix<double> write = block.value(norm.value(row));
      const double rounding = 1 + 2 * gamma<double>(2 * roundings(d) + roundings(f) + 100);
      RC_ASSERT(
          (write.row(0).transpose().cwiseAbs().array() <= budget.bound.array() * rounding).all());
    }
  });
}

TEST_CASE("a block without a gate has a budget row by row") {
  const FeedForward<double> plain{Matrix<double>(0, 3), Matrix<double>::Ones(2, 3),
                                  Matrix<double>::Ones(3, 2)};
  const auto budget = feed_forward_budget(rms(Vector<double>::Ones(3)), plain);
  CHECK(budget.rule == WriteRule::feed_forward_rows);
  CHECK(budget.bound[0] == Approx(2 * 3));
}

TEST_CASE("a norm behind a block bounds it, and is reached by an output in one channel") {
  Layer<double> layer;
  layer.attention = one_head(4);
  layer.feed_forward = {Matrix<double>::Identity(4, 4), Matrix<double>::Identity(4, 4),
                        Matrix<double>::Identity(4, 4)};
  const Vector<double> gain{{1, -2, 0, 3}};
  layer.attention_post_norm = {DynamicTanh<double>{gain, 2.0}};
  layer.feed_forward_post_norm = rms(gain);
  const auto budgets = write_budget(layer, 7);
  REQUIRE(budgets.size() == 2);
  CHECK(budgets[0].rule == WriteRule::post_norm);
  CHECK(budgets[1].layer == 7);
  CHECK(difference(budgets[0].bound, gain.cwiseAbs()) == "");
  CHECK(difference(budgets[1].bound, 2 * gain.cwiseAbs()) == "");
  const Matrix<double> one_hot = 5 * RowVector<double>::Unit(4, 1);
  CHECK(layer.feed_forward_post_norm.value(layer.feed_forward.value(one_hot))(0, 1) == -4);
}

TEST_CASE("without a norm nothing is bounded, and that is said") {
  Layer<double> layer;
  layer.attention = one_head(4);
  layer.feed_forward = {Matrix<double>::Ones(3, 4), Matrix<double>::Ones(3, 4),
                        Matrix<double>::Ones(4, 3)};
  for (const auto& budget : write_budget(layer)) {
    CHECK(budget.rule == WriteRule::none);
    CHECK(budget.bound.size() == 4);
    CHECK(std::isinf(budget.bound.minCoeff()));
  }
  CHECK(able_to_write(write_budget(layer), 1, 1e300).size() == 2);
}

TEST_CASE("of the bundled model the spike's writer comes within a quarter of its cheap bound") {
  const Decoder<float> model(Checkpoint::open(PLUMB_SOURCE_DIR "/examples/models/tiny-llama"));
  auto budgets = write_budget(model);
  measure(budgets, trace(model, {0, 5, 6}, TraceOptions{.attention = false}));
  const auto& writer = budgets[1];
  CHECK(writer.measured[61] == Approx(52.87).margin(0.005));
  CHECK(writer.measured[61] / writer.bound[61] == Approx(0.245).margin(0.0005));

  auto sharp = writer;
  const auto layer = model.layer(0);
  const FeedForwardView<float> view(layer);
  sharpen(sharp, quadratic_form(view, 61));
  CHECK(sharp.bound[61] == Approx(58.93).margin(0.005));
  CHECK(sharp.bound[60] == writer.bound[60]);
  CHECK_THROWS_AS(sharpen(sharp, QuadraticForm<float>{view, 64}), index_error);
  auto attention = budgets[0];
  sharpen(attention, quadratic_form(view, 61));
  CHECK(attention.bound[61] == budgets[0].bound[61]);
}

TEST_CASE("budgets of another model, and channels out of range, throw") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  auto budgets = write_budget(model);
  CHECK_THROWS_AS(able_to_write(budgets, 64, 1), index_error);
  CHECK_THROWS_AS(able_to_write(budgets, -1, 1), index_error);
  const auto pass = trace(model, {0, 5}, TraceOptions{.attention = false});
  budgets.pop_back();
  CHECK_THROWS_AS(measure(budgets, pass), shape_error);
  budgets = write_budget(model);
  budgets[0].bound.conservativeResize(3);
  CHECK_THROWS_AS(measure(budgets, pass), shape_error);
}

TEST_CASE("rules have names") {
  for (const auto rule :
       {WriteRule::attention, WriteRule::attention_channel_gate, WriteRule::feed_forward,
        WriteRule::feed_forward_rows, WriteRule::post_norm, WriteRule::none}) {
    CHECK(std::string(to_string(rule)) != "?");
  }
}
