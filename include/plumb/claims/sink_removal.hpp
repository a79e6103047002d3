#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/verdict.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/core/array.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/trace/layer_run.hpp"

/// What a head writes beside what its sink makes it write: the output without the sink, with an
/// extra 1 in the denominator in its place, and how few dimensions are left where it rules.
namespace plumb::claims {

namespace detail {

/// o_1, the output when the sink is a key of logit 0 and value 0: an extra 1 in the denominator.
inline Vector<double> off_by_one(HeadRow<double> in) {
  in.logits[in.sink] = 0;
  in.values.row(in.sink).setZero();
  return mixture(in.logits, in.values);
}

/// n >= 2 keys, the sink among them, and weight left for the others; o' fits.
inline Objection is_no_eviction(const HeadRow<double>& row, const Vector<double>& without) {
  if (without.size() != row.output.size()) return "the two outputs differ in size";
  if (const auto objection = is_no_head_row(row, row.sink)) return objection;
  if (weight_beside<double>(row.weights, row.sink) == 0) return "the sink takes all the weight";
  return {};
}

/// Rows of heads that have the sink, with what make(row) computes of them.
template <class T, class Visit, class Make>
void visit_sink_rows(const LayerRun<T>& run, const Visit& visit, const Make& make) {
  visit_head_rows(run, [&](const HeadRow<double>& row, const Where& where) {
    if (!is_no_head_row(row, row.sink)) visit(make(row), where);
  });
}

}  // namespace detail

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

/// What the parts about the output without the sink share.
struct EvictionClaim {
  static constexpr std::string_view id = "sink-removal-identity";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = Eviction<S>;

  static Objection assumptions(const Input<double>& in) {
    return is_no_eviction(in.row, in.without);
  }
  static double allowance(const Input<double>& in) { return eviction_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_sink_rows(run, visit,
                    [](const HeadRow<double>& row) { return Input<double>{row, evicted(row)}; });
  }
};

/// ||o' - o||, which rounding must not hide.
struct EvictionDistanceClaim : EvictionClaim {
  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.without, in.row.output);
  }
  /// A_s ||o' - v_s||
  template <class S>
  static S moved(const Input<S>& in) {
    return in.row.weights[in.row.sink] *
           distance<S>(in.without, row<S>(in.row.values, in.row.sink));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = EvictionClaim::assumptions(in)) return objection;
    if (reach<double>(in.row.values, in.row.sink) == 0) return "all values are equal";
    if (moved<double>(in) <= allowance(in) / kCoarseAllowance) {
      return "the sink moves the output by no more than rounding";
    }
    return {};
  }
};

}  // namespace detail

/// o' = (o - A_s v_s) / (1 - A_s): the output without the sink, from the trace alone
/// (claim A4a; ours). For one head of one layer: later layers would read something else. An
/// equality.
struct SinkRemoval : detail::EvictionClaim {
  static constexpr std::string_view part = "a";

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
};

/// ||o' - o|| = A_s ||o' - v_s||   (claim A4b; ours)
struct SinkRemovalDistance : detail::EvictionDistanceClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S rhs(const Input<S>& in) {
    return moved<S>(in);
  }
};

/// ||o' - o|| = A_s / (1 - A_s) ||o - v_s||   (claim A4c; ours)
struct SinkRemovalOdds : detail::EvictionDistanceClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    return in.row.weights[in.row.sink] / weight_beside<S>(in.row.weights, in.row.sink) *
           distance<S>(in.row.output, row<S>(in.row.values, in.row.sink));
  }
};

/// A query, its output without the sink, and that with a key of logit 0 and value 0 instead.
template <class S>
struct OffByOne {
  HeadRow<S> row;
  Vector<S> without;  ///< o'
  Vector<S> extra;    ///< o_1, observed
};

namespace detail {

/// The recorded output: the softmax's error and the mixture's; sigma of logits that are off by
/// 4 roundings of the largest.
inline double off_by_one_allowance(const OffByOne<double>& in) {
  const double logits =
      gamma(static_cast<double>(in.row.logits.size()) + 12 + 8 * max_abs<double>(in.row.logits));
  return 2 * mixture_allowance(in.row) +
         (2 * mean_softmax_error(in.row.logits, in.row.unit) + logits) *
             longest<double>(in.row.values);
}

/// What both parts about an extra 1 share.
struct OffByOneClaim {
  static constexpr std::string_view id = "sink-as-off-by-one";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = OffByOne<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.row.output, in.extra);
  }
  /// A_s ||v_s||
  template <class S>
  static S sink_length(const Input<S>& in) {
    return in.row.weights[in.row.sink] * norm<S>(row<S>(in.row.values, in.row.sink));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.extra.size() != in.row.output.size()) return "the outputs differ in size";
    if (in.row.values.isZero(0)) return "all values are zero";
    return is_no_eviction(in.row, in.without);
  }
  static double allowance(const Input<double>& in) { return off_by_one_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_sink_rows(run, visit, [](const HeadRow<double>& row) {
      return Input<double>{row, evicted(row), off_by_one(row)};
    });
  }
};

}  // namespace detail

/// ||o - o_1|| <= |sigma(l_s - L) - sigma(-L)| ||o'|| + A_s ||v_s||, L the LSE of the rivals and
/// o_1 = (1 - sigma(-L)) o' the output of an off-by-one softmax (claim A5a; ours). 0 = 0 for a zero
/// key and value. Near 0 as well where A_s is: look at it beside this.
struct SinkAsOffByOne : detail::OffByOneClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const auto& r = in.row;
    const S rivals = log_sum_exp<S>(without_entry<S>(r.logits, r.sink));
    const S moved = sigmoid<S>(r.logits[r.sink] - rivals) - sigmoid<S>(-rivals);
    return abs(moved) * norm<S>(in.without) + sink_length<S>(in);
  }
};

/// ||o - o_1|| <= |l_s| / 4 ||o'|| + A_s ||v_s||, as sigma' <= 1/4   (claim A5b; ours)
struct SinkAsOffByOneByLogit : detail::OffByOneClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return abs(in.row.logits[in.row.sink]) / S(4) * norm<S>(in.without) + sink_length<S>(in);
  }
};

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

}  // namespace plumb::claims
