#include "plumb/weights/bpe.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <rapidcheck/catch.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using plumb::TokenId;
using plumb::TokenIds;
using plumb::detail::PairMerges;

namespace {

/// Each letter is its own token.
TokenIds letters(std::string_view piece) {
  TokenIds ids;
  for (const char byte : piece) ids.push_back(static_cast<unsigned char>(byte));
  return ids;
}

TokenIds encode(const PairMerges& merges, std::string_view piece) {
  TokenIds ids;
  merges.apply(letters(piece), ids);
  return ids;
}

/// Merge r of the list makes token 256 + r.
using Merges = std::vector<std::pair<TokenId, TokenId>>;

/// The definition, word for word: look at all neighbours, merge the first of the lowest rank, and
/// begin again.
TokenIds encode_naively(const Merges& merges, const std::string& piece) {
  TokenIds ids = letters(piece);
  for (;;) {
    std::size_t best_rank = merges.size(), best_place = 0;
    for (std::size_t place = 0; place + 1 < ids.size(); ++place) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank] != std::pair(ids[place], ids[place + 1])) continue;
        best_rank = rank;
        best_place = place;
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best_place] = static_cast<TokenId>(256 + best_rank);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_place) + 1);
  }
}

}  // namespace

TEST_CASE("without merges, tokens stay what they are") {
  CHECK(encode(PairMerges(), "") == TokenIds{});
  CHECK(encode(PairMerges(), "a\xff") == TokenIds{'a', 255});
}

TEST_CASE("the lowest rank goes first, then the leftmost") {
  PairMerges pairs;
  CHECK(pairs.add('b', 'c', 300));
  CHECK(pairs.add('a', 'b', 301));
  CHECK(pairs.add('a', 'a', 302));
  CHECK(pairs.add(301, 300, 303));
  CHECK(encode(pairs, "abc") == TokenIds{'a', 300});
  CHECK(encode(pairs, "abd") == TokenIds{301, 'd'});
  CHECK(encode(pairs, "aaa") == TokenIds{302, 'a'});
  CHECK(encode(pairs, "abbc") == TokenIds{303});
}

TEST_CASE("a merge that was possible and is no longer leaves no trace") {
  PairMerges pairs;
  CHECK(pairs.add('a', 'b', 300));
  CHECK(pairs.add('b', 'c', 301));  // possible until "ab" has used up the b
  CHECK(pairs.add('d', 'e', 302));
  CHECK(pairs.add('c', 302, 303));
  CHECK(encode(pairs, "abcde") == TokenIds{300, 303});
}

TEST_CASE("a pair has one merge") {
  PairMerges pairs;
  CHECK(pairs.add('a', 'b', 300));
  CHECK_FALSE(pairs.add('a', 'b', 301));
  CHECK(encode(pairs, "ab") == TokenIds{300});
}

TEST_CASE("among merges of one rank the leftmost goes first, whichever it is") {
  PairMerges pairs;
  CHECK(pairs.add('a', 'b', 300, 7));
  CHECK(pairs.add('b', 'a', 301, 7));
  CHECK(encode(pairs, "aba") == TokenIds{300, 'a'});
  CHECK(encode(pairs, "bab") == TokenIds{301, 'b'});
}

TEST_CASE("merges in a circle end, because each leaves one token less") {
  PairMerges pairs;
  CHECK(pairs.add('a', 'b', 'b'));
  CHECK(pairs.add('b', 'b', 'a'));
  CHECK(pairs.add('b', 'a', 'b'));
  CHECK(encode(pairs, "abab").size() == 1);
  CHECK(encode(pairs, std::string(100000, 'b')).size() == 1);
}

TEST_CASE("tokens are appended") {
  TokenIds ids{1};
  PairMerges().apply(letters("a"), ids);
  CHECK(ids == TokenIds{1, 'a'});
}

TEST_CASE("encoding is the definition, also for merges in an order no training gives") {
  rc::prop("random merges over two letters", [] {
    Merges merges;
    PairMerges pairs;
    const auto count = *rc::gen::inRange<std::size_t>(0, 12);
    for (std::size_t i = 0; i < count; ++i) {
      // Parts may be tokens that a later merge makes.
      const auto part =
          rc::gen::oneOf(rc::gen::element<TokenId>('a', 'b'), rc::gen::inRange<TokenId>(256, 268));
      const std::pair<TokenId, TokenId> merge{*part, *part};
      const auto merged = static_cast<TokenId>(256 + merges.size());
      if (pairs.add(merge.first, merge.second, merged)) merges.push_back(merge);
    }
    const auto piece = *rc::gen::container<std::string>(rc::gen::element('a', 'b'));
    RC_ASSERT(encode(pairs, piece) == encode_naively(merges, piece));
  });
}

TEST_CASE("a megabyte of one letter is no worse than any other megabyte") {
  constexpr int kDoublings = 10;
  constexpr std::size_t kSize = std::size_t{1} << 20;
  PairMerges pairs;
  TokenId token = 'a';
  for (int i = 0; i < kDoublings; ++i) {
    pairs.add(token, token, 256 + i);
    token = 256 + i;
  }
  CHECK(encode(pairs, std::string(kSize, 'a')) == TokenIds(kSize >> kDoublings, token));
}
