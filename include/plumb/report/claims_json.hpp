#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "plumb/claims/check.hpp"
#include "plumb/claims/evidence.hpp"
#include "plumb/report/model.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

inline nlohmann::ordered_json where_json(const claims::Where& where) {
  const auto index = [](const std::optional<Index>& i) {
    return i ? nlohmann::ordered_json(*i) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json block;
  if (where.block) block = to_string(*where.block);
  return {{"layer", index(where.layer)},
          {"block", block},
          {"head", index(where.head)},
          {"channel", index(where.channel)},
          {"position", index(where.position)}};
}

inline std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> list;
  for (std::string word; stream >> word;) list.push_back(word);
  return list;
}

inline nlohmann::ordered_json claim_json(const claims::Result& result) {
  nlohmann::ordered_json lhs, rhs, slack, where, part;
  if (const auto& told = result.told()) {
    lhs = told->lhs;
    rhs = told->rhs;
    slack = told->slack();
    where = where_json(told->where);
  }
  if (!result.part.empty()) part = result.part;
  return {{"id", result.id},
          {"part", part},
          {"verdict", to_string(result.verdict())},
          {"relation", result.relation == claims::Relation::equal ? "=" : "<="},
          {"lhs", lhs},
          {"rhs", rhs},
          {"slack", slack},
          {"where", where},
          {"reason", result.reason},
          {"sites",
           {{"holds", result.holds},
            {"violated", result.violated},
            {"vacuous", result.vacuous},
            {"unresolved", result.unresolved}}},
          {"evidence", words(claims::evidence_of(result.id))}};
}

}  // namespace detail

/// Schema "plumb.claims/1". Sides and site are those of the worst violation, else of the tightest
/// site that holds, else null.
inline nlohmann::ordered_json to_json(const std::vector<claims::Result>& results,
                                      const Checkpoint& checkpoint) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& result : results) list.push_back(detail::claim_json(result));
  return {{"schema", "plumb.claims/1"}, {"model", model_json(checkpoint)}, {"claims", list}};
}

}  // namespace plumb::report
