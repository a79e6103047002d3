#include "plumb/claims/claim.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/arithmetic.hpp"

using namespace plumb::claims;
using plumb::Block;
using plumb::Vector;

namespace {

struct NormOfSum {
  static constexpr std::string_view id = "norm-of-sum", part = "x";
  static constexpr auto relation = Relation::at_most;
  template <class S>
  struct Input {
    Vector<S> a, b;
  };
  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.a + in.b);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.a) + norm<S>(in.b);
  }
  static Objection assumptions(const Input<double>&) { return {}; }
  static double allowance(const Input<double>& in) { return gamma(in.a.size() + 4) * rhs(in); }
};

struct WithoutSides {
  static constexpr std::string_view id = "without-sides";
  template <class S>
  struct Input {};
};

}  // namespace

TEST_CASE("what has an id, sides, assumptions and an allowance is a claim") {
  STATIC_REQUIRE(Claim<NormOfSum>);
  STATIC_REQUIRE_FALSE(Claim<WithoutSides>);
  CHECK(name_of<NormOfSum>() == "norm-of-sum (x)");
}

TEST_CASE("a place is told in words, and only as far as it is known") {
  CHECK(to_string(Where{}).empty());
  CHECK(to_string(Where{.layer = 3, .block = Block::attention, .head = 1, .position = 7}) ==
        "layer 3 attention, head 1, position 7");
  CHECK(to_string(Where{.channel = 61}) == "channel 61");
  CHECK(to_string(Where{.block = Block::feed_forward}) == "feed_forward");
}
