#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/core/array.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// What the softmax of one head can do: how much weight a key may receive, given the logits. The
/// logits are those of the softmax, after a soft cap where there is one; n is the number of keys
/// that the query sees. A key that it does not see has no part in any of this.
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

/// A weight below the normal numbers has no relative accuracy.
inline Objection underflows(const HeadRow<double>& in, Index key) {
  const double least = in.unit > kUnit ? std::log(std::numeric_limits<float>::min())
                                       : std::log(std::numeric_limits<double>::min());
  if (in.logits[key] - in.logits.maxCoeff() < least) return "the weight underflows";
  return {};
}

/// Queries of a head that claims look at: no more, because each costs n head_dim.
inline constexpr Index kQueriesPerHead = 16;

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
  made.output =
      run.head_outputs.row(t).segment(head * size, size).transpose().template cast<double>();
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

}  // namespace detail

// ---- 15: the first token reads itself --------------------------------------------------------

/// o = v_0, to the bit, for a query that sees one key   (claim 15a; paper eq. 22)
/// Exact in floating point: the softmax of one logit is e^0 / 1, and the others add zeros.
struct FirstTokenOutput {
  static constexpr std::string_view id = "first-token-self-map", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> difference = in.output - row<S>(in.values, 0);
    return max_abs<S>(difference);
  }
  template <class S>
  static S rhs(const Input<S>&) {
    return S(0);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.values.rows() < 1 || in.output.size() != in.values.cols()) {
      return "values and output differ in size";
    }
    if (in.values.rows() > 1) return "the query sees several keys";
    return {};
  }
  static double allowance(const Input<double>&) { return 0; }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    for (Index head = 0; head < run.architecture.heads; ++head) {
      visit(detail::head_row(run, head, 0), detail::at_query(run, head, 0));
    }
  }
};

/// The write of attention for a token that sees only itself: a function of that token alone,
///   write = post_norm(sum_h W_O^h (eta .* (W_V^{kv(h)} x + b_V)) + b_O)
/// (claim 15b; paper eq. 22)
/// With gates eta of the same token; affine in x where there is no gate. An equality.
struct FirstTokenWrite {
  static constexpr std::string_view id = "first-token-self-map", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> x;                        ///< what the block reads (d)
    Matrix<S> values;                   ///< W_V (kv_heads * head_dim, d)
    Matrix<S> output;                   ///< W_O (d, heads * head_dim)
    Vector<S> value_bias, output_bias;  ///< b_V, b_O; empty where there is none
    Vector<S> openings;   ///< eta, one for each column of W_O; empty where there is no gate
    Vector<S> post_gain;  ///< g of an RMSNorm on the write; empty where there is none
    S post_eps{};
    Index head_dim = 1;
    Index keys = 1;   ///< that the token sees
    Vector<S> write;  ///< observed (d)
    double unit = kUnit;
  };

  /// W_O (eta .* v), v the values of x, repeated for heads that share them.
  template <class S>
  static Vector<S> mapped(const Input<S>& in) {
    Vector<S> v = in.values * in.x;
    if (in.value_bias.size() > 0) v += in.value_bias;
    const Index heads = in.output.cols() / in.head_dim;
    const Index kv_heads = in.values.rows() / in.head_dim;
    Vector<S> mixed(in.output.cols());
    for (Index c = 0; c < mixed.size(); ++c) {
      const Index kv = (c / in.head_dim) * kv_heads / heads;
      mixed[c] = v[kv * in.head_dim + c % in.head_dim];
    }
    if (in.openings.size() > 0) mixed = times<S>(in.openings, mixed);
    Vector<S> write = in.output * mixed;
    if (in.output_bias.size() > 0) write += in.output_bias;
    return write;
  }
  /// sqrt(mean(write^2) + eps) of the write before its norm.
  template <class S>
  static S post_root(const Input<S>& in, const Vector<S>& write) {
    using std::sqrt;
    return sqrt(sum_of_squares<S>(write) / count<S>(write.size()) + in.post_eps);
  }
  template <class S>
  static Vector<S> predicted(const Input<S>& in) {
    const Vector<S> write = mapped<S>(in);
    if (in.post_gain.size() == 0) return write;
    return times<S>(in.post_gain, write) / post_root<S>(in, write);
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm_with_error<S>(in.write, predicted<S>(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(predicted<S>(in));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.keys != 1) return "the token sees " + std::to_string(in.keys) + " keys";
    if (in.values.cols() != in.x.size() || in.output.rows() != in.write.size() ||
        (in.value_bias.size() > 0 && in.value_bias.size() != in.values.rows()) ||
        (in.output_bias.size() > 0 && in.output_bias.size() != in.write.size()) ||
        (in.openings.size() > 0 && in.openings.size() != in.output.cols()) ||
        (in.post_gain.size() > 0 && in.post_gain.size() != in.write.size())) {
      return "weights, gates and vectors differ in size";
    }
    return {};
  }
  /// Two chains of dot products, of d and of heads * head_dim, on either side, the gate between:
  /// gamma_{d + heads head_dim + 4} |W_O| |eta .* W_V| |x|, twice. The post-norm's Jacobian
  /// stretches that by at most max|g| / rho (claim 27), and adds gamma_{d+8} of its own.
  static double allowance(const Input<double>& in) {
    auto sizes = in;
    for (auto* weight : {&sizes.values, &sizes.output}) *weight = weight->cwiseAbs().eval();
    for (auto* vector : {&sizes.x, &sizes.openings, &sizes.value_bias, &sizes.output_bias})
      *vector = vector->cwiseAbs().eval();
    const Index d = in.x.size(), chain = d + in.output.cols() + 8;
    const double plain = 2 * gamma(chain, in.unit) * mapped<double>(sizes).norm();
    if (in.post_gain.size() == 0) return plain;
    const double root = post_root<double>(in, mapped<double>(in));
    return plain * max_abs<double>(in.post_gain) / root + gamma(d + 8, in.unit) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) {
    if (a.post_norm == NormKind::none || a.post_norm == NormKind::rms_norm) return {};
    return "the norm on the write is " + std::string(spell(kNormKinds, a.post_norm));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& attention = run.weights.attention;
    Input<double> in;
    in.x = run.attention_input.row(0).transpose().template cast<double>();
    in.values = attention.values.template cast<double>();
    in.output = attention.output.template cast<double>();
    in.value_bias = attention.value_bias.template cast<double>();
    in.output_bias = attention.output_bias.template cast<double>();
    if (attention.gate.present()) {
      const Matrix<T> ones = Matrix<T>::Ones(1, in.output.cols());
      const Matrix<T> openings = attention.gate.apply(run.gate.topRows(1), ones);
      in.openings = openings.row(0).transpose().template cast<double>();
    }
    if (const auto* post = std::get_if<RmsNorm<T>>(&run.weights.attention_post_norm.kind)) {
      in.post_gain = post->gain.template cast<double>();
      in.post_eps = post->eps;
    }
    in.head_dim = attention.head_dim;
    in.keys = detail::head_row(run, 0, 0).logits.size();
    in.write = run.attention_write.row(0).transpose().template cast<double>();
    in.unit = unit_of<T>;
    visit(in, {.layer = run.layer, .block = Block::attention, .position = 0});
  }
};

// ---- 16: the margin of a self-sink -----------------------------------------------------------

/// 1 / (1 + (n - 1) e^-m) <= A_tt,   m = l_tt - max over rivals of l_tj   (claim 16a; ours)
/// So a head that gives its own token p needs a margin of at most ln(n - 1) + ln(p / (1 - p)).
/// Equal when all rivals are equal, so for n = 2.
struct SelfSinkWeight {
  static constexpr std::string_view id = "self-sink-margin", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

/// ||o - v_s|| <= (1 - A_s) max_j ||v_j - v_s||, for any key s   (claim 16b; ours)
/// s = t: a self-sink writes its own value; s = 0: a constant. Equal for n = 2.
struct SinkOutput {
  static constexpr std::string_view id = "self-sink-margin", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.output, row<S>(in.values, in.sink));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return weight_beside<S>(in.weights, in.sink) * reach<S>(in.values, in.sink);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in, in.sink)) return objection;
    if (reach<double>(in.values, in.sink) == 0) return "all values are equal";
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, [&](HeadRow<double> in, const Where& where) {
      visit(in, where);
      in.sink = in.self;
      visit(in, where);
    });
  }
};

// ---- 17: bounds on the sink's weight ---------------------------------------------------------

namespace detail {

inline Objection has_no_bounded_sink(const HeadRow<double>& in) {
  if (const auto objection = is_no_head_row(in, in.sink)) return objection;
  return underflows(in, in.sink);
}

/// The softmax's error, relative to the weight; a bound sigma(z) is off by what z is, n + 12
/// roundings of its terms and 4 of logits, and by exp.
inline double sink_weight_allowance(const HeadRow<double>& in, double bound) {
  return softmax_error(in.logits, in.sink, in.unit) * in.weights[in.sink] +
         gamma(static_cast<double>(in.logits.size()) + 12 + 4 * max_abs<double>(in.logits)) * bound;
}

}  // namespace detail

/// sigma(l_s - max rival - ln(n - 1)) <= A_s   (claim 17, max; ours). Equal for equal rivals.
struct SinkWeightLeast {
  static constexpr std::string_view id = "sink-weight-bounds", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::log;
    const Vector<S> rivals = without_entry<S>(in.logits, in.sink);
    return sigmoid<S>(in.logits[in.sink] - rivals.maxCoeff() - log(count<S>(rivals.size())));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.weights[in.sink];
  }
  static Objection assumptions(const Input<double>& in) { return detail::has_no_bounded_sink(in); }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, lhs<double>(in));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

/// A_s <= sigma(l_s - max rival)   (claim 17, max; ours). Equal for n = 2.
struct SinkWeightByMax {
  static constexpr std::string_view id = "sink-weight-bounds", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.weights[in.sink];
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sigmoid<S>(in.logits[in.sink] - without_entry<S>(in.logits, in.sink).maxCoeff());
  }
  static Objection assumptions(const Input<double>& in) { return detail::has_no_bounded_sink(in); }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, rhs<double>(in));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

/// A_s <= sigma(l_s - mean of rivals - ln(n - 1))   (claim 17, Jensen; ours). Equal for equal
/// rivals; its slack in logit units is KL(uniform || softmax of the rivals).
struct SinkWeightByMean {
  static constexpr std::string_view id = "sink-weight-bounds", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.weights[in.sink];
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::log;
    const Vector<S> rivals = without_entry<S>(in.logits, in.sink);
    const S n = count<S>(rivals.size());
    return sigmoid<S>(in.logits[in.sink] - rivals.sum() / n - log(n));
  }
  static Objection assumptions(const Input<double>& in) { return detail::has_no_bounded_sink(in); }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, rhs<double>(in));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_head_rows(run, visit);
  }
};

/// A_s <= sigma(l_s - LSE over groups G of (mean of G + ln|G|)), for any partition of the rivals
/// (claim 17, grouped means; ours). One group is part c; groups of one are exact. Sites use the
/// query's own key, the four before it, and the rest: six dot products and a running mean.
struct SinkWeightByGroups {
  static constexpr std::string_view id = "sink-weight-bounds", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    HeadRow<S> row;
    std::vector<Index> group;  ///< of each key, counted from 0; that of the sink is not used
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.row.weights[in.row.sink];
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::log;
    std::vector<S> sums;
    std::vector<Index> sizes;
    for (Index j = 0; j < in.row.logits.size(); ++j) {
      if (j == in.row.sink) continue;
      const auto group = static_cast<std::size_t>(in.group[static_cast<std::size_t>(j)]);
      if (group >= sums.size()) {
        sums.resize(group + 1, S(0));
        sizes.resize(group + 1, 0);
      }
      sums[group] += in.row.logits[j];
      ++sizes[group];
    }
    std::vector<S> terms;
    for (std::size_t g = 0; g < sums.size(); ++g) {
      if (sizes[g] == 0) continue;
      const S size = count<S>(sizes[g]);
      terms.push_back(sums[g] / size + log(size));
    }
    const Vector<S> grouped =
        Eigen::Map<const Vector<S>>(terms.data(), static_cast<Index>(terms.size()));
    return sigmoid<S>(in.row.logits[in.row.sink] - log_sum_exp<S>(grouped));
  }
  static Objection assumptions(const Input<double>& in) {
    if (static_cast<Index>(in.group.size()) != in.row.logits.size() ||
        std::any_of(in.group.begin(), in.group.end(), [](Index g) { return g < 0; })) {
      return "a key is in no group";
    }
    return detail::has_no_bounded_sink(in.row);
  }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in.row, rhs<double>(in));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    constexpr Index kNear = 4;
    detail::visit_head_rows(run, [&](const HeadRow<double>& row, const Where& where) {
      std::vector<Index> group(static_cast<std::size_t>(row.logits.size()), 0);
      for (Index j = std::max<Index>(0, row.self - kNear); j <= row.self; ++j) {
        group[static_cast<std::size_t>(j)] = 1 + row.self - j;
      }
      visit(Input<double>{row, group}, where);
    });
  }
};

// ---- A7: how fast a sink's weight can change -------------------------------------------------

/// Two queries of one head on the keys that both see.
template <class S>
struct TwoQueries {
  Vector<S> logits, other_logits;    ///< (n)
  Vector<S> weights, other_weights;  ///< (n), observed; each up to a factor, which cancels
  Vector<S> query, other_query;      ///< q, q' (head_dim), rotated
  Matrix<S> keys;                    ///< k (n, head_dim), rotated
  S scale{};                         ///< logits are scale q.k
  Index sink = 0;                    ///< s, among the keys
  double unit = kUnit;
  double weight_error = 0;  ///< of both softmaxes, relative: worst_softmax_error
};

namespace detail {

inline Objection are_no_two_queries(const TwoQueries<double>& in) {
  const Index n = in.logits.size();
  if (in.other_logits.size() != n || in.weights.size() != n || in.other_weights.size() != n ||
      in.keys.rows() != n || in.query.size() != in.keys.cols() ||
      in.other_query.size() != in.keys.cols()) {
    return "the two queries are not on the same keys";
  }
  if (n < 2) return "the queries share one key";
  if (in.sink < 0 || in.sink >= n) return "the queries do not see the sink";
  if (in.query == in.other_query) return "the queries are equal";
  return {};
}

/// (l_j - l_s) - (l_j' - l_s') over the rivals
template <class S>
Vector<S> margin_changes(const TwoQueries<S>& in) {
  Vector<S> changes(in.logits.size());
  for (Index j = 0; j < changes.size(); ++j) {
    changes[j] =
        (in.logits[j] - in.logits[in.sink]) - (in.other_logits[j] - in.other_logits[in.sink]);
  }
  return changes;
}

/// Visits neighbours among the queries that claims look at, of every head.
template <class T, class Visit>
void visit_two_queries(const LayerRun<T>& run, const Visit& visit) {
  const Index size = run.weights.attention.head_dim;
  const auto query = [&](Index head, Index t) {
    return Vector<double>(run.queries_at(site::Stage::rotated)
                              .row(t)
                              .segment(head * size, size)
                              .transpose()
                              .template cast<double>());
  };
  Index last_head = -1, last_t = 0;
  for_each_query(run, kQueriesPerHead, [&](Index head, Index t) {
    if (head == last_head) {
      const HeadRow<double> first = head_row(run, head, last_t), second = head_row(run, head, t);
      const Index begin = std::max(last_t - first.self, t - second.self);  // rows seen by both
      const Index n = last_t - begin + 1;
      if (n > 0) {
        TwoQueries<double> in;
        in.logits = first.logits.tail(n);
        in.weights = first.weights.tail(n);
        const Index skip = begin - (t - second.self);
        in.other_logits = second.logits.segment(skip, n);
        in.other_weights = second.weights.segment(skip, n);
        in.query = query(head, last_t);
        in.other_query = query(head, t);
        in.keys = run.keys_at(site::Stage::rotated)
                      .block(begin, run.architecture.kv_head(head) * size, n, size)
                      .template cast<double>();
        in.scale = run.weights.attention.scale;
        in.sink = -begin;
        in.unit = unit_of<T>;
        in.weight_error = worst_softmax_error(first.logits, unit_of<T>) +
                          worst_softmax_error(second.logits, unit_of<T>);
        visit(in, at_query(run, head, t));
      }
    }
    last_head = head;
    last_t = t;
  });
}

}  // namespace detail

/// |logit A_s - logit A_s'| <= max_j |(l_j - l_s) - (l_j' - l_s')|, because
/// logit A_s = -LSE over rivals of (l_j - l_s)   (claim A7a; ours). Equal when all differences are.
/// For queries that see more, A_s is the sink's share among the keys that both see.
struct SinkMarginChange {
  static constexpr std::string_view id = "sink-margin-lipschitz", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = TwoQueries<S>;

  /// log of A_s over the weights of the rivals
  template <class S>
  static S log_odds(const Vector<S>& weights, Index sink) {
    using std::log;
    return log(weights[sink]) - log(weight_beside<S>(weights, sink));
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(log_odds<S>(in.weights, in.sink) - log_odds<S>(in.other_weights, in.sink));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return max_abs<S>(detail::margin_changes<S>(in));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::are_no_two_queries(in)) return objection;
    // Zeros have no logarithm, and subnormal weights no accuracy.
    const double least = in.unit > kUnit ? static_cast<double>(std::numeric_limits<float>::min())
                                         : std::numeric_limits<double>::min();
    if (in.weights.minCoeff() < least || in.other_weights.minCoeff() < least) {
      return "a weight underflows";
    }
    if (rhs<double>(in) == 0) return "the margins are equal";
    return {};
  }
  /// Each weight is off by the softmax's relative error, so each log odds by twice that of the
  /// worst key, plus the sum and 4 roundings of the logarithms; the differences by 4 of logits.
  static double allowance(const Input<double>& in) {
    const double logarithms =
        std::abs(std::log(in.weights.minCoeff())) + std::abs(std::log(in.other_weights.minCoeff()));
    const double logits = max_abs<double>(in.logits) + max_abs<double>(in.other_logits);
    return 2 * in.weight_error + 2 * gamma(in.logits.size()) + 8 * kUnit * (logarithms + logits);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_two_queries(run, visit);
  }
};

/// max_j |(l_j - l_s) - (l_j' - l_s')| <= scale ||q - q'|| max_j ||k_j - k_s||   (claim A7b; ours)
/// With part a: a radius in query space within which a head stays a sink, or never becomes one.
/// Equal for n = 2 and q - q' parallel to k_j - k_s.
struct SinkMarginRadius {
  static constexpr std::string_view id = "sink-margin-lipschitz", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = TwoQueries<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return max_abs<S>(detail::margin_changes<S>(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.scale * distance<S>(in.query, in.other_query) * reach<S>(in.keys, in.sink);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::are_no_two_queries(in)) return objection;
    if (rhs<double>(in) == 0) return "all keys are equal";
    return {};
  }
  /// Four logits, each off by gamma_{head_dim + 2} scale ||q|| ||k||; rhs by head_dim + 6.
  static double allowance(const Input<double>& in) {
    const Index size = in.query.size();
    const double logit =
        in.scale * (in.query.norm() + in.other_query.norm()) * longest<double>(in.keys);
    return 2 * gamma(size + 4, in.unit) * logit + gamma(size + 8) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_soft_cap) return "logits have a soft cap";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_two_queries(run, visit);
  }
};

}  // namespace plumb::claims
