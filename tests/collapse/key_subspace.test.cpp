#include "plumb/collapse/key_subspace.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "support/bound.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/spiked_rows.hpp"

using namespace plumb;
using namespace plumb::collapse;
using namespace plumb::test;

TEST_CASE("keys of spike tokens are as close and as few-dimensional as the bounds say") {
  Engine engine(31);
  BoundTally from_reads, from_shape, from_rest, ball;
  for (int i = 0; i < kBoundCases; ++i) {
    const Index tokens = 2 + i % 4;
    const auto drawn = draw_spiked_rows(engine, tokens);
    const Index d = drawn.rows.cols(), head_dim = 2 + i % 5;
    Matrix<double> weight = draw_gaussian<double>(engine, head_dim, d);
    if (i % 5 == 0) weight = Matrix<double>::Identity(d, d);  // every direction is a top one
    const auto b = key_bounds(drawn.rows, drawn.channels, drawn.eps, weight);
    if (!b) {
      from_reads.skip();
      continue;
    }
    const double scale = weight.norm() * std::sqrt(double(d * tokens));
    const double allowance = 64 * roundings(d + tokens) * unit<double> * scale;
    from_reads.add(b->sigma_2, b->from_reads, allowance);
    from_shape.add(b->sigma_2, b->from_shape, allowance);
    from_rest.add(b->sigma_next, b->from_rest, allowance);
    ball.add(b->distance, b->ball, allowance);

    const Matrix<double> keys = rms_normalised(drawn.rows, drawn.eps) * weight.transpose();
    CHECK(std::abs(b->sigma_2 - singular_values(keys, Route::qr)[1]) <= allowance);
    double distance = 0;
    for (Index s = 0; s < tokens; ++s) {
      for (Index t = 0; t < s; ++t) {
        distance = std::max(distance, (keys.row(s) - keys.row(t)).norm());
      }
    }
    CHECK(std::abs(b->distance - distance) <= allowance);
  }
  PLUMB_CHECK_BOUND(from_reads);
  PLUMB_CHECK_BOUND(from_shape);
  PLUMB_CHECK_BOUND(from_rest);
  PLUMB_CHECK_BOUND(ball);
  CHECK(from_reads.tightest() >= 0.99);
  CHECK(from_rest.tightest() >= 0.99);
}

TEST_CASE("the shape of spikes alone decides sigma_2 when the rests are orthogonal to each other") {
  // Two tokens: all of the first on the axis, and sigma_2 of nearly orthogonal rows is nearly the
  // norm of the smaller, which is the sum of squared sines to the axis.
  Matrix<double> rows = Matrix<double>::Zero(2, 4);
  rows(0, 0) = 1e6;
  rows(1, 0) = 1e-4;
  rows(1, 2) = 1;
  const auto b = key_bounds(rows, {0}, 0, Matrix<double>::Identity(4, 4));
  REQUIRE(b);
  CHECK(b->sigma_2 == Approx(b->from_shape).epsilon(1e-3));
  CHECK(b->distance == Approx(b->ball).epsilon(1e-3));
}

TEST_CASE("fixed ratios make the keys one line, whatever the weights") {
  Engine engine(2);
  Matrix<double> rows = 1e-3 * draw_gaussian<double>(engine, 5, 16);
  for (Index t = 0; t < 5; ++t) {
    rows(t, 3) = 100.0 * double(t + 1);
    rows(t, 8) = -60.0 * double(t + 1);
  }
  const Matrix<double> weight = draw_gaussian<double>(engine, 8, 16);
  const Matrix<double> keys = rms_normalised(rows, 1e-6) * weight.transpose();
  const Matrix<double> others = draw_gaussian<double>(engine, 50, 16) * weight.transpose();
  const auto found = key_collapse(keys, others.transpose() * others);
  REQUIRE(found);
  CHECK(found->spike.effective_rank < 1.01);
  CHECK(found->spike.rank_99 == 1);
  CHECK(found->other.effective_rank > 4);
  CHECK(found->principal_angles.size() == 1);
  const auto bounds = key_bounds(rows, {3, 8}, 1e-6, weight);
  CHECK(bounds->sigma_2 <= bounds->from_shape);
  CHECK(bounds->from_shape < 1e-2);
}

TEST_CASE("keys apart from the others are at a right angle to them") {
  const Matrix<double> spikes{{1, 0, 0}, {2, 0, 0}};
  const Matrix<double> others{{0, 1, 0}, {0, 1, 1}};
  const auto found = key_collapse(spikes, others.transpose() * others);
  REQUIRE(found);
  CHECK(found->principal_angles.size() == 1);
  CHECK(found->principal_angles[0] == Approx(std::numbers::pi / 2));
  CHECK(key_collapse(spikes, Matrix<double>::Zero(3, 3))->principal_angles.size() == 0);
}

TEST_CASE("after a qk-norm two keys are as close as their raw distance over their size") {
  Engine engine(6);
  BoundTally normalised;
  for (int i = 0; i < kBoundCases; ++i) {
    const Index n = 2 + i % 9;
    Matrix<double> keys = draw_gaussian<double>(engine, 2, n);
    keys.row(1) = keys.row(0) + draw_magnitude(engine, 1e-3, 3.0) * keys.row(1);
    if (i % 3 == 0) keys.row(1) *= keys.row(0).norm() / keys.row(1).norm();
    const double eps = i % 2 == 0 ? 0 : 1e-2;
    Vector<double> gain = draw_gaussian<double>(engine, n, 1).col(0);
    if (i % 3 == 0) gain.setConstant(1.5);
    const auto bound =
        normalised_key_bound(keys.row(0).transpose(), keys.row(1).transpose(), gain, eps);
    const Matrix<double> u = rms_normalised(keys, eps) * gain.asDiagonal();
    normalised.add((u.row(0) - u.row(1)).norm(), *bound,
                   gamma<double>(4 * roundings(n)) * gain.norm() * std::sqrt(double(n)));
  }
  PLUMB_CHECK_BOUND(normalised);
  CHECK(normalised.tightest() >= 0.99);
  const Vector<double> zero = Vector<double>::Zero(2), one = Vector<double>::Ones(2);
  CHECK_FALSE(normalised_key_bound(zero, one, one, 0));
  CHECK_THROWS_AS(normalised_key_bound(one, one, Vector<double>::Ones(3), 0), shape_error);
}

TEST_CASE("no spike token, one, or one that is zero there: the reason is said") {
  const Matrix<double> rows{{9, 1, 0}, {0, 1, 1}}, weight = Matrix<double>::Identity(3, 3);
  CHECK(key_bounds(rows.topRows(0), {0}, 0, weight).reason == "no spike token");
  CHECK(key_bounds(rows.topRows(1), {0}, 0, weight).reason == "one spike token");
  CHECK(key_bounds(rows, {0}, 0, weight).reason ==
        "a spike token is zero on the spike channels here");
  CHECK(key_collapse(rows.topRows(0), weight).reason == "no spike token");
  CHECK(key_collapse(rows.topRows(1), weight).reason == "one spike token");
  CHECK_THROWS_AS(key_bounds(rows, {0}, 0, Matrix<double>::Zero(2, 2)), shape_error);
  CHECK_THROWS_AS(key_bounds(rows, {5}, 0, weight), index_error);
  CHECK_THROWS_AS(key_collapse(rows, Matrix<double>::Zero(2, 2)), shape_error);
}
