#include "plumb/weights/tokenizer_object.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using nlohmann::json;
using plumb::detail::TokenizerObject;

namespace {

/// What a reader of the object says after the file's name.
std::string fault(const json& contents, const std::function<void(TokenizerObject&)>& read) {
  const std::string file = "file";
  try {
    TokenizerObject object(file, "", contents);
    read(object);
  } catch (const plumb::load_error& error) {
    return std::string(error.what()).substr(6);
  }
  return "none";
}

}  // namespace

TEST_CASE("values are read with their types") {
  const json contents = {{"text", "a"}, {"flag", true}, {"null", nullptr}};
  const std::string file = "file";
  TokenizerObject object(file, "", contents);
  CHECK(object.text("text") == "a");
  CHECK(object.flag_or("flag", false));
  CHECK(object.flag_or("none", true));
  CHECK(object.find("null") == nullptr);
  object.finish();
  CHECK(fault(contents, [](auto& o) { o.text("flag"); }) == "'flag' is no string");
  CHECK(fault(contents, [](auto& o) { o.text("null"); }) == "'null' is missing");
  CHECK(fault(contents, [](auto& o) { o.flag_or("text", true); }) ==
        "'text' is neither true nor false");
  CHECK(fault(contents, [](auto& o) { o.require_off("flag"); }) ==
        "'flag' is true, which is not supported");
  CHECK(fault(contents, [](auto& o) { o.require_no_text("text"); }) ==
        "'text' is \"a\", which is not supported");
  CHECK(fault(contents, [](auto& o) { o.require_absent("text"); }) ==
        "'text' is not supported (null is)");
  CHECK(fault(contents, [](auto& o) { o.refuse_text("text", {"b", "c"}); }) ==
        "'text' is \"a\", which is not supported (b or c is)");
  CHECK(fault(contents, [](auto& o) { o.object("text"); }) == "'text' is no JSON object");
  CHECK(fault(3, [](auto&) {}) == "holds no JSON object");
}

TEST_CASE("what was not asked for is refused") {
  CHECK(fault({{"a", 1}}, [](auto& o) { o.finish(); }) ==
        "'\"a\"' is not known to plumb, and it may change the ids");
}

TEST_CASE("elements of an array have names") {
  const json contents = {{"list", {{{"a", "x"}}, {{"a", 1}}}}, {"text", "a"}};
  std::string seen;
  CHECK(fault(contents, [&](auto& o) {
          o.for_each("list", [&](TokenizerObject element) { seen += element.text("a"); });
        }) == "'list[1].a' is no string");
  CHECK(seen == "x");
  CHECK(fault(contents, [](auto& o) { o.for_each("text", [](TokenizerObject) {}); }) ==
        "'text' is no array");
  CHECK(fault(contents, [](auto& o) { o.for_each("none", [](TokenizerObject) {}); }) == "none");
}

TEST_CASE("steps are one object, or a sequence of them, however deep") {
  const auto names = [](const json& step) {
    std::vector<std::string> types;
    const std::string file = "file";
    const json contents = {{"key", step}};
    TokenizerObject(file, "", contents)
        .for_each_step("key", "steps",
                       [&](TokenizerObject&, const std::string& type) { types.push_back(type); });
    return types;
  };
  const auto sequence = [](const json& steps) {
    return json{{"type", "Sequence"}, {"steps", steps}};
  };
  const json a = {{"type", "A"}}, b = {{"type", "B"}};
  CHECK(names(nullptr).empty());
  CHECK(names(a) == std::vector<std::string>{"A"});
  CHECK(names(sequence({a, sequence({b, a}), b})) == std::vector<std::string>{"A", "B", "A", "B"});
  CHECK(names(sequence(json::array())).empty());
  CHECK_THROWS_WITH(names({{"type", "A"}, {"x", 1}}),
                    "file: 'key.\"x\"' is not known to plumb, and it may change the ids");
  CHECK_THROWS_WITH(names(sequence(nullptr)), "file: 'key.steps' is missing");
}

TEST_CASE("ids are whole numbers below the number of tokens") {
  const auto id = [](const json& value) {
    return fault(json::object(), [&](auto& o) { o.id("k", value, 3); });
  };
  CHECK(id(2U) == "none");
  for (const json& value : {json(3U), json(-1), json(1.0), json("1")}) {
    CHECK(id(value).find("expected a whole number below 3") != std::string::npos);
  }
}
