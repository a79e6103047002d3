#include "plumb/report/anatomy_json.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "plumb/model/planted.hpp"

namespace {

nlohmann::ordered_json report(const plumb::TokenIds& ids,
                              const std::vector<std::string>& texts = {}) {
  const auto planted = plumb::planted::make();
  const auto trace = plumb::trace(plumb::Decoder<double>(planted.checkpoint), ids);
  const auto text = plumb::report::dissect(trace, plumb::sink::attention_received(trace));
  return plumb::report::to_json(plumb::report::combine({text}), planted.checkpoint, texts, true);
}

}  // namespace

TEST_CASE("the fields that others rely on are there") {
  const auto json = report({0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  CHECK(json["schema"] == "plumb.anatomy/1");
  CHECK(json["model"]["layers"] == 6);
  CHECK(json["tokens"]["ids"].size() == 11);
  CHECK(json["tokens"]["text"].is_null());
  CHECK(json["tokens"]["texts"] == 1);
  CHECK(json["tokens"]["bos_prepended"] == true);
  CHECK(json["tokens"]["loss"].is_number());
  REQUIRE(json["residual"].size() == 7);
  for (const char* field : {"point", "max", "position", "channel", "median", "ratio"}) {
    CHECK(json["residual"][2].contains(field));
  }
  CHECK(json["spike"]["criterion"] ==
        nlohmann::ordered_json({{"absolute", 100.0}, {"relative", 1000.0}, {"outlier", 20.0}}));
  CHECK(json["spike"]["tier"] == "massive");
  CHECK(json["spike"]["positions"] == std::vector<int>{0});
  CHECK(json["spike"]["step_up"][0]["layer"] == 1);
  CHECK(json["spike"]["step_up"][0]["block"] == "feed_forward");
  CHECK(json["spike"]["step_down"][0]["layer"] == 4);
  CHECK(json["spike"]["plateau"]["first_layer"] == 1);
  CHECK(json["spike"]["plateau"]["last_layer"] == 3);
  CHECK(json["sink"]["epsilon"] == 0.3);
  CHECK(json["sink"]["length"] == 11);
  CHECK(json["sink"]["definition"] == "gu");
  CHECK(json["sink"]["importance"].size() == 6);
  CHECK(json["sink"]["importance"][0].size() == 4);
  CHECK(json["sink"]["ratio_first_token"].is_number());
  CHECK(json["sink"]["ratio_first_half"].is_number());
  CHECK(json["sink"]["windows"].empty());
  CHECK(json["sink"]["ratio_first_token_full_layers"] == json["sink"]["ratio_first_token"]);
  CHECK(json["sink"]["ratio_first_token_window_layers"].is_null());
}

TEST_CASE("ratios of sink heads are null for one token") {
  const auto sink = report({0})["sink"];
  for (const char* field : {"ratio_first_token", "ratio_first_half",
                            "ratio_first_token_later_queries", "ratio_first_token_deviation"}) {
    CHECK(sink[field].is_null());
  }
}

TEST_CASE("a model without a spike has empty lists and no plateau") {
  const auto json = report({5, 6, 7, 8});
  CHECK(json["spike"]["tier"] == "none");
  CHECK(json["spike"]["positions"].empty());
  CHECK(json["spike"]["step_up"].is_array());
  CHECK(json["spike"]["step_up"].empty());
  CHECK(json["spike"]["plateau"].is_null());
}

TEST_CASE("what is not finite becomes null, and broken characters are replaced") {
  CHECK(plumb::report::detail::finite(std::numeric_limits<double>::infinity()).is_null());
  CHECK(plumb::report::detail::finite(2.5) == 2.5);
  const auto text = plumb::report::dump(report({0, 5}, {"\xff", "a"}));
  CHECK(nlohmann::json::parse(text)["tokens"]["text"][0] == "\xef\xbf\xbd");
}
