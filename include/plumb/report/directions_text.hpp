#pragma once

#include <ostream>
#include <string>

#include "plumb/report/directions.hpp"
#include "plumb/report/model.hpp"
#include "plumb/report/table.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

inline void print_layers(std::ostream& out, const Directions& directions) {
  Index searched = 0, screened = 0;
  for (const auto& layer : directions.layers) {
    searched += layer.searched;
    screened += layer.screened;
    if (layer.obstacle == spike::Obstacle::none) continue;
    out << "Layer " << layer.layer << ": " << to_string(layer.obstacle)
        << (layer.searched > 0 ? ", so S is not the even part of F.\n" : ".\n");
  }
  out << searched << " channels searched";
  if (screened > 0)
    out << ", " << screened << " left out because ||S||_F is too small for the list";
  out << ".\n";
}

}  // namespace detail

/// The directions that people read.
inline void print(std::ostream& out, const Directions& directions, const Checkpoint& checkpoint) {
  out << model_line(checkpoint)
      << "\nFeed-forward blocks as quadratic forms: F(x) ~ lambda (s.x)^2";
  if (!directions.layers.empty()) out << "; " << to_string(directions.layers.front().folded);
  out << ".\n";
  detail::print_layers(out, directions);
  if (directions.channels.empty()) return;

  using Align = Table::Align;
  Table table({{"layer"},
               {"channel"},
               {"lambda"},
               {"|lambda 2| <="},
               {"energy share"},
               {"neuron"},
               {"cos(g, u)"},
               {"residual"},
               {"applications"},
               {"status", Align::left}});
  for (const auto& [layer, pair, cosine] : directions.channels) {
    const auto or_dash = [](const std::optional<double>& value, int decimals) {
      return value ? fixed(*value, decimals) : std::string("-");
    };
    table.add({std::to_string(layer), std::to_string(pair.channel), number(pair.lambda),
               pair.second_bound() ? number(*pair.second_bound()) : "-",
               or_dash(pair.energy_share(), 3), std::to_string(pair.neuron), fixed(cosine, 3),
               number(pair.residual, 2), std::to_string(pair.applications),
               to_string(pair.status)});
  }
  out << "\nLargest |lambda| first\n" << table;
}

}  // namespace plumb::report
