#include "plumb/report/census_json.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "plumb/model/planted.hpp"

using namespace plumb;
using namespace plumb::report;

TEST_CASE("a census has the fields of its schema") {
  const auto planted = planted::make();
  const auto census = spike::census(Decoder<double>(planted.checkpoint));
  std::vector<std::string> texts(64, "x");
  texts[1] = "\xff";
  const auto json = to_json(census, planted.checkpoint, texts);
  CHECK(json["schema"] == "plumb.census/1");
  CHECK(json["model"]["vocab_size"] == 64);
  CHECK(json["spike"]["absolute"] == 100);
  CHECK(json["spike"]["relative"] == 1000);
  CHECK(json["spike"]["tier"] == "massive");
  CHECK(json["spike"]["share"] == 2.0 / 64);
  REQUIRE(json["layers"].size() == 6);
  CHECK(json["layers"][1]["layer"] == 1);
  CHECK(json["layers"][1]["share"] == 2.0 / 64);
  CHECK(json["layers"][1]["channels"].size() == 2);
  CHECK(json["layers"][1]["token"] == 0);
  CHECK(json["embedding"]["share"] == 0);
  CHECK(json["exceptions_spike"] == true);
  REQUIRE(json["exceptions"].size() == 2);
  CHECK(json["exceptions"][1]["token"] == 1);
  CHECK(dump(json).find("\xef\xbf\xbd") != std::string::npos);
  CHECK(to_json(census, planted.checkpoint, {})["exceptions"][0]["text"].is_null());
}

TEST_CASE("levels that overflow are null") {
  spike::Census census;
  census.points.resize(2);
  census.points[1].value = std::numeric_limits<double>::infinity();
  const auto json = to_json(census, planted::make().checkpoint, {});
  CHECK(json["layers"][0]["max"].is_null());
  CHECK(json["layers"][0]["ratio"].is_null());
}
