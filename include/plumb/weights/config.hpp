#pragma once

#include <array>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/json.hpp"

/// config.json -> Architecture. A key that is not known may change the mathematics, so it is
/// refused by name; a key that is known is read with its type and range checked.
namespace plumb {

template <class Enum, std::size_t N>
using Spellings = std::array<std::pair<std::string_view, Enum>, N>;

inline constexpr Spellings<NormKind, 3> kNormKinds{{{"none", NormKind::none},
                                                    {"rms_norm", NormKind::rms_norm},
                                                    {"dynamic_tanh", NormKind::dynamic_tanh}}};
inline constexpr Spellings<QkNorm, 3> kQkNorms{
    {{"none", QkNorm::none}, {"per_head", QkNorm::per_head}, {"all_heads", QkNorm::all_heads}}};
inline constexpr Spellings<AttentionGate, 4> kAttentionGates{{{"none", AttentionGate::none},
                                                              {"channel", AttentionGate::channel},
                                                              {"head", AttentionGate::head},
                                                              {"token", AttentionGate::token}}};
inline constexpr Spellings<Activation, 1> kActivations{{{"silu", Activation::silu}}};
inline constexpr Spellings<RotaryPairing, 2> kRotaryPairings{
    {{"half_split", RotaryPairing::half_split}, {"interleaved", RotaryPairing::interleaved}}};

template <class Enum, std::size_t N>
constexpr std::string_view spell(const Spellings<Enum, N>& table, Enum value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "?";
}

/// One JSON object, read key by key. Remembers which keys were asked for, so that `finish` can
/// refuse the others. null counts as absent. Every member throws load_error naming the key.
class ConfigObject {
 public:
  ConfigObject(std::string file, std::string prefix, const nlohmann::json& object)
      : file_(std::move(file)), prefix_(std::move(prefix)), object_(object) {
    if (object_.is_object()) return;
    const auto name =
        prefix_.empty() ? "the file" : "'" + prefix_.substr(0, prefix_.size() - 1) + "'";
    throw load_error(file_, name + " is no JSON object");
  }

  bool has(const std::string& key) {
    known_.insert(key);
    return object_.contains(key) && !object_[key].is_null();
  }

  std::string text(const std::string& key) {
    if (!require(key).is_string()) refuse(key, "is no string");
    return object_[key].get<std::string>();
  }

  /// A whole number from `least` up to 2^31 - 1.
  Index count(const std::string& key, Index least = 1) {
    const auto& value = require(key);
    if (!value.is_number_integer() || value.get<std::uint64_t>() > kMost ||
        value.get<Index>() < least) {
      refuse(key, "is " + value.dump() + ", expected a whole number of at least " +
                      std::to_string(least));
    }
    return value.get<Index>();
  }
  Index count_or(const std::string& key, Index fallback) {
    return has(key) ? count(key) : fallback;
  }

  /// A finite number above zero.
  double positive(const std::string& key) {
    const auto& value = require(key);
    const double number = value.is_number() ? value.get<double>() : -1.0;
    if (!std::isfinite(number) || number <= 0) {
      refuse(key, "is " + value.dump() + ", expected a number above zero");
    }
    return number;
  }
  double positive_or(const std::string& key, double fallback) {
    return has(key) ? positive(key) : fallback;
  }

  bool flag_or(const std::string& key, bool fallback) {
    if (!has(key)) return fallback;
    if (!object_[key].is_boolean()) refuse(key, "is " + object_[key].dump() + ", expected a flag");
    return object_[key].get<bool>();
  }

  template <class Enum, std::size_t N>
  Enum choice_or(const std::string& key, const Spellings<Enum, N>& table, Enum fallback) {
    if (!has(key)) return fallback;
    const auto value = text(key);
    std::string names;
    for (const auto& [name, entry] : table) {
      if (name == value) return entry;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    refuse(key, "is '" + value + "', expected one of: " + names);
  }

  /// The object under `key`.
  ConfigObject object(const std::string& key) { return {file_, prefix_ + key + ".", require(key)}; }

  /// Accepts keys that say nothing about the forward pass.
  void ignore(std::initializer_list<const char*> keys) { known_.insert(keys.begin(), keys.end()); }

  /// Refuses what was not asked for.
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key) && !value.is_null()) {
        refuse(key, "is not known to plumb, and it may change the mathematics");
      }
    }
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& fault) const {
    throw load_error(file_, "'" + prefix_ + key + "' " + fault);
  }

 private:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();

  const nlohmann::json& require(const std::string& key) {
    if (!has(key)) refuse(key, "is missing");
    return object_[key];
  }

  std::string file_;
  std::string prefix_;
  const nlohmann::json& object_;
  std::set<std::string> known_;
};

namespace detail {

inline void ignore_bookkeeping(ConfigObject& config) {
  config.ignore({"architectures", "model_type", "dtype", "torch_dtype", "transformers_version",
                 "use_cache", "initializer_range", "pad_token_id", "eos_token_id", "pretraining_tp",
                 "attention_dropout", "_name_or_path", "training"});
}

/// Either spelling of the rotary table: rope_parameters {rope_type, rope_theta} or rope_theta.
inline double read_rotary_theta(ConfigObject& config) {
  constexpr double kDefaultTheta = 10000.0;
  if (config.has("rope_scaling")) config.refuse("rope_scaling", "is not supported");
  if (!config.has("rope_parameters")) return config.positive_or("rope_theta", kDefaultTheta);
  auto rotary = config.object("rope_parameters");
  if (rotary.has("rope_type") && rotary.text("rope_type") != "default") {
    rotary.refuse("rope_type", "is '" + rotary.text("rope_type") + "', expected 'default'");
  }
  const double theta = rotary.positive_or("rope_theta", kDefaultTheta);
  rotary.finish();
  return theta;
}

/// The sizes and options that all Llama-shaped families spell alike.
inline Architecture read_llama_shape(ConfigObject& config) {
  Architecture a;
  a.family = config.text("model_type");
  a.layers = config.count("num_hidden_layers");
  a.hidden_size = config.count("hidden_size");
  a.feed_forward_size = config.count("intermediate_size");
  a.heads = config.count("num_attention_heads");
  a.kv_heads = config.count_or("num_key_value_heads", a.heads);
  if (a.heads % a.kv_heads != 0) {
    config.refuse("num_key_value_heads", "does not divide num_attention_heads");
  }
  if (!config.has("head_dim") && a.hidden_size % a.heads != 0) {
    config.refuse("num_attention_heads", "does not divide hidden_size, and head_dim is missing");
  }
  a.head_dim = config.count_or("head_dim", a.hidden_size / a.heads);
  if (a.head_dim % 2 != 0) config.refuse("head_dim", "is odd; rotary planes need pairs");
  a.vocab_size = config.count("vocab_size");
  a.context_length = config.count("max_position_embeddings");
  a.norm_eps = config.positive("rms_norm_eps");
  a.attention_scale = 1.0 / std::sqrt(static_cast<double>(a.head_dim));
  a.activation = config.choice_or("hidden_act", kActivations, Activation::silu);
  a.rotary_theta = read_rotary_theta(config);
  a.tied_head = config.flag_or("tie_word_embeddings", false);
  if (config.has("bos_token_id")) {
    a.bos_token_id = config.count("bos_token_id", 0);
    if (*a.bos_token_id >= a.vocab_size) {
      config.refuse("bos_token_id", "is outside the vocabulary");
    }
  }
  ignore_bookkeeping(config);
  return a;
}

inline Architecture read_llama(ConfigObject& config) {
  auto a = read_llama_shape(config);
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    if (config.flag_or(key, false)) config.refuse(key, "is true; biases are not supported");
  }
  return a;
}

/// plumb's own family: Llama tensors, every option of Architecture by name.
inline Architecture read_plumb(ConfigObject& config) {
  auto a = read_llama_shape(config);
  a.pre_norm = config.choice_or("pre_norm", kNormKinds, NormKind::rms_norm);
  a.post_norm = config.choice_or("post_norm", kNormKinds, NormKind::none);
  if (a.post_norm == NormKind::dynamic_tanh) {
    config.refuse("post_norm", "is 'dynamic_tanh', expected 'none' or 'rms_norm'");
  }
  a.qk_norm = config.choice_or("qk_norm", kQkNorms, QkNorm::none);
  a.attention_gate = config.choice_or("attention_gate", kAttentionGates, AttentionGate::none);
  a.attention_scale = config.positive_or("attention_scale", a.attention_scale);
  a.rotary_pairing = config.choice_or("rotary_pairing", kRotaryPairings, RotaryPairing::half_split);
  return a;
}

struct Family {
  std::string_view model_type;
  Architecture (*read)(ConfigObject&);
};

inline constexpr std::array<Family, 2> kFamilies{{{"llama", read_llama}, {"plumb", read_plumb}}};

}  // namespace detail

/// Reads a configuration that came from `file`. Throws load_error naming file and key.
inline Architecture parse_architecture(const std::string& file, const nlohmann::json& json) {
  ConfigObject config(file, "", json);
  const auto type = config.text("model_type");
  for (const auto& family : detail::kFamilies) {
    if (family.model_type != type) continue;
    const auto architecture = family.read(config);
    config.finish();
    return architecture;
  }
  config.refuse("model_type", "is '" + type + "', a family plumb does not know");
}

inline Architecture read_architecture(const std::filesystem::path& path) {
  return parse_architecture(path.string(), read_json(path));
}

/// The configuration of family "plumb" that reads back as `a` (whose family is then "plumb").
inline nlohmann::ordered_json to_config(const Architecture& a) {
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
      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", a.rotary_theta}}},
      {"rotary_pairing", spell(kRotaryPairings, a.rotary_pairing)},
      {"tie_word_embeddings", a.tied_head},
      {"pre_norm", spell(kNormKinds, a.pre_norm)},
      {"post_norm", spell(kNormKinds, a.post_norm)},
      {"qk_norm", spell(kQkNorms, a.qk_norm)},
      {"attention_gate", spell(kAttentionGates, a.attention_gate)},
      {"attention_scale", a.attention_scale}};
  if (a.bos_token_id) config["bos_token_id"] = *a.bos_token_id;
  return config;
}

}  // namespace plumb
