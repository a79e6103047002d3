#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "plumb/claims/claim.hpp"

namespace plumb::claims {

enum class Verdict {
  holds,
  violated,
  vacuous,    ///< an assumption fails, or the bound says nothing; the reason says which
  unresolved  ///< not finite, or the rounding allowance decides
};

constexpr const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::holds: return "holds";
    case Verdict::violated: return "violated";
    case Verdict::vacuous: return "vacuous";
    case Verdict::unresolved: return "unresolved";
  }
  return "?";
}

/// An allowance above this share of the larger side decides nothing.
inline constexpr double kCoarseAllowance = 1e-3;

/// A claim held against one input.
struct Finding {
  Verdict verdict = Verdict::vacuous;
  double lhs = 0;
  double rhs = 0;
  double allowance = 0;
  bool tight = false;  ///< |lhs - rhs| <= allowance
  std::string reason;  ///< of a vacuous or unresolved verdict
  Where where;

  double slack() const { return rhs - lhs; }
};

/// lhs <= rhs + allowance, or |lhs - rhs| <= allowance. Unresolved when a side is not finite, or
/// when the sides are within an allowance that is coarse beside both.
inline Finding judge(Relation relation, double lhs, double rhs, double allowance) {
  Finding finding{Verdict::holds, lhs, rhs, allowance, false, {}, {}};
  if (!std::isfinite(lhs) || !std::isfinite(rhs) || !std::isfinite(allowance)) {
    finding.verdict = Verdict::unresolved;
    finding.reason = "a side is not finite";
    return finding;
  }
  const double gap = lhs - rhs;
  finding.tight = std::abs(gap) <= allowance;
  const bool coarse = allowance > kCoarseAllowance * std::max(std::abs(lhs), std::abs(rhs));
  if (finding.tight && coarse) {
    finding.verdict = Verdict::unresolved;
    finding.reason = "rounding may be as large as the difference of the sides";
  } else if (!finding.tight && (relation == Relation::equal || gap > 0)) {
    finding.verdict = Verdict::violated;
  }
  return finding;
}

/// Holds the claim against one input.
template <Claim C>
Finding judge(const typename C::template Input<double>& input, const Where& where = {}) {
  Finding finding;
  if (const Objection objection = C::assumptions(input)) {
    finding.reason = *objection;
  } else {
    finding = judge(C::relation, C::template lhs<double>(input), C::template rhs<double>(input),
                    C::allowance(input));
  }
  finding.where = where;
  return finding;
}

}  // namespace plumb::claims
