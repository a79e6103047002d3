#include "plumb/claims/activation.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::claims;
using namespace plumb::test;

/// Beyond 40 gaps are bounded by t e^-t or less. Maxima are touched, so bounds are a little larger
/// than the constants; the tangent line in docs/claims/silu-relu-gap.md gives W itself.
namespace {

constexpr double kMargin = 1e-9;
constexpr double kFar = 40;

/// t sigma(-t)
template <class S>
S silu_gap(const S& t) {
  return t / (S(1) + exp(t));
}

/// t Phi(-t) = t erfc(t / sqrt 2) / 2
template <class S>
S gelu_gap(const S& t) {
  return t * erfc(t / S(sqrt(Interval(2)))) / S(2);
}

/// t sigma(-2 sqrt(2/pi) (t + 0.044715 t^3))
template <class S>
S gelu_tanh_gap(const S& t) {
  const S slope(Interval(2 * sqrt(2 / pi())));
  return t / (S(1) + exp(slope * (t + S(decimal("0.044715")) * t * t * t)));
}

/// (1 + z sigma(-z)) sigma(z)
template <class S>
S silu_slope(const S& z) {
  const S open = S(1) / (S(1) + exp(-z)), shut = S(1) / (S(1) + exp(z));
  return open * (S(1) + z * shut);
}

const Box<1> kNear{{{0, kFar}}};

}  // namespace

TEST_CASE("silu-relu-gap: at most W", "[silu-relu-gap][interval]") {
  const auto gap = [](const auto& x) { return silu_gap(x[0]); };
  CHECK(unproven_at_most<1>(gap, kNear, kSiluGap + kMargin) == "");
  CHECK(unproven_at_least<1>(gap, kNear, 0) == "");
  // t / (1 + e^t) <= t e^-t
  CHECK(upper(times_exp_of_minus(from(kFar))) <= kSiluGap);
  // It is reached, and 1 + W is where: the gap is W to 1e-12 there.
  const Interval at = silu_gap(Interval(1 + kSiluGap));
  CHECK(lower(at) >= kSiluGap - 1e-12);
  // W e^(W + 1) = 1, so W is within 1e-15 of the root of an increasing function.
  const auto equation = [](double w) { return Interval(w) * exp(Interval(w) + 1); };
  CHECK(upper(equation(kSiluGap - 1e-15)) < 1);
  CHECK(lower(equation(kSiluGap + 1e-15)) > 1);
}

TEST_CASE("silu-relu-gap: the range of SiLU'", "[silu-relu-gap][interval]") {
  // SiLU'(z) - 1/2 is odd (symbolic), so z >= 0 will do.
  const auto slope = [](const auto& x) { return silu_slope(x[0]); };
  const double most = 0.5 + kSteepestSilu / 4;
  CHECK(unproven_at_most<1>(slope, kNear, most + kMargin) == "");
  CHECK(unproven_at_least<1>(slope, kNear, 0.5 - kMargin) == "");
  // Beyond: sigma(z) (1 + z sigma(-z)) is in [sigma(z), 1 + z e^-z].
  CHECK(1 + upper(times_exp_of_minus(from(kFar))) <= most);
  CHECK(lower(silu_slope(Interval(kSteepestSilu))) >= most - 1e-12);
  // q tanh(q/2) = 2, increasing.
  const auto equation = [](double q) { return Interval(q) * tanh(Interval(q) / 2); };
  CHECK(upper(equation(kSteepestSilu - 1e-14)) < 2);
  CHECK(lower(equation(kSteepestSilu + 1e-14)) > 2);
}

TEST_CASE("gelu-relu-gap: erf", "[gelu-relu-gap][interval]") {
  const auto gap = [](const auto& x) { return gelu_gap(x[0]); };
  CHECK(unproven_at_most<1>(gap, kNear, kGeluGap) == "");
  // t erfc(t / sqrt 2) / 2 <= t e^(-t^2/2) <= t e^-t for t >= 2
  CHECK(upper(times_exp_of_minus(from(kFar))) <= kGeluGap);
  CHECK(lower(gelu_gap(Interval(0.7517915))) >= kGeluGap - 1e-11);
  CHECK(upper(gelu_gap(Interval(0.7517915))) <= kGeluGap);
}

TEST_CASE("gelu-relu-gap: tanh", "[gelu-relu-gap][interval]") {
  const auto gap = [](const auto& x) { return gelu_tanh_gap(x[0]); };
  CHECK(unproven_at_most<1>(gap, kNear, kGeluTanhGap) == "");
  // 2 sqrt(2/pi) > 1, so t sigma(-a) <= t e^-t
  CHECK(lower(2 * sqrt(2 / pi())) > 1);
  CHECK(upper(times_exp_of_minus(from(kFar))) <= kGeluTanhGap);
  CHECK(lower(gelu_tanh_gap(Interval(0.7524615))) >= kGeluTanhGap - 1e-10);
  // It exceeds the constant of the erf form.
  CHECK(lower(gelu_tanh_gap(Interval(0.7524615))) > kGeluGap);
}
