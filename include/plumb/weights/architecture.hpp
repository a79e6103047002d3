#pragma once

#include <optional>
#include <string>

#include "plumb/core/linalg.hpp"

namespace plumb {

enum class NormKind { none, rms_norm, dynamic_tanh };

/// Where query and key vectors are normalised before rotary: nowhere, each head by itself, or all
/// heads of a token as one vector.
enum class QkNorm { none, per_head, all_heads };

/// A sigmoid gate on the head outputs, computed from the block's input: one a channel, one a head,
/// or one a token.
enum class AttentionGate { none, channel, head, token };

enum class Activation { silu };

/// Which two coordinates of a head a rotary plane holds: (j, j + head_dim/2) or (2j, 2j + 1).
enum class RotaryPairing { half_split, interleaved };

/// What a decoder is made of. Every layer is
///   h += post_norm(attention(pre_norm(h)));  h += post_norm(feed_forward(pre_norm(h)))
/// with any of the norms absent. Sizes are counts; vectors are rows of the residual stream.
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
  double norm_eps = 0;                  ///< inside the root: rho = sqrt(mean(h^2) + eps)
  QkNorm qk_norm = QkNorm::none;
  AttentionGate attention_gate = AttentionGate::none;
  double attention_scale = 0;  ///< logits are scale * q.k
  Activation activation = Activation::silu;
  double rotary_theta = 0;  ///< plane j turns by position * theta^(-2j / head_dim)
  RotaryPairing rotary_pairing = RotaryPairing::half_split;

  bool tied_head = false;             ///< the output head is the embedding matrix
  std::optional<Index> bos_token_id;  ///< the start token, where the model has one

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
};

}  // namespace plumb
