#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/report/anatomy.hpp"
#include "plumb/report/chain.hpp"
#include "plumb/report/collapse.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/report/json.hpp"
#include "plumb/report/model.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

inline nlohmann::ordered_json steps_json(const std::vector<spike::Step>& steps) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& step : steps) {
    list.push_back({{"layer", step.layer},
                    {"block", to_string(step.block)},
                    {"channel", step.channel},
                    {"position", step.position},
                    {"write", step.write}});
  }
  return list;
}

inline nlohmann::ordered_json spike_json(const TextAnatomy& text) {
  const auto& outliers = text.outliers;
  nlohmann::ordered_json plateau;
  if (text.life.plateau) {
    plateau = {{"first_layer", text.life.plateau->first_layer},
               {"last_layer", text.life.plateau->last_layer},
               {"level", text.life.plateau->level}};
  }
  return {{"criterion",
           {{"absolute", outliers.criterion.absolute},
            {"relative", outliers.criterion.relative},
            {"outlier", outliers.criterion.outlier}}},
          {"tier", to_string(outliers.tier)},
          {"positions", outliers.positions},
          {"channels", outliers.channels},
          {"plateau", plateau},
          {"step_up", steps_json(text.life.step_up)},
          {"step_down", steps_json(text.life.step_down)}};
}

inline nlohmann::ordered_json residual_json(const std::vector<spike::Entry>& profile) {
  auto points = nlohmann::ordered_json::array();
  for (const auto& entry : profile) {
    points.push_back({{"point", entry.point},
                      {"max", finite(entry.magnitude())},
                      {"position", entry.position},
                      {"channel", entry.channel},
                      {"median", finite(entry.median)},
                      {"ratio", finite(entry.ratio())}});
  }
  return points;
}

/// Null where the law does not apply, with the reason in `obstacle`.
inline nlohmann::ordered_json amplifier_json(const Amplifier& found) {
  nlohmann::ordered_json json = {
      {"layer", found.layer}, {"channel", found.channel}, {"position", found.position}};
  if (found.obstacle != spike::Obstacle::none) {
    json["obstacle"] = to_string(found.obstacle);
    return json;
  }
  const auto& split = found.split;
  json["post_norm"] = found.post_norm;
  json["value"] = split.value;
  json["quadratic"] = split.quadratic;
  json["rank_one"] = split.rank_one;
  json["spectral_remainder"] = split.spectral;
  json["gating_remainder"] = split.gating;
  json["lambda1"] = found.pair.lambda;
  json["lambda2_abs"] = finite(found.pair.second_estimate());
  json["energy_share"] = finite(found.pair.energy_share());
  json["alignment"] = split.alignment;
  json["neuron"] = nullptr;
  if (found.neuron) {
    json["neuron"] = found.neuron->neuron;
    json["neuron_share"] = finite(found.neuron->share);
    json["neuron_cosine"] = found.neuron_cosine;
  }
  json["certificate"] = nullptr;
  if (found.certificate) json["certificate"] = finite(found.certificate->aligned);
  return json;
}

inline nlohmann::ordered_json amplifiers_json(const std::vector<Amplifier>& list) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& found : list) json.push_back(amplifier_json(found));
  return json;
}

inline nlohmann::ordered_json sink_json(const Anatomy& anatomy, const Architecture& architecture) {
  auto importance = nlohmann::ordered_json::array();
  for (Index layer = 0; layer < anatomy.importance.rows(); ++layer) {
    const RowVector<double> row = anatomy.importance.row(layer);
    importance.push_back(std::vector<double>(row.data(), row.data() + row.size()));
  }
  // Null where there is no such layer, or only one token.
  const auto share = [&](double ratio, const sink::SinkRatios& of) -> nlohmann::ordered_json {
    if (of.heads == 0 || anatomy.shortest < 2) return nullptr;
    return ratio;
  };
  const auto& all = anatomy.shown.ratios;
  return {
      {"epsilon", sink::kSinkEpsilon},
      {"length", anatomy.shortest},
      {"definition", "gu"},
      {"ratio_first_token", share(anatomy.ratio_first_token, all)},
      {"ratio_first_half", share(anatomy.ratio_first_half, all)},
      {"ratio_first_token_later_queries", share(anatomy.ratio_later, all)},
      {"ratio_first_token_deviation", share(anatomy.ratio_first_token_deviation, all)},
      {"windows", architecture.windows},
      {"ratio_first_token_full_layers", share(anatomy.ratio_full, anatomy.shown.full_ratios)},
      {"ratio_first_token_window_layers", share(anatomy.ratio_window, anatomy.shown.window_ratios)},
      {"importance", importance},
      {"heads", head_classes_json(anatomy.shown.heads)},
      {"explanations", explanations_json(anatomy.shown.heads)}};
}

}  // namespace detail

/// Schema "plumb.anatomy/1". `token_texts` are the bytes of each token of the shown text, or empty
/// when there is no tokenizer.
inline nlohmann::ordered_json to_json(const Anatomy& anatomy, const Checkpoint& checkpoint,
                                      const std::vector<std::string>& token_texts,
                                      bool bos_prepended) {
  nlohmann::ordered_json text;
  if (!token_texts.empty()) text = token_texts;
  const auto empty = nlohmann::ordered_json::array();
  nlohmann::ordered_json loss;
  if (anatomy.loss) loss = detail::finite(*anatomy.loss);
  return {{"schema", "plumb.anatomy/1"},
          {"model", model_json(checkpoint)},
          {"tokens",
           {{"ids", anatomy.shown.ids},
            {"text", text},
            {"texts", anatomy.texts},
            {"text_index", anatomy.text_index},
            {"bos_prepended", bos_prepended},
            {"loss", loss}}},
          {"residual", detail::residual_json(anatomy.shown.residual)},
          {"spike", detail::spike_json(anatomy.shown)},
          {"amplifier", detail::amplifiers_json(anatomy.shown.amplifiers)},
          {"write_budget",
           block_budgets_json(anatomy.shown.budgets, anatomy.shown.outliers.top.channel)},
          {"collapse", anatomy.collapse ? collapse_json(*anatomy.collapse) : empty},
          {"keys", anatomy.collapse ? keys_json(*anatomy.collapse) : empty},
          {"sink", detail::sink_json(anatomy, checkpoint.architecture)},
          {"chain", chains_json(anatomy.shown.chains, anatomy.shown.alignments)}};
}

}  // namespace plumb::report
