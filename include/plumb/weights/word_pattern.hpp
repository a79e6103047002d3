#pragma once

// Width 0 declares the functions of every width, with their suffixes, and no macros: a program that
// includes plumb may use another width.
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 0
#endif
#include <cstddef>
#include <memory>
#include <pcre2.h>
#include <stdexcept>
#include <string>
#include <string_view>

#include "plumb/weights/byte_level.hpp"

namespace plumb::detail {

/// How GPT-2 cuts text into words: github.com/openai/gpt-2, src/encoder.py.
inline constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// How Llama 3 does, after GPT-4.
inline constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// How Qwen 2 does: as Llama 3, each digit by itself.
inline constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Each digit, or each number, by itself.
inline constexpr std::string_view kDigit = R"(\p{N})", kNumber = R"(\p{N}+)";

/// A word begins with U+2581, which spells a space.
inline constexpr std::string_view kMetaspaceWords = R"(\x{2581}[^\x{2581}]*)";

/// The regular expression with \s and \S spelled out as Unicode's White_Space has them: PCRE2's own
/// \s holds U+180E in addition.
inline std::string with_unicode_space(std::string_view regex) {
  constexpr std::string_view kSpace =
      R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
  std::string result;
  bool in_class = false;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    const std::string_view pair = regex.substr(i, 2);
    if (pair == R"(\s)" || pair == R"(\S)") {
      if (!in_class) result += pair == R"(\s)" ? "[" : "[^";
      result += kSpace;
      if (!in_class) result += "]";
      ++i;
    } else if (regex[i] == '\\') {
      result += pair;
      ++i;
    } else {
      in_class = regex[i] == '[' || (in_class && regex[i] != ']');
      result += regex[i];
    }
  }
  return result;
}

/// A regular expression that cuts text into the pieces within which byte pairs are merged.
/// Copies share the compiled expression; const members may be called from several threads.
class WordPattern {
 public:
  /// One of the expressions above, or one like them: no match is empty, and \S stands in no class.
  /// What is a letter or a number is as in the Unicode version of the PCRE2 in use.
  explicit WordPattern(std::string_view regex) {
    const std::string pattern = with_unicode_space(regex);
    int error = 0;
    std::size_t offset = 0;
    code_ = require(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                                    PCRE2_UTF, &error, &offset, nullptr),
                    pcre2_code_free_8);
    // Machine code is several times faster; without it (no memory may be executable) the
    // interpreter gives the same matches.
    pcre2_jit_compile_8(code_.get(), PCRE2_JIT_COMPLETE);
  }

  /// Calls visit(piece) for consecutive pieces that together are `text`: the matches of the
  /// pattern in each stretch of valid UTF-8, what stands between them, and, between stretches, each
  /// invalid byte by itself.
  /// Time linear in the text.
  template <class Visit>
  void for_each_piece(std::string_view text, Visit&& visit) const {
    const auto match = require(pcre2_match_data_create_from_pattern_8(code_.get(), nullptr),
                               pcre2_match_data_free_8);
    while (!text.empty()) {
      const std::size_t valid = valid_prefix(text);
      visit_matches(text.substr(0, valid), match.get(), visit);
      if (valid < text.size()) visit(text.substr(valid, 1));
      text.remove_prefix(valid < text.size() ? valid + 1 : valid);
    }
  }

 private:
  /// Takes ownership of what PCRE2 allocated.
  template <class T>
  static std::shared_ptr<T> require(T* object, void (*release)(T*)) {
    if (object == nullptr) throw std::runtime_error("PCRE2 cannot compile or run the word pattern");
    return {object, release};
  }

  template <class Visit>
  void visit_matches(std::string_view text, pcre2_match_data_8* match, Visit& visit) const {
    const std::size_t* const bounds = pcre2_get_ovector_pointer_8(match);
    std::size_t done = 0;
    while (done < text.size()) {
      const int found = pcre2_match_8(code_.get(), reinterpret_cast<PCRE2_SPTR8>(text.data()),
                                      text.size(), done, PCRE2_NO_UTF_CHECK, match, nullptr);
      if (found == PCRE2_ERROR_NOMATCH) return visit(text.substr(done));
      if (found < 0) throw std::runtime_error("PCRE2 failed with error " + std::to_string(found));
      if (bounds[0] > done) visit(text.substr(done, bounds[0] - done));
      visit(text.substr(bounds[0], bounds[1] - bounds[0]));
      done = bounds[1];
    }
  }

  std::shared_ptr<pcre2_code_8> code_;
};

}  // namespace plumb::detail
