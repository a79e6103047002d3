#include "plumb/collapse/near_constancy.hpp"

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

namespace {

Matrix<double> three_spikes() {
  Matrix<double> rows = Matrix<double>::Constant(3, 8, 0.5);
  for (Index t = 0; t < 3; ++t) {
    rows(t, 1) = 100.0 * double(t + 1);
    rows(t, 4) = -50.0 * double(t + 1);
    rows(t, t + 5) = -1;
  }
  return rows;
}

}  // namespace

TEST_CASE("spike tokens after the norm are as close as the three bounds say") {
  Engine engine(3);
  BoundTally sharp, triangle, linear, gained;
  for (int i = 0; i < kBoundCases; ++i) {
    auto drawn = draw_spiked_rows(engine, 2);
    if (i % 4 == 0) {  // as far apart as can be: what is off the spike is antiparallel
      const double stretch = draw_magnitude(engine, 0.1, 10.0);
      const Vector<double> spike = Split(drawn.rows.row(1).transpose(), drawn.channels).spike;
      const Vector<double> rest = Split(drawn.rows.row(0).transpose(), drawn.channels).rest;
      drawn.rows.row(1) = (spike - stretch * rest).transpose();
    }
    const Vector<double> gain = draw_gaussian<double>(engine, drawn.rows.cols(), 1).col(0);
    const auto pair = closeness(drawn.rows.row(0).transpose(), drawn.rows.row(1).transpose(),
                                drawn.channels, drawn.eps, gain);
    if (!pair) {
      sharp.skip();
      continue;
    }
    const auto d = drawn.rows.cols();
    const Matrix<double> u = rms_normalised(drawn.rows, drawn.eps);
    const double distance = (u.row(0) - u.row(1)).norm();
    const double allowance = gamma<double>(4 * roundings(d)) * std::sqrt(double(d));
    CHECK(std::abs(distance - pair->distance) <= allowance);
    sharp.add(pair->distance, pair->sharp, allowance);
    triangle.add(pair->sharp, pair->triangle, allowance);
    linear.add(pair->triangle, pair->linear, allowance);
    const double largest = gain.cwiseAbs().maxCoeff();
    CHECK(std::abs((u.row(0) - u.row(1)).cwiseProduct(gain.transpose()).norm() -
                   pair->gained_distance) <= allowance * largest);
    gained.add(pair->gained_distance, pair->gained, allowance * largest);
  }
  PLUMB_CHECK_BOUND(sharp);
  PLUMB_CHECK_BOUND(triangle);
  PLUMB_CHECK_BOUND(linear);
  PLUMB_CHECK_BOUND(gained);
  CHECK(sharp.tightest() >= 0.99);
  CHECK(triangle.tightest() >= 0.99);
}

TEST_CASE("antiparallel rests attain the sharp bound at every angle of the spikes, without eps") {
  for (const double theta : {0.0, 0.1, 1.0, 2.0, 3.0}) {
    const Vector<double> a{{5, 0, 1, -2}};
    Vector<double> b{{0, 0, -0.5, 1}};
    b[0] = 3 * std::cos(theta);
    b[1] = 3 * std::sin(theta);
    const auto pair = closeness(a, b, {0, 1}, 0);
    INFO(theta);
    CHECK(pair->theta == Approx(theta).margin(1e-15));
    CHECK(pair->alpha_a == Approx(std::atan(std::sqrt(5.0) / 5)));
    CHECK(pair->distance == Approx(pair->sharp).epsilon(1e-13));
    CHECK((pair->distance < pair->triangle * (1 - 1e-6)) == (theta > 0));
    // With eps the two lifted rows are antiparallel no more.
    const auto lifted = closeness(a, b, {0, 1}, 0.5);
    CHECK(lifted->distance < lifted->sharp);
  }
}

TEST_CASE("the sizes of spikes do not matter, their ratios and tau do") {
  const Matrix<double> rows = three_spikes();
  const auto pair = closeness(rows.row(0).transpose(), rows.row(2).transpose(), {1, 4}, 0);
  CHECK(pair->theta <= 1e-15);
  CHECK(pair->alpha_a == Approx(3 * pair->alpha_b).epsilon(1e-3));
  CHECK(pair->distance < 0.05);
}

TEST_CASE("three_spikes are near constant, and the group's figures are the largest of its pairs") {
  const auto found = near_constancy(three_spikes(), {1, 4}, 1e-6);
  REQUIRE(found);
  CHECK(found->tokens == 3);
  double distance = 0, bound = 0;
  for (Index a = 0; a < 3; ++a) {
    for (Index b = a + 1; b < 3; ++b) {
      const Matrix<double> rows = three_spikes();
      const auto pair = closeness(rows.row(a).transpose(), rows.row(b).transpose(), {1, 4}, 1e-6);
      distance = std::max(distance, pair->distance);
      bound = std::max(bound, pair->sharp);
    }
  }
  CHECK(found->distance == distance);
  CHECK(found->bound == bound);
  CHECK(found->tightest <= 1);
  CHECK(found->tightest > 0);
  CHECK(found->bound <= found->triangle_bound);
  CHECK(found->tau == Approx(std::sqrt(5 * 0.25 + 1 + 8e-6) / std::sqrt(12500.0)));
}

TEST_CASE("many rows are thinned evenly, and the figures still hold") {
  Engine engine(9);
  Matrix<double> rows = draw_gaussian<double>(engine, 5 * kMostPaired + 3, 8);
  for (Index t = 0; t < rows.rows(); ++t) rows(t, 2) = 100.0 + double(t);
  const auto found = near_constancy(rows, {2}, 1e-6);
  REQUIRE(found);
  CHECK(found->tokens == rows.rows());
  CHECK(found->distance <= found->bound);
}

TEST_CASE("too few spike tokens, or copies of one, are no population") {
  const Matrix<double> rows = three_spikes();
  const auto reason = [](const Matrix<double>& m, const std::vector<Index>& channels) {
    const auto found = near_constancy(m, channels, 1e-6);
    CHECK_FALSE(found);
    return found.reason;
  };
  CHECK(reason(rows.topRows(0), {1, 4}) == "no spike token");
  CHECK(reason(rows.topRows(1), {1, 4}) == "one spike token");
  CHECK(reason(rows.topRows(2), {1, 4}) ==
        "2 spike tokens of 2 sizes, and 3 that differ are needed");
  Matrix<double> copies(3, 8);
  copies << rows.row(0), rows.row(0), rows.row(0);
  CHECK(reason(copies, {1, 4}) == "3 spike tokens of 1 size, and 3 that differ are needed");
  Matrix<double> gone = rows;
  gone(1, 1) = gone(1, 4) = 0;
  CHECK(reason(gone, {1, 4}) == "a spike token is zero on the spike channels here");
  CHECK(distinct_sizes({100, 100.5, 102, 50, 50}) == 3);
  CHECK(distinct_sizes({}) == 0);
}

TEST_CASE("arguments that do not fit throw") {
  const Vector<double> a{{5, 1, 2}}, b{{4, 1}};
  CHECK_THROWS_AS(closeness(a, b, {0}, 0), shape_error);
  CHECK_THROWS_AS(closeness(a, a, {3}, 0), index_error);
  CHECK_THROWS_AS(closeness(a, a, {0}, 0, b), shape_error);
  CHECK_FALSE(closeness(a, a, {}, 0));
  CHECK_FALSE(closeness(a, Vector<double>{{0, 1, 1}}, {0}, 0));
}
