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

#include "plumb/weights/token_ids.hpp"

namespace plumb::detail {

/// Tokens that are found in the text as they stand, before anything else is done to it.
class AddedTokens {
 public:
  using Token = std::pair<std::string, TokenId>;

  /// Contents are not empty and all different.
  explicit AddedTokens(std::vector<Token> tokens = {}) {
    std::ranges::sort(tokens, std::ranges::greater(),
                      [](const Token& token) { return token.first.size(); });
    for (Token& token : tokens) {
      by_first_byte_[static_cast<unsigned char>(token.first[0])].push_back(std::move(token));
    }
  }

  std::optional<TokenId> find(std::string_view content) const {
    if (content.empty()) return std::nullopt;
    for (const auto& [known, id] : by_first_byte_[static_cast<unsigned char>(content[0])]) {
      if (known == content) return id;
    }
    return std::nullopt;
  }

  /// Calls gap(text) and token(id) for what the text is made of, in order: the leftmost token,
  /// of several that begin there the longest, then the same behind it. No gap is empty.
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
      if (at > done) gap(text.substr(done, at - done));
      token(found->second);
      at += found->first.size();
      done = at;
    }
    if (done < text.size()) gap(text.substr(done));
  }

 private:
  const Token* longest_at_start(std::string_view text) const {
    for (const Token& token : by_first_byte_[static_cast<unsigned char>(text[0])]) {
      if (text.starts_with(token.first)) return &token;
    }
    return nullptr;
  }

  std::array<std::vector<Token>, 256> by_first_byte_;  ///< each longest first
};

}  // namespace plumb::detail
