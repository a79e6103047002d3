#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config_object.hpp"
#include "plumb/weights/spellings.hpp"

/// What configurations of several families have in common: sizes, heads, rotary, windows. Absent
/// keys mean what they mean to transformers 5.
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

}  // namespace detail

}  // namespace plumb
