// `plumb claims`, as a user runs it.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/program.hpp"

namespace {

bool says(const std::string& text, const char* words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("no claim is violated on the bundled model, and the table tells the known numbers") {
  const auto run = run_program("claims");
  INFO(run.out << run.err);
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  CHECK(says(run.out, " 0 violated"));
  CHECK(says(run.out, " 0 unresolved"));
  CHECK(says(run.out, "write-budget-feed-forward (a)"));
  CHECK(says(run.out, "52.87  <=     58.925"));
  CHECK(says(run.out, "the norm before blocks is rms_norm, not dynamic_tanh"));
}

TEST_CASE("--json has a verdict for each claim, with its evidence; texts add up") {
  const auto run = run_program("claims --text one --text another --json -");
  REQUIRE(run.status == 0);
  const auto json = nlohmann::json::parse(run.out);
  CHECK(json["schema"] == "plumb.claims/1");
  CHECK(json["claims"].size() > 100);
  for (const auto& claim : json["claims"]) {
    INFO(claim);
    CHECK((claim["verdict"] == "holds" || claim["verdict"] == "vacuous"));
    CHECK(claim["evidence"].size() >= 2);
    if (claim["verdict"] == "vacuous") CHECK_FALSE(claim["reason"].get<std::string>().empty());
  }
}

TEST_CASE("a model whose assumptions fail gets reasons, not verdicts") {
  const auto run = run_program("claims --model " PLUMB_SOURCE_DIR
                               "/tests/fixtures/hf/gpt2 --ids " PLUMB_SOURCE_DIR
                               "/tests/fixtures/hf/gpt2/ids.npy");
  INFO(run.out << run.err);
  CHECK(run.status == 0);
  CHECK(says(run.out, "the norm before blocks is layer_norm, not rms_norm"));
  CHECK(says(run.out, "the layer has no rotary positions"));
  CHECK(says(run.out, "no gate"));
}
