#include "plumb/model/feed_forward.hpp"

#include <catch2/catch.hpp>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

Long silu_twin(Long z) { return z / (1 + std::exp(-z)); }

struct Twin {
  Matrix<Long> value;
  Matrix<double> allowance;
};

/// W_down (SiLU(z) .* y) one neuron at a time, and what rounding may add: the errors a and b of z
/// and y, that of SiLU, of slope at most 1.0998394, and of the sum over neurons.
template <class T>
Twin twin(const FeedForward<T>& block, const Matrix<T>& x) {
  constexpr double u = unit<T>, silu_roundings = 11.5;
  const Index hidden = x.cols(), neurons = block.gate.rows();
  const double gamma_d = gamma<T>(static_cast<double>(hidden));
  const double gamma_f = gamma<T>(static_cast<double>(neurons));
  Twin twin{Matrix<Long>::Zero(x.rows(), block.down.rows()),
            Matrix<double>::Zero(x.rows(), block.down.rows())};
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index j = 0; j < neurons; ++j) {
      Long z = 0, y = 0, z_size = 0, y_size = 0;
      for (Index c = 0; c < hidden; ++c) {
        const Long z_term = Long(block.gate(j, c)) * Long(x(t, c));
        const Long y_term = Long(block.up(j, c)) * Long(x(t, c));
        z += z_term;
        y += y_term;
        z_size += std::abs(z_term);
        y_size += std::abs(y_term);
      }
      const Long act = silu_twin(z);
      const double a = gamma_d * static_cast<double>(z_size);
      const double b = gamma_d * static_cast<double>(y_size);
      const double s = std::abs(static_cast<double>(act)), up = std::abs(static_cast<double>(y));
      const double error =
          1.0998394 * a * (up + b) + s * b + (silu_roundings + 2) * u * s * up + gamma_f * s * up;
      for (Index k = 0; k < block.down.rows(); ++k) {
        twin.value(t, k) += Long(block.down(k, j)) * act * y;
        twin.allowance(t, k) += 1.01 * std::abs(static_cast<double>(block.down(k, j))) * error;
      }
    }
  }
  return twin;
}

template <class T>
FeedForward<T> some_block(Index hidden) {
  const Index neurons = *size();
  return {*weights<T>(neurons, hidden), *weights<T>(neurons, hidden), *weights<T>(hidden, neurons)};
}

/// |J dx| <= |W_down| (1.1 |W_gate| |y| + |SiLU(z)| |W_up|) |dx| without cancellation, with
/// |y| <= |W_up| |x| and |SiLU(z)| <= |W_gate| |x|. The rounding of z moves SiLU', of slope at most
/// 1/2, by as much again for each |z|.
double allowance(const FeedForward<double>& block, const Matrix<double>& x) {
  const double gate = block.gate.norm(), up = block.up.norm(), down = block.down.norm();
  const double n = 3 * (roundings(x.cols()) + roundings(block.neurons())) + 60;
  return gamma<double>(n) * 2.1 * down * gate * up * x.norm() * (1 + gate * x.norm());
}

/// A direction in which z moves by at most 1 a step: the nearest pole of SiLU is i pi away.
Matrix<double> some_direction(const FeedForward<double>& block, Index tokens) {
  const Matrix<double> dx = *gaussian<double>(tokens, block.gate.cols());
  return dx / std::max(1.0, dx.norm() * block.gate.norm());
}

/// Rows as a block reads them, of norm sqrt(channels) or so.
rc::Gen<Matrix<double>> readings(Index tokens, Index channels) {
  return rc::gen::oneOf(bounded_matrix<double>(tokens, channels, 2.0),
                        gaussian<double>(tokens, channels));
}

/// S_k h, S_k = (U_k + U_k') / 2, U_k = W_gate' diag(w_k) W_up   (paper eq. 16 to 18), in long
/// double, neuron by neuron.
Vector<double> quadratic_form(const FeedForward<double>& block, Index k, const Vector<double>& h) {
  Vector<double> product(h.size());
  for (Index a = 0; a < h.size(); ++a) {
    Long sum = 0;
    for (Index j = 0; j < block.neurons(); ++j) {
      for (Index b = 0; b < h.size(); ++b) {
        const Long both = Long(block.gate(j, a)) * Long(block.up(j, b)) +
                          Long(block.gate(j, b)) * Long(block.up(j, a));
        sum += Long(block.down(k, j)) * both / 2 * Long(h[b]);
      }
    }
    product[a] = static_cast<double>(sum);
  }
  return product;
}

}  // namespace

TEMPLATE_TEST_CASE("the feed-forward block equals its formula in long double", "", float, double) {
  using T = TestType;
  property("on bounded, Gaussian and spiked rows", [] {
    const Index tokens = *size(5), hidden = *size();
    const auto block = some_block<T>(hidden);
    const auto x = *activations<T>(tokens, hidden);
    const auto want = twin(block, x);
    RC_ASSERT(mismatch(block.value(x), want.value, want.allowance) == "");
    RC_ASSERT(block.neurons() == block.gate.rows());
  });
}

TEST_CASE("one neuron writes SiLU(g.x) (u.x) times its column") {
  const FeedForward<double> block{RowVector<double>{{1, 2}}, RowVector<double>{{3, -1}},
                                  Vector<double>{{5, -7}}};
  const Matrix<double> x = RowVector<double>{{1, 0.5}};  // z = 2, y = 2.5
  const double write = 2 / (1 + std::exp(-2.0)) * 2.5;
  CHECK(mismatch(block.value(x), RowVector<double>{{5 * write, -7 * write}}, 1e-14) == "");
}

TEST_CASE("F(x) + F(-x) = x' S_k x in every channel") {
  property("the mirror identity", [] {
    const Index hidden = *size(8);
    const auto block = some_block<double>(hidden);
    const auto x = *readings(1, hidden);
    const Matrix<double> both = block.value(x) + block.value(-x);
    const auto there = twin<double>(block, x), back = twin<double>(block, -x);
    const Vector<double> h = x.row(0).transpose();
    for (Index k = 0; k < hidden; ++k) {
      const Vector<double> sh = quadratic_form(block, k, h);
      const double rounding = there.allowance(0, k) + back.allowance(0, k) +
                              gamma<double>(roundings(hidden)) * h.cwiseAbs().dot(sh.cwiseAbs());
      RC_ASSERT(mismatch(both(0, k), h.dot(sh), rounding) == "");
    }
  });
}

TEST_CASE("J_k(x) - J_k(-x) = 2 x' S_k, and J_k(x) x is Euler's sum") {
  property("row by row of the Jacobian", [] {
    const Index hidden = *size(8);
    const auto block = some_block<double>(hidden);
    const auto x = *readings(1, hidden);
    const Vector<double> h = x.row(0).transpose();
    const Matrix<double> j = block.jacobian(h);
    const Matrix<double> odd = j - block.jacobian(-h);
    Vector<double> euler = Vector<double>::Zero(hidden);
    for (Index n = 0; n < block.neurons(); ++n) {
      const double z = block.gate.row(n).dot(h), y = block.up.row(n).dot(h);
      const double rise = 2 + z / (1 + std::exp(z));
      euler += block.down.col(n) * (static_cast<double>(silu_twin(z)) * y * rise);
    }
    for (Index k = 0; k < hidden; ++k) {
      const RowVector<double> want = 2 * quadratic_form(block, k, h).transpose();
      RC_ASSERT(mismatch(odd.row(k), want, 2 * allowance(block, x)) == "");
    }
    RC_ASSERT(mismatch(j * h, euler, 3 * allowance(block, x) * h.norm()) == "");
  });
}

TEST_CASE("the derivatives of the feed-forward block obey the laws") {
  property("on bounded and Gaussian rows", [] {
    const Index tokens = *size(4), hidden = *size();
    const auto block = some_block<double>(hidden);
    const auto x = *readings(tokens, hidden);
    const auto dx = some_direction(block, tokens);
    const auto dy = *gaussian<double>(tokens, hidden);
    RC_ASSERT(broken_derivative(block, x, dx, dy, allowance(block, x)) == "");
    RC_ASSERT(broken_jacobian(block, x.row(0), allowance(block, x)) == "");
    const double rows = allowance(block, x) * (dx.norm() + dy.norm() + x.norm());
    RC_ASSERT(broken_rows(block, x, dx, dy, rows) == "");
  });
}

TEST_CASE("the derivatives of the feed-forward block obey the laws at special rows") {
  Engine engine(1);
  const FeedForward<double> block{draw_gaussian<double>(engine, 5, 7),
                                  draw_gaussian<double>(engine, 5, 7),
                                  draw_gaussian<double>(engine, 7, 5)};
  const Matrix<double> dx = draw_gaussian<double>(engine, 1, 7) / 50;
  const Matrix<double> dy = draw_gaussian<double>(engine, 1, 7);
  for (const auto& [name, row] : special_rows<double>(7)) {
    INFO(name);
    // The allowance is 0 at the zero row, where J is, and underflows at the subnormal one.
    const double at = allowance(block, row) + 1e-300;
    CHECK(broken_derivative(block, row, dx, dy, at) == "");
    CHECK(broken_jacobian(block, row, at) == "");
  }
  CHECK(difference(block.value(Matrix<double>::Zero(1, 7)), Matrix<double>::Zero(1, 7)) == "");
  CHECK(difference(block.jacobian(Vector<double>::Zero(7)), Matrix<double>::Zero(7, 7)) == "");
}

TEST_CASE("the feed-forward block in float has the derivatives of the one in double") {
  property("jvp, vjp and jacobian", [] {
    const Index hidden = *size();
    const auto block = some_block<float>(hidden);
    const auto exact = block.cast<double>();
    const auto x = *gaussian<float>(2, hidden), dx = *gaussian<float>(2, hidden);
    const Matrix<double> wide_x = x.cast<double>(), wide_dx = dx.cast<double>();
    const double wider = 1.01 * unit<float> / unit<double> * allowance(exact, wide_x);
    const double along = wider * wide_dx.norm();
    RC_ASSERT(mismatch(block.jvp(x, dx), exact.jvp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(block.vjp(x, dx), exact.vjp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(block.jacobian(x.row(1).transpose()),
                       exact.jacobian(wide_x.row(1).transpose()), wider) == "");
  });
}

// ---- Other activations, biases, no gate ---------------------------------------------------------

namespace {

/// Any activation, with or without gate and each bias.
FeedForward<double> any_block(Engine& engine, Activation activation, bool gated, bool biased) {
  constexpr Index hidden = 5, neurons = 7;
  const auto draw = [&](Index out, Index in) {
    return draw_gaussian<double>(engine, out, in, 1 / std::sqrt(static_cast<double>(in)));
  };
  FeedForward<double> block;
  if (gated) block.gate = draw(neurons, hidden);
  block.up = draw(neurons, hidden);
  block.down = draw(hidden, neurons);
  block.activation = activation;
  if (!biased) return block;
  if (gated) block.gate_bias = draw_gaussian<double>(engine, neurons, 1);
  block.up_bias = draw_gaussian<double>(engine, neurons, 1);
  block.down_bias = draw_gaussian<double>(engine, hidden, 1);
  return block;
}

const std::vector<Activation> kActivationKinds = {Activation::silu, Activation::gelu,
                                                  Activation::gelu_tanh, Activation::relu};

double act(Activation kind, double z) {
  return activate<double>(kind, Matrix<double>::Constant(1, 1, z))(0, 0);
}

/// Sums of at most 12 terms, each step of which is amplified by no more than the norms of the
/// matrices, slopes of at most 1.13, and rows and biases of the size given.
double any_allowance(const FeedForward<double>& block, const Matrix<double>& x) {
  const double gate = block.gated() ? block.gate.norm() : 1, up = block.up.norm();
  const double size = 1 + x.norm() + block.gate_bias.norm() + block.up_bias.norm();
  const double reach = (1 + gate * size) * (1 + up * size) * (1 + block.down.norm());
  return gamma<double>(100) * (reach * (1 + gate + up) + block.down_bias.norm());
}

}  // namespace

TEST_CASE("with any activation, gate and bias the block equals its formula, neuron by neuron") {
  Engine engine(3);
  for (const auto kind : kActivationKinds) {
    for (const bool gated : {false, true}) {
      for (const bool biased : {false, true}) {
        INFO("activation " << int(kind) << ", gated " << gated << ", biased " << biased);
        const auto block = any_block(engine, kind, gated, biased);
        CHECK(block.neurons() == 7);
        CHECK(block.gated() == gated);
        const auto x = draw_gaussian<double>(engine, 3, 5);
        Matrix<double> want = Matrix<double>::Zero(3, 5);
        for (Index t = 0; t < 3; ++t) {
          for (Index j = 0; j < 7; ++j) {
            const double y = block.up.row(j).dot(x.row(t)) + (biased ? block.up_bias[j] : 0);
            double neuron = act(kind, y);
            if (gated) {
              const double z = block.gate.row(j).dot(x.row(t)) + (biased ? block.gate_bias[j] : 0);
              neuron = act(kind, z) * y;
            }
            want.row(t) += neuron * block.down.col(j).transpose();
          }
          if (biased) want.row(t) += block.down_bias.transpose();
        }
        CHECK(mismatch(block.value(x), want, any_allowance(block, x)) == "");
      }
    }
  }
}

TEST_CASE("the derivatives obey the laws with any activation, gate and bias") {
  Engine engine(4);
  for (const auto kind : kActivationKinds) {
    for (const bool gated : {false, true}) {
      for (const bool biased : {false, true}) {
        INFO("activation " << int(kind) << ", gated " << gated << ", biased " << biased);
        const auto block = any_block(engine, kind, gated, biased);
        const auto x = draw_gaussian<double>(engine, 3, 5);
        // Short: no pole, and no corner of ReLU, is within two steps.
        const Matrix<double> dx = draw_gaussian<double>(engine, 3, 5) / 50;
        const auto dy = draw_gaussian<double>(engine, 3, 5);
        const double at = any_allowance(block, x);
        CHECK(broken_derivative(block, x, dx, dy, at) == "");
        CHECK(broken_jacobian(block, x.row(0), at) == "");
        CHECK(broken_rows(block, x, dx, dy, at * (1 + dx.norm() + dy.norm())) == "");
        const auto narrow = block.cast<float>();
        const Matrix<float> x_float = x.cast<float>();
        CHECK(mismatch(narrow.value(x_float), block.value(x), at * unit<float> / unit<double>) ==
              "");
      }
    }
  }
}

TEST_CASE("without a gate the tap sees act(y), and biases that do not fit throw") {
  Engine engine(5);
  const auto block = any_block(engine, Activation::relu, false, true);
  const auto x = draw_gaussian<double>(engine, 2, 5);
  Matrix<double> seen;
  const auto read = [&](Index, site::neurons, Matrix<double>& neurons) { seen = neurons; };
  CHECK(difference(block.value(x, read), block.value(x)) == "");
  const Matrix<double> y = (x * block.up.transpose()).rowwise() + block.up_bias.transpose();
  CHECK(mismatch(seen, y.cwiseMax(0), any_allowance(block, x)) == "");

  const auto gated = any_block(engine, Activation::silu, true, true);
  for (auto bias : {&FeedForward<double>::gate_bias, &FeedForward<double>::up_bias,
                    &FeedForward<double>::down_bias}) {
    auto misfit = gated;
    misfit.*bias = Vector<double>::Ones(3);
    CHECK_THROWS_AS(misfit.value(x), shape_error);
  }
  CHECK_THROWS_AS(block.value(Matrix<double>(2, 4)), shape_error);
}

TEST_CASE("a tap sees the neurons, and what it leaves of them is what the block writes") {
  Engine engine(2);
  const FeedForward<double> block{draw_gaussian<double>(engine, 6, 4),
                                  draw_gaussian<double>(engine, 6, 4),
                                  draw_gaussian<double>(engine, 4, 6)};
  const auto x = draw_gaussian<double>(engine, 3, 4);
  Matrix<double> seen;
  Index at_layer = -1;
  const auto read = [&](Index layer, site::neurons, Matrix<double>& neurons) {
    at_layer = layer;
    seen = neurons;
  };
  CHECK(difference(block.value(x, read, 9), block.value(x)) == "");
  CHECK(at_layer == 9);
  REQUIRE(seen.rows() == 3);
  REQUIRE(seen.cols() == 6);
  for (Index t = 0; t < 3; ++t) {
    for (Index j = 0; j < 6; ++j) {
      const double z = block.gate.row(j).dot(x.row(t)), y = block.up.row(j).dot(x.row(t));
      const double size =
          block.gate.row(j).norm() * block.up.row(j).norm() * x.row(t).squaredNorm();
      CHECK(mismatch(seen(t, j), static_cast<double>(silu_twin(z) * y),
                     gamma<double>(30) * size * (1 + std::abs(z))) == "");
    }
  }

  const auto without_third = [](Index, site::neurons, Matrix<double>& n) { n.col(3).setZero(); };
  auto pruned = block;
  pruned.down.col(3).setZero();
  CHECK(difference(block.value(x, without_third), pruned.value(x)) == "");
  CHECK(difference(block.value(x, without_third), block.value(x)) != "");
}

TEST_CASE("the feed-forward block throws when shapes do not fit and only then") {
  const FeedForward<double> block{Matrix<double>::Ones(3, 4), Matrix<double>::Ones(3, 4),
                                  Matrix<double>::Ones(4, 3)};
  const Matrix<double> x = Matrix<double>::Ones(2, 4), longer = Matrix<double>::Ones(3, 4);
  CHECK_NOTHROW(block.value(x));
  CHECK_NOTHROW(block.value(Matrix<double>(0, 4)));
  CHECK_NOTHROW(block.jvp(x, x));
  CHECK_NOTHROW(block.vjp(x, x));
  CHECK_NOTHROW(block.jacobian(Vector<double>::Ones(4)));
  CHECK_THROWS_AS(block.jvp(x, longer), shape_error);
  CHECK_THROWS_AS(block.vjp(x, longer), shape_error);
  for (const Index wrong : {3, 5}) {
    const Matrix<double> other = Matrix<double>::Ones(2, wrong);
    CHECK_THROWS_AS(block.value(other), shape_error);
    CHECK_THROWS_AS(block.jvp(other, other), shape_error);
    CHECK_THROWS_AS(block.jvp(x, other), shape_error);
    CHECK_THROWS_AS(block.vjp(other, x), shape_error);
    CHECK_THROWS_AS(block.vjp(x, other), shape_error);
    CHECK_THROWS_AS(block.jacobian(Vector<double>::Ones(wrong)), shape_error);
  }
}
