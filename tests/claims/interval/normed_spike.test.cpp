#include "plumb/claims/normed_spike.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::test;

TEST_CASE("rms-near-constant: the triangle form is no better than the sharp one",
          "[rms-near-constant][interval]") {
  // The sign of sin(alpha + beta) cos t - sin alpha sin beta sin t for t = theta/2 and
  // alpha + beta + theta <= pi (see the symbolic proof), t = v (pi - alpha - beta)/2. It touches 0
  // at alpha = beta = 0 and at alpha = beta = pi/2, so a margin is left.
  const auto difference = [](const auto& x) {
    using S = std::decay_t<decltype(x[0])>;
    const S half_pi = S(pi()) / 2;
    const S alpha = x[0] * half_pi, beta = x[1] * half_pi;
    const S t = x[2] * (half_pi - (alpha + beta) / 2);
    return sin(alpha + beta) * cos(t) - sin(alpha) * sin(beta) * sin(t);
  };
  CHECK(unproven_at_least(difference, Box<3>{{{0, 1}, {0, 1}, {0, 1}}}, -1e-3) == "");
}

TEST_CASE("rms-sparsifies: the bound on Hoyer's measure is never below that of a flat row",
          "[rms-sparsifies][interval]") {
  // (sqrt(c p) + sqrt((d-c)(1-p)))/sqrt(d) <= 1 with x = c/d; it touches at p = x.
  const auto ratio = [](const auto& x) {
    return sqrt(x[0] * x[1]) + sqrt((1 - x[0]) * (1 - x[1]));
  };
  CHECK(unproven_at_most(ratio, Box<2>{{{0.001, 0.999}, {0.001, 0.999}}}, 1 + 1e-4) == "");
}
