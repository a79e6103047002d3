// Encodings against Hugging Face's tokenizers, and three files of one tokenizer against each other.
#include "plumb/weights/tokenizer.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

#include "plumb/weights/json.hpp"
#include "support/temporary.hpp"

using nlohmann::json;
using plumb::TokenIds;
using plumb::Tokenizer;

namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(PLUMB_SOURCE_DIR) / "tests/fixtures/tokenizers";

/// Words, signs and scripts of which the fixtures' tokenizers know some.
rc::Gen<std::string> texts() {
  const auto parts = rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "the", "light", "water", "kept", "a", "e", "n", " ", "  ", "\n", "\t", "'s", "12", "!?",
      "<s>", "\u00e9", "\u706f", "\u4e2d", "\u00a0", "\U0001f600", "<0x0A>", "."));
  return rc::gen::map(parts, [](const std::vector<std::string>& snippets) {
    std::string text;
    for (const auto& snippet : snippets) text += snippet;
    return text;
  });
}

}  // namespace

TEST_CASE("encodings are those of Hugging Face's tokenizers") {
  const json cases = plumb::read_json(kFolder / "cases.json");
  const json golden = plumb::read_json(kFolder / "golden.json");
  REQUIRE(golden.size() == cases["variants"].size());
  const plumb::test::TemporaryDirectory directory;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const json& variant = cases["variants"][i];
    REQUIRE(golden[i]["name"] == variant["name"]);
    if (variant["name"] == "qwen2" && !plumb::detail::kHasNfc) continue;
    json file = plumb::read_json(kFolder / variant["file"].get<std::string>());
    json patch = variant["patch"];
    file["model"].update(patch.value("model", json::object()));
    patch.erase("model");
    file.update(patch);
    const auto tokenizer = Tokenizer::open(directory.write("tokenizer.json", file.dump()));
    auto texts = cases["texts"].get<std::vector<std::string>>();
    for (const auto& text : variant.value("texts", json::array())) texts.push_back(text);
    REQUIRE(golden[i]["ids"].size() == texts.size());
    for (std::size_t t = 0; t < texts.size(); ++t) {
      CAPTURE(variant["name"].get<std::string>(), texts[t]);
      CHECK(tokenizer.encode(texts[t]) == golden[i]["ids"][t].get<TokenIds>());
    }
  }
}

TEST_CASE("three files of one tokenizer agree") {
  const auto from_json = Tokenizer::open(kFolder / "metaspace.json");
  const auto from_bin = Tokenizer::open(kFolder / "metaspace.bin");
  CHECK(from_json.size() == 512);
  CHECK(from_bin.size() == 512);
  rc::prop("encodings and decodings of tokenizer.json and tokenizer.bin", [&] {
    const auto text = *texts();
    RC_ASSERT(from_bin.decode(from_bin.encode(text)) == text);
    if (text.find("<s>") != text.npos) return;  // a token in tokenizer.json only
    RC_ASSERT(from_json.encode(text) == from_bin.encode(text));
    RC_ASSERT(from_json.decode(from_json.encode(text)) == text);
  });
#ifdef PLUMB_HAS_SENTENCEPIECE
  const auto from_model = Tokenizer::open(kFolder / "metaspace.model");
  CHECK(from_model.size() == 512);
  rc::prop("encodings and decodings of tokenizer.model", [&] {
    const auto text = *texts();
    const auto ids = from_model.encode(text);
    RC_ASSERT(ids == from_bin.encode(text));
    RC_ASSERT(from_model.decode(ids) == text);
  });
  for (plumb::TokenId id = 3; id < 512; ++id) {
    CHECK(from_model.text(id) == from_json.text(id));
    CHECK(from_model.text(id) == from_bin.text(id));
    CHECK(from_model.find(from_model.text(id)) == from_json.find(from_json.text(id)));
  }
#endif
}
