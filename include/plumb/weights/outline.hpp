#pragma once

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/config.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/shards.hpp"

namespace plumb {

/// What can be said of a checkpoint whether plumb runs it or not: the sizes that its configuration
/// spells in a common way, the tensors that can be read, and why it is not run.
struct Outline {
  std::string path;
  std::string family;   ///< model_type
  std::string missing;  ///< what plumb lacks, with the file, in one line; empty: nothing
  std::optional<Index> layers, hidden_size, feed_forward_size, heads, kv_heads, vocab_size,
      context_length;
  Tensors tensors;         ///< empty where they cannot be read
  std::string no_tensors;  ///< why not, or empty
};

namespace detail {

/// The whole number under the first of these keys that is there, in the configuration or in the
/// part of it that is about text.
inline std::optional<Index> find_size(const nlohmann::json& config,
                                      std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (config.contains(key) && config[key].is_number_unsigned()) return config[key].get<Index>();
  }
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object()) return std::nullopt;
  return find_size(*text, keys);
}

}  // namespace detail

/// Throws load_error when there is no sound configuration.
inline Outline outline(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  const auto config = read_json(file);
  Outline result;
  try {
    parse_architecture(file.string(), config);
  } catch (const unsupported_error& error) {
    result.missing = error.what();
  }
  using detail::find_size;
  result.path = folder.string();
  result.family = config["model_type"].get<std::string>();
  result.layers = find_size(config, {"num_hidden_layers", "n_layer", "n_layers", "num_layers"});
  result.hidden_size = find_size(config, {"hidden_size", "n_embd", "d_model", "dim"});
  result.feed_forward_size =
      find_size(config, {"intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size"});
  result.heads = find_size(config, {"num_attention_heads", "n_head", "n_heads", "num_heads"});
  result.kv_heads = find_size(config, {"num_key_value_heads", "n_head_kv", "num_kv_heads"});
  result.vocab_size = find_size(config, {"vocab_size"});
  result.context_length =
      find_size(config, {"max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"});
  try {
    result.tensors = read_weights(folder);
  } catch (const load_error& error) {
    result.no_tensors = error.what();
  }
  return result;
}

}  // namespace plumb
