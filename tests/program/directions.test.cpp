// `plumb directions` and `plumb census` on the bundled checkpoint, as a user runs them.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/program.hpp"

namespace {

bool says(const std::string& text, const char* words) {
  return text.find(words) != std::string::npos;
}

nlohmann::json json_of(const std::string& arguments) {
  const auto run = run_program(arguments + " --json -");
  INFO(run.err);
  REQUIRE(run.status == 0);
  return nlohmann::json::parse(run.out);
}

}  // namespace

TEST_CASE("directions ranks the channels of all layers, and screening misses none") {
  const auto run = run_program("directions");
  INFO(run.out << run.err);
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  CHECK(says(run.out, "the gain of RMSNorm is folded"));
  CHECK(says(run.out, "energy share"));

  const auto screened = json_of("directions --top 5")["channels"];
  const auto all = json_of("directions --channels all --top 5")["channels"];
  REQUIRE(screened.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(screened[i]["layer"] == all[i]["layer"]);
    CHECK(screened[i]["channel"] == all[i]["channel"]);
  }
}

TEST_CASE("directions of the channel that spikes has the known numbers") {
  const auto json = json_of("directions --layer 0 --channels 61,3 --vectors");
  CHECK(json["schema"] == "plumb.directions/1");
  REQUIRE(json["layers"].size() == 1);
  CHECK(json["layers"][0]["layer"] == 0);
  CHECK(json["layers"][0]["obstacle"].is_null());
  CHECK(json["layers"][0]["searched"] == 2);
  REQUIRE(json["channels"].size() == 2);
  const auto& top = json["channels"][0];
  CHECK(top["channel"] == 61);
  CHECK(std::abs(top["lambda1"].get<double>()) == Approx(0.9154).margin(5e-5));
  CHECK(top["lambda2_abs_bound"].get<double>() >= 0.2758);
  CHECK(top["energy_share"].get<double>() == Approx(0.785).margin(5e-4));
  CHECK(top["status"] == "converged");
  CHECK(top["neuron"] == 163);
  CHECK(top["neuron_cosine"].get<double>() == Approx(-0.804).margin(5e-4));
  CHECK(top["direction"].size() == 64);
  CHECK_FALSE(json_of("directions --top 1")["channels"][0].contains("direction"));
}

TEST_CASE("census of the bundled model finds its start token") {
  const auto run = run_program("census");
  INFO(run.out << run.err);
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  CHECK(says(run.out, "The vocabulary of 512 tokens at position 0"));
  CHECK(says(run.out, "53.61  0 \"<s>\""));

  const auto json = json_of("census --absolute 25 --relative 0");
  CHECK(json["schema"] == "plumb.census/1");
  CHECK(json["spike"]["absolute"] == 25);
  CHECK(json["spike"]["relative"] == 0);
  CHECK(json["spike"]["tier"] == "massive");
  REQUIRE(json["layers"].size() == 6);
  CHECK(json["layers"][0]["layer"] == 0);
  CHECK(json["layers"][0]["share"] == 1.0 / 512);
  CHECK(json["layers"][0]["channels"] == std::vector<int>{61});
  CHECK(json["exceptions"][0]["token"] == 0);
  CHECK(json["exceptions"][0]["text"] == "<s>");
  CHECK(json["embedding"]["share"] == 0);
}

TEST_CASE("census and directions need no tokenizer") {
  const plumb::test::TemporaryDirectory folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(std::string(PLUMB_SOURCE_DIR "/examples/models/tiny-llama/") + name,
                               folder.path() / name);
  }
  const auto json = json_of("census --absolute 25 --relative 0 --model " + folder.path().string());
  CHECK(json["exceptions"][0]["text"].is_null());
  CHECK(run_program("directions --top 3 --model " + folder.path().string()).status == 0);
}

TEST_CASE("directions and census write files whole") {
  const plumb::test::TemporaryDirectory folder;
  const auto file = (folder.path() / "report.json").string();
  CHECK(run_program("directions --top 2 --json " + file).status == 0);
  CHECK(nlohmann::json::parse(plumb::test::read_bytes(file))["channels"].size() == 2);
  CHECK(run_program("census --json " + file).status == 0);
  CHECK(nlohmann::json::parse(plumb::test::read_bytes(file))["schema"] == "plumb.census/1");
}
