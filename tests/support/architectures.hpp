#pragma once

#include <cmath>
#include <rapidcheck.h>

#include "plumb/core/linalg.hpp"
#include "plumb/weights/architecture.hpp"

namespace plumb::test {

/// A positive double of any size, with all its digits.
inline double some_positive() {
  const double mantissa =
      1.0 + *rc::gen::inRange(0, 1 << 20) * 0x1p-20 + *rc::gen::inRange(0, 8) * 0x1p-52;
  return std::ldexp(mantissa, *rc::gen::inRange(-60, 30));
}

/// `sizes` with every option drawn anew; to be called within a property. Sizes must fit each other,
/// and head_dim be even.
inline Architecture some_architecture(const Architecture& sizes) {
  using rc::gen::element;
  const auto flag = [] { return *element(false, true); };
  const auto norm = [] {
    return *element(NormKind::none, NormKind::rms_norm, NormKind::layer_norm,
                    NormKind::dynamic_tanh);
  };
  const auto rotary = [] {
    return *element(RotaryKind::none, RotaryKind::unscaled, RotaryKind::linear, RotaryKind::llama3);
  };
  Architecture a = sizes;
  a.family = "plumb";
  a.pre_norm = norm();
  a.post_norm = *element(NormKind::none, NormKind::rms_norm, NormKind::layer_norm);
  a.final_norm = norm();
  a.stored_gain = *element(StoredGain::gain, StoredGain::gain_minus_one);
  a.norm_eps = some_positive();
  a.parallel_residual = flag();
  a.attention_scale = some_positive();
  if (flag()) a.attention_soft_cap = some_positive();
  a.qk_norm = *element(QkNorm::none, QkNorm::per_head, QkNorm::all_heads);
  a.attention_gate = *element(AttentionGate::none, AttentionGate::channel, AttentionGate::head,
                              AttentionGate::token);
  a.feed_forward = *element(FeedForwardKind::gated, FeedForwardKind::plain);
  a.activation =
      *element(Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu);
  a.biases = {flag(), flag(), flag(), flag(), flag(), flag(), flag()};
  a.rotary = rotary();
  a.rotary_theta = some_positive();
  if (flag()) {
    const double low = some_positive();
    a.rotary_scaling = {some_positive(), low, 2 * low, *rc::gen::inRange<Index>(1, 5000)};
  }
  if (flag()) a.rotary_dim = 2 * *rc::gen::inRange<Index>(1, a.head_dim / 2 + 1);
  a.rotary_pairing = *element(RotaryPairing::half_split, RotaryPairing::interleaved);
  a.learned_positions = flag();
  const bool windows = flag(), layer_rotary = flag();
  for (Index layer = 0; layer < a.layers; ++layer) {
    if (windows) a.windows.push_back(*rc::gen::inRange<Index>(0, 100));
    if (layer_rotary) a.layer_rotary.push_back(rotary());
  }
  a.embedding_scale = some_positive();
  if (flag()) a.logit_soft_cap = some_positive();
  a.tied_head = flag();
  if (flag()) a.bos_token_id = *rc::gen::inRange<Index>(0, a.vocab_size);
  a.tensors =
      *element(TensorLayout::llama, TensorLayout::phi3, TensorLayout::gpt2, TensorLayout::gpt_neox);
  // Its queries, keys and values take turns head by head.
  if (a.tensors == TensorLayout::gpt_neox) a.kv_heads = a.heads;
  return a;
}

}  // namespace plumb::test
