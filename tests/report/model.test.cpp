#include "plumb/report/model.hpp"

#include <catch2/catch.hpp>
#include <sstream>

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
