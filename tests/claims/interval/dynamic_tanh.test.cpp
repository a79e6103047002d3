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

TEST_CASE("dynamic-tanh-bounded-but-not-constant: the sides enclose",
          "[dynamic-tanh-bounded-but-not-constant][interval]") {
  // Claim 23c on all h in [0, 20] and all gains in [0, 3]: |g| - |y| - 2|g| exp(-2 h) <= 0.
  const auto excess = [](const auto& x) {
    using S = std::decay_t<decltype(x[0])>;
    const S y = x[1] * tanh(x[0]);
    return x[1] - y - 2 * x[1] * exp(-2 * x[0]);
  };
  CHECK(unproven_at_most(excess, Box<2>{{{0, 20}, {0, 3}}}, 1e-9) == "");
}
