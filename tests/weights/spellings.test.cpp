#include "plumb/weights/spellings.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string_view>

namespace {

/// No word is there twice, and each value spells as the first of its words.
template <class Enum, std::size_t N>
void check_table(const plumb::Spellings<Enum, N>& table, std::size_t values) {
  std::set<std::string_view> words;
  std::set<Enum> seen;
  for (const auto& [word, value] : table) {
    CHECK(words.insert(word).second);
    const bool first = seen.insert(value).second;
    CHECK((plumb::spell(table, value) == word) == first);
  }
  CHECK(seen.size() == values);
}

}  // namespace

TEST_CASE("each option has words of its own, the first of which is ours") {
  check_table(plumb::kNormKinds, 4);
  check_table(plumb::kStoredGains, 2);
  check_table(plumb::kQkNorms, 3);
  check_table(plumb::kAttentionGates, 4);
  check_table(plumb::kFeedForwardKinds, 2);
  check_table(plumb::kActivations, 4);
  check_table(plumb::kRotaryPairings, 2);
  check_table(plumb::kRotaryKinds, 4);
  check_table(plumb::kRopeTypes, 3);
  check_table(plumb::kTensorLayouts, 4);
  CHECK(plumb::spell(plumb::kActivations, plumb::Activation::gelu_tanh) == "gelu_tanh");
}
