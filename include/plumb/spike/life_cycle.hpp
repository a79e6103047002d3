#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

/// The life of a spike (paper section 3.1): a block writes it, it stays, a block takes it away.
/// The paper gives no numbers; the rules below are ours.
namespace plumb::spike {

/// A step-up writes at least this share of the plateau's level, a step-down at least this share of
/// the level that it finds.
inline constexpr double kStepShare = 0.5;

/// A plateau stands at this share of the peak at least, so that ripples before a late spike do not
/// count as one.
inline constexpr double kPlateauShare = 0.25;

/// Below this share of the peak a spike is spent, and what is written then is no step-down.
inline constexpr double kSpentShare = 0.1;

/// One block's write into one token and channel.
struct Step {
  Index layer;
  Block block;
  Index position;
  Index channel;
  double write;
};

/// Layers after which the spike stands, and the median of its size after each of them. A spike that
/// the same layer writes and takes away stands after none: last_layer is then first_layer - 1.
struct Plateau {
  Index first_layer;
  Index last_layer;
  double level;
};

/// The spike of one token in one channel over all blocks.
struct LifeCycle {
  std::vector<Step> step_up;
  std::optional<Plateau> plateau;  ///< absent when it grows with no block writing half of it
  std::vector<Step> step_down;
  bool in_embedding = false;  ///< the plateau begins at the embeddings, so there is no step-up
};

namespace detail {

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// A ledger read along the sign of its peak, so that a spike is positive.
/// Entry 0 is the opening, entry b the balance after block b - 1.
struct Course {
  const Ledger& account;
  double sign = 1;
  double peak = 0;

  explicit Course(const Ledger& ledger) : account(ledger) {
    double extreme = ledger.opening;
    for (const auto& entry : ledger.entries) {
      if (std::abs(entry.balance) > std::abs(extreme)) extreme = entry.balance;
    }
    sign = extreme < 0 ? -1 : 1;
    peak = std::abs(extreme);
  }

  std::size_t size() const { return account.entries.size() + 1; }
  const LedgerEntry& block(std::size_t i) const { return account.entries[i - 1]; }
  double balance(std::size_t i) const {
    return sign * (i == 0 ? account.opening : block(i).balance);
  }
  double write(std::size_t i) const { return sign * (i == 0 ? account.opening : block(i).write); }

  bool steps_down(std::size_t i) const {
    const double before = balance(i - 1);
    return before >= kSpentShare * peak && -write(i) >= kStepShare * before;
  }
  /// The first step-down after entry i, or size().
  std::size_t end_of_plateau(std::size_t i) const {
    for (++i; i < size(); ++i) {
      if (steps_down(i)) break;
    }
    return i;
  }
  /// Median over the layer ends in [begin, end); over all its balances when it holds no layer end.
  double level(std::size_t begin, std::size_t end) const {
    std::vector<double> ends, all;
    for (std::size_t i = begin; i < end; ++i) {
      all.push_back(balance(i));
      if (i % 2 == 0 && i > 0) ends.push_back(balance(i));
    }
    return median(ends.empty() ? all : ends);
  }
};

}  // namespace detail

/// Follows one account. The step-up is the first block that writes at least half the level of the
/// plateau which begins with it; the plateau lasts until the first step-down or the last layer;
/// further blocks that write as much along the way are step-ups too. A step-down takes away at
/// least half of what it finds. Signs: step-ups share the sign of the peak, step-downs oppose it.
inline LifeCycle life_cycle(const Ledger& account, Index position, Index channel) {
  const detail::Course course(account);
  LifeCycle life;
  if (course.peak == 0) return life;
  const auto step = [&](std::size_t i) {
    const auto& entry = course.block(i);
    return Step{entry.layer, entry.block, position, channel, entry.write};
  };
  for (std::size_t begin = 0; begin < course.size(); ++begin) {
    const std::size_t end = course.end_of_plateau(begin);
    const double level = course.level(begin, end);
    if (level < kPlateauShare * course.peak || course.write(begin) < kStepShare * level) continue;

    life.in_embedding = begin == 0;
    for (std::size_t i = std::max<std::size_t>(begin, 1); i < end; ++i) {
      if (course.write(i) >= kStepShare * level) life.step_up.push_back(step(i));
    }
    for (std::size_t i = end; i < course.size(); ++i) {
      if (course.steps_down(i)) life.step_down.push_back(step(i));
    }
    const auto layer_ends = [](std::size_t entry) { return static_cast<Index>(entry / 2); };
    const Index first = begin == 0 ? 0 : layer_ends(begin - 1);
    const Index last = layer_ends(end - 1) - 1;
    life.plateau = Plateau{first, last, level};
    break;
  }
  return life;
}

/// The life cycle of the entry that stands out most; empty when none does.
/// `outliers` is find_outliers(trace.residual).
template <class T>
LifeCycle life_cycle(const Trace<T>& trace, const Outliers& outliers) {
  if (outliers.tier == Tier::none) return {};
  const auto& top = outliers.top;
  return life_cycle(ledger(trace, top.position, top.channel), top.position, top.channel);
}

}  // namespace plumb::spike
