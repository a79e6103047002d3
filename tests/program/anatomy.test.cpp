// `plumb anatomy` and `plumb info` on the bundled checkpoint, as a user runs them.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "plumb/weights/safetensors.hpp"
#include "support/program.hpp"

namespace {

const std::string kModel = PLUMB_SOURCE_DIR "/examples/models/tiny-llama";

bool says(const std::string& text, const char* words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("anatomy of the bundled model needs no arguments and tells the known story") {
  const auto run = run_program("anatomy");
  INFO(run.out << run.err);
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  CHECK(says(run.out, "One text of 128 tokens, start token prepended; loss 2.570"));
  CHECK(says(run.out, "an outlier, channel 61 at position 0 \"<s>\", 136 times"));
  CHECK(says(run.out, "step-up    layer 0 feed_forward writes 52.87"));
  CHECK(says(run.out, "step-down  none"));
  CHECK(says(run.out, "53.61 53.84 54.86 54.88 48.75 60.97"));
  CHECK(says(run.out, "Amplifier: F(x) = lambda (s.x)^2"));
  CHECK(says(run.out, "53.626       0.095    -0.850  0.9154      0.2758"));
  CHECK(says(run.out, "the spectral part is proven to be at most 2.59"));
  CHECK(says(run.out, "6 of 12 by Gu et al."));
  CHECK(says(run.out, "5 of 12 by later queries"));
}

TEST_CASE("--json - writes the report as JSON and no table") {
  const auto run = run_program("anatomy --json -");
  REQUIRE(run.status == 0);
  const auto json = nlohmann::json::parse(run.out);
  CHECK(json["schema"] == "plumb.anatomy/1");
  CHECK(json["tokens"]["ids"].size() == 128);
  CHECK(json["tokens"]["text"][0] == "<s>");
  CHECK(json["tokens"]["bos_prepended"] == true);
  CHECK(json["spike"]["tier"] == "outlier");
  CHECK(json["spike"]["step_up"][0]["channel"] == 61);
  CHECK(json["spike"]["step_up"][0]["write"].get<double>() == Approx(52.87).margin(0.005));
  CHECK(json["sink"]["ratio_first_token"] == 0.5);

  REQUIRE(json["amplifier"].size() == 1);
  const auto& amplifier = json["amplifier"][0];
  CHECK(amplifier["layer"] == 0);
  CHECK(amplifier["channel"] == 61);
  CHECK(amplifier["position"] == 0);
  const auto near = [&](const char* field, double want, double margin) {
    INFO(field);
    CHECK(amplifier[field].get<double>() == Approx(want).margin(margin));
  };
  near("value", 52.870, 5e-4);
  near("quadratic", 53.721, 5e-4);
  near("rank_one", 53.626, 5e-4);
  near("spectral_remainder", 0.095, 5e-4);
  near("gating_remainder", -0.850, 5e-4);
  near("lambda1", 0.9154, 5e-5);
  near("lambda2_abs", 0.2758, 5e-5);
  near("energy_share", 0.785, 5e-4);
  near("alignment", 0.915, 5e-4);
  near("neuron_share", 0.992, 5e-4);
  near("neuron_cosine", -0.804, 5e-4);
  near("certificate", 2.59, 5e-3);
  CHECK(amplifier["neuron"] == 163);
}

TEST_CASE("--ids, --json and --trace files: the same run, written whole") {
  const plumb::test::TemporaryDirectory folder;
  const auto json_file = folder.path() / "report.json";
  const auto trace_file = folder.path() / "trace.safetensors";
  const auto run =
      run_program("anatomy --model " + kModel + " --ids " + kModel + "/ids.npy --json " +
                  json_file.string() + " --trace " + trace_file.string());
  INFO(run.err);
  REQUIRE(run.status == 0);
  const auto json = nlohmann::json::parse(plumb::test::read_bytes(json_file));
  CHECK(json["tokens"]["bos_prepended"] == false);
  CHECK(json["sink"]["ratio_first_token"] == 0.5);
  const auto tensors = plumb::read_safetensors(trace_file);
  CHECK(tensors.at("residual.6").shape == std::vector<plumb::Index>{128, 64});
  CHECK(tensors.at("attention.5").shape == std::vector<plumb::Index>{2, 128, 128});
  CHECK(tensors.at("logits").shape == std::vector<plumb::Index>{128, 512});
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++files;
  }
  CHECK(files == 2);
}

TEST_CASE("several texts are averaged, and the count is printed") {
  const auto run =
      run_program("anatomy --text 'The fact is no longer a secret.' --text 'His wife'");
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK(says(run.out, "2 texts of"));
  CHECK(says(run.out, "Warning: below 10 tokens"));
}

TEST_CASE("--no-bos leaves the start token out, and the report says so") {
  const auto run = run_program("anatomy --no-bos --text 'The fact is no longer a secret.'");
  REQUIRE(run.status == 0);
  CHECK(says(run.out, "no start token prepended"));
  CHECK_FALSE(says(run.out, "\"<s>\""));
}

TEST_CASE("--threads does not change what is found") {
  CHECK(run_program("anatomy --threads 1").out == run_program("anatomy --threads 2").out);
}

TEST_CASE("info says what the checkpoint is") {
  const auto run = run_program("info");
  CHECK(run.status == 0);
  CHECK(says(run.out, "367424"));
  CHECK(says(run.out, "rms_norm"));
}

TEST_CASE("help and version end with status 0") {
  CHECK(run_program("--help").status == 0);
  CHECK(says(run_program("--version").out, "plumb 0.1.0"));
}
