#include "plumb/weights/byte_level.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <rapidcheck/catch.h>
#include <set>
#include <string>

using namespace plumb::detail;

namespace {

std::string utf8(char32_t code) {
  const auto part = [&](unsigned lead, int shift) {
    return static_cast<char>(lead | (code >> shift & (lead == 0x80 ? 0x3f : 0xff)));
  };
  if (code < 0x80) return {part(0, 0)};
  if (code < 0x800) return {part(0xc0, 6), part(0x80, 0)};
  if (code < 0x10000) return {part(0xe0, 12), part(0x80, 6), part(0x80, 0)};
  return {part(0xf0, 18), part(0x80, 12), part(0x80, 6), part(0x80, 0)};
}

std::size_t length(const std::string& text) { return first_character(text).bytes; }

}  // namespace

TEST_CASE("first_character reads every character but the surrogates") {
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::string text = utf8(code) + "x";
    const Utf8Character character = first_character(text);
    const bool surrogate = 0xd800 <= code && code < 0xe000;
    const bool right = surrogate ? character.bytes == 0
                                 : character.code == code && character.bytes == text.size() - 1;
    if (!right) FAIL("U+" << std::hex << static_cast<unsigned>(code));
  }
}

TEST_CASE("first_character finds no more than these") {
  int one = 0, two = 0, three = 0;
  for (int a = 0; a < 256; ++a) {
    one += length({static_cast<char>(a)}) == 1;
    for (int b = 0; b < 256; ++b) {
      two += length({static_cast<char>(a), static_cast<char>(b)}) == 2;
      for (int c = 0; c < 256; ++c) {
        three += length({static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)}) == 3;
      }
    }
  }
  CHECK(one == 0x80);
  CHECK(two == 0x800 - 0x80);
  CHECK(three == 0x10000 - 0x800 - 0x800);  // less the surrogates
  CHECK(length("\xf0\x8f\xbf\xbf") == 0);   // U+FFFF in four bytes
  CHECK(length("\xf4\x90\x80\x80") == 0);   // U+110000
  CHECK(length("\xf8\x88\x80\x80\x80") == 0);
  CHECK(length("\xf0\x9f\x98") == 0);
  CHECK(length("\xf0\x9f\x98x") == 0);
}

TEST_CASE("valid_prefix ends at the first byte that is not UTF-8") {
  CHECK(valid_prefix("") == 0);
  CHECK(valid_prefix("h\xc3\xa9") == 3);
  CHECK(valid_prefix("h\xc3") == 1);
  CHECK(valid_prefix("\xff...") == 0);
}

TEST_CASE("bytes are spelled as in GPT-2") {
  CHECK(spell_byte('a') == "a");
  CHECK(spell_byte('!') == "!");
  CHECK(spell_byte('~') == "~");
  CHECK(spell_byte(' ') == "\u0120");
  CHECK(spell_byte('\n') == "\u010a");
  CHECK(spell_byte(0x00) == "\u0100");
  CHECK(spell_byte(0x7f) == "\u0121");
  CHECK(spell_byte(0xa0) == "\u0142");
  CHECK(spell_byte(0xa1) == "\u00a1");
  CHECK(spell_byte(0xad) == "\u0143");
  CHECK(spell_byte(0xff) == "\u00ff");
}

TEST_CASE("spelled_bytes undoes the spelling") {
  std::set<std::string> spellings;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelling = spell_byte(static_cast<unsigned char>(byte));
    spellings.insert(spelling);
    CHECK(spelled_bytes(spelling) == std::string(1, static_cast<char>(byte)));
  }
  CHECK(spellings.size() == 256);
  rc::prop("of any bytes", [] {
    const auto bytes = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
    std::string spelling;
    for (const char byte : bytes) spelling += spell_byte(static_cast<unsigned char>(byte));
    RC_ASSERT(spelled_bytes(spelling) == bytes);
  });
}

TEST_CASE("other characters spell nothing") {
  CHECK_FALSE(spelled_bytes("a b"));
  CHECK_FALSE(spelled_bytes("\n"));
  CHECK_FALSE(spelled_bytes("\u00ad"));
  CHECK_FALSE(spelled_bytes("\u0144"));
  CHECK_FALSE(spelled_bytes("\u2581x"));
  CHECK_FALSE(spelled_bytes("a\xff"));
}

TEST_CASE("bytes are spelled in hexadecimal, and only so") {
  using plumb::detail::fallback_byte;
  using plumb::detail::fallback_spelling;
  CHECK(fallback_spelling(0) == "<0x00>");
  CHECK(fallback_spelling(0xaf) == "<0xAF>");
  for (unsigned byte = 0; byte < 256; ++byte) {
    CHECK(fallback_byte(fallback_spelling(static_cast<unsigned char>(byte))) == byte);
  }
  for (const char* const other :
       {"", "<0x0>", "<0xaf>", "<0xG0>", "<0x000>", "0x00", "<0x00", "<1x00>", "<0x00>x"}) {
    CHECK_FALSE(fallback_byte(other));
  }
}

TEST_CASE("white space is Unicode's: 25 characters") {
  int count = 0;
  for (char32_t code = 0; code <= 0x10ffff; ++code) count += plumb::detail::is_white_space(code);
  CHECK(count == 25);
  CHECK_FALSE(plumb::detail::is_white_space(0x180e));
  CHECK_FALSE(plumb::detail::is_white_space(0x200b));
}
