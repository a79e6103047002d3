#include "plumb/claims/residual.hpp"

#include <catch2/catch.hpp>

#include "support/close.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Vector;

// ---- Plateau ----------------------------------------------------------------------------------

namespace {

/// A model that adds in T.
template <class T>
PlateauPersistence::Input<double> added_up(double opening, const Vector<double>& writes) {
  PlateauPersistence::Input<double> in{static_cast<double>(static_cast<T>(opening)),
                                       writes.template cast<T>().template cast<double>(),
                                       Vector<double>(writes.size()), plumb::test::unit<T>};
  auto level = static_cast<T>(opening);
  for (Index b = 0; b < writes.size(); ++b) {
    level += static_cast<T>(writes[b]);
    in.balances[b] = static_cast<double>(level);
  }
  return in;
}

template <class T>
PlateauPersistence::Input<double> draw_plateau() {
  const double opening = *log_uniform<double>(1, 1e4);
  return added_up<T>(opening, *gaussian_vector<double>(*size(), 0.1) * opening);
}

}  // namespace

TEST_CASE("plateau-persistence: any writes", "[plateau-persistence][property]") {
  check_property<PlateauPersistence>("double", draw_plateau<double>);
  check_property<PlateauPersistence>("float", draw_plateau<float>);
}

TEST_CASE("plateau-persistence: tight, broken, vacuous", "[plateau-persistence][property]") {
  Vector<double> writes(3);
  writes << 1, 7, 0.5;
  check_tight<PlateauPersistence>(added_up<double>(-50, writes), 1);

  auto edited = added_up<double>(-50, writes);
  edited.balances[2] += 1;  // someone took from the channel what no block wrote
  check_violated<PlateauPersistence>(edited);

  check_needs_assumption<PlateauPersistence>(added_up<double>(0, writes), "no level");
  CHECK(PlateauPersistence::assumptions(added_up<double>(-8, writes)));
  CHECK(PlateauPersistence::assumptions(added_up<double>(-8, Vector<double>(0))));
}

TEST_CASE("plateau-persistence on models", "[plateau-persistence][measured]") {
  check_measured<PlateauPersistence>();
}

TEST_CASE("plateau-persistence on a model in float", "[plateau-persistence][measured]") {
  const auto checkpoint = plumb::planted::make().checkpoint;
  const plumb::Decoder<float> model(checkpoint);
  const auto result = check<PlateauPersistence>(model, plumb::trace(model, {0, 5, 6, 1})).front();
  INFO((result.worst ? describe(*result.worst) : result.reason));
  CHECK(result.verdict() == Verdict::holds);
  CHECK(result.unresolved == 0);
}

// ---- A norm behind the blocks -----------------------------------------------------------------

namespace {

NormedOutput<double> behind(const Vector<double>& output, double eps, const Vector<double>& gain) {
  const plumb::RmsNorm<double> norm{gain, eps};
  return {output, eps, gain, norm.value(output.transpose()).row(0).transpose()};
}

NormedOutput<double> draw_output() {
  const Index d = *size();
  const Vector<double> output = (*activations<double>(1, d)).row(0).transpose();
  Vector<double> gain = *gaussian_vector<double>(d);
  for (auto& g : gain) g = g < 0 ? g - 0.1 : g + 0.1;
  return behind(output * *magnitude<double>(1e-3, 1e3), *magnitude<double>(1e-8, 1), gain);
}

SandwichWriteChannel::Input<double> channel_of(const NormedOutput<double>& in, Index k) {
  return {in.gain.size(), in.gain[k], in.write[k]};
}

}  // namespace

TEST_CASE("sandwich-write-bound: any output", "[sandwich-write-bound][property]") {
  check_property<SandwichWriteChannel>("channel", [] {
    const auto in = draw_output();
    return channel_of(in, *rc::gen::inRange<Index>(0, in.gain.size()));
  });
  check_property<SandwichWriteJoint>("joint", draw_output);
  check_property<SandwichWriteCount>("count", [] {
    const auto in = draw_output();
    return SandwichWriteCount::Input<double>{in, *magnitude<double>(1e-2, 10)};
  });
  check_property<SandwichWriteSum>("sum", [] {
    const Index d = *size(), blocks = *size();
    SandwichWriteSum::Input<double> in{d, *bounded<double>(), Vector<double>(blocks), 0, kUnit};
    in.level = in.opening;
    for (Index b = 0; b < blocks; ++b) {
      const Vector<double> output = *gaussian_vector<double>(d) + Vector<double>::Ones(d);
      const auto write = behind(output, 1e-5, *bounded_vector<double>(d, 3.0));
      in.gains[b] = write.gain[0];
      in.level += write.write[0];
    }
    return in;
  });
}

TEST_CASE("sandwich-write-bound: tight, broken, vacuous", "[sandwich-write-bound][property]") {
  const Vector<double> gain = Vector<double>::LinSpaced(8, -2, 1.6);
  const auto one_hot = behind(7 * Vector<double>::Unit(8, 3), 0, gain);
  check_tight<SandwichWriteChannel>(channel_of(one_hot, 3));
  check_tight<SandwichWriteJoint>(behind(0.01 * Vector<double>::Ones(8), 1, gain.array() + 3));
  // Two writes of size 2 in two of eight channels: as many as there can be.
  Vector<double> two = Vector<double>::Zero(8);
  two[1] = 5;
  two[6] = -5;
  check_tight<SandwichWriteCount>({behind(two, 0, Vector<double>::Ones(8)), 2 * (1 - 1e-12)},
                                  1 - 1e-9);
  const Vector<double> gains = Vector<double>::LinSpaced(4, 0.5, 2);
  check_tight<SandwichWriteSum>({16, 3, gains, 3 + 4 * gains.sum(), kUnit}, 1);

  // The norm left out, or the gain of a family that stores g - 1 read as it stands.
  auto plain = one_hot;
  plain.write = 7 * Vector<double>::Unit(8, 3);
  check_violated<SandwichWriteChannel>(channel_of(plain, 3));
  check_violated<SandwichWriteJoint>(plain);
  check_violated<SandwichWriteCount>({plain, 6});
  auto shifted = behind(two, 0, gain.array() + 4);
  shifted.gain.array() -= 1;
  check_violated<SandwichWriteJoint>(shifted);
  check_violated<SandwichWriteSum>({16, 3, gains, 4 + 4 * gains.sum(), kUnit});

  check_needs_assumption<SandwichWriteJoint>(behind(two, 0, two), "a gain is zero");
  check_needs_assumption<SandwichWriteJoint>({0 * two, 0, gain, two}, "zero");
  check_needs_assumption<SandwichWriteCount>({behind(0 * two, 1, two), 0}, "zero");
}

TEST_CASE("sandwich-write-bound on models", "[sandwich-write-bound][measured]") {
  check_measured<SandwichWriteChannel>();
  check_measured<SandwichWriteJoint>();
  check_measured<SandwichWriteCount>();
  check_measured<SandwichWriteSum>();
}

TEST_CASE("sandwich-write-bound is not about models without a norm behind the blocks",
          "[sandwich-write-bound][measured]") {
  const auto& planted = measured_runs().back();
  const auto result = check<SandwichWriteChannel>(planted.model, planted.trace).front();
  CHECK(result.verdict() == Verdict::vacuous);
  CHECK(result.reason == "the norm after blocks is none, not rms_norm");
}
