#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/added_tokens.hpp"
#include "plumb/weights/bpe.hpp"
#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/normalizer.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer_object.hpp"
#include "plumb/weights/tokenizer_parts.hpp"
#include "plumb/weights/word_pattern.hpp"

/// tokenizer.json -> the parts of a BPE tokenizer. What may change the ids and is not supported
/// is refused by name, never ignored.
namespace plumb::detail {

/// The text of a {"String": ...} pattern.
inline std::string read_string_pattern(TokenizerObject& step) {
  TokenizerObject pattern = step.object("pattern");
  std::string text = pattern.text("String");
  if (text.empty()) pattern.refuse("String", "is empty");
  pattern.finish();
  return text;
}

inline Replace read_replace(TokenizerObject& step) {
  std::string from = read_string_pattern(step);
  return {std::move(from), step.text("content")};
}

inline Normalizer read_normalizer(TokenizerObject& root) {
  Normalizer steps;
  root.for_each_step("normalizer", "normalizers",
                     [&](TokenizerObject& step, const std::string& type) {
                       if (type == "NFC") {
                         if (!kHasNfc)
                           step.refuse("type", "is \"NFC\", for which plumb needs utf8proc");
                         steps.emplace_back(Nfc{});
                       } else if (type == "Prepend") {
                         steps.emplace_back(Prepend{step.text("prepend")});
                       } else if (type == "Replace") {
                         steps.emplace_back(read_replace(step));
                       } else {
                         step.refuse_text("type", {"NFC", "Prepend", "Replace"});
                       }
                     });
  return steps;
}

/// always, first or never; older files have the flag add_prefix_space, true for always.
inline PrefixScheme read_prefix_scheme(TokenizerObject& step) {
  const bool prefix = step.flag_or("add_prefix_space", true);
  if (step.find("prepend_scheme") == nullptr) {
    return prefix ? PrefixScheme::always : PrefixScheme::never;
  }
  const std::string scheme = step.text("prepend_scheme");
  if (!prefix && scheme != "never") step.refuse("add_prefix_space", "denies prepend_scheme");
  if (scheme == "always") return PrefixScheme::always;
  if (scheme == "first") return PrefixScheme::first;
  if (scheme == "never") return PrefixScheme::never;
  step.refuse_text("prepend_scheme", {"always", "first", "never"});
}

/// Metaspace as pre-tokenizer or decoder: whether and how it puts a space in front.
inline PrefixScheme read_metaspace(TokenizerObject& step) {
  if (step.text("replacement") != kMetaspace) step.refuse_text("replacement", {kMetaspace});
  if (step.find("str_rep") != nullptr && step.text("str_rep") != kMetaspace) {
    step.refuse_text("str_rep", {kMetaspace});
  }
  return read_prefix_scheme(step);
}

/// pre_tokenizer step by step.
class PreTokenizerReader {
 public:
  explicit PreTokenizerReader(const Normalizer& normalizer) : normalizer_(normalizer) {}

  void read(TokenizerObject& step, const std::string& type) {
    if (done_) step.refuse("type", "is " + in_quotes(type) + " behind the step that ends all");
    if (type == "ByteLevel") {
      read_byte_level(step);
    } else if (type == "Metaspace") {
      read_metaspace_step(step);
    } else if (type == "Split") {
      read_split(step);
    } else if (type == "Digits") {
      words_before_ = true;
      result.words.emplace_back(step.flag_or("individual_digits", false) ? kDigit : kNumber);
    } else {
      step.refuse_text("type", {"ByteLevel", "Metaspace", "Split", "Digits"});
    }
  }

  PreTokenizer result;
  bool byte_level = false;  ///< the vocabulary spells bytes

 private:
  void read_byte_level(TokenizerObject& step) {
    step.flag_or("trim_offsets", true);  // where tokens lie in the text, not which they are
    step.require("add_prefix_space");
    if (step.flag_or("add_prefix_space", false)) {
      if (words_before_) step.refuse("add_prefix_space", "is true behind a split");
      set_prefix(" ", PrefixScheme::always);
    }
    if (step.flag_or("use_regex", true)) result.words.emplace_back(kGpt2Words);
    byte_level = done_ = true;
  }

  void read_metaspace_step(TokenizerObject& step) {
    if (words_before_) step.refuse("type", "is \"Metaspace\" behind a split");
    set_prefix(std::string(kMetaspace), read_metaspace(step));
    result.steps.emplace_back(Replace{" ", std::string(kMetaspace)});
    if (step.flag_or("split", true)) result.words.emplace_back(kMetaspaceWords);
    done_ = true;
  }

  void read_split(TokenizerObject& step) {
    if (step.flag_or("invert", false)) step.refuse("invert", "is true, which is not supported");
    const std::string behavior = step.text("behavior");
    TokenizerObject pattern = step.object("pattern");
    if (pattern.find("String") != nullptr) {
      // Gemma's: nothing is left to split on once spaces are spelled otherwise.
      if (pattern.text("String") != " " || !replaces_spaces()) {
        pattern.refuse("String", "is a split that is not supported");
      }
    } else {
      if (behavior != "Isolated") step.refuse_text("behavior", {"Isolated"});
      const std::string regex = pattern.text("Regex");
      if (regex != kGpt2Words && regex != kLlama3Words && regex != kQwen2Words) {
        pattern.refuse("Regex", "is not one that plumb knows (of GPT-2, Llama 3 and Qwen 2)");
      }
      words_before_ = true;
      result.words.push_back(regex);
    }
    pattern.finish();
  }

  bool replaces_spaces() const {
    if (normalizer_.empty()) return false;
    const auto* const last = std::get_if<Replace>(&normalizer_.back());
    return last != nullptr && last->from == " " && last->to.find(' ') == std::string::npos;
  }

  void set_prefix(std::string prefix, PrefixScheme scheme) {
    result.prefix = std::move(prefix);
    result.scheme = scheme;
  }

  const Normalizer& normalizer_;
  bool words_before_ = false;  ///< stretches have been cut already
  bool done_ = false;
};

/// What a decoder makes of tokens that are not spelled byte-level.
struct Decoding {
  Normalizer replacements;
  bool strip_space = false;
};

inline Decoding read_decoder(TokenizerObject& root, bool byte_level) {
  Decoding decoding;
  root.for_each_step("decoder", "decoders", [&](TokenizerObject& step, const std::string& type) {
    if (type == "ByteLevel" && byte_level) {
      for (const char* const flag : {"add_prefix_space", "trim_offsets", "use_regex"}) {
        step.flag_or(flag, true);  // say nothing about decoding
      }
    } else if (type == "Replace" && !byte_level) {
      decoding.replacements.emplace_back(read_replace(step));
    } else if (type == "Metaspace" && !byte_level) {
      decoding.strip_space = read_metaspace(step) != PrefixScheme::never;
      decoding.replacements.emplace_back(Replace{std::string(kMetaspace), " "});
      step.flag_or("split", true);
    } else if (type == "Strip" && !byte_level) {
      if (step.text("content") != " ") step.refuse_text("content", {"a space"});
      if (step.require("start") != 1) step.refuse("start", "is not supported (1 is)");
      if (step.require("stop") != 0) step.refuse("stop", "is not supported (0 is)");
      decoding.strip_space = true;
    } else if ((type != "ByteFallback" && type != "Fuse") || byte_level) {
      byte_level
          ? step.refuse_text("type", {"ByteLevel"})
          : step.refuse_text("type", {"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"});
    }
  });
  return decoding;
}

struct Vocabulary {
  std::vector<std::string> texts;  ///< the bytes of each token
  TokensByText by_text;            ///< by what they are in words
};

/// A bijection onto 0..n-1, or load_error: with gaps, the ids of added tokens would depend on the
/// reader. Tokens of a byte-level vocabulary that are not spelled so, as <unk> in other scripts may
/// be, are kept as they stand; no text is encoded to them.
inline Vocabulary read_vocabulary(TokenizerObject& model, bool byte_level, bool byte_fallback,
                                  const Decoding& decoding) {
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
    const auto byte = byte_fallback ? fallback_byte(spelling) : std::nullopt;
    const auto bytes = byte_level ? spelled_bytes(spelling) : std::optional(spelling);
    if (byte) {
      vocabulary.texts[index] = static_cast<char>(*byte);
    } else {
      vocabulary.texts[index] =
          byte_level ? bytes.value_or(spelling) : normalize(decoding.replacements, spelling);
    }
    if (bytes) vocabulary.by_text.emplace(*bytes, id);
  }
  return vocabulary;
}

/// The token of each byte, spelled by `spell`, or load_error: a text with any other byte could not
/// be encoded.
template <class Spell>
ByteTokens read_byte_tokens(const TokenizerObject& model, const TokensByText& tokens,
                            const Spell& spell) {
  ByteTokens ids{};
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    const auto found = tokens.find(spell(static_cast<unsigned char>(byte)));
    if (found == tokens.end()) {
      model.refuse("vocab", "has no token for the byte " +
                                in_quotes(std::string(1, static_cast<char>(byte))));
    }
    ids[byte] = found->second;
  }
  return ids;
}

inline Alphabet read_alphabet(TokenizerObject& model, const TokensByText& tokens, bool byte_level,
                              bool byte_fallback) {
  Alphabet alphabet;
  alphabet.characters = !byte_level;
  alphabet.fuse_unknown = model.flag_or("fuse_unk", false);
  const bool named = model.find("unk_token") != nullptr;
  const std::string unknown = named ? model.text("unk_token") : std::string();
  if (byte_level) {
    const auto spell = [](unsigned char byte) { return std::string(1, static_cast<char>(byte)); };
    alphabet.bytes = read_byte_tokens(model, tokens, spell);
    return alphabet;
  }
  bool any = false;
  for (unsigned byte = 0; byte < 256 && !any; ++byte) {
    any = tokens.contains(fallback_spelling(static_cast<unsigned char>(byte)));
  }
  if (byte_fallback && any) {
    alphabet.bytes = read_byte_tokens(model, tokens, fallback_spelling);
    return alphabet;
  }
  if (!named) model.refuse("unk_token", "is missing, and characters may be unknown");
  const auto found = tokens.find(unknown);
  if (found == tokens.end()) {
    model.refuse("unk_token", "is " + in_quotes(unknown) + ", which is no token");
  }
  alphabet.unknown = found->second;
  return alphabet;
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

inline PairMerges read_merges(TokenizerObject& model) {
  const nlohmann::json& vocab = model.require("vocab");
  const nlohmann::json& merges = model.require("merges");
  if (!merges.is_array()) model.refuse("merges", "is no array");
  PairMerges pairs;
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
    if (!pairs.add(left_id, right_id, id(left + right))) {
      model.refuse(key, "is the same pair as an earlier merge");
    }
  }
  return pairs;
}

/// Reads added_tokens. One that is in the vocabulary has the id that it has there; the others
/// follow the vocabulary in the order of the file, which is how Hugging Face numbers them whatever
/// the file says. Sets or appends their texts. A normalized one is looked for as the normalizer
/// spells it.
class AddedTokensReader {
 public:
  AddedTokensReader(const nlohmann::json& vocab, bool byte_level, const Normalizer& normalizer,
                    const Decoding& decoding, std::vector<std::string>& texts)
      : vocab_(vocab),
        byte_level_(byte_level),
        normalizer_(normalizer),
        decoding_(decoding),
        texts_(texts) {}

  void read(TokenizerObject& token) {
    const std::string content = token.text("content");
    if (content.empty()) token.refuse("content", "is empty");
    const auto refuse_twice = [&] {
      token.refuse("content", in_quotes(content) + " appears twice");
    };
    if (names_.contains(content)) refuse_twice();
    const TokenId id = read_id(token, content);
    token.require_off("single_word");
    token.flag_or("special", false);  // says what decoders may leave out
    const bool normalized = token.flag_or("normalized", false);
    AddedToken added{normalized ? normalize(normalizer_, content) : content, id,
                     token.flag_or("lstrip", false), token.flag_or("rstrip", false)};
    if (added.content.empty()) token.refuse("content", "is empty when normalized");
    if (!contents_[normalized].insert(added.content).second) refuse_twice();
    names_.emplace(content, id);
    texts_[static_cast<std::size_t>(id)] =
        byte_level_ ? content : normalize(decoding_.replacements, content);
    lists_[normalized].push_back(std::move(added));
    token.finish();
  }

  void finish(TokenizerParts& parts) && {
    parts.added = {AddedTokens(std::move(lists_[0])), AddedTokens(std::move(lists_[1]))};
    parts.names = std::move(names_);
  }

 private:
  TokenId read_id(TokenizerObject& token, const std::string& content) {
    const auto known = vocab_.find(content);
    const auto expected =
        known != vocab_.end() ? known->get<TokenId>() : static_cast<TokenId>(texts_.size());
    const nlohmann::json& given = token.require("id");
    if (!given.is_number_unsigned() || given != expected) {
      token.refuse("id", "is " + shown(given) + ", expected " + std::to_string(expected) +
                             " (its id in the vocabulary, or the next after it)");
    }
    // Its id would stand for two texts: those bytes and, as in the file, itself.
    const bool in_vocabulary = known != vocab_.end();
    if (in_vocabulary && byte_level_ && spelled_bytes(content).value_or(content) != content) {
      token.refuse("content", in_quotes(content) + " is the spelling of other bytes");
    }
    if (!in_vocabulary) texts_.emplace_back();
    return expected;
  }

  const nlohmann::json& vocab_;
  bool byte_level_;
  const Normalizer& normalizer_;
  const Decoding& decoding_;
  std::vector<std::string>& texts_;
  TokensByText names_;
  std::array<std::set<std::string>, 2> contents_;  ///< [normalized]
  std::array<std::vector<AddedToken>, 2> lists_;   ///< [normalized]
};

/// Refuses what else a BPE model may ask for. Files of 2019 do not say that they are BPE.
inline void check_model(TokenizerObject& model) {
  if (model.find("type") != nullptr && model.text("type") != "BPE") {
    model.refuse_text("type", {"BPE"});
  }
  const nlohmann::json* const dropout = model.find("dropout");
  if (dropout != nullptr && *dropout != 0)
    model.refuse("dropout", "is not supported (0 or null is)");
  model.require_no_text("continuing_subword_prefix");
  model.require_no_text("end_of_word_suffix");
}

/// Adds tokens around the text, if anything: that is for the caller to do.
inline void check_post_processor(TokenizerObject& root) {
  if (root.find("post_processor") == nullptr) return;
  const auto check = [](TokenizerObject processor) {
    const std::string type = processor.text("type");
    if (type != "ByteLevel" && type != "TemplateProcessing") {
      processor.refuse_text("type", {"ByteLevel", "TemplateProcessing"});
    }
  };
  TokenizerObject processor = root.object("post_processor");
  if (processor.text("type") == "Sequence") {
    processor.for_each("processors", check);
  } else {
    check(processor);
  }
}

inline TokenizerParts read_tokenizer(const std::filesystem::path& path) {
  const std::string file = path.string();
  const nlohmann::json json = read_json(path);
  TokenizerObject root(file, "", json);
  if (root.find("version") != nullptr && root.text("version") != "1.0") {
    root.refuse("version", "is not supported (1.0 is)");
  }
  for (const char* const key : {"truncation", "padding"}) root.require_absent(key);
  check_post_processor(root);

  TokenizerParts parts;
  parts.normalizer = read_normalizer(root);
  PreTokenizerReader pre(parts.normalizer);
  root.for_each_step("pre_tokenizer", "pretokenizers",
                     [&](TokenizerObject& step, const std::string& type) { pre.read(step, type); });
  parts.pre_tokenizer = std::move(pre.result);
  const Decoding decoding = read_decoder(root, pre.byte_level);
  parts.strip_space = decoding.strip_space;

  TokenizerObject model = root.object("model");
  check_model(model);
  const bool byte_fallback = model.flag_or("byte_fallback", false);
  if (pre.byte_level) model.require_off("byte_fallback");
  Vocabulary vocabulary = read_vocabulary(model, pre.byte_level, byte_fallback, decoding);
  parts.alphabet = read_alphabet(model, vocabulary.by_text, pre.byte_level, byte_fallback);
  parts.merges = read_merges(model);
  parts.ignore_merges = model.flag_or("ignore_merges", false);
  model.finish();

  parts.texts = std::move(vocabulary.texts);
  parts.vocabulary = std::move(vocabulary.by_text);
  AddedTokensReader added(model.require("vocab"), pre.byte_level, parts.normalizer, decoding,
                          parts.texts);
  root.for_each("added_tokens", [&](TokenizerObject token) { added.read(token); });
  std::move(added).finish(parts);
  root.finish();
  return parts;
}

}  // namespace plumb::detail
