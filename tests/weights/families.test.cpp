#include "plumb/weights/families.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "plumb/weights/config.hpp"
#include "support/temporary.hpp"

/// What each family's configuration comes to. That the mathematics is the family's is for
/// tests/golden to see; here are the spellings, the defaults and what is refused.

namespace fs = std::filesystem;
using namespace plumb;
using nlohmann::json;

namespace {

/// The configuration of a fixture.
json fixture(const std::string& name) {
  return read_json(fs::path(PLUMB_SOURCE_DIR) / "tests/fixtures/hf" / name / "config.json");
}

Architecture read(const json& config) { return parse_architecture("config.json", config); }

std::string fault(const json& config) {
  return plumb::test::fault("config.json", [&](const auto&) { return read(config); });
}

json with(json config, const std::string& key, const json& value) {
  config[key] = value;
  return config;
}

json without(json config, const std::string& key) {
  config.erase(key);
  return config;
}

const std::string kUnknown = " is not known to plumb, and it may change the mathematics";

}  // namespace

TEST_CASE("each family has a row, and each row a fixture") {
  std::set<std::string> families, fixtures;
  for (const auto& family : detail::kFamilies) {
    CHECK(families.insert(std::string(family.model_type)).second);
  }
  const auto root = fs::path(PLUMB_SOURCE_DIR) / "tests/fixtures";
  for (const auto* folder : {"hf", "plumb"}) {
    for (const auto& entry : fs::directory_iterator(root / folder)) {
      if (!entry.is_directory()) continue;
      fixtures.insert(read_architecture(entry.path() / "config.json").family);
    }
  }
  CHECK(families == fixtures);
}

TEST_CASE("a key that no family knows is refused by each") {
  for (const auto* name : {"llama", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "phi3",
                           "gemma", "gemma2", "gpt2", "gpt_neox-parallel"}) {
    INFO(name);
    CHECK(fault(fixture(name)) == "no load_error");
    CHECK(fault(with(fixture(name), "logit_scale", 2)) == "'logit_scale'" + kUnknown);
    CHECK(fault(with(fixture(name), "quantization_config", json::object())) ==
          "'quantization_config'" + kUnknown);
    CHECK(fault(with(fixture(name), "add_cross_attention", true)) ==
          "'add_cross_attention' is true, which plumb does not support");
  }
}

TEST_CASE("mistral has a window on every layer, of 4096 where nothing is said") {
  const auto config = fixture("mistral-window");
  CHECK(read(config).windows == std::vector<Index>{5, 5});
  CHECK(read(with(config, "sliding_window", nullptr)).windows.empty());
  CHECK(read(without(config, "sliding_window")).windows == std::vector<Index>{4096, 4096});
  CHECK(fault(with(config, "attention_bias", true)) == "'attention_bias'" + kUnknown);
}

TEST_CASE("windows of qwen2 begin at max_window_layers, or are where layer_types says") {
  const auto config = fixture("qwen2-window");
  CHECK(read(config).windows == std::vector<Index>{0, 6, 6});
  CHECK(read(config).biases == Biases{.query = true, .key = true, .value = true});
  CHECK(read(with(config, "max_window_layers", 0)).windows == std::vector<Index>{6, 6, 6});
  CHECK(read(with(config, "max_window_layers", 3)).windows.empty());
  CHECK(read(without(config, "max_window_layers")).windows.empty());
  CHECK(read(with(config, "use_sliding_window", false)).windows.empty());
  CHECK(read(without(config, "use_sliding_window")).windows.empty());
  const json types = {"sliding_attention", "full_attention", "full_attention"};
  CHECK(read(with(config, "layer_types", types)).windows == std::vector<Index>{6, 0, 0});
  CHECK(fault(with(with(config, "layer_types", types), "use_sliding_window", false)) ==
        "'layer_types' holds 'sliding_attention', but there is no window");
  CHECK(fault(with(config, "layer_types", {"full_attention"})) ==
        "'layer_types' is no list of 3 entries");
  CHECK(fault(with(config, "layer_types", {"chunked", "chunked", "chunked"})) ==
        "'layer_types' holds 'chunked', expected one of: full_attention, sliding_attention");
  CHECK(fault(with(config, "use_mrope", true)) ==
        "'use_mrope' is true, which plumb does not support");
}

TEST_CASE("qwen3 normalises queries and keys of each head, and states its head_dim") {
  const auto a = read(fixture("qwen3-window"));
  CHECK(a.qk_norm == QkNorm::per_head);
  CHECK(a.biases.output);
  CHECK(a.windows == std::vector<Index>{4, 0, 4});
  CHECK(read(fixture("qwen3")).biases == Biases{});
  CHECK(fault(without(fixture("qwen3"), "head_dim")) == "'head_dim' is missing");
}

TEST_CASE("smollm3 leaves rotary out of every fourth layer, or where no_rope_layers has 0") {
  using enum RotaryKind;
  auto config = fixture("smollm3");
  const auto a = read(config);
  CHECK(a.layer_rotary == std::vector{unscaled, none, unscaled});
  CHECK(a.windows == std::vector<Index>{0, 5, 0});
  CHECK(a.tied_head);
  CHECK(read(without(config, "layer_types")) == a);
  config = without(without(config, "layer_types"), "no_rope_layers");
  CHECK(read(config) == a);  // no_rope_layer_interval is 2
  config = with(without(config, "no_rope_layer_interval"), "num_hidden_layers", 5);
  CHECK(read(config).layer_rotary == std::vector{unscaled, unscaled, unscaled, none, unscaled});
  CHECK(read(config).windows == std::vector<Index>{0, 0, 0, 5, 0});
  CHECK(read(with(config, "use_sliding_window", false)).windows.empty());
  CHECK(fault(with(config, "no_rope_layers", {1, 0})) ==
        "'no_rope_layers' is no list of 5 entries");
}

TEST_CASE("olmo2 has norms on what blocks write, and on all heads together") {
  const auto a = read(fixture("olmo2"));
  CHECK(a.pre_norm == NormKind::none);
  CHECK(a.post_norm == NormKind::rms_norm);
  CHECK(a.qk_norm == QkNorm::all_heads);
}

TEST_CASE("phi3 has fused tensors, a part of each head that turns, and a window if stated") {
  const auto config = fixture("phi3");
  const auto a = read(config);
  CHECK(a.tensors == TensorLayout::phi3);
  CHECK(a.head_dim == 8);
  CHECK(a.rotary_dim == 4);
  CHECK(a.windows == std::vector<Index>{6, 6});
  CHECK(read(without(config, "sliding_window")).windows.empty());
  CHECK(fault(with(config, "attention_bias", true)) ==
        "'attention_bias' is true, which plumb does not support");
  auto huge = with(with(config, "num_attention_heads", 2147483646), "head_dim", 2147483644);
  CHECK(fault(huge) == "'head_dim' is too large");
  // The older spelling, beside the newer one or alone.
  CHECK(read(with(config, "partial_rotary_factor", 0.5)) == a);
  CHECK(fault(with(config, "partial_rotary_factor", 0.75)) ==
        "'partial_rotary_factor' disagrees with rope_parameters");
  auto old = with(without(config, "rope_parameters"), "rope_theta", 500.0);
  CHECK(read(old).rotary_dim == 0);
  CHECK(read(with(old, "partial_rotary_factor", 0.5)) == a);
  CHECK(fault(with(old, "partial_rotary_factor", 0.4)) ==
        "'partial_rotary_factor' is odd; rotary planes need pairs");
  CHECK(fault(with(old, "partial_rotary_factor", 1.5)) ==
        "'partial_rotary_factor' leaves no part of a head that could turn");
  CHECK(fault(with(old, "rope_scaling", {{"type", "longrope"}})) ==
        "'rope_scaling.type' is 'longrope', expected one of: default, linear, llama3");
}

TEST_CASE("only families that let a part of a head turn have a part") {
  CHECK(fault(with(without(fixture("llama"), "rope_parameters"), "partial_rotary_factor", 0.5)) ==
        "'partial_rotary_factor' is not 1, which this family does not have");
}

TEST_CASE("gemma stores gains less one, scales its embedding and ties its head") {
  const auto config = fixture("gemma-gains");
  const auto a = read(config);
  CHECK(a.stored_gain == StoredGain::gain_minus_one);
  CHECK(a.activation == Activation::gelu_tanh);
  CHECK(a.embedding_scale == std::sqrt(24.0));
  CHECK(a.tied_head);
  CHECK(read(without(config, "tie_word_embeddings")).tied_head);
  CHECK(read(without(config, "hidden_act")).activation == Activation::gelu_tanh);
  CHECK(read(with(config, "hidden_act", "gelu")).activation == Activation::gelu);
  CHECK(read(with(with(config, "hidden_act", "gelu"), "hidden_activation", "gelu_pytorch_tanh"))
            .activation == Activation::gelu_tanh);
  CHECK(fault(without(config, "head_dim")) == "'head_dim' is missing");
  CHECK(fault(with(config, "use_bidirectional_attention", true)) ==
        "'use_bidirectional_attention' is true, which plumb does not support");
}

TEST_CASE("gemma2 has caps, a scale of its own, and a window on every other layer") {
  const auto config = fixture("gemma2-caps");
  const auto a = read(config);
  CHECK(a.attention_soft_cap == 1.5);
  CHECK(a.logit_soft_cap == 15.0);
  CHECK(a.attention_scale == 1 / std::sqrt(3.0));
  CHECK(a.post_norm == NormKind::rms_norm);
  CHECK(a.pre_norm == NormKind::rms_norm);
  CHECK(a.windows == std::vector<Index>{5, 0, 5});
  for (const auto* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    const auto none = read(with(config, key, nullptr));
    CHECK((none.attention_soft_cap.has_value() && none.logit_soft_cap.has_value()) == false);
    CHECK(fault(with(config, key, 0)) ==
          "'" + std::string(key) + "' is 0, expected a number above zero");
  }
  CHECK(read(without(config, "attn_logit_softcapping")).attention_soft_cap == 50.0);
  CHECK(read(without(config, "final_logit_softcapping")).logit_soft_cap == 30.0);
  CHECK(read(without(config, "query_pre_attn_scalar")).attention_scale == 1.0 / 16);
  CHECK(read(without(config, "sliding_window")).windows == std::vector<Index>{4096, 0, 4096});
  CHECK(read(with(config, "sliding_window", nullptr)).windows.empty());
}

TEST_CASE("gpt2 has layer norms, learned positions, a plain feed-forward and tensors of its own") {
  const auto config = fixture("gpt2");
  const auto a = read(config);
  CHECK(a.pre_norm == NormKind::layer_norm);
  CHECK(a.final_norm == NormKind::layer_norm);
  CHECK(a.feed_forward == FeedForwardKind::plain);
  CHECK(a.activation == Activation::gelu_tanh);
  CHECK(a.biases == Biases{true, true, true, true, false, true, true});
  CHECK(a.rotary == RotaryKind::none);
  CHECK(a.learned_positions);
  CHECK(a.head_dim == 8);
  CHECK(a.feed_forward_size == 40);
  CHECK(a.tied_head);
  CHECK(a.tensors == TensorLayout::gpt2);
  CHECK(read(with(config, "n_inner", nullptr)).feed_forward_size == 96);
  CHECK(read(without(config, "activation_function")).activation == Activation::gelu_tanh);
  CHECK(read(without(config, "tie_word_embeddings")).tied_head);
  CHECK_FALSE(read(fixture("gpt2-untied")).tied_head);
  CHECK(read(with(config, "scale_attn_weights", false)).attention_scale == 1);
  CHECK(read(with(config, "n_head", 8)).head_dim == 3);  // odd, and nothing turns
  CHECK(fault(with(config, "n_head", 7)) == "'n_head' does not divide n_embd");
  CHECK(fault(with(config, "head_dim", 8)) == "'head_dim'" + kUnknown);
  CHECK(fault(with(config, "scale_attn_by_inverse_layer_idx", true)) ==
        "'scale_attn_by_inverse_layer_idx' is true, which plumb does not support");
}

TEST_CASE("gpt_neox has blocks side by side, and a quarter of each head that turns") {
  const auto config = fixture("gpt_neox-sequential");  // in the older spelling
  const auto a = read(config);
  CHECK_FALSE(a.parallel_residual);
  CHECK(a.rotary_theta == 500);
  CHECK(a.rotary_dim == 2);
  CHECK(a.activation == Activation::gelu);
  CHECK(a.biases == Biases{true, true, true, true, false, true, true});
  CHECK(a.tensors == TensorLayout::gpt_neox);
  CHECK(read(fixture("gpt_neox-parallel")).parallel_residual);
  CHECK(read(fixture("gpt_neox-parallel")).rotary_dim == 4);
  CHECK(read(without(config, "use_parallel_residual")).parallel_residual);
  CHECK(read(without(config, "rotary_pct")) == a);
  CHECK(read(without(config, "rotary_emb_base")).rotary_theta == 10000);
  CHECK(read(with(config, "rotary_pct", 1.0)).rotary_dim == 0);
  CHECK(read(without(config, "attention_bias")) == a);
  CHECK(read(with(config, "attention_bias", false)).biases == Biases{.up = true, .down = true});
  CHECK_FALSE(a.tied_head);
}

TEST_CASE("configurations as transformers 4 wrote them are read like those of transformers 5") {
  auto old = fixture("llama");
  old["rope_theta"] = old["rope_parameters"]["rope_theta"];
  old["rope_scaling"] = nullptr;
  old["torch_dtype"] = "float32";
  for (const auto* key : {"rope_parameters", "dtype"}) old.erase(key);
  CHECK(read(old) == read(fixture("llama")));
  // What SmolLM's folders say beside it.
  old["is_llama_config"] = true;
  old["rope_interleaved"] = false;
  old["transformers.js_config"] = json::object();
  CHECK(read(old) == read(fixture("llama")));
  CHECK(fault(with(old, "rope_interleaved", true)) ==
        "'rope_interleaved' is true, which plumb does not support");
}
