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
#include "plumb/weights/spellings.hpp"

/// The families: each row of kFamilies is a model_type and the function that fills an Architecture
/// from its configuration. Absent keys mean what they mean to transformers 5.
namespace plumb {

/// More layers are refused, before anything is made for each.
inline constexpr Index kLayerLimit = 1 << 20;

namespace detail {

/// How a family spells what all have.
struct SizeKeys {
  const char *layers, *hidden_size, *heads, *context_length, *norm_eps, *activation;
};
inline constexpr SizeKeys kLlamaKeys{"num_hidden_layers",   "hidden_size",
                                     "num_attention_heads", "max_position_embeddings",
                                     "rms_norm_eps",        "hidden_act"};
inline constexpr SizeKeys kGptNeoxKeys{"num_hidden_layers",   "hidden_size",
                                       "num_attention_heads", "max_position_embeddings",
                                       "layer_norm_eps",      "hidden_act"};
inline constexpr SizeKeys kGpt2Keys{
    "n_layer", "n_embd", "n_head", "n_positions", "layer_norm_epsilon", "activation_function"};

/// Keys that say nothing about the forward pass of a text.
inline void ignore_bookkeeping(ConfigObject& config) {
  config.ignore({"architectures",
                 "attention_dropout",
                 "attn_implementation",
                 "attn_pdrop",
                 "auto_map",
                 "cache_implementation",
                 "classifier_dropout",
                 "dtype",
                 "embd_pdrop",
                 "eos_token_id",
                 "gradient_checkpointing",
                 "hidden_dropout",
                 "id2label",
                 "initializer_range",
                 "label2id",
                 "is_decoder",
                 "model_type",
                 "n_ctx",
                 "_attn_implementation_autoset",
                 "_name_or_path",
                 "_num_labels",
                 "output_attentions",
                 "output_hidden_states",
                 "output_past",
                 "pad_token_id",
                 "pretraining_tp",
                 "reorder_and_upcast_attn",
                 "resid_pdrop",
                 "return_dict",
                 "summary_activation",
                 "summary_first_dropout",
                 "summary_proj_to_labels",
                 "summary_type",
                 "summary_use_proj",
                 "task_specific_params",
                 "tokenizer_class",
                 "torch_dtype",
                 "training",
                 "transformers.js_config",
                 "transformers_version",
                 "unsloth_fixed",
                 "unsloth_version",
                 "use_cache"});
  config.insist("add_cross_attention", false);
  config.insist("is_encoder_decoder", false);
}

/// Sizes, eps, activation and start token. kv_heads and head_dim are still those of one head each.
inline Architecture read_sizes(ConfigObject& config, const SizeKeys& keys) {
  ignore_bookkeeping(config);
  Architecture a;
  a.family = config.text("model_type");
  a.layers = config.count(keys.layers);
  if (a.layers > kLayerLimit) {
    config.refuse(keys.layers, "is over " + std::to_string(kLayerLimit));
  }
  a.hidden_size = config.count(keys.hidden_size);
  a.heads = config.count(keys.heads);
  a.kv_heads = a.heads;
  a.vocab_size = config.count("vocab_size");
  a.context_length = config.count(keys.context_length);
  a.norm_eps = config.positive(keys.norm_eps);
  a.activation = config.choice_or(keys.activation, kActivations, Activation::silu);
  if (config.has("bos_token_id")) {
    a.bos_token_id = config.count("bos_token_id", 0);
    if (*a.bos_token_id >= a.vocab_size) {
      config.refuse("bos_token_id", "is outside the vocabulary");
    }
  }
  return a;
}

/// What hidden_size has for each head; and the scale that follows from it.
inline void share_among_heads(ConfigObject& config, Architecture& a, const SizeKeys& keys) {
  if (a.hidden_size % a.heads != 0) {
    config.refuse(keys.heads, std::string("does not divide ") + keys.hidden_size);
  }
  a.head_dim = a.hidden_size / a.heads;
  a.attention_scale = 1.0 / std::sqrt(static_cast<double>(a.head_dim));
}

/// head_dim as stated, or what hidden_size has for each head; and the scale that follows from it.
inline void read_head_dim(ConfigObject& config, Architecture& a) {
  const bool stated = config.has("head_dim");
  if (!stated && a.hidden_size % a.heads != 0) {
    config.refuse("num_attention_heads", "does not divide hidden_size, and head_dim is missing");
  }
  a.head_dim = config.count_or("head_dim", a.hidden_size / a.heads);
  a.attention_scale = 1.0 / std::sqrt(static_cast<double>(a.head_dim));
}

inline void read_kv_heads(ConfigObject& config, Architecture& a) {
  a.kv_heads = config.count_or("num_key_value_heads", a.heads);
  if (a.heads % a.kv_heads != 0) {
    config.refuse("num_key_value_heads", "does not divide num_attention_heads");
  }
}

/// The kind and its numbers, from rope_parameters or from the older rope_scaling.
inline void read_rotary_scaling(ConfigObject& rotary, Architecture& a) {
  const bool old = rotary.has("type") && !rotary.has("rope_type");
  a.rotary = rotary.choice_or(old ? "type" : "rope_type", kRopeTypes, RotaryKind::unscaled);
  if (a.rotary == RotaryKind::unscaled) return;
  a.rotary_scaling.factor = rotary.positive("factor");
  if (a.rotary == RotaryKind::linear) return;
  a.rotary_scaling.low_frequency = rotary.positive("low_freq_factor");
  a.rotary_scaling.high_frequency = rotary.positive("high_freq_factor");
  a.rotary_scaling.original_context = rotary.count("original_max_position_embeddings");
  if (a.rotary_scaling.high_frequency <= a.rotary_scaling.low_frequency) {
    rotary.refuse("high_freq_factor", "is not above low_freq_factor");
  }
}

/// How a family spells the speed of its planes outside rope_parameters, and what it assumes.
struct RotaryKeys {
  const char* theta = "rope_theta";
  const char* share = "partial_rotary_factor";
  double default_theta = 10000;
  double default_share = 1;
  bool partial = false;  ///< does the family let a part of each head turn?
};

inline void read_rotary_share(ConfigObject& rotary, const std::string& key, const RotaryKeys& keys,
                              Architecture& a) {
  const double share = rotary.positive_or(key, keys.default_share);
  if (share == 1) return;
  if (!keys.partial) rotary.lacks(key, "is not 1, which this family does not have");
  const double dims = std::floor(share * static_cast<double>(a.head_dim));
  if (share > 1 || dims < 2) rotary.refuse(key, "leaves no part of a head that could turn");
  a.rotary_dim = static_cast<Index>(dims);
}

/// Either spelling: rope_parameters with all in it, or theta and rope_scaling apart.
inline void read_rotary(ConfigObject& config, Architecture& a, const RotaryKeys& keys = {}) {
  if (!config.has("rope_parameters")) {
    a.rotary_theta = config.positive_or(keys.theta, keys.default_theta);
    read_rotary_share(config, keys.share, keys, a);
    if (!config.has("rope_scaling")) return;
    auto scaling = config.object("rope_scaling");
    read_rotary_scaling(scaling, a);
    scaling.finish();
    return;
  }
  for (const char* key : {keys.theta, "rope_scaling"}) {
    if (config.has(key)) config.refuse(key, "is there beside rope_parameters");
  }
  auto rotary = config.object("rope_parameters");
  a.rotary_theta = rotary.positive_or("rope_theta", keys.default_theta);
  read_rotary_share(rotary, "partial_rotary_factor", keys, a);
  read_rotary_scaling(rotary, a);
  if (config.has(keys.share) &&
      (!rotary.has("partial_rotary_factor") ||
       config.positive(keys.share) != rotary.positive("partial_rotary_factor"))) {
    config.refuse(keys.share, "disagrees with rope_parameters");
  }
  rotary.finish();
}

/// Pairs of coordinates are what turns.
inline void require_planes(const ConfigObject& config, const Architecture& a,
                           const char* share = "rotary_dim") {
  const auto turns = [](RotaryKind kind) { return kind != RotaryKind::none; };
  const bool any = a.layer_rotary.empty()
                       ? turns(a.rotary)
                       : std::any_of(a.layer_rotary.begin(), a.layer_rotary.end(), turns);
  if (!any || a.rotary_size() % 2 == 0) return;
  config.refuse(a.rotary_dim == 0 ? "head_dim" : share, "is odd; rotary planes need pairs");
}

inline void read_attention_bias(ConfigObject& config, Architecture& a, bool fallback = false) {
  const bool present = config.flag_or("attention_bias", fallback);
  a.biases.query = a.biases.key = a.biases.value = a.biases.output = present;
}

/// The sizes and options that all Llama-shaped families spell alike.
inline Architecture read_llama_shape(ConfigObject& config, const RotaryKeys& rotary = {}) {
  auto a = read_sizes(config, kLlamaKeys);
  a.feed_forward_size = config.count("intermediate_size");
  read_kv_heads(config, a);
  read_head_dim(config, a);
  read_rotary(config, a, rotary);
  a.tied_head = config.flag_or("tie_word_embeddings", false);
  return a;
}

inline Architecture read_llama_like(ConfigObject& config, const RotaryKeys& rotary = {}) {
  auto a = read_llama_shape(config, rotary);
  require_planes(config, a, rotary.share);
  return a;
}

/// The stated window, `absent` where the key is not there, 0 for null: no window.
inline Index read_window(ConfigObject& config, Index absent) {
  if (config.has("sliding_window")) return config.count("sliding_window");
  return config.given("sliding_window") ? 0 : absent;
}

/// Fused tensors have three times as many rows as all queries: still a number.
inline void require_fusable(const ConfigObject& config, const Architecture& a) {
  if (a.query_size() > (Index{1} << 60)) config.refuse("head_dim", "is too large");
}

enum class LayerType { full, sliding };
inline constexpr Spellings<LayerType, 2> kLayerTypes{
    {{"full_attention", LayerType::full}, {"sliding_attention", LayerType::sliding}}};

/// Gives `window` to the layers that layer_types lists or, without that list, to those that
/// `slides` says.
template <class Slides>
void read_windows(ConfigObject& config, Architecture& a, Index window, const Slides& slides) {
  std::vector<LayerType> types;
  if (config.has("layer_types")) {
    types = config.choices("layer_types", kLayerTypes, a.layers);
  } else {
    for (Index layer = 0; layer < a.layers; ++layer) {
      types.push_back(window > 0 && slides(layer) ? LayerType::sliding : LayerType::full);
    }
  }
  if (std::find(types.begin(), types.end(), LayerType::sliding) == types.end()) return;
  if (window == 0)
    config.refuse("layer_types", "holds 'sliding_attention', but there is no window");
  for (const auto type : types) a.windows.push_back(type == LayerType::sliding ? window : 0);
}

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
