#include "plumb/weights/bpe_tokenizer.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <string>

using plumb::TokenId;
using plumb::TokenIds;
using plumb::detail::BpeTokenizer;
using plumb::detail::PrefixScheme;
using plumb::detail::Prepend;
using plumb::detail::Replace;
using plumb::detail::TokenizerParts;

namespace {

/// Byte b is token b.
TokenizerParts bytes() {
  TokenizerParts parts;
  auto& tokens = parts.alphabet.bytes.emplace();
  for (std::size_t byte = 0; byte < tokens.size(); ++byte) {
    tokens[byte] = static_cast<TokenId>(byte);
    parts.texts.emplace_back(1, static_cast<char>(byte));
    parts.vocabulary.emplace(parts.texts.back(), static_cast<TokenId>(byte));
  }
  return parts;
}

}  // namespace

TEST_CASE("a text goes through the steps in order") {
  TokenizerParts parts = bytes();
  parts.texts.insert(parts.texts.end(), {"<s>", "<n>", "xa"});
  parts.names = {{"<s>", 256}, {"<n>", 257}};
  parts.added.first = plumb::detail::AddedTokens({{"<s>", 256}});
  parts.added.second = plumb::detail::AddedTokens({{"-<n>", 257}});
  parts.normalizer = {Replace{" ", "-"}};
  parts.pre_tokenizer.steps = {Replace{"-", "_"}};
  parts.pre_tokenizer.prefix = "x";
  parts.pre_tokenizer.scheme = PrefixScheme::always;
  parts.merges.add('x', 'a', 258);
  const BpeTokenizer tokenizer(parts);
  CHECK(tokenizer.encode("") == TokenIds{});
  CHECK(tokenizer.encode("a") == TokenIds{258});
  CHECK(tokenizer.encode("xa") == TokenIds{258});
  CHECK(tokenizer.encode("a<s>a <n> a<n>") ==
        TokenIds{258, 256, 258, 257, 'x', '_', 'a', '<', 'n', '>'});
  CHECK(tokenizer.size() == 259);
  CHECK(tokenizer.find("<n>") == 257);
  CHECK(tokenizer.text(258) == "xa");
}

TEST_CASE("a prefix stands before the text only, or before each stretch") {
  TokenizerParts parts = bytes();
  parts.texts.emplace_back("<s>");
  parts.added.first = plumb::detail::AddedTokens({{"<s>", 256}});
  parts.pre_tokenizer.prefix = "_";
  const auto encode = [&](PrefixScheme scheme, std::string_view text) {
    parts.pre_tokenizer.scheme = scheme;
    return BpeTokenizer(parts).encode(text);
  };
  CHECK(encode(PrefixScheme::never, "a<s>b") == TokenIds{'a', 256, 'b'});
  CHECK(encode(PrefixScheme::first, "a<s>b") == TokenIds{'_', 'a', 256, 'b'});
  CHECK(encode(PrefixScheme::first, "<s>b") == TokenIds{256, 'b'});
  CHECK(encode(PrefixScheme::always, "a<s>b") == TokenIds{'_', 'a', 256, '_', 'b'});
}

TEST_CASE("patterns cut one after the other") {
  TokenizerParts parts = bytes();
  parts.texts.insert(parts.texts.end(), {"1a", "a1"});
  parts.merges.add('1', 'a', 256);
  parts.merges.add('a', '1', 257);
  CHECK(BpeTokenizer(parts).encode("1a1") == TokenIds{256, '1'});
  parts.pre_tokenizer.words = {std::string(plumb::detail::kDigit)};
  CHECK(BpeTokenizer(parts).encode("1a1") == TokenIds{'1', 'a', '1'});
}

TEST_CASE("a decoded text loses one space at its beginning where the tokenizer puts one") {
  TokenizerParts parts = bytes();
  CHECK(BpeTokenizer(parts).decode({' ', 'a'}) == " a");
  parts.strip_space = true;
  parts.normalizer = {Prepend{" "}};
  const BpeTokenizer tokenizer(parts);
  CHECK(tokenizer.decode({' ', ' ', 'a'}) == " a");
  CHECK(tokenizer.decode({'a', ' '}) == "a ");
  CHECK(tokenizer.decode(tokenizer.encode(" a")) == " a");
  CHECK(tokenizer.find(" ") == ' ');
}

TEST_CASE("find spells as within words, and knows bytes") {
  TokenizerParts parts;
  parts.alphabet.characters = true;
  auto& tokens = parts.alphabet.bytes.emplace();
  tokens.fill(0);
  tokens['\n'] = 2;
  parts.texts = {"?", " a", "\n"};
  parts.vocabulary = {{"\u2581a", 1}};
  parts.normalizer = {Prepend{"\u2581"}, Replace{" ", "\u2581"}};
  const BpeTokenizer tokenizer(parts);
  CHECK(tokenizer.find(" a") == 1);
  CHECK(tokenizer.find("\n") == 2);
  CHECK_FALSE(tokenizer.find("a b"));
  CHECK_FALSE(tokenizer.find(""));
}
