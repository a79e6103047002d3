#include "plumb/report/census_text.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

using namespace plumb;
using namespace plumb::report;

namespace {

std::string census_of(const planted::Plan& plan, const std::vector<std::string>& texts = {},
                      const spike::CensusOptions& options = {}) {
  const auto planted = planted::make(plan);
  std::ostringstream out;
  print(out, spike::census(Decoder<double>(planted.checkpoint), options), planted.checkpoint,
        texts);
  return out.str();
}

bool says(const std::string& text, const char* words) {
  INFO(text);
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("few spike tokens are listed, many by those that do not spike") {
  std::vector<std::string> texts(64, "x");
  texts[0] = "<s>";
  const auto few = census_of({}, texts);
  CHECK(says(few, "The vocabulary of 64 tokens at position 0"));
  CHECK(says(few, "A token spikes where |h| > 100 and 1000 times the median of its point."));
  CHECK(says(few, "Of 64 tokens 2 spike where a layer reads:\n  0 \"<s>\", 1 \"x\"\n"));

  planted::Plan plan;
  plan.vocab_size = 10;
  plan.spike_sizes = {3000, 2900, 2800, 2700, 2600, 2500, 2400};
  CHECK(says(census_of(plan), "7 spike where a layer reads; all but:\n  7, 8, 9\n"));
}

TEST_CASE("weaker tokens are outliers, and none is said in words") {
  planted::Plan plan;
  plan.spike_sizes = {90};
  CHECK(says(census_of(plan), "No token is massive"));
  spike::CensusOptions options;
  options.criterion.outlier = 1e9;
  const auto none = census_of(plan, {}, options);
  CHECK(says(none, "No token spikes: none exceeds 1e+09 times the median."));
  CHECK_FALSE(says(none, "where a layer reads"));
}

TEST_CASE("long lists are cut") {
  CHECK(report::detail::first_few({"a", "b"}, 2) == "a, b");
  CHECK(report::detail::first_few({"a", "b", "c", "d"}, 2) == "a, b and 2 more");
  CHECK(report::detail::first_few({}, 2).empty());
}
