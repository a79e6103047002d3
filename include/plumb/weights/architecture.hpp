#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plumb/core/linalg.hpp"

namespace plumb {

enum class NormKind { none, rms_norm, layer_norm, dynamic_tanh };

/// What a checkpoint stores of a norm's gain g: itself, or g - 1 (Gemma). It is undone when gains
/// are read, so that a block's gain is always the effective factor.
enum class StoredGain { gain, gain_minus_one };

/// Where query and key vectors are normalised before rotary: nowhere, each head by itself, or all
/// heads of a token as one vector.
enum class QkNorm { none, per_head, all_heads };

/// A sigmoid gate on the head outputs, computed from the block's input: one a channel, one a head,
/// or one a token.
enum class AttentionGate { none, channel, head, token };

/// W_down (act(W_gate x) .* W_up x), or W_down act(W_up x).
enum class FeedForwardKind { gated, plain };

/// z sigma(z); z Phi(z); the tanh approximation of the latter; max(z, 0).
enum class Activation { silu, gelu, gelu_tanh, relu };

/// Which two coordinates of a head a rotary plane holds, of the n that turn: (j, j + n/2) or
/// (2j, 2j + 1).
enum class RotaryPairing { half_split, interleaved };

/// How fast rotary planes turn: not at all, theta^(-2j / n), or that slowed for long contexts.
enum class RotaryKind { none, unscaled, linear, llama3 };

/// How a RotaryKind slows planes. `linear`: each by `factor`. `llama3`: planes that turn fewer than
/// low_frequency times in original_context tokens by `factor`, those that turn more than
/// high_frequency times not at all, and in between by interpolation.
struct RotaryScaling {
  double factor = 1;
  double low_frequency = 1;
  double high_frequency = 4;
  Index original_context = 1;

  bool operator==(const RotaryScaling&) const = default;
};

/// Which products have a bias added. Norms of kind layer_norm always have theirs.
struct Biases {
  bool query = false, key = false, value = false, output = false;
  bool gate = false, up = false, down = false;

  bool operator==(const Biases&) const = default;
};

/// How tensors are named and cut: as Llama does, or as one of the families that fuse or transpose
/// some of them. See tensor_names.hpp.
enum class TensorLayout { llama, phi3, gpt2, gpt_neox };

/// What a decoder is made of. Every layer is
///   h += post_norm(attention(pre_norm(h)));  h += post_norm(feed_forward(pre_norm(h)))
/// with any of the norms absent, or with parallel_residual both blocks reading the same h.
/// Sizes are counts; vectors are rows of the residual stream.
struct Architecture {
  std::string family;  ///< model_type of the configuration
  Index layers = 0;
  Index hidden_size = 0;
  Index feed_forward_size = 0;
  Index heads = 0;
  Index kv_heads = 0;  ///< head h reads keys and values of kv head floor(h kv_heads / heads)
  Index head_dim = 0;
  Index vocab_size = 0;
  Index context_length = 0;

  NormKind pre_norm = NormKind::rms_norm;
  NormKind post_norm = NormKind::none;  ///< on a block's output, before it is added
  NormKind final_norm = NormKind::rms_norm;
  StoredGain stored_gain = StoredGain::gain;
  double norm_eps = 0;             ///< inside the root: rho = sqrt(mean(h^2) + eps)
  bool parallel_residual = false;  ///< h += attention(pre_norm(h)) + feed_forward(pre_norm(h))

  double attention_scale = 0;                ///< logits are scale * q.k
  std::optional<double> attention_soft_cap;  ///< logits l become cap tanh(l / cap)
  QkNorm qk_norm = QkNorm::none;
  AttentionGate attention_gate = AttentionGate::none;
  std::vector<Index> windows;  ///< of each layer: row t sees rows (t - window, t]; 0: all of them.
                               ///< Empty: no layer has a window

  FeedForwardKind feed_forward = FeedForwardKind::gated;
  Activation activation = Activation::silu;
  Biases biases;

  RotaryKind rotary = RotaryKind::unscaled;
  std::vector<RotaryKind> layer_rotary;  ///< of each layer, where layers differ; else empty
  double rotary_theta = 0;  ///< plane j turns by position * theta^(-2j / rotary_size())
  RotaryScaling rotary_scaling;
  Index rotary_dim = 0;  ///< the first coordinates of a head that turn; 0: all of them
  RotaryPairing rotary_pairing = RotaryPairing::half_split;
  bool learned_positions = false;  ///< a vector for each position is added to the embedding

  double embedding_scale = 1;            ///< factor on rows of the embedding matrix
  std::optional<double> logit_soft_cap;  ///< logits over the vocabulary become cap tanh(l / cap)
  bool tied_head = false;                ///< the output head is the embedding matrix
  std::optional<Index> bos_token_id;     ///< the start token, where the model has one
  TensorLayout tensors = TensorLayout::llama;

  bool operator==(const Architecture&) const = default;

  /// Columns of all query heads together.
  Index query_size() const { return heads * head_dim; }
  /// Columns of all key (or value) heads together.
  Index kv_size() const { return kv_heads * head_dim; }
  Index kv_head(Index head) const { return head * kv_heads / heads; }
  /// Gates a token has in one attention block.
  Index gate_size() const {
    switch (attention_gate) {
      case AttentionGate::none: return 0;
      case AttentionGate::channel: return query_size();
      case AttentionGate::head: return heads;
      case AttentionGate::token: return 1;
    }
    return 0;
  }
  /// Coordinates of a head that turn.
  Index rotary_size() const { return rotary_dim == 0 ? head_dim : rotary_dim; }
  RotaryKind rotary_of(Index layer) const {
    return layer_rotary.empty() ? rotary : layer_rotary[static_cast<std::size_t>(layer)];
  }
  /// The window of a layer, 0 if it has none.
  Index window_of(Index layer) const {
    return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)];
  }
};

}  // namespace plumb
