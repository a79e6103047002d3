#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>
#include <string>

#include "plumb/claims/claim.hpp"
#include "plumb/claims/verdict.hpp"
#include "support/generators.hpp"

/// Evidence for claims. A test case names the claim and the kind of evidence by its tags,
/// [rms-bounded][property]; kinds are property, measured, symbolic and interval. The test
/// tests/claims/evidence.test.cpp holds tags, pages and the table of docs/claims together.
namespace plumb::test {

/// "violated: 3 <= 2 (allowance 1e-12)", or what else the verdict is.
inline std::string describe(const claims::Finding& finding) {
  std::ostringstream text;
  text.precision(17);
  text << to_string(finding.verdict) << ": " << finding.lhs << " against " << finding.rhs
       << ", allowance " << finding.allowance << " " << finding.reason << " "
       << to_string(finding.where);
  return text.str();
}

/// Unresolved, though the sides are numbers: they cancel below what computing them may add.
inline bool left_to_rounding(const claims::Finding& finding) {
  return finding.verdict == claims::Verdict::unresolved && std::isfinite(finding.lhs) &&
         std::isfinite(finding.rhs) && std::isfinite(finding.allowance);
}

/// A property: of the inputs that `draw` makes, none violates the claim, none has a side that is
/// not finite, and at least half meet the assumptions and are not left to rounding. `draw` takes
/// from RapidCheck's generators.
template <claims::Claim C, class Draw>
void check_property(const std::string& description, const Draw& draw) {
  int drawn = 0, met = 0;
  double closest = 0;
  property(description, [&] {
    const auto finding = claims::judge<C>(draw());
    ++drawn;
    if (finding.verdict == claims::Verdict::vacuous || left_to_rounding(finding)) return;
    ++met;
    if (finding.rhs > 0) closest = std::max(closest, finding.lhs / finding.rhs);
    if (finding.verdict != claims::Verdict::holds) RC_FAIL(describe(finding));
  });
  INFO(claims::name_of<C>() << ": " << met << " of " << drawn
                            << " met the assumptions and decide, lhs/rhs up to " << closest);
  CHECK(2 * met >= drawn);
}

/// The bound is reached: the claim holds and lhs is at least `share` of rhs.
template <claims::Claim C>
void check_tight(const typename C::template Input<double>& input, double share = 0.99) {
  const auto finding = claims::judge<C>(input);
  INFO(claims::name_of<C>() << " " << describe(finding));
  CHECK(finding.verdict == claims::Verdict::holds);
  CHECK((finding.tight || finding.lhs >= share * finding.rhs));
}

/// An input that meets the assumptions by its form and is wrong in its data: found out.
template <claims::Claim C>
void check_violated(const typename C::template Input<double>& input) {
  const auto finding = claims::judge<C>(input);
  INFO(claims::name_of<C>() << " " << describe(finding));
  CHECK(finding.verdict == claims::Verdict::violated);
}

/// An input that lacks an assumption: the claim says so in words that hold `words`, and without
/// the assumption its sides would indeed break the relation.
template <claims::Claim C>
void check_needs_assumption(const typename C::template Input<double>& input,
                            const std::string& words) {
  const auto objection = C::assumptions(input);
  INFO(claims::name_of<C>() << ": " << objection.value_or("no objection"));
  REQUIRE(objection.has_value());
  CHECK(objection->find(words) != std::string::npos);
  const auto raw = claims::judge(C::relation, C::template lhs<double>(input),
                                 C::template rhs<double>(input), C::allowance(input));
  INFO(describe(raw));
  CHECK(raw.verdict != claims::Verdict::holds);
}

/// An input about which the claim says nothing, in words that hold `words`: it lacks an assumption
/// without which the sides have no meaning or no content.
template <claims::Claim C>
void check_vacuous(const typename C::template Input<double>& input, const std::string& words) {
  const auto objection = C::assumptions(input);
  INFO(claims::name_of<C>() << ": " << objection.value_or("no objection"));
  REQUIRE(objection.has_value());
  CHECK(objection->find(words) != std::string::npos);
}

}  // namespace plumb::test
