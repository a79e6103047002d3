#include "plumb/model/sequence.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace plumb;

TEST_CASE("in a causal text row t stands at position t and sees rows 0 to t") {
  const auto sequence = Sequence::causal(5);
  REQUIRE(sequence.size() == 5);
  REQUIRE(sequence.visible.size() == 5);
  for (Index t = 0; t < 5; ++t) {
    CHECK(sequence.positions[static_cast<std::size_t>(t)] == t);
    CHECK(sequence.keys(t).first == 0);
    CHECK(sequence.keys(t).last == t + 1);
  }
  CHECK_NOTHROW(sequence.validate(5));
}

TEST_CASE("tokens that are alone stand at position 0 and see themselves") {
  const auto sequence = Sequence::alone(4);
  REQUIRE(sequence.size() == 4);
  for (Index t = 0; t < 4; ++t) {
    CHECK(sequence.positions[static_cast<std::size_t>(t)] == 0);
    CHECK(sequence.keys(t).first == t);
    CHECK(sequence.keys(t).last == t + 1);
  }
  CHECK_NOTHROW(sequence.validate(4));
}

TEST_CASE("an isolated row sees itself, keeps its position and is still seen by others") {
  auto sequence = Sequence::causal(4);
  sequence.isolate(2);
  CHECK(sequence.keys(2).first == 2);
  CHECK(sequence.keys(2).last == 3);
  CHECK(sequence.positions[2] == 2);
  CHECK(sequence.keys(1).first == 0);
  CHECK(sequence.keys(1).last == 2);
  CHECK(sequence.keys(3).first == 0);
  CHECK(sequence.keys(3).last == 4);
  CHECK_NOTHROW(sequence.validate(4));
}

TEST_CASE("isolating a row that is not there throws") {
  auto sequence = Sequence::causal(3);
  CHECK_THROWS_AS(sequence.isolate(-1), index_error);
  CHECK_THROWS_AS(sequence.isolate(3), index_error);
  CHECK_THROWS_AS(Sequence{}.isolate(0), index_error);
  CHECK_NOTHROW(sequence.isolate(0));
  CHECK_NOTHROW(sequence.isolate(2));
}

TEST_CASE("within a window of w, row t sees the last w rows up to itself of those it saw") {
  const auto sequence = Sequence::causal(6);
  for (Index window = 1; window <= 8; ++window) {
    const auto narrow = sequence.within(window);
    CHECK(narrow.positions == sequence.positions);
    for (Index t = 0; t < 6; ++t) {
      CHECK(narrow.keys(t).first == std::max<Index>(0, t - window + 1));
      CHECK(narrow.keys(t).last == t + 1);
    }
  }
  // What a row sees after itself stays, and so does what it did not see.
  auto other = sequence;
  other.visible[3] = {1, 6};
  other.visible[4] = {4, 5};
  CHECK(other.within(2).keys(3).first == 2);
  CHECK(other.within(2).keys(3).last == 6);
  CHECK(other.within(2).keys(4).first == 4);
}

TEST_CASE("a window that is not positive, or leaves a row no key, throws") {
  auto sequence = Sequence::causal(4);
  CHECK_THROWS_AS(sequence.within(0), shape_error);
  CHECK_THROWS_AS(sequence.within(-1), shape_error);
  sequence.visible[3] = {0, 2};
  CHECK_NOTHROW(sequence.within(3));
  CHECK_THROWS_WITH(sequence.within(2), "Sequence::within: a window of 2 leaves row 3 no key");
}

TEST_CASE("a sequence of no tokens is valid for no tokens") {
  CHECK_NOTHROW(Sequence::causal(0).validate(0));
  CHECK_NOTHROW(Sequence::alone(0).validate(0));
  CHECK_NOTHROW(Sequence{}.validate(0));
}

TEST_CASE("validate throws for every sequence that does not fit, and for no other") {
  const auto sequence = Sequence::causal(3);
  CHECK_THROWS_AS(sequence.validate(2), shape_error);
  CHECK_THROWS_AS(sequence.validate(4), shape_error);

  auto short_of_ranges = sequence;
  short_of_ranges.visible.pop_back();
  CHECK_THROWS_AS(short_of_ranges.validate(3), shape_error);
  auto short_of_positions = sequence;
  short_of_positions.positions.pop_back();
  CHECK_THROWS_AS(short_of_positions.validate(3), shape_error);

  for (Index first = -1; first <= 4; ++first) {
    for (Index last = -1; last <= 4; ++last) {
      for (std::size_t row = 0; row < 3; ++row) {
        auto changed = sequence;
        changed.visible[row] = {first, last};
        INFO("row " << row << " sees " << first << ".." << last);
        if (0 <= first && first < last && last <= 3) {
          CHECK_NOTHROW(changed.validate(3));
        } else {
          CHECK_THROWS_AS(changed.validate(3), shape_error);
        }
      }
    }
  }
}
