#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/added_tokens.hpp"
#include "plumb/weights/bpe.hpp"
#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/token_ids.hpp"

/// tokenizer.json -> the parts of a byte-level BPE tokenizer. What may change the ids and is not
/// implemented is refused by name, never ignored.
namespace plumb::detail {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

using TokensByText = std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>>;

/// The number, or what the value is instead.
inline std::string shown(const nlohmann::json& value) {
  return value.is_number() ? value.dump() : "of type " + std::string(value.type_name());
}

/// One JSON object of the file, read key by key. Remembers which keys were asked for, so that
/// `finish` can refuse the others. null counts as absent. Throws load_error naming the key.
class TokenizerObject {
 public:
  using Json = nlohmann::json;

  /// `prefix` stands before the keys in messages: "model.".
  TokenizerObject(const std::string& file, std::string prefix, const Json& object)
      : file_(file), prefix_(std::move(prefix)), object_(object) {
    if (!object.is_object()) {
      throw load_error(file_, prefix_.empty() ? "holds no JSON object"
                                              : "'" + prefix_.substr(0, prefix_.size() - 1) +
                                                    "' is no JSON object");
    }
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& fault) const {
    throw load_error(file_, "'" + prefix_ + key + "' " + fault);
  }

  /// The value under the key, or nullptr if it is absent or null.
  const Json* find(const std::string& key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  const Json& require(const std::string& key) {
    const Json* const value = find(key);
    if (value == nullptr) refuse(key, "is missing");
    return *value;
  }

  TokenizerObject object(const std::string& key) {
    return {file_, prefix_ + key + ".", require(key)};
  }

  TokenizerObject element(const std::string& key, const Json& list, std::size_t index) const {
    return {file_, prefix_ + key + "[" + std::to_string(index) + "].", list[index]};
  }

  const Json& json() const { return object_; }

  std::string text(const std::string& key) {
    const Json& value = require(key);
    if (!value.is_string()) refuse(key, "is no string");
    return value.get<std::string>();
  }

  bool flag_or(const std::string& key, bool fallback) {
    const Json* const value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) refuse(key, "is neither true nor false");
    return value->get<bool>();
  }

  /// Absent, null or false.
  void require_off(const std::string& key) {
    if (flag_or(key, false)) refuse(key, "is true, which is not supported");
  }

  /// Absent, null or an empty string.
  void require_no_text(const std::string& key) {
    if (find(key) == nullptr) return;
    const std::string value = text(key);
    if (!value.empty()) refuse(key, "is " + in_quotes(value) + ", which is not supported");
  }

  /// Absent, null or an object whose "type" is one of these.
  void require_type(const std::string& key, std::initializer_list<std::string_view> types) {
    if (find(key) == nullptr) return;
    const std::string type = object(key).text("type");
    std::string names;
    for (const std::string_view name : types) {
      if (name == type) return;
      names += std::string(name) + " or ";
    }
    refuse(key,
           "is of type " + in_quotes(type) + ", which is not supported (" + names + "null is)");
  }

  /// Absent or null.
  void require_absent(const std::string& key) {
    const Json* const value = find(key);
    if (value == nullptr) return;
    if (value->is_object() && value->contains("type")) require_type(key, {});
    refuse(key, "is not supported (null is)");
  }

  /// The value as a whole number below `end`.
  TokenId id(const std::string& key, const Json& value, std::size_t end) const {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() < end) return value.get<TokenId>();
    refuse(key, "has the id " + shown(value) + ", expected a whole number below " +
                    std::to_string(end) + ", the number of tokens");
  }

  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) {
        refuse(in_quotes(key), "is not known to plumb, and it may change the ids");
      }
    }
  }

 private:
  const std::string& file_;
  std::string prefix_;
  const Json& object_;
  std::set<std::string> known_;
};

struct Vocabulary {
  std::vector<std::string> texts;  ///< the bytes of each token
  TokensByText by_text;            ///< of the tokens that are spelled byte-level, by their bytes
};

/// A bijection onto 0..n-1, or load_error: with gaps, the ids of added tokens would depend on the
/// reader. Tokens that are not spelled byte-level, as <unk> in other scripts may be, are kept as
/// they stand; no text is encoded to them.
inline Vocabulary read_vocabulary(TokenizerObject& model) {
  const TokenizerObject vocab = model.object("vocab");
  const std::size_t size = vocab.json().size();
  Vocabulary vocabulary{std::vector<std::string>(size), {}};
  std::vector<bool> taken(size);
  for (const auto& [spelling, value] : vocab.json().items()) {
    const TokenId id = vocab.id(in_quotes(spelling), value, size);
    const auto index = static_cast<std::size_t>(id);
    if (taken[index]) {
      vocab.refuse(in_quotes(spelling), "has the id " + std::to_string(id) + " of another token");
    }
    taken[index] = true;
    const std::optional<std::string> bytes = spelled_bytes(spelling);
    vocabulary.texts[index] = bytes.value_or(spelling);
    if (bytes) vocabulary.by_text.emplace(*bytes, id);
  }
  return vocabulary;
}

/// The token of each byte, or load_error: a text with any other byte could not be encoded.
inline std::array<TokenId, 256> read_byte_tokens(const TokenizerObject& model,
                                                 const TokensByText& tokens) {
  std::array<TokenId, 256> ids{};
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    const std::string text(1, static_cast<char>(byte));
    const auto found = tokens.find(text);
    if (found == tokens.end())
      model.refuse("vocab", "has no token for the byte " + in_quotes(text));
    ids[byte] = found->second;
  }
  return ids;
}

/// The two parts of a merge, spelled "a b" or ["a", "b"].
inline std::pair<std::string, std::string> read_pair(const TokenizerObject& model,
                                                     const std::string& key,
                                                     const nlohmann::json& merge) {
  std::pair<std::string, std::string> pair;
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    pair = {merge[0].get<std::string>(), merge[1].get<std::string>()};
  } else if (merge.is_string()) {
    const auto text = merge.get<std::string>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      pair = {text.substr(0, space), text.substr(space + 1)};
    }
  }
  if (pair.first.empty() || pair.second.empty()) model.refuse(key, "is no pair of tokens");
  return pair;
}

inline BytePairs read_merges(TokenizerObject& model, const TokensByText& tokens) {
  const nlohmann::json& vocab = model.require("vocab");
  const nlohmann::json& merges = model.require("merges");
  if (!merges.is_array()) model.refuse("merges", "is no array");
  BytePairs pairs(read_byte_tokens(model, tokens));
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string key = "merges[" + std::to_string(rank) + "]";
    const auto [left, right] = read_pair(model, key, merges[rank]);
    const auto id = [&vocab, &model, &key](const std::string& spelling) {
      const auto found = vocab.find(spelling);
      if (found == vocab.end())
        model.refuse(key, "has " + in_quotes(spelling) + ", which is no token");
      return found->get<TokenId>();
    };
    const TokenId left_id = id(left), right_id = id(right);
    if (!pairs.add_merge(left_id, right_id, id(left + right))) {
      model.refuse(key, "is the same pair as an earlier merge");
    }
  }
  return pairs;
}

/// Added tokens in two sets: those searched for first, and those ("normalized") searched for in
/// what the first leave over.
struct AddedSets {
  AddedTokens first;
  AddedTokens second;
};

/// Reads added_tokens. One that is in the vocabulary has the id that it has there; the others
/// follow the vocabulary in the order of the file, which is how Hugging Face numbers them whatever
/// the file says. Sets or appends their texts.
inline AddedSets read_added_tokens(TokenizerObject& root, const nlohmann::json& vocab,
                                   std::vector<std::string>& texts) {
  std::vector<AddedTokens::Token> first, second;
  std::set<std::string> seen;
  const nlohmann::json* const list = root.find("added_tokens");
  if (list != nullptr && !list->is_array()) root.refuse("added_tokens", "is no array");
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    TokenizerObject token = root.element("added_tokens", *list, i);
    const std::string content = token.text("content");
    if (content.empty()) token.refuse("content", "is empty");
    if (!seen.insert(content).second)
      token.refuse("content", in_quotes(content) + " appears twice");
    const auto known = vocab.find(content);
    const auto expected = known != vocab.end() ? known->get<TokenId>() : std::ssize(texts);
    const nlohmann::json& given = token.require("id");
    if (!given.is_number_unsigned() || given != expected) {
      token.refuse("id", "is " + shown(given) + ", expected " + std::to_string(expected) +
                             " (its id in the vocabulary, or the next after it)");
    }
    // Its id would stand for two texts: those bytes and, as in the file, itself.
    if (known != vocab.end() && spelled_bytes(content).value_or(content) != content) {
      token.refuse("content", in_quotes(content) + " is the spelling of other bytes");
    }
    if (known == vocab.end()) texts.emplace_back();
    texts[static_cast<std::size_t>(expected)] = content;
    for (const char* const flag : {"single_word", "lstrip", "rstrip"}) token.require_off(flag);
    token.flag_or("special", false);  // says what decoders may leave out
    auto& set = token.flag_or("normalized", false) ? second : first;
    set.emplace_back(content, static_cast<TokenId>(expected));
    token.finish();
  }
  return {AddedTokens(std::move(first)), AddedTokens(std::move(second))};
}

/// What pre_tokenizer says about ByteLevel.
struct PreTokenizer {
  bool add_prefix_space = false;
  bool use_regex = true;
};

inline PreTokenizer read_pre_tokenizer(TokenizerObject& root) {
  root.require("pre_tokenizer");
  root.require_type("pre_tokenizer", {"ByteLevel"});
  TokenizerObject object = root.object("pre_tokenizer");
  object.text("type");
  object.flag_or("trim_offsets", true);  // says where tokens lie in the text, not which they are
  object.require("add_prefix_space");
  const PreTokenizer result{object.flag_or("add_prefix_space", false),
                            object.flag_or("use_regex", true)};
  object.finish();
  return result;
}

/// Refuses what else a BPE model may ask for. unk_token and fuse_unk are about characters that are
/// not in the vocabulary; there are none, for every byte is.
inline void check_model(TokenizerObject& model) {
  if (const std::string type = model.text("type"); type != "BPE") {
    model.refuse("type", "is " + in_quotes(type) + ", which is not supported (BPE is)");
  }
  const nlohmann::json* const dropout = model.find("dropout");
  if (dropout != nullptr && *dropout != 0)
    model.refuse("dropout", "is not supported (0 or null is)");
  if (model.find("unk_token") != nullptr) model.text("unk_token");
  model.flag_or("fuse_unk", false);
  model.require_no_text("continuing_subword_prefix");
  model.require_no_text("end_of_word_suffix");
  model.require_off("byte_fallback");
}

/// What a tokenizer.json says.
struct TokenizerParts {
  std::vector<std::string> texts;  ///< the bytes of each token, added ones included
  TokensByText vocabulary;         ///< without added tokens
  BytePairs pairs;
  AddedSets added;
  PreTokenizer pre_tokenizer;
  bool ignore_merges = false;  ///< a piece that is in the vocabulary is that one token
};

inline TokenizerParts read_tokenizer(const std::filesystem::path& path) {
  const std::string file = path.string();
  const nlohmann::json json = read_json(path);
  TokenizerObject root(file, "", json);
  if (root.find("version") != nullptr && root.text("version") != "1.0") {
    root.refuse("version", "is not supported (1.0 is)");
  }
  for (const char* const key : {"truncation", "padding", "normalizer"}) root.require_absent(key);
  root.require_type("decoder", {"ByteLevel"});
  // Adds tokens around the text, if anything: that is for the caller to do.
  root.require_type("post_processor", {"ByteLevel", "TemplateProcessing"});

  TokenizerObject model = root.object("model");
  check_model(model);
  Vocabulary vocabulary = read_vocabulary(model);
  BytePairs pairs = read_merges(model, vocabulary.by_text);
  AddedSets added = read_added_tokens(root, model.require("vocab"), vocabulary.texts);
  const PreTokenizer pre_tokenizer = read_pre_tokenizer(root);
  const bool ignore_merges = model.flag_or("ignore_merges", false);
  model.finish();
  root.finish();
  return {std::move(vocabulary.texts),
          std::move(vocabulary.by_text),
          std::move(pairs),
          std::move(added),
          pre_tokenizer,
          ignore_merges};
}

}  // namespace plumb::detail
