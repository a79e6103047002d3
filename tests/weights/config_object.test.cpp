#include "plumb/weights/config_object.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using nlohmann::json;
using plumb::Index;

TEST_CASE("an object refuses what was not asked for, and only that") {
  const auto object = json::parse(R"({"a": 1, "b": 2, "c": {"d": 3}})");
  plumb::ConfigObject config("file", "", object);
  CHECK(config.has("a"));
  CHECK_FALSE(config.has("z"));
  config.ignore({"b", "y"});
  CHECK_THROWS_WITH(config.finish(), Catch::Matchers::StartsWith("file: 'c'"));
  auto inner = config.object("c");
  CHECK_NOTHROW(config.finish());
  CHECK_THROWS_WITH(inner.finish(), Catch::Matchers::StartsWith("file: 'c.d'"));
  CHECK(inner.count("d", 3) == 3);
  CHECK_NOTHROW(inner.finish());
  CHECK_THROWS_WITH(inner.count("d", 4), "file: 'c.d' is 3, expected a whole number of at least 4");
  CHECK_THROWS_WITH(inner.positive("e"), "file: 'c.e' is missing");
}

TEST_CASE("a key that holds null is given, but not there") {
  const auto object = json::parse(R"({"a": null, "b": 1})");
  plumb::ConfigObject config("file", "", object);
  CHECK(config.given("a"));
  CHECK_FALSE(config.has("a"));
  CHECK(config.given("b"));
  CHECK_FALSE(config.given("c"));
}

TEST_CASE("lists have as many entries as they should, each checked") {
  const auto object = json::parse(
      R"({"counts": [0, 3], "words": ["relu", "gelu"], "bad": [1.5, 2], "mixed": ["relu", 1]})");
  plumb::ConfigObject config("file", "", object);
  CHECK(config.counts("counts", 2, 0) == std::vector<Index>{0, 3});
  CHECK_THROWS_WITH(config.counts("counts", 3, 0), "file: 'counts' is no list of 3 entries");
  CHECK_THROWS_WITH(config.counts("counts", 2, 1),
                    "file: 'counts' holds 0, expected whole numbers of at least 1");
  CHECK_THROWS_WITH(config.counts("bad", 2, 0),
                    "file: 'bad' holds 1.5, expected whole numbers of at least 0");
  CHECK_THROWS_WITH(config.counts("none", 2, 0), "file: 'none' is missing");
  CHECK(config.choices("words", plumb::kActivations, 2) ==
        std::vector{plumb::Activation::relu, plumb::Activation::gelu});
  CHECK_THROWS_WITH(config.choices("mixed", plumb::kActivations, 2),
                    "file: 'mixed' holds 1, expected strings");
}

TEST_CASE("a flag that is insisted on may be absent") {
  const auto object = json::parse(R"({"yes": true, "no": false, "one": 1})");
  plumb::ConfigObject config("file", "", object);
  CHECK_NOTHROW(config.insist("yes", true));
  CHECK_NOTHROW(config.insist("no", false));
  CHECK_NOTHROW(config.insist("absent", true));
  CHECK_THROWS_AS(config.insist("yes", false), plumb::unsupported_error);
  CHECK_THROWS_WITH(config.insist("no", true), "file: 'no' is false, which plumb does not support");
  CHECK_THROWS_WITH(config.insist("one", true), "file: 'one' is 1, expected a flag");
}
