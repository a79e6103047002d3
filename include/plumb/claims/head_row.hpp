#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/core/array.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/trace/layer_run.hpp"

/// One query of one head: what claims about the softmax and its mixtures look at, how far rounding
/// may take it, and where a run has it; and the margin by which a token keeps to itself. The logits
/// are those of the softmax, after a soft cap where there is one; n is the number of keys that the
/// query sees. A key that it does not see has no part in any of this. Outputs are mixtures of
/// values, before a gate.
namespace plumb::claims {

/// One query of one head: the n keys that it sees, and what the head made of them.
template <class S>
struct HeadRow {
  Vector<S> logits;     ///< (n)
  Vector<S> weights;    ///< A (n), observed
  Matrix<S> values;     ///< v (n, head_dim)
  Vector<S> output;     ///< o (head_dim), observed; before a gate
  Index sink = 0;       ///< s, among the keys seen; negative when it is not
  Index self = 0;       ///< the query's own key, among the keys seen
  double unit = kUnit;  ///< unit roundoff of the run that recorded the row
};

/// Sum of the weights on all keys but one: 1 - A_s without the cancellation.
template <class S>
S weight_beside(const Vector<S>& weights, Index key) {
  S sum(0);
  for (Index j = 0; j < weights.size(); ++j) {
    if (j != key) sum += weights[j];
  }
  return sum;
}

/// max_j ||v_j - v_s||
template <class S>
S reach(const Matrix<S>& values, Index key) {
  S greatest(0);
  for (Index j = 0; j < values.rows(); ++j) {
    const S apart = distance<S>(row<S>(values, j), row<S>(values, key));
    if (greatest < apart) greatest = apart;
  }
  return greatest;
}

namespace detail {

/// sum_j A_j (max l - l_j), A the softmax of the logits: how far a drawn key is below the largest.
inline double mean_depth(const Vector<double>& logits) {
  const double greatest = logits.maxCoeff();
  double sum = 0, depths = 0;
  for (const double logit : logits) {
    const double weight = std::exp(logit - greatest);
    sum += weight;
    if (weight > 0) depths += weight * (greatest - logit);
  }
  return depths / sum;
}

}  // namespace detail

/// Largest relative error of weight j that a softmax computed of its logits, m = max l:
///   u (m - l_j) + u sum_i A_i (m - l_i) + (2 E + 3) u + gamma_n
/// from the difference l_j - m, those under the sum, two exponentials, the division and the sum;
/// 1 % covers terms in u^2.
inline double softmax_error(const Vector<double>& logits, Index j, double unit) {
  const double depth = logits.maxCoeff() - logits[j] + detail::mean_depth(logits);
  return 1.01 * (unit * (depth + 2 * kExpError + 3) + gamma(logits.size(), unit));
}

/// The same for the key of the lowest logit, which has the largest.
inline double worst_softmax_error(const Vector<double>& logits, double unit) {
  Index lowest = 0;
  logits.minCoeff(&lowest);
  return softmax_error(logits, lowest, unit);
}

/// The same on average over keys by weight: sum_j A_j |error_j| of a mixture.
inline double mean_softmax_error(const Vector<double>& logits, double unit) {
  const double depth = 2 * detail::mean_depth(logits);
  return 1.01 * (unit * (depth + 2 * kExpError + 3) + gamma(logits.size(), unit));
}

/// What the rounding of a recorded mixture o = sum_j A_j v_j may add to its distance to anything
/// that the exact one is near: gamma_n of the products, and |sum A - 1| <= gamma_{n+1}, each times
/// sum_j A_j ||v_j|| <= max ||v_j||; the sides add 2 (head_dim + 4) roundings.
inline double mixture_allowance(const HeadRow<double>& in) {
  return gamma(3 * in.values.rows() + 2 * in.values.cols() + 12, in.unit) *
         longest<double>(in.values);
}

namespace detail {

inline Objection is_no_head_row(const HeadRow<double>& in, Index key) {
  const Index n = in.logits.size();
  if (in.weights.size() != n || in.values.rows() != n || in.output.size() != in.values.cols()) {
    return "logits, weights, values and output differ in size";
  }
  if (n < 2) return "the query sees one key";
  if (key < 0 || key >= n) return "the query does not see the sink";
  return {};
}

/// The least normal number of the scalar with this unit roundoff.
inline double least_normal(double unit) {
  return unit > kUnit ? static_cast<double>(std::numeric_limits<float>::min())
                      : std::numeric_limits<double>::min();
}

/// A weight below the normal numbers has no relative accuracy.
inline Objection underflows(const HeadRow<double>& in, Index key) {
  const double depth = in.logits[key] - in.logits.maxCoeff();
  if (depth < std::log(least_normal(in.unit))) return "the weight underflows";
  return {};
}

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

/// Queries of a head that claims look at: no more, because each costs n head_dim.
inline constexpr Index kQueriesPerHead = 16;

/// Row t of one head, of rows that hold a part for each head.
template <class T>
Vector<double> head_part(const Matrix<T>& rows, Index t, Index head, Index size) {
  return rows.row(t).segment(head * size, size).transpose().template cast<double>();
}

/// Query t of one head, with the keys that it sees: those whose logits are not -infinity.
template <class T>
HeadRow<double> head_row(const LayerRun<T>& run, Index head, Index t) {
  const auto logits = slice(run.logits, head).row(t);
  Index first = 0, last = logits.size();
  while (first < last && std::isinf(logits[first])) ++first;
  while (last > first && std::isinf(logits[last - 1])) --last;
  const Index n = last - first, size = run.weights.attention.head_dim;
  const Index kv = run.architecture.kv_head(head);
  HeadRow<double> made;
  made.logits = logits.segment(first, n).transpose().template cast<double>();
  made.weights =
      slice(run.attention, head).row(t).segment(first, n).transpose().template cast<double>();
  made.values = run.values.block(first, kv * size, n, size).template cast<double>();
  made.output = head_part(run.head_outputs, t, head, size);
  made.sink = -first;
  made.self = t - first;
  made.unit = unit_of<T>;
  return made;
}

/// Calls body(head, t) for at most `queries` of each head, evenly spread from query 2 on: with two
/// keys most bounds are equalities.
template <class T, class Body>
void for_each_query(const LayerRun<T>& run, Index queries, const Body& body) {
  const Index step = (run.tokens() + queries - 1) / queries;
  const Index first = run.tokens() > 2 ? 2 : 1;
  for (Index head = 0; head < run.architecture.heads; ++head) {
    for (Index t = first; t < run.tokens(); t += step) body(head, t);
  }
}

template <class T>
Where at_query(const LayerRun<T>& run, Index head, Index t) {
  return {.layer = run.layer, .block = Block::attention, .head = head, .position = t};
}

/// Visits rows of every head, with the first token as the sink.
template <class T, class Visit>
void visit_head_rows(const LayerRun<T>& run, const Visit& visit) {
  for_each_query(run, kQueriesPerHead, [&](Index head, Index t) {
    visit(head_row(run, head, t), at_query(run, head, t));
  });
}

/// What claims about one query of a head share: the sink among its keys, and where runs have it.
struct HeadRowClaim {
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  static Objection assumptions(const Input<double>& in) { return is_no_head_row(in, in.sink); }
  static double allowance(const Input<double>& in) { return mixture_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_head_rows(run, visit);
  }
};

}  // namespace detail

/// 1 / (1 + (n - 1) e^-m) <= A_tt,   m = l_tt - max over rivals of l_tj   (claim 16a; ours)
/// So a head that gives its own token p needs a margin of at most ln(n - 1) + ln(p / (1 - p)).
/// Equal when all rivals are equal, so for n = 2.
struct SelfSinkWeight : detail::HeadRowClaim {
  static constexpr std::string_view id = "self-sink-margin", part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::exp;
    const Vector<S> rivals = without_entry<S>(in.logits, in.self);
    const S odds = exp(rivals.maxCoeff() - in.logits[in.self]);
    return S(1) / (S(1) + count<S>(rivals.size()) * odds);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.weights[in.self];
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in, in.self)) return objection;
    return detail::underflows(in, in.self);
  }
  /// The softmax's error, relative to the weight; lhs adds n + 4 roundings and that of exp.
  static double allowance(const Input<double>& in) {
    return (softmax_error(in.logits, in.self, in.unit) +
            gamma(static_cast<double>(in.logits.size()) + 8 + 2 * max_abs<double>(in.logits))) *
           std::max(rhs<double>(in), lhs<double>(in));
  }
};

/// ||o - v_s|| <= (1 - A_s) max_j ||v_j - v_s||, for any key s   (claim 16b; ours)
/// s = t: a self-sink writes its own value; s = 0: a constant. Equal for n = 2.
struct SinkOutput : detail::HeadRowClaim {
  static constexpr std::string_view id = "self-sink-margin", part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.output, row<S>(in.values, in.sink));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return weight_beside<S>(in.weights, in.sink) * reach<S>(in.values, in.sink);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = HeadRowClaim::assumptions(in)) return objection;
    if (reach<double>(in.values, in.sink) == 0) return "all values are equal";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, [&](HeadRow<double> in, const Where& where) {
      visit(in, where);
      in.sink = in.self;
      visit(in, where);
    });
  }
};

}  // namespace plumb::claims
