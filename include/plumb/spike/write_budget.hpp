#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <variant>
#include <vector>

#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/layer.hpp"
#include "plumb/spike/trigger_cone.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

/// How much a block can write into a channel, for any text, from its weights alone. A norm in front
/// bounds what a block reads, a norm behind what it writes.
namespace plumb::spike {

/// Where a bound comes from. d channels; g is the gain of the norm in front, folded into the
/// weights that read; eta are gates in [0, 1]. Source: ours.
enum class WriteRule {
  /// |write_k| <= sqrt(d) sum_h |row k of W_O^h W_V^kv(h)|, whatever the attention weights; gates a
  /// head or token can only shrink it. Biases add |sum_h W_O^h b_V + b_O|.
  attention,
  /// sqrt(d) sum_c |W_O[k,c]| |row c of W_V|: a gate a channel may stop what would cancel. With
  /// DynamicTanh in front |x_i| <= |g_i|: here and above sums of magnitudes instead of sqrt(d) | |.
  attention_channel_gate,
  /// |write_k| <= d sum_j |w_kj| |g_j| |u_j| (1 + |cos(g_j, u_j)|) / 2, for activations with
  /// act(z) / z in [0, 1].
  feed_forward,
  /// sum_j |w_kj| |act(z_j)| |y_j| with |act(z)| <= |z| and each of z, y as large as its row and
  /// bias
  /// allow: for blocks with biases, or without a gate.
  feed_forward_rows,
  /// |write_k| <= sqrt(d) |g'_k|, g' the gain of the norm behind (DynamicTanh: |g'_k|).
  post_norm,
  /// Nothing bounds what the block reads: the bound is infinite.
  none
};

constexpr const char* to_string(WriteRule rule) {
  switch (rule) {
    case WriteRule::attention: return "attention";
    case WriteRule::attention_channel_gate: return "attention, gate a channel";
    case WriteRule::feed_forward: return "feed-forward";
    case WriteRule::feed_forward_rows: return "feed-forward, row by row";
    case WriteRule::post_norm: return "post-norm";
    case WriteRule::none: return "none: no norm in front or behind";
  }
  return "?";
}

/// The bounds of one block.
struct WriteBudget {
  Index layer = 0;
  Block block = Block::attention;
  WriteRule rule = WriteRule::none;
  Vector<double> bound;     ///< (channels), of |write|; infinite without a rule
  Vector<double> measured;  ///< (channels), the largest |write| over tokens; empty until measured
};

namespace detail {

/// What a norm leaves to read: x = gain .* u + bias with |u| <= sqrt(d), and |u_i| <= 1 if `unit`.
struct Reading {
  Vector<double> gain;
  Vector<double> bias;  // zero where there is none
  bool unit = false;

  double length() const { return std::sqrt(static_cast<double>(gain.size())); }
  bool offset() const { return !bias.isZero(0); }

  /// The largest |row.(gain .* u)|. A sum of d magnitudes is at most sqrt(d) times the length.
  double reach(const RowVector<double>& row) const {
    const RowVector<double> folded = row.cwiseProduct(gain.transpose());
    return unit ? folded.lpNorm<1>() : length() * folded.norm();
  }
};

/// A bias in double, or zeros where the block has none.
template <class T>
Vector<double> or_zero(const Vector<T>& bias, Index size) {
  return bias.size() == 0 ? Vector<double>(Vector<double>::Zero(size))
                          : Vector<double>(bias.template cast<double>());
}

template <class T>
std::optional<Reading> reading(const Norm<T>& norm) {
  return std::visit(
      [](const auto& kind) -> std::optional<Reading> {
        if constexpr (requires { kind.gain; }) {
          constexpr bool kUnit = requires { kind.alpha; };  // DynamicTanh
          Reading read{kind.gain.template cast<double>(), Vector<double>::Zero(kind.gain.size()),
                       kUnit};
          if constexpr (requires { kind.bias; }) {
            read.bias = or_zero<T>(kind.bias, kind.gain.size());
          }
          return read;
        } else {
          return std::nullopt;
        }
      },
      norm.kind);
}

/// For each channel the largest |row of W_O^h W_V x| over what can be read, x without its bias.
/// By the triangular factor of W_V, so that squares are not formed.
inline Vector<double> head_reach(const Matrix<double>& output, const Matrix<double>& values,
                                 const Reading& read) {
  const Matrix<double> folded = values * read.gain.asDiagonal();
  if (read.unit) return (output * folded).cwiseAbs().rowwise().sum();
  const Matrix<double> r = triangular_factor<double>(folded.transpose());
  return read.length() * (output * r.transpose()).rowwise().norm();
}

}  // namespace detail

/// What an attention block can write into each channel; nothing without a norm in front of it.
/// `norm` is that norm. Cost: hidden * head_dim^2 multiplications a head.
template <class T>
WriteBudget attention_budget(const Norm<T>& norm, const Attention<T>& block) {
  WriteBudget budget;
  budget.block = Block::attention;
  const Index channels = block.output.rows(), dim = block.head_dim;
  const auto read = detail::reading(norm);
  if (!read) {
    budget.bound.setConstant(channels, std::numeric_limits<double>::infinity());
    return budget;
  }
  const bool gated = block.gate.present();
  const bool by_channel = gated && block.gate.weight.rows() > block.heads;
  // Every value is W_V (g .* u) + constant, and weights that sum to one pass the constant on.
  const Vector<double> constant = block.values.template cast<double>() * read->bias +
                                  detail::or_zero<T>(block.value_bias, block.values.rows());
  Vector<double> passed = Vector<double>::Zero(channels), reach = passed;
  for (Index head = 0; head < block.heads; ++head) {
    const Index kv = block.kv_head(head);
    const Matrix<double> output = block.output.middleCols(head * dim, dim).template cast<double>();
    const Matrix<double> values = block.values.middleRows(kv * dim, dim).template cast<double>();
    const auto own = constant.segment(kv * dim, dim);
    if (by_channel) {
      Vector<double> rows(dim);
      for (Index c = 0; c < dim; ++c) rows[c] = read->reach(values.row(c)) + std::abs(own[c]);
      reach += output.cwiseAbs() * rows;
    } else {
      reach += detail::head_reach(output, values, *read);
      const Vector<double> share = output * own;
      passed += gated ? Vector<double>(share.cwiseAbs()) : share;
    }
  }
  budget.rule = by_channel ? WriteRule::attention_channel_gate : WriteRule::attention;
  const Vector<double> bias = detail::or_zero<T>(block.output_bias, channels);
  // A gate may shrink what heads pass on, but not the bias of the output.
  budget.bound = reach + (gated ? Vector<double>(passed + bias.cwiseAbs())
                                : Vector<double>((passed + bias).cwiseAbs()));
  return budget;
}

/// What a feed-forward block can write into each channel; nothing without a norm in front of it.
/// Cost: hidden * f multiplications.
template <class T>
WriteBudget feed_forward_budget(const Norm<T>& norm, const FeedForward<T>& block) {
  WriteBudget budget;
  budget.block = Block::feed_forward;
  const auto read = detail::reading(norm);
  if (!read) {
    budget.bound.setConstant(block.down.rows(), std::numeric_limits<double>::infinity());
    return budget;
  }
  const bool gated = block.gate.size() > 0;
  const Index neurons = block.up.rows();
  const auto gate_bias = detail::or_zero<T>(block.gate_bias, neurons);
  const auto up_bias = detail::or_zero<T>(block.up_bias, neurons);
  const auto down_bias = detail::or_zero<T>(block.down_bias, block.down.rows());
  const bool centred = !read->offset() && gate_bias.isZero(0) && up_bias.isZero(0);
  Vector<double> size(neurons);  // of act(z_j) y_j
  for (Index j = 0; j < size.size(); ++j) {
    const RowVector<double> u = block.up.row(j).template cast<double>();
    const double up = read->reach(u) + std::abs(u.dot(read->bias.transpose()) + up_bias[j]);
    if (!gated) {
      size[j] = up;
      continue;
    }
    const RowVector<double> g = block.gate.row(j).template cast<double>();
    const double gate = read->reach(g) + std::abs(g.dot(read->bias.transpose()) + gate_bias[j]);
    size[j] = gate * up;
    if (!centred) continue;
    const RowVector<double> folded_g = g.cwiseProduct(read->gain.transpose());
    const RowVector<double> folded_u = u.cwiseProduct(read->gain.transpose());
    const double lengths = folded_g.norm() * folded_u.norm();
    const double square = read->length() * read->length();
    size[j] = std::min(size[j], square * (lengths + std::abs(folded_g.dot(folded_u))) / 2);
  }
  budget.rule = gated && centred ? WriteRule::feed_forward : WriteRule::feed_forward_rows;
  budget.bound = block.down.template cast<double>().cwiseAbs() * size + down_bias.cwiseAbs();
  return budget;
}

/// What a norm lets a block behind it write into each channel; absent without a norm.
template <class T>
std::optional<Vector<double>> post_norm_bound(const Norm<T>& norm) {
  const auto write = detail::reading(norm);
  if (!write) return std::nullopt;
  const double largest = write->unit ? 1 : write->length();
  return Vector<double>(largest * write->gain.cwiseAbs() + write->bias.cwiseAbs());
}

/// The budgets of a layer's attention and feed-forward block.
template <class T>
std::vector<WriteBudget> write_budget(const Layer<T>& layer, Index index = 0) {
  std::vector<WriteBudget> budgets{
      attention_budget(layer.attention_pre_norm, layer.attention),
      feed_forward_budget(layer.feed_forward_pre_norm, layer.feed_forward)};
  const Norm<T>* post[] = {&layer.attention_post_norm, &layer.feed_forward_post_norm};
  for (std::size_t i = 0; i < 2; ++i) {
    budgets[i].layer = index;
    // The norm behind hides what the block wrote, so it takes the other bound's place.
    if (const auto bound = post_norm_bound(*post[i])) {
      budgets[i].bound = *bound;
      budgets[i].rule = WriteRule::post_norm;
    }
  }
  return budgets;
}

/// The budgets of all 2 L blocks, in order. Cost: one pass over the weights.
template <class T>
std::vector<WriteBudget> write_budget(const Decoder<T>& model) {
  std::vector<WriteBudget> budgets;
  for (Index l = 0; l < model.architecture().layers; ++l) {
    for (auto& budget : write_budget(model.layer(l), l)) budgets.push_back(std::move(budget));
  }
  return budgets;
}

/// Lowers the bound of one channel of a feed-forward block to what its signed majorants allow:
/// max of d lambda_max(P_k) and d lambda_max(N_k), see write_ceiling. `form` is that of the
/// channel, with the gain of the norm in front folded. Does nothing for other rules, and where the
/// majorants did not converge. Throws index_error. Cost: two eigenproblems of 4 * hidden * f a
/// step.
template <class T>
void sharpen(WriteBudget& budget, const QuadraticForm<T>& form) {
  require_index("sharpen", "channel", form.channel, budget.bound.size());
  if (budget.rule != WriteRule::feed_forward || form.view.folded == Folded::nothing) return;
  const auto ceiling = write_ceiling(form, static_cast<double>(form.size()));
  auto& bound = budget.bound[form.channel];
  if (ceiling.converged) bound = std::min(bound, std::max(ceiling.up, ceiling.down));
}

/// Fills in what the blocks of a trace wrote at most. Throws shape_error when the trace has other
/// layers or channels than the budgets.
template <class T>
void measure(std::vector<WriteBudget>& budgets, const Trace<T>& trace) {
  require_size("measure", "budgets", static_cast<Index>(budgets.size()), 2 * trace.layers());
  for (auto& budget : budgets) {
    const auto l = static_cast<std::size_t>(budget.layer);
    const auto& write =
        budget.block == Block::attention ? trace.attention_write[l] : trace.feed_forward_write[l];
    require_size("measure", "channels of a budget", budget.bound.size(), write.cols());
    budget.measured = write.cwiseAbs().colwise().maxCoeff().transpose().template cast<double>();
  }
}

/// The blocks whose weights allow a write of at least `size` into the channel: no other block can
/// step up or down by as much, on any text. Throws index_error.
inline std::vector<WriteBudget> able_to_write(const std::vector<WriteBudget>& budgets,
                                              Index channel, double size) {
  std::vector<WriteBudget> able;
  for (const auto& budget : budgets) {
    require_index("able_to_write", "channel", channel, budget.bound.size());
    if (budget.bound[channel] >= size) able.push_back(budget);
  }
  return able;
}

}  // namespace plumb::spike
