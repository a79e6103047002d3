#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb {

/// The keys [first, last) that one query may see.
struct KeyRange {
  Index first;
  Index last;
};

/// Where the rows of a batch stand, and which rows each of them sees. Both are inputs of attention
/// rather than implied by the row number, so that a text, a table of tokens that all stand at
/// position 0, a sliding window and a token cut off from the others are the same code path.
struct Sequence {
  std::vector<Index> positions;   ///< (tokens), what rotary turns by
  std::vector<KeyRange> visible;  ///< (tokens), row t sees rows visible[t], never empty

  Index size() const { return static_cast<Index>(positions.size()); }

  /// A text: row t stands at position t and sees rows 0..t.
  static Sequence causal(Index tokens) {
    Sequence sequence = alone(tokens);
    std::iota(sequence.positions.begin(), sequence.positions.end(), Index{0});
    for (auto& range : sequence.visible) range.first = 0;
    return sequence;
  }

  /// Unrelated tokens: every row stands at position 0 and sees itself only.
  static Sequence alone(Index tokens) {
    Sequence sequence;
    sequence.positions.assign(static_cast<std::size_t>(tokens), 0);
    sequence.visible.reserve(static_cast<std::size_t>(tokens));
    for (Index t = 0; t < tokens; ++t) sequence.visible.push_back({t, t + 1});
    return sequence;
  }

  /// Cuts row `token` off: it sees itself only. Others still see it.
  void isolate(Index token) {
    require_index("Sequence::isolate", "token", token, size());
    visible[static_cast<std::size_t>(token)] = {token, token + 1};
  }

  /// The same rows, each of which sees no more than the last `window` rows up to itself: row t sees
  /// keys (t - window, ...) of those it saw. Throws shape_error when the window is not positive, or
  /// leaves a row no key.
  Sequence within(Index window) const {
    if (window < 1) throw shape_error("Sequence::within: a window of " + std::to_string(window));
    Sequence narrowed = *this;
    for (Index t = 0; t < size(); ++t) {
      auto& range = narrowed.visible[static_cast<std::size_t>(t)];
      range.first = std::max(range.first, t - window + 1);
      if (range.first < range.last) continue;
      throw shape_error("Sequence::within: a window of " + std::to_string(window) + " leaves row " +
                        std::to_string(t) + " no key");
    }
    return narrowed;
  }

  const KeyRange& keys(Index token) const { return visible[static_cast<std::size_t>(token)]; }

  /// Throws shape_error unless there are `tokens` rows, each seeing a non-empty range of them.
  void validate(Index tokens) const {
    require_size("Sequence", "positions", size(), tokens);
    require_size("Sequence", "visible", static_cast<Index>(visible.size()), tokens);
    for (const auto& range : visible) {
      if (range.first < 0 || range.first >= range.last || range.last > tokens) {
        throw shape_error("Sequence: a row sees keys " + std::to_string(range.first) + ".." +
                          std::to_string(range.last) + " of " + std::to_string(tokens));
      }
    }
  }
};

}  // namespace plumb
