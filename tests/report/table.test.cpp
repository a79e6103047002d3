#include "plumb/report/table.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using plumb::report::fixed;
using plumb::report::number;
using plumb::report::quote;
using plumb::report::Table;

TEST_CASE("numbers keep the digits that are asked for") {
  CHECK(number(123.456) == "123.5");
  CHECK(number(0.00012345, 3) == "0.000123");
  CHECK(fixed(-2.005, 1) == "-2.0");
  CHECK(fixed(1e300, 2).size() == 304);
}

TEST_CASE("a quoted token stays on one line and is valid UTF-8") {
  CHECK(quote("the") == "\"the\"");
  CHECK(quote("a\nb\tc") == "\"a\\nb\\tc\"");
  CHECK(quote("\xc3\xa9") == "\"\xc3\xa9\"");
  CHECK(quote("\xc3") == "\"?\"");
  CHECK(quote("\xff\x41") == "\"?A\"");
  CHECK(quote("\xe2\x82") == "\"??\"");
  CHECK(quote(std::string_view("\0\x1b", 2)) == "\"??\"");
}

TEST_CASE("columns are as wide as their widest cell, in characters") {
  Table table({{"name", Table::Align::left}, {"n"}});
  table.add({"\xc3\xa9t\xc3\xa9", "7"});
  table.add({"longer", "12"});
  std::ostringstream out;
  out << table;
  CHECK(out.str() ==
        "  name     n\n"
        "  \xc3\xa9t\xc3\xa9      7\n"
        "  longer  12\n");
}

TEST_CASE("a row of another length is refused") {
  Table table({{"a"}, {"b"}});
  CHECK_THROWS_AS(table.add({"1"}), plumb::shape_error);
}
