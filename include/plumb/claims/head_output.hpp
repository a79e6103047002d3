#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/attention.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/min_norm_point.hpp"
#include "plumb/claims/verdict.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// What a head can write, and what it takes to write nothing. Outputs o are mixtures of values by
/// the weights of the softmax, before a gate unless a claim says otherwise.
namespace plumb::claims {

namespace detail {

/// The head's output on other keys: the model's softmax of `logits`, and the mixture of `values`.
inline Vector<double> mixture(Vector<double> logits, const Matrix<double>& values) {
  kernels::backend_t<double>::softmax(logits.data(), logits.size());
  return values.transpose() * logits;
}

/// o', the output without the sink.
inline Vector<double> evicted(const HeadRow<double>& in) {
  return mixture(without_entry<double>(in.logits, in.sink),
                 without_row<double>(in.values, in.sink));
}

/// o_1, the output when the sink is a key of logit 0 and value 0: an extra 1 in the denominator.
inline Vector<double> off_by_one(HeadRow<double> in) {
  in.logits[in.sink] = 0;
  in.values.row(in.sink).setZero();
  return mixture(in.logits, in.values);
}

/// n >= 2 keys, the sink among them, and weight left for the others.
inline Objection has_no_rivals(const HeadRow<double>& in) {
  if (const auto objection = is_no_head_row(in, in.sink)) return objection;
  if (weight_beside<double>(in.weights, in.sink) == 0) return "the sink takes all the weight";
  return {};
}

/// Rows of heads that have the sink, with something that must be computed of them first.
template <class T, class Visit>
void visit_sink_rows(const LayerRun<T>& run, Index queries, const Visit& visit) {
  for_each_query(run, queries, [&](Index head, Index t) {
    const HeadRow<double> in = head_row(run, head, t);
    if (!is_no_head_row(in, in.sink)) visit(in, at_query(run, head, t));
  });
}

}  // namespace detail

// ---- 24: gates can silence, mixtures hardly --------------------------------------------------

/// ||eta .* o|| <= max eta ||o||   (claim 24a; ours). Equal for one gate a head.
struct GatedNorm {
  static constexpr std::string_view id = "gate-silence", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    Vector<S> output;    ///< o
    Vector<S> openings;  ///< eta of each channel, in (0, 1)
    Vector<S> gated;     ///< observed
    double unit = kUnit;
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.gated);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return max_abs<S>(in.openings) * norm<S>(in.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.openings.size() != in.output.size() || in.gated.size() != in.output.size()) {
      return "output and gates differ in size";
    }
    if (in.output.isZero(0)) return "the output is zero";
    return {};
  }
  static double allowance(const Input<double>& in) {
    return (gamma(Index{2}, in.unit) + gamma(2 * in.output.size() + 8)) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate == AttentionGate::none) return "attention has no gate";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& gate = run.weights.attention.gate;
    if (!gate.present()) return;
    const Matrix<T> gated = gate.apply(run.gate, run.head_outputs);
    const Matrix<T> ones = Matrix<T>::Ones(run.tokens(), run.head_outputs.cols());
    const Matrix<T> openings = gate.apply(run.gate, ones);
    detail::for_each_query(run, detail::kQueriesPerHead, [&](Index head, Index t) {
      const auto part = [&](const Matrix<T>& rows) -> Vector<double> {
        const Index size = run.weights.attention.head_dim;
        return rows.row(t).segment(head * size, size).transpose().template cast<double>();
      };
      visit(Input<double>{part(run.head_outputs), part(openings), part(gated), unit_of<T>},
            detail::at_query(run, head, t));
    });
  }
};

/// eta = 1 / (1 + e^-(w.x)); so eta <= e if and only if w.x <= -ln(1/e - 1)
/// (claim 24b; ours). An equality.
struct GateThreshold {
  static constexpr std::string_view id = "gate-silence", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> x;  ///< what the block reads
    Vector<S> w;  ///< row of W_g
    S opening{};  ///< observed
    double unit = kUnit;
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.opening;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::exp;
    return S(1) / (S(1) + exp(-dot<S>(in.w, in.x)));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.w.size() != in.x.size()) return "x and the gate differ in size";
    const double most = in.unit > kUnit ? 80 : 700;
    if (!(std::abs(dot<double>(in.w, in.x)) < most)) return "e^-(w.x) overflows";
    return {};
  }
  /// sigma: relative (1.5 E + 4) u, on both sides; the logit gamma_d |w|.|x|, times the slope
  /// eta (1 - eta) <= eta.
  static double allowance(const Input<double>& in) {
    const double logit = in.w.cwiseAbs().dot(in.x.cwiseAbs());
    return rhs<double>(in) * 1.01 *
           ((1.5 * kExpError + 4) * (in.unit + kUnit) +
            2 * gamma(in.x.size() + 1, in.unit) * logit);
  }
  static Objection objection(const Architecture& a) { return GatedNorm::objection(a); }
  /// The least open gate of a token.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& gate = run.weights.attention.gate;
    if (!gate.present()) return;
    for (Index t = 0; t < run.tokens(); t += 8) {
      Index least = 0;
      run.gate.row(t).minCoeff(&least);
      visit(Input<double>{run.attention_input.row(t).transpose().template cast<double>(),
                          gate.weight.row(least).transpose().template cast<double>(),
                          static_cast<double>(run.gate(t, least)), unit_of<T>},
            {.layer = run.layer, .block = Block::attention, .channel = least, .position = t});
    }
  }
};

/// A_s ||v_s|| - (1 - A_s) max_{j != s} ||v_j|| <= ||o||   (claim 24c; ours). So silence with
/// A_s -> 1 forces ||v_s|| <= (||o|| + (1 - A_s) max ||v_j||) / A_s. Equal for one rival whose
/// value points the other way.
struct SinkOutputLeast {
  static constexpr std::string_view id = "gate-silence", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.weights[in.sink] * norm<S>(row<S>(in.values, in.sink)) -
           weight_beside<S>(in.weights, in.sink) * longest<S>(without_row<S>(in.values, in.sink));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in, in.sink)) return objection;
    if (lhs<double>(in) <= 0) return "the other values can cancel the sink's";
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

/// ||o|| <= A_s ||v_s|| + (1 - A_s) max_{j != s} ||v_j||   (claim 24d; ours). Equal for one rival
/// whose value is parallel.
struct SinkOutputMost {
  static constexpr std::string_view id = "gate-silence", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.output);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.weights[in.sink] * norm<S>(row<S>(in.values, in.sink)) +
           weight_beside<S>(in.weights, in.sink) * longest<S>(without_row<S>(in.values, in.sink));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in, in.sink)) return objection;
    if (in.values.isZero(0)) return "all values are zero";
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

// ---- 25: a mixture stays in the hull of its values -------------------------------------------

namespace detail {

/// min_j v_j.e / ||e||: no mixture of the rows is shorter.
template <class S>
S least_along(const Matrix<S>& values, const Vector<S>& direction) {
  S least = dot<S>(row<S>(values, 0), direction);
  for (Index j = 1; j < values.rows(); ++j) {
    const S along = dot<S>(row<S>(values, j), direction);
    if (along < least) least = along;
  }
  return least / norm<S>(direction);
}

/// Queries of a head for which the nearest point of a hull is sought: the search is the cost.
inline constexpr Index kHullQueries = 4;

}  // namespace detail

/// min_j v_j.e <= ||o||, for any unit e   (claim 25; ours). The largest left side over
/// e is dist(0, conv{v_j}), which sites approach by Wolfe's algorithm. Equal when all values are.
struct ConvexHull {
  static constexpr std::string_view id = "convex-hull";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    HeadRow<S> row;
    Vector<S> direction;  ///< e, of any length
    bool gated = false;   ///< whether the output is one after the gate
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::least_along<S>(in.row.values, in.direction);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.row.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.row.values.rows() < 1 || in.row.output.size() != in.row.values.cols() ||
        in.direction.size() != in.row.values.cols()) {
      return "values, output and direction differ in size";
    }
    if (in.gated) return "the output is gated";
    if (in.direction.isZero(0) || lhs<double>(in) <= 0) return "the values surround the origin";
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in.row); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_query(run, detail::kHullQueries, [&](Index head, Index t) {
      const auto in = detail::head_row(run, head, t);
      visit(Input<double>{in, min_norm_point(in.values).point}, detail::at_query(run, head, t));
    });
  }
};

// ---- 26: gates that do not look at the input -------------------------------------------------

/// W_O (eta .* o) = (W_O diag(eta)) o for every token, eta the same for all (claim 26, and its
/// inverse by diag(1/eta); ours). So unconditional gates of a channel, a head or a
/// scalar express nothing new; training them may still differ. An equality.
struct UnconditionalGate {
  static constexpr std::string_view id = "unconditional-gate-is-reparametrisation";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Matrix<S> weight;    ///< W_O (d, channels)
    Matrix<S> openings;  ///< eta of each token (tokens, channels)
    Matrix<S> outputs;   ///< o (tokens, channels)
    Matrix<S> writes;    ///< of the gated model, observed (tokens, d)
    double unit = kUnit;
  };

  /// o (W_O diag(eta))', without any gate.
  template <class S>
  static Matrix<S> folded(const Input<S>& in) {
    const Matrix<S> weight = in.weight * row<S>(in.openings, 0).asDiagonal();
    return in.outputs * weight.transpose();
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> got = in.writes.reshaped(), want = folded<S>(in).reshaped();
    return norm_with_error<S>(got, want);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(folded<S>(in).reshaped());
  }
  static Objection assumptions(const Input<double>& in) {
    const Index tokens = in.outputs.rows(), channels = in.outputs.cols();
    if (tokens < 1 || in.openings.rows() != tokens || in.openings.cols() != channels ||
        in.weight.cols() != channels || in.writes.rows() != tokens ||
        in.writes.cols() != in.weight.rows()) {
      return "weight, gates, outputs and writes differ in size";
    }
    for (Index t = 1; t < tokens; ++t) {
      if (in.openings.row(t) != in.openings.row(0)) return "the gates depend on the token";
    }
    if (!in.openings.allFinite() || in.openings.minCoeff() <= 0) return "a gate is shut for good";
    return {};
  }
  /// Two products of `channels` terms with a gate each.
  static double allowance(const Input<double>& in) {
    auto sizes = in;
    for (auto* part : {&sizes.weight, &sizes.openings, &sizes.outputs}) {
      *part = part->cwiseAbs().eval();
    }
    return 2 * gamma(in.outputs.cols() + 6, in.unit) * folded<double>(sizes).norm();
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate != AttentionGate::none) return "the gates depend on the token";
    return {};
  }
  /// Gates sigma(sin c), made up for channel c: the model has none, and any would do.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& attention = run.weights.attention;
    const Index tokens = std::min<Index>(run.tokens(), 4), channels = run.head_outputs.cols();
    Matrix<T> openings(tokens, channels);
    for (Index c = 0; c < channels; ++c) {
      openings.col(c).setConstant(sigmoid(static_cast<T>(std::sin(static_cast<double>(c)))));
    }
    const Matrix<T> outputs = run.head_outputs.topRows(tokens);
    const Gate<T> gate{Matrix<T>::Zero(channels, attention.query.cols())};
    const Matrix<T> writes =
        kernels::backend_t<T>::template product<T>(gate.apply(openings, outputs), attention.output);
    visit(
        Input<double>{attention.output.template cast<double>(), openings.template cast<double>(),
                      outputs.template cast<double>(), writes.template cast<double>(), unit_of<T>},
        {.layer = run.layer, .block = Block::attention});
  }
};

// ---- A4: a head without its sink -------------------------------------------------------------

/// One query of one head, and its output on the same keys without the sink.
template <class S>
struct Eviction {
  HeadRow<S> row;
  Vector<S> without;  ///< o', observed
};

namespace detail {

/// Relative to max ||v_j||: recorded weights are off by the softmax's error on average, in a
/// mixture and in A_s / (1 - A_s), each twice at most; recorded outputs by n roundings; dividing by
/// 1 - A_s enlarges both.
inline double eviction_allowance(const Eviction<double>& in) {
  const double rest = weight_beside<double>(in.row.weights, in.row.sink);
  const double error =
      4 * mean_softmax_error(in.row.logits, in.row.unit) * longest<double>(in.row.values);
  return (error + 2 * mixture_allowance(in.row)) * (1 + 1 / rest);
}

inline Objection is_no_eviction(const Eviction<double>& in) {
  if (in.without.size() != in.row.output.size()) return "the two outputs differ in size";
  return has_no_rivals(in.row);
}

template <class T, class Visit>
void visit_evictions(const LayerRun<T>& run, const Visit& visit) {
  visit_sink_rows(run, kQueriesPerHead, [&](const HeadRow<double>& in, const Where& where) {
    visit(Eviction<double>{in, evicted(in)}, where);
  });
}

}  // namespace detail

/// o' = (o - A_s v_s) / (1 - A_s): the output without the sink, from the trace alone
/// (claim A4a; ours). For one head of one layer: later layers would read something else. An
/// equality.
struct SinkRemoval {
  static constexpr std::string_view id = "sink-removal-identity", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = Eviction<S>;

  template <class S>
  static Vector<S> predicted(const Input<S>& in) {
    const S weight = in.row.weights[in.row.sink];
    const S rest = weight_beside<S>(in.row.weights, in.row.sink);
    const Vector<S> kept = in.row.output - weight * row<S>(in.row.values, in.row.sink);
    return kept / rest;
  }
  template <class S>
  static S lhs(const Input<S>& in) {
    return norm_with_error<S>(in.without, predicted<S>(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(predicted<S>(in));
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_eviction(in); }
  static double allowance(const Input<double>& in) { return detail::eviction_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_evictions(run, visit);
  }
};

/// ||o' - o|| = A_s ||o' - v_s||   (claim A4b; ours)
struct SinkRemovalDistance {
  static constexpr std::string_view id = "sink-removal-identity", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = Eviction<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.without, in.row.output);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.row.weights[in.row.sink] *
           distance<S>(in.without, row<S>(in.row.values, in.row.sink));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_eviction(in)) return objection;
    if (reach<double>(in.row.values, in.row.sink) == 0) return "all values are equal";
    if (rhs<double>(in) <= allowance(in) / kCoarseAllowance) {
      return "the sink moves the output by no more than rounding";
    }
    return {};
  }
  static double allowance(const Input<double>& in) { return detail::eviction_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_evictions(run, visit);
  }
};

/// ||o' - o|| = A_s / (1 - A_s) ||o - v_s||   (claim A4c; ours)
struct SinkRemovalOdds {
  static constexpr std::string_view id = "sink-removal-identity", part = "c";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = Eviction<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.without, in.row.output);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.row.weights[in.row.sink] / weight_beside<S>(in.row.weights, in.row.sink) *
           distance<S>(in.row.output, row<S>(in.row.values, in.row.sink));
  }
  static Objection assumptions(const Input<double>& in) {
    return SinkRemovalDistance::assumptions(in);
  }
  static double allowance(const Input<double>& in) { return detail::eviction_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_evictions(run, visit);
  }
};

// ---- A5: a sink as an extra 1 in the denominator ---------------------------------------------

/// A query, its output without the sink, and that with a key of logit 0 and value 0 instead.
template <class S>
struct OffByOne {
  HeadRow<S> row;
  Vector<S> without;  ///< o'
  Vector<S> extra;    ///< o_1, observed
};

namespace detail {

inline Objection is_no_off_by_one(const OffByOne<double>& in) {
  if (in.extra.size() != in.row.output.size()) return "the outputs differ in size";
  if (in.row.values.isZero(0)) return "all values are zero";
  return is_no_eviction({in.row, in.without});
}

/// The recorded output: the softmax's error and the mixture's; sigma of logits that are off by
/// 4 roundings of the largest.
inline double off_by_one_allowance(const OffByOne<double>& in) {
  const double logits =
      gamma(static_cast<double>(in.row.logits.size()) + 12 + 8 * max_abs<double>(in.row.logits));
  return 2 * mixture_allowance(in.row) +
         (2 * mean_softmax_error(in.row.logits, in.row.unit) + logits) *
             longest<double>(in.row.values);
}

template <class T, class Visit>
void visit_off_by_one(const LayerRun<T>& run, const Visit& visit) {
  visit_sink_rows(run, kQueriesPerHead, [&](const HeadRow<double>& in, const Where& where) {
    visit(OffByOne<double>{in, evicted(in), off_by_one(in)}, where);
  });
}

}  // namespace detail

/// ||o - o_1|| <= |sigma(l_s - L) - sigma(-L)| ||o'|| + A_s ||v_s||, L the LSE of the rivals and
/// o_1 = (1 - sigma(-L)) o' the output of an off-by-one softmax (claim A5a; ours). 0 = 0 for a zero
/// key and value. Near 0 as well where A_s is: look at it beside this.
struct SinkAsOffByOne {
  static constexpr std::string_view id = "sink-as-off-by-one", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = OffByOne<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.row.output, in.extra);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const auto& r = in.row;
    const S rivals = log_sum_exp<S>(without_entry<S>(r.logits, r.sink));
    const S moved = sigmoid<S>(r.logits[r.sink] - rivals) - sigmoid<S>(-rivals);
    return abs(moved) * norm<S>(in.without) + r.weights[r.sink] * norm<S>(row<S>(r.values, r.sink));
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_off_by_one(in); }
  static double allowance(const Input<double>& in) { return detail::off_by_one_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_off_by_one(run, visit);
  }
};

/// ||o - o_1|| <= |l_s| / 4 ||o'|| + A_s ||v_s||, as sigma' <= 1/4   (claim A5b; ours)
struct SinkAsOffByOneByLogit {
  static constexpr std::string_view id = "sink-as-off-by-one", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = OffByOne<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.row.output, in.extra);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const auto& r = in.row;
    return abs(r.logits[r.sink]) / S(4) * norm<S>(in.without) +
           r.weights[r.sink] * norm<S>(row<S>(r.values, r.sink));
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_off_by_one(in); }
  static double allowance(const Input<double>& in) { return detail::off_by_one_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_off_by_one(run, visit);
  }
};

// ---- A6: a sink head's outputs are nearly one vector -----------------------------------------

/// sigma_2(O) <= sqrt(sum_t (1 - A_ts)^2 max_j ||v_j - v_s||^2), O the outputs of one head, s seen
/// by every query   (claim A6; ours). As A_ts -> 1 they tend to the one vector v_s. Equal for rows
/// that alternate between v_s + w and v_s - w, w orthogonal to a large v_s.
struct SinkHeadLowRank {
  static constexpr std::string_view id = "sink-head-low-rank";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    Matrix<S> outputs;  ///< O (queries, head_dim), observed
    Matrix<S> weights;  ///< A (queries, keys); 0 for a key that is not seen
    Matrix<S> values;   ///< v (keys, head_dim)
    Index sink = 0;
    double unit = kUnit;
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return collapse::singular_values(in.outputs, collapse::Route::qr)[1];
  }
  /// A key of weight 0 has no part in its mixture, so only the others are looked at.
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    Vector<S> apart(in.values.rows());
    for (Index j = 0; j < apart.size(); ++j) {
      apart[j] = distance<S>(row<S>(in.values, j), row<S>(in.values, in.sink));
    }
    S sum(0);
    for (Index t = 0; t < in.weights.rows(); ++t) {
      S most(0);
      for (Index j = 0; j < apart.size(); ++j) {
        if (in.weights(t, j) > S(0) && most < apart[j]) most = apart[j];
      }
      const S step = weight_beside<S>(row<S>(in.weights, t), in.sink) * most;
      sum += step * step;
    }
    return sqrt(sum);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.outputs.rows() != in.weights.rows() || in.weights.cols() != in.values.rows() ||
        in.outputs.cols() != in.values.cols()) {
      return "outputs, weights and values differ in size";
    }
    if (in.outputs.rows() < 2 || in.outputs.cols() < 2) return "there is no second singular value";
    if (in.sink < 0 || in.sink >= in.values.rows() || in.weights.col(in.sink).minCoeff() <= 0) {
      return "a query does not see the sink";
    }
    if (rhs<double>(in) == 0) return "the outputs are one vector";
    return {};
  }
  /// Singular values move by no more than the Frobenius norm of an error: the mixtures' of the
  /// queries, and min(queries, head_dim) rotations of QR and Jacobi.
  static double allowance(const Input<double>& in) {
    const Index n = in.values.rows(), size = in.values.cols();
    const double rows = std::sqrt(static_cast<double>(in.outputs.rows()));
    return (gamma(2 * n + size + 8, in.unit) + gamma(20 * size)) * rows *
           longest<double>(in.values);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const Index size = run.weights.attention.head_dim;
    for (Index head = 0; head < run.architecture.heads; ++head) {
      const Index kv = run.architecture.kv_head(head);
      visit(Input<double>{run.head_outputs.middleCols(head * size, size).template cast<double>(),
                          slice(run.attention, head).template cast<double>(),
                          run.values.middleCols(kv * size, size).template cast<double>(), 0,
                          unit_of<T>},
            {.layer = run.layer, .block = Block::attention, .head = head});
    }
  }
};

// ---- A8: silence that needs the sink ---------------------------------------------------------

/// min_{j != s} v_j.e <= ||o'|| for every mixture o' of the values other than the sink's. So where
/// the left side exceeds ||o||, no weights on the other keys give an output as small: the sink is
/// necessary for that silence   (claim A8; ours). Sites find e by Wolfe's algorithm and hold o',
/// the output without the sink, against it; the certificate is the plain inequality, whatever found
/// e. Equal for one rival.
struct SilenceNeedsSink {
  static constexpr std::string_view id = "silence-needs-sink";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    HeadRow<S> row;
    Vector<S> without;    ///< o', observed
    Vector<S> direction;  ///< e, of any length
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::least_along<S>(without_row<S>(in.row.values, in.row.sink), in.direction);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.without);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in.row, in.row.sink)) return objection;
    if (in.without.size() != in.row.output.size() || in.direction.size() != in.row.output.size()) {
      return "outputs and direction differ in size";
    }
    if (in.direction.isZero(0) || lhs<double>(in) <= 0) return "the values surround the origin";
    if (lhs<double>(in) <= norm<double>(in.row.output)) {
      return "the other values reach as near to the origin as the output";
    }
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in.row); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_sink_rows(
        run, detail::kHullQueries, [&](const HeadRow<double>& in, const Where& where) {
          const auto rivals = without_row<double>(in.values, in.sink);
          visit(Input<double>{in, detail::evicted(in), min_norm_point(rivals).point}, where);
        });
  }
};

}  // namespace plumb::claims
