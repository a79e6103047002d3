#include "plumb/claims/verdict.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace plumb::claims;

namespace {

/// lhs and rhs as given; vacuous when lhs is negative.
struct Given {
  static constexpr std::string_view id = "given";
  static constexpr auto relation = Relation::at_most;
  template <class S>
  struct Input {
    S left, right;
  };
  template <class S>
  static S lhs(const Input<S>& in) {
    return in.left;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.right;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.left < 0) return "the left side is negative";
    return {};
  }
  static double allowance(const Input<double>&) { return 1e-6; }
};

}  // namespace

TEST_CASE("at most: holds up to the allowance, and is violated beyond it") {
  const auto verdict = [](double lhs, double rhs) {
    return judge(Relation::at_most, lhs, rhs, 1e-6).verdict;
  };
  CHECK(verdict(1, 2) == Verdict::holds);
  CHECK(verdict(1, 1) == Verdict::holds);
  CHECK(verdict(1 + 0.9e-6, 1) == Verdict::holds);
  CHECK(verdict(1 + 1.1e-6, 1) == Verdict::violated);
  CHECK(verdict(-2, -1) == Verdict::holds);
  CHECK(verdict(-1, -2) == Verdict::violated);
  CHECK(judge(Relation::at_most, 1, 1 - 0.9e-6, 1e-6).tight);
  CHECK_FALSE(judge(Relation::at_most, 1, 2, 1e-6).tight);
  CHECK(judge(Relation::at_most, 1, 3, 1e-6).slack() == 2);
}

TEST_CASE("equal: neither side may exceed the other by more than the allowance") {
  const auto verdict = [](double lhs, double rhs) {
    return judge(Relation::equal, lhs, rhs, 1e-6).verdict;
  };
  CHECK(verdict(1, 1) == Verdict::holds);
  CHECK(verdict(1, 1 + 0.9e-6) == Verdict::holds);
  CHECK(verdict(1, 1 + 1.1e-6) == Verdict::violated);
  CHECK(verdict(1 + 1.1e-6, 1) == Verdict::violated);
  CHECK(verdict(1, 2) == Verdict::violated);
}

TEST_CASE("what is not finite, or decided by rounding, is unresolved with the reason") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& [lhs, rhs, allowance] :
       {std::tuple{nan, 1.0, 0.0}, std::tuple{1.0, nan, 0.0}, std::tuple{1.0, infinity, 0.0},
        std::tuple{1.0, 1.0, nan}}) {
    const auto finding = judge(Relation::at_most, lhs, rhs, allowance);
    CHECK(finding.verdict == Verdict::unresolved);
    CHECK(finding.reason == "a side is not finite");
  }
  // The allowance is 2e-3 of both sides, and the difference is inside it.
  CHECK(judge(Relation::at_most, 1, 1.001, 2e-3).verdict == Verdict::unresolved);
  CHECK(judge(Relation::at_most, 1, 0.999, 2e-3).verdict == Verdict::unresolved);
  // As coarse, but the difference is larger.
  CHECK(judge(Relation::at_most, 1, 1.1, 2e-3).verdict == Verdict::holds);
  CHECK(judge(Relation::at_most, 1.1, 1, 2e-3).verdict == Verdict::violated);
  CHECK(judge(Relation::equal, 0, 0, 0).verdict == Verdict::holds);
}

TEST_CASE("an input that lacks an assumption is vacuous with the reason, whatever its sides") {
  const auto vacuous = judge<Given>({-1, -2}, Where{.layer = 4});
  CHECK(vacuous.verdict == Verdict::vacuous);
  CHECK(vacuous.reason == "the left side is negative");
  CHECK(vacuous.where.layer == 4);
  CHECK(judge<Given>({1, 2}).verdict == Verdict::holds);
  CHECK(judge<Given>({2, 1}).verdict == Verdict::violated);
}
