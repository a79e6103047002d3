#include "plumb/claims/dynamic_tanh.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::test;

TEST_CASE("dynamic-tanh-bounded-but-not-constant: 1 - tanh t <= 2 exp(-2t)",
          "[dynamic-tanh-bounded-but-not-constant][interval]") {
  // The quotient is 1/(1 + exp(-2t)) (see the symbolic proof), on all t >= 0 at once ...
  CHECK(upper(1 / (1 + exp(-2 * from(0)))) <= 1);
  // ... and by branch and bound on the formula as it stands, with a margin.
  const auto excess = [](const auto& t) { return 1 - tanh(t[0]) - 2 * exp(-2 * t[0]); };
  CHECK(unproven_at_most(excess, Box<1>{{{0, 40}}}, 1e-9) == "");
}
