#include "plumb/core/array.hpp"

#include <catch2/catch.hpp>
#include <type_traits>
#include <utility>

using namespace plumb;

namespace {

/// (2, 3, 4), counting up in memory.
Array<double, 3> counting() {
  Array<double, 3> array({2, 3, 4});
  double next = 0;
  for (auto& entry : array) entry = next++;
  return array;
}

}  // namespace

TEST_CASE("an array is row-major and contiguous") {
  const auto array = counting();
  CHECK(array.data()[0] == array(0, 0, 0));
  CHECK(&array(0, 0, 1) == &array(0, 0, 0) + 1);
  CHECK(&array(0, 1, 0) == &array(0, 0, 0) + 4);
  CHECK(&array(1, 0, 0) == &array(0, 0, 0) + 12);
}

TEST_CASE("slices are the matrices along the first axis, without a copy") {
  const auto array = counting();
  for (Index head = 0; head < 2; ++head) {
    const auto m = slice(array, head);
    REQUIRE(m.rows() == 3);
    REQUIRE(m.cols() == 4);
    CHECK(m.data() == &array(static_cast<std::size_t>(head), 0, 0));
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j < 4; ++j) {
        CHECK(m(i, j) == array(static_cast<std::size_t>(head), static_cast<std::size_t>(i),
                               static_cast<std::size_t>(j)));
      }
    }
  }
}

TEST_CASE("a slice of a mutable array can be written to, and of a constant one it cannot") {
  auto array = counting();
  slice(array, 1)(2, 3) = -1;
  CHECK(array(1, 2, 3) == -1);
  CHECK(array(0, 2, 3) == 11);
  static_assert(std::is_same_v<decltype(slice(array, 0)(0, 0)), double&>);
  static_assert(!std::is_assignable_v<decltype(slice(std::as_const(array), 0)(0, 0)), double>);
}

TEST_CASE("a slice outside the array throws") {
  auto array = counting();
  for (const Index wrong : {-1, 2, 100}) {
    CHECK_THROWS_AS(slice(array, wrong), index_error);
    CHECK_THROWS_AS(slice(std::as_const(array), wrong), index_error);
  }
  CHECK_THROWS_AS(slice(Array<float, 3>({0, 3, 4}), 0), index_error);
}

TEST_CASE("slices of arrays without entries have their shape") {
  Array<float, 3> array({2, 0, 4});
  CHECK(slice(array, 1).rows() == 0);
  CHECK(slice(array, 1).cols() == 4);
}
