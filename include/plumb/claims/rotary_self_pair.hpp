#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/rotary_isometry.hpp"
#include "plumb/core/array.hpp"
#include "plumb/model/rotary.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What position does to logits: to that of a token on itself nothing, and none exceeds what query
/// and key have plane by plane.
namespace plumb::claims {

/// A query and a key before and after rotary, and their logit.
template <class S>
struct TurnedPair {
  Vector<S> query, key;                ///< before rotary (head_dim), after a norm on them
  Vector<S> turned_query, turned_key;  ///< observed
  Index planes = 0;
  RotaryPairing pairing = RotaryPairing::half_split;
  S scale{};
  S logit{};  ///< observed, before a soft cap
  bool one_position = true;
  double unit = kUnit;
};

namespace detail {

/// sum_j ||q_j|| ||k_j|| + |q_rest.k_rest|, the rest being coordinates that do not turn.
template <class S>
S planewise(const TurnedPair<S>& in) {
  using std::abs;
  S sum(0), rest(0);
  for (Index j = 0; j < in.planes; ++j) {
    sum += plane_norm<S>(in.query, j, in.planes, in.pairing) *
           plane_norm<S>(in.key, j, in.planes, in.pairing);
  }
  for (Index i = 2 * in.planes; i < in.query.size(); ++i) rest += in.query[i] * in.key[i];
  return sum + abs(rest);
}

/// The query of row t and the key of row j of one head.
template <class T>
TurnedPair<double> turned_pair(const LayerRun<T>& run, Index head, Index t, Index j) {
  const auto& attention = run.weights.attention;
  const Index size = attention.head_dim, kv = run.architecture.kv_head(head);
  TurnedPair<double> in;
  in.query = head_part(run.queries_at(site::Stage::normalised), t, head, size);
  in.key = head_part(run.keys_at(site::Stage::normalised), j, kv, size);
  in.turned_query = head_part(run.queries_at(site::Stage::rotated), t, head, size);
  in.turned_key = head_part(run.keys_at(site::Stage::rotated), j, kv, size);
  in.planes = attention.rotary.planes();
  in.pairing = attention.rotary.pairing;
  in.scale = attention.scale;
  in.logit = static_cast<double>(slice(run.logits, head)(t, j));
  in.one_position = t == j;
  in.unit = unit_of<T>;
  return in;
}

/// What the parts about one query and one key share.
struct TurnedPairClaim {
  static constexpr std::string_view id = "rotary-self-pair";

  template <class S>
  using Input = TurnedPair<S>;

  static Objection assumptions(const Input<double>& in) {
    const Index n = in.query.size();
    if (in.key.size() != n || in.turned_query.size() != n || in.turned_key.size() != n ||
        2 * in.planes > n) {
      return "queries and keys differ in size";
    }
    if (in.planes == 0) return "the layer has no rotary positions";
    return {};
  }
};

}  // namespace detail

/// (R_p q).(R_p k) = q.k, at every position p   (claim 21a; arXiv 2104.09864). An equality: the
/// logit of a token on itself is a function of the token.
struct RotarySelfPair : detail::TurnedPairClaim {
  static constexpr std::string_view part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S lhs(const Input<S>& in) {
    return dot<S>(in.turned_query, in.turned_key);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return dot<S>(in.query, in.key);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = TurnedPairClaim::assumptions(in)) return objection;
    if (!in.one_position) return "query and key are at different positions";
    if (in.query.isZero(0) || in.key.isZero(0)) return "query or key is zero";
    return {};
  }
  /// No position in it: both are turned by the same sines and cosines.
  static double allowance(const Input<double>& in) {
    return 12 * in.unit * detail::planewise<double>(in) +
           gamma(in.key.size() + 2) * 2 * in.query.cwiseAbs().dot(in.key.cwiseAbs());
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_query(run, detail::kQueriesPerHead, [&](Index head, Index t) {
      visit(detail::turned_pair(run, head, t, t), detail::at_query(run, head, t));
    });
  }
};

/// |l_tj| <= scale sum_j ||q_j|| ||k_j|| (+ |the part that does not turn|), wherever the two stand
/// (claim 21b; ours). Equal when q and k are aligned in each plane after rotary.
struct RotaryLogitCeiling : detail::TurnedPairClaim {
  static constexpr std::string_view part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.logit);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.scale * detail::planewise<S>(in);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = TurnedPairClaim::assumptions(in)) return objection;
    if (rhs<double>(in) == 0) return "query or key is zero";
    return {};
  }
  static double allowance(const Input<double>& in) {
    return in.scale * (12 * in.unit + gamma(in.key.size() + 4, in.unit)) * in.query.norm() *
           in.key.norm();
  }
  /// On the first key and on the query's own.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_query(run, detail::kQueriesPerHead, [&](Index head, Index t) {
      for (const Index j : {Index{0}, t}) {
        const auto in = detail::turned_pair(run, head, t, j);
        if (std::isfinite(in.logit)) visit(in, detail::at_query(run, head, t));
      }
    });
  }
};

/// What norms on queries and keys allow a head's logits to be.
template <class S>
struct NormedLogits {
  QkNorm kind = QkNorm::per_head;
  Vector<S> query_gain, key_gain;  ///< of one head (head_dim): its part of a norm over all heads
  Index heads = 1, kv_heads = 1;
  Index planes = 0;
  RotaryPairing pairing = RotaryPairing::half_split;
  S scale{};
  S largest{};  ///< |logit| of the head, observed, before a soft cap
  double unit = kUnit;
};

namespace detail {

/// max over planes of a_j b_j, the largest |gain| of queries and of keys in the plane; coordinates
/// that do not turn are planes by themselves.
template <class S>
S largest_gain_product(const NormedLogits<S>& in) {
  using std::abs;
  S greatest(0);
  const auto take = [&](const S& a, const S& b) {
    if (greatest < a * b) greatest = a * b;
  };
  const auto larger = [](const S& a, const S& b) { return a < b ? b : a; };
  for (Index j = 0; j < in.planes; ++j) {
    const auto [p, q] = plane_coordinates(j, in.planes, in.pairing);
    take(larger(abs(in.query_gain[p]), abs(in.query_gain[q])),
         larger(abs(in.key_gain[p]), abs(in.key_gain[q])));
  }
  for (Index i = 2 * in.planes; i < in.key_gain.size(); ++i) {
    take(abs(in.query_gain[i]), abs(in.key_gain[i]));
  }
  return greatest;
}

/// The cap by Cauchy-Schwarz is reached by exact vectors: those are off by gamma_{d/2 + 5} each,
/// rotary by 12 roundings and the logit by gamma_{head_dim + 2}, relative to ||q|| ||k||.
inline double normed_logits_allowance(const NormedLogits<double>& in, double cap) {
  const Index all = in.key_gain.size() * std::max(in.heads, in.kv_heads);
  return gamma(2 * all + 30, in.unit) * cap;
}

template <class T, class Visit>
void visit_normed_logits(const LayerRun<T>& run, const Visit& visit) {
  const auto& attention = run.weights.attention;
  const Index size = attention.head_dim;
  for (Index head = 0; head < run.architecture.heads; ++head) {
    const bool together = attention.key_norm.kind == QkNorm::all_heads;
    const Index q = together ? head : 0, k = together ? run.architecture.kv_head(head) : 0;
    NormedLogits<double> in;
    in.kind = attention.key_norm.kind;
    in.query_gain = attention.query_norm.norm.gain.segment(q * size, size).template cast<double>();
    in.key_gain = attention.key_norm.norm.gain.segment(k * size, size).template cast<double>();
    in.heads = run.architecture.heads;
    in.kv_heads = run.architecture.kv_heads;
    in.planes = attention.rotary.planes();
    in.pairing = attention.rotary.pairing;
    in.scale = attention.scale;
    const auto logits = slice(run.logits, head);
    for (Index i = 0; i < logits.size(); ++i) {
      const double logit = std::abs(static_cast<double>(logits.data()[i]));
      if (std::isfinite(logit)) in.largest = std::max(in.largest, logit);
    }
    in.unit = unit_of<T>;
    visit(in, Where{.layer = run.layer, .block = Block::attention, .head = head});
  }
}

/// What the caps on logits by a norm of one kind share.
template <QkNorm kKind>
struct NormedLogitsClaim {
  static constexpr std::string_view id = "rotary-self-pair";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedLogits<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.largest;
  }
  static Objection is_another(QkNorm kind) {
    if (kind == kKind) return {};
    return kKind == QkNorm::per_head ? "queries and keys are not normalised head by head"
                                     : "no norm is over all heads";
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = is_another(in.kind)) return objection;
    if (in.query_gain.size() != in.key_gain.size() || 2 * in.planes > in.key_gain.size()) {
      return "the gains differ in size";
    }
    if (largest_gain_product(in) == 0) return "the gains are zero";
    return {};
  }
  static Objection objection(const Architecture& a) { return is_another(a.qk_norm); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    if (run.architecture.qk_norm == kKind) visit_normed_logits(run, visit);
  }
};

}  // namespace detail

/// |l| <= scale head_dim max_j a_j b_j <= scale head_dim max|g_q| max|g_k|, with a norm on each
/// head   (claim 21c; ours). Equal for all energy of q and k in one plane, aligned, and eps = 0.
struct LogitCapPerHead : detail::NormedLogitsClaim<QkNorm::per_head> {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    return in.scale * count<S>(in.key_gain.size()) * detail::largest_gain_product<S>(in);
  }
  static double allowance(const Input<double>& in) {
    return detail::normed_logits_allowance(in, rhs<double>(in));
  }
};

/// The same with a norm over all heads of a token: sqrt(heads kv_heads) times the cap, because one
/// head may hold all that the norm leaves   (claim 21d; ours)
struct LogitCapAllHeads : detail::NormedLogitsClaim<QkNorm::all_heads> {
  static constexpr std::string_view part = "d";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return LogitCapPerHead::rhs<S>(in) * sqrt(count<S>(in.heads * in.kv_heads));
  }
  static double allowance(const Input<double>& in) {
    return detail::normed_logits_allowance(in, rhs<double>(in));
  }
};

}  // namespace plumb::claims
