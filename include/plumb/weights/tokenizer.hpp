#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer_file.hpp"
#include "plumb/weights/word_pattern.hpp"

/// Needs PCRE2: link plumb::tokenizer.
namespace plumb {

/// A byte-level BPE tokenizer (GPT-2 and its kin), as a tokenizer.json of Hugging Face describes
/// it. Const members may be called from several threads.
class Tokenizer {
 public:
  /// Reads a tokenizer.json: model BPE with a vocabulary that has every byte and numbers its tokens
  /// from 0 without a gap, pre_tokenizer ByteLevel, no normalizer, decoder ByteLevel or none,
  /// post_processor ByteLevel, TemplateProcessing or none. Anything else in it that may change the
  /// ids is refused. Throws load_error naming the key and the fault.
  static Tokenizer open(const std::filesystem::path& tokenizer_json) {
    return Tokenizer(detail::read_tokenizer(tokenizer_json));
  }

  /// The tokens of a text, the same as Hugging Face's with add_special_tokens = false: a start
  /// token that the post_processor would add is for the caller to add. Added tokens (<s>) in the
  /// text are found, special or not. A byte that is part of no valid UTF-8 is a token by itself.
  /// Letters newer than PCRE2's Unicode tables (14.0 in PCRE2 10.42) may be cut differently.
  /// Time O(n log n) for n bytes.
  TokenIds encode(std::string_view text) const {
    TokenIds ids;
    const auto keep = [&](TokenId id) { ids.push_back(id); };
    parts_.added.first.split(
        text,
        [&](std::string_view gap) {
          parts_.added.second.split(
              gap, [&](std::string_view rest) { encode_rest(rest, ids); }, keep);
        },
        keep);
    return ids;
  }

  /// The bytes that the tokens stand for, one after the other: decode(encode(text)) == text for any
  /// bytes, unless the file asks for add_prefix_space, which puts a space before each stretch of
  /// text without one. Ids that cut a character give invalid UTF-8. Throws index_error.
  std::string decode(const TokenIds& ids) const {
    std::string bytes;
    for (const TokenId id : ids) bytes += at("Tokenizer::decode", id);
    return bytes;
  }

  /// The bytes that one token stands for. Throws index_error unless 0 <= id < size().
  std::string text(TokenId id) const { return at("Tokenizer::text", id); }

  /// Number of tokens, added ones included.
  TokenId size() const { return static_cast<TokenId>(parts_.texts.size()); }

  /// The token that stands for exactly these bytes: find("<s>"), find(" the"). An added token comes
  /// before one of the vocabulary.
  std::optional<TokenId> find(std::string_view text) const {
    if (const auto id = parts_.added.first.find(text)) return id;
    if (const auto id = parts_.added.second.find(text)) return id;
    const auto found = parts_.vocabulary.find(text);
    if (found == parts_.vocabulary.end()) return std::nullopt;
    return found->second;
  }

 private:
  explicit Tokenizer(detail::TokenizerParts parts) : parts_(std::move(parts)) {}

  const std::string& at(std::string_view function, TokenId id) const {
    require_index(function, "token id", id, size());
    return parts_.texts[static_cast<std::size_t>(id)];
  }

  /// Text between added tokens, not empty.
  void encode_rest(std::string_view text, TokenIds& ids) const {
    std::string with_space;
    if (parts_.pre_tokenizer.add_prefix_space && text[0] != ' ') {
      text = with_space.append(" ").append(text);
    }
    const auto piece = [&](std::string_view bytes) { encode_piece(bytes, ids); };
    if (parts_.pre_tokenizer.use_regex) {
      words_.for_each_piece(text, piece);
    } else {
      piece(text);
    }
  }

  void encode_piece(std::string_view piece, TokenIds& ids) const {
    if (parts_.ignore_merges) {
      const auto whole = parts_.vocabulary.find(piece);
      if (whole != parts_.vocabulary.end()) return ids.push_back(whole->second);
    }
    parts_.pairs.encode(piece, ids);
  }

  detail::TokenizerParts parts_;
  detail::WordPattern words_ = detail::WordPattern::gpt2();
};

}  // namespace plumb
