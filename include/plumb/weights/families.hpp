#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config_object.hpp"
#include "plumb/weights/family_parts.hpp"
#include "plumb/weights/spellings.hpp"

/// The families: each row of kFamilies is a model_type and the function that fills an Architecture
/// from its configuration. Absent keys mean what they mean to transformers 5.
namespace plumb {

namespace detail {

// ---- Llama and its relatives ------------------------------------------------------------------

inline Architecture read_llama(ConfigObject& config) {
  config.ignore({"is_llama_config"});
  config.insist("rope_interleaved", false);
  auto a = read_llama_like(config);
  read_attention_bias(config, a);
  a.biases.gate = a.biases.up = a.biases.down = config.flag_or("mlp_bias", false);
  return a;
}

inline Architecture read_mistral(ConfigObject& config) {
  auto a = read_llama_like(config);
  const Index window = read_window(config, 4096);
  if (window > 0) a.windows.assign(static_cast<std::size_t>(a.layers), window);
  return a;
}

/// Windows on the layers from max_window_layers on, if use_sliding_window says so.
inline void read_qwen_windows(ConfigObject& config, Architecture& a) {
  config.insist("use_mrope", false);
  const bool used = config.flag_or("use_sliding_window", false);
  const Index window = read_window(config, 4096);
  const Index first = config.has("max_window_layers") ? config.count("max_window_layers", 0) : 28;
  read_windows(config, a, used ? window : 0, [&](Index layer) { return layer >= first; });
}

inline Architecture read_qwen2(ConfigObject& config) {
  auto a = read_llama_like(config);
  a.biases.query = a.biases.key = a.biases.value = true;
  read_qwen_windows(config, a);
  return a;
}

inline Architecture read_qwen3(ConfigObject& config) {
  config.count("head_dim");  // its default is not hidden_size / heads here
  auto a = read_llama_like(config);
  a.qk_norm = QkNorm::per_head;
  read_attention_bias(config, a);
  read_qwen_windows(config, a);
  return a;
}

/// Layers without rotary, which are also those with a window, if there is one.
inline Architecture read_smollm3(ConfigObject& config) {
  auto a = read_llama_like(config, {.default_theta = 2e6});
  a.tied_head = config.flag_or("tie_word_embeddings", true);
  read_attention_bias(config, a);
  a.biases.gate = a.biases.up = a.biases.down = config.flag_or("mlp_bias", false);
  const Index interval = config.count_or("no_rope_layer_interval", 4);
  std::vector<Index> turns;
  if (config.has("no_rope_layers")) {
    turns = config.counts("no_rope_layers", a.layers, 0);
  } else {
    for (Index layer = 0; layer < a.layers; ++layer) turns.push_back((layer + 1) % interval != 0);
  }
  for (const Index turn : turns) a.layer_rotary.push_back(turn != 0 ? a.rotary : RotaryKind::none);
  const bool used = config.flag_or("use_sliding_window", false);
  const Index window = read_window(config, 0);
  read_windows(config, a, used ? window : 0,
               [&](Index layer) { return turns[static_cast<std::size_t>(layer)] == 0; });
  return a;
}

inline Architecture read_olmo2(ConfigObject& config) {
  auto a = read_llama_like(config);
  a.pre_norm = NormKind::none;
  a.post_norm = NormKind::rms_norm;
  a.qk_norm = QkNorm::all_heads;
  read_attention_bias(config, a);
  return a;
}

/// Llama with fused tensors, and a window on every layer if there is one.
inline Architecture read_phi3(ConfigObject& config) {
  config.ignore({"original_max_position_embeddings", "full_attn_mod", "interpolate_factor"});
  for (const char* key : {"attention_bias", "mlp_bias", "lm_head_bias"}) config.insist(key, false);
  auto a = read_llama_like(config, {.partial = true});
  const Index window = read_window(config, 0);
  if (window > 0) a.windows.assign(static_cast<std::size_t>(a.layers), window);
  a.tensors = TensorLayout::phi3;
  require_fusable(config, a);
  return a;
}

// ---- Gemma ------------------------------------------------------------------------------------

inline Architecture read_gemma(ConfigObject& config) {
  config.count("head_dim");  // its default is not hidden_size / heads here
  config.insist("use_bidirectional_attention", false);
  auto a = read_llama_like(config);
  const bool old = config.has("hidden_activation");
  a.activation = config.choice_or(old ? "hidden_activation" : "hidden_act", kActivations,
                                  Activation::gelu_tanh);
  a.stored_gain = StoredGain::gain_minus_one;
  a.embedding_scale = std::sqrt(static_cast<double>(a.hidden_size));
  a.tied_head = config.flag_or("tie_word_embeddings", true);
  read_attention_bias(config, a);
  return a;
}

/// A soft cap: `absent` where the key is not there, none for null.
inline std::optional<double> read_soft_cap(ConfigObject& config, const std::string& key,
                                           double absent) {
  if (config.has(key)) return config.positive(key);
  return config.given(key) ? std::nullopt : std::optional(absent);
}

/// Norms on block outputs too, soft caps, and a window on every other layer from the first on.
inline Architecture read_gemma2(ConfigObject& config) {
  auto a = read_gemma(config);
  a.post_norm = NormKind::rms_norm;
  a.attention_scale = 1.0 / std::sqrt(config.positive_or("query_pre_attn_scalar", 256));
  a.attention_soft_cap = read_soft_cap(config, "attn_logit_softcapping", 50);
  a.logit_soft_cap = read_soft_cap(config, "final_logit_softcapping", 30);
  read_windows(config, a, read_window(config, 4096), [](Index layer) { return layer % 2 == 0; });
  return a;
}

// ---- Layer norm and a plain feed-forward --------------------------------------------------------

inline Architecture read_layer_norm_sizes(ConfigObject& config, const SizeKeys& keys) {
  auto a = read_sizes(config, keys);
  share_among_heads(config, a, keys);
  a.pre_norm = a.final_norm = NormKind::layer_norm;
  a.feed_forward = FeedForwardKind::plain;
  a.biases.up = a.biases.down = true;
  return a;
}

inline Architecture read_gpt2(ConfigObject& config) {
  auto a = read_layer_norm_sizes(config, kGpt2Keys);
  if (!config.has(kGpt2Keys.activation)) a.activation = Activation::gelu_tanh;
  a.feed_forward_size = config.count_or("n_inner", 4 * a.hidden_size);
  a.biases.query = a.biases.key = a.biases.value = a.biases.output = true;
  a.rotary = RotaryKind::none;
  a.rotary_theta = RotaryKeys{}.default_theta;
  a.learned_positions = true;
  if (!config.flag_or("scale_attn_weights", true)) a.attention_scale = 1;
  config.insist("scale_attn_by_inverse_layer_idx", false);
  a.tied_head = config.flag_or("tie_word_embeddings", true);
  a.tensors = TensorLayout::gpt2;
  return a;
}

inline Architecture read_gpt_neox(ConfigObject& config) {
  auto a = read_layer_norm_sizes(config, kGptNeoxKeys);
  if (!config.has(kGptNeoxKeys.activation)) a.activation = Activation::gelu;
  a.feed_forward_size = config.count("intermediate_size");
  read_attention_bias(config, a, true);
  const RotaryKeys rotary{
      .theta = "rotary_emb_base", .share = "rotary_pct", .default_share = 0.25, .partial = true};
  read_rotary(config, a, rotary);
  require_planes(config, a, rotary.share);
  a.parallel_residual = config.flag_or("use_parallel_residual", true);
  a.tied_head = config.flag_or("tie_word_embeddings", false);
  a.tensors = TensorLayout::gpt_neox;
  return a;
}

// ---- plumb's own ------------------------------------------------------------------------------

inline void read_plumb_rotary(ConfigObject& config, Architecture& a) {
  a.rotary = config.choice_or("rotary", kRotaryKinds, a.rotary);
  if (config.has("layer_rotary")) {
    a.layer_rotary = config.choices("layer_rotary", kRotaryKinds, a.layers);
  }
  if (config.has("rotary_scaling")) {
    auto scaling = config.object("rotary_scaling");
    a.rotary_scaling = {scaling.positive("factor"), scaling.positive("low_frequency"),
                        scaling.positive("high_frequency"), scaling.count("original_context")};
    scaling.finish();
    if (a.rotary_scaling.high_frequency <= a.rotary_scaling.low_frequency) {
      config.refuse("rotary_scaling", "has a high_frequency that is not above low_frequency");
    }
  }
  a.rotary_dim = config.count_or("rotary_dim", a.rotary_dim);
  if (a.rotary_dim > a.head_dim) config.refuse("rotary_dim", "is above head_dim");
  a.rotary_pairing = config.choice_or("rotary_pairing", kRotaryPairings, a.rotary_pairing);
  require_planes(config, a);
}

inline void read_plumb_biases(ConfigObject& config, Architecture& a) {
  if (!config.has("biases")) return;
  auto biases = config.object("biases");
  a.biases.query = biases.flag_or("query", false);
  a.biases.key = biases.flag_or("key", false);
  a.biases.value = biases.flag_or("value", false);
  a.biases.output = biases.flag_or("output", false);
  a.biases.gate = biases.flag_or("gate", false);
  a.biases.up = biases.flag_or("up", false);
  a.biases.down = biases.flag_or("down", false);
  biases.finish();
}

/// Every option of Architecture by name; what is absent is as in Llama.
inline Architecture read_plumb(ConfigObject& config) {
  auto a = read_llama_shape(config);
  a.pre_norm = config.choice_or("pre_norm", kNormKinds, a.pre_norm);
  a.post_norm = config.choice_or("post_norm", kNormKinds, a.post_norm);
  if (a.post_norm == NormKind::dynamic_tanh) {
    config.refuse("post_norm", "is 'dynamic_tanh', expected 'none', 'rms_norm' or 'layer_norm'");
  }
  a.final_norm = config.choice_or("final_norm", kNormKinds, a.final_norm);
  a.stored_gain = config.choice_or("stored_gain", kStoredGains, a.stored_gain);
  a.parallel_residual = config.flag_or("parallel_residual", a.parallel_residual);
  a.attention_scale = config.positive_or("attention_scale", a.attention_scale);
  if (config.has("attention_soft_cap"))
    a.attention_soft_cap = config.positive("attention_soft_cap");
  a.qk_norm = config.choice_or("qk_norm", kQkNorms, a.qk_norm);
  a.attention_gate = config.choice_or("attention_gate", kAttentionGates, a.attention_gate);
  if (config.has("windows")) a.windows = config.counts("windows", a.layers, 0);
  a.feed_forward = config.choice_or("feed_forward", kFeedForwardKinds, a.feed_forward);
  read_plumb_biases(config, a);
  read_plumb_rotary(config, a);
  a.learned_positions = config.flag_or("learned_positions", a.learned_positions);
  a.embedding_scale = config.positive_or("embedding_scale", a.embedding_scale);
  if (config.has("logit_soft_cap")) a.logit_soft_cap = config.positive("logit_soft_cap");
  a.tensors = config.choice_or("tensor_layout", kTensorLayouts, a.tensors);
  if (a.tensors != TensorLayout::llama) require_fusable(config, a);
  if (a.tensors == TensorLayout::gpt_neox && a.kv_heads != a.heads) {
    config.refuse("tensor_layout", "is 'gpt_neox', which has a key head for each query head");
  }
  return a;
}

// ---- The table --------------------------------------------------------------------------------

struct Family {
  std::string_view model_type;
  Architecture (*read)(ConfigObject&);
};

inline constexpr std::array kFamilies{
    Family{"llama", read_llama}, Family{"mistral", read_mistral},   Family{"qwen2", read_qwen2},
    Family{"qwen3", read_qwen3}, Family{"smollm3", read_smollm3},   Family{"olmo2", read_olmo2},
    Family{"phi3", read_phi3},   Family{"gemma", read_gemma},       Family{"gemma2", read_gemma2},
    Family{"gpt2", read_gpt2},   Family{"gpt_neox", read_gpt_neox}, Family{"plumb", read_plumb}};

}  // namespace detail

}  // namespace plumb
