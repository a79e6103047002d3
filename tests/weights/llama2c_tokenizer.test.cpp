#include "plumb/weights/llama2c_tokenizer.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "plumb/weights/bpe_tokenizer.hpp"
#include "support/temporary.hpp"

using plumb::TokenIds;
using plumb::detail::BpeTokenizer;
using plumb::detail::read_llama2c_tokenizer;
using plumb::detail::ScoredToken;
using plumb::test::TemporaryDirectory;

namespace {

std::string int32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string file(const std::vector<ScoredToken>& tokens, std::uint32_t longest = 8) {
  std::string bytes = int32(longest);
  for (const auto& [score, text] : tokens) {
    bytes += int32(std::bit_cast<std::uint32_t>(score));
    bytes += int32(static_cast<std::uint32_t>(text.size())) + text;
  }
  return bytes;
}

/// <unk>, <s>, </s>, the bytes, and these.
std::vector<ScoredToken> tokens(const std::vector<ScoredToken>& more) {
  std::vector<ScoredToken> list = {{0, "<unk>"}, {0, "\n<s>\n"}, {0, "\n</s>\n"}};
  for (unsigned byte = 0; byte < 256; ++byte) {
    list.push_back({0, plumb::detail::fallback_spelling(static_cast<unsigned char>(byte))});
  }
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

BpeTokenizer open(const std::vector<ScoredToken>& more) {
  const TemporaryDirectory directory;
  return BpeTokenizer(read_llama2c_tokenizer(directory.write("tokenizer.bin", file(tokens(more)))));
}

std::string fault(const std::string& bytes) {
  const TemporaryDirectory directory;
  return plumb::test::fault(directory.write("tokenizer.bin", bytes), read_llama2c_tokenizer);
}

constexpr plumb::TokenId kFirst = 259;  ///< behind the bytes

}  // namespace

TEST_CASE("the pair of the highest score is merged first, then the leftmost") {
  const auto tokenizer =
      open({{-9, " "}, {-9, "a"}, {-9, "b"}, {-2, "ab"}, {-1, "ba"}, {-3, " a"}});
  CHECK(tokenizer.encode("") == TokenIds{});
  CHECK(tokenizer.encode("ab") == TokenIds{kFirst, kFirst + 3});
  CHECK(tokenizer.encode("aba") == TokenIds{kFirst + 5, kFirst + 4});
  CHECK(tokenizer.encode("a") == TokenIds{kFirst + 5});
  CHECK(tokenizer.encode("bb") == TokenIds{kFirst, kFirst + 2, kFirst + 2});
}

TEST_CASE("equal scores are one rank") {
  const auto tokenizer = open({{-9, " "}, {-9, "a"}, {-9, "b"}, {-1, "ba"}, {-1, "ab"}});
  CHECK(tokenizer.encode("aba") == TokenIds{kFirst, kFirst + 4, kFirst + 1});
  CHECK(tokenizer.encode("bab") == TokenIds{kFirst, kFirst + 3, kFirst + 2});
}

TEST_CASE("a token may be cut anywhere, and scores of -1e10 merge nothing") {
  const auto tokenizer = open({{-9, " "}, {-9, "a"}, {-8, "aa"}, {-7, "aaa"}, {-1e10F, " aaa"}});
  CHECK(tokenizer.encode("aaa") == TokenIds{kFirst, kFirst + 3});
}

TEST_CASE("characters without a token are bytes, and decoding undoes encoding") {
  const auto tokenizer = open({{-9, " "}, {-9, "\u00e9"}});
  CHECK(tokenizer.encode("\u00e9\u00ea\xff") ==
        TokenIds{kFirst, kFirst + 1, 3 + 0xc3, 3 + 0xaa, 3 + 0xff});
  for (const std::string text : {"a", " a", "\u00e9\xff\n", "<s>", "<0x41>", "  "}) {
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  }
  CHECK(tokenizer.text(1) == "\n<s>\n");
  CHECK(tokenizer.text(3 + 'A') == "A");
}

TEST_CASE("tokens may be empty") {
  const auto tokenizer = open({{-9, " "}, {0, ""}, {0, ""}});
  CHECK(tokenizer.size() == kFirst + 3);
  CHECK(tokenizer.encode("a") == TokenIds{kFirst, 3 + 'a'});
}

TEST_CASE("bad files are named") {
  const std::string good = file(tokens({{-1, "a"}}));
  CHECK(fault(good) == "no load_error");
  CHECK(fault("") == "is truncated in token 0");
  CHECK(fault(good.substr(0, 4)) == "holds no tokens");
  CHECK(fault(good.substr(0, good.size() - 1)) == "is truncated in token 259");
  CHECK(fault(good + "x") == "is truncated in token 260");
  CHECK(fault(file({}, 0)).starts_with("is no tokenizer of llama2.c: its longest token would"));
  CHECK(fault(file({}, 0xffffffff)).starts_with("is no tokenizer of llama2.c"));
  CHECK(fault(file({{0, "abc"}}, 2)) == "token 0 has 3 bytes, and the longest has 2");
  CHECK(fault(int32(8) + int32(0) + int32(0xffffffff)) ==
        "token 0 has 4294967295 bytes, and the longest has 8");
  CHECK(fault(file({{std::numeric_limits<float>::quiet_NaN(), "a"}})) ==
        "token 0 has a score that is not finite");
  CHECK(fault(file({{std::numeric_limits<float>::infinity(), "a"}})) ==
        "token 0 has a score that is not finite");
  CHECK(fault(file(tokens({{0, "a"}, {0, "a"}}))) == "token 260 is \"a\" like an earlier one");
  CHECK(fault(file({{0, "a"}})) == "has no token <0x00>");
}
