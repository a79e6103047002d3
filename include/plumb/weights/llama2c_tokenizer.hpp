#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/mapped_file.hpp"
#include "plumb/weights/normalizer.hpp"
#include "plumb/weights/npy.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer_parts.hpp"

/// tokenizer.bin of llama2.c -> the parts of a BPE tokenizer.
/// Source: github.com/karpathy/llama2.c, tokenizer.py and run.c.
namespace plumb::detail {

/// A longer token is refused: each place where it can be cut is looked at.
inline constexpr std::uint64_t kLlama2cTokenLimit = 256;

/// run.c makes no merge of a score at or below this.
inline constexpr float kLlama2cLeastScore = -1e10F;

struct ScoredToken {
  float score = 0;
  std::string text;
};

/// The file: the length of the longest token as int32, then for each token its score as float32,
/// its length as int32, its bytes. Throws load_error.
inline std::vector<ScoredToken> read_scored_tokens(const std::string& file,
                                                   std::string_view bytes) {
  std::vector<ScoredToken> tokens;
  const auto take = [&](std::size_t count) {
    if (count > bytes.size()) {
      throw load_error(file, "is truncated in token " + std::to_string(tokens.size()));
    }
    const std::string_view taken = bytes.substr(0, count);
    bytes.remove_prefix(count);
    return taken;
  };
  const std::uint64_t longest = little_endian(take(4));
  if (longest == 0 || longest > kLlama2cTokenLimit) {
    throw load_error(file, "is no tokenizer of llama2.c: its longest token would have " +
                               std::to_string(longest) + " bytes, expected 1 to " +
                               std::to_string(kLlama2cTokenLimit));
  }
  while (!bytes.empty()) {
    const auto name = [&] { return "token " + std::to_string(tokens.size()); };
    const auto score = std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(take(4))));
    if (!std::isfinite(score)) throw load_error(file, name() + " has a score that is not finite");
    const std::uint64_t length = little_endian(take(4));
    if (length > longest) {
      throw load_error(file, name() + " has " + std::to_string(length) +
                                 " bytes, and the longest has " + std::to_string(longest));
    }
    tokens.push_back({score, std::string(take(length))});
  }
  if (tokens.empty()) throw load_error(file, "holds no tokens");
  return tokens;
}

/// Every pair of tokens that together are a third may be merged, those of the highest score first.
inline PairMerges merges_by_score(const std::vector<ScoredToken>& tokens,
                                  const TokensByText& by_text) {
  std::vector<float> scores;
  for (const ScoredToken& token : tokens) scores.push_back(token.score);
  std::ranges::sort(scores, std::ranges::greater());
  PairMerges merges;
  for (const auto& [text, id] : by_text) {
    const float score = tokens[static_cast<std::size_t>(id)].score;
    if (!(score > kLlama2cLeastScore)) continue;
    const auto place = std::ranges::lower_bound(scores, score, std::ranges::greater());
    const auto rank = static_cast<std::size_t>(place - scores.begin());  // equal for equal scores
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = by_text.find(std::string_view(text).substr(0, cut));
      const auto right = by_text.find(std::string_view(text).substr(cut));
      if (left == by_text.end() || right == by_text.end()) continue;
      merges.add(left->second, right->second, id, rank);
    }
  }
  return merges;
}

/// Reads a tokenizer.bin. Text begins with a space of its own; characters without a token become
/// their bytes. The file names no special tokens, so none is found in a text. Throws load_error.
inline TokenizerParts read_llama2c_tokenizer(const std::filesystem::path& path) {
  const std::string file = path.string();
  const MappedFile mapped(path);
  const std::vector<ScoredToken> tokens = read_scored_tokens(
      file, {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()});
  TokenizerParts parts;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string& text = tokens[i].text;
    const auto byte = fallback_byte(text);
    parts.texts.push_back(byte ? std::string(1, static_cast<char>(*byte)) : text);
    // Empty ones fill vocabularies up.
    if (text.empty() || parts.vocabulary.emplace(text, static_cast<TokenId>(i)).second) continue;
    throw load_error(
        file, "token " + std::to_string(i) + " is " + in_quotes(text) + " like an earlier one");
  }
  ByteTokens& bytes = parts.alphabet.bytes.emplace();
  for (std::size_t byte = 0; byte < bytes.size(); ++byte) {
    const std::string spelling = fallback_spelling(static_cast<unsigned char>(byte));
    const auto found = parts.vocabulary.find(spelling);
    if (found == parts.vocabulary.end()) throw load_error(file, "has no token " + spelling);
    bytes[byte] = found->second;
  }
  parts.alphabet.characters = true;
  parts.merges = merges_by_score(tokens, parts.vocabulary);
  parts.normalizer = {Prepend{" "}};
  parts.strip_space = true;
  return parts;
}

}  // namespace plumb::detail
