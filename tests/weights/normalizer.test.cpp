#include "plumb/weights/normalizer.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>
#include <string>
#include <utility>
#include <vector>

using plumb::detail::kMetaspace;
using plumb::detail::Nfc;
using plumb::detail::normalize;
using plumb::detail::Normalizer;
using plumb::detail::Prepend;
using plumb::detail::Replace;

TEST_CASE("no steps leave the text") { CHECK(normalize({}, "a b") == "a b"); }

TEST_CASE("prepending needs something to stand in front of") {
  CHECK(normalize({Prepend{"_"}}, "a") == "_a");
  CHECK(normalize({Prepend{"_"}}, "_a") == "__a");
  CHECK(normalize({Prepend{"_"}}, "").empty());
}

TEST_CASE("replacing takes every occurrence, leftmost first") {
  CHECK(normalize({Replace{" ", std::string(kMetaspace)}}, " a  b") == "\u2581a\u2581\u2581b");
  CHECK(normalize({Replace{"aa", "b"}}, "aaaaa") == "bba");
  CHECK(normalize({Replace{"a", "aa"}}, "aba") == "aabaa");
  CHECK(normalize({Replace{"a", ""}}, "aa").empty());
  CHECK(normalize({Replace{"abc", "x"}}, "ab") == "ab");
}

TEST_CASE("steps are taken in order") {
  CHECK(normalize({Prepend{" "}, Replace{" ", "_"}}, "a b") == "_a_b");
  CHECK(normalize({Replace{" ", "_"}, Prepend{" "}}, "a b") == " a_b");
  CHECK(normalize({Replace{"a", ""}, Prepend{"_"}}, "a").empty());
}

TEST_CASE("replacing there and back is the text") {
  rc::prop("for texts without the sign", [] {
    const auto text = *rc::gen::container<std::string>(rc::gen::element('a', ' ', '\xe2', '\x96'));
    const Normalizer there = {Replace{" ", std::string(kMetaspace)}};
    const Normalizer back = {Replace{std::string(kMetaspace), " "}};
    if (text.find(kMetaspace) != text.npos) return;
    RC_ASSERT(normalize(back, normalize(there, text)) == text);
  });
}

TEST_CASE("canonical composition") {
  if (!plumb::detail::kHasNfc) return;
  // Unicode Standard Annex 15, figures 3 to 5.
  const std::vector<std::pair<std::string, std::string>> examples = {
      {"\u212b", "\u00c5"},
      {"\u2126", "\u03a9"},
      {"A\u030a", "\u00c5"},
      {"o\u0302", "\u00f4"},
      {"s\u0323\u0307", "\u1e69"},
      {"s\u0307\u0323", "\u1e69"},
      {"\u1e0b\u0323", "\u1e0d\u0307"},
      {"q\u0307\u0323", "q\u0323\u0307"},
      {"\ufb01", "\ufb01"},
      {"2\u2075", "2\u2075"},
      {"\u1100\u1161\u11a8", "\uac01"},
      {"e\u0301\xff"
       "e\u0301\xe4\xb8",
       "\u00e9\xff\u00e9\xe4\xb8"},
      {"", ""},
      {std::string("a\0b", 3), std::string("a\0b", 3)},
  };
  for (const auto& [text, composed] : examples) {
    CAPTURE(text);
    CHECK(normalize({Nfc{}}, text) == composed);
    CHECK(normalize({Nfc{}}, composed) == composed);
  }
}
