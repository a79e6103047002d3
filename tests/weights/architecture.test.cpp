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
  CHECK_FALSE(a.tied_head);
  CHECK_FALSE(a.bos_token_id.has_value());
}
