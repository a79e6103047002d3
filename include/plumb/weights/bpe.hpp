#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "plumb/weights/token_ids.hpp"

namespace plumb::detail {

/// Byte-pair encoding: as long as there are neighbours for which a merge is known, the pair whose
/// merge has the lowest rank, among equals the leftmost, becomes one token. Each merge leaves one
/// token less, so it ends whatever the merges are.
/// Source: arXiv:1508.07909, algorithm 1, applied to new text.
class PairMerges {
 public:
  /// Adds a merge: left right -> merged. False if the pair has one already.
  bool add(TokenId left, TokenId right, TokenId merged, std::size_t rank) {
    return merges_.try_emplace(key(left, right), Merge{rank, merged}).second;
  }

  /// The same with the next rank: the number of merges before it.
  bool add(TokenId left, TokenId right, TokenId merged) {
    return add(left, right, merged, merges_.size());
  }

  /// Appends what becomes of the tokens to `ids`. Time O(n log n), memory O(n) for n tokens.
  void apply(std::span<const TokenId> tokens, TokenIds& ids) const {
    std::vector<Symbol> symbols = link(tokens);
    merge(symbols);
    for (std::size_t at = 0; at < symbols.size(); at = symbols[at].next) {
      ids.push_back(symbols[at].id);
    }
  }

 private:
  struct Merge {
    std::size_t rank = 0;
    TokenId merged = 0;
  };

  /// A token in a doubly linked list: `previous` and `next` are places in the vector of symbols,
  /// and its size stands for "none". A symbol keeps the place of its first token.
  struct Symbol {
    TokenId id = 0;
    std::size_t previous = 0;
    std::size_t next = 0;
  };

  /// A merge that was possible at some time, of the symbol at `place` and its neighbour.
  struct Candidate {
    std::size_t rank = 0;
    std::size_t place = 0;
    TokenId left = 0;
    TokenId right = 0;
    TokenId merged = 0;

    bool operator>(const Candidate& other) const {
      return std::tie(rank, place) > std::tie(other.rank, other.place);
    }
  };

  /// The candidate of lowest rank, among equals the leftmost, first.
  using Candidates =
      std::priority_queue<Candidate, std::vector<Candidate>, std::greater<Candidate>>;

  static constexpr TokenId kGone = -1;  ///< id of a symbol that was merged into its neighbour

  static std::uint64_t key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  static std::vector<Symbol> link(std::span<const TokenId> tokens) {
    std::vector<Symbol> symbols(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      symbols[i] = {tokens[i], i == 0 ? tokens.size() : i - 1, i + 1};
    }
    return symbols;
  }

  void merge(std::vector<Symbol>& symbols) const {
    Candidates candidates;
    for (std::size_t i = 0; i < symbols.size(); ++i) add_candidate(symbols, i, candidates);
    while (!candidates.empty()) {
      const Candidate best = candidates.top();
      candidates.pop();
      Symbol& left = symbols[best.place];
      // Other merges may have used up either symbol since the candidate was found.
      if (left.id != best.left || left.next == symbols.size()) continue;
      Symbol& right = symbols[left.next];
      if (right.id != best.right) continue;
      left.id = best.merged;
      left.next = right.next;
      right.id = kGone;
      if (left.next < symbols.size()) symbols[left.next].previous = best.place;
      add_candidate(symbols, left.previous, candidates);
      add_candidate(symbols, best.place, candidates);
    }
  }

  void add_candidate(const std::vector<Symbol>& symbols, std::size_t place,
                     Candidates& candidates) const {
    if (place == symbols.size() || symbols[place].next == symbols.size()) return;
    const TokenId left = symbols[place].id;
    const TokenId right = symbols[symbols[place].next].id;
    const auto found = merges_.find(key(left, right));
    if (found == merges_.end()) return;
    candidates.push({found->second.rank, place, left, right, found->second.merged});
  }

  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace plumb::detail
