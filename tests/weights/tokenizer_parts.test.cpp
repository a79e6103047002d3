#include "plumb/weights/tokenizer_parts.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <string>

using plumb::TokenId;
using plumb::TokenIds;
using plumb::detail::Alphabet;
using plumb::detail::first_tokens;
using plumb::detail::TokensByText;

namespace {

plumb::detail::ByteTokens bytes_from(TokenId first) {
  plumb::detail::ByteTokens bytes{};
  for (std::size_t byte = 0; byte < bytes.size(); ++byte) {
    bytes[byte] = first + static_cast<TokenId>(byte);
  }
  return bytes;
}

const TokensByText kVocabulary = {{"a", 0}, {"\u00e9", 1}, {"ab", 2}};

}  // namespace

TEST_CASE("one token a byte") {
  Alphabet alphabet;
  alphabet.bytes = bytes_from(0);
  CHECK(first_tokens(alphabet, kVocabulary, "a\u00e9\xff") == TokenIds{'a', 0xc3, 0xa9, 0xff});
  CHECK(first_tokens(alphabet, kVocabulary, "").empty());
}

TEST_CASE("one token a character, and bytes for the others") {
  Alphabet alphabet;
  alphabet.characters = true;
  alphabet.bytes = bytes_from(100);
  CHECK(first_tokens(alphabet, kVocabulary, "ab\u00e9\u00ea\xff") ==
        TokenIds{0, 100 + 'b', 1, 100 + 0xc3, 100 + 0xaa, 100 + 0xff});
}

TEST_CASE("one token a character, and the unknown token for the others") {
  Alphabet alphabet;
  alphabet.characters = true;
  alphabet.unknown = 9;
  CHECK(first_tokens(alphabet, kVocabulary, "ax\u4e2da\xffx") == TokenIds{0, 9, 9, 0, 9, 9});
  alphabet.fuse_unknown = true;
  CHECK(first_tokens(alphabet, kVocabulary, "ax\u4e2da\xffx") == TokenIds{0, 9, 0, 9});
}
