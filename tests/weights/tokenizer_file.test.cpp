#include "plumb/weights/tokenizer_file.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temporary.hpp"
#include "support/tokenizer_json.hpp"

using nlohmann::json;
using plumb::TokenId;
using plumb::detail::read_tokenizer;
using plumb::detail::TokenizerParts;
using plumb::test::add_token;
using plumb::test::spelled;
using plumb::test::TemporaryDirectory;
using plumb::test::tokenizer_json;

namespace {

TokenizerParts read(const json& contents) {
  const TemporaryDirectory directory;
  return read_tokenizer(directory.write("tokenizer.json", contents.dump()));
}

std::string text_fault(const std::string& contents) {
  const TemporaryDirectory directory;
  return plumb::test::fault(directory.write("tokenizer.json", contents), read_tokenizer);
}

/// What is wrong with a small good tokenizer after an edit of it.
std::string fault(const std::function<void(json&)>& edit) {
  json contents = tokenizer_json({{"a", "b"}, {"ab", "c"}});
  edit(contents);
  return text_fault(contents.dump());
}

/// The same for an edit of "model".
std::string model_fault(const std::function<void(json&)>& edit) {
  return fault([&](json& contents) { edit(contents["model"]); });
}

}  // namespace

TEST_CASE("tokenizer file: what it says") {
  json contents = tokenizer_json({{"a", "b"}, {" ", "ab"}});
  add_token(contents, "<s>");
  add_token(contents, "ab", true);
  contents["pre_tokenizer"]["use_regex"] = false;
  contents["model"]["ignore_merges"] = true;
  const TokenizerParts parts = read(contents);
  REQUIRE(parts.texts.size() == 259);
  CHECK(parts.texts[255] == "\xff");
  CHECK(parts.texts[257] == " ab");
  CHECK(parts.texts[258] == "<s>");
  CHECK(parts.vocabulary.size() == 258);
  CHECK(parts.vocabulary.find(" ab")->second == 257);
  CHECK(parts.added.first.find("<s>") == 258);
  CHECK(parts.added.second.find("ab") == 256);
  CHECK_FALSE(parts.pre_tokenizer.add_prefix_space);
  CHECK_FALSE(parts.pre_tokenizer.use_regex);
  CHECK(parts.ignore_merges);
}

TEST_CASE("tokenizer file: what may be left out or says nothing about ids") {
  json contents = tokenizer_json();
  for (const char* const key : {"version", "truncation", "padding", "added_tokens", "normalizer",
                                "post_processor", "decoder"}) {
    contents.erase(key);
  }
  CHECK(read(contents).pre_tokenizer.use_regex);
  contents["decoder"] = {{"type", "ByteLevel"}, {"trim_offsets", true}};
  contents["post_processor"] = {{"type", "TemplateProcessing"}, {"single", json::array()}};
  contents["model"].update({{"dropout", 0.0},
                            {"unk_token", "<unk>"},
                            {"fuse_unk", true},
                            {"byte_fallback", false},
                            {"continuing_subword_prefix", ""},
                            {"end_of_word_suffix", nullptr}});
  CHECK_FALSE(read(contents).ignore_merges);
  contents["post_processor"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  CHECK_FALSE(read(contents).pre_tokenizer.add_prefix_space);
}

TEST_CASE("tokenizer file: both spellings of merges") {
  json contents = tokenizer_json({{"a", "b"}});
  for (const json& merge : {json("a b"), json({"a", "b"})}) {
    contents["model"]["merges"] = json::array({merge});
    plumb::TokenIds ids;
    read(contents).pairs.encode("ab", ids);
    CHECK(ids == plumb::TokenIds{256});
  }
}

TEST_CASE("tokenizer file: a token in no byte's spelling is kept as it stands") {
  json contents = tokenizer_json();
  contents["model"]["vocab"]["\u2581x"] = 256;
  const TokenizerParts parts = read(contents);
  CHECK(parts.texts[256] == "\u2581x");
  CHECK_FALSE(parts.vocabulary.contains("\u2581x"));
}

TEST_CASE("tokenizer file: what is not implemented is refused by name") {
  const auto set = [](const char* key, const json& value) {
    return fault([&](json& contents) { contents[key] = value; });
  };
  const auto set_model = [](const char* key, const json& value) {
    return model_fault([&](json& model) { model[key] = value; });
  };
  CHECK(set("version", "2.0") == "'version' is not supported (1.0 is)");
  CHECK(set("truncation", {{"max_length", 3}}) == "'truncation' is not supported (null is)");
  CHECK(set("padding", {{"pad_id", 3}}) == "'padding' is not supported (null is)");
  CHECK(set("normalizer", {{"type", "NFC"}}) ==
        "'normalizer' is of type \"NFC\", which is not supported (null is)");
  CHECK(set("pre_tokenizer", {{"type", "Metaspace"}}) ==
        "'pre_tokenizer' is of type \"Metaspace\", which is not supported (ByteLevel or null is)");
  CHECK(set("pre_tokenizer", nullptr) == "'pre_tokenizer' is missing");
  CHECK(set("decoder", {{"type", "Sequence"}}) ==
        "'decoder' is of type \"Sequence\", which is not supported (ByteLevel or null is)");
  CHECK(set("post_processor", {{"type", "RobertaProcessing"}}) ==
        "'post_processor' is of type \"RobertaProcessing\", which is not supported (ByteLevel or "
        "TemplateProcessing or null is)");
  CHECK(set("new\nkey", 1) == R"('"new\x0akey"' is not known to plumb, and it may change the ids)");
  CHECK(set_model("type", "Unigram") ==
        "'model.type' is \"Unigram\", which is not supported (BPE is)");
  CHECK(set_model("dropout", 0.1) == "'model.dropout' is not supported (0 or null is)");
  CHECK(set_model("byte_fallback", true) ==
        "'model.byte_fallback' is true, which is not supported");
  CHECK(set_model("continuing_subword_prefix", "##") ==
        "'model.continuing_subword_prefix' is \"##\", which is not supported");
  CHECK(set_model("end_of_word_suffix", "</w>") ==
        "'model.end_of_word_suffix' is \"</w>\", which is not supported");
  CHECK(set_model("split", 1) ==
        "'model.\"split\"' is not known to plumb, and it may change the ids");
  CHECK(fault([](json& contents) { contents["pre_tokenizer"]["split"] = 1; }) ==
        "'pre_tokenizer.\"split\"' is not known to plumb, and it may change the ids");
}

TEST_CASE("tokenizer file: options of added tokens that are not implemented are refused") {
  for (const std::string flag : {"single_word", "lstrip", "rstrip"}) {
    CHECK(fault([&](json& contents) {
            add_token(contents, "<s>");
            contents["added_tokens"][0][flag] = true;
          }) == "'added_tokens[0]." + flag + "' is true, which is not supported");
  }
}

TEST_CASE("tokenizer file: wrong types and missing keys") {
  CHECK(text_fault("[]") == "holds no JSON object");
  CHECK(text_fault("{}") == "'model' is missing");
  CHECK(fault([](json& contents) { contents["model"] = 3; }) == "'model' is no JSON object");
  CHECK(fault([](json& contents) { contents["version"] = 1; }) == "'version' is no string");
  CHECK(fault([](json& contents) { contents["decoder"] = "ByteLevel"; }) ==
        "'decoder' is no JSON object");
  CHECK(fault([](json& contents) { contents["decoder"] = json::object(); }) ==
        "'decoder.type' is missing");
  CHECK(fault([](json& contents) { contents["normalizer"] = 1; }) ==
        "'normalizer' is not supported (null is)");
  CHECK(fault([](json& contents) { contents["pre_tokenizer"].erase("add_prefix_space"); }) ==
        "'pre_tokenizer.add_prefix_space' is missing");
  CHECK(fault([](json& contents) { contents["pre_tokenizer"]["use_regex"] = 1; }) ==
        "'pre_tokenizer.use_regex' is neither true nor false");
  CHECK(model_fault([](json& model) { model["type"] = 1; }) == "'model.type' is no string");
  CHECK(model_fault([](json& model) { model.erase("vocab"); }) == "'model.vocab' is missing");
  CHECK(model_fault([](json& model) { model["vocab"] = {1}; }) ==
        "'model.vocab' is no JSON object");
  CHECK(model_fault([](json& model) { model.erase("merges"); }) == "'model.merges' is missing");
  CHECK(model_fault([](json& model) { model["merges"] = "a b"; }) == "'model.merges' is no array");
  CHECK(model_fault([](json& model) { model["unk_token"] = 1; }) ==
        "'model.unk_token' is no string");
  CHECK(model_fault([](json& model) { model["fuse_unk"] = "yes"; }) ==
        "'model.fuse_unk' is neither true nor false");
  CHECK(model_fault([](json& model) { model["ignore_merges"] = 0; }) ==
        "'model.ignore_merges' is neither true nor false");
  CHECK(fault([](json& contents) { contents["added_tokens"] = 1; }) ==
        "'added_tokens' is no array");
  CHECK(fault([](json& contents) { contents["added_tokens"] = {"<s>"}; }) ==
        "'added_tokens[0]' is no JSON object");
}

TEST_CASE("tokenizer file: ids of the vocabulary number it from 0 without a gap") {
  const std::string whole = ", expected a whole number below 258, the number of tokens";
  const auto set_id = [](const json& id) {
    return model_fault([&](json& model) { model["vocab"]["z"] = id; });
  };
  CHECK(set_id(258) == "'model.vocab.\"z\"' has the id 258" + whole);
  CHECK(set_id(4611686018427387904) ==
        "'model.vocab.\"z\"' has the id 4611686018427387904" + whole);
  CHECK(set_id(18446744073709551615u) ==
        "'model.vocab.\"z\"' has the id 18446744073709551615" + whole);
  CHECK(set_id(-1) == "'model.vocab.\"z\"' has the id -1" + whole);
  CHECK(set_id(3.0) == "'model.vocab.\"z\"' has the id 3.0" + whole);
  CHECK(set_id("3") == "'model.vocab.\"z\"' has the id of type string" + whole);
  CHECK(set_id(nullptr) == "'model.vocab.\"z\"' has the id of type null" + whole);
  CHECK(set_id('y') == "'model.vocab.\"z\"' has the id 121 of another token");
}

TEST_CASE("tokenizer file: every byte needs a token") {
  CHECK(model_fault([](json& model) {
          model["vocab"].erase("z");
          model["vocab"]["zz"] = 'z';
        }) == "'model.vocab' has no token for the byte \"z\"");
  CHECK(model_fault([](json& model) {
          model["vocab"].erase(spelled("\xff"));
          model["vocab"]["zz"] = 255;
        }) == "'model.vocab' has no token for the byte \"\\xff\"");
}

TEST_CASE("tokenizer file: merges are pairs of tokens that make a token") {
  const auto set_merge = [](const json& merge) {
    return model_fault([&](json& model) { model["merges"][1] = merge; });
  };
  const std::string no_pair = "'model.merges[1]' is no pair of tokens";
  for (const json& merge : {json("ab"), json("a b c"), json("a  b"), json(" a"), json("a "),
                            json(""), json(7), json(nullptr), json({"a"}), json({"a", "b", "c"}),
                            json({"a", 1}), json({"", "a"}), json::array(), json::object()}) {
    CAPTURE(merge.dump());
    CHECK(set_merge(merge) == no_pair);
  }
  CHECK(set_merge({"xy", "c"}) == "'model.merges[1]' has \"xy\", which is no token");
  CHECK(set_merge({"c", "xy"}) == "'model.merges[1]' has \"xy\", which is no token");
  CHECK(set_merge({"b", "c"}) == "'model.merges[1]' has \"bc\", which is no token");
  CHECK(set_merge("a b") == "'model.merges[1]' is the same pair as an earlier merge");
}

TEST_CASE("tokenizer file: an added token has the id that it would get") {
  const std::string why = " (its id in the vocabulary, or the next after it)";
  const auto add = [](const json& id, const std::string& content) {
    return fault([&](json& contents) {
      add_token(contents, "<s>");
      add_token(contents, content);
      contents["added_tokens"][1]["id"] = id;
    });
  };
  CHECK(add(259, "</s>") == "no load_error");
  CHECK(add(256, "ab") == "no load_error");
  CHECK(add(260, "</s>") == "'added_tokens[1].id' is 260, expected 259" + why);
  CHECK(add(258, "</s>") == "'added_tokens[1].id' is 258, expected 259" + why);
  CHECK(add(-1, "</s>") == "'added_tokens[1].id' is -1, expected 259" + why);
  CHECK(add(1e300, "</s>") == "'added_tokens[1].id' is 1e+300, expected 259" + why);
  CHECK(add(259.0, "</s>") == "'added_tokens[1].id' is 259.0, expected 259" + why);
  CHECK(add("259", "</s>") == "'added_tokens[1].id' is of type string, expected 259" + why);
  CHECK(add(nullptr, "</s>") == "'added_tokens[1].id' is missing");
  CHECK(add(259, "ab") == "'added_tokens[1].id' is 259, expected 256" + why);
  CHECK(add(258, "<s>") == "'added_tokens[1].content' \"<s>\" appears twice");
  CHECK(add(259, "") == "'added_tokens[1].content' is empty");
}

TEST_CASE("tokenizer file: an added token that also spells other bytes is refused") {
  // U+0120 is the space of byte-level spelling: the id would stand for two texts.
  CHECK(fault([](json& contents) { add_token(contents, "\u0120"); }) ==
        "'added_tokens[0].content' \"\\xc4\\xa0\" is the spelling of other bytes");
}

TEST_CASE("tokenizer file: no JSON") {
  CHECK(text_fault("") != "no load_error");
  CHECK(text_fault("{\"model\": ") != "no load_error");
  CHECK(text_fault("{\"model\": \"\xff\"}") != "no load_error");
  const std::string deep(1000000, '[');
  CHECK(text_fault(deep) != "no load_error");
  CHECK(text_fault("{\"model\": " + deep + std::string(deep.size(), ']') + "}") != "no load_error");
  const TemporaryDirectory directory;
  CHECK(plumb::test::fault(directory.path() / "none", read_tokenizer) != "no load_error");
  CHECK(plumb::test::fault(directory.path(), read_tokenizer) != "no load_error");
}
