#include "plumb/report/claims_text.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace plumb;
using claims::Finding;
using claims::Relation;
using claims::Result;
using claims::Verdict;

namespace {

std::vector<Result> some_results() {
  Result holds;
  holds.id = "rms-bounded";
  holds.part = "b";
  holds.holds = 12;
  holds.vacuous = 1;
  holds.tightest =
      Finding{Verdict::holds, 7.5, 8, 1e-12, false, {}, claims::Where{.layer = 2, .position = 0}};
  Result violated;
  violated.id = "mirror-identity";
  violated.relation = Relation::equal;
  violated.violated = 2;
  violated.worst =
      Finding{Verdict::violated, 3, 2, 1e-12, false, {}, claims::Where{.layer = 1, .channel = 61}};
  Result vacuous;
  vacuous.id = "convex-hull";
  vacuous.reason = "there is a gate";
  Result unresolved;
  unresolved.id = "key-ball";
  unresolved.unresolved = 1;
  unresolved.reason = "a side is not finite";
  return {holds, violated, vacuous, unresolved};
}

std::string line_of(const std::string& text, const std::string& word) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(word) != std::string::npos) return line;
  }
  return {};
}

bool holds_in_order(const std::string& line, const std::vector<std::string>& words) {
  std::size_t from = 0;
  for (const auto& word : words) {
    from = line.find(word, from);
    if (from == std::string::npos) return false;
    from += word.size();
  }
  return true;
}

}  // namespace

TEST_CASE("each claim has a line: verdict, sides, site and counts, or the reason") {
  std::ostringstream out;
  report::print(out, some_results());
  const auto text = out.str();
  INFO(text);
  CHECK(holds_in_order(line_of(text, "rms-bounded (b)"),
                       {"holds", "7.5", "<=", "8", "0.5", "layer 2, position 0", "12", "1"}));
  CHECK(holds_in_order(line_of(text, "mirror-identity"),
                       {"violated", "3", "=", "2", "-1", "layer 1, channel 61", "2"}));
  CHECK(holds_in_order(line_of(text, "convex-hull"), {"vacuous", "there is a gate"}));
  CHECK(holds_in_order(line_of(text, "key-ball"), {"unresolved", "a side is not finite", "1"}));
  CHECK(line_of(text, "1 hold, 1 violated, 1 vacuous, 1 unresolved") != "");
}
