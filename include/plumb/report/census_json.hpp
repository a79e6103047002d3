#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/report/json.hpp"
#include "plumb/report/model.hpp"
#include "plumb/spike/census.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

inline nlohmann::ordered_json census_point_json(const spike::CensusPoint& point) {
  return {{"share", point.share},
          {"channels", point.channels},
          {"max", finite(point.magnitude())},
          {"token", point.token},
          {"channel", point.channel},
          {"median", finite(point.median)},
          {"ratio", finite(point.ratio())}};
}

}  // namespace detail

/// Schema "plumb.census/1". Layer n is the point after layer n. `token_texts` are the bytes of
/// every token of the vocabulary, or empty when there is no tokenizer.
inline nlohmann::ordered_json to_json(const spike::Census& census, const Checkpoint& checkpoint,
                                      const std::vector<std::string>& token_texts) {
  auto layers = nlohmann::ordered_json::array();
  for (std::size_t n = 1; n < census.points.size(); ++n) {
    nlohmann::ordered_json layer = {{"layer", n - 1}};
    layer.update(detail::census_point_json(census.points[n]));
    layers.push_back(std::move(layer));
  }
  auto exceptions = nlohmann::ordered_json::array();
  for (const TokenId token : census.exceptions) {
    nlohmann::ordered_json text;
    if (!token_texts.empty()) text = token_texts[static_cast<std::size_t>(token)];
    exceptions.push_back({{"token", token}, {"text", text}});
  }
  return {{"schema", "plumb.census/1"},
          {"model", model_json(checkpoint)},
          {"spike",
           {{"absolute", census.criterion.absolute},
            {"relative", census.criterion.relative},
            {"outlier", census.criterion.outlier},
            {"tier", to_string(census.tier)},
            {"share", census.share}}},
          {"embedding", detail::census_point_json(census.points.front())},
          {"layers", layers},
          {"exceptions_spike", census.exceptions_spike},
          {"exceptions", exceptions},
          {"notes", census.notes}};
}

}  // namespace plumb::report
