#include "plumb/report/anatomy_text.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

namespace {

std::string report(const plumb::planted::Plan& plan, const plumb::TokenIds& ids,
                   const std::vector<plumb::Index>& windows = {}) {
  auto planted = plumb::planted::make(plan);
  planted.checkpoint.architecture.windows = windows;
  const auto trace = plumb::trace(plumb::Decoder<double>(planted.checkpoint), ids);
  const auto text = plumb::report::dissect(trace, plumb::sink::attention_received(trace));
  std::ostringstream out;
  plumb::report::print(out, plumb::report::combine({text}), planted.checkpoint, {}, false);
  return out.str();
}

const plumb::TokenIds kText{0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

bool says(const std::string& text, const char* words) {
  INFO(text);
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("the life of a planted spike is told") {
  const auto text = report({}, kText);
  CHECK(says(text, "Spike: massive"));
  CHECK(says(text, "massive at 1 positions and in 2 channels"));
  CHECK(says(text, "step-up    layer 1 feed_forward writes"));
  CHECK(says(text, "plateau    layers 1 to 3"));
  CHECK(says(text, "step-down  layer 4 feed_forward writes -"));
  CHECK(says(text, "2 of 24 by Gu et al."));
  CHECK_FALSE(says(text, "Warning"));
}

TEST_CASE("a spike that stays is said to stay") {
  plumb::planted::Plan plan;
  plan.step_down_layer.reset();
  CHECK(says(report(plan, kText), "step-down  none: it stays to the end"));
}

TEST_CASE("no spike is said in words") {
  const auto text = report({}, {5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  CHECK(says(text, "Spike: none. No entry exceeds 20 times the median."));
}

TEST_CASE("a text too short for sink ratios carries a warning") {
  CHECK(says(report({}, {0, 5, 6}), "Warning: below 10 tokens"));
}

TEST_CASE("one token has no sink heads, and it is said why") {
  const auto text = report({}, {0});
  CHECK(says(text, "One text of 1 token, "));
  CHECK(says(text, "sink heads: not applicable, a text of one token has no other to attend to."));
  CHECK_FALSE(says(text, "by Gu et al."));
}

TEST_CASE("layers with a window are counted apart") {
  plumb::planted::Plan plan;  // two sink heads, both in layers that have no window here
  const auto text = report(plan, kText, {4, 0, 0, 0, 0, 0});
  CHECK(says(text, "sink heads  window\n"));
  CHECK(says(text, "2 of 24 by Gu et al. (all queries"));
  CHECK(says(text, "2 of 20 by Gu et al. in layers that see the whole text"));
  CHECK(says(text, "0 of 4 by Gu et al. in layers with a window"));
  CHECK_FALSE(says(report(plan, kText), "window"));
}

TEST_CASE("of several texts the shortest and the longest length are told") {
  const auto planted = plumb::planted::make({});
  const plumb::Decoder<double> model(planted.checkpoint);
  std::vector<plumb::report::TextAnatomy> texts;
  for (const std::ptrdiff_t length : {11, 10}) {
    const auto trace = plumb::trace(model, {kText.begin(), kText.begin() + length});
    texts.push_back(plumb::report::dissect(trace, plumb::sink::attention_received(trace)));
  }
  std::ostringstream out;
  plumb::report::print(out, plumb::report::combine(texts), planted.checkpoint, {}, false);
  CHECK(says(out.str(), "(T = 10 to 11, epsilon = 0.3)"));
}

TEST_CASE("more heads than fit are summarised") {
  plumb::planted::Plan plan;
  plan.heads = 12;
  plan.kv_heads = 4;
  const auto text = report(plan, kText);
  CHECK(says(text, "smallest"));
  CHECK_FALSE(says(text, "head 0"));
}
