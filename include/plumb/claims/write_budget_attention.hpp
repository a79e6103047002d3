#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <variant>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/attention.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// How much an attention block can write into a channel, by weights alone: its output is a convex
/// combination of values, and what it reads has a norm of at most sqrt(d). The bounds are of the
/// block's own output, before a post-norm (which claim 22 bounds).
namespace plumb::claims {

/// A write into channel k beside the rows of W_O W_V that lead there.
template <class S>
struct AttentionWrite {
  Matrix<S> rows;   ///< row h: (W_O^h W_V^kv(h))_{k,:}, gain of the norm folded in (H, d)
  S bias{};         ///< largest |constant| that biases add
  S write{};        ///< as the block computed it
  Index keys = 1;   ///< that the query sees, at most
  double mass = 0;  ///< sum_c |W_O[k,c]| ||W_V[c,:]||, which rounding is relative to
};

/// The same, head channel by head channel.
template <class S>
struct ChannelwiseWrite {
  Vector<S> output;  ///< W_O[k, c] (H D)
  Matrix<S> values;  ///< W_V[c, :] of the kv head that c reads, gain folded in (H D, d)
  S bias{};          ///< largest |constant| that biases add
  S write{};
  Index keys = 1;
};

namespace detail {

inline Objection reads_unbounded(const Architecture& a) {
  if (a.pre_norm == NormKind::rms_norm || a.pre_norm == NormKind::dynamic_tanh) return {};
  return "the norm before blocks is " + std::string(spell(kNormKinds, a.pre_norm)) +
         ": what a block reads is not bounded";
}

/// A write is a sum over keys, head channels and hidden channels, with a softmax within 2 n + 16
/// units and a gate within 8: relative to what bounds it. `width`: H D + d.
inline double budget_rounding(Index width, Index keys, double bound) {
  return gamma(2 * width + 3 * keys + 32) * bound;
}

inline double budget_rounding(const AttentionWrite<double>& in) {
  const double size = std::sqrt(static_cast<double>(in.rows.cols())) * in.mass + std::abs(in.bias);
  return budget_rounding((1 + in.rows.rows()) * in.rows.cols(), in.keys, size);
}

/// An attention block once more in double, and its largest writes.
struct AttentionRows {
  Attention<double> block;
  Vector<double> gain;   ///< of the norm in front
  Matrix<double> write;  ///< before a post-norm

  /// The row of W_V that a column of the head outputs reads.
  Index value_index(Index column) const {
    const Index head = column / block.head_dim, within = column % block.head_dim;
    return block.kv_head(head) * block.head_dim + within;
  }
  /// That row, gain folded in.
  RowVector<double> value_row(Index column) const {
    return block.values.row(value_index(column)).cwiseProduct(gain.transpose());
  }

  /// sum over columns of |constants that biases add|; with `summed`, of their sum, which is exact
  /// where weights add up to 1 and there is no gate.
  double bias(Index channel, bool summed) const {
    double sum = 0, sizes = 0;
    const auto add = [&](double term) {
      sum += term;
      sizes += std::abs(term);
    };
    for (Index c = 0; block.value_bias.size() > 0 && c < block.output.cols(); ++c) {
      add(block.output(channel, c) * block.value_bias[value_index(c)]);
    }
    if (block.output_bias.size() > 0) add(block.output_bias[channel]);
    return summed ? std::abs(sum) : sizes;
  }

  AttentionWrite<double> head_rows(Index channel, double observed) const {
    const Index width = block.head_dim;
    AttentionWrite<double> in{Matrix<double>(block.heads, gain.size()),
                              bias(channel, !block.gate.present()), observed, write.rows(), 0};
    for (Index c = 0; c < block.output.cols(); ++c) {
      in.mass += std::abs(block.output(channel, c)) * value_row(c).norm();
    }
    for (Index h = 0; h < block.heads; ++h) {
      in.rows.row(h) = (block.output.row(channel).segment(h * width, width) *
                        block.values.middleRows(block.kv_head(h) * width, width))
                           .cwiseProduct(gain.transpose());
    }
    return in;
  }

  ChannelwiseWrite<double> channel_rows(Index channel, double observed) const {
    const Index columns = block.output.cols();
    ChannelwiseWrite<double> in{block.output.row(channel), Matrix<double>(columns, gain.size()),
                                bias(channel, false), observed, write.rows()};
    for (Index c = 0; c < columns; ++c) in.values.row(c) = value_row(c);
    return in;
  }
};

/// Cost: the attention of the layer once more.
template <class T>
AttentionRows attention_rows(const LayerRun<T>& run) {
  const Norm<double> norm = run.weights.attention_pre_norm.template cast<double>();
  const Matrix<double> h = run.residual.template cast<double>();
  AttentionRows rows{
      run.weights.attention.template cast<double>(), Vector<double>::Ones(h.cols()), {}};
  std::visit(
      [&](const auto& kind) {
        if constexpr (requires { kind.gain; }) rows.gain = kind.gain;
      },
      norm.kind);
  rows.write = rows.block.value(norm.value(h), run.sequence);
  return rows;
}

inline constexpr Index kVisitedWrites = 4;  ///< channels a layer, those with the largest |write|

/// Calls body(rows, channel, write, where) for the channels that a layer's attention writes most
/// into, each at the token where it does so.
template <class T, class Body>
void for_each_attention_write(const LayerRun<T>& run, const Body& body) {
  const AttentionRows rows = attention_rows(run);
  const RowVector<double> largest = rows.write.cwiseAbs().colwise().maxCoeff();
  for (const Index k : largest_channels(largest, kVisitedWrites)) {
    Index t = 0;
    rows.write.col(k).cwiseAbs().maxCoeff(&t);
    body(rows, k, rows.write(t, k),
         Where{.layer = run.layer, .block = Block::attention, .channel = k, .position = t});
  }
}

/// What the bounds by the rows of heads share.
struct AttentionBudgetClaim {
  static constexpr std::string_view id = "write-budget-attention";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = AttentionWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.rows.size() == 0) return "there are no heads";
    return {};
  }
  static double allowance(const Input<double>& in) { return budget_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    for_each_attention_write(
        run, [&](const AttentionRows& rows, Index k, double write, const Where& where) {
          visit(rows.head_rows(k, write), where);
        });
  }
};

}  // namespace detail

/// |write_k| <= sqrt(d) sum_h ||(W_O^h W_V^kv(h))_{k,:}|| + |bias|, without a gate or with gates
/// per head or token in [0, 1]   (claim 13; ours). Equal for one token, one head and x along the
/// row. False with a gate per channel: part b.
struct AttentionBudget : detail::AttentionBudgetClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    S sum(0);
    for (Index h = 0; h < in.rows.rows(); ++h) sum += norm<S>(row<S>(in.rows, h));
    return sqrt(count<S>(in.rows.cols())) * sum + abs(in.bias);
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate == AttentionGate::channel) return "the attention is gated per channel";
    return detail::reads_unbounded(a);
  }
};

/// |write_k| <= sqrt(d) sum_c |W_O[k,c]| ||W_V[c,:]|| + |bias|, with any gate in [0, 1], one per
/// channel too   (claim 13; ours). Equal for one token, one head channel and x along its row.
struct AttentionBudgetChannelwise {
  static constexpr std::string_view id = "write-budget-attention", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = ChannelwiseWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    S sum(0);
    for (Index c = 0; c < in.output.size(); ++c) {
      sum += abs(in.output[c]) * norm<S>(row<S>(in.values, c));
    }
    return sqrt(count<S>(in.values.cols())) * sum + abs(in.bias);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.values.size() == 0 || in.output.size() != in.values.rows()) {
      return "output and values differ in size";
    }
    return {};
  }
  static double allowance(const Input<double>& in) {
    return detail::budget_rounding(in.values.cols() + in.output.size(), in.keys, rhs<double>(in));
  }
  static Objection objection(const Architecture& a) { return detail::reads_unbounded(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_attention_write(
        run, [&](const detail::AttentionRows& rows, Index k, double write, const Where& where) {
          visit(rows.channel_rows(k, write), where);
        });
  }
};

/// |write_k| <= sum_h ||(W_O^h W_V^kv(h))_{k,:}||_1 + |bias| with DynamicTanh, where |x_i| <= 1
/// (claim 13; ours). Gates as in part a. Equal for x of the signs of the row, saturated.
struct AttentionBudgetTanh : detail::AttentionBudgetClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    S sum(0);
    for (Index h = 0; h < in.rows.rows(); ++h) {
      for (Index i = 0; i < in.rows.cols(); ++i) sum += abs(in.rows(h, i));
    }
    return sum + abs(in.bias);
  }
  static Objection objection(const Architecture& a) {
    if (const auto objection = reads_no_dynamic_tanh(a)) return objection;
    return AttentionBudget::objection(a);
  }
};

/// |write_k| <= sqrt(d) ||(sum_h W_O^h W_V^kv(h))_{k,:}|| + |bias| at a position that sees itself
/// only, without a gate   (claim 13; ours): all heads read one x. Equal for x along the row.
struct AttentionBudgetAlone : detail::AttentionBudgetClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    Vector<S> sum = row<S>(in.rows, 0);
    for (Index h = 1; h < in.rows.rows(); ++h) sum = plus<S>(sum, S(1), row<S>(in.rows, h));
    return sqrt(count<S>(in.rows.cols())) * norm<S>(sum) + abs(in.bias);
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate != AttentionGate::none) return "the attention is gated";
    return detail::reads_unbounded(a);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& seen = run.sequence.keys(0);
    if (seen.last - seen.first != 1) return;
    const detail::AttentionRows rows = detail::attention_rows(run);
    for (const Index k : largest_channels(rows.write.row(0), detail::kVisitedWrites)) {
      visit(rows.head_rows(k, rows.write(0, k)),
            Where{.layer = run.layer, .block = Block::attention, .channel = k, .position = 0});
    }
  }
};

}  // namespace plumb::claims
