// The checkpoint stories260K against what llama2.c itself writes with it.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "plumb/sink/importance.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/weights/tokenizer.hpp"

namespace fs = std::filesystem;

namespace {

/// The first 200 tokens behind the start token, at temperature 0: expected_stdout in llama2.c's
/// test_all.py, which both run.c and the PyTorch model that it was exported from must write.
const std::string kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
    "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She "
    "said, \"I want to play with your ball, but I can't find it.\"\n"
    "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to "
    "do.\"\n"
    "Lily didn't want to help her mom, so she";

/// The folder of stories260K below PLUMB_MODELS, which names a folder that holds larger models.
fs::path stories() {
  const char* const root = std::getenv("PLUMB_MODELS");
  if (root == nullptr) return {};
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "stories260K.bin") return entry.path();
  }
  return {};
}

}  // namespace

TEST_CASE("stories260K writes the story that llama2.c writes, and has no spike and no sink") {
  const fs::path path = stories();
  if (path.empty()) {
    std::cout << "no stories260K.bin in PLUMB_MODELS: nothing is compared\n";
    return;
  }
  const plumb::Decoder<float> model(plumb::Checkpoint::open(path));
  const auto file = plumb::find_tokenizer(path, model.architecture().vocab_size);
  REQUIRE(file);
  const auto tokenizer = plumb::Tokenizer::open(*file);
  CHECK(tokenizer.size() == model.architecture().vocab_size);
  auto ids = tokenizer.encode(kStory);
  CHECK(tokenizer.decode(ids) == kStory);
  ids.insert(ids.begin(), static_cast<plumb::TokenId>(*model.architecture().bos_token_id));
  CHECK(ids.size() == 201);

  const auto trace = plumb::trace(model, ids);
  for (plumb::Index t = 0; t + 1 < trace.logits.rows(); ++t) {
    CAPTURE(t);
    plumb::Index best = 0;
    trace.logits.row(t).maxCoeff(&best);
    CHECK(best == ids[static_cast<std::size_t>(t) + 1]);
  }
  CHECK(plumb::spike::find_outliers(trace.residual).tier == plumb::spike::Tier::none);
  const auto sinks = plumb::sink::sink_ratios(plumb::sink::attention_received(trace));
  CHECK(sinks.heads == 40);
  CHECK(sinks.first_token == 0);
  CHECK(sinks.first_half == 0);
}
