#include "plumb/claims/activation.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "plumb/model/activation.hpp"
#include "support/evidence.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;

namespace {

double gelu(double z) { return z * std::erfc(-z / std::numbers::sqrt2) / 2; }

double gelu_tanh(double z) {
  return z * plumb::sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z));
}

/// A neuron with the activation, whose gate argument is of any size, near the maximiser too.
Activated<double> draw(double (*act)(double)) {
  const double z = *rc::gen::oneOf(number<double>(), bounded<double>(3.0), bounded<double>(40.0));
  const double y = *number<double>();
  return {z, y, act(z) * y};
}

double silu(double z) { return plumb::silu(z); }

}  // namespace

TEST_CASE("silu-relu-gap: any neuron", "[silu-relu-gap][property]") {
  check_property<SiluReluGap>("gap", [] { return draw(silu); });
  check_property<SiluReluGapExact>("exact gap", [] { return draw(silu); });
  check_property<SiluLeast>("least value", [] { return draw(silu); });
  check_property<SiluSlope>("slope", [] {
    const double z = draw(silu).z;
    return Slope<double>{z, plumb::silu_derivative(z)};
  });
}

TEST_CASE("silu-relu-gap: tight, broken, vacuous", "[silu-relu-gap][property]") {
  const double at = 1 + kSiluGap;
  for (const double z : {at, -at}) {
    check_tight<SiluReluGap>({z, 1, silu(z)}, 1 - 1e-15);
    check_tight<SiluReluGap>({z, -3, -3 * silu(z)}, 1 - 1e-15);
  }
  check_tight<SiluLeast>({-at, 2, 2 * silu(-at)}, 1 - 1e-15);
  for (const double z : {kSteepestSilu, -kSteepestSilu}) {
    check_tight<SiluSlope>({z, plumb::silu_derivative(z)}, 1 - 1e-15);
  }
  // W e^W = 1/e and q tanh(q/2) = 2.
  CHECK(std::abs(kSiluGap * std::exp(kSiluGap + 1) - 1) <= 4 * kUnit);
  CHECK(std::abs(kSteepestSilu * std::tanh(kSteepestSilu / 2) - 2) <= 8 * kUnit);

  // A clamped activation, one without its gate, one that is scaled, and a slope without the 1.
  check_violated<SiluReluGap>({9, 1, std::min(silu(9), 7.0)});
  check_violated<SiluReluGap>({-9, 1, -9});
  check_violated<SiluReluGapExact>({1, 1, plumb::sigmoid(1.702)});
  check_violated<SiluLeast>({-2, 1, -0.3});
  check_violated<SiluSlope>({4, 4 * plumb::sigmoid(4.0) * plumb::sigmoid(-4.0) + 2});

  check_needs_assumption<SiluReluGapExact>({60, 1, silu(60)}, "below rounding");
  check_needs_assumption<SiluLeast>({1, 0, 0}, "zero");
}

TEST_CASE("gelu-relu-gap: any neuron", "[gelu-relu-gap][property]") {
  check_property<GeluReluGap>("erf", [] { return draw(gelu); });
  check_property<GeluTanhReluGap>("tanh", [] { return draw(gelu_tanh); });
}

TEST_CASE("gelu-relu-gap: tight and broken", "[gelu-relu-gap][property]") {
  for (const double sign : {1.0, -1.0}) {
    check_tight<GeluReluGap>({sign * 0.7517915, 1, gelu(sign * 0.7517915)}, 1 - 1e-11);
    check_tight<GeluTanhReluGap>({sign * 0.7524615, 1, gelu_tanh(sign * 0.7524615)}, 1 - 1e-10);
    // The constants differ: the tanh form exceeds that of the erf form, and SiLU exceeds both.
    check_violated<GeluReluGap>({sign * 0.7524615, 1, gelu_tanh(sign * 0.7524615)});
    check_violated<GeluTanhReluGap>({sign * 1.2, -2, -2 * silu(sign * 1.2)});
  }
}

TEST_CASE("gelu-relu-gap: each form where it is used, with its constant",
          "[gelu-relu-gap][measured]") {
  for (const auto& run : measured_runs()) {
    const auto name = plumb::spell(plumb::kActivations, run.model.architecture().activation);
    const auto results = check<GeluReluGap, GeluTanhReluGap>(run.model, run.trace);
    CHECK(results[0].verdict() == (name == "gelu" ? Verdict::holds : Verdict::vacuous));
    CHECK(results[1].verdict() == (name == "gelu_tanh" ? Verdict::holds : Verdict::vacuous));
    if (name != "silu") continue;
    CHECK(results[0].reason == "the activation is silu, not gelu");
    CHECK(results[1].reason == "the activation is silu, not gelu_tanh");
  }
}
