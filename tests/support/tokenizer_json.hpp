#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/normalizer.hpp"

/// Small tokenizer.json files to order.
namespace plumb::test {

/// The bytes as a byte-level vocabulary spells them.
inline std::string spelled(std::string_view bytes) {
  std::string result;
  for (const char byte : bytes) result += detail::spell_byte(static_cast<unsigned char>(byte));
  return result;
}

/// A tokenizer in which byte b is token b and the merges make tokens 256, 257, ... in their order.
/// Parts are given as plain bytes, so {" ", "a"} makes the token " a".
inline nlohmann::json tokenizer_json(
    const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  nlohmann::json vocab, pairs = nlohmann::json::array();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    vocab[spelled(std::string(1, static_cast<char>(byte)))] = byte;
  }
  for (const auto& [left, right] : merges) {
    pairs.push_back({spelled(left), spelled(right)});
    vocab.emplace(spelled(left + right), vocab.size());
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", nlohmann::json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", pairs}}}};
}

/// A tokenizer as of Llama 2: <unk>, <s>, </s>, with `bytes` the 256 bytes, then the letters a, b
/// and the sign for a space, then what the merges make.
inline nlohmann::json metaspace_json(const std::vector<std::pair<std::string, std::string>>& merges,
                                     bool bytes) {
  const std::string space(detail::kMetaspace);
  nlohmann::json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  const auto add = [&](const std::string& text) { vocab.emplace(text, vocab.size()); };
  for (std::size_t byte = 0; bytes && byte < 256; ++byte) {
    add(detail::fallback_spelling(static_cast<unsigned char>(byte)));
  }
  for (const std::string& letter : {std::string("a"), std::string("b"), space}) add(letter);
  nlohmann::json pairs = nlohmann::json::array();
  for (const auto& [left, right] : merges) {
    pairs.push_back({left, right});
    add(left + right);
  }
  const auto replace = [](const std::string& from, const std::string& to) {
    return nlohmann::json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  const nlohmann::json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  return {{"version", "1.0"},
          {"added_tokens", nlohmann::json::array()},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers", {{{"type", "Prepend"}, {"prepend", space}}, replace(" ", space)}}}},
          {"pre_tokenizer", nullptr},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             {replace(space, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", bytes},
            {"vocab", vocab},
            {"merges", pairs}}}};
}

/// Appends an added token with the next id.
inline void add_token(nlohmann::json& json, const std::string& content, bool normalized = false) {
  std::size_t id = json["model"]["vocab"].size();
  for (const auto& token : json["added_tokens"])
    id += !json["model"]["vocab"].contains(token["content"]);
  if (json["model"]["vocab"].contains(content)) id = json["model"]["vocab"][content];
  json["added_tokens"].push_back(
      {{"id", id}, {"content", content}, {"normalized", normalized}, {"special", true}});
}

}  // namespace plumb::test
