#include "plumb/core/finding.hpp"

#include <catch2/catch.hpp>

using plumb::Finding;

namespace {

Finding<double> quotient(double a, double b) {
  if (b == 0) return Finding<double>::none("the divisor is zero");
  return a / b;
}

}  // namespace

TEST_CASE("a finding holds a value or the reason why there is none") {
  const auto found = quotient(6, 4);
  REQUIRE(found);
  CHECK(*found == 1.5);
  CHECK(found.reason.empty());

  const auto none = quotient(1, 0);
  CHECK_FALSE(none);
  CHECK_FALSE(none.value.has_value());
  CHECK(none.reason == "the divisor is zero");
}
