#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "plumb/core/linalg.hpp"

namespace plumb::test {

/// lhs <= rhs over many cases: how many meet the assumptions, how close the two come, and whether
/// the right-hand sides say anything at all, which they do if those of other cases are violated.
class BoundTally {
 public:
  /// A case that does not meet the assumptions.
  void skip() { ++cases_; }

  void add(double lhs, double rhs, double allowance) {
    ++cases_;
    sides_.push_back({lhs, rhs, allowance});
    if (!(lhs <= rhs + allowance)) ++violations_;
    if (rhs > 0 && rhs > allowance * 1e3) tightest_ = std::max(tightest_, lhs / rhs);
  }

  Index violations() const { return violations_; }
  double tightest() const { return tightest_; }
  /// Of all cases, those that meet the assumptions.
  double share() const { return static_cast<double>(sides_.size()) / static_cast<double>(cases_); }
  /// Violations when each case gets the right-hand side of the one half the list away.
  Index violations_shuffled() const {
    Index count = 0;
    for (std::size_t i = 0; i < sides_.size(); ++i) {
      const auto& other = sides_[(i + sides_.size() / 2) % sides_.size()];
      if (!(sides_[i].lhs <= other.rhs + sides_[i].allowance)) ++count;
    }
    return count;
  }

  std::string summary(const std::string& name) const {
    std::ostringstream text;
    text << name << ": " << cases_ << " cases, " << 100 * share()
         << " % meet the assumptions, tightest lhs/rhs " << tightest_ << ", violations "
         << violations_ << ", with shuffled right-hand sides " << violations_shuffled();
    return text.str();
  }

 private:
  struct Sides {
    double lhs, rhs, allowance;
  };
  std::vector<Sides> sides_;
  Index cases_ = 0;
  Index violations_ = 0;
  double tightest_ = 0;
};

/// What every bound is checked for: it holds, most cases meet its assumptions, and it is not so
/// loose that another case's right-hand side would do.
#define PLUMB_CHECK_BOUND(tally)              \
  do {                                        \
    WARN((tally).summary(#tally));            \
    CHECK((tally).violations() == 0);         \
    CHECK((tally).share() >= 0.5);            \
    CHECK((tally).violations_shuffled() > 0); \
  } while (false)

inline constexpr int kBoundCases = 10000;

}  // namespace plumb::test
