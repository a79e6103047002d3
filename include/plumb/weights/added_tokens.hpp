#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb::detail {

/// A token that is found in the text as it stands, with the white space beside it where it says so.
struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool lstrip = false;  ///< white space in front belongs to it
  bool rstrip = false;  ///< white space behind belongs to it
};

/// Length of the white space that begins `text`.
inline std::size_t leading_white_space(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Utf8Character next = first_character(text.substr(length));
    if (next.bytes == 0 || !is_white_space(next.code)) break;
    length += next.bytes;
  }
  return length;
}

/// Length of the white space that ends `text`.
inline std::size_t trailing_white_space(std::string_view text) {
  constexpr std::size_t kLongest = 3;  // bytes of a character that is white space
  const std::size_t whole = text.size();
  const auto last = [&] {
    for (std::size_t bytes = 1; bytes <= std::min(kLongest, text.size()); ++bytes) {
      const Utf8Character end = first_character(text.substr(text.size() - bytes));
      if (end.bytes == bytes) return is_white_space(end.code) ? bytes : 0;
    }
    return std::size_t{0};
  };
  for (std::size_t bytes = last(); bytes > 0; bytes = last()) text.remove_suffix(bytes);
  return whole - text.size();
}

/// Added tokens, found before anything else is done to the text.
class AddedTokens {
 public:
  /// Contents are not empty and all different.
  explicit AddedTokens(std::vector<AddedToken> tokens = {}) {
    std::ranges::sort(tokens, std::ranges::greater(),
                      [](const AddedToken& token) { return token.content.size(); });
    for (AddedToken& token : tokens) {
      by_first_byte_[static_cast<unsigned char>(token.content[0])].push_back(std::move(token));
    }
  }

  std::optional<TokenId> find(std::string_view content) const {
    if (content.empty()) return std::nullopt;
    for (const AddedToken& token : by_first_byte_[static_cast<unsigned char>(content[0])]) {
      if (token.content == content) return token.id;
    }
    return std::nullopt;
  }

  /// Calls gap(text) and token(id) for what the text is made of, in order: the leftmost token,
  /// of several that begin there the longest, then the same behind it. Gaps are what tokens and
  /// their white space leave over; none is empty. White space behind a token may hold further
  /// tokens, as in Hugging Face's tokenizers.
  /// Cost: each byte is compared with the tokens that begin with it.
  template <class OnGap, class OnToken>
  void split(std::string_view text, OnGap&& gap, OnToken&& token) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const auto* const found = longest_at_start(text.substr(at));
      if (found == nullptr) {
        ++at;
        continue;
      }
      const std::size_t end = at + found->content.size();
      const std::size_t before = found->lstrip ? trailing_white_space(text.substr(0, at)) : 0;
      const std::size_t behind = found->rstrip ? leading_white_space(text.substr(end)) : 0;
      if (at - before > done) gap(text.substr(done, at - before - done));
      token(found->id);
      at = end;
      done = end + behind;
    }
    if (done < text.size()) gap(text.substr(done));
  }

 private:
  const AddedToken* longest_at_start(std::string_view text) const {
    for (const AddedToken& token : by_first_byte_[static_cast<unsigned char>(text[0])]) {
      if (text.starts_with(token.content)) return &token;
    }
    return nullptr;
  }

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  ///< each longest first
};

}  // namespace plumb::detail
