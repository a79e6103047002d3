#include "plumb/report/json.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace plumb::report;

TEST_CASE("what is not finite or absent becomes null") {
  CHECK(detail::finite(2.5) == 2.5);
  CHECK(detail::finite(std::numeric_limits<double>::infinity()).is_null());
  CHECK(detail::finite(std::numeric_limits<double>::quiet_NaN()).is_null());
  CHECK(detail::finite(std::optional<double>{}).is_null());
  CHECK(detail::finite(std::optional<double>{3}) == 3);
}

TEST_CASE("bytes that are no UTF-8 are replaced, and the text ends its line") {
  CHECK(dump({{"text", "\xff"}}) == "{\n  \"text\": \"\xef\xbf\xbd\"\n}\n");
}
