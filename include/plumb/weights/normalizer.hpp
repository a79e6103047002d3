#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
#ifdef PLUMB_HAS_UTF8PROC
#include <cstdlib>
#include <memory>
#include <utf8proc.h>
#endif

#include "plumb/weights/byte_level.hpp"

/// What is done to a text before tokens are looked for in it.
namespace plumb::detail {

/// U+2581, by which SentencePiece and its kin spell a space.
inline constexpr std::string_view kMetaspace = "\xe2\x96\x81";

/// Canonical composition (Unicode Standard Annex 15) of each stretch of valid UTF-8. Needs
/// utf8proc.
struct Nfc {};

/// Puts `text` in front, unless there is nothing to stand in front of.
struct Prepend {
  std::string text;
};

/// Every occurrence of `from`, which is not empty, becomes `to`: leftmost first, no overlaps.
struct Replace {
  std::string from;
  std::string to;
};

/// Steps in the order in which they are taken.
using Normalizer = std::vector<std::variant<Nfc, Prepend, Replace>>;

/// Whether plumb was compiled with what NFC needs.
#ifdef PLUMB_HAS_UTF8PROC
inline constexpr bool kHasNfc = true;
#else
inline constexpr bool kHasNfc = false;
#endif

/// Appends the composition of `text`, which is valid UTF-8.
inline void append_composed([[maybe_unused]] std::string_view text,
                            [[maybe_unused]] std::string& result) {
#ifdef PLUMB_HAS_UTF8PROC
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, std::free);
  if (size < 0) throw std::runtime_error(utf8proc_errmsg(size));
  result.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
#else
  throw std::logic_error("plumb was compiled without utf8proc, which NFC needs");
#endif
}

inline std::string taken(const Nfc&, std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t valid = valid_prefix(text);
    if (valid > 0) append_composed(text.substr(0, valid), result);
    result += text.substr(valid, 1);  // not valid: kept as it is
    text.remove_prefix(valid < text.size() ? valid + 1 : valid);
  }
  return result;
}

inline std::string taken(const Prepend& step, std::string_view text) {
  return text.empty() ? std::string() : step.text + std::string(text);
}

inline std::string taken(const Replace& step, std::string_view text) {
  std::string result;
  for (;;) {
    const std::size_t at = text.find(step.from);
    result += text.substr(0, at);
    if (at == std::string_view::npos) return result;
    result += step.to;
    text.remove_prefix(at + step.from.size());
  }
}

/// The text after all steps. Time linear in the text; NFC sorts each run of combining marks, in
/// time quadratic in the run.
inline std::string normalize(const Normalizer& steps, std::string_view text) {
  std::string result(text);
  for (const auto& step : steps) {
    result = std::visit([&](const auto& one) { return taken(one, result); }, step);
  }
  return result;
}

}  // namespace plumb::detail
