#include "plumb/weights/word_pattern.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>
#include <string>
#include <string_view>
#include <vector>

using plumb::detail::WordPattern;

namespace {

using Pieces = std::vector<std::string>;

Pieces pieces(std::string_view text, std::string_view regex = plumb::detail::kGpt2Words) {
  const WordPattern pattern(regex);
  Pieces result;
  pattern.for_each_piece(text, [&](std::string_view piece) { result.emplace_back(piece); });
  return result;
}

/// Every expression that a tokenizer may use.
const std::vector<std::string_view> kAll = {
    plumb::detail::kGpt2Words, plumb::detail::kLlama3Words, plumb::detail::kQwen2Words,
    plumb::detail::kDigit,     plumb::detail::kNumber,      plumb::detail::kMetaspaceWords};

}  // namespace

TEST_CASE("words, numbers, signs and white space are cut as GPT-2 does") {
  CHECK(pieces("").empty());
  CHECK(pieces("Hello world") == Pieces{"Hello", " world"});
  CHECK(pieces("a1b22 333!?") == Pieces{"a", "1", "b", "22", " 333", "!?"});
  CHECK(pieces("it's we'll I'M 'tis x'") ==
        Pieces{"it", "'s", " we", "'ll", " I", "'", "M", " '", "tis", " x", "'"});
  CHECK(pieces("a  b   c") == Pieces{"a", " ", " b", "  ", " c"});
  CHECK(pieces("a\n\n b\t") == Pieces{"a", "\n\n", " b", "\t"});
  CHECK(pieces("a \n") == Pieces{"a", " \n"});
  CHECK(pieces("\n\nx") == Pieces{"\n", "\n", "x"});
}

TEST_CASE("Llama 3 keeps signs with words, newlines with signs, and digits by three") {
  const auto cut = [](std::string_view text) { return pieces(text, plumb::detail::kLlama3Words); };
  CHECK(cut("Hello (world)") == Pieces{"Hello", " (", "world", ")"});
  CHECK(cut("-word \tword") == Pieces{"-word", " ", "\tword"});
  CHECK(cut("IT'S they'Re") == Pieces{"IT", "'S", " they", "'Re"});
  CHECK(cut("it'\u017f") == Pieces{"it", "'\u017f"});  // the long s folds to s
  CHECK(cut("1234567") == Pieces{"123", "456", "7"});
  CHECK(cut("!!\n\nx  \n y") == Pieces{"!!\n\n", "x", "  \n", " y"});
  CHECK(cut("a   b") == Pieces{"a", "  ", " b"});
}

TEST_CASE("Qwen 2 cuts as Llama 3, and each digit by itself") {
  CHECK(pieces("ab 123!\n", plumb::detail::kQwen2Words) == Pieces{"ab", " ", "1", "2", "3", "!\n"});
}

TEST_CASE("digits and numbers are cut from what is around them") {
  CHECK(pieces("a12 b\u00b2", plumb::detail::kDigit) == Pieces{"a", "1", "2", " b", "\u00b2"});
  CHECK(pieces("a12 b3", plumb::detail::kNumber) == Pieces{"a", "12", " b", "3"});
  CHECK(pieces("none", plumb::detail::kDigit) == Pieces{"none"});
}

TEST_CASE("a word may begin with the sign for a space") {
  CHECK(pieces("a\u2581b\u2581\u2581c\u2581", plumb::detail::kMetaspaceWords) ==
        Pieces{"a", "\u2581b", "\u2581", "\u2581c", "\u2581"});
}

TEST_CASE("white space is spelled out, in a class and outside") {
  using plumb::detail::with_unicode_space;
  const std::string space = with_unicode_space(R"(\s)");
  REQUIRE(space.size() > 4);
  const std::string inside = space.substr(1, space.size() - 2);
  CHECK(space == "[" + inside + "]");
  CHECK(with_unicode_space(R"(\S)") == "[^" + inside + "]");
  CHECK(with_unicode_space(R"([^\s\p{L}]+\s)") == "[^" + inside + R"(\p{L}]+)" + space);
  CHECK(with_unicode_space(R"(\\s\[\s)") == R"(\\s\[)" + space);
}

TEST_CASE("letters, numbers and white space are Unicode's") {
  CHECK(pieces("\u00e9t\u00e9 \u4e2d\u6587\u0663\u00b2\u2163") ==
        Pieces{"\u00e9t\u00e9", " \u4e2d\u6587", "\u0663\u00b2\u2163"});
  CHECK(pieces("e\u0301") == Pieces{"e", "\u0301"});  // a combining mark is no letter
  for (const char* const space : {"\t", "\v", "\f", "\r", "\u0085", "\u00a0", "\u1680", "\u2000",
                                  "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"}) {
    CAPTURE(space);
    CHECK(pieces("a" + std::string(space) + space + "b") == Pieces{"a", space, space, "b"});
  }
  for (const char* const other : {"\u180e", "\u200b", "\u2060", "\ufeff", "\x1c", "\x1f"}) {
    CAPTURE(other);
    CHECK(pieces("a" + std::string(other) + other + "b") ==
          Pieces{"a", std::string(other) + other, "b"});
  }
}

TEST_CASE("invalid bytes are pieces by themselves") {
  CHECK(pieces("ab\xff\xfe"
               "cd") == Pieces{"ab", "\xff", "\xfe", "cd"});
  CHECK(pieces("\xe4\xb8 x") == Pieces{"\xe4", "\xb8", " x"});
  CHECK(pieces("  \xff") == Pieces{"  ", "\xff"});
  CHECK(pieces("\xed\xa0\x80") == Pieces{"\xed", "\xa0", "\x80"});
}

TEST_CASE("the pieces together are the text, and none is empty") {
  rc::prop("for any bytes", [] {
    const auto bytes = *rc::gen::container<std::string>(rc::gen::oneOf(
        rc::gen::arbitrary<char>(), rc::gen::element(' ', '\n', '\'', 's', '\xc3', '\xa9')));
    for (const std::string_view regex : kAll) {
      std::string joined;
      for (const std::string& piece : pieces(bytes, regex)) {
        RC_ASSERT(!piece.empty());
        joined += piece;
      }
      RC_ASSERT(joined == bytes);
    }
  });
}

TEST_CASE("four megabytes of one kind are cut in linear time") {
  constexpr std::size_t kSize = std::size_t{1} << 22;
  for (const std::string_view regex :
       {plumb::detail::kGpt2Words, plumb::detail::kLlama3Words, plumb::detail::kQwen2Words}) {
    CHECK(pieces(std::string(kSize, 'a'), regex).size() == 1);
    CHECK(pieces(std::string(kSize, ' ') + "x", regex).size() == 2);
    CHECK(pieces(std::string(kSize, '\n') + " ", regex).size() <= 2);
    CHECK(pieces(std::string(kSize, '\xff'), regex).size() == kSize);
  }
}
