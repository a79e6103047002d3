#pragma once

#include <string>
#include <vector>

#include "plumb/weights/architecture.hpp"

namespace plumb {

/// Names of one layer's tensors, as Llama-shaped checkpoints spell them. A norm's name is a stem:
/// its tensors are stem + ".weight" and, for DynamicTanh, stem + ".alpha".
struct LayerNames {
  std::string attention_pre_norm, attention_post_norm;
  std::string query, key, value, query_norm, key_norm, attention_gate, output;
  std::string feed_forward_pre_norm, feed_forward_post_norm;
  std::string gate, up, down;
};

inline constexpr const char* kEmbeddingName = "model.embed_tokens.weight";
inline constexpr const char* kHeadName = "lm_head.weight";
inline constexpr const char* kFinalNormName = "model.norm";

inline LayerNames layer_names(const Architecture& architecture, Index layer) {
  const auto stem = "model.layers." + std::to_string(layer) + ".";
  // With norms on block outputs, "post_attention_layernorm" is one of them (Gemma 2, OLMo 2);
  // without, the same words name the norm in front of the feed-forward (Llama).
  const bool output_norms = architecture.post_norm != NormKind::none;
  LayerNames names;
  names.attention_pre_norm = stem + "input_layernorm";
  names.attention_post_norm = stem + "post_attention_layernorm";
  names.feed_forward_pre_norm =
      stem + (output_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm");
  names.feed_forward_post_norm = stem + "post_feedforward_layernorm";
  names.query = stem + "self_attn.q_proj.weight";
  names.key = stem + "self_attn.k_proj.weight";
  names.value = stem + "self_attn.v_proj.weight";
  names.query_norm = stem + "self_attn.q_norm";
  names.key_norm = stem + "self_attn.k_norm";
  names.attention_gate = stem + "self_attn.gate_proj.weight";
  names.output = stem + "self_attn.o_proj.weight";
  names.gate = stem + "mlp.gate_proj.weight";
  names.up = stem + "mlp.up_proj.weight";
  names.down = stem + "mlp.down_proj.weight";
  return names;
}

struct TensorShape {
  std::string name;
  std::vector<Index> shape;
};

/// Every tensor that a checkpoint of this architecture holds, with its shape (out, in).
inline std::vector<TensorShape> tensor_shapes(const Architecture& a) {
  std::vector<TensorShape> list;
  const auto norm = [&](NormKind kind, const std::string& stem, Index size) {
    if (kind == NormKind::none) return;
    list.push_back({stem + ".weight", {size}});
    if (kind == NormKind::dynamic_tanh) list.push_back({stem + ".alpha", {1}});
  };
  const Index d = a.hidden_size;
  list.push_back({kEmbeddingName, {a.vocab_size, d}});
  for (Index layer = 0; layer < a.layers; ++layer) {
    const auto names = layer_names(a, layer);
    norm(a.pre_norm, names.attention_pre_norm, d);
    list.push_back({names.query, {a.query_size(), d}});
    list.push_back({names.key, {a.kv_size(), d}});
    list.push_back({names.value, {a.kv_size(), d}});
    if (a.qk_norm != QkNorm::none) {
      const bool per_head = a.qk_norm == QkNorm::per_head;
      norm(NormKind::rms_norm, names.query_norm, per_head ? a.head_dim : a.query_size());
      norm(NormKind::rms_norm, names.key_norm, per_head ? a.head_dim : a.kv_size());
    }
    if (a.gate_size() > 0) list.push_back({names.attention_gate, {a.gate_size(), d}});
    list.push_back({names.output, {d, a.query_size()}});
    norm(a.post_norm, names.attention_post_norm, d);
    norm(a.pre_norm, names.feed_forward_pre_norm, d);
    list.push_back({names.gate, {a.feed_forward_size, d}});
    list.push_back({names.up, {a.feed_forward_size, d}});
    list.push_back({names.down, {d, a.feed_forward_size}});
    norm(a.post_norm, names.feed_forward_post_norm, d);
  }
  norm(NormKind::rms_norm, kFinalNormName, d);
  if (!a.tied_head) list.push_back({kHeadName, {a.vocab_size, d}});
  return list;
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
