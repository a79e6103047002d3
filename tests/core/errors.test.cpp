#include "plumb/core/errors.hpp"

#include <catch2/catch.hpp>
#include <type_traits>

using namespace plumb;
using Catch::Equals;
using Catch::Message;

static_assert(std::is_base_of_v<std::invalid_argument, shape_error>);
static_assert(std::is_base_of_v<std::out_of_range, index_error>);
static_assert(std::is_base_of_v<std::runtime_error, load_error>);
static_assert(std::is_base_of_v<load_error, unsupported_error>);

TEST_CASE("require_size throws if and only if sizes differ, naming function and argument") {
  for (Eigen::Index got = -1; got < 4; ++got) {
    if (got == 2) {
      CHECK_NOTHROW(require_size("f", "rows", got, 2));
    } else {
      CHECK_THROWS_AS(require_size("f", "rows", got, 2), shape_error);
    }
  }
  CHECK_THROWS_MATCHES(require_size("Gate::value", "channels of x", 3, 4), shape_error,
                       Message("Gate::value: channels of x is 3, expected 4"));
}

TEST_CASE("require_index throws if and only if the index is outside 0.. size") {
  for (Eigen::Index index = -2; index < 6; ++index) {
    if (0 <= index && index < 3) {
      CHECK_NOTHROW(require_index("f", "layer", index, 3));
    } else {
      CHECK_THROWS_AS(require_index("f", "layer", index, 3), index_error);
    }
  }
  CHECK_THROWS_AS(require_index("f", "layer", 0, 0), index_error);
  CHECK_THROWS_MATCHES(require_index("Decoder::layer", "layer", 5, 5), index_error,
                       Message("Decoder::layer: layer 5 is outside 0..4"));
}

TEST_CASE("a load_error begins with the file") {
  CHECK_THAT(load_error("a/config.json", "is empty").what(), Equals("a/config.json: is empty"));
}
