#include "plumb/core/scalar.hpp"

#include <Eigen/Core>
#include <catch2/catch.hpp>
#include <cmath>
#include <type_traits>
#include <unsupported/Eigen/AutoDiff>

using plumb::accumulator_t;
using Dual = Eigen::AutoDiffScalar<Eigen::VectorXd>;

static_assert(std::is_same_v<accumulator_t<float>, double>);
static_assert(std::is_same_v<accumulator_t<double>, double>);
static_assert(std::is_same_v<accumulator_t<long double>, long double>);
static_assert(std::is_same_v<accumulator_t<Dual>, Dual>);

TEST_CASE("sums of floats are taken in double") {
  // 2^24 + 1 is no float: a sum in float would stay at 2^24.
  accumulator_t<float> sum = 0x1p24f;
  for (int i = 0; i < 10; ++i) sum += 1.0f;
  CHECK(sum == 0x1p24 + 10);
}

TEST_CASE("sums of numbers that carry a derivative carry it too") {
  accumulator_t<Dual> sum(1);
  sum += Dual(2, 1, 0) * Dual(3, 1, 0);
  CHECK(sum.value() == 7);
  REQUIRE(sum.derivatives().size() == 1);
  CHECK(sum.derivatives()[0] == 5);
}

TEST_CASE("the arithmetic is IEEE: infinities and NaN are kept apart from numbers") {
  const volatile double zero = 0;
  CHECK(std::isinf(1 / zero));
  CHECK(std::isnan(zero / zero));
}
