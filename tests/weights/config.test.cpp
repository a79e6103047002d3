#include "plumb/weights/config.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

#include "support/architectures.hpp"
#include "support/temporary.hpp"

using nlohmann::json;
using plumb::Architecture;
using plumb::Index;

namespace {

const json kLlama = json::parse(R"({
  "model_type": "llama", "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 3,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10, "vocab_size": 50,
  "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "hidden_act": "silu",
  "rope_parameters": {"rope_type": "default", "rope_theta": 500.5}, "tie_word_embeddings": true,
  "bos_token_id": 7})");

const json kPlumb = [] {
  auto config = kLlama;
  config["model_type"] = "plumb";
  config["pre_norm"] = "dynamic_tanh";
  config["post_norm"] = "rms_norm";
  config["qk_norm"] = "per_head";
  config["attention_gate"] = "head";
  config["attention_scale"] = 0.3;
  config["rotary_pairing"] = "interleaved";
  config["final_norm"] = "layer_norm";
  config["stored_gain"] = "gain_minus_one";
  config["parallel_residual"] = true;
  config["attention_soft_cap"] = 1.5;
  config["logit_soft_cap"] = 2.5;
  config["windows"] = {0, 3, 4};
  config["feed_forward"] = "plain";
  config["biases"] = {{"query", true}, {"down", true}};
  config["rotary"] = "linear";
  config["layer_rotary"] = {"none", "llama3", "unscaled"};
  config["rotary_scaling"] = {
      {"factor", 8.0}, {"low_frequency", 2.0}, {"high_frequency", 3.0}, {"original_context", 64}};
  config["rotary_dim"] = 6;
  config["learned_positions"] = true;
  config["embedding_scale"] = 0.5;
  config["tensor_layout"] = "phi3";
  return config;
}();

/// As it would be read from a file.
Architecture read(const json& config) {
  return plumb::parse_architecture("config.json", json::parse(config.dump()));
}

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

/// Empty when both say the same, or else what each says.
std::string difference(const Architecture& a, const Architecture& b) {
  if (a == b) return {};
  return a.family + plumb::to_config(a).dump() + " and " + b.family + plumb::to_config(b).dump();
}

const std::vector<std::string> kSizes = {
    "hidden_size",         "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim",          "vocab_size",        "max_position_embeddings"};

const std::vector<std::string> kRequired = {
    "model_type",          "hidden_size", "intermediate_size",       "num_hidden_layers",
    "num_attention_heads", "vocab_size",  "max_position_embeddings", "rms_norm_eps"};

/// Sizes that satisfy each other, and every option.
rc::Gen<Architecture> architectures() {
  return rc::gen::exec([] {
    const auto size = [] { return static_cast<Index>(*rc::gen::inRange(1, 5000)); };
    Architecture a;
    a.layers = *rc::gen::inRange<Index>(1, 50);
    a.hidden_size = size();
    a.feed_forward_size = size();
    a.kv_heads = size();
    a.heads = a.kv_heads * *rc::gen::inRange(1, 9);
    a.head_dim = 2 * size();
    a.vocab_size = size();
    a.context_length = size();
    return plumb::test::some_architecture(a);
  });
}

}  // namespace

// ---- What is read
// --------------------------------------------------------------------------------

TEST_CASE("a llama configuration is read") {
  const auto a = read(kLlama);
  CHECK(a.family == "llama");
  CHECK(a.hidden_size == 24);
  CHECK(a.feed_forward_size == 20);
  CHECK(a.layers == 3);
  CHECK(a.heads == 4);
  CHECK(a.kv_heads == 2);
  CHECK(a.head_dim == 10);
  CHECK(a.vocab_size == 50);
  CHECK(a.context_length == 128);
  CHECK(a.norm_eps == 1e-5);
  CHECK(a.rotary_theta == 500.5);
  CHECK(a.attention_scale == 1 / std::sqrt(10.0));
  CHECK(a.tied_head);
  CHECK(a.bos_token_id == 7);
  CHECK(a.activation == plumb::Activation::silu);
  CHECK(a.pre_norm == plumb::NormKind::rms_norm);
  CHECK(a.post_norm == plumb::NormKind::none);
  CHECK(a.qk_norm == plumb::QkNorm::none);
  CHECK(a.attention_gate == plumb::AttentionGate::none);
  CHECK(a.rotary_pairing == plumb::RotaryPairing::half_split);
}

TEST_CASE("a plumb configuration is read with every option") {
  const auto a = read(kPlumb);
  CHECK(a.family == "plumb");
  CHECK(a.pre_norm == plumb::NormKind::dynamic_tanh);
  CHECK(a.post_norm == plumb::NormKind::rms_norm);
  CHECK(a.qk_norm == plumb::QkNorm::per_head);
  CHECK(a.attention_gate == plumb::AttentionGate::head);
  CHECK(a.attention_scale == 0.3);
  CHECK(a.rotary_pairing == plumb::RotaryPairing::interleaved);
  CHECK(a.head_dim == 10);
  CHECK(a.final_norm == plumb::NormKind::layer_norm);
  CHECK(a.stored_gain == plumb::StoredGain::gain_minus_one);
  CHECK(a.parallel_residual);
  CHECK(a.attention_soft_cap == 1.5);
  CHECK(a.logit_soft_cap == 2.5);
  CHECK(a.windows == std::vector<Index>{0, 3, 4});
  CHECK(a.window_of(1) == 3);
  CHECK(a.feed_forward == plumb::FeedForwardKind::plain);
  CHECK(a.biases == plumb::Biases{.query = true, .down = true});
  CHECK(a.rotary == plumb::RotaryKind::linear);
  CHECK(a.rotary_of(1) == plumb::RotaryKind::llama3);
  CHECK(a.rotary_scaling == plumb::RotaryScaling{8, 2, 3, 64});
  CHECK(a.rotary_size() == 6);
  CHECK(a.learned_positions);
  CHECK(a.embedding_scale == 0.5);
  CHECK(a.tensors == plumb::TensorLayout::phi3);
}

TEST_CASE("every spelling of an option is read") {
  using namespace plumb;
  const auto option = [](const std::string& key, const std::string& value) {
    return read(with(kPlumb, key, value));
  };
  CHECK(option("pre_norm", "none").pre_norm == NormKind::none);
  CHECK(option("pre_norm", "rms_norm").pre_norm == NormKind::rms_norm);
  CHECK(option("pre_norm", "dynamic_tanh").pre_norm == NormKind::dynamic_tanh);
  CHECK(option("post_norm", "none").post_norm == NormKind::none);
  CHECK(option("post_norm", "rms_norm").post_norm == NormKind::rms_norm);
  CHECK(option("qk_norm", "none").qk_norm == QkNorm::none);
  CHECK(option("qk_norm", "per_head").qk_norm == QkNorm::per_head);
  CHECK(option("qk_norm", "all_heads").qk_norm == QkNorm::all_heads);
  CHECK(option("attention_gate", "none").attention_gate == AttentionGate::none);
  CHECK(option("attention_gate", "channel").attention_gate == AttentionGate::channel);
  CHECK(option("attention_gate", "head").attention_gate == AttentionGate::head);
  CHECK(option("attention_gate", "token").attention_gate == AttentionGate::token);
  CHECK(option("rotary_pairing", "half_split").rotary_pairing == RotaryPairing::half_split);
  CHECK(option("rotary_pairing", "interleaved").rotary_pairing == RotaryPairing::interleaved);
}

TEST_CASE("what is absent has a default, and null is absent") {
  using namespace plumb;
  for (const bool null : {false, true}) {
    INFO((null ? "null" : "absent"));
    const auto drop = [&](const json& config, const std::string& key) {
      return read(null ? with(config, key, nullptr) : without(config, key));
    };
    CHECK(drop(kLlama, "num_key_value_heads").kv_heads == 4);
    CHECK(drop(kLlama, "head_dim").head_dim == 6);
    CHECK(drop(kLlama, "head_dim").attention_scale == 1 / std::sqrt(6.0));
    CHECK(drop(kLlama, "hidden_act").activation == Activation::silu);
    CHECK(drop(kLlama, "rope_parameters").rotary_theta == 10000);
    CHECK_FALSE(drop(kLlama, "tie_word_embeddings").tied_head);
    CHECK_FALSE(drop(kLlama, "bos_token_id").bos_token_id.has_value());
    CHECK(drop(kPlumb, "pre_norm").pre_norm == NormKind::rms_norm);
    CHECK(drop(kPlumb, "post_norm").post_norm == NormKind::none);
    CHECK(drop(kPlumb, "qk_norm").qk_norm == QkNorm::none);
    CHECK(drop(kPlumb, "attention_gate").attention_gate == AttentionGate::none);
    CHECK(drop(kPlumb, "attention_scale").attention_scale == 1 / std::sqrt(10.0));
    CHECK(drop(kPlumb, "rotary_pairing").rotary_pairing == RotaryPairing::half_split);
    for (const auto& key : kRequired) {
      INFO(key);
      const auto config = null ? with(kLlama, key, nullptr) : without(kLlama, key);
      CHECK(fault(config) == "'" + key + "' is missing");
    }
  }
}

TEST_CASE("rotary is spelled as rope_parameters or as rope_theta") {
  const auto old = without(kLlama, "rope_parameters");
  CHECK(read(with(old, "rope_theta", 77)).rotary_theta == 77);
  CHECK(read(with(with(old, "rope_theta", 77), "rope_scaling", nullptr)).rotary_theta == 77);
  CHECK(read(with(with(old, "rope_theta", 77), "rope_parameters", nullptr)).rotary_theta == 77);
  const auto rotary = [](const char* text) {
    return with(kLlama, "rope_parameters", json::parse(text));
  };
  CHECK(read(rotary("{}")).rotary_theta == 10000);
  CHECK(read(rotary(R"({"rope_theta": 5})")).rotary_theta == 5);
  CHECK(read(rotary(R"({"rope_type": "default"})")).rotary_theta == 10000);
  CHECK(read(rotary(R"({"rope_type": null, "rope_theta": null})")).rotary_theta == 10000);
}

TEST_CASE("sizes are read up to 2^31 - 1") {
  constexpr Index most = 2147483647;
  CHECK(read(with(kLlama, "vocab_size", most)).vocab_size == most);
  CHECK(read(with(kLlama, "hidden_size", most)).hidden_size == most);
  auto wide = with(with(kLlama, "num_attention_heads", most), "num_key_value_heads", most);
  wide["head_dim"] = most - 1;
  const auto a = read(wide);
  CHECK(a.query_size() == most * (most - 1));
  CHECK(a.kv_head(most - 1) == most - 1);
}

TEST_CASE("keys that say nothing about the forward pass are ignored, whatever they hold") {
  for (const auto* key : {"architectures", "dtype", "torch_dtype", "transformers_version",
                          "use_cache", "initializer_range", "pad_token_id", "eos_token_id",
                          "pretraining_tp", "attention_dropout", "_name_or_path", "training"}) {
    for (const auto& value :
         {json(nullptr), json(-1), json("text"), json({1, 2}), json::object()}) {
      INFO(key << ": " << value);
      CHECK(difference(read(with(kLlama, key, value)), read(kLlama)) == "");
      CHECK(difference(read(with(kPlumb, key, value)), read(kPlumb)) == "");
    }
  }
}

// ---- What is refused
// -----------------------------------------------------------------------------

TEST_CASE("a configuration that is no object is refused") {
  for (const auto& config : {json::array(), json(1), json(nullptr), json("llama")}) {
    CHECK(fault(config) == "the file is no JSON object");
  }
}

TEST_CASE("a family that is not known is refused by name") {
  CHECK(fault(with(kLlama, "model_type", "mamba")) ==
        "'model_type' is 'mamba', a family plumb does not know");
  CHECK(fault(with(kLlama, "model_type", "Llama")) ==
        "'model_type' is 'Llama', a family plumb does not know");
  CHECK(fault(with(kLlama, "model_type", 1)) == "'model_type' is no string");
}

TEST_CASE("a key that is not known is refused by name") {
  const std::string fault_of = " is not known to plumb, and it may change the mathematics";
  for (const auto& config : {kLlama, kPlumb}) {
    for (const auto* key :
         {"sliding_window", "final_logit_softcapping", "Hidden_size", "", "rope"}) {
      for (const auto& value : {json(1), json(false), json("x"), json::object()}) {
        INFO(key << ": " << value);
        CHECK(fault(with(config, key, value)) == "'" + std::string(key) + "'" + fault_of);
      }
    }
    CHECK(fault(with(config, "rope_parameters", {{"rope_theta", 1.0}, {"factor", 8.0}})) ==
          "'rope_parameters.factor'" + fault_of);
  }
  for (const auto& [key, value] : kPlumb.items()) {
    if (kLlama.contains(key)) continue;
    CHECK(fault(with(kLlama, key, value)) == "'" + key + "'" + fault_of);
  }
}

TEST_CASE("a key that is not known and null is absent") {
  CHECK(difference(read(with(kLlama, "sliding_window", nullptr)), read(kLlama)) == "");
  CHECK(difference(read(with(kPlumb, "sliding_window", nullptr)), read(kPlumb)) == "");
}

TEST_CASE("a size that is no whole number in its range is refused with its value") {
  for (const auto& key : kSizes) {
    for (const auto& value :
         {json(0), json(-1), json(1.0), json(2.5), json(1e3), json("4"), json(true), json::array(),
          json::object(), json({4}), json(2147483648), json(4294967297), json(UINT64_MAX)}) {
      CHECK(fault(with(kLlama, key, value)) ==
            "'" + key + "' is " + value.dump() + ", expected a whole number of at least 1");
    }
  }
}

TEST_CASE("a number that is not finite and above zero is refused with its value") {
  const auto refused = [](const std::string& key, const json& value) {
    return "'" + key + "' is " + value.dump() + ", expected a number above zero";
  };
  for (const auto& value : {json(0), json(0.0), json(-0.0), json(-1), json(-1e-9), json("1"),
                            json(true), json::array(), json::object()}) {
    CHECK(fault(with(kLlama, "rms_norm_eps", value)) == refused("rms_norm_eps", value));
    CHECK(fault(with(kPlumb, "attention_scale", value)) == refused("attention_scale", value));
    CHECK(fault(with(without(kLlama, "rope_parameters"), "rope_theta", value)) ==
          refused("rope_theta", value));
    CHECK(fault(with(kLlama, "rope_parameters", {{"rope_theta", value}})) ==
          refused("rope_parameters.rope_theta", value));
  }
  CHECK(read(with(kLlama, "rms_norm_eps", 1)).norm_eps == 1);
  CHECK(read(with(kLlama, "rms_norm_eps", 5e-324)).norm_eps == 5e-324);
}

TEST_CASE("a flag that is neither true nor false is refused with its value") {
  for (const auto* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"}) {
    for (const auto& value : {json(0), json(1), json("true"), json::array()}) {
      CHECK(fault(with(kLlama, key, value)) ==
            "'" + std::string(key) + "' is " + value.dump() + ", expected a flag");
    }
  }
}

TEST_CASE("biases of llama are read, and have other names in plumb") {
  CHECK(read(kLlama).biases == plumb::Biases{});
  CHECK(read(with(kLlama, "attention_bias", false)).biases == plumb::Biases{});
  CHECK(read(with(kLlama, "attention_bias", true)).biases ==
        plumb::Biases{.query = true, .key = true, .value = true, .output = true});
  CHECK(read(with(kLlama, "mlp_bias", true)).biases ==
        plumb::Biases{.gate = true, .up = true, .down = true});
  for (const std::string key : {"attention_bias", "mlp_bias"}) {
    CHECK_THAT(fault(with(kPlumb, key, true)), Catch::Matchers::StartsWith("'" + key + "'"));
  }
  CHECK(fault(with(kPlumb, "biases", {{"query", 1}})) == "'biases.query' is 1, expected a flag");
  CHECK_THAT(fault(with(kPlumb, "biases", {{"head", true}})),
             Catch::Matchers::StartsWith("'biases.head' is not known"));
}

TEST_CASE("an option with another spelling is refused with those that are known") {
  CHECK(fault(with(kLlama, "hidden_act", "quick_gelu")) ==
        "'hidden_act' is 'quick_gelu', expected one of: silu, gelu, gelu_tanh, relu, swish, "
        "gelu_new, gelu_pytorch_tanh, gelu_fast");
  CHECK(fault(with(kPlumb, "pre_norm", "batch_norm")) ==
        "'pre_norm' is 'batch_norm', expected one of: none, rms_norm, layer_norm, dynamic_tanh");
  CHECK(fault(with(kPlumb, "qk_norm", "")) ==
        "'qk_norm' is '', expected one of: none, per_head, all_heads");
  CHECK(fault(with(kPlumb, "attention_gate", "Head")) ==
        "'attention_gate' is 'Head', expected one of: none, channel, head, token");
  CHECK(fault(with(kPlumb, "rotary_pairing", "half")) ==
        "'rotary_pairing' is 'half', expected one of: half_split, interleaved");
  CHECK(fault(with(kPlumb, "post_norm", "dynamic_tanh")) ==
        "'post_norm' is 'dynamic_tanh', expected 'none', 'rms_norm' or 'layer_norm'");
  for (const auto* key :
       {"hidden_act", "pre_norm", "post_norm", "qk_norm", "attention_gate", "rotary_pairing"}) {
    for (const auto& value : {json(1), json(true), json({"none"})}) {
      CHECK(fault(with(kPlumb, key, value)) == "'" + std::string(key) + "' is no string");
    }
  }
}

TEST_CASE("rotary that is scaled is read in either spelling") {
  using plumb::RotaryKind;
  const auto old = without(kLlama, "rope_parameters");
  const json linear = {{"factor", 4.0}};
  const json llama3 = {{"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  const auto check = [](const Architecture& a, RotaryKind kind, double theta,
                        const plumb::RotaryScaling& scaling) {
    CHECK(a.rotary == kind);
    CHECK(a.rotary_theta == theta);
    CHECK(a.rotary_scaling == scaling);
  };
  const plumb::RotaryScaling by_four{.factor = 4}, by_eight{8, 1, 4, 16};
  for (const auto* type : {"type", "rope_type"}) {
    const auto spelled = [&](json scaling, const char* kind) {
      scaling[type] = kind;
      return with(with(old, "rope_theta", 77), "rope_scaling", scaling);
    };
    check(read(spelled(linear, "linear")), RotaryKind::linear, 77, by_four);
    check(read(spelled(llama3, "llama3")), RotaryKind::llama3, 77, by_eight);
    check(read(spelled({}, "default")), RotaryKind::unscaled, 77, {});
  }
  auto parameters = llama3;
  parameters["rope_type"] = "llama3";
  parameters["rope_theta"] = 5;
  check(read(with(kLlama, "rope_parameters", parameters)), RotaryKind::llama3, 5, by_eight);
}

TEST_CASE("rotary that is malformed, or none of ours, is refused") {
  const auto rotary = [](const char* text) {
    return fault(with(kLlama, "rope_parameters", json::parse(text)));
  };
  CHECK(rotary(R"({"rope_type": "yarn"})") ==
        "'rope_parameters.rope_type' is 'yarn', expected one of: default, linear, llama3");
  CHECK(rotary(R"({"rope_type": "llama3"})") == "'rope_parameters.factor' is missing");
  CHECK(rotary(R"({"rope_type": "linear", "factor": 0})") ==
        "'rope_parameters.factor' is 0, expected a number above zero");
  CHECK(rotary(R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                   "high_freq_factor": 4, "original_max_position_embeddings": 9})") ==
        "'rope_parameters.high_freq_factor' is not above low_freq_factor");
  CHECK(rotary(R"({"rope_type": 1})") == "'rope_parameters.rope_type' is no string");
  for (const auto* text : {"1", "[]", "\"default\"", "true"}) {
    CHECK(rotary(text) == "'rope_parameters' is no JSON object");
  }
  const auto old = without(kLlama, "rope_parameters");
  CHECK(fault(with(old, "rope_scaling", {{"type", "dynamic"}})) ==
        "'rope_scaling.type' is 'dynamic', expected one of: default, linear, llama3");
  CHECK(fault(with(old, "rope_scaling", {{"type", "linear"}, {"beta", 2}, {"factor", 2}})) ==
        "'rope_scaling.beta' is not known to plumb, and it may change the mathematics");
  // Two spellings at once could disagree.
  CHECK_THAT(fault(with(kLlama, "rope_theta", 500.5)), Catch::Matchers::StartsWith("'rope_theta'"));
  CHECK_THAT(fault(with(kLlama, "rope_scaling", {{"type", "linear"}, {"factor", 2}})),
             Catch::Matchers::StartsWith("'rope_scaling'"));
}

TEST_CASE("options of plumb that do not fit each other are refused") {
  CHECK(fault(with(kPlumb, "windows", {1, 2})) == "'windows' is no list of 3 entries");
  CHECK(fault(with(kPlumb, "windows", {1, 2, -1})) ==
        "'windows' holds -1, expected whole numbers of at least 0");
  CHECK(fault(with(kPlumb, "layer_rotary", {"none", "none", 1})) ==
        "'layer_rotary' holds 1, expected strings");
  CHECK(fault(with(kPlumb, "layer_rotary", {"none", "none", "yarn"})) ==
        "'layer_rotary' holds 'yarn', expected one of: none, unscaled, linear, llama3");
  CHECK(fault(with(kPlumb, "rotary_dim", 12)) == "'rotary_dim' is above head_dim");
  CHECK(fault(with(kPlumb, "rotary_dim", 5)) == "'rotary_dim' is odd; rotary planes need pairs");
  CHECK(fault(with(kPlumb, "tensor_layout", "gpt_neox")) ==
        "'tensor_layout' is 'gpt_neox', which has a key head for each query head");
  CHECK(fault(with(kPlumb, "rotary_scaling", {{"factor", 1}})) ==
        "'rotary_scaling.low_frequency' is missing");
  CHECK(
      fault(with(
          kPlumb, "rotary_scaling",
          {{"factor", 1}, {"low_frequency", 2}, {"high_frequency", 2}, {"original_context", 1}})) ==
      "'rotary_scaling' has a high_frequency that is not above low_frequency");
  // Where nothing turns, nothing needs pairs.
  auto still = without(with(with(kPlumb, "head_dim", 7), "rotary", "none"), "layer_rotary");
  still.erase("rotary_dim");
  CHECK(read(still).head_dim == 7);
}

TEST_CASE("what plumb lacks is told from what is wrong") {
  const auto thrown = [](const json& config) -> std::string {
    try {
      read(config);
    } catch (const plumb::unsupported_error&) {
      return "unsupported";
    } catch (const plumb::load_error&) {
      return "wrong";
    }
    return "read";
  };
  CHECK(thrown(with(kLlama, "model_type", "mamba")) == "unsupported");
  CHECK(thrown(with(kLlama, "logit_scale", 2)) == "unsupported");
  CHECK(thrown(with(kLlama, "hidden_act", "tanh")) == "unsupported");
  CHECK(thrown(with(kLlama, "rope_parameters", {{"rope_type", "yarn"}})) == "unsupported");
  CHECK(thrown(with(kLlama, "is_encoder_decoder", true)) == "unsupported");
  CHECK(thrown(with(kLlama, "hidden_size", 0)) == "wrong");
  CHECK(thrown(without(kLlama, "vocab_size")) == "wrong");
  CHECK(thrown(json::array()) == "wrong");
}

TEST_CASE("more layers than any model has are refused before anything is made for each") {
  const auto many = plumb::kLayerLimit + 1;
  CHECK(fault(with(kLlama, "num_hidden_layers", many)) ==
        "'num_hidden_layers' is over " + std::to_string(plumb::kLayerLimit));
}

TEST_CASE("heads that do not fit each other are refused") {
  CHECK(fault(with(kLlama, "num_key_value_heads", 3)) ==
        "'num_key_value_heads' does not divide num_attention_heads");
  CHECK(fault(with(kLlama, "num_key_value_heads", 8)) ==
        "'num_key_value_heads' does not divide num_attention_heads");
  CHECK(fault(with(kLlama, "head_dim", 7)) == "'head_dim' is odd; rotary planes need pairs");
  const auto no_head_dim = without(kLlama, "head_dim");
  CHECK(fault(with(no_head_dim, "hidden_size", 26)) ==
        "'num_attention_heads' does not divide hidden_size, and head_dim is missing");
  CHECK(fault(with(no_head_dim, "hidden_size", 28)) ==
        "'head_dim' is odd; rotary planes need pairs");
  CHECK_THAT(fault(with(no_head_dim, "hidden_size", 2)),
             Catch::Matchers::StartsWith("'num_attention_heads' does not divide hidden_size"));
}

TEST_CASE("a start token outside the vocabulary is refused") {
  CHECK(read(with(kLlama, "bos_token_id", 0)).bos_token_id == 0);
  CHECK(read(with(kLlama, "bos_token_id", 49)).bos_token_id == 49);
  CHECK(fault(with(kLlama, "bos_token_id", 50)) == "'bos_token_id' is outside the vocabulary");
  for (const auto& value : {json(-1), json(1.0), json("1"), json({1})}) {
    CHECK(fault(with(kLlama, "bos_token_id", value)) ==
          "'bos_token_id' is " + value.dump() + ", expected a whole number of at least 0");
  }
}

TEST_CASE("a configuration is read from its file, and faults name it") {
  const plumb::test::TemporaryDirectory folder;
  CHECK(difference(plumb::read_architecture(folder.write("config.json", kPlumb.dump(2))),
                   read(kPlumb)) == "");
  const auto file_fault = [](const std::filesystem::path& path) {
    return plumb::test::fault(path, [](const auto& p) { return plumb::read_architecture(p); });
  };
  CHECK(file_fault(folder.write("b.json", without(kPlumb, "vocab_size").dump())) ==
        "'vocab_size' is missing");
  CHECK_THAT(file_fault(folder.path() / "missing.json"), Catch::Matchers::Contains("No such file"));
  auto twice = kPlumb.dump();
  twice.insert(1, "\"qk_norm\": \"none\",");
  CHECK(file_fault(folder.write("c.json", twice)) == "JSON key \"qk_norm\" appears twice");
}

// ---- Writing
// -------------------------------------------------------------------------------------

TEST_CASE("the configuration of any architecture reads back as it") {
  rc::prop("through a file", [] {
    const auto a = *architectures();
    RC_ASSERT(difference(
                  plumb::parse_architecture("config.json", json::parse(plumb::to_config(a).dump())),
                  a) == "");
  });
  rc::prop("without a file between", [] {
    const auto a = *architectures();
    RC_ASSERT(difference(plumb::parse_architecture("memory", plumb::to_config(a)), a) == "");
  });
}

TEST_CASE("a llama model is written as a plumb model") {
  auto a = read(kLlama);
  const auto back = read(json::parse(plumb::to_config(a).dump()));
  a.family = "plumb";
  CHECK(difference(back, a) == "");
}
