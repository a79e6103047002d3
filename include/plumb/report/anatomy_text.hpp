#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "plumb/report/anatomy.hpp"
#include "plumb/report/chain.hpp"
#include "plumb/report/collapse.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/report/model.hpp"
#include "plumb/report/table.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

/// Position, with the token's text where there is a tokenizer.
inline std::string token_at(Index position, const std::vector<std::string>& texts) {
  const auto name = std::to_string(position);
  if (texts.empty()) return name;
  return name + " " + quote(texts[static_cast<std::size_t>(position)]);
}

/// "128", or "40 to 128" of texts of different length.
inline std::string text_lengths(const Anatomy& anatomy) {
  const auto shortest = std::to_string(anatomy.shortest);
  return anatomy.longest == anatomy.shortest ? shortest
                                             : shortest + " to " + std::to_string(anatomy.longest);
}

inline void print_tokens(std::ostream& out, const Anatomy& anatomy, bool bos_prepended) {
  const auto lengths = text_lengths(anatomy);
  out << (anatomy.texts == 1 ? "One text" : std::to_string(anatomy.texts) + " texts") << " of "
      << lengths << (anatomy.longest == 1 ? " token, " : " tokens, ")
      << (bos_prepended ? "start token prepended" : "no start token prepended");
  if (anatomy.loss) out << "; loss " << fixed(*anatomy.loss, 3) << " nats a token";
  out << ".\n";
  if (anatomy.texts > 1) {
    out << "Residual stream and spike: text " << anatomy.text_index + 1
        << ", in which an entry stands out most. Sinks: means over texts.\n";
  }
}

inline void print_residual(std::ostream& out, const TextAnatomy& text,
                           const std::vector<std::string>& token_texts) {
  using Align = Table::Align;
  Table table({{"after", Align::left},
               {"largest"},
               {"channel"},
               {"position", Align::left},
               {"median |h|"},
               {"ratio"}});
  for (const auto& entry : text.residual) {
    table.add({entry.point == 0 ? "embedding" : "layer " + std::to_string(entry.point - 1),
               fixed(entry.value, 2), std::to_string(entry.channel),
               token_at(entry.position, token_texts), number(entry.median, 3),
               number(entry.ratio(), 3)});
  }
  out << "\nResidual stream: the largest entry after each layer\n" << table;
}

inline void print_steps(std::ostream& out, const char* name,
                        const std::vector<spike::Step>& steps) {
  for (const auto& step : steps) {
    out << "  " << name << "  layer " << step.layer << ' ' << to_string(step.block) << " writes "
        << fixed(step.write, 2) << '\n';
  }
}

inline void print_life(std::ostream& out, const TextAnatomy& text) {
  const auto& life = text.life;
  if (!life.plateau) {
    out << "  It grows gradually: no block writes half of its level.\n";
    return;
  }
  if (life.in_embedding) out << "  step-up    none: it is in the embedding\n";
  print_steps(out, "step-up  ", life.step_up);
  out << "  plateau    ";
  if (life.plateau->first_layer > life.plateau->last_layer) {
    out << "within layer " << life.plateau->first_layer;
  } else {
    out << "layers " << life.plateau->first_layer << " to " << life.plateau->last_layer;
  }
  out << ", median size " << fixed(life.plateau->level, 2) << '\n';
  print_steps(out, "step-down", life.step_down);
  if (life.step_down.empty()) {
    out << "  step-down  none: it stays to the end\n";
  }
  out << "  course    ";
  for (const auto& entry : text.account->entries) {
    if (entry.block == Block::feed_forward) out << ' ' << fixed(entry.balance, 2);
  }
  out << "  (after layers 0 to " << text.account->entries.back().layer << ")\n";
}

inline void print_spike(std::ostream& out, const TextAnatomy& text,
                        const std::vector<std::string>& token_texts) {
  const auto& found = text.outliers;
  out << "\nSpike: ";
  if (found.tier == spike::Tier::none) {
    out << "none. No entry exceeds " << number(found.criterion.outlier) << " times the median.\n";
    return;
  }
  const bool massive = found.tier == spike::Tier::massive;
  out << (massive ? "massive" : "an outlier") << ", channel " << found.top.channel
      << " at position " << token_at(found.top.position, token_texts) << ", "
      << number(found.top.ratio(), 3) << " times the median\n";
  if (massive) {
    out << "  massive at " << found.positions.size() << " positions and in "
        << found.channels.size() << " channels; followed here: the largest\n";
  } else {
    out << "  not massive: that takes |h| > " << number(found.criterion.absolute) << " and "
        << number(found.criterion.relative) << " times the median\n";
  }
  print_life(out, text);
}

/// What the feed-forward block did to make the spike.
inline void print_amplifiers(std::ostream& out, const TextAnatomy& text) {
  Table table({{"layer"},
               {"F"},
               {"= rank one"},
               {"+ spectral"},
               {"+ gating"},
               {"lambda"},
               {"|lambda 2|"},
               {"energy share"},
               {"cos^2(s, x)"},
               {"neuron"},
               {"its share"},
               {"cos(g, u)"}});
  std::string remarks;
  bool any = false;
  for (const auto& found : text.amplifiers) {
    const auto layer = std::to_string(found.layer);
    if (found.obstacle != spike::Obstacle::none) {
      remarks += "  layer " + layer + ": not applicable, " + to_string(found.obstacle) + "\n";
      continue;
    }
    any = true;
    const auto& split = found.split;
    const auto share = found.pair.energy_share();
    const auto& neuron = found.neuron;
    table.add({layer, fixed(split.value, 3), fixed(split.rank_one, 3), fixed(split.spectral, 3),
               fixed(split.gating, 3), number(found.pair.lambda),
               number(found.pair.second_estimate()), share ? fixed(*share, 3) : "-",
               fixed(split.alignment, 3), neuron ? std::to_string(neuron->neuron) : "-",
               neuron ? fixed(neuron->share, 3) : "-",
               neuron ? fixed(found.neuron_cosine, 3) : "-"});
    if (found.certificate) {
      remarks += "  layer " + layer + ": the spectral part is proven to be at most " +
                 number(found.certificate->aligned, 3) + "\n";
    }
    if (found.pair.status != spike::PairStatus::converged) {
      remarks += "  layer " + layer + ": eigenpair " + to_string(found.pair.status) + "\n";
    }
    if (found.post_norm) remarks += "  layer " + layer + ": F before the norm on its output\n";
  }
  if (text.amplifiers.empty()) return;
  out << "\nAmplifier: F(x) = lambda (s.x)^2 + spectral remainder + gating remainder, channel "
      << text.amplifiers.front().channel << '\n';
  if (any) out << table;
  out << remarks;
}

/// Alpha of every head, a line a layer.
inline Table importance_table(const Matrix<double>& alpha, const Architecture& architecture) {
  constexpr Index kWidest = 8;  // heads that fit side by side
  const bool each = alpha.cols() <= kWidest;
  std::vector<Table::Column> columns{{"layer"}};
  if (each) {
    for (Index head = 0; head < alpha.cols(); ++head) {
      columns.push_back({"head " + std::to_string(head)});
    }
  } else {
    columns.insert(columns.end(), {{"smallest"}, {"mean"}, {"largest"}});
  }
  columns.push_back({"sink heads"});
  if (!architecture.windows.empty()) columns.push_back({"window"});
  Table table(columns);
  for (Index layer = 0; layer < alpha.rows(); ++layer) {
    std::vector<std::string> cells{std::to_string(layer)};
    const auto row = alpha.row(layer);
    if (each) {
      for (const double a : row) cells.push_back(fixed(a, 3));
    } else {
      cells.insert(cells.end(),
                   {fixed(row.minCoeff(), 3), fixed(row.mean(), 3), fixed(row.maxCoeff(), 3)});
    }
    cells.push_back(std::to_string((row.array() > sink::kSinkEpsilon).count()) + " of " +
                    std::to_string(alpha.cols()));
    if (!architecture.windows.empty()) {
      const Index window = architecture.window_of(layer);
      cells.push_back(window > 0 ? std::to_string(window) : "-");
    }
    table.add(std::move(cells));
  }
  return table;
}

inline void print_sinks(std::ostream& out, const Anatomy& anatomy,
                        const Architecture& architecture) {
  // Of one text a count; of several the mean share.
  const auto share_of = [&](double ratio, Index heads) {
    return anatomy.texts == 1
               ? fixed(ratio * static_cast<double>(heads), 0) + " of " + std::to_string(heads)
               : fixed(100 * ratio, 1) + " %";
  };
  const auto share = [&](double ratio) { return share_of(ratio, anatomy.importance.size()); };
  const auto deviation = anatomy.texts == 1
                             ? std::string()
                             : " +- " + fixed(100 * anatomy.ratio_first_token_deviation, 1) + " %";
  out << "\nAttention sinks: mean attention that the first token receives (T = "
      << text_lengths(anatomy) << ", epsilon = " << number(sink::kSinkEpsilon) << ")\n"
      << importance_table(anatomy.importance, architecture);
  if (anatomy.shortest < 2) {
    out << "  sink heads: not applicable, " << sink::kOneToken << ".\n";
    return;
  }
  out << "  heads above epsilon: " << share(anatomy.ratio_first_token) << deviation
      << " by Gu et al. (all queries from the token on)\n"
      << "                       " << share(anatomy.ratio_later) << " by later queries only\n"
      << "                       " << share(anatomy.ratio_first_half)
      << " for any token of the first half\n";
  if (!architecture.windows.empty()) {
    const auto& shown = anatomy.shown;
    out << "                       " << share_of(anatomy.ratio_full, shown.full_ratios.heads)
        << " by Gu et al. in layers that see the whole text\n"
        << "                       " << share_of(anatomy.ratio_window, shown.window_ratios.heads)
        << " by Gu et al. in layers with a window, whose later queries do not see the token\n";
  }
  if (anatomy.shortest < sink::kShortestSinkText) {
    out << "  Warning: below " << sink::kShortestSinkText
        << " tokens even uniform attention exceeds epsilon; these ratios say nothing.\n";
  }
}

}  // namespace detail

/// The report that people read.
inline void print(std::ostream& out, const Anatomy& anatomy, const Checkpoint& checkpoint,
                  const std::vector<std::string>& token_texts, bool bos_prepended) {
  out << model_line(checkpoint) << '\n';
  detail::print_tokens(out, anatomy, bos_prepended);
  detail::print_residual(out, anatomy.shown, token_texts);
  detail::print_spike(out, anatomy.shown, token_texts);
  detail::print_amplifiers(out, anatomy.shown);
  print_block_budgets(out, anatomy.shown.budgets, anatomy.shown.outliers.top.channel);
  if (anatomy.collapse) {
    print_collapse(out, *anatomy.collapse);
    print_keys(out, *anatomy.collapse);
  }
  detail::print_sinks(out, anatomy, checkpoint.architecture);
  print_heads(out, anatomy.shown.heads);
  std::vector<std::string> names;
  for (const auto& chain : anatomy.shown.chains) {
    names.push_back(detail::token_at(chain.position, token_texts));
  }
  print_chains(out, anatomy.shown.chains, anatomy.shown.alignments, names);
}

}  // namespace plumb::report
