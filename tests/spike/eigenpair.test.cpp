#include "plumb/spike/eigenpair.hpp"

#include <Eigen/Eigenvalues>
#include <Spectra/SymEigsSolver.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// All eigenpairs of S_k, by the dense solver.
struct Dense {
  Vector<double> values;
  Matrix<double> vectors;
  Index leading, rival;  // places of the largest and of the second largest |value|

  explicit Dense(const Matrix<double>& s) {
    const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(s);
    values = solver.eigenvalues();
    vectors = solver.eigenvectors();
    values.cwiseAbs().maxCoeff(&leading);
    Vector<double> others = values.cwiseAbs();
    others[leading] = -1;
    others.maxCoeff(&rival);
  }
  double lambda() const { return values[leading]; }
  double second() const { return values.size() > 1 ? std::abs(values[rival]) : 0; }
  /// Distance from the leading eigenvalue to the nearest other one.
  double gap() const {
    Vector<double> distances = (values.array() - lambda()).abs();
    distances[leading] = std::numeric_limits<double>::infinity();
    return distances.minCoeff();
  }
  double cosine(const Vector<double>& v) const { return std::abs(vectors.col(leading).dot(v)); }
};

/// What is wrong with a pair of this form, to rounding and the pair's own residual.
template <class T>
std::string broken_pair(const Weights<T>& block, Index k, const Eigenpair& pair) {
  const Dense dense(block.form(k).dense());
  const double slack =
      gamma<double>(64 * roundings(block.gate.cols() + block.gate.rows())) * mass_twin(block, k);
  const double size = std::abs(dense.lambda());
  const auto value = mismatch(std::abs(pair.lambda), size, pair.residual + slack);
  if (!value.empty()) return "lambda: " + value;
  if (*pair.second_bound() + pair.residual < dense.second()) return "second_bound is too low";
  const double float_slack =
      gamma<T>(64 * roundings(block.gate.cols() + block.gate.rows())) * mass_twin(block, k);
  if (pair.second_estimate() > size + float_slack) return "second_estimate is beyond lambda";
  if (pair.certified() && dense.second() >= size) return "certified, and not the leading one";
  const double share = pair.energy_share().value_or(0);
  if (share < 0 || share > 1) return "energy share outside 0..1";
  if (pair.status != PairStatus::converged) return {};
  // sin angle <= residual / gap, so the cosine is at least 1 - (residual / gap)^2.
  const double angle = (pair.residual + slack) / dense.gap();
  const bool same_end = pair.lambda * dense.lambda() > 0;
  if (same_end && angle < 1 && dense.cosine(pair.direction) < 1 - angle * angle - 1e-15) {
    return "direction is off";
  }
  return {};
}

/// (1, 2) weights of zero into which neurons are planted; gain one.
Weights<double> empty_block(Index hidden, Index neurons) {
  return {Matrix<double>::Zero(neurons, hidden), Matrix<double>::Zero(neurons, hidden),
          Matrix<double>::Zero(1, neurons), Vector<double>::Ones(hidden)};
}

}  // namespace

TEMPLATE_TEST_CASE("the pair is that of the dense solver", "", float, double) {
  using T = TestType;
  property("on Gaussian blocks", [] {
    const Index hidden = *size(40), neurons = *size(40);
    const auto block = *some_weights<T>(hidden, neurons, 1);
    const auto pair = leading_eigenpair(block.form(0));
    if (pair.status == PairStatus::zero) {
      RC_ASSERT(form_twin(block, 0).isZero(0));
      return;
    }
    RC_ASSERT(broken_pair(block, 0, pair) == "");
    const Vector<double> s = pair.direction;
    RC_ASSERT(mismatch(s.norm(), 1, gamma<double>(roundings(hidden))) == "");
    RC_ASSERT(mismatch((block.form(0).apply(s) - pair.lambda * s).norm(), pair.residual,
                       gamma<double>(roundings(hidden)) * mass_twin(block, 0)) == "");
  });
}

TEST_CASE("the gate of the neuron that adds most is open along s") {
  property("s.g_i > 0", [] {
    const auto block = *some_weights<double>(*size(), *size(), 1);
    const auto pair = leading_eigenpair(block.form(0));
    RC_PRE(pair.status == PairStatus::converged);
    const Vector<double> scaled = block.gain.cwiseProduct(pair.direction);
    const Vector<double> z = block.gate * scaled, y = block.up * scaled;
    const double sign = pair.lambda < 0 ? -1 : 1;
    const Vector<double> adds =
        sign * block.down.row(0).transpose().cwiseProduct(z.cwiseProduct(y));
    RC_ASSERT(adds[pair.neuron] >= adds.maxCoeff() - gamma<double>(100) * mass_twin(block, 0));
    RC_ASSERT(z[pair.neuron] > 0);
  });
}

TEST_CASE("Spectra finds the same pair") {
  Engine engine(11);
  const auto block = draw_weights<double>(engine, 120, 300, 1);
  struct Operator {
    using Scalar = double;
    QuadraticForm<double> form;
    Index rows() const { return form.size(); }
    Index cols() const { return form.size(); }
    void perform_op(const double* x, double* product) const {
      const Vector<double> in = Eigen::Map<const Vector<double>>(x, form.size());
      Eigen::Map<Vector<double>>(product, form.size()) = form.apply(in);
    }
  } op{block.form(0)};
  Spectra::SymEigsSolver<Operator> solver(op, 1, 40);
  solver.init();
  solver.compute(Spectra::SortRule::LargestMagn, 1000, 1e-12);
  REQUIRE(solver.info() == Spectra::CompInfo::Successful);
  const auto pair = leading_eigenpair(block.form(0));
  CHECK(pair.status == PairStatus::converged);
  CHECK(mismatch(pair.lambda, solver.eigenvalues()[0], 1e-9 * std::abs(pair.lambda)) == "");
  CHECK(std::abs(pair.direction.dot(solver.eigenvectors().col(0))) > 1 - 1e-9);
}

TEST_CASE("tiny-llama, layer 0, channel 61") {
  const Decoder<double> model(Checkpoint::open(trained_checkpoints().front().string()));
  const auto layer = model.layer(0);
  const auto pair = leading_eigenpair(quadratic_form(FeedForwardView(layer), 61));
  CHECK(pair.status == PairStatus::converged);
  CHECK(mismatch(pair.lambda, 0.9154, 5e-5) == "");
  CHECK(mismatch(pair.second_estimate(), 0.2758, 5e-5) == "");
  CHECK(mismatch(*pair.energy_share(), 0.785, 5e-4) == "");
  CHECK(pair.certified());
  CHECK(pair.neuron == 163);
}

TEST_CASE("one planted neuron: lambda = w ||g|| ||u|| (c +- 1) / 2 along the bisector") {
  for (const double c : {0.9, 0.3, -0.3, -0.8, -1.0, 1.0}) {
    for (const double w : {2.0, -5.0}) {
      auto block = empty_block(12, 3);
      plant_neuron(block, 1, 4, c, 3);
      block.down(0, 1) = w;
      const auto pair = leading_eigenpair(block.form(0));
      INFO("c = " << c << ", w = " << w);
      CHECK(pair.status == PairStatus::converged);
      CHECK(pair.certified());
      const double sign = c < 0 ? -1 : 1;
      CHECK(mismatch(pair.lambda, w * 9 * (c + sign) / 2, 1e-13 * std::abs(w) * 9) == "");
      Vector<double> bisector = block.gate.row(1).transpose() + sign * block.up.row(1).transpose();
      bisector.normalize();
      CHECK(pair.direction.dot(bisector) > 1 - 1e-12);  // not -1: its gate is open
      CHECK(pair.neuron == 1);
    }
  }
}

TEST_CASE("a competing neuron does not hide the stronger one") {
  for (const double rival : {0.5, 0.9, 0.99, 0.9999}) {
    auto block = empty_block(20, 2);
    plant_neuron(block, 0, 2, 0.9, 1);
    plant_neuron(block, 1, 10, 0.9, 1);
    block.down << 3, 3 * rival;
    const auto pair = leading_eigenpair(block.form(0));
    INFO("rival " << rival);
    CHECK(pair.status == PairStatus::converged);
    CHECK(mismatch(pair.lambda, 3 * 0.95, 1e-12) == "");
    Vector<double> bisector = block.gate.row(0).transpose() + block.up.row(0).transpose();
    CHECK(pair.direction.dot(bisector.normalized()) > 1 - 1e-6);
    CHECK(mismatch(pair.second_estimate(), 3 * rival * 0.95, 1e-9) == "");
  }
}

TEST_CASE("noise turns the direction by no more than 2 ||B|| / gap") {
  for (const double ratio : {3.0, 30.0, 1e4}) {  // planted eigenvalue to ||B||_2
    Engine engine(23);
    const Index hidden = 40, neurons = 80;
    auto block = draw_weights<double>(engine, hidden, neurons, 1);
    block.gain.setOnes();
    block.down(0, 0) = 0;
    const Dense noise(block.form(0).dense());
    plant_neuron(block, 0, 5, -0.8, 1);
    block.down(0, 0) = ratio * std::abs(noise.lambda()) / 0.9;
    const double planted = ratio * std::abs(noise.lambda());
    const auto pair = leading_eigenpair(block.form(0));
    INFO("planted eigenvalue " << ratio << " times the noise");
    CHECK(pair.status == PairStatus::converged);
    CHECK(pair.lambda < 0);
    CHECK(mismatch(-pair.lambda, planted, std::abs(noise.lambda()) * (1 + 1e-12)) == "");
    // The gap at this end is to 0, planted itself (claim 9).
    const Vector<double> bisector = (block.gate.row(0) - block.up.row(0)).transpose().normalized();
    const double along = pair.direction.dot(bisector);
    const double sine = (pair.direction - along * bisector).norm();
    CHECK(sine <= 2 / ratio * (1 + 1e-12));
    CHECK(along > 0);
    if (ratio >= 1e4) CHECK(along > 1 - 1e-6);
    CHECK(Dense(block.form(0).dense()).cosine(pair.direction) > 1 - 1e-12);
  }
}

TEST_CASE("ends of equal size are a tie") {
  auto block = empty_block(8, 1);
  plant_neuron(block, 0, 3, 0, 2);
  block.down(0, 0) = 1;
  const auto pair = leading_eigenpair(block.form(0));
  CHECK(pair.status == PairStatus::tied);
  CHECK(pair.tie() > 1 - kTie);
  CHECK_FALSE(pair.certified());
  CHECK(mismatch(std::abs(pair.lambda), 2, 1e-13) == "");
  CHECK(pair.residual < 1e-13);

  // Nearly: the ends are told apart as soon as they differ by more than kTie.
  plant_neuron(block, 0, 3, 1e-5, 2);
  CHECK(leading_eigenpair(block.form(0)).status == PairStatus::converged);
}

TEST_CASE("what cannot be found has a status and no NaN") {
  auto zero = empty_block(5, 3);
  const auto nothing = leading_eigenpair(zero.form(0));
  CHECK(nothing.status == PairStatus::zero);
  CHECK(nothing.lambda == 0);
  CHECK(nothing.direction == Vector<double>::Zero(5));
  CHECK(*nothing.second_bound() == 0);
  CHECK_FALSE(nothing.energy_share().has_value());
  CHECK(nothing.tie() == 0);

  Engine engine(2);
  const auto block = draw_weights<double>(engine, 60, 100, 1);
  EigenpairOptions options;
  options.steps = 4;
  const auto early = leading_eigenpair(block.form(0), options);
  CHECK(early.status == PairStatus::not_converged);
  CHECK(early.applications == 5);
  CHECK(broken_pair(block, 0, early).starts_with("lambda") == false);

  auto huge = draw_weights<double>(engine, 4, 4, 1);
  huge.gate *= 1e200;
  huge.up *= 1e200;
  const auto overflow = leading_eigenpair(huge.form(0));
  CHECK(overflow.status == PairStatus::not_finite);
  CHECK(overflow.lambda == 0);
  CHECK(overflow.direction == Vector<double>::Zero(4));
  CHECK_FALSE(std::isnan(*overflow.second_bound()));
  CHECK_FALSE(overflow.certified());
}

TEST_CASE("options: tolerance, norms and seed") {
  Engine engine(4);
  const auto block = draw_weights<float>(engine, 64, 128, 1);
  EigenpairOptions options;
  options.norms = false;
  const auto plain = leading_eigenpair(block.form(0), options);
  CHECK_FALSE(plain.norms.has_value());
  CHECK_FALSE(plain.second_bound().has_value());
  CHECK_FALSE(plain.certified());
  for (const double tolerance : {1e-2, 1e-5, 1e-11}) {
    options.tolerance = tolerance;
    const auto pair = leading_eigenpair(block.form(0), options);
    CHECK(pair.status == PairStatus::converged);
    CHECK(pair.residual <= tolerance * std::abs(pair.lambda));
  }
  options.seed = 99;
  const auto other = leading_eigenpair(block.form(0), options);
  options.seed = 1;
  CHECK(mismatch(other.lambda, leading_eigenpair(block.form(0), options).lambda, 1e-9) == "");
}

TEST_CASE("names of statuses") {
  for (int i = 0; i <= static_cast<int>(PairStatus::not_finite); ++i) {
    CHECK(std::string(to_string(static_cast<PairStatus>(i))) != "?");
  }
}
