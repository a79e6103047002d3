#include "plumb/weights/outline.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "support/temporary.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using plumb::outline;
using plumb::test::TemporaryDirectory;

namespace {

const fs::path kModel = fs::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama";

}  // namespace

TEST_CASE("nothing is missing from a checkpoint that plumb runs") {
  const auto found = outline(kModel);
  CHECK(found.missing.empty());
  CHECK(found.family == "llama");
  CHECK(found.layers == 6);
  CHECK(found.hidden_size == 64);
  CHECK(found.heads == 2);
  CHECK(found.vocab_size == 512);
  CHECK(found.tensors.size() == 57);
}

TEST_CASE("a family that plumb does not know is outlined, with the reason") {
  const TemporaryDirectory folder;
  folder.write("config.json", R"({"model_type": "mpt", "n_layers": 3, "d_model": 16, "n_heads": 2,
      "max_seq_len": 99, "vocab_size": -5, "ffn_dim": "many"})");
  const auto found = outline(folder.path());
  CHECK(found.path == folder.path().string());
  CHECK(found.family == "mpt");
  CHECK(found.missing == (folder.path() / "config.json").string() +
                             ": 'model_type' is 'mpt', a family plumb does not know");
  CHECK(found.layers == 3);
  CHECK(found.hidden_size == 16);
  CHECK(found.heads == 2);
  CHECK(found.context_length == 99);
  CHECK_FALSE(found.vocab_size.has_value());
  CHECK_FALSE(found.feed_forward_size.has_value());
  CHECK(found.tensors.empty());
  CHECK_THAT(found.no_tensors, Contains("model.safetensors") && Contains("No such file"));
  fs::copy_file(kModel / "model.safetensors", folder.path() / "model.safetensors");
  CHECK(outline(folder.path()).tensors.size() == 57);
  CHECK(outline(folder.path()).no_tensors.empty());
}

TEST_CASE("sizes of a model for text and more are those of its part for text") {
  const TemporaryDirectory folder;
  folder.write("config.json", R"({"model_type": "gemma3", "text_config": {"num_hidden_layers": 4,
      "hidden_size": 8}, "hidden_size": 6})");
  CHECK(outline(folder.path()).layers == 4);
  CHECK(outline(folder.path()).hidden_size == 6);
}

TEST_CASE("a key that is not known is a reason, but a fault in the configuration is a fault") {
  const TemporaryDirectory folder;
  auto config = plumb::read_json(kModel / "config.json");
  config["logit_scale"] = 2;
  folder.write("config.json", config.dump());
  CHECK_THAT(outline(folder.path()).missing, Contains("'logit_scale' is not known to plumb"));
  config["hidden_size"] = -1;
  folder.write("config.json", config.dump());
  CHECK_THROWS_AS(outline(folder.path()), plumb::load_error);
  folder.write("config.json", "{");
  CHECK_THROWS_AS(outline(folder.path()), plumb::load_error);
  CHECK_THROWS_AS(outline(folder.path() / "none"), plumb::load_error);
}
