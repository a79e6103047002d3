#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "plumb/report/directions.hpp"
#include "plumb/report/json.hpp"
#include "plumb/report/model.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

/// Schema "plumb.directions/1": channels flat, ranked by |lambda1|. `vectors` adds the directions.
/// A layer whose form is not the even part of its block says so in `obstacle`.
inline nlohmann::ordered_json to_json(const Directions& directions, const Checkpoint& checkpoint,
                                      bool vectors = false) {
  auto layers = nlohmann::ordered_json::array();
  for (const auto& layer : directions.layers) {
    nlohmann::ordered_json obstacle;
    if (layer.obstacle != spike::Obstacle::none) obstacle = to_string(layer.obstacle);
    layers.push_back({{"layer", layer.layer},
                      {"obstacle", obstacle},
                      {"folded", to_string(layer.folded)},
                      {"searched", layer.searched},
                      {"screened", layer.screened}});
  }
  auto channels = nlohmann::ordered_json::array();
  for (const auto& [layer, pair, cosine] : directions.channels) {
    nlohmann::ordered_json channel = {
        {"layer", layer},
        {"channel", pair.channel},
        {"lambda1", detail::finite(pair.lambda)},
        {"lambda2_abs_bound", detail::finite(pair.second_bound())},
        {"frobenius", pair.norms ? detail::finite(pair.norms->form) : nullptr},
        {"energy_share", detail::finite(pair.energy_share())},
        {"residual", detail::finite(pair.residual)},
        {"applications", pair.applications},
        {"status", to_string(pair.status)},
        {"neuron", pair.neuron},
        {"neuron_cosine", cosine}};
    if (vectors) {
      const auto& s = pair.direction;
      channel["direction"] = std::vector<double>(s.data(), s.data() + s.size());
    }
    channels.push_back(std::move(channel));
  }
  return {{"schema", "plumb.directions/1"},
          {"model", model_json(checkpoint)},
          {"layers", layers},
          {"channels", channels}};
}

}  // namespace plumb::report
