#include "plumb/report/heads.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"

using namespace plumb;

namespace {

std::vector<report::HeadReport> reports(const planted::Plan& plan, Index tokens) {
  const Decoder<double> model(planted::make(plan).checkpoint);
  TokenIds ids{0};
  for (Index i = 1; i < tokens; ++i) ids.push_back(static_cast<TokenId>(2 + (7 * i) % 60));
  sink::AttentionReceived received(plan.layers, plan.heads, tokens);
  sink::HeadExplainer explainer(model.architecture());
  model.forward(ids, taps{std::ref(received), std::ref(explainer)});
  return report::head_reports(received, explainer);
}

std::string text_of(const std::vector<report::HeadReport>& heads) {
  std::ostringstream out;
  report::print_heads(out, heads);
  return out.str();
}

}  // namespace

TEST_CASE("classes and explanations by layer and head") {
  const auto heads = reports({}, 40);
  REQUIRE(heads.size() == 24);
  const auto classes = report::head_classes_json(heads);
  REQUIRE(classes.size() == 6);
  REQUIRE(classes[2].size() == 4);
  CHECK(classes[2][0] == "sink");
  CHECK(classes[3][3] == "sink");
  CHECK(classes[0][0] == "mixed");
  const auto why = report::explanations_json(heads)[2][0];
  CHECK(why["key"] == 0);
  CHECK(why["weight"].get<double>() > 0.9);
  CHECK(why["lower"].get<double>() <= why["weight"].get<double>());
  CHECK(why["upper"].get<double>() >= why["weight"].get<double>() - 1e-12);
  CHECK(why["gate"].is_null());
  CHECK(why["disagreement"].is_null());
  for (const char* field : {"upper_mean", "forecast", "margin_to_max", "margin_to_mean",
                            "value_norm", "other_value_norm"}) {
    CHECK(why[field].is_number());
  }
  const auto text = text_of(heads);
  CHECK(text.find("sink") != std::string::npos);
  CHECK(text.find("gate") == std::string::npos);
}

TEST_CASE("a text too short to tell has null classes") {
  const auto heads = reports({}, 6);
  CHECK(report::head_classes_json(heads)[0][0].is_null());
  CHECK(text_of(heads).find("no class: a text of 6 tokens") != std::string::npos);
}

TEST_CASE("of many heads the strongest are shown, and their number is said") {
  planted::Plan plan;
  plan.heads = 12;
  plan.kv_heads = 4;
  const auto text = text_of(reports(plan, 20));
  CHECK(text.find("32 of 72 heads, the largest weights first") != std::string::npos);
  CHECK(text_of({}).empty());
}
