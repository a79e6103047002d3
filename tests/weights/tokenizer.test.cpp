#include "plumb/weights/tokenizer.hpp"

#include <catch2/catch.hpp>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <rapidcheck/catch.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plumb/weights/token_ids.hpp"
#include "support/temporary.hpp"
#include "support/tokenizer_json.hpp"

using nlohmann::json;
using plumb::TokenId;
using plumb::TokenIds;
using plumb::Tokenizer;
using plumb::test::add_token;
using plumb::test::TemporaryDirectory;
using plumb::test::tokenizer_json;

namespace {

const std::filesystem::path kBundled =
    std::filesystem::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama";

const Tokenizer& bundled() {
  static const Tokenizer tokenizer = Tokenizer::open(kBundled / "tokenizer.json");
  return tokenizer;
}

Tokenizer open(const json& contents) {
  const TemporaryDirectory directory;
  return Tokenizer::open(directory.write("tokenizer.json", contents.dump()));
}

/// Texts of what pre-tokenizers treat differently, valid UTF-8.
rc::Gen<std::string> texts() {
  const auto parts = rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "the", "of", "a", "ing", " ", "  ", "\n", "\t", "'s", "'ll", "'", "12", "!?", "<s>", "<s",
      "\u00e9", "e\u0301", "\u4e2d\u6587", "\u00a0", "\u180e", "\u2028", "\U0001f600", "\u0120"));
  return rc::gen::map(parts, [](const std::vector<std::string>& snippets) {
    std::string text;
    for (const auto& snippet : snippets) text += snippet;
    return text;
  });
}

/// Byte-level BPE as its definition reads, for ASCII text without added tokens; no code in common
/// with the library.
class NaiveTokenizer {
 public:
  explicit NaiveTokenizer(const json& file) : vocab_(file["model"]["vocab"]) {
    for (const auto& merge : file["model"]["merges"]) merges_.emplace_back(merge[0], merge[1]);
  }

  TokenIds encode(const std::string& text) const {
    TokenIds ids;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = piece_end(text, at);
      for (const auto& token : merged(text.substr(at, end - at))) ids.push_back(vocab_[token]);
      at = end;
    }
    return ids;
  }

 private:
  static int kind(char c) {
    if (std::isalpha(c)) return 'L';
    if (std::isdigit(c)) return 'N';
    return c == ' ' || ('\t' <= c && c <= '\r') ? 's' : 'o';
  }

  static std::size_t piece_end(const std::string& text, std::size_t at) {
    for (const std::string suffix : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (text.compare(at, suffix.size(), suffix) == 0) return at + suffix.size();
    }
    const bool space = text[at] == ' ' && at + 1 < text.size() && kind(text[at + 1]) != 's';
    const int wanted = kind(text[space ? at + 1 : at]);
    std::size_t end = at + 1;
    while (end < text.size() && kind(text[end]) == wanted) ++end;
    if (wanted != 's' || end == text.size() || end == at + 1) return end;
    return end - 1;  // the last white space belongs to the word behind it
  }

  std::vector<std::string> merged(const std::string& piece) const {
    std::vector<std::string> tokens;
    for (const char c : piece) {
      const auto byte = static_cast<unsigned char>(c);
      // The first 33 spellings after U+0100 are those of bytes 0 to 32, and U+0121 that of 127.
      if (byte <= 32) tokens.push_back({'\xc4', static_cast<char>(0x80 + byte)});
      if (byte == 127) tokens.push_back("\u0121");
      if (byte > 32 && byte < 127) tokens.push_back({c});
    }
    // Rank after rank: in trained merges, none makes a part of an earlier one.
    for (const auto& [left, right] : merges_) {
      for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        if (tokens[i] != left || tokens[i + 1] != right) continue;
        tokens[i] += right;
        tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
    return tokens;
  }

  json vocab_;
  std::vector<std::pair<std::string, std::string>> merges_;
};

}  // namespace

TEST_CASE("tokenizer: the bundled prompt gives the bundled ids") {
  TokenIds ids = plumb::read_ids(kBundled / "ids.npy");
  REQUIRE(ids.size() == 128);
  CHECK(bundled().text(ids[0]) == "<s>");
  ids.erase(ids.begin());
  const std::string prompt = plumb::test::read_bytes(kBundled / "prompt.txt");
  CHECK(bundled().encode(prompt) == ids);
  CHECK(bundled().decode(ids) == prompt);
}

TEST_CASE("tokenizer: ids of Hugging Face tokenizers 0.23.2") {
  struct Golden {
    std::string text;
    TokenIds ids;
  };
  const std::vector<Golden> goldens = {
      {"The quick brown fox, aged 42, can't (won't!) jump.",
       {481, 221, 411, 308, 75,  270, 82, 486, 275, 79, 88, 12,  501, 272, 221, 20, 18,
        12,  276, 294, 492, 221, 8,   87, 279, 492, 1,  9,  221, 74,  465, 80,  14}},
      {"  two  spaces\n\n\tand a tab ",
       {221, 257, 87, 79, 221, 262, 80, 355, 285, 199, 199, 198, 413, 259, 257, 65, 66, 221}},
      {"\u00e9t\u00e9 e\u0301 \u4e2d\u6587 \u0663\u00b2 \U0001f600",
       {128, 103, 84,  128, 103, 307, 137, 224, 221, 161, 117, 256, 163,
        245, 230, 221, 150, 97,  127, 111, 221, 173, 254, 247, 223}},
      {"a\u00a0b\u180ec\u3000d", {65, 127, 255, 66, 158, 255, 237, 67, 160, 223, 223, 68}},
      {"<s>start<s> and <s", {0, 318, 455, 0, 278, 221, 28, 83}},
      {"I'M it's they'll ''s", {41, 7, 45, 321, 376, 414, 7, 286, 221, 7, 7, 83}},
      {"", {}},
  };
  for (const auto& [text, ids] : goldens) {
    CAPTURE(text);
    CHECK(bundled().encode(text) == ids);
  }
}

TEST_CASE("tokenizer: tokens have the texts that the vocabulary spells") {
  CHECK(bundled().size() == 512);
  CHECK(bundled().text(1) == "!");
  CHECK(bundled().text(221) == " ");
  CHECK(bundled().text(*bundled().find(" the")) == " the");
  CHECK(bundled().find("<s>") == 0);
  CHECK_FALSE(bundled().find("no such token"));
  CHECK_FALSE(bundled().find(""));
  for (TokenId id = 0; id < bundled().size(); ++id) CHECK(bundled().find(bundled().text(id)) == id);
}

TEST_CASE("tokenizer: decoding undoes encoding") {
  rc::prop("of valid UTF-8", [] {
    const std::string text = *texts();
    RC_ASSERT(bundled().decode(bundled().encode(text)) == text);
  });
  rc::prop("of any bytes", [] {
    const auto bytes = *rc::gen::container<std::string>(
        rc::gen::oneOf(rc::gen::arbitrary<char>(), rc::gen::element('<', 's', '>', ' ', '\xc3')));
    RC_ASSERT(bundled().decode(bundled().encode(bytes)) == bytes);
  });
  rc::prop("with added tokens that overlap words, and every option that keeps the text", [] {
    json contents = tokenizer_json({{"a", "b"}, {" ", "ab"}, {"b", "a"}, {" ab", "ba"}});
    for (const char* const content : {"<s>", "ab", "<s", "  ", "b a", "\u4e2d"}) {
      if (*rc::gen::arbitrary<bool>()) add_token(contents, content, *rc::gen::arbitrary<bool>());
    }
    contents["pre_tokenizer"]["use_regex"] = *rc::gen::arbitrary<bool>();
    contents["model"]["ignore_merges"] = *rc::gen::arbitrary<bool>();
    const Tokenizer tokenizer = open(contents);
    const auto bytes = *rc::gen::container<std::string>(
        rc::gen::element('a', 'b', ' ', '<', 's', '>', '\xe4', '\xb8', '\xad'));
    RC_ASSERT(tokenizer.decode(tokenizer.encode(bytes)) == bytes);
  });
}

TEST_CASE("tokenizer: encoding is the definition") {
  std::ifstream file(kBundled / "tokenizer.json");
  const NaiveTokenizer naive(json::parse(file));
  rc::prop("for ASCII words", [&] {
    const auto parts = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "the", "of", "and", "withheld", "Charles", "e", "t", "in", " ", " ", "  ", "\n", "\t", "'s",
        "'ll", "'t", "'", "\"", "12", "7", "!?", ".", ",", "-"));
    std::string text;
    for (const auto& part : parts) text += part;
    RC_ASSERT(bundled().encode(text) == naive.encode(text));
  });
  rc::prop("for any ASCII", [&] {
    const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
    if (text.find("<s>") != std::string::npos) return;
    RC_ASSERT(bundled().encode(text) == naive.encode(text));
  });
}

TEST_CASE("tokenizer: invalid bytes are tokens by themselves, and words around them stay whole") {
  const TokenId the = *bundled().find(" the");
  CHECK(bundled().encode(" the\xff the\xe4\xb8") == TokenIds{the, *bundled().find("\xff"), the,
                                                             *bundled().find("\xe4"),
                                                             *bundled().find("\xb8")});
}

TEST_CASE("tokenizer: added tokens, the longest, and first those that are not normalized") {
  json contents = tokenizer_json();
  add_token(contents, "<s>");
  add_token(contents, "<s>x<s>", true);
  add_token(contents, "xy", true);
  add_token(contents, "<s>x");
  const Tokenizer tokenizer = open(contents);
  CHECK(tokenizer.encode("<s>x<s>y") == TokenIds{259, 256, 'y'});
  CHECK(tokenizer.encode("xy<s>") == TokenIds{258, 256});
  CHECK(tokenizer.text(257) == "<s>x<s>");
  CHECK(tokenizer.find("xy") == 258);
}

TEST_CASE("tokenizer: with ignore_merges a piece that is a token needs no merges") {
  json contents = tokenizer_json({{"b", "c"}});
  contents["model"]["vocab"]["abc"] = 257;
  CHECK(open(contents).encode("abc abcd") == TokenIds{'a', 256, ' ', 'a', 256, 'd'});
  contents["model"]["ignore_merges"] = true;
  CHECK(open(contents).encode("abc abcd") == TokenIds{257, ' ', 'a', 256, 'd'});
}

TEST_CASE("tokenizer: add_prefix_space puts a space before each stretch of text without one") {
  json contents = tokenizer_json({{" ", "a"}});
  add_token(contents, "<s>");
  contents["pre_tokenizer"]["add_prefix_space"] = true;
  const Tokenizer tokenizer = open(contents);
  CHECK(tokenizer.encode("a") == TokenIds{256});
  CHECK(tokenizer.encode(" a") == TokenIds{256});
  CHECK(tokenizer.encode("a<s>a<s> a<s>") == TokenIds{256, 257, 256, 257, 256, 257});
  CHECK(tokenizer.encode("\na") == TokenIds{' ', '\n', 'a'});
  CHECK(tokenizer.encode("").empty());
}

TEST_CASE("tokenizer: without the regex, pairs are merged across words") {
  json contents = tokenizer_json({{"a", " "}});
  CHECK(open(contents).encode("a a") == TokenIds{'a', ' ', 'a'});
  contents["pre_tokenizer"]["use_regex"] = false;
  CHECK(open(contents).encode("a a") == TokenIds{256, 'a'});
}

TEST_CASE("tokenizer: ids outside the vocabulary") {
  CHECK_THROWS_WITH(bundled().text(512), "Tokenizer::text: token id 512 is outside 0..511");
  CHECK_THROWS_AS(bundled().text(-1), plumb::index_error);
  CHECK_THROWS_AS(bundled().text(std::numeric_limits<TokenId>::min()), plumb::index_error);
  CHECK_THROWS_WITH(bundled().decode({1, 600}),
                    "Tokenizer::decode: token id 600 is outside 0..511");
  CHECK(bundled().decode({}).empty());
}

TEST_CASE("tokenizer: a bad file is named") {
  const TemporaryDirectory directory;
  const auto path = directory.write("tokenizer.json", "{}");
  CHECK(plumb::test::fault(path, Tokenizer::open) == "'model' is missing");
}

TEST_CASE("tokenizer: one tokenizer in two threads") {
  const std::string prompt = plumb::test::read_bytes(kBundled / "prompt.txt");
  TokenIds here, there;
  std::thread other([&] { there = bundled().encode(prompt); });
  here = bundled().encode(prompt);
  other.join();
  CHECK(here == there);
}

TEST_CASE("tokenizer: a folder, or a file of any kind") {
  const auto fixtures = std::filesystem::path(PLUMB_SOURCE_DIR) / "tests/fixtures/tokenizers";
  CHECK(Tokenizer::open(kBundled).size() == 512);
  CHECK(Tokenizer::open(fixtures / "metaspace.bin").text(1) == "\n<s>\n");
  CHECK(Tokenizer::open(fixtures / "metaspace.json").text(1) == "<s>");
  const TemporaryDirectory directory;
  CHECK(plumb::test::fault(directory.path(), Tokenizer::open) ==
        "holds no tokenizer.json, tokenizer.model or tokenizer.bin");
  std::filesystem::copy_file(fixtures / "metaspace.bin", directory.path() / "tokenizer.bin");
  CHECK(Tokenizer::open(directory.path()).text(1) == "\n<s>\n");
  std::filesystem::copy_file(fixtures / "metaspace.model", directory.path() / "tokenizer.model");
#ifdef PLUMB_HAS_SENTENCEPIECE
  CHECK(Tokenizer::open(directory.path()).text(1) == "<s>");
#else
  CHECK(plumb::test::fault(directory.path() / "tokenizer.model", Tokenizer::open) ==
        "cannot be read: plumb was compiled without SentencePiece");
#endif
  std::filesystem::copy_file(kBundled / "tokenizer.json", directory.path() / "tokenizer.json");
  CHECK(Tokenizer::open(directory.path()).text(1) == "!");
}

TEST_CASE("tokenizer: the file of a model") {
  const TemporaryDirectory directory;
  const auto model = directory.path() / "model.bin";
  CHECK_FALSE(plumb::find_tokenizer(directory.path(), 512));
  CHECK_FALSE(plumb::find_tokenizer(model, 512));
  const auto general = directory.write("tokenizer.bin", "");
  const auto own = directory.write("tok512.bin", "");
  CHECK(plumb::find_tokenizer(model, 512) == own);
  CHECK(plumb::find_tokenizer(model, 4096) == general);
  CHECK(plumb::find_tokenizer(directory.path(), 512) == general);
  const auto first = directory.write("tokenizer.json", "");
  CHECK(plumb::find_tokenizer(directory.path(), 512) == first);
  CHECK(plumb::find_tokenizer(model, 512) == own);
}
