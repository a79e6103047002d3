#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config_object.hpp"
#include "plumb/weights/families.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/spellings.hpp"

/// config.json -> Architecture, and back.
namespace plumb {

/// Reads a configuration that came from `file`. Throws load_error naming file and key; an
/// unsupported_error when a family, a key or an option is none of plumb's.
inline Architecture parse_architecture(const std::string& file, const nlohmann::json& json) {
  ConfigObject config(file, "", json);
  const auto type = config.text("model_type");
  for (const auto& family : detail::kFamilies) {
    if (family.model_type != type) continue;
    const auto architecture = family.read(config);
    config.finish();
    return architecture;
  }
  config.lacks("model_type", "is '" + type + "', a family plumb does not know");
}

inline Architecture read_architecture(const std::filesystem::path& path) {
  return parse_architecture(path.string(), read_json(path));
}

/// The configuration of family "plumb" that reads back as `a` (whose family is then "plumb").
inline nlohmann::ordered_json to_config(const Architecture& a) {
  const auto& scaling = a.rotary_scaling;
  const auto& biases = a.biases;
  nlohmann::ordered_json config = {
      {"model_type", "plumb"},
      {"hidden_size", a.hidden_size},
      {"intermediate_size", a.feed_forward_size},
      {"num_hidden_layers", a.layers},
      {"num_attention_heads", a.heads},
      {"num_key_value_heads", a.kv_heads},
      {"head_dim", a.head_dim},
      {"vocab_size", a.vocab_size},
      {"max_position_embeddings", a.context_length},
      {"rms_norm_eps", a.norm_eps},
      {"hidden_act", spell(kActivations, a.activation)},
      {"feed_forward", spell(kFeedForwardKinds, a.feed_forward)},
      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", a.rotary_theta}}},
      {"rotary", spell(kRotaryKinds, a.rotary)},
      {"rotary_pairing", spell(kRotaryPairings, a.rotary_pairing)},
      {"learned_positions", a.learned_positions},
      {"tie_word_embeddings", a.tied_head},
      {"embedding_scale", a.embedding_scale},
      {"pre_norm", spell(kNormKinds, a.pre_norm)},
      {"post_norm", spell(kNormKinds, a.post_norm)},
      {"final_norm", spell(kNormKinds, a.final_norm)},
      {"stored_gain", spell(kStoredGains, a.stored_gain)},
      {"parallel_residual", a.parallel_residual},
      {"qk_norm", spell(kQkNorms, a.qk_norm)},
      {"attention_gate", spell(kAttentionGates, a.attention_gate)},
      {"attention_scale", a.attention_scale},
      {"tensor_layout", spell(kTensorLayouts, a.tensors)}};
  if (biases != Biases{}) {
    config["biases"] = {{"query", biases.query},   {"key", biases.key},   {"value", biases.value},
                        {"output", biases.output}, {"gate", biases.gate}, {"up", biases.up},
                        {"down", biases.down}};
  }
  if (scaling != RotaryScaling{}) {
    config["rotary_scaling"] = {{"factor", scaling.factor},
                                {"low_frequency", scaling.low_frequency},
                                {"high_frequency", scaling.high_frequency},
                                {"original_context", scaling.original_context}};
  }
  for (const auto kind : a.layer_rotary) {
    config["layer_rotary"].push_back(spell(kRotaryKinds, kind));
  }
  if (!a.windows.empty()) config["windows"] = a.windows;
  if (a.rotary_dim != 0) config["rotary_dim"] = a.rotary_dim;
  if (a.attention_soft_cap) config["attention_soft_cap"] = *a.attention_soft_cap;
  if (a.logit_soft_cap) config["logit_soft_cap"] = *a.logit_soft_cap;
  if (a.bos_token_id) config["bos_token_id"] = *a.bos_token_id;
  return config;
}

}  // namespace plumb
