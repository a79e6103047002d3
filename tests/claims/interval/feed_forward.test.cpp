#include "plumb/claims/feed_forward.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::claims;
using namespace plumb::test;

namespace {

constexpr double kMargin = 1e-9;
constexpr double kFar = 40;

/// z (d/dz)(neuron) / neuron of SwiGLU along its gate, plus 1 for y: 2 + z sigma(-z).
template <class S>
S swiglu_degree(const S& z) {
  return S(2) + z / (S(1) + exp(z));
}

/// The same for GELU: 2 + z phi(z) / Phi(z).
template <class S>
S geglu_degree(const S& z) {
  const S density = exp(-z * z / S(2)) / S(Interval(sqrt(2 * pi())));
  return S(2) + z * density * S(2) / erfc(-z / S(sqrt(Interval(2))));
}

}  // namespace

TEST_CASE("jacobian-swiglu: a neuron's degree is in [2, 2 + W]", "[jacobian-swiglu][interval]") {
  const auto degree = [](const auto& x) { return swiglu_degree(x[0]); };
  const Box<1> near{{{0, kFar}}};
  CHECK(unproven_at_most<1>(degree, near, 2 + kSiluGap + kMargin) == "");
  CHECK(unproven_at_least<1>(degree, near, 2) == "");
  CHECK(2 + upper(times_exp_of_minus(from(kFar))) <= 2 + kSiluGap);
  CHECK(lower(swiglu_degree(Interval(1 + kSiluGap))) >= 2 + kSiluGap - 1e-12);
}

TEST_CASE("jacobian-swiglu: with GELU in [2, 2.294529]", "[jacobian-swiglu][interval]") {
  const auto degree = [](const auto& x) { return geglu_degree(x[0]); };
  const Box<1> near{{{0, kFar}}};
  CHECK(unproven_at_most<1>(degree, near, 2.29453) == "");
  CHECK(unproven_at_least<1>(degree, near, 2) == "");
  // Beyond: z phi(z) / Phi(z) <= z e^(-z^2/2) <= z e^-z, as sqrt(2 pi) Phi(z) >= 1 for z >= 0.
  CHECK(2 + upper(times_exp_of_minus(from(kFar))) <= 2.29453);
}
