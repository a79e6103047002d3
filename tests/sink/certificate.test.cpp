#include "plumb/sink/certificate.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "support/bound.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::sink;
using namespace plumb::test;

namespace {

/// softmax as it is defined, in long double.
double naive_weight(const Vector<double>& logits, Index sink) {
  long double sum = 0;
  for (const double l : logits) sum += std::exp(static_cast<long double>(l - logits[sink]));
  return static_cast<double>(1 / sum);
}

/// The cheap way to `upper`: dot products with the keys that stand alone and with a mean of the
/// rest.
double upper_from_keys(const Vector<double>& query, const Matrix<double>& keys, Index sink) {
  std::vector<Index> rivals;
  for (Index j = 0; j < keys.rows(); ++j) {
    if (j != sink) rivals.push_back(j);
  }
  double sum = 0;
  RowVector<double> rest = RowVector<double>::Zero(keys.cols());
  double size = 0;
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    if (i + kSingledRivals >= rivals.size()) {
      sum += std::exp(keys.row(rivals[i]).dot(query));
    } else {
      rest += keys.row(rivals[i]);
      size += 1;
    }
  }
  if (size > 0) sum += size * std::exp((rest / size).dot(query));
  const double level = std::exp(keys.row(sink).dot(query));
  return level / (level + sum);
}

}  // namespace

TEST_CASE("the weight is that of softmax, and lies between its bounds") {
  Engine engine(41);
  BoundTally lower, upper, upper_mean;
  for (int i = 0; i < kBoundCases; ++i) {
    const Index n = 2 + std::uniform_int_distribution<Index>(0, 30)(engine);
    const double width = draw_magnitude(engine, 0.1, 30.0);
    Vector<double> logits = draw_gaussian<double>(engine, n, 1, width).col(0);
    const Index sink = std::uniform_int_distribution<Index>(0, n - 1)(engine);
    if (i % 3 == 0) logits[sink] += 3 * width;
    if (i % 7 == 0) logits.setConstant(1).array()[sink] += 4;  // equal rivals: all are equalities
    const auto c = certificate(logits, sink);
    // exp of a difference is off by the rounding of the difference, so relatively by its size.
    const double allowance = gamma<double>(4 * roundings(n)) * (8 + 20 * width);
    CHECK(std::abs(c.weight - naive_weight(logits, sink)) <= allowance);
    lower.add(c.lower, c.weight, allowance);
    upper.add(c.weight, c.upper, allowance);
    upper_mean.add(c.upper, c.upper_mean, allowance);
    CHECK(c.margin_to_max <= c.margin_to_mean + allowance);
  }
  PLUMB_CHECK_BOUND(lower);
  PLUMB_CHECK_BOUND(upper);
  PLUMB_CHECK_BOUND(upper_mean);
  CHECK(lower.tightest() >= 0.99);
  CHECK(upper.tightest() >= 0.99);
}

TEST_CASE("two keys, and equal rivals, make both bounds equalities") {
  const auto two = certificate(Vector<double>{{1.25, -0.5}}, 0);
  const double weight = 1 / (1 + std::exp(-1.75));
  for (const double value : {two.weight, two.lower, two.upper, two.upper_mean, two.forecast}) {
    CHECK(value == Approx(weight).epsilon(1e-14));
  }
  CHECK(two.margin_to_max == 1.75);
  CHECK(two.margin_to_mean == 1.75);
  Vector<double> equal = Vector<double>::Constant(20, -3);
  equal[7] = 2;
  const auto c = certificate(equal, 7);
  for (const double value : {c.weight, c.lower, c.upper, c.upper_mean, c.forecast}) {
    CHECK(value == Approx(1 / (1 + 19 * std::exp(-5.0))).epsilon(1e-13));
  }
}

TEST_CASE("a key that is alone gets all") {
  const auto c = certificate(Vector<double>{{-700}}, 0);
  CHECK(c.weight == 1);
  CHECK(c.lower == 1);
  CHECK(c.upper == 1);
  CHECK(c.upper_mean == 1);
  CHECK(c.forecast == 1);
  CHECK(std::isinf(c.margin_to_max));
}

TEST_CASE("up to six keys the grouped bound is the weight itself") {
  Engine engine(2);
  for (Index n = 2; n <= kSingledRivals + 1; ++n) {
    const Vector<double> logits = draw_gaussian<double>(engine, n, 1, 5).col(0);
    const auto c = certificate(logits, 0);
    CHECK(c.upper == Approx(c.weight).epsilon(1e-13));
  }
}

TEST_CASE("the grouped bound takes one dot product a group") {
  Engine engine(3);
  for (const Index n : {4, 7, 40}) {
    const Matrix<double> keys = draw_gaussian<double>(engine, n, 8);
    const Vector<double> query = draw_gaussian<double>(engine, 8, 1).col(0);
    for (const Index sink : {Index{0}, n / 2, n - 1}) {
      CHECK(certificate(keys * query, sink).upper ==
            Approx(upper_from_keys(query, keys, sink)).epsilon(1e-12));
    }
  }
}

TEST_CASE("Gaussian rivals are forecast, local ones are caught by groups and not by the mean") {
  Engine engine(5);
  Vector<double> logits = draw_gaussian<double>(engine, 5000, 1, 1.5).col(0);
  logits[0] = 9;
  const auto c = certificate(logits, 0);
  // ln of a mean of 5000 e^(1.5 z) is off by about sqrt((e^2.25 - 1) / 5000) = 0.041; three of
  // them.
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  CHECK(std::abs(logit(c.forecast) - logit(c.weight)) <= 0.13);
  logits[4999] = 12;
  const auto local = certificate(logits, 0);
  CHECK(local.upper < 0.06);
  CHECK(local.upper_mean > 0.5);
}

TEST_CASE("extreme logits neither overflow nor make NaN") {
  for (const double size : {1e3, 1e30, 1e300}) {
    const auto c = certificate(Vector<double>{{size, -size, 0}}, 0);
    CHECK(c.weight == 1);
    CHECK(c.lower == 1);
    const auto none = certificate(Vector<double>{{-size, size, 0}}, 0);
    CHECK(none.weight == 0);
    CHECK(none.upper == 0);
    CHECK_FALSE(std::isnan(none.forecast));
  }
}

TEST_CASE("the margin that a weight takes, and the keys that a margin is good for") {
  // mathematics of 1 / (1 + (n-1) e^-m), at the lengths of the usual tables.
  CHECK(required_margin(64, 0.3) == Approx(3.30).margin(0.005));
  CHECK(required_margin(64, 0.9) == Approx(6.34).margin(0.005));
  CHECK(required_margin(4096, 0.3) == Approx(7.47).margin(0.005));
  CHECK(required_margin(32768, 0.9) == Approx(12.59).margin(0.005));
  CHECK(std::isinf(required_margin(1, 0.5)));
  for (const double keys : {2.0, 64.0, 1e4}) {
    for (const double weight : {0.01, 0.3, 0.99}) {
      const double margin = required_margin(keys, weight);
      CHECK(1 / (1 + (keys - 1) * std::exp(-margin)) == Approx(weight).epsilon(1e-12));
      CHECK(guaranteed_keys(margin, weight) == Approx(keys).epsilon(1e-12));
    }
  }
  CHECK_THROWS_AS(required_margin(0, 0.5), shape_error);
  CHECK_THROWS_AS(required_margin(2, 0), shape_error);
  CHECK_THROWS_AS(guaranteed_keys(2, 1), shape_error);
}

TEST_CASE("logits that are not there throw") {
  CHECK_THROWS_AS(certificate(Vector<double>(), 0), shape_error);
  CHECK_THROWS_AS(certificate(Vector<double>::Zero(3), 3), index_error);
  CHECK_THROWS_AS(certificate(Vector<double>::Zero(3), -1), index_error);
}
