#include "plumb/claims/norm.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::test;

TEST_CASE("rms-bounded: how much norm eps costs", "[rms-bounded][interval]") {
  // 1 - ||u||/sqrt(d) = 1 - (1 + x)^(-1/2) <= x/2 for x = d eps/||h||^2. Equal at x = 0, where the
  // difference is greatest because it falls; from x = 2 on the right side is 1 and more.
  const auto excess = [](const auto& x) { return 1 - 1 / sqrt(1 + x[0]) - x[0] / 2; };
  CHECK(unproven_at_most(excess, Box<1>{{{0, 2}}}, 0) == "");
  CHECK(upper(1 - 1 / sqrt(1 + from(2))) <= 1);
}
