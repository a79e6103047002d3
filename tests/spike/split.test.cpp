#include "plumb/spike/split.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// What rounding may add to x' S x, computed as x . (S x): the error of S x, and that of the dot.
template <class T>
double form_rounding(const QuadraticForm<T>& form, double mass, const Vector<double>& x) {
  const double n =
      2 * static_cast<double>(form.size()) + static_cast<double>(form.view.neurons()) + 16;
  return 2 * gamma<double>(n) * mass * x.squaredNorm();
}

/// Empty when the certificate of any unit v is kept, and in the right order.
template <class T>
std::string broken_certificate(const QuadraticForm<T>& form, const FormNorms& norms,
                               const Vector<double>& v, const Vector<double>& x) {
  const auto bound = certificate(form, norms, v, x);
  const double slack = form_rounding(form, norms.mass, x);
  if (!(std::abs(bound.remainder) <= bound.aligned + slack)) return "aligned is violated";
  if (!(std::abs(bound.remainder) <= bound.blind + slack)) return "blind is violated";
  // The root of the allowance enters the two bounds with different weights.
  const double root = std::sqrt(norms.rounding) * x.squaredNorm();
  if (!(bound.aligned <= bound.blind + 2 * root + slack)) return "aligned is above blind";
  return {};
}

Eigenpair any_pair(double lambda, const Vector<double>& direction) {
  Eigenpair pair;
  pair.lambda = lambda;
  pair.direction = direction;
  return pair;
}

}  // namespace

TEST_CASE("tiny-llama, layer 0, channel 61, position 0") {
  const auto checkpoint = Checkpoint::open(trained_checkpoints().front().string());
  const Decoder<double> model(checkpoint);
  const auto run = trace(model, TokenIds{0});
  const auto layer = model.layer(0);
  const auto form = quadratic_form(FeedForwardView(layer), 61);
  const auto pair = leading_eigenpair(form);
  const Vector<double> x = readings(layer, run, 0).row(0).transpose();
  const auto parts = split(form, pair, x);
  CHECK(mismatch(parts.value, 52.870, 5e-4) == "");
  CHECK(mismatch(parts.rank_one, 53.626, 5e-4) == "");
  CHECK(mismatch(parts.spectral, 0.095, 5e-4) == "");
  CHECK(mismatch(parts.gating, -0.850, 5e-4) == "");
  CHECK(mismatch(parts.quadratic, 53.721, 5e-4) == "");
  CHECK(mismatch(parts.alignment, 0.915, 5e-4) == "");
  CHECK(mismatch(parts.value, run.feed_forward_write[0](0, 61), 1e-12) == "");
  CHECK(parts.evenness() < 0.02);

  const auto bound = certificate(form, *pair.norms, pair.direction, x);
  CHECK(mismatch(bound.remainder, 0.095, 5e-4) == "");
  CHECK(mismatch(bound.aligned, 2.59, 5e-3) == "");
  CHECK(mismatch(bound.blind, 30.65, 5e-3) == "");
}

TEST_CASE("the three terms add to F_k on every layer and channel of the trained checkpoints") {
  for (const auto& path : trained_checkpoints()) {
    const auto checkpoint = Checkpoint::open(path.string());
    const Decoder<double> model(checkpoint);
    auto ids = prompt_of(checkpoint);
    if (ids.size() > 24) ids.resize(24);
    const auto run = trace(model, ids);
    for (Index l = 0; l < run.layers(); ++l) {
      const auto layer = model.layer(l);
      const FeedForwardView view(layer);
      const Matrix<double> x = readings(layer, run, l);
      const Matrix<double> writes =
          layer.feed_forward.value(layer.feed_forward_pre_norm.value(run.middle(l)));
      for (Index k = 0; k < view.channels(); ++k) {
        const auto form = quadratic_form(view, k);
        EigenpairOptions options;
        options.norms = options.second = false;
        const auto pair = leading_eigenpair(form, options);
        for (const Index t : {Index{0}, x.rows() / 2, x.rows() - 1}) {
          const auto parts = split(form, pair, x.row(t).transpose());
          INFO(path << ", layer " << l << ", channel " << k << ", position " << t);
          REQUIRE(parts.applicable());
          REQUIRE(parts.discrepancy() <= 1e-12 * parts.mass);
          REQUIRE(mismatch(parts.value, writes(t, k), 1e-11 * parts.mass) == "");
          REQUIRE(std::abs(parts.value - parts.active) <= parts.active_bound + 1e-12 * parts.mass);
          REQUIRE(parts.active_bound <= parts.coarse_bound * (1 + 1e-12));
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("the split is exact for any lambda and unit s", "", float, double) {
  using T = TestType;
  property("three routes, one sum", [] {
    const Index hidden = *size();
    const auto block = *some_weights<T>(hidden, *size(), 1);
    const auto form = block.form(0);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const Vector<double> s = (*gaussian_vector<double>(hidden)).stableNormalized();
    const double lambda = *bounded<double>(5);
    const auto parts = split(form, any_pair(lambda, s), x);
    const double mass = mass_twin(block, 0) + std::abs(lambda);
    const double slack = form_rounding(form, 4 * mass, x);
    RC_ASSERT(parts.discrepancy() <= slack);
    const Matrix<double> dense = form_twin(block, 0);
    RC_ASSERT(mismatch(parts.quadratic, x.dot(dense * x), slack) == "");
    RC_ASSERT(mismatch(parts.rank_one + parts.spectral, parts.quadratic, slack) == "");
    RC_ASSERT(std::abs(parts.value - parts.active) <= parts.active_bound + slack);
    RC_ASSERT(parts.alignment >= 0);
    RC_ASSERT(parts.alignment <= 1);
  });
}

TEST_CASE("the active set is off by W at |z| = 1 + W, y = 1, and the coarse bound is met") {
  for (const double z : {1 + kActivationGap, -1 - kActivationGap}) {
    const Weights<double> block{RowVector<double>{{z, 0}}, RowVector<double>{{0, 1}},
                                Matrix<double>::Ones(1, 1), Vector<double>::Ones(2)};
    const auto parts =
        split(block.form(0), any_pair(0, Vector<double>::Unit(2, 0)), Vector<double>::Ones(2));
    CHECK(mismatch(std::abs(parts.value - parts.active), kActivationGap, 1e-15) == "");
    CHECK(mismatch(parts.active_bound, kActivationGap, 1e-15) == "");
    CHECK(mismatch(parts.coarse_bound, kActivationGap, 1e-15) == "");
  }
}

TEST_CASE("an amplifier is one-sided: F(-s) is nothing beside F(s), though x' S x is even") {
  for (const double c : {0.9, -0.9}) {
    Weights<double> block{Matrix<double>::Zero(1, 4), Matrix<double>::Zero(1, 4),
                          Matrix<double>::Ones(1, 1), Vector<double>::Ones(4)};
    plant_neuron(block, 0, 1, c, 8);
    const auto form = block.form(0);
    const auto pair = leading_eigenpair(form);
    const auto there = split(form, pair, 3 * pair.direction);
    const auto back = split(form, pair, -3 * pair.direction);
    CHECK(there.evenness() < 1e-8);
    CHECK(back.evenness() > 1e8);
    CHECK(mismatch(there.quadratic, back.quadratic, 1e-10) == "");
    CHECK(std::abs(there.value) > 100);
    CHECK((there.value < 0) == (c < 0));
  }
}

TEST_CASE("GELU and ReLU are split as well") {
  Engine engine(3);
  const auto block = draw_weights<double>(engine, 9, 12, 1);
  const Vector<double> x = Vector<double>::LinSpaced(9, -1, 2);
  const auto gelu = [](const double& z) { return z / 2 * (1 + std::erf(z / std::sqrt(2.0))); };
  const auto relu = [](const double& z) { return std::max(z, 0.0); };
  for (double (*act)(const double&) : {+gelu, +relu}) {
    auto view = block.view();
    view.activation = act;
    const auto form = quadratic_form(view, 0);
    const auto parts = split(form, leading_eigenpair(form), x);
    CHECK(parts.discrepancy() <= 1e-13 * parts.mass);
    CHECK(std::abs(parts.value - parts.active) <= parts.active_bound + 1e-13 * parts.mass);
    CHECK(parts.active_bound <= parts.coarse_bound);
  }
}

TEST_CASE("the certificate holds for 100,000 random and adversarial inputs") {
  Engine engine(20261);
  Index tried = 0;
  const auto check = [&](const QuadraticForm<double>& form, const FormNorms& norms,
                         const Vector<double>& v, const Vector<double>& x) {
    const auto wrong = broken_certificate(form, norms, v, x);
    if (!wrong.empty()) FAIL(wrong << " after " << tried << " inputs");
    ++tried;
  };
  for (int round = 0; round < 1050; ++round) {
    const Index hidden = 1 + round % 11, neurons = 1 + round % 7;
    auto block = draw_weights<double>(engine, hidden, neurons, 1);
    const double scale = std::pow(10.0, round % 9 - 4);
    block.gate *= scale;
    if (round % 5 == 1 && neurons > 1) {  // two neurons that cancel
      block.gate.row(1) = block.gate.row(0);
      block.up.row(1) = block.up.row(0);
      block.down(0, 1) = -block.down(0, 0) * (1 + 1e-15 * (round % 3));
    }
    if (round % 5 == 2) block.up = -block.gate;  // anti-collinear
    if (round % 5 == 3) block.down *= -1e6;
    const auto form = block.form(0);
    const auto norms = form_norms(form);
    const Eigen::SelfAdjointEigenSolver<Matrix<double>> dense(form.dense());
    const Vector<double> low = dense.eigenvectors().col(0);
    const Vector<double> high = dense.eigenvectors().col(hidden - 1);
    for (int i = 0; i < 16; ++i) {
      const Vector<double> v = draw_gaussian<double>(engine, 1, hidden).row(0).transpose();
      const Vector<double> x = draw_gaussian<double>(engine, 1, hidden).row(0).transpose();
      const double small = std::pow(10.0, -1 - i);
      check(form, norms, v, x);
      check(form, norms, v, v);  // both sides 0
      check(form, norms, v, v + small * x);
      check(form, norms, high, low);  // all of the other end
      check(form, norms, low, low + small * high);
      check(form, norms, high + small * v, x * 1e5);
    }
  }
  CHECK(tried >= 100000);
}

TEST_CASE("of rank two, the certificate is met on the second eigenvector") {
  Weights<double> block{Matrix<double>::Zero(2, 3), Matrix<double>::Zero(2, 3),
                        RowVector<double>{{5, 2}}, Vector<double>::Ones(3)};
  plant_neuron(block, 0, 0, 1, 1);  // S = diag(5, 2, 0)
  block.gate(1, 1) = block.up(1, 1) = 1;
  const auto form = block.form(0);
  const Vector<double> x = 3 * Vector<double>::Unit(3, 1);
  const auto bound = certificate(form, form_norms(form), Vector<double>::Unit(3, 0), x);
  CHECK(mismatch(bound.remainder, 18, 1e-13) == "");
  CHECK(mismatch(bound.aligned, 18, 1e-5) == "");  // the root of the allowance
  CHECK(bound.residual == 0);
}

TEST_CASE("what cannot be split says why") {
  const Matrix<double> some = Matrix<double>::Ones(2, 2);
  FeedForwardView<double> view(some, some, some);
  view.obstacle = Obstacle::input_bias;
  const auto biased = quadratic_form(view, 0);
  const Vector<double> x = Vector<double>::Ones(2);
  const auto parts = split(biased, leading_eigenpair(biased), x);
  CHECK(parts.obstacle == Obstacle::input_bias);
  CHECK(parts.value == 0);

  const auto form = quadratic_form(FeedForwardView<double>(some, some, some), 1);
  const auto pair = leading_eigenpair(form);
  const Vector<double> nan{{1, std::nan("")}};
  CHECK_THROWS_WITH(split(form, pair, nan), "split: x has NaN or infinite entries");
  CHECK_THROWS_WITH(split(form, pair, Vector<double>::Ones(3)), "split: x is 3, expected 2");
  CHECK_THROWS_WITH(certificate(form, *pair.norms, Vector<double>::Zero(2), x),
                    "certificate: v is zero");
  CHECK_THROWS_AS(certificate(form, *pair.norms, x, nan), shape_error);
  const auto huge = split(form, pair, 1e200 * x);
  CHECK(huge.obstacle == Obstacle::not_finite);
  CHECK(huge.value == 0);

  const auto still = split(form, pair, Vector<double>::Zero(2));
  CHECK(still.applicable());
  CHECK(still.discrepancy() == 0);
  CHECK(still.evenness() == 0);
  CHECK(still.alignment == 0);
}
