#pragma once

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/weights/architecture.hpp"
#include "plumb/weights/stored_weight.hpp"

namespace plumb {

/// Names of Llama-shaped checkpoints. For those of any checkpoint see model_names.
inline constexpr const char* kEmbeddingName = "model.embed_tokens.weight";
inline constexpr const char* kHeadName = "lm_head.weight";
inline constexpr const char* kFinalNormName = "model.norm";

/// What a TensorLayout calls its tensors, and how it cuts them. Words of a layer stand behind
/// `layers` and the layer's number; products end in ".weight" and ".bias". Where queries, keys and
/// values, or gate and up, have one name, they are parts of one tensor, in this order.
struct LayoutWords {
  const char* prefix;  ///< of all names but the head's; some checkpoints leave it out
  const char *embedding, *positions, *final_norm, *head, *layers;
  const char *attention_pre_norm, *attention_post_norm;
  const char *feed_forward_pre_norm, *feed_forward_post_norm;
  const char *query, *key, *value, *query_norm, *key_norm, *attention_gate, *output;
  const char *gate, *up, *down;
  bool transposed = false;   ///< weights of layers are stored (in, out)
  bool interleaved = false;  ///< queries, keys and values take turns head by head
};

inline constexpr LayoutWords kLlamaWords{.prefix = "model.",
                                         .embedding = kEmbeddingName,
                                         .positions = "model.embed_positions.weight",
                                         .final_norm = kFinalNormName,
                                         .head = kHeadName,
                                         .layers = "model.layers.",
                                         .attention_pre_norm = "input_layernorm",
                                         .attention_post_norm = "post_attention_layernorm",
                                         .feed_forward_pre_norm = "pre_feedforward_layernorm",
                                         .feed_forward_post_norm = "post_feedforward_layernorm",
                                         .query = "self_attn.q_proj",
                                         .key = "self_attn.k_proj",
                                         .value = "self_attn.v_proj",
                                         .query_norm = "self_attn.q_norm",
                                         .key_norm = "self_attn.k_norm",
                                         .attention_gate = "self_attn.gate_proj",
                                         .output = "self_attn.o_proj",
                                         .gate = "mlp.gate_proj",
                                         .up = "mlp.up_proj",
                                         .down = "mlp.down_proj"};

inline constexpr LayoutWords kPhi3Words = [] {
  auto words = kLlamaWords;
  words.query = words.key = words.value = "self_attn.qkv_proj";
  words.gate = words.up = "mlp.gate_up_proj";
  return words;
}();

inline constexpr LayoutWords kGpt2Words{.prefix = "transformer.",
                                        .embedding = "transformer.wte.weight",
                                        .positions = "transformer.wpe.weight",
                                        .final_norm = "transformer.ln_f",
                                        .head = kHeadName,
                                        .layers = "transformer.h.",
                                        .attention_pre_norm = "ln_1",
                                        .attention_post_norm = "post_ln_1",
                                        .feed_forward_pre_norm = "ln_2",
                                        .feed_forward_post_norm = "post_ln_2",
                                        .query = "attn.c_attn",
                                        .key = "attn.c_attn",
                                        .value = "attn.c_attn",
                                        .query_norm = "attn.q_norm",
                                        .key_norm = "attn.k_norm",
                                        .attention_gate = "attn.c_gate",
                                        .output = "attn.c_proj",
                                        .gate = "mlp.c_gate",
                                        .up = "mlp.c_fc",
                                        .down = "mlp.c_proj",
                                        .transposed = true};

inline constexpr LayoutWords kGptNeoxWords{.prefix = "gpt_neox.",
                                           .embedding = "gpt_neox.embed_in.weight",
                                           .positions = "gpt_neox.embed_positions.weight",
                                           .final_norm = "gpt_neox.final_layer_norm",
                                           .head = "embed_out.weight",
                                           .layers = "gpt_neox.layers.",
                                           .attention_pre_norm = "input_layernorm",
                                           .attention_post_norm = "attention_output_layernorm",
                                           .feed_forward_pre_norm = "post_attention_layernorm",
                                           .feed_forward_post_norm = "mlp_output_layernorm",
                                           .query = "attention.query_key_value",
                                           .key = "attention.query_key_value",
                                           .value = "attention.query_key_value",
                                           .query_norm = "attention.q_norm",
                                           .key_norm = "attention.k_norm",
                                           .attention_gate = "attention.gate",
                                           .output = "attention.dense",
                                           .gate = "mlp.dense_gate",
                                           .up = "mlp.dense_h_to_4h",
                                           .down = "mlp.dense_4h_to_h",
                                           .interleaved = true};

inline constexpr const LayoutWords& layout_words(TensorLayout layout) {
  switch (layout) {
    case TensorLayout::llama: break;
    case TensorLayout::phi3: return kPhi3Words;
    case TensorLayout::gpt2: return kGpt2Words;
    case TensorLayout::gpt_neox: return kGptNeoxWords;
  }
  return kLlamaWords;
}

/// Names of what stands outside layers. That of a norm is a stem, see LayerNames.
struct ModelNames {
  std::string embedding, positions, final_norm, head;
};

inline ModelNames model_names(const Architecture& architecture) {
  const auto& words = layout_words(architecture.tensors);
  return {words.embedding, words.positions, words.final_norm, words.head};
}

/// Where one layer's weights stand. A norm's name is a stem: its tensors are stem + ".weight" and,
/// for LayerNorm, stem + ".bias" or, for DynamicTanh, stem + ".alpha". Weights that the
/// architecture does not have are not present().
struct LayerNames {
  std::string attention_pre_norm, attention_post_norm;
  std::string feed_forward_pre_norm, feed_forward_post_norm;
  std::string query_norm, key_norm;
  StoredWeight query, key, value, attention_gate, output;
  StoredWeight gate, up, down;
  StoredWeight query_bias, key_bias, value_bias, output_bias;
  StoredWeight gate_bias, up_bias, down_bias;
};

namespace detail {

/// Makes descriptions of one layer's weights.
struct WeightPlacer {
  std::string stem;
  bool transposed;

  /// `rows` of a product whose tensor makes `out` numbers of `in`.
  StoredWeight weight(const char* word, Index out, Index in, const RowRuns& rows) const {
    std::vector<Index> shape = transposed ? std::vector<Index>{in, out} : std::vector{out, in};
    return {stem + word + ".weight", std::move(shape), rows, transposed};
  }
  StoredWeight weight(const char* word, Index out, Index in) const {
    return weight(word, out, in, {0, out});
  }
  /// The bias of a weight, if there is one.
  static StoredWeight bias(const StoredWeight& weight, bool there) {
    const auto name = weight.tensor.substr(0, weight.tensor.rfind('.')) + ".bias";
    return {name, {weight.shape[weight.transposed ? 1 : 0]}, there ? weight.rows : RowRuns{}};
  }
};

/// Queries, keys and values: three tensors, or parts of one.
inline void place_attention(const Architecture& a, const LayoutWords& words,
                            const WeightPlacer& placer, LayerNames& names) {
  const Index d = a.hidden_size, q = a.query_size(), kv = a.kv_size();
  if (std::string_view(words.query) != words.key) {
    names.query = placer.weight(words.query, q, d);
    names.key = placer.weight(words.key, kv, d);
    names.value = placer.weight(words.value, kv, d);
  } else {
    const auto part = [&](Index first, Index size) {
      return placer.weight(words.query, q + 2 * kv, d, {first, size});
    };
    names.query = part(0, q);
    names.key = part(q, kv);
    names.value = part(q + kv, kv);
  }
  if (words.interleaved) {
    const auto turn = [&](Index place) {
      return RowRuns{place * a.head_dim, a.head_dim, a.heads, 3 * a.head_dim};
    };
    names.query.rows = turn(0);
    names.key.rows = turn(1);
    names.value.rows = turn(2);
  }
  names.attention_gate = placer.weight(words.attention_gate, a.gate_size(), d);
  names.output = placer.weight(words.output, d, q);
}

/// Gate and up: two tensors, or halves of one.
inline void place_feed_forward(const Architecture& a, const LayoutWords& words,
                               const WeightPlacer& placer, LayerNames& names) {
  const Index d = a.hidden_size, f = a.feed_forward_size;
  const bool gated = a.feed_forward == FeedForwardKind::gated;
  if (gated && std::string_view(words.gate) == words.up) {
    names.gate = placer.weight(words.gate, 2 * f, d, {0, f});
    names.up = placer.weight(words.up, 2 * f, d, {f, f});
  } else {
    names.gate = placer.weight(words.gate, gated ? f : 0, d);
    names.up = placer.weight(words.up, f, d);
  }
  names.down = placer.weight(words.down, d, f);
}

}  // namespace detail

inline LayerNames layer_names(const Architecture& architecture, Index layer) {
  const auto& a = architecture;
  const auto& words = layout_words(a.tensors);
  const auto stem = words.layers + std::to_string(layer) + ".";
  LayerNames names;
  names.attention_pre_norm = stem + words.attention_pre_norm;
  names.attention_post_norm = stem + words.attention_post_norm;
  // With norms on block outputs, "post_attention_layernorm" is one of them (Gemma 2, OLMo 2);
  // without, the same words name the norm in front of the feed-forward (Llama).
  const bool reused = words.prefix == kLlamaWords.prefix && a.post_norm == NormKind::none;
  names.feed_forward_pre_norm =
      stem + (reused ? words.attention_post_norm : words.feed_forward_pre_norm);
  names.feed_forward_post_norm = stem + words.feed_forward_post_norm;
  names.query_norm = stem + words.query_norm;
  names.key_norm = stem + words.key_norm;

  const detail::WeightPlacer placer{stem, words.transposed};
  detail::place_attention(a, words, placer, names);
  detail::place_feed_forward(a, words, placer, names);
  names.query_bias = placer.bias(names.query, a.biases.query);
  names.key_bias = placer.bias(names.key, a.biases.key);
  names.value_bias = placer.bias(names.value, a.biases.value);
  names.output_bias = placer.bias(names.output, a.biases.output);
  names.gate_bias = placer.bias(names.gate, a.biases.gate);
  names.up_bias = placer.bias(names.up, a.biases.up);
  names.down_bias = placer.bias(names.down, a.biases.down);
  return names;
}

struct TensorShape {
  std::string name;
  std::vector<Index> shape;
};

namespace detail {

/// Collects tensors; parts of one tensor count once.
class TensorList {
 public:
  explicit TensorList(std::vector<TensorShape>& list) : list_(list) {}

  void add(const std::string& name, std::vector<Index> shape) {
    if (names_.insert(name).second) list_.push_back({name, std::move(shape)});
  }
  void add(const StoredWeight& weight) {
    if (weight.present()) add(weight.tensor, weight.shape);
  }
  void add_norm(NormKind kind, const std::string& stem, Index size) {
    if (kind == NormKind::none) return;
    add(stem + ".weight", {size});
    if (kind == NormKind::layer_norm) add(stem + ".bias", {size});
    if (kind == NormKind::dynamic_tanh) add(stem + ".alpha", {1});
  }

 private:
  std::vector<TensorShape>& list_;
  std::set<std::string> names_;
};

inline void list_layer(const Architecture& a, Index layer, TensorList& list) {
  const auto names = layer_names(a, layer);
  list.add_norm(a.pre_norm, names.attention_pre_norm, a.hidden_size);
  if (a.qk_norm != QkNorm::none) {
    const bool per_head = a.qk_norm == QkNorm::per_head;
    list.add_norm(NormKind::rms_norm, names.query_norm, per_head ? a.head_dim : a.query_size());
    list.add_norm(NormKind::rms_norm, names.key_norm, per_head ? a.head_dim : a.kv_size());
  }
  list.add_norm(a.post_norm, names.attention_post_norm, a.hidden_size);
  list.add_norm(a.pre_norm, names.feed_forward_pre_norm, a.hidden_size);
  list.add_norm(a.post_norm, names.feed_forward_post_norm, a.hidden_size);
  for (const auto* weight :
       {&names.query, &names.key, &names.value, &names.attention_gate, &names.output, &names.gate,
        &names.up, &names.down, &names.query_bias, &names.key_bias, &names.value_bias,
        &names.output_bias, &names.gate_bias, &names.up_bias, &names.down_bias}) {
    list.add(*weight);
  }
}

}  // namespace detail

/// Every tensor that a checkpoint of this architecture holds, with its shape as stored.
inline std::vector<TensorShape> tensor_shapes(const Architecture& a) {
  std::vector<TensorShape> shapes;
  detail::TensorList list(shapes);
  const auto names = model_names(a);
  list.add(names.embedding, {a.vocab_size, a.hidden_size});
  if (a.learned_positions) list.add(names.positions, {a.context_length, a.hidden_size});
  for (Index layer = 0; layer < a.layers; ++layer) detail::list_layer(a, layer, list);
  list.add_norm(a.final_norm, names.final_norm, a.hidden_size);
  if (!a.tied_head) list.add(names.head, {a.vocab_size, a.hidden_size});
  return shapes;
}

/// Tensors that some checkpoints store though they follow from the configuration: rotary tables,
/// causal masks, and the head of a tied model a second time.
inline bool is_superfluous(const Architecture& architecture, std::string_view name) {
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  if (name == layout_words(architecture.tensors).head) return architecture.tied_head;
  const auto ends = [&](const char* bias, const char* masked) {
    return name.ends_with(bias) || name.ends_with(masked);
  };
  if (architecture.tensors == TensorLayout::gpt2) return ends(".attn.bias", ".attn.masked_bias");
  if (architecture.tensors == TensorLayout::gpt_neox) {
    return ends(".attention.bias", ".attention.masked_bias");
  }
  return false;
}

/// Numbers in all tensors, a tied head counted once.
inline Index parameter_count(const Architecture& architecture) {
  Index total = 0;
  for (const auto& tensor : tensor_shapes(architecture)) {
    Index size = 1;
    for (const Index extent : tensor.shape) size *= extent;
    total += size;
  }
  return total;
}

}  // namespace plumb
