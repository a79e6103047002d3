#include "plumb/weights/added_tokens.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <rapidcheck/catch.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using plumb::TokenId;
using plumb::detail::AddedToken;
using plumb::detail::AddedTokens;

namespace {

using Tokens = std::vector<AddedToken>;

/// Gaps as they are, tokens as [id].
std::string show(const AddedTokens& tokens, std::string_view text) {
  std::string result;
  tokens.split(
      text, [&](std::string_view gap) { result += "(" + std::string(gap) + ")"; },
      [&](TokenId id) { result += "[" + std::to_string(id) + "]"; });
  return result;
}

/// The same, trying every token at every place.
std::string show_naively(const Tokens& tokens, const std::string& text) {
  std::string result, gap;
  for (std::size_t at = 0; at <= text.size();) {
    const AddedToken* best = nullptr;
    for (const auto& token : tokens) {
      const bool here = text.compare(at, token.content.size(), token.content) == 0;
      if (here && (best == nullptr || token.content.size() > best->content.size())) best = &token;
    }
    if ((best != nullptr || at == text.size()) && !gap.empty()) {
      result += "(" + gap + ")";
      gap.clear();
    }
    if (best != nullptr) {
      result += "[" + std::to_string(best->id) + "]";
      at += best->content.size();
    } else {
      gap += text.substr(at++, 1);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("added tokens are found leftmost, then longest") {
  const AddedTokens tokens({{"<s", 1}, {"<s>", 2}, {"s><", 3}, {"  ", 4}});
  CHECK(show(tokens, "").empty());
  CHECK(show(tokens, "text") == "(text)");
  CHECK(show(tokens, "<s>") == "[2]");
  CHECK(show(tokens, "a<s><s<s>b") == "(a)[2][1][2](b)");
  CHECK(show(tokens, "s><s>") == "[3](s>)");
  CHECK(show(tokens, "   ") == "[4]( )");
  CHECK(show(tokens, "<") == "(<)");
}

TEST_CASE("no tokens leave the text whole") {
  CHECK(show(AddedTokens(), "<s>") == "(<s>)");
  CHECK_FALSE(AddedTokens().find("<s>"));
}

TEST_CASE("find knows exact contents only") {
  const AddedTokens tokens({{"<s>", 0}, {"<s>x", 7}});
  CHECK(tokens.find("<s>") == 0);
  CHECK(tokens.find("<s>x") == 7);
  CHECK_FALSE(tokens.find("<s"));
  CHECK_FALSE(tokens.find(""));
}

TEST_CASE("splitting is the definition") {
  rc::prop("random tokens over three letters", [] {
    const auto word = [](std::size_t least) {
      return rc::gen::suchThat(rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c')),
                               [=](const std::string& s) { return s.size() >= least; });
    };
    const auto contents = *rc::gen::resize(4, rc::gen::unique<std::vector<std::string>>(word(1)));
    Tokens tokens;
    for (const auto& content : contents) {
      tokens.push_back({content, static_cast<TokenId>(tokens.size())});
    }
    const auto text = *word(0);
    RC_ASSERT(show(AddedTokens(tokens), text) == show_naively(tokens, text));
  });
}

TEST_CASE("white space beside a token belongs to it where it says so") {
  const AddedTokens both(
      {{"<m>", 1, true, true}, {"<l>", 2, true, false}, {"<r>", 3, false, true}});
  CHECK(show(both, "a <m> b") == "(a)[1](b)");
  CHECK(show(both, "a\t\n <l> b") == "(a)[2]( b)");
  CHECK(show(both, "a <r>\u00a0\u3000b") == "(a )[3](b)");
  CHECK(show(both, " <m> <m>  ") == "[1][1]");
  CHECK(show(both, "<r>  <l>") == "[3][2]");
  CHECK(show(both, "\u00e9<m>\u00e9") == "(\u00e9)[1](\u00e9)");
  CHECK(show(both, "\xa0<m>\xc2") == "(\xa0)[1](\xc2)");  // no characters, so no white space
}

TEST_CASE("white space that a token took may hold further tokens") {
  const AddedTokens tokens({{"<r>", 1, false, true}, {"  ", 2}});
  CHECK(show(tokens, "<r>   x") == "[1][2]( x)");
}

TEST_CASE("lengths of white space at the ends of a text") {
  using plumb::detail::leading_white_space;
  using plumb::detail::trailing_white_space;
  for (const std::string space : {"", " ", "\t\r\n", "\u0085\u00a0", "\u1680\u2003 \u2029"}) {
    CHECK(leading_white_space(space + "x" + space) == space.size());
    CHECK(trailing_white_space(space + "x" + space) == space.size());
    CHECK(leading_white_space(space) == space.size());
    CHECK(trailing_white_space(space) == space.size());
    CHECK(trailing_white_space("\u200b" + space) == space.size());
  }
}
