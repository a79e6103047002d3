#include "plumb/claims/rms_near_constant.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/spikes.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Vector;

namespace {

NormedSpikes<double> pair_of(const Vector<double>& a, const Vector<double>& b, double eps,
                             const Channels& channels, const Vector<double>& gain) {
  return {a,
          b,
          eps,
          channels,
          read(a, eps),
          read(b, eps),
          gain,
          read(a, eps, gain),
          read(b, eps, gain)};
}

/// Spikes at any angle to each other, or nearly parallel.
NormedSpikes<double> draw_pair() {
  const Index d = 1 + *size();
  const auto channels = draw_channels(d);
  const Vector<double> a = draw_row(d, channels);
  Vector<double> b = draw_row(d, channels);
  if (*rc::gen::inRange(0, 2) == 0) {
    for (const Index k : channels) b[k] = a[k] * 1.5;
  }
  return pair_of(a, b, draw_eps(), channels, *bounded_vector<double>(d, 3.0));
}

/// Spikes (30, 40) and (40, 30) or twice the first, on rests that are antiparallel.
NormedSpikes<double> opposed(bool turned, const Vector<double>& gain) {
  Vector<double> a(5), b(5);
  a << 30, 40, 1, -2, 3;
  b << 60, 80, -4, 8, -12;
  if (turned) b.head(2) << 40, 30;
  return pair_of(a, b, 0, {0, 1}, gain);
}

}  // namespace

TEST_CASE("rms-near-constant: any two spikes", "[rms-near-constant][property]") {
  check_property<RmsNearConstant>("sharp", draw_pair);
  check_property<RmsNearConstantTriangle>("triangle", draw_pair);
  check_property<RmsNearConstantLinear>("linear", draw_pair);
  check_property<RmsNearConstantGain>("gain", draw_pair);
}

TEST_CASE("rms-near-constant: the sharp form is below the triangle form, that below the linear one",
          "[rms-near-constant][property]") {
  property("order", [] {
    const auto in = draw_pair();
    const double sharp = RmsNearConstant::rhs<double>(in);
    const double triangle = RmsNearConstantTriangle::rhs<double>(in);
    const double linear = RmsNearConstantLinear::rhs<double>(in);
    const double allowance = RmsNearConstant::allowance(in);
    if (!RmsNearConstant::assumptions(in)) {
      RC_ASSERT(sharp <= triangle + allowance);
      RC_ASSERT(triangle <= linear + allowance);
    }
  });
}

TEST_CASE("rms-near-constant: tight, broken, vacuous", "[rms-near-constant][property]") {
  const Vector<double> ones = Vector<double>::Ones(5);
  check_tight<RmsNearConstant>(opposed(true, ones), 1 - 1e-12);
  check_tight<RmsNearConstant>(opposed(false, ones), 1 - 1e-12);
  check_tight<RmsNearConstantTriangle>(opposed(false, ones), 1 - 1e-12);
  check_tight<RmsNearConstantLinear>(opposed(false, ones));
  Vector<double> gain(5);
  gain << 2, -2, 0.5, 0.5, -0.5;
  check_tight<RmsNearConstantGain>(opposed(true, gain), 1 - 1e-12);

  // One token is read through another bias.
  auto biased = opposed(false, ones);
  biased.u_a.array() += 0.5;
  biased.y_a = biased.u_a;
  check_violated<RmsNearConstant>(biased);
  check_violated<RmsNearConstantTriangle>(biased);
  check_violated<RmsNearConstantLinear>(biased);
  auto squashed = opposed(false, ones);  // DynamicTanh
  squashed.u_a = squashed.a.unaryExpr([](double h) { return std::tanh(h); });
  squashed.u_b = squashed.b.unaryExpr([](double h) { return std::tanh(h); });
  check_violated<RmsNearConstant>(squashed);
  // A gain on one spike channel that is larger than the norm's.
  auto gained = opposed(true, gain);
  gained.y_a *= 2;
  check_violated<RmsNearConstantGain>(gained);

  const auto no_spike = pair_of(Vector<double>::Unit(3, 0), Vector<double>::Unit(3, 1), 0, {0},
                                Vector<double>::Ones(3));
  check_needs_assumption<RmsNearConstant>(no_spike, "no spike");
  check_needs_assumption<RmsNearConstantLinear>(no_spike, "no spike");
  CHECK(RmsNearConstantTriangle::assumptions(no_spike));
  const Vector<double> row = opposed(true, gain).a;
  check_needs_assumption<RmsNearConstantGain>(pair_of(row, row, 0, {0, 1}, gain), "alike");
}

namespace {

ScaledSpike<double> scaled_by(double times, const Vector<double>& h, double eps,
                              const Channels& channels) {
  Vector<double> after = h;
  for (const Index k : channels) after[k] *= times;
  return {h, eps, channels, times, read(h, eps), read(after, eps)};
}

template <class Draw>
ScaledSpike<double> draw_scaled(const Draw& times) {
  const Index d = 1 + *size();
  const auto channels = draw_channels(d);
  return scaled_by(times(), draw_row(d, channels), draw_eps(), channels);
}

}  // namespace

TEST_CASE("spike-scale-law: any factor", "[spike-scale-law][property]") {
  check_property<SpikeScaleLaw>("law", [] {
    return draw_scaled([] {
      return *rc::gen::oneOf(rc::gen::element(0.0, 0.5, 2.0, 100.0), magnitude<double>(1e-3, 1e3));
    });
  });
  check_property<SpikeScaleBound>(
      "bound", [] { return draw_scaled([] { return *magnitude<double>(1.0, 1e6); }); });
}

TEST_CASE("spike-scale-law: tight, broken, vacuous", "[spike-scale-law][property]") {
  Vector<double> h(4);
  h << 50, 2, -1, 3;
  check_tight<SpikeScaleLaw>(scaled_by(0, 0.01 * h, 1, {0}));
  check_tight<SpikeScaleBound>(scaled_by(1e8, h, 0, {0}), 1 - 1e-6);

  auto wrong = scaled_by(2, h, 0, {0});
  wrong.u_scaled = scaled_by(3, h, 0, {0}).u_scaled;
  check_violated<SpikeScaleLaw>(wrong);
  wrong.u_scaled = scaled_by(0, h, 0, {0}).u_scaled;  // taken away, where it should have grown
  check_violated<SpikeScaleBound>(wrong);

  check_needs_assumption<SpikeScaleBound>(scaled_by(0, h, 0, {0}), "shrinks");
  check_needs_assumption<SpikeScaleLaw>(scaled_by(0, Vector<double>::Unit(3, 0), 0, {0}),
                                        "nothing but the spike");
  CHECK(SpikeScaleLaw::assumptions(scaled_by(1, h, 0, {0})));
  CHECK(SpikeScaleLaw::assumptions(scaled_by(-1, h, 0, {0})));
}
