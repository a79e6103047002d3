#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plumb/weights/tokenizer_parts.hpp"
#include "plumb/weights/word_pattern.hpp"

namespace plumb::detail {

/// A BPE tokenizer at work; see Tokenizer for what its members promise.
class BpeTokenizer {
 public:
  explicit BpeTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    for (const std::string& regex : parts_.pre_tokenizer.words) words_.emplace_back(regex);
  }

  TokenIds encode(std::string_view text) const {
    TokenIds ids;
    bool begins = true;  // nothing of the text has gone by
    const auto rest = [&](std::string_view gap) {
      encode_rest(gap, begins, ids);
      begins = false;
    };
    const auto token = [&](TokenId id) {
      ids.push_back(id);
      begins = false;
    };
    parts_.added.first.split(
        text,
        [&](std::string_view gap) {
          parts_.added.second.split(normalize(parts_.normalizer, gap), rest, token);
        },
        token);
    return ids;
  }

  std::string decode(const TokenIds& ids) const {
    std::string bytes;
    for (const TokenId id : ids) bytes += parts_.texts[static_cast<std::size_t>(id)];
    if (parts_.strip_space && bytes.starts_with(' ')) bytes.erase(0, 1);
    return bytes;
  }

  const std::string& text(TokenId id) const { return parts_.texts[static_cast<std::size_t>(id)]; }

  TokenId size() const { return static_cast<TokenId>(parts_.texts.size()); }

  std::optional<TokenId> find(std::string_view text) const {
    const auto added = parts_.names.find(text);
    if (added != parts_.names.end()) return added->second;
    const auto found = parts_.vocabulary.find(in_words(text));
    if (found != parts_.vocabulary.end()) return found->second;
    if (text.size() != 1 || !parts_.alphabet.bytes) return std::nullopt;
    return (*parts_.alphabet.bytes)[static_cast<unsigned char>(text[0])];
  }

 private:
  /// The text as it is spelled within words: with replacements, without what is put in front.
  std::string in_words(std::string_view text) const {
    Normalizer steps;
    for (const auto* const list : {&parts_.normalizer, &parts_.pre_tokenizer.steps}) {
      for (const auto& step : *list) {
        if (std::holds_alternative<Replace>(step)) steps.push_back(step);
      }
    }
    return normalize(steps, text);
  }

  /// Normalized text between added tokens, not empty.
  void encode_rest(std::string_view text, bool begins, TokenIds& ids) const {
    const PreTokenizer& pre = parts_.pre_tokenizer;
    std::string stretch = normalize(pre.steps, text);
    const bool wanted =
        pre.scheme == PrefixScheme::always || (pre.scheme == PrefixScheme::first && begins);
    if (wanted && !stretch.starts_with(pre.prefix)) stretch.insert(0, pre.prefix);
    cut(stretch, 0, ids);
  }

  /// Cuts by the patterns from `pattern` on.
  void cut(std::string_view text, std::size_t pattern, TokenIds& ids) const {
    if (pattern == words_.size()) return encode_word(text, ids);
    words_[pattern].for_each_piece(text,
                                   [&](std::string_view piece) { cut(piece, pattern + 1, ids); });
  }

  void encode_word(std::string_view word, TokenIds& ids) const {
    if (parts_.ignore_merges) {
      const auto whole = parts_.vocabulary.find(word);
      if (whole != parts_.vocabulary.end()) return ids.push_back(whole->second);
    }
    parts_.merges.apply(first_tokens(parts_.alphabet, parts_.vocabulary, word), ids);
  }

  TokenizerParts parts_;
  std::vector<WordPattern> words_;
};

}  // namespace plumb::detail
