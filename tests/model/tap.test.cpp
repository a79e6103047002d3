#include "plumb/model/tap.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

using namespace plumb;

namespace {

using MatrixF = Matrix<float>;

/// A tap that takes one site.
template <class Site, class M = MatrixF>
using Of = void (*)(Index, Site, M&);

struct OfAll {
  template <class Site>
  void operator()(Index, Site, MatrixF&) const {}
};

using OfResidual = Of<site::residual>;
using Reader = Of<site::weights, const MatrixF>;

using NoLayer = void (*)(site::residual, MatrixF&);
using OrderSwapped = void (*)(site::residual, Index, MatrixF&);
using OfDoubles = Of<site::residual, Matrix<double>>;
using OfVectors = Of<site::residual, Vector<float>>;
using OfForeignSite = Of<int>;

template <class Tap>
constexpr bool accepted = TapOf<Tap, float>;

}  // namespace

// A tap takes at least one site of a pass in T.
static_assert(accepted<NoTap> && accepted<const NoTap&> && accepted<NoTap&&>);
static_assert(accepted<OfAll> && accepted<OfAll&> && accepted<const OfAll&>);
static_assert(accepted<OfResidual> && accepted<Reader> && accepted<Of<site::queries>>);
static_assert(accepted<std::reference_wrapper<OfAll>>);
static_assert(TapOf<OfDoubles, double>);

// Any slip in the signature is an error of the compiler, not a tap that is never called.
static_assert(!accepted<NoLayer>);
static_assert(!accepted<OrderSwapped>);
static_assert(!accepted<OfDoubles>);
static_assert(!accepted<OfVectors>);
static_assert(!accepted<OfForeignSite>);
static_assert(!accepted<int>);
static_assert(!TapOf<OfResidual, double>);

// Each site that a pass offers is enough by itself.
static_assert(accepted<Of<site::residual>> && accepted<Of<site::attention_input>> &&
              accepted<Of<site::queries>> && accepted<Of<site::keys>> &&
              accepted<Of<site::values>> && accepted<Of<site::logits>> &&
              accepted<Of<site::weights>> && accepted<Of<site::head_outputs>> &&
              accepted<Of<site::gate>> && accepted<Of<site::attention_write>> &&
              accepted<Of<site::feed_forward_input>> && accepted<Of<site::neurons>> &&
              accepted<Of<site::feed_forward_write>> && accepted<Of<site::final_norm>>);

// Several taps are a tap when one of them is, and take the sites of all.
using Both = taps<OfResidual, Reader>;
static_assert(accepted<Both>);
static_assert(detail::taps_site<Both, site::residual, float>);
static_assert(detail::taps_site<Both, site::weights, float>);
static_assert(!detail::taps_site<Both, site::logits, float>);
static_assert(!accepted<taps<NoLayer, OfDoubles>>);

TEST_CASE("a tap is offered the sites that it takes, with layer and matrix, and may edit it") {
  MatrixF m = MatrixF::Ones(2, 3);
  Index seen = -1;
  auto tap = [&](Index layer, site::residual, MatrixF& matrix) {
    seen = layer;
    matrix *= 2;
  };
  offer(tap, 5, site::residual{}, m);
  CHECK(seen == 5);
  CHECK(m == MatrixF::Constant(2, 3, 2));
  offer(tap, 6, site::attention_write{}, m);
  CHECK(seen == 5);
  CHECK(m == MatrixF::Constant(2, 3, 2));
  NoTap nobody;
  offer(nobody, 7, site::residual{}, m);
  CHECK(m == MatrixF::Constant(2, 3, 2));
}

TEST_CASE("a site carries which of its stages or strips it is") {
  MatrixF m(1, 1);
  std::string seen;
  auto tap = [&](Index, auto where, MatrixF&) {
    if constexpr (std::is_same_v<decltype(where), site::queries>) {
      seen += where.stage == site::Stage::rotated ? "rotated " : "other ";
    }
    if constexpr (std::is_same_v<decltype(where), site::logits>) {
      seen += std::to_string(where.head) + " from " + std::to_string(where.first_query);
    }
  };
  offer(tap, 0, site::queries{site::Stage::projected}, m);
  offer(tap, 0, site::queries{site::Stage::rotated}, m);
  offer(tap, 0, site::logits{3, 128}, m);
  CHECK(seen == "other rotated 3 from 128");
}

TEST_CASE("several taps as one are called in order, each at the sites that it takes") {
  MatrixF m = MatrixF::Ones(1, 1);
  std::string calls;
  auto all = taps{
      [&](Index, site::residual, MatrixF& matrix) {
        calls += "a";
        matrix.array() += 1;
      },
      [&](Index, site::weights, MatrixF&) { calls += "w"; },
      [&](Index, auto, MatrixF& matrix) {
        calls += "b";
        matrix *= 10;
      },
  };
  offer(all, 0, site::residual{}, m);
  CHECK(calls == "ab");
  CHECK(m(0, 0) == 20);
  offer(all, 0, site::weights{0, 0}, m);
  CHECK(calls == "abwb");
  CHECK(m(0, 0) == 200);
}

TEST_CASE("parts are copied, and std::ref keeps the original") {
  struct Counter {
    int calls = 0;
    void operator()(Index, site::residual, MatrixF&) { ++calls; }
  };
  MatrixF m(1, 1);
  Counter copied, kept;
  auto all = taps{copied, std::ref(kept)};
  offer(all, 0, site::residual{}, m);
  offer(all, 1, site::residual{}, m);
  CHECK(copied.calls == 0);
  CHECK(std::get<0>(all.parts).calls == 2);
  CHECK(kept.calls == 2);
}

TEST_CASE("taps of taps are taps") {
  MatrixF m = MatrixF::Ones(1, 1);
  const auto doubled = [](Index, site::residual, MatrixF& matrix) { matrix *= 2; };
  auto all = taps{taps{doubled, doubled}, doubled};
  static_assert(accepted<decltype(all)>);
  offer(all, 0, site::residual{}, m);
  CHECK(m(0, 0) == 8);
}

namespace {

struct Apart {
  static constexpr bool kConcurrentHeads = true;
  void operator()(Index, site::weights, Matrix<float>&) {}
};
struct InOrder {
  void operator()(Index, site::weights, Matrix<float>&) {}
};
struct Rows {
  void operator()(Index, site::residual, Matrix<float>&) {}
};

}  // namespace

TEST_CASE("a tap that keeps heads apart may say so, and only all of a list together") {
  using plumb::detail::concurrent_heads;
  STATIC_REQUIRE(concurrent_heads<NoTap, float>::value);
  STATIC_REQUIRE(concurrent_heads<Rows, float>::value);
  STATIC_REQUIRE(concurrent_heads<Apart, float>::value);
  STATIC_REQUIRE(concurrent_heads<std::reference_wrapper<Apart>, float>::value);
  STATIC_REQUIRE_FALSE(concurrent_heads<InOrder, float>::value);
  STATIC_REQUIRE_FALSE(concurrent_heads<std::reference_wrapper<InOrder>, float>::value);
  STATIC_REQUIRE(concurrent_heads<taps<Rows, std::reference_wrapper<Apart>>, float>::value);
  STATIC_REQUIRE_FALSE(concurrent_heads<taps<Apart, InOrder>, float>::value);
}
