#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "plumb/core/finding.hpp"
#include "plumb/report/collapse.hpp"
#include "plumb/report/table.hpp"
#include "plumb/sink/heads.hpp"

/// What heads do and why, for people and as fields of the JSON object "sink".
namespace plumb::report {

/// One head: its class, and what explains it.
struct HeadReport {
  Index layer;
  Index head;
  Finding<sink::HeadClass> kind;
  sink::HeadExplanation why;
};

/// Every head of one pass, in order. `explainer` and `received` were taps of the same pass, or of
/// passes over the same text.
inline std::vector<HeadReport> head_reports(const sink::AttentionReceived& received,
                                            const sink::HeadExplainer& explainer) {
  std::vector<HeadReport> reports;
  for (Index layer = 0; layer < received.layers(); ++layer) {
    for (Index head = 0; head < received.heads(); ++head) {
      reports.push_back(
          {layer, head, sink::classify(received, layer, head), explainer.explanation(layer, head)});
    }
  }
  return reports;
}

namespace detail {

/// value(report) a head, as [layer][head].
template <class Value>
nlohmann::ordered_json by_layer(const std::vector<HeadReport>& heads, Value value) {
  auto layers = nlohmann::ordered_json::array();
  for (const auto& head : heads) {
    while (static_cast<Index>(layers.size()) <= head.layer) {
      layers.push_back(nlohmann::ordered_json::array());
    }
    layers.back().push_back(value(head));
  }
  return layers;
}

}  // namespace detail

/// [layer][head]: "sink", "local" or "mixed"; null for a text too short to tell.
inline nlohmann::ordered_json head_classes_json(const std::vector<HeadReport>& heads) {
  return detail::by_layer(heads, [](const HeadReport& head) -> nlohmann::ordered_json {
    if (!head.kind) return nullptr;
    return to_string(*head.kind);
  });
}

/// [layer][head]: the explanation.
inline nlohmann::ordered_json explanations_json(const std::vector<HeadReport>& heads) {
  return detail::by_layer(heads, [](const HeadReport& head) -> nlohmann::ordered_json {
    const auto& why = head.why;
    return {{"key", why.key},
            {"weight", why.weight},
            {"lower", why.lower},
            {"upper", why.upper},
            {"upper_mean", why.upper_mean},
            {"forecast", why.forecast},
            {"margin_to_max", why.margin_to_max},
            {"margin_to_mean", why.margin_to_mean},
            {"value_norm", why.value_norm},
            {"other_value_norm", why.other_value_norm},
            {"gate", detail::number_or_null(why.gate)},
            {"disagreement", detail::reason_or_null(head.kind ? sink::disagreement(why, *head.kind)
                                                              : std::string())}};
  });
}

/// The heads in a table; of more than `kWidest`, those with the largest weights.
inline void print_heads(std::ostream& out, std::vector<HeadReport> heads) {
  constexpr std::size_t kMost = 32;
  const std::size_t all = heads.size();
  if (all == 0) return;
  out << "\nHeads: what they do, and why\n";
  if (!heads[0].kind) out << "  no class: " << heads[0].kind.reason << ".\n";
  if (all > kMost) {
    std::stable_sort(heads.begin(), heads.end(),
                     [](const auto& a, const auto& b) { return a.why.weight > b.why.weight; });
    heads.erase(heads.begin() + kMost, heads.end());
  }
  const bool gated = heads[0].why.gate.has_value();
  std::vector<Table::Column> columns{{"layer"},    {"head"},     {"class", Table::Align::left},
                                     {"key"},      {"weight"},   {"at least"},
                                     {"at most"},  {"forecast"}, {"over mean"},
                                     {"over max"}, {"|v|"},      {"others"}};
  if (gated) columns.push_back({"gate"});
  columns.push_back({"", Table::Align::left});
  Table table(columns);
  for (const auto& head : heads) {
    const auto& why = head.why;
    std::vector<std::string> cells{std::to_string(head.layer),
                                   std::to_string(head.head),
                                   head.kind ? to_string(*head.kind) : "-",
                                   std::to_string(why.key),
                                   fixed(why.weight, 3),
                                   fixed(why.lower, 3),
                                   fixed(why.upper, 3),
                                   fixed(why.forecast, 3),
                                   fixed(why.margin_to_mean, 2),
                                   fixed(why.margin_to_max, 2),
                                   number(why.value_norm, 3),
                                   number(why.other_value_norm, 3)};
    if (gated) cells.push_back(why.gate ? fixed(*why.gate, 3) : std::string("-"));
    cells.push_back(head.kind ? sink::disagreement(why, *head.kind) : std::string());
    table.add(std::move(cells));
  }
  out << table;
  if (all > kMost) {
    out << "  " << kMost << " of " << all << " heads, the largest weights first\n";
  }
  out << "  weight: mean attention to the key; at least, at most: certificates from logits; over "
         "mean, over max:\n  logit of the key above its rivals'; |v|: norm of the key's value, and "
         "the median of others\n";
}

}  // namespace plumb::report
