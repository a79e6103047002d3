#include "plumb/weights/sentence_piece.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "support/temporary.hpp"

#ifdef PLUMB_HAS_SENTENCEPIECE
using plumb::TokenIds;
using plumb::detail::SentencePiece;

namespace {
const std::filesystem::path kModel =
    std::filesystem::path(PLUMB_SOURCE_DIR) / "tests/fixtures/tokenizers/metaspace.model";
}

TEST_CASE("a model of SentencePiece") {
  const auto tokenizer = SentencePiece::open(kModel);
  CHECK(tokenizer.size() == 512);
  CHECK(tokenizer.text(0) == "<unk>");
  CHECK(tokenizer.text(3 + '\n') == "\n");
  CHECK(tokenizer.find("\n") == 3 + '\n');
  CHECK(tokenizer.find("<s>") == 1);
  const auto the = tokenizer.find(" the");
  REQUIRE(the);
  CHECK(tokenizer.text(*the) == " the");
  CHECK(tokenizer.encode("the") == TokenIds{*the});
  CHECK(tokenizer.decode({*the, *the}) == "the the");
  CHECK(tokenizer.encode("").empty());
  CHECK_FALSE(tokenizer.find("no such token"));
  CHECK_FALSE(tokenizer.find(""));
}

TEST_CASE("what is no model is refused") {
  const plumb::test::TemporaryDirectory directory;
  const std::string whole = plumb::test::read_bytes(kModel);
  for (const std::string& bytes :
       {std::string(), std::string("text"), std::string(100, '\0'), std::string(100, '\xff'),
        whole.substr(0, whole.size() / 2 + 1)}) {
    CHECK(plumb::test::fault(directory.write("tokenizer.model", bytes), SentencePiece::open) ==
          "is no model that SentencePiece reads");
  }
}
#else
TEST_CASE("without SentencePiece there is nothing to test") { SUCCEED(); }
#endif
