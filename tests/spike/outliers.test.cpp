#include "plumb/spike/outliers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <rapidcheck/catch.h>
#include <set>
#include <string>
#include <vector>

#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// Median |h| by sorting, the mean of the middle two for an even count.
template <class T>
double sorted_median(const Matrix<T>& h) {
  std::vector<double> sizes;
  for (const T value : h.reshaped()) sizes.push_back(std::abs(static_cast<double>(value)));
  std::sort(sizes.begin(), sizes.end());
  const auto n = sizes.size();
  return n % 2 == 1 ? sizes[n / 2] : (sizes[n / 2 - 1] + sizes[n / 2]) / 2;
}

/// (3, 5) of entries of size `median` and alternating sign, but for one entry.
Matrix<double> one_entry(double median, double value, Index position = 1, Index channel = 3) {
  Matrix<double> h = Matrix<double>::NullaryExpr(
      3, 5, [=](Index t, Index k) { return (t + k) % 2 == 0 ? median : -median; });
  h(position, channel) = value;
  return h;
}

double above(double value) { return std::nextafter(value, std::numeric_limits<double>::max()); }
double below(double value) { return std::nextafter(value, 0.0); }

Tier tier_of(double median, double value) {
  return find_outliers(std::vector<Matrix<double>>{one_entry(median, value)}).tier;
}

/// Every entry of every point, by the rule as it is written.
template <class T>
Outliers by_the_rule(const std::vector<Matrix<T>>& residual, const Criterion& criterion) {
  std::set<Index> positions, channels;
  Entry largest, farthest;
  bool massive = false;
  for (std::size_t point = 0; point < residual.size(); ++point) {
    const auto& h = residual[point];
    const double median = sorted_median(h);
    for (Index t = 0; t < h.rows(); ++t) {
      for (Index k = 0; k < h.cols(); ++k) {
        const Entry entry{static_cast<Index>(point), t, k, static_cast<double>(h(t, k)), median};
        if (entry.ratio() > farthest.ratio()) farthest = entry;
        if (!(entry.magnitude() > criterion.absolute)) continue;
        if (!(entry.magnitude() >= criterion.relative * median)) continue;
        massive = true;
        positions.insert(t);
        channels.insert(k);
        if (entry.magnitude() > largest.magnitude()) largest = entry;
      }
    }
  }
  if (!massive && farthest.ratio() > criterion.outlier) {
    return {criterion, Tier::outlier, farthest, {farthest.position}, {farthest.channel}};
  }
  return {criterion,
          massive ? Tier::massive : Tier::none,
          massive ? largest : farthest,
          {positions.begin(), positions.end()},
          {channels.begin(), channels.end()}};
}

}  // namespace

TEMPLATE_TEST_CASE("the median magnitude is the middle of the sorted magnitudes", "", float,
                   double) {
  CHECK(median_magnitude(Matrix<TestType>{{-3}}) == 3);
  CHECK(median_magnitude(Matrix<TestType>{{1, -5, 3}}) == 3);
  CHECK(median_magnitude(Matrix<TestType>{{1, -2}, {-8, 4}}) == 3);
  CHECK(median_magnitude(Matrix<TestType>{{0, 0, 0, 7}}) == 0);

  property("for odd and even counts", [] {
    const auto h = *activations<TestType>(*size(), *size());
    RC_CLASSIFY(h.size() % 2 == 0);
    RC_ASSERT(median_magnitude(h) == sorted_median(h));
  });
}

TEST_CASE("the median of an empty matrix throws") {
  CHECK_THROWS_AS(median_magnitude(Matrix<double>(0, 4)), shape_error);
  CHECK_THROWS_AS(median_magnitude(Matrix<float>(3, 0)), shape_error);
}

TEST_CASE("the residual profile has the largest entry and the median of each point") {
  const std::vector<Matrix<double>> residual{one_entry(1, -7, 2, 4), one_entry(2, 9, 0, 1)};
  const auto profile = residual_profile(residual);
  REQUIRE(profile.size() == 2);
  CHECK(profile[0].point == 0);
  CHECK(profile[0].position == 2);
  CHECK(profile[0].channel == 4);
  CHECK(profile[0].value == -7);
  CHECK(profile[0].magnitude() == 7);
  CHECK(profile[0].median == 1);
  CHECK(profile[0].ratio() == 7);
  CHECK(profile[1].point == 1);
  CHECK(profile[1].position == 0);
  CHECK(profile[1].channel == 1);
  CHECK(profile[1].value == 9);
  CHECK(profile[1].ratio() == 4.5);
}

TEST_CASE("massive is above 100, not at 100") {
  const double median = 1.0 / 16;  // 100 is 1600 times this
  for (const double sign : {1.0, -1.0}) {
    CHECK(tier_of(median, sign * 100) == Tier::outlier);
    CHECK(tier_of(median, sign * below(100)) == Tier::outlier);
    CHECK(tier_of(median, sign * above(100)) == Tier::massive);
  }
}

TEST_CASE("massive is at least 1000 times the median, exactly so included") {
  for (const double sign : {1.0, -1.0}) {
    CHECK(tier_of(1, sign * 1000) == Tier::massive);
    CHECK(tier_of(1, sign * above(1000)) == Tier::massive);
    CHECK(tier_of(1, sign * below(1000)) == Tier::outlier);
  }
}

TEST_CASE("an outlier is above 20 times the median, not at 20 times") {
  for (const double sign : {1.0, -1.0}) {
    CHECK(tier_of(2, sign * 40) == Tier::none);
    CHECK(tier_of(2, sign * below(40)) == Tier::none);
    CHECK(tier_of(2, sign * above(40)) == Tier::outlier);
  }
}

TEST_CASE("nothing is massive that meets one number of the rule only") {
  CHECK(tier_of(1e-6, 99) == Tier::outlier);    // 1e8 times the median, but small
  CHECK(tier_of(1e3, 9.9e5) == Tier::outlier);  // large, but 990 times the median
  CHECK(tier_of(1e5, 1e6) == Tier::none);       // large, but 10 times the median

  // One point has the size, another the ratio.
  const auto found =
      find_outliers(std::vector<Matrix<double>>{one_entry(1e3, 9.9e5), one_entry(1e-3, 99)});
  CHECK(found.tier == Tier::outlier);
  CHECK(found.top.point == 1);
}

TEST_CASE("the median of an entry's own depth counts") {
  // 2000 is 2000 times the median of point 0 and 20 times that of point 1.
  const std::vector<Matrix<double>> residual{one_entry(1, 2000, 0, 0), one_entry(100, 2500, 2, 2)};
  const auto found = find_outliers(residual);
  CHECK(found.tier == Tier::massive);
  CHECK(found.top.point == 0);
  CHECK(found.top.value == 2000);
  CHECK(found.positions == std::vector<Index>{0});
  CHECK(found.channels == std::vector<Index>{0});
}

TEST_CASE("positions and channels of massive entries ascend and come once") {
  Matrix<double> early = Matrix<double>::Ones(6, 9);
  early(5, 7) = 3000;
  early(2, 7) = -2000;
  early(2, 1) = 1500;
  Matrix<double> late = Matrix<double>::Ones(6, 9);
  late(0, 4) = -5000;
  late(5, 7) = 4000;
  late(3, 8) = 900;  // not massive
  const auto found = find_outliers(std::vector<Matrix<double>>{early, late});
  CHECK(found.tier == Tier::massive);
  CHECK(found.positions == std::vector<Index>{0, 2, 5});
  CHECK(found.channels == std::vector<Index>{1, 4, 7});
  CHECK(found.top.point == 1);
  CHECK(found.top.position == 0);
  CHECK(found.top.channel == 4);
  CHECK(found.top.value == -5000);
  CHECK(found.top.median == 1);
}

TEST_CASE("without a massive entry the top is the one of largest ratio") {
  const std::vector<Matrix<double>> residual{one_entry(1, 30, 0, 2), one_entry(0.5, -25, 2, 1)};
  const auto found = find_outliers(residual);
  CHECK(found.tier == Tier::outlier);
  CHECK(found.top.point == 1);
  CHECK(found.top.value == -25);
  CHECK(found.positions == std::vector<Index>{2});
  CHECK(found.channels == std::vector<Index>{1});

  const auto quiet = find_outliers(std::vector<Matrix<double>>{one_entry(1, 3)});
  CHECK(quiet.tier == Tier::none);
  CHECK(quiet.top.value == 3);
  CHECK(quiet.positions.empty());
  CHECK(quiet.channels.empty());
}

TEST_CASE("with a median of zero the ratio is infinite, and the size decides") {
  const auto massive = find_outliers(std::vector<Matrix<double>>{one_entry(0, -101)});
  CHECK(massive.tier == Tier::massive);
  CHECK(massive.top.median == 0);
  CHECK(std::isinf(massive.top.ratio()));
  CHECK(massive.positions == std::vector<Index>{1});
  CHECK(massive.channels == std::vector<Index>{3});

  CHECK(tier_of(0, 100) == Tier::outlier);
  CHECK(tier_of(0, 1e-3) == Tier::outlier);

  const auto zero = find_outliers(std::vector<Matrix<double>>{Matrix<double>::Zero(3, 4)});
  CHECK(zero.tier == Tier::none);
  CHECK(zero.top.ratio() == 0);
  CHECK(zero.positions.empty());
}

TEST_CASE("a residual stream without points or entries throws") {
  CHECK_THROWS_AS(find_outliers(std::vector<Matrix<double>>{}), shape_error);
  CHECK_THROWS_AS(find_outliers(std::vector<Matrix<float>>{Matrix<float>(0, 3)}), shape_error);
}

TEST_CASE("a criterion of one's own replaces the defaults") {
  const std::vector<Matrix<double>> residual{one_entry(1, 30)};
  CHECK(find_outliers(residual, {10, 30, 5}).tier == Tier::massive);
  CHECK(find_outliers(residual, {10, 31, 5}).tier == Tier::outlier);
  CHECK(find_outliers(residual, {10, 31, 30}).tier == Tier::none);
  CHECK(find_outliers(residual, {10, 31, 30}).criterion.relative == 31);
}

TEMPLATE_TEST_CASE("outliers are those of the rule, entry by entry", "", float, double) {
  property("of any residual stream", [] {
    const Index tokens = *size(), channels = *size();
    std::vector<Matrix<TestType>> residual;
    const auto points = *rc::gen::inRange(1, 4);
    for (int i = 0; i < points; ++i) residual.push_back(*activations<TestType>(tokens, channels));
    const auto got = find_outliers(residual);
    const auto want = by_the_rule(residual, Criterion{});
    RC_TAG(std::string(to_string(got.tier)));
    RC_ASSERT(got.tier == want.tier);
    RC_ASSERT(got.top.magnitude() == want.top.magnitude());
    RC_ASSERT(got.top.ratio() == want.top.ratio());
    RC_ASSERT(got.positions == want.positions);
    RC_ASSERT(got.channels == want.channels);
  });
}

TEST_CASE("tiers have names") {
  CHECK(std::string(to_string(Tier::none)) == "none");
  CHECK(std::string(to_string(Tier::outlier)) == "outlier");
  CHECK(std::string(to_string(Tier::massive)) == "massive");
}
