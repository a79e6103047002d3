#include "plumb/weights/tensor_names.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plumb/weights/config.hpp"
#include "plumb/weights/safetensors.hpp"

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
      for (const auto& [name, tensor] :
           plumb::read_safetensors(entry.path() / "model.safetensors")) {
        stored[name] = tensor.shape;
      }
      check_shapes(plumb::read_architecture(entry.path() / "config.json"), stored);
      ++compared;
    }
  }
  CHECK(compared == 11);
}
