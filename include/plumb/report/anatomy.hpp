#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plumb/collapse/population.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/report/amplifier.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/report/write_budget.hpp"
#include "plumb/sink/alignment.hpp"
#include "plumb/sink/chain.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/loss.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

/// What one text shows of a model: its spike and where attention goes.
struct TextAnatomy {
  TokenIds ids;
  std::optional<double> loss;  ///< nats a token; absent for a single token
  std::vector<spike::Entry> residual;
  spike::Outliers outliers;
  spike::LifeCycle life;
  std::optional<Ledger> account;      ///< of the token and channel that stand out most
  std::vector<Amplifier> amplifiers;  ///< empty unless asked for: they need the weights
  std::vector<BlockBudget> budgets;   ///< of the top channel; empty unless asked for
  Matrix<double> importance;          ///< (layers, heads), alpha of the first token, Gu et al.
  sink::SinkRatios ratios;            ///< self_and_later
  sink::SinkRatios later_ratios;      ///< strictly later queries
  sink::SinkRatios full_ratios;       ///< self_and_later, heads of layers without a window
  sink::SinkRatios window_ratios;     ///< self_and_later, heads of layers with one
  std::vector<HeadReport> heads;      ///< what heads do and why; empty unless asked for
  std::vector<sink::Chain> chains;    ///< of first token and delimiters; empty unless asked for
  std::vector<sink::Alignment> alignments;  ///< of tokens with step-ups; empty unless asked for
};

/// `received` is the attention that the keys of the same pass received.
template <class T>
TextAnatomy dissect(const Trace<T>& trace, const sink::AttentionReceived& received) {
  TextAnatomy text;
  text.ids = trace.ids;
  if (trace.logits.size() > 0) text.loss = next_token_loss<T>(trace.logits, trace.ids);
  text.residual = spike::residual_profile(trace.residual);
  text.outliers = spike::find_outliers(trace.residual);
  text.life = spike::life_cycle(trace, text.outliers);
  const auto& top = text.outliers.top;
  if (text.outliers.tier != spike::Tier::none) {
    text.account = ledger(trace, top.position, top.channel);
  }
  text.importance.resize(received.layers(), received.heads());
  for (Index layer = 0; layer < received.layers(); ++layer) {
    for (Index head = 0; head < received.heads(); ++head) {
      text.importance(layer, head) =
          received.importance(layer, head, 0, sink::Queries::self_and_later);
    }
  }
  text.ratios = sink::sink_ratios(received);
  text.later_ratios = sink::sink_ratios(received, sink::kSinkEpsilon, sink::Queries::later);
  std::vector<Index> full, windowed;
  for (Index layer = 0; layer < received.layers(); ++layer) {
    (trace.architecture.window_of(layer) > 0 ? windowed : full).push_back(layer);
  }
  text.full_ratios = sink::sink_ratios_of(received, full);
  text.window_ratios = sink::sink_ratios_of(received, windowed);
  return text;
}

/// A model seen through one or more texts. Losses, importances and ratios are means over texts;
/// residual and spike are those of the text in which an entry stands out most, `shown`.
struct Anatomy {
  std::size_t texts = 0;
  std::size_t text_index = 0;  ///< of `shown`
  Index shortest = 0;          ///< tokens of the shortest and longest text
  Index longest = 0;
  TextAnatomy shown;
  std::optional<double> loss;
  Matrix<double> importance;
  double ratio_first_token = 0;
  double ratio_first_half = 0;
  double ratio_later = 0;
  double ratio_full = 0;                   ///< first token, of the heads of layers without a window
  double ratio_window = 0;                 ///< first token, of the heads of layers with one
  double ratio_first_token_deviation = 0;  ///< over texts; 0 for one
  std::optional<collapse::Profile> collapse;  ///< of the spike tokens of all texts
};

/// Throws shape_error when there is no text.
inline Anatomy combine(const std::vector<TextAnatomy>& texts) {
  if (texts.empty()) throw shape_error("combine: there are no texts");
  Anatomy all;
  all.texts = texts.size();
  all.shortest = all.longest = static_cast<Index>(texts[0].ids.size());
  all.importance = Matrix<double>::Zero(texts[0].importance.rows(), texts[0].importance.cols());
  double losses = 0;
  std::size_t with_loss = 0;
  const double share = 1 / static_cast<double>(texts.size());
  const auto stands_out_more = [](const TextAnatomy& a, const TextAnatomy& b) {
    return std::pair(a.outliers.tier, a.outliers.top.ratio()) >
           std::pair(b.outliers.tier, b.outliers.top.ratio());
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto& text = texts[i];
    const auto length = static_cast<Index>(text.ids.size());
    all.shortest = std::min(all.shortest, length);
    all.longest = std::max(all.longest, length);
    all.importance += share * text.importance;
    all.ratio_first_token += share * text.ratios.first_token;
    all.ratio_first_half += share * text.ratios.first_half;
    all.ratio_later += share * text.later_ratios.first_token;
    all.ratio_full += share * text.full_ratios.first_token;
    all.ratio_window += share * text.window_ratios.first_token;
    if (text.loss) {
      losses += *text.loss;
      ++with_loss;
    }
    if (stands_out_more(text, texts[all.text_index])) all.text_index = i;
  }
  std::vector<double> ratios;
  for (const auto& text : texts) ratios.push_back(text.ratios.first_token);
  all.ratio_first_token_deviation = sink::spread(ratios).deviation;
  if (with_loss > 0) all.loss = losses / static_cast<double>(with_loss);
  all.shown = texts[all.text_index];
  return all;
}

}  // namespace plumb::report
