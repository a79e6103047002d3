#include "plumb/report/model.hpp"

#include <catch2/catch.hpp>
#include <initializer_list>
#include <sstream>
#include <string>

namespace {

plumb::Checkpoint bundled() {
  return plumb::Checkpoint::open(PLUMB_SOURCE_DIR "/examples/models/tiny-llama");
}

}  // namespace

TEST_CASE("the model field holds the sizes of the checkpoint") {
  const auto json = plumb::report::model_json(bundled());
  CHECK(json["family"] == "llama");
  CHECK(json["layers"] == 6);
  CHECK(json["hidden_size"] == 64);
  CHECK(json["heads"] == 2);
  CHECK(json["kv_heads"] == 2);
  CHECK(json["head_dim"] == 32);
  CHECK(json["vocab_size"] == 512);
  CHECK(json["parameters"] == 367424);
}

TEST_CASE("info names every option of the architecture") {
  std::ostringstream out;
  plumb::report::print_info(out, bundled());
  for (const char* part :
       {"llama", "176 neurons, gated silu", "2 of 32", "rms_norm", "1e-05",
        "theta 10000, half_split", "128 tokens", "512, head apart", "367424", "BF16"}) {
    INFO(part);
    CHECK(out.str().find(part) != std::string::npos);
  }
}

TEST_CASE("info of families names what is theirs") {
  const auto text = [](const std::string& name) {
    std::ostringstream out;
    plumb::report::print_info(
        out, plumb::Checkpoint::open(PLUMB_SOURCE_DIR "/tests/fixtures/hf/" + name));
    return out.str();
  };
  const auto check = [&](const std::string& name, std::initializer_list<const char*> parts) {
    const auto info = text(name);
    for (const char* part : parts) {
      INFO(name << ": " << part << '\n' << info);
      CHECK(info.find(part) != std::string::npos);
    }
  };
  check("gemma2-caps", {"gated gelu_tanh", "5 tokens in 2 layers", "1.5", "15", "4.89"});
  check("gpt2", {"plain gelu_tanh", "layer_norm", "query, key, value, output, up, down", "yes"});
  check("gpt_neox-parallel", {"side by side", "4 of a head"});
  check("llama3-rope", {"llama3 scaling by 8"});
  check("smollm3", {"none in 1 layers"});
  check("llama-f16", {"F16"});
}

TEST_CASE("info of a checkpoint that plumb does not run says what is known, and why not") {
  plumb::Outline outline;
  outline.path = "folder";
  outline.family = "mamba";
  outline.layers = 7;
  outline.missing = "folder/config.json: 'model_type' is 'mamba', a family plumb does not know";
  outline.no_tensors = "folder/model.safetensors: No such file or directory";
  std::ostringstream out;
  plumb::report::print_info(out, outline);
  for (const auto& part :
       {std::string("mamba"), std::string("7"), outline.missing, outline.no_tensors}) {
    CHECK(out.str().find(part) != std::string::npos);
  }
  CHECK(out.str().find("hidden size") == std::string::npos);
}
