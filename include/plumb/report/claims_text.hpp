#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "plumb/claims/check.hpp"
#include "plumb/report/table.hpp"

namespace plumb::report {

namespace detail {

inline std::string claim_name(const claims::Result& result) {
  return std::string(result.id) +
         (result.part.empty() ? "" : " (" + std::string(result.part) + ")");
}

inline std::vector<std::string> claim_cells(const claims::Result& result) {
  const auto sites = [](Index count) { return count == 0 ? "" : std::to_string(count); };
  std::vector<std::string> cells{claim_name(result), to_string(result.verdict())};
  if (const auto& told = result.told()) {
    const auto sign = result.relation == claims::Relation::equal ? "=" : "<=";
    cells.insert(cells.end(), {number(told->lhs, 5), sign, number(told->rhs, 5),
                               number(told->slack(), 2), to_string(told->where)});
  } else {
    cells.insert(cells.end(), {"", "", "", "", result.reason});
  }
  cells.insert(cells.end(), {sites(result.holds), sites(result.violated), sites(result.vacuous),
                             sites(result.unresolved)});
  return cells;
}

}  // namespace detail

/// One line a claim: its verdict, both sides at the site that says most, and how many sites there
/// were of each verdict. Where no site holds, the reason stands in place of the site.
inline void print(std::ostream& out, const std::vector<claims::Result>& results) {
  using Align = Table::Align;
  Table table({{"claim", Align::left},
               {"verdict", Align::left},
               {"lhs"},
               {"", Align::left},
               {"rhs"},
               {"slack"},
               {"tightest site, worst violation or reason", Align::left},
               {"holds"},
               {"violated"},
               {"vacuous"},
               {"unresolved"}});
  for (const auto& result : results) table.add(detail::claim_cells(result));
  out << table;
  const auto count = [&](claims::Verdict verdict) {
    return std::to_string(std::count_if(results.begin(), results.end(), [&](const auto& result) {
      return result.verdict() == verdict;
    }));
  };
  out << count(claims::Verdict::holds) << " hold, " << count(claims::Verdict::violated)
      << " violated, " << count(claims::Verdict::vacuous) << " vacuous, "
      << count(claims::Verdict::unresolved) << " unresolved\n";
}

}  // namespace plumb::report
