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
using plumb::detail::kDigit;
using plumb::detail::kGpt2Words;
using plumb::detail::kMetaspaceWords;
using plumb::detail::kQwen2Words;
using plumb::detail::PrefixScheme;
using plumb::detail::read_tokenizer;
using plumb::detail::TokenizerParts;
using plumb::test::add_token;
using plumb::test::metaspace_json;
using plumb::test::spelled;
using plumb::test::TemporaryDirectory;
using plumb::test::tokenizer_json;

namespace {

using Words = std::vector<std::string>;

json split(const std::string& regex, const std::string& behavior = "Isolated",
           bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", behavior},
          {"invert", invert}};
}

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
  CHECK(parts.names.find("ab")->second == 256);
  CHECK(parts.pre_tokenizer.scheme == PrefixScheme::never);
  CHECK(parts.pre_tokenizer.words.empty());
  CHECK(parts.ignore_merges);
  CHECK_FALSE(parts.alphabet.characters);
  CHECK((*parts.alphabet.bytes)[0xff] == 255);
}

TEST_CASE("tokenizer file: what may be left out or says nothing about ids") {
  json contents = tokenizer_json();
  for (const char* const key : {"version", "truncation", "padding", "added_tokens", "normalizer",
                                "post_processor", "decoder"}) {
    contents.erase(key);
  }
  CHECK(read(contents).pre_tokenizer.words == Words{std::string(kGpt2Words)});
  contents["model"].erase("type");
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
  CHECK(read(contents).pre_tokenizer.scheme == PrefixScheme::never);
  contents["post_processor"] = {
      {"type", "Sequence"},
      {"processors", {{{"type", "ByteLevel"}}, {{"type", "TemplateProcessing"}}}}};
  CHECK(read(contents).texts.size() == 256);
}

TEST_CASE("tokenizer file: steps before bytes") {
  json contents = tokenizer_json();
  contents["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}},
        split(std::string(kQwen2Words)),
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  CHECK(read(contents).pre_tokenizer.words == Words{std::string(kDigit), std::string(kQwen2Words)});
  contents["pre_tokenizer"]["pretokenizers"][2]["add_prefix_space"] = true;
  CHECK(text_fault(contents.dump()) ==
        "'pre_tokenizer.pretokenizers[2].add_prefix_space' is true behind a split");
  contents["pre_tokenizer"]["pretokenizers"].push_back({{"type", "Digits"}});
  contents["pre_tokenizer"]["pretokenizers"][2]["add_prefix_space"] = false;
  CHECK(text_fault(contents.dump()) ==
        "'pre_tokenizer.pretokenizers[3].type' is \"Digits\" behind the step that ends all");
  contents["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  CHECK(read(contents).pre_tokenizer.scheme == PrefixScheme::always);
  CHECK(read(contents).pre_tokenizer.prefix == " ");
}

TEST_CASE("tokenizer file: a vocabulary of characters, with the bytes of the others") {
  json contents = metaspace_json({{"a", "b"}, {"\u2581", "ab"}}, true);
  const TokenizerParts parts = read(contents);
  CHECK(parts.alphabet.characters);
  CHECK(parts.texts.size() == 3 + 256 + 3 + 2);
  CHECK(parts.texts[0] == "<unk>");
  CHECK((*parts.alphabet.bytes)[0xff] == 3 + 0xff);
  CHECK(parts.texts[3 + 0xff] == "\xff");
  CHECK(parts.texts.back() == " ab");
  CHECK(parts.vocabulary.contains("\u2581ab"));
  CHECK(parts.normalizer.size() == 2);
  CHECK(parts.strip_space);
  CHECK(parts.pre_tokenizer.words.empty());
}

TEST_CASE("tokenizer file: a vocabulary of characters, with a token for the others") {
  json contents = metaspace_json({{"a", "b"}}, false);
  TokenizerParts parts = read(contents);
  CHECK_FALSE(parts.alphabet.bytes);
  CHECK(parts.alphabet.unknown == 0);
  CHECK(parts.alphabet.fuse_unknown);
  contents["model"]["byte_fallback"] = true;  // asked for, but no byte has a token
  CHECK_FALSE(read(contents).alphabet.bytes);
  contents["model"]["vocab"]["<0x41>"] = contents["model"]["vocab"].size();
  CHECK(text_fault(contents.dump()) == "'model.vocab' has no token for the byte \"\\x00\"");
  contents["model"]["byte_fallback"] = false;
  CHECK(read(contents).texts.back() == "<0x41>");
  contents["model"]["unk_token"] = "<none>";
  CHECK(text_fault(contents.dump()) == "'model.unk_token' is \"<none>\", which is no token");
  contents["model"].erase("unk_token");
  CHECK(text_fault(contents.dump()) ==
        "'model.unk_token' is missing, and characters may be unknown");
}

TEST_CASE("tokenizer file: Metaspace as pre-tokenizer and decoder") {
  json contents = metaspace_json({}, true);
  contents.erase("normalizer");
  json& step = contents["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
  contents["decoder"] = step;
  CHECK(read(contents).pre_tokenizer.scheme == PrefixScheme::always);
  CHECK(read(contents).pre_tokenizer.prefix == "\u2581");
  CHECK(read(contents).pre_tokenizer.words == Words{std::string(kMetaspaceWords)});
  CHECK(read(contents).strip_space);
  step["split"] = false;
  step["prepend_scheme"] = "first";
  CHECK(read(contents).pre_tokenizer.scheme == PrefixScheme::first);
  CHECK(read(contents).pre_tokenizer.words.empty());
  step["prepend_scheme"] = "last";
  CHECK(text_fault(contents.dump()) ==
        "'pre_tokenizer.prepend_scheme' is \"last\", which is not supported (always or first or "
        "never is)");
  step["prepend_scheme"] = "first";
  step["add_prefix_space"] = false;
  CHECK(text_fault(contents.dump()) == "'pre_tokenizer.add_prefix_space' denies prepend_scheme");
  step.erase("prepend_scheme");
  contents["decoder"]["prepend_scheme"] = "never";
  CHECK(read(contents).pre_tokenizer.scheme == PrefixScheme::never);
  CHECK_FALSE(read(contents).strip_space);
  step["replacement"] = "_";
  CHECK(text_fault(contents.dump()).starts_with("'pre_tokenizer.replacement' is \"_\""));
}

TEST_CASE("tokenizer file: Gemma's split on spaces, when there are none left") {
  json contents = metaspace_json({}, true);
  contents["pre_tokenizer"] = {{"type", "Split"},
                               {"pattern", {{"String", " "}}},
                               {"behavior", "MergedWithPrevious"},
                               {"invert", false}};
  CHECK(read(contents).pre_tokenizer.words.empty());
  contents["normalizer"] = nullptr;
  CHECK(text_fault(contents.dump()) ==
        "'pre_tokenizer.pattern.String' is a split that is not supported");
}

TEST_CASE("tokenizer file: both spellings of merges") {
  json contents = tokenizer_json({{"a", "b"}});
  for (const json& merge : {json("a b"), json({"a", "b"})}) {
    contents["model"]["merges"] = json::array({merge});
    plumb::TokenIds ids;
    read(contents).merges.apply(plumb::TokenIds{'a', 'b'}, ids);
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

TEST_CASE("tokenizer file: what is not supported is refused by name") {
  const auto set = [](const char* key, const json& value) {
    return fault([&](json& contents) { contents[key] = value; });
  };
  const auto set_model = [](const char* key, const json& value) {
    return model_fault([&](json& model) { model[key] = value; });
  };
  CHECK(set("version", "2.0") == "'version' is not supported (1.0 is)");
  CHECK(set("truncation", {{"max_length", 3}}) == "'truncation' is not supported (null is)");
  CHECK(set("padding", {{"pad_id", 3}}) == "'padding' is not supported (null is)");
  CHECK(set("normalizer", {{"type", "NFKC"}}) ==
        "'normalizer.type' is \"NFKC\", which is not supported (NFC or Prepend or Replace is)");
  CHECK(set("pre_tokenizer", {{"type", "Whitespace"}}) ==
        "'pre_tokenizer.type' is \"Whitespace\", which is not supported (ByteLevel or Metaspace or "
        "Split or Digits is)");
  CHECK(set("pre_tokenizer", split("\\s+")) ==
        "'pre_tokenizer.pattern.Regex' is not one that plumb knows (of GPT-2, Llama 3 and Qwen 2)");
  CHECK(set("pre_tokenizer", split(std::string(kGpt2Words), "Removed")) ==
        "'pre_tokenizer.behavior' is \"Removed\", which is not supported (Isolated is)");
  CHECK(set("pre_tokenizer", split(std::string(kGpt2Words), "Isolated", true)) ==
        "'pre_tokenizer.invert' is true, which is not supported");
  CHECK(set("pre_tokenizer", {{"type", "Sequence"}}) == "'pre_tokenizer.pretokenizers' is missing");
  // Without ByteLevel the vocabulary is one of characters.
  CHECK(set("pre_tokenizer", nullptr).starts_with("'decoder.type' is \"ByteLevel\""));
  CHECK(set("decoder", {{"type", "Sequence"}, {"decoders", {{{"type", "Fuse"}}}}}) ==
        "'decoder.decoders[0].type' is \"Fuse\", which is not supported (ByteLevel is)");
  CHECK(set("post_processor", {{"type", "RobertaProcessing"}}) ==
        "'post_processor.type' is \"RobertaProcessing\", which is not supported (ByteLevel or "
        "TemplateProcessing is)");
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

TEST_CASE("tokenizer file: options of added tokens that are not supported are refused") {
  CHECK(fault([&](json& contents) {
          add_token(contents, "<s>");
          contents["added_tokens"][0]["single_word"] = true;
        }) == "'added_tokens[0].single_word' is true, which is not supported");
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
        "'normalizer' is no JSON object");
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

TEST_CASE("tokenizer file: added tokens among characters") {
  json contents = metaspace_json({}, true);
  const auto add = [&](const char* content, bool normalized) {
    add_token(contents, content, normalized);
    contents["added_tokens"].back()["rstrip"] = true;
  };
  add("<m>", true);
  add("\u2581\u2581", false);
  const TokenizerParts parts = read(contents);
  CHECK_FALSE(parts.added.second.find("<m>"));
  CHECK(parts.added.second.find("\u2581<m>") == 262);
  CHECK(parts.names.find("<m>")->second == 262);
  CHECK(parts.texts[262] == "<m>");
  CHECK(parts.texts[263] == "  ");
  contents["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "<m>"}}}, {"content", ""}};
  CHECK(text_fault(contents.dump()) == "'added_tokens[0].content' is empty when normalized");
  contents["normalizer"]["pattern"]["String"] = "";
  CHECK(text_fault(contents.dump()) == "'normalizer.pattern.String' is empty");
}
