#include "plumb/spike/trigger_cone.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "plumb/spike/neuron.hpp"
#include "plumb/spike/split.hpp"
#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

double squared_cosine(const Vector<double>& x, const Vector<double>& s) {
  return x.dot(s) * x.dot(s) / (x.squaredNorm() * s.squaredNorm());
}

/// P_k or N_k by its definition.
Matrix<double> majorant_twin(const Weights<double>& block, Side side) {
  const Index d = block.gate.cols();
  Matrix<double> sum = Matrix<double>::Zero(d, d);
  for (Index j = 0; j < block.gate.rows(); ++j) {
    const Vector<double> g = block.gate.row(j).transpose().cwiseProduct(block.gain);
    const Vector<double> u = block.up.row(j).transpose().cwiseProduct(block.gain);
    if (g.norm() == 0 || u.norm() == 0) continue;
    const double w = block.down(0, j), s = (w < 0 ? -1 : 1) * (side == Side::positive ? 1 : -1);
    const Vector<double> v = g.normalized() + s * u.normalized();
    sum += std::abs(w) * g.norm() * u.norm() / 4 * v * v.transpose();
  }
  return sum;
}

double slack_of(const Weights<double>& block) {
  return gamma<double>(16 * roundings(block.gate.cols() + block.gate.rows())) * mass_twin(block, 0);
}

}  // namespace

TEST_CASE("both halves of the cone, by the exact spectrum, either sign, any length") {
  property("x' S x >= t", [] {
    const Index hidden = 1 + *size();
    const auto block = *some_weights<double>(hidden, *size(), 1);
    for (const double sign : {1.0, -1.0}) {
      const Matrix<double> s = sign * block.form(0).dense();
      const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(s);
      const auto& mu = solver.eigenvalues();
      const Vector<double> lead = solver.eigenvectors().col(hidden - 1);
      const Vector<double> x = *gaussian_vector<double>(hidden);
      const double level = x.dot(s * x), size = x.squaredNorm();
      if (!(size > 0) || !(level > 1e-9 * size * s.norm())) continue;
      const auto cone = trigger_cone(mu[hidden - 1], mu[0], mu[hidden - 2], level, size);
      const double cosine = squared_cosine(x, lead);
      const double slack = 1e-9 * s.norm() / (mu[hidden - 1] - mu[hidden - 2]);
      RC_ASSERT(cosine >= cone.necessary - slack);
      // Just below a level that the cosine suffices for, x reaches it.
      const double reached = size * (mu[0] + cosine * (mu[hidden - 1] - mu[0]));
      RC_ASSERT(level >= reached - 1e-9 * size * s.norm());
      RC_ASSERT(cone.necessary <= cone.sufficient + slack);
    }
  });
}

TEST_CASE("both thresholds are attained in the planes of the extreme vectors") {
  // S = diag(5, 2, -1): leading 5, others in [-1, 2].
  const double size = 0.7, cosine = 0.6;  // ||x||^2 below the width, as with eps or DynamicTanh
  const auto level_at = [&](double mu) { return size * (5 * cosine + mu * (1 - cosine)); };
  CHECK(mismatch(trigger_cone(5, -1, 2, level_at(2), size).necessary, cosine, 1e-14) == "");
  CHECK(mismatch(trigger_cone(5, -1, 2, level_at(-1), size).sufficient, cosine, 1e-14) == "");
}

TEST_CASE("a cone that says nothing: no gap, or a level that any x reaches") {
  CHECK(trigger_cone(2, -1, 2, 1, 1).necessary == 0);
  CHECK(trigger_cone(2, -1, 1.5, 1, 1).necessary == 0);
  CHECK(std::isinf(trigger_cone(-1, -1, -1, 1, 1).sufficient));
  CHECK(trigger_cone(2, -1, 1, 100, 1).necessary > 1);  // no x is long enough
  CHECK_THROWS_WITH(trigger_cone(2, -1, 1, 0, 1),
                    "trigger_cone: level and size must be positive and finite");
  CHECK_THROWS_AS(trigger_cone(2, -1, 1, 1, std::nan("")), shape_error);
  CHECK_THROWS_WITH(trigger_cone(Eigenpair{}, 1, 1), "trigger_cone: the pair has no norms");
}

TEST_CASE("the cone of a pair holds whatever the other eigenvalues are") {
  property("Frobenius bound and residual", [] {
    const Index hidden = *size();
    auto block = *some_weights<double>(hidden, *size(), 1);
    const auto form = block.form(0);
    EigenpairOptions options;
    options.tolerance = *rc::gen::element(1e-1, 1e-3, 1e-7);  // poor pairs, too
    const auto pair = leading_eigenpair(form, options);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const double size = x.squaredNorm(), sign = pair.lambda < 0 ? -1 : 1;
    const double level = sign * x.dot(form.apply(x));
    RC_PRE(size > 0 && level > 0 && pair.direction.norm() > 0);
    const auto cone = trigger_cone(pair, level, size);
    const double cosine = squared_cosine(x, pair.direction);
    RC_ASSERT(cosine >= cone.necessary - 1e-9);
    RC_ASSERT(cosine <= cone.sufficient + 1e-9);  // it is reached with equality, not surpassed
  });
}

TEST_CASE("P_k and N_k by their definition; their difference is S_k") {
  property("semidefinite majorants", [] {
    const Index hidden = *size();
    const auto block = *some_weights<double>(hidden, *size(), 1);
    const auto form = block.form(0);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const double slack = slack_of(block);
    for (const Side side : {Side::positive, Side::negative}) {
      const auto majorant = signed_majorant(form, side);
      const Matrix<double> twin = majorant_twin(block, side);
      RC_ASSERT(mismatch(majorant.apply(x), twin * x, slack * x.norm()) == "");
      RC_ASSERT(mismatch(majorant.trace(), twin.trace(), slack) == "");
    }
    const Vector<double> difference = signed_majorant(form, Side::positive).apply(x) -
                                      signed_majorant(form, Side::negative).apply(x);
    RC_ASSERT(mismatch(difference, form.apply(x), slack * x.norm()) == "");
  });
}

TEST_CASE("-x' N_k x <= F_k(x) <= x' P_k x, and the cone and ceiling of the true write") {
  property("SiLU", [] {
    const Index hidden = *size();
    auto block = *some_weights<double>(hidden, *size(), 1);
    block.gate *= *magnitude<double>(0.1, 100);  // gates nearly closed, and wide open
    const auto form = block.form(0);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    RC_PRE(x.norm() > 0);
    const double size = x.squaredNorm(), slack = slack_of(block) * size;
    const double write = block.down.row(0).dot(project(block.view(), x).hidden.transpose());
    const auto positive = signed_majorant(form, Side::positive);
    const auto negative = signed_majorant(form, Side::negative);
    RC_ASSERT(write <= x.dot(positive.apply(x)) + slack);
    RC_ASSERT(-write <= x.dot(negative.apply(x)) + slack);
    const auto ceiling = write_ceiling(form, size);
    RC_ASSERT(write <= ceiling.up + slack);
    RC_ASSERT(-write <= ceiling.down + slack);
    RC_ASSERT(std::max(ceiling.up, ceiling.down) <= ceiling.rows + slack);
    RC_ASSERT(ceiling.rows <= ceiling.mass + slack);
    RC_PRE(std::abs(write) > 1e-9 * ceiling.mass);
    const auto pair = leading_eigenpair(write > 0 ? positive : negative);
    const auto cone = write_cone(pair, std::abs(write), size);
    RC_ASSERT(squared_cosine(x, pair.direction) >= cone.necessary - 1e-6);
  });
}

TEST_CASE("the two largest eigenvalues of a majorant are those of the dense solver") {
  property("from above", [] {
    const Index hidden = 1 + *size();
    const auto block = *some_weights<double>(hidden, *size(), 1);
    const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(
        majorant_twin(block, Side::positive));
    const auto pair = leading_eigenpair(signed_majorant(block.form(0), Side::positive));
    const double largest = solver.eigenvalues()[hidden - 1];
    const double slack = 1e-8 * largest + slack_of(block);
    RC_ASSERT(mismatch(pair.largest, largest, slack) == "");
    RC_ASSERT(mismatch(pair.second, solver.eigenvalues()[hidden - 2], slack) == "");
    RC_ASSERT(pair.largest >= largest - slack_of(block));
  });
}

TEST_CASE("one neuron on its bisector with a large z meets the ceiling") {
  Weights<double> block{Matrix<double>::Zero(1, 4), Matrix<double>::Zero(1, 4),
                        Matrix<double>::Constant(1, 1, -3), Vector<double>::Ones(4)};
  plant_neuron(block, 0, 0, -0.8, 5);
  const auto form = block.form(0);
  const Vector<double> x = 10 * neuron(form, 0).direction;
  const double write = block.down.row(0).dot(project(block.view(), x).hidden.transpose());
  const auto ceiling = write_ceiling(form, x.squaredNorm());
  CHECK(write > 0);
  CHECK(mismatch(write, ceiling.up, 1e-9 * ceiling.up) == "");
}

TEST_CASE("tiny-llama, layer 0, channel 61, position 0") {
  const Decoder<double> model(Checkpoint::open(trained_checkpoints().front().string()));
  const auto run = trace(model, TokenIds{0});
  const auto layer = model.layer(0);
  const auto form = quadratic_form(FeedForwardView(layer), 61);
  const Vector<double> x = readings(layer, run, 0).row(0).transpose();
  const double size = x.squaredNorm();
  const auto pair = leading_eigenpair(form);
  const auto parts = split(form, pair, x);
  const auto cone = trigger_cone(pair.lambda, pair.opposite, pair.next, parts.quadratic, size);
  CHECK(mismatch(cone.necessary, 0.881, 5e-4) == "");
  CHECK(mismatch(cone.sufficient, 0.926, 5e-4) == "");
  CHECK(trigger_cone(pair, parts.quadratic, size).necessary < cone.necessary);

  const auto majorant = leading_eigenpair(signed_majorant(form, Side::positive));
  CHECK(majorant.converged);
  CHECK(mismatch(write_cone(majorant, parts.value, size).necessary, 0.851, 5e-4) == "");
  CHECK(mismatch(squared_cosine(x, majorant.direction), 0.913, 5e-4) == "");
  const auto ceiling = write_ceiling(form, size);
  CHECK(ceiling.converged);
  CHECK(mismatch(ceiling.up, 58.92, 6e-3) == "");
  CHECK(mismatch(parts.value / ceiling.up, 0.897, 5e-4) == "");
  CHECK(mismatch(parts.value / ceiling.rows, 0.245, 5e-4) == "");
  CHECK(mismatch(parts.value / ceiling.mass, 0.215, 5e-4) == "");
}

TEST_CASE("zero forms and blocks with biases") {
  const Matrix<double> some = Matrix<double>::Ones(2, 2), zero = Matrix<double>::Zero(2, 2);
  const auto form = quadratic_form(FeedForwardView(some, some, zero), 0);
  const auto pair = leading_eigenpair(signed_majorant(form, Side::positive));
  CHECK(pair.largest == 0);
  CHECK(pair.second == 0);
  CHECK(pair.direction == Vector<double>::Zero(2));
  CHECK(write_ceiling(form, 2).up == 0);
  CHECK(write_cone(pair, 1, 1).necessary == std::numeric_limits<double>::infinity());

  FeedForwardView<double> view(some, some, some);
  view.obstacle = Obstacle::input_bias;
  CHECK_THROWS_WITH(signed_majorant(quadratic_form(view, 0), Side::positive),
                    "signed_majorant: the gate or up projection has a bias");
}
