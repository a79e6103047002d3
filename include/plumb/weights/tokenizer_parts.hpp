#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plumb/weights/added_tokens.hpp"
#include "plumb/weights/bpe.hpp"
#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/normalizer.hpp"
#include "plumb/weights/token_ids.hpp"

/// What a BPE tokenizer is made of, whichever file described it. A text becomes ids in this order:
/// added tokens are found, what is between them is normalized, normalized added tokens are found,
/// a prefix is put in front, words are cut, each word starts as the tokens of its characters or
/// bytes, and pairs are merged.
namespace plumb::detail {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

using TokensByText = std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>>;

/// The tokens of the bytes 0 to 255.
using ByteTokens = std::array<TokenId, 256>;

/// The tokens that a word starts as: one a byte, or one a character. A character that has no token
/// becomes those of its bytes, or where bytes have none, the unknown token. Bytes that are no valid
/// UTF-8 count as characters.
struct Alphabet {
  bool characters = false;
  std::optional<ByteTokens> bytes;  ///< present unless characters are
  TokenId unknown = 0;              ///< used where bytes have no tokens
  bool fuse_unknown = false;        ///< a run of unknown characters is one token
};

/// The tokens that `word` starts as.
inline TokenIds first_tokens(const Alphabet& alphabet, const TokensByText& vocabulary,
                             std::string_view word) {
  TokenIds ids;
  ids.reserve(word.size());
  bool after_unknown = false;
  while (!word.empty()) {
    const std::size_t bytes = alphabet.characters ? first_character(word).bytes : 1;
    const std::string_view next = word.substr(0, bytes == 0 ? 1 : bytes);
    word.remove_prefix(next.size());
    const auto known = alphabet.characters ? vocabulary.find(next) : vocabulary.end();
    const bool unknown = known == vocabulary.end() && !alphabet.bytes;
    if (known != vocabulary.end()) {
      ids.push_back(known->second);
    } else if (!unknown) {
      for (const char c : next) ids.push_back((*alphabet.bytes)[static_cast<unsigned char>(c)]);
    } else if (!after_unknown || !alphabet.fuse_unknown) {
      ids.push_back(alphabet.unknown);
    }
    after_unknown = unknown;
  }
  return ids;
}

/// Before which stretches of text a prefix stands: none, the one that begins the text, or each.
enum class PrefixScheme { never, first, always };

/// What is done to the stretches of text between added tokens.
struct PreTokenizer {
  Normalizer steps;
  std::string prefix;  ///< put before a stretch that does not begin with it
  PrefixScheme scheme = PrefixScheme::never;
  std::vector<std::string> words;  ///< regular expressions; each cuts what the one before left
};

/// Added tokens in two sets: those searched for first, and those ("normalized") searched for in
/// what the first leave over, after it is normalized.
struct AddedSets {
  AddedTokens first;
  AddedTokens second;
};

struct TokenizerParts {
  std::vector<std::string> texts;  ///< the bytes each token stands for, added ones included
  TokensByText vocabulary;         ///< without added tokens, by what they are in a word
  Alphabet alphabet;
  PairMerges merges;
  AddedSets added;
  TokensByText names;  ///< added tokens by what they are called
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  bool ignore_merges = false;  ///< a word that is in the vocabulary is that one token
  bool strip_space = false;    ///< a decoded text loses the space that it begins with
};

}  // namespace plumb::detail
