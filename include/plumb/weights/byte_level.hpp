#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Bytes, characters and the spelling of one as the other in byte-level vocabularies.
namespace plumb::detail {

/// A character and the number of bytes that spell it in UTF-8. No bytes: not valid UTF-8.
struct Utf8Character {
  char32_t code = 0;
  std::size_t bytes = 0;
};

/// The character at the start of `text`, which is not empty. Valid as the Unicode standard has it:
/// shortest form, no surrogates, at most U+10FFFF.
inline Utf8Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xc2 || lead > 0xf4) return {};
  const std::size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < bytes) return {};
  char32_t code = lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >> 6 != 2) return {};
    code = code << 6 | (byte & 0x3fu);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >> 11 == 0x1b;
  if (code < kLeast[bytes] || surrogate || code > 0x10ffff) return {};
  return {code, bytes};
}

/// Unicode's White_Space.
constexpr bool is_white_space(char32_t code) {
  return (9 <= code && code <= 13) || code == 0x20 || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (0x2000 <= code && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

/// Length of the longest prefix of `text` that is valid UTF-8.
inline std::size_t valid_prefix(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const std::size_t bytes = first_character(text.substr(length)).bytes;
    if (bytes == 0) break;
    length += bytes;
  }
  return length;
}

/// How GPT-2 spells bytes, so that a vocabulary is printable text: ! to ~, ¡ to ¬ and ® to ÿ as the
/// character with the byte's number, and the other 68 bytes in order as U+0100 to U+0143.
/// Source: bytes_to_unicode in github.com/openai/gpt-2, src/encoder.py.
inline constexpr std::array<char32_t, 256> kByteSpelling = [] {
  std::array<char32_t, 256> spelling{};
  char32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (0x21 <= byte && byte <= 0x7e) || (0xa1 <= byte && byte <= 0xac) || 0xae <= byte;
    spelling[byte] = printable ? byte : next++;
  }
  return spelling;
}();

/// The byte spelled by each character up to U+0143, or -1.
inline constexpr std::array<std::int16_t, 0x144> kSpelledByte = [] {
  std::array<std::int16_t, 0x144> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[kByteSpelling[byte]] = static_cast<std::int16_t>(byte);
  }
  return bytes;
}();

/// The byte's spelling in UTF-8.
inline std::string spell_byte(unsigned char byte) {
  const char32_t code = kByteSpelling[byte];
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

/// The bytes that `spelling` stands for, or nothing if one of its characters spells no byte.
inline std::optional<std::string> spelled_bytes(std::string_view spelling) {
  std::string result;
  while (!spelling.empty()) {
    const Utf8Character character = first_character(spelling);
    if (character.bytes == 0 || character.code >= kSpelledByte.size()) return std::nullopt;
    const std::int16_t byte = kSpelledByte[character.code];
    if (byte < 0) return std::nullopt;
    result += static_cast<char>(byte);
    spelling.remove_prefix(character.bytes);
  }
  return result;
}

/// How SentencePiece and its kin spell a byte: <0x00> to <0xFF>.
inline std::string fallback_spelling(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

/// The byte spelled so, or nothing.
inline std::optional<unsigned char> fallback_byte(std::string_view spelling) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') {
    return std::nullopt;
  }
  const std::size_t high = kDigits.find(spelling[3]), low = kDigits.find(spelling[4]);
  if (high == kDigits.npos || low == kDigits.npos) return std::nullopt;
  return static_cast<unsigned char>(high << 4 | low);
}

}  // namespace plumb::detail
