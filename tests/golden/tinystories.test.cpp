// tinystories-656K: a trained Llama that stores its head only, to which the embedding is tied.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "plumb/model/decoder.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/tokenizer.hpp"

namespace {

namespace fs = std::filesystem;

constexpr const char* kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big, red ball. She wanted to play with it, but it was too high. Lily's "
    "mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She said, "
    "\"I want to play with your ball, but I can't find it.\" Lily was sad and didn't know what to "
    "do.";

/// The folder below PLUMB_MODELS, which names a folder that holds larger models.
fs::path folder() {
  const char* const root = std::getenv("PLUMB_MODELS");
  if (root == nullptr) return {};
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "tinystories-656K") return entry.path();
  }
  return {};
}

}  // namespace

TEST_CASE("tinystories-656K has an outlier in channel 88 and a partial sink in heads 1 and 6") {
  const fs::path path = folder();
  if (path.empty()) {
    std::cout << "no tinystories-656K in PLUMB_MODELS: nothing is looked at\n";
    return;
  }
  const plumb::Decoder<float> model(plumb::Checkpoint::open(path));
  CHECK(model.architecture().tied_head);
  auto ids = plumb::Tokenizer::open(path).encode(kStory);
  ids.insert(ids.begin(), static_cast<plumb::TokenId>(*model.architecture().bos_token_id));
  CHECK(ids.size() == 51);

  const auto trace = plumb::trace(model, ids);
  const auto outliers = plumb::spike::find_outliers(trace.residual);
  CHECK(outliers.tier == plumb::spike::Tier::outlier);
  CHECK(outliers.top.channel == 88);
  CHECK(outliers.top.position == 0);

  const auto received = plumb::sink::attention_received(trace);
  for (plumb::Index layer = 0; layer < 2; ++layer) {
    for (plumb::Index head = 0; head < 8; ++head) {
      CAPTURE(layer, head);
      const double alpha =
          received.importance(layer, head, 0, plumb::sink::Queries::self_and_later);
      const bool sink = layer == 1 && (head == 1 || head == 6);
      CHECK((alpha > plumb::sink::kSinkEpsilon) == sink);
      CHECK(alpha < 0.5);  // partial: less than half of the attention
    }
  }
}
