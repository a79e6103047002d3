#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// How much weight the softmax of one head gives a sink, by the logits: bounds from both sides, and
/// how fast the weight changes with the query.
namespace plumb::claims {

namespace detail {

/// The softmax's error, relative to the weight; a bound sigma(z) is off by what z is, n + 12
/// roundings of its terms and 4 of logits, and by exp.
inline double sink_weight_allowance(const HeadRow<double>& in, double bound) {
  return softmax_error(in.logits, in.sink, in.unit) * in.weights[in.sink] +
         gamma(static_cast<double>(in.logits.size()) + 12 + 4 * max_abs<double>(in.logits)) * bound;
}

/// What bounds on the weight of a sink share.
struct SinkWeightClaim : HeadRowClaim {
  static constexpr std::string_view id = "sink-weight-bounds";

  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = HeadRowClaim::assumptions(in)) return objection;
    return underflows(in, in.sink);
  }
};

/// Those from above.
struct SinkWeightMost : SinkWeightClaim {
  template <class S>
  static S lhs(const Input<S>& in) {
    return in.weights[in.sink];
  }
};

}  // namespace detail

/// sigma(l_s - max rival - ln(n - 1)) <= A_s   (claim 17, max; ours). Equal for equal rivals.
struct SinkWeightLeast : detail::SinkWeightClaim {
  static constexpr std::string_view part = "a";

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
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, lhs<double>(in));
  }
};

/// A_s <= sigma(l_s - max rival)   (claim 17, max; ours). Equal for n = 2.
struct SinkWeightByMax : detail::SinkWeightMost {
  static constexpr std::string_view part = "b";

  template <class S>
  static S rhs(const Input<S>& in) {
    return sigmoid<S>(in.logits[in.sink] - without_entry<S>(in.logits, in.sink).maxCoeff());
  }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, rhs<double>(in));
  }
};

/// A_s <= sigma(l_s - mean of rivals - ln(n - 1))   (claim 17, Jensen; ours). Equal for equal
/// rivals; its slack in logit units is KL(uniform || softmax of the rivals).
struct SinkWeightByMean : detail::SinkWeightMost {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::log;
    const Vector<S> rivals = without_entry<S>(in.logits, in.sink);
    const S n = count<S>(rivals.size());
    return sigmoid<S>(in.logits[in.sink] - rivals.sum() / n - log(n));
  }
  static double allowance(const Input<double>& in) {
    return detail::sink_weight_allowance(in, rhs<double>(in));
  }
};

/// A_s <= sigma(l_s - LSE over groups G of (mean of G + ln|G|)), for any partition of the rivals
/// (claim 17, grouped means; ours). One group is part c; groups of one are exact. Sites use the
/// query's own key, the four before it, and the rest: six dot products and a running mean.
struct SinkWeightByGroups : detail::SinkWeightClaim {
  static constexpr std::string_view part = "d";

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
    return SinkWeightClaim::assumptions(in.row);
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

/// Queries a < b of one head, on the keys that both see; none where a window has parted them.
template <class T>
TwoQueries<double> two_queries(const LayerRun<T>& run, Index head, Index a, Index b) {
  const HeadRow<double> first = head_row(run, head, a), second = head_row(run, head, b);
  const Index begin = std::max(a - first.self, b - second.self), skip = begin - (b - second.self);
  const Index n = std::max<Index>(0, a - begin + 1), size = run.weights.attention.head_dim;
  TwoQueries<double> in;
  if (n == 0) return in;
  in.logits = first.logits.tail(n);
  in.weights = first.weights.tail(n);
  in.other_logits = second.logits.segment(skip, n);
  in.other_weights = second.weights.segment(skip, n);
  in.query = head_part(run.queries_at(site::Stage::rotated), a, head, size);
  in.other_query = head_part(run.queries_at(site::Stage::rotated), b, head, size);
  in.keys = run.keys_at(site::Stage::rotated)
                .block(begin, run.architecture.kv_head(head) * size, n, size)
                .template cast<double>();
  in.scale = run.weights.attention.scale;
  in.sink = -begin;
  in.unit = unit_of<T>;
  in.weight_error = worst_softmax_error(first.logits, unit_of<T>) +
                    worst_softmax_error(second.logits, unit_of<T>);
  return in;
}

/// Visits neighbours among the queries that claims look at, of every head.
template <class T, class Visit>
void visit_two_queries(const LayerRun<T>& run, const Visit& visit) {
  Index last_head = -1, last = 0;
  for_each_query(run, kQueriesPerHead, [&](Index head, Index t) {
    if (head == last_head) {
      const auto in = two_queries(run, head, last, t);
      if (in.logits.size() > 0) visit(in, at_query(run, head, t));
    }
    last_head = head;
    last = t;
  });
}

/// What claims about two queries share.
struct TwoQueriesClaim {
  static constexpr std::string_view id = "sink-margin-lipschitz";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = TwoQueries<S>;

  static Objection assumptions(const Input<double>& in) {
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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_two_queries(run, visit);
  }
};

}  // namespace detail

/// |logit A_s - logit A_s'| <= max_j |(l_j - l_s) - (l_j' - l_s')|, because
/// logit A_s = -LSE over rivals of (l_j - l_s)   (claim A7a; ours). Equal when all differences are.
/// For queries that see more, A_s is the sink's share among the keys that both see.
struct SinkMarginChange : detail::TwoQueriesClaim {
  static constexpr std::string_view part = "a";

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
    if (const auto objection = TwoQueriesClaim::assumptions(in)) return objection;
    // Zeros have no logarithm, and subnormal weights no accuracy.
    const double least = detail::least_normal(in.unit);
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
};

/// max_j |(l_j - l_s) - (l_j' - l_s')| <= scale ||q - q'|| max_j ||k_j - k_s||   (claim A7b; ours)
/// With part a: a radius in query space within which a head stays a sink, or never becomes one.
/// Equal for n = 2 and q - q' parallel to k_j - k_s.
struct SinkMarginRadius : detail::TwoQueriesClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return max_abs<S>(detail::margin_changes<S>(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.scale * distance<S>(in.query, in.other_query) * reach<S>(in.keys, in.sink);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = TwoQueriesClaim::assumptions(in)) return objection;
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
};

}  // namespace plumb::claims
