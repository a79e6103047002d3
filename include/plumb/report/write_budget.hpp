#pragma once

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/table.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/spike/write_budget.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

/// What each block wrote into the spike's channel, beside what its weights allow on any text.
namespace plumb::report {

struct BlockBudget {
  Index layer = 0;
  Block block = Block::attention;
  double written = 0;  ///< the largest |write| over tokens
  double allowed = 0;  ///< the bound of |write|; infinite where no norm bounds what the block reads
  spike::WriteRule rule = spike::WriteRule::none;
};

/// Of the channel that stands out most, all 2 L blocks in order; empty where none does. Blocks that
/// stepped up are bounded by their signed majorants, which is sharper.
/// Cost: one pass over the weights, and two eigenproblems a step-up.
template <class T>
std::vector<BlockBudget> block_budgets(const Decoder<T>& model, const Trace<T>& trace,
                                       const spike::Outliers& outliers,
                                       const spike::LifeCycle& life) {
  std::vector<BlockBudget> list;
  if (outliers.tier == spike::Tier::none) return list;
  const Index channel = outliers.top.channel;
  auto budgets = spike::write_budget(model);
  spike::measure(budgets, trace);
  for (const auto& step : life.step_up) {
    if (step.block != Block::feed_forward) continue;
    const auto layer = model.layer(step.layer);
    const spike::FeedForwardView<T> view(layer);
    if (!view.has_form()) continue;
    spike::sharpen(budgets[2 * static_cast<std::size_t>(step.layer) + 1],
                   spike::quadratic_form(view, channel));
  }
  for (const auto& budget : budgets) {
    list.push_back(
        {budget.layer, budget.block, budget.measured[channel], budget.bound[channel], budget.rule});
  }
  return list;
}

/// [{layer, block, channel, written, allowed, rule}]; allowed is null where nothing bounds it.
inline nlohmann::ordered_json block_budgets_json(const std::vector<BlockBudget>& budgets,
                                                 Index channel) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& budget : budgets) {
    nlohmann::ordered_json allowed;
    if (std::isfinite(budget.allowed)) allowed = budget.allowed;
    json.push_back({{"layer", budget.layer},
                    {"block", to_string(budget.block)},
                    {"channel", channel},
                    {"written", budget.written},
                    {"allowed", allowed},
                    {"rule", spike::to_string(budget.rule)}});
  }
  return json;
}

/// A line a layer.
inline void print_block_budgets(std::ostream& out, const std::vector<BlockBudget>& budgets,
                                Index channel) {
  if (budgets.empty()) return;
  out << "\nWrite budget, channel " << channel
      << ": the largest |write| of each block, and what its weights allow on any text\n";
  Table table({{"layer"}, {"attention"}, {"allowed"}, {"feed_forward"}, {"allowed"}});
  for (std::size_t i = 0; i + 1 < budgets.size(); i += 2) {
    std::vector<std::string> cells{std::to_string(budgets[i].layer)};
    for (const auto* budget : {&budgets[i], &budgets[i + 1]}) {
      cells.push_back(number(budget->written, 3));
      cells.push_back(std::isfinite(budget->allowed) ? number(budget->allowed, 3) : "no bound");
    }
    table.add(std::move(cells));
  }
  out << table
      << "  a feed_forward block that stepped up is bounded by its signed majorants, which is "
         "sharper\n";
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template std::vector<BlockBudget> block_budgets(const Decoder<float>&, const Trace<float>&,
                                                       const spike::Outliers&,
                                                       const spike::LifeCycle&);
extern template std::vector<BlockBudget> block_budgets(const Decoder<double>&, const Trace<double>&,
                                                       const spike::Outliers&,
                                                       const spike::LifeCycle&);
#endif

}  // namespace plumb::report
