#include "plumb/weights/json.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/temporary.hpp"

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using plumb::test::TemporaryDirectory;

namespace {

nlohmann::json parse(std::string_view text) { return plumb::parse_json("some.json", text); }

std::string parse_fault(std::string_view text) {
  return plumb::test::fault("some.json", [&](const auto&) { return parse(text); });
}

/// `levels` arrays or objects inside each other, around `core`.
std::string nested(int levels, const std::string& open, const std::string& core,
                   const std::string& close) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  text += core;
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

}  // namespace

TEST_CASE("valid JSON is read") {
  CHECK(parse(R"( {"a": [1, -2.5, true, null], "b": {"c": "é\u00e9"}} )") ==
        nlohmann::json{{"a", {1, -2.5, true, nullptr}}, {"b", {{"c", "éé"}}}});
  CHECK(parse("7") == 7);
  CHECK(parse("[]").empty());
}

TEST_CASE("what is no JSON is refused") {
  for (const std::string_view text :
       {"",         " ",        "{",      "}",           "[1,]",        "[1 2]",  "{\"a\"}",
        "{\"a\":}", "{'a': 1}", "{a: 1}", "{\"a\": 1,}", "{} {}",       "{}x",    "nul",
        "NaN",      "Infinity", "01",     "+1",          ".5",          "1.",     "1e",
        "0x10",     "1e999",    "\"open", "\"\\x\"",     "\"\\ud800\"", "\"\n\"", "// no\n1"}) {
    INFO(text);
    CHECK_THAT(parse_fault(text), StartsWith("not valid JSON"));
  }
}

TEST_CASE("invalid UTF-8 is refused") {
  for (const std::string_view text : {"\"\xff\"", "\"\xc3(\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"", "{\"\x80\": 1}"}) {
    CHECK_THAT(parse_fault(text), StartsWith("not valid JSON"));
  }
}

TEST_CASE("a zero byte does not end the text") {
  CHECK_THAT(parse_fault(std::string_view("{}\0{}", 5)), StartsWith("not valid JSON"));
  CHECK_THAT(parse_fault(std::string_view("{}\0", 3)), StartsWith("not valid JSON"));
  CHECK_THAT(parse_fault(std::string_view("\0{}", 3)), StartsWith("not valid JSON"));
}

TEST_CASE("a syntax error is located by its byte, counted from 1") {
  CHECK_THAT(parse_fault(R"({"a": ?})"), Contains("byte 7"));
  CHECK_THAT(parse_fault("[1,\n2,\n]"), Contains("byte 8"));
  CHECK_THAT(parse_fault("{"), Contains("byte 2"));
}

TEST_CASE("a key that appears twice in one object is refused by name") {
  CHECK(parse_fault(R"({"a": 1, "b": 2, "a": 1})") == R"(JSON key "a" appears twice)");
  CHECK(parse_fault(R"({"x": {"k": 1, "k": 2}})") == R"(JSON key "k" appears twice)");
  CHECK(parse_fault(R"([{}, {"k": {"k": 0}, "l": [{}], "k": 2}])") ==
        R"(JSON key "k" appears twice)");
  CHECK(parse_fault(R"({"a": 1, "\u0061": 2})") == R"(JSON key "a" appears twice)");
  CHECK(parse_fault(R"({"": 1, "": 2})") == R"(JSON key "" appears twice)");
}

TEST_CASE("a key may appear in several objects") {
  CHECK_NOTHROW(parse(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": {"a": {}}}], "c": {"a": 2}})"));
}

TEST_CASE("nesting is read up to the limit and refused beyond it") {
  constexpr int most = plumb::kJsonDepthLimit;
  for (const std::string core : {"", "1"}) {
    INFO("around '" << core << "'");
    CHECK_NOTHROW(parse(nested(most, "[", core, "]")));
    CHECK(parse_fault(nested(most + 1, "[", core, "]")) == "JSON is nested too deeply");
  }
  CHECK_NOTHROW(parse(nested(most, "{\"k\":", "1", "}")));
  CHECK(parse_fault(nested(most + 1, "{\"k\":", "1", "}")) == "JSON is nested too deeply");
  CHECK_NOTHROW(parse(nested(most / 2, "{\"k\":[", "", "]}")));
  CHECK(parse_fault(nested(most / 2, "{\"k\":[", "[]", "]}")) == "JSON is nested too deeply");
}

TEST_CASE("very deep nesting does not exhaust the stack") {
  CHECK(parse_fault(nested(1'000'000, "[", "", "")) == "JSON is nested too deeply");
  CHECK(parse_fault(nested(1'000'000, "{\"k\":", "", "")) == "JSON is nested too deeply");
}

TEST_CASE("a JSON file is read, and its faults name it") {
  const TemporaryDirectory folder;
  const auto fault = [](const std::filesystem::path& path) {
    return plumb::test::fault(path, [](const auto& p) { return plumb::read_json(p); });
  };
  CHECK(plumb::read_json(folder.write("a.json", "{\"a\": 1}\n")) == nlohmann::json{{"a", 1}});
  CHECK_THAT(fault(folder.write("b.json", "{\"a\": 1")), StartsWith("not valid JSON"));
  CHECK_THAT(fault(folder.write("empty.json", "")), StartsWith("not valid JSON"));
  CHECK_THAT(fault(folder.path() / "missing.json"), Contains("No such file"));
  CHECK(fault(folder.path()) == "not a regular file");
}
