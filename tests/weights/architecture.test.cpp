#include "plumb/weights/architecture.hpp"

#include <catch2/catch.hpp>
#include <vector>

using plumb::Architecture;
using plumb::AttentionGate;
using plumb::Index;

namespace {

Architecture with_heads(Index heads, Index kv_heads, Index head_dim) {
  Architecture a;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.head_dim = head_dim;
  return a;
}

}  // namespace

TEST_CASE("queries and keys have a column for each channel of each head") {
  const auto a = with_heads(6, 3, 10);
  CHECK(a.query_size() == 60);
  CHECK(a.kv_size() == 30);
}

TEST_CASE("consecutive heads share a kv head, as many as there are to each") {
  for (Index heads = 1; heads <= 12; ++heads) {
    for (Index kv_heads = 1; kv_heads <= heads; ++kv_heads) {
      if (heads % kv_heads != 0) continue;
      const auto a = with_heads(heads, kv_heads, 2);
      for (Index kv = 0, head = 0; kv < kv_heads; ++kv) {
        for (Index i = 0; i < heads / kv_heads; ++i, ++head) CHECK(a.kv_head(head) == kv);
      }
    }
  }
}

TEST_CASE("a gate has an opening for each channel, head or token") {
  auto a = with_heads(6, 3, 10);
  CHECK(a.gate_size() == 0);
  a.attention_gate = AttentionGate::channel;
  CHECK(a.gate_size() == 60);
  a.attention_gate = AttentionGate::head;
  CHECK(a.gate_size() == 6);
  a.attention_gate = AttentionGate::token;
  CHECK(a.gate_size() == 1);
}

TEST_CASE("the default is the layer of Llama") {
  const Architecture a;
  CHECK(a.pre_norm == plumb::NormKind::rms_norm);
  CHECK(a.post_norm == plumb::NormKind::none);
  CHECK(a.qk_norm == plumb::QkNorm::none);
  CHECK(a.attention_gate == AttentionGate::none);
  CHECK(a.rotary_pairing == plumb::RotaryPairing::half_split);
  CHECK(a.final_norm == plumb::NormKind::rms_norm);
  CHECK(a.stored_gain == plumb::StoredGain::gain);
  CHECK_FALSE(a.parallel_residual);
  CHECK(a.feed_forward == plumb::FeedForwardKind::gated);
  CHECK(a.biases == plumb::Biases{});
  CHECK(a.rotary == plumb::RotaryKind::unscaled);
  CHECK_FALSE(a.attention_soft_cap.has_value());
  CHECK_FALSE(a.logit_soft_cap.has_value());
  CHECK_FALSE(a.learned_positions);
  CHECK(a.embedding_scale == 1);
  CHECK(a.tensors == plumb::TensorLayout::llama);
  CHECK_FALSE(a.tied_head);
  CHECK_FALSE(a.bos_token_id.has_value());
}

TEST_CASE("a layer has the rotary kind and the window of its own, or those of all") {
  using plumb::RotaryKind;
  Architecture a;
  CHECK(a.rotary_of(3) == RotaryKind::unscaled);
  CHECK(a.window_of(3) == 0);
  a.layer_rotary = {RotaryKind::none, RotaryKind::llama3};
  a.windows = {0, 9};
  CHECK(a.rotary_of(0) == RotaryKind::none);
  CHECK(a.rotary_of(1) == RotaryKind::llama3);
  CHECK(a.window_of(0) == 0);
  CHECK(a.window_of(1) == 9);
}

TEST_CASE("a whole head turns unless a part is stated") {
  auto a = with_heads(1, 1, 10);
  CHECK(a.rotary_size() == 10);
  a.rotary_dim = 4;
  CHECK(a.rotary_size() == 4);
}
