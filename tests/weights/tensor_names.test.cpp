#include "plumb/weights/tensor_names.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plumb/weights/config.hpp"
#include "plumb/weights/shards.hpp"

namespace fs = std::filesystem;
using plumb::Architecture;
using plumb::AttentionGate;
using plumb::Index;
using plumb::NormKind;
using plumb::QkNorm;

namespace {

using Shapes = std::map<std::string, std::vector<Index>>;

/// One layer of 4 heads of 6 on 2 kv heads, 24 query and 12 key columns; every size different.
Architecture one_layer() {
  Architecture a;
  a.layers = 1;
  a.hidden_size = 10;
  a.feed_forward_size = 20;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 6;
  a.vocab_size = 50;
  return a;
}

/// The shapes by name; a name that appears twice is reported as one.
Shapes shapes_of(const Architecture& a) {
  Shapes shapes;
  for (const auto& [name, shape] : plumb::tensor_shapes(a)) {
    INFO(name);
    CHECK(shapes.emplace(name, shape).second);
  }
  return shapes;
}

/// The tensors of a plain layer that `change` adds to or takes from.
template <class Change>
Shapes plain_with(const Change& change) {
  const std::string layer = "model.layers.0.";
  Shapes shapes = {{"model.embed_tokens.weight", {50, 10}},
                   {layer + "input_layernorm.weight", {10}},
                   {layer + "self_attn.q_proj.weight", {24, 10}},
                   {layer + "self_attn.k_proj.weight", {12, 10}},
                   {layer + "self_attn.v_proj.weight", {12, 10}},
                   {layer + "self_attn.o_proj.weight", {10, 24}},
                   {layer + "post_attention_layernorm.weight", {10}},
                   {layer + "mlp.gate_proj.weight", {20, 10}},
                   {layer + "mlp.up_proj.weight", {20, 10}},
                   {layer + "mlp.down_proj.weight", {10, 20}},
                   {"model.norm.weight", {10}},
                   {"lm_head.weight", {50, 10}}};
  change(shapes, layer);
  return shapes;
}

Index numbers(const Shapes& shapes) {
  Index total = 0;
  for (const auto& [name, shape] : shapes) {
    Index size = 1;
    for (const Index extent : shape) size *= extent;
    total += size;
  }
  return total;
}

/// The architecture has these tensors, in any order, and as many parameters.
void check_shapes(const Architecture& a, const Shapes& expected) {
  CHECK(shapes_of(a) == expected);
  CHECK(plumb::parameter_count(a) == numbers(expected));
}

}  // namespace

TEST_CASE("a plain layer has the tensors of Llama") {
  check_shapes(one_layer(), plain_with([](Shapes&, const std::string&) {}));
}

TEST_CASE("a tied head has no tensor of its own and is counted once") {
  auto a = one_layer();
  a.tied_head = true;
  check_shapes(a, plain_with([](Shapes& s, const std::string&) { s.erase("lm_head.weight"); }));
}

TEST_CASE("DynamicTanh has an alpha beside each gain, and the final norm has none") {
  auto a = one_layer();
  a.pre_norm = NormKind::dynamic_tanh;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "input_layernorm.alpha"] = {1};
                 s[layer + "post_attention_layernorm.alpha"] = {1};
               }));
}

TEST_CASE("without pre-norms a layer has no norm, but the model has its final one") {
  auto a = one_layer();
  a.pre_norm = NormKind::none;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s.erase(layer + "input_layernorm.weight");
                 s.erase(layer + "post_attention_layernorm.weight");
               }));
}

TEST_CASE("with post-norms the norm after the attention takes the name, and the pre-norm another") {
  auto a = one_layer();
  a.post_norm = NormKind::rms_norm;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "pre_feedforward_layernorm.weight"] = {10};
                 s[layer + "post_feedforward_layernorm.weight"] = {10};
               }));
  const auto names = plumb::layer_names(a, 0);
  CHECK(names.attention_post_norm == "model.layers.0.post_attention_layernorm");
  CHECK(names.feed_forward_pre_norm == "model.layers.0.pre_feedforward_layernorm");
  a.post_norm = NormKind::none;
  CHECK(plumb::layer_names(a, 0).feed_forward_pre_norm ==
        "model.layers.0.post_attention_layernorm");
}

TEST_CASE("with post-norms only, there are two norms a layer") {
  auto a = one_layer();
  a.pre_norm = NormKind::none;
  a.post_norm = NormKind::rms_norm;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s.erase(layer + "input_layernorm.weight");
                 s[layer + "post_feedforward_layernorm.weight"] = {10};
               }));
}

TEST_CASE("qk-norm has gains for a head, or for all heads together") {
  auto a = one_layer();
  a.qk_norm = QkNorm::per_head;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "self_attn.q_norm.weight"] = {6};
                 s[layer + "self_attn.k_norm.weight"] = {6};
               }));
  a.qk_norm = QkNorm::all_heads;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "self_attn.q_norm.weight"] = {24};
                 s[layer + "self_attn.k_norm.weight"] = {12};
               }));
}

TEST_CASE("an attention gate has a row for each opening") {
  auto a = one_layer();
  for (const auto& [gate, openings] : std::vector<std::pair<AttentionGate, Index>>{
           {AttentionGate::channel, 24}, {AttentionGate::head, 4}, {AttentionGate::token, 1}}) {
    a.attention_gate = gate;
    const Index rows = openings;  // clang 14 does not capture structured bindings
    check_shapes(a, plain_with([&](Shapes& s, const std::string& layer) {
                   s[layer + "self_attn.gate_proj.weight"] = {rows, 10};
                 }));
  }
}

TEST_CASE("LayerNorm has a bias beside each gain") {
  auto a = one_layer();
  a.pre_norm = a.final_norm = NormKind::layer_norm;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "input_layernorm.bias"] = {10};
                 s[layer + "post_attention_layernorm.bias"] = {10};
                 s["model.norm.bias"] = {10};
               }));
}

TEST_CASE("each bias is a tensor beside its weight") {
  auto a = one_layer();
  a.biases = {true, true, true, true, true, true, true};
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "self_attn.q_proj.bias"] = {24};
                 s[layer + "self_attn.k_proj.bias"] = {12};
                 s[layer + "self_attn.v_proj.bias"] = {12};
                 s[layer + "self_attn.o_proj.bias"] = {10};
                 s[layer + "mlp.gate_proj.bias"] = {20};
                 s[layer + "mlp.up_proj.bias"] = {20};
                 s[layer + "mlp.down_proj.bias"] = {10};
               }));
  a.biases = {.value = true};
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s[layer + "self_attn.v_proj.bias"] = {12};
               }));
}

TEST_CASE("a plain feed-forward has no gate, and learned positions are a table") {
  auto a = one_layer();
  a.feed_forward = plumb::FeedForwardKind::plain;
  a.learned_positions = true;
  a.context_length = 33;
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 s.erase(layer + "mlp.gate_proj.weight");
                 s["model.embed_positions.weight"] = {33, 10};
               }));
  CHECK_FALSE(plumb::layer_names(a, 0).gate.present());
}

TEST_CASE("phi3 fuses queries, keys and values, and gate and up, in rows") {
  auto a = one_layer();
  a.tensors = plumb::TensorLayout::phi3;
  a.biases = {.query = true};
  check_shapes(a, plain_with([](Shapes& s, const std::string& layer) {
                 for (const auto* word : {"q", "k", "v"}) {
                   s.erase(layer + "self_attn." + word + "_proj.weight");
                 }
                 s.erase(layer + "mlp.gate_proj.weight");
                 s.erase(layer + "mlp.up_proj.weight");
                 s[layer + "self_attn.qkv_proj.weight"] = {48, 10};
                 s[layer + "self_attn.qkv_proj.bias"] = {48};
                 s[layer + "mlp.gate_up_proj.weight"] = {40, 10};
               }));
  const auto names = plumb::layer_names(a, 0);
  CHECK(names.query.rows[0] == 0);
  CHECK(names.key.rows[0] == 24);
  CHECK(names.value.rows[0] == 36);
  CHECK(names.value.rows[11] == 47);
  CHECK(names.up.rows[0] == 20);
  a.feed_forward = plumb::FeedForwardKind::plain;
  CHECK(plumb::layer_names(a, 0).up.shape == std::vector<Index>{20, 10});
}

TEST_CASE("gpt2 stores (in, out), and gpt_neox queries, keys and values of each head in turn") {
  auto a = one_layer();
  a.tensors = plumb::TensorLayout::gpt2;
  auto names = plumb::layer_names(a, 0);
  CHECK(names.query.tensor == "transformer.h.0.attn.c_attn.weight");
  CHECK(names.query.shape == std::vector<Index>{10, 48});
  CHECK(names.query.transposed);
  CHECK(names.down.shape == std::vector<Index>{20, 10});
  CHECK(names.query_bias.shape == std::vector<Index>{48});
  CHECK(plumb::model_names(a).positions == "transformer.wpe.weight");

  a.tensors = plumb::TensorLayout::gpt_neox;
  a.kv_heads = 4;
  a.biases = {.key = true};
  names = plumb::layer_names(a, 0);
  CHECK(names.key.shape == std::vector<Index>{72, 10});
  CHECK(names.key.rows.size() == 24);
  CHECK(names.key.rows[0] == 6);       // after the queries of head 0
  CHECK(names.key.rows[6] == 18 + 6);  // head 1 begins 3 * 6 rows later
  CHECK(names.value.rows[23] == 71);
  CHECK(names.key_bias.rows[6] == 24);
  CHECK(names.key_bias.tensor == "gpt_neox.layers.0.attention.query_key_value.bias");
  CHECK(plumb::model_names(a).head == "embed_out.weight");
}

TEST_CASE("the parts of fused tensors are all of them, and none is there twice") {
  for (const auto layout :
       {plumb::TensorLayout::phi3, plumb::TensorLayout::gpt2, plumb::TensorLayout::gpt_neox}) {
    auto a = one_layer();
    a.kv_heads = a.heads;
    a.tensors = layout;
    const auto names = plumb::layer_names(a, 0);
    std::map<std::string, std::map<Index, int>> used;
    for (const auto* weight : {&names.query, &names.key, &names.value, &names.gate, &names.up}) {
      for (Index i = 0; i < weight->rows.size(); ++i) ++used[weight->tensor][weight->rows[i]];
    }
    for (const auto& [name, shape] : plumb::tensor_shapes(a)) {
      if (!used.contains(name)) continue;
      const Index rows = names.query.transposed ? shape[1] : shape[0];
      CHECK(static_cast<Index>(used[name].size()) == rows);
      for (const auto& [row, times] : used[name]) CHECK(times == 1);
    }
  }
}

TEST_CASE("what follows from the configuration is superfluous in the layouts that store it") {
  Architecture a = one_layer();
  CHECK(plumb::is_superfluous(a, "model.layers.0.self_attn.rotary_emb.inv_freq"));
  CHECK_FALSE(plumb::is_superfluous(a, "lm_head.weight"));
  CHECK_FALSE(plumb::is_superfluous(a, "h.0.attn.bias"));
  a.tied_head = true;
  CHECK(plumb::is_superfluous(a, "lm_head.weight"));
  a.tensors = plumb::TensorLayout::gpt2;
  CHECK(plumb::is_superfluous(a, "transformer.h.0.attn.bias"));
  CHECK(plumb::is_superfluous(a, "transformer.h.0.attn.masked_bias"));
  CHECK_FALSE(plumb::is_superfluous(a, "transformer.h.0.attn.c_attn.bias"));
  a.tensors = plumb::TensorLayout::gpt_neox;
  CHECK(plumb::is_superfluous(a, "gpt_neox.layers.0.attention.bias"));
  CHECK(plumb::is_superfluous(a, "gpt_neox.layers.0.attention.masked_bias"));
  CHECK_FALSE(plumb::is_superfluous(a, "gpt_neox.layers.0.attention.dense.bias"));
}

TEST_CASE("each layer has tensors of its own") {
  auto a = one_layer();
  a.layers = 12;
  const auto shapes = shapes_of(a);
  CHECK(shapes.size() == 3 + 12 * 9);
  CHECK(shapes.contains("model.layers.11.mlp.up_proj.weight"));
  CHECK_FALSE(shapes.contains("model.layers.12.mlp.up_proj.weight"));
}

TEST_CASE("the fixtures, which others named, hold these tensors and no others") {
  const auto root = fs::path(PLUMB_SOURCE_DIR) / "tests/fixtures";
  int compared = 0;
  for (const auto* family : {"plumb", "hf"}) {
    for (const auto& entry : fs::directory_iterator(root / family)) {
      if (!entry.is_directory()) continue;
      INFO(entry.path().filename());
      Shapes stored;
      for (const auto& [name, tensor] : plumb::read_weights(entry.path())) {
        stored[name] = tensor.shape;
      }
      check_shapes(plumb::read_architecture(entry.path() / "config.json"), stored);
      ++compared;
    }
  }
  CHECK(compared == 34);
}
