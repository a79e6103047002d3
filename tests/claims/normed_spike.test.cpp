#include "plumb/claims/normed_spike.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/spikes.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Vector;

namespace {

NormedSpike<double> normed(const Vector<double>& h, double eps, const Channels& channels) {
  return {h, eps, channels, read(h, eps)};
}

RmsSparsifiesEntry::Input<double> entry_of(const Vector<double>& h, double eps,
                                           const Channels& channels, Index entry) {
  Vector<double> rest = h;
  for (const Index k : channels) rest[k] = 0;
  return {h, eps, channels, entry, read(h, eps)[entry], read(rest, eps)[entry]};
}

NormedSpike<double> draw_spike() {
  const Index d = 1 + *size();
  const auto channels = draw_channels(d);
  return normed(draw_row(d, channels), draw_eps(), channels);
}

/// c channels of one size, the others of another: what the bounds of sparsity are equal for.
NormedSpike<double> two_levels(Index d, Index c, double spike, double rest) {
  Vector<double> h = Vector<double>::Constant(d, -rest);
  Channels channels;
  for (Index k = 0; k < c; ++k) {
    channels.push_back(2 * k);
    h[2 * k] = k % 2 == 0 ? spike : -spike;
  }
  return normed(h, 0, channels);
}

}  // namespace

TEST_CASE("rms-sparsifies: any spike", "[rms-sparsifies][property]") {
  check_property<RmsSparsifiesEntry>("entry", [] {
    const Index d = 1 + *size();
    const auto channels = draw_channels(d);
    return entry_of(draw_row(d, channels), draw_eps(), channels, d - 1);
  });
  check_property<RmsSparsifiesRest>("rest", draw_spike);
  check_property<RmsSparsifiesParticipation>("participation", draw_spike);
  check_property<RmsSparsifiesHoyer>("hoyer", draw_spike);
}

TEST_CASE("rms-sparsifies: tight, broken, vacuous", "[rms-sparsifies][property]") {
  const auto levels = two_levels(16, 3, 40, 1);
  check_tight<RmsSparsifiesRest>(levels);
  check_tight<RmsSparsifiesParticipation>(levels);
  check_tight<RmsSparsifiesHoyer>(levels);
  check_tight<RmsSparsifiesEntry>(entry_of(0.01 * levels.h, 1, levels.channels, 15));

  // DynamicTanh does not divide: nothing becomes small beside a spike.
  auto squashed = levels;
  squashed.u = levels.h.unaryExpr([](double h) { return std::tanh(h); });
  check_violated<RmsSparsifiesParticipation>(squashed);
  check_violated<RmsSparsifiesHoyer>(squashed);
  auto entry = entry_of(levels.h, 0, levels.channels, 15);
  entry.with_spike = entry.without_spike;
  check_violated<RmsSparsifiesEntry>(entry);
  // A bias of the norm.
  auto biased = levels;
  biased.u.array() += 0.5;
  check_violated<RmsSparsifiesRest>(biased);

  check_needs_assumption<RmsSparsifiesEntry>(entry_of(levels.h, 0, levels.channels, 0),
                                             "on a spike channel");
  check_needs_assumption<RmsSparsifiesEntry>(entry_of(Vector<double>::Unit(4, 0), 0, {0}, 1),
                                             "nothing but");
  check_needs_assumption<RmsSparsifiesParticipation>(normed(Vector<double>::Ones(2), 0, {0, 1}),
                                                     "all channels");
  CHECK(RmsSparsifiesRest::assumptions(normed(Vector<double>::Unit(3, 0), 0, {1})));
  CHECK(RmsSparsifiesRest::assumptions(normed(Vector<double>::Unit(3, 0), 0, {3})));
}
