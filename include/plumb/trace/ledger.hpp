#pragma once

#include <cmath>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb {

enum class Block { attention, feed_forward };

constexpr const char* to_string(Block block) {
  return block == Block::attention ? "attention" : "feed_forward";
}

/// One line of a residual ledger: the block that wrote, what it wrote, and the balance after it.
struct LedgerEntry {
  Index layer;
  Block block;
  double write;
  double balance;
};

/// The account of one token and channel over all blocks: opening balance and 2 L writes.
/// The residual stream adds up (paper eq. 14): balance after block b = opening + sum of writes.
struct Ledger {
  double opening;
  std::vector<LedgerEntry> entries;  ///< in order: attention, feed_forward of layer 0, 1, ...

  /// |closing residual - opening - sum of writes|, with the writes as recorded: rounding only,
  /// at most u * sum of |balances| (u the unit of T), unless a tap edited the residual.
  double discrepancy() const {
    double sum = opening;
    for (const auto& entry : entries) sum += entry.write;
    return entries.empty() ? 0.0 : std::abs(entries.back().balance - sum);
  }
};

/// Throws index_error when token or channel is out of range, shape_error when the trace kept no
/// residual stream.
template <class T>
Ledger ledger(const Trace<T>& trace, Index token, Index channel) {
  require_index("ledger", "token", token, trace.tokens());
  require_index("ledger", "channel", channel, trace.architecture.hidden_size);
  require_size("ledger", "points of the residual stream", static_cast<Index>(trace.residual.size()),
               trace.layers() + 1);
  const auto at = [&](const Matrix<T>& m) { return static_cast<double>(m(token, channel)); };
  Ledger account{at(trace.residual.front()), {}};
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    const auto l = static_cast<std::size_t>(layer);
    const T middle = trace.residual[l](token, channel) + trace.attention_write[l](token, channel);
    account.entries.push_back(
        {layer, Block::attention, at(trace.attention_write[l]), static_cast<double>(middle)});
    account.entries.push_back(
        {layer, Block::feed_forward, at(trace.feed_forward_write[l]), at(trace.residual[l + 1])});
  }
  return account;
}

}  // namespace plumb
