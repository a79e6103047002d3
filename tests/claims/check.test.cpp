#include "plumb/claims/check.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"

using namespace plumb::claims;
using plumb::Block;
using plumb::Index;

namespace {

constexpr std::string_view kObjection = "an even number of layers";

/// |h at position p after layer l| <= 100 + l: violated by planted spikes, else true.
template <bool kObjects>
struct Small {
  static constexpr std::string_view id = "small", part = kObjects ? "objects" : "speaks";
  static constexpr auto relation = Relation::at_most;
  template <class S>
  struct Input {
    S size, bound;
  };
  template <class S>
  static S lhs(const Input<S>& in) {
    return in.size;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.bound;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.bound == 102) return "layer 2 does not count";
    return {};
  }
  static double allowance(const Input<double>&) { return 0; }
  static Objection objection(const plumb::Architecture& a) {
    if (kObjects && a.layers % 2 == 0) return std::string(kObjection);
    return {};
  }
  template <class T, class Visit>
  static void sites(const plumb::LayerRun<T>& run, const Visit& visit) {
    for (Index t = 0; t < run.tokens(); ++t) {
      const double size = static_cast<double>(run.residual.row(t).cwiseAbs().maxCoeff());
      visit(Input<double>{size, 100.0 + static_cast<double>(run.layer)},
            Where{.layer = run.layer, .position = t});
    }
  }
};

/// The whole run: there is one site, the number of layers.
struct HasLayers {
  static constexpr std::string_view id = "has-layers";
  static constexpr auto relation = Relation::equal;
  template <class S>
  struct Input {
    S layers;
  };
  template <class S>
  static S lhs(const Input<S>& in) {
    return in.layers;
  }
  template <class S>
  static S rhs(const Input<S>&) {
    return S(6);
  }
  static Objection assumptions(const Input<double>&) { return {}; }
  static double allowance(const Input<double>&) { return 0; }
  template <class T, class Visit>
  static void sites(const plumb::Decoder<T>&, const plumb::Trace<T>& trace, const Visit& visit) {
    visit(Input<double>{static_cast<double>(trace.layers())}, Where{});
  }
};

struct Nowhere : HasLayers {
  template <class T, class Visit>
  static void sites(const plumb::Decoder<T>&, const plumb::Trace<T>&, const Visit&) {}
};

std::vector<Result> planted_results(const plumb::TokenIds& ids) {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  return check<Small<false>, Small<true>, HasLayers, Nowhere>(model, plumb::trace(model, ids));
}

}  // namespace

TEST_CASE("sites are counted by verdict, and the worst and the tightest are kept") {
  // The start token spikes to 3000 after layer 1 and is back at the end of layer 4.
  const auto small = planted_results({0, 5, 6}).front();
  CHECK(small.id == "small");
  CHECK(small.part == "speaks");
  CHECK(small.violated == 2);  // before layers 3 and 4; before layer 2 it does not count
  CHECK(small.vacuous == 3);
  CHECK(small.holds == 18 - 5);
  CHECK(small.unresolved == 0);
  CHECK(small.verdict() == Verdict::violated);
  REQUIRE(small.worst.has_value());
  CHECK(small.worst->where.position == 0);
  CHECK(small.worst->lhs > 2900);
  CHECK(small.told()->lhs == small.worst->lhs);
  REQUIRE(small.tightest.has_value());
  CHECK(small.tightest->verdict == Verdict::holds);
  CHECK(small.reason == "layer 2 does not count");
}

TEST_CASE("a claim that objects to the architecture has no site, and says why") {
  const auto objecting = planted_results({0, 5})[1];
  CHECK(objecting.holds + objecting.violated + objecting.vacuous + objecting.unresolved == 0);
  CHECK(objecting.verdict() == Verdict::vacuous);
  CHECK(objecting.reason == kObjection);
  CHECK_FALSE(objecting.told().has_value());
}

TEST_CASE("a claim may speak of the whole run, and one without a site says so") {
  const auto results = planted_results({0, 5});
  CHECK(results[2].holds == 1);
  CHECK(results[2].verdict() == Verdict::holds);
  CHECK(results[2].tightest->tight);
  CHECK(results[3].verdict() == Verdict::vacuous);
  CHECK(results[3].reason == "no site in this run");
}

TEST_CASE("results of several runs add up") {
  auto all = planted_results({5, 6});  // no spike
  CHECK(all[0].verdict() == Verdict::holds);
  const auto spiked = planted_results({0, 5, 6});
  merge(all, spiked);
  CHECK(all[0].verdict() == Verdict::violated);
  CHECK(all[0].violated == 2);
  CHECK(all[0].holds == 10 + 13);
  CHECK(all[0].vacuous == 2 + 3);
  CHECK(all[0].worst->lhs == spiked[0].worst->lhs);
  CHECK(all[2].holds == 2);
  auto other = spiked;
  other.pop_back();
  CHECK_THROWS_AS(merge(all, other), plumb::shape_error);
  other = spiked;
  std::swap(other[0], other[2]);
  CHECK_THROWS_AS(merge(all, other), plumb::shape_error);
}
