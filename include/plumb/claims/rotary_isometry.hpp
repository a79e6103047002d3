#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/model/rotary.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What position does to a key: rotary turns it, plane by plane, and nothing else.
namespace plumb::claims {

/// Coordinates of plane j of n: (j, j + n) or (2j, 2j + 1). Those from 2n on do not turn.
inline std::pair<Index, Index> plane_coordinates(Index plane, Index planes, RotaryPairing pairing) {
  if (pairing == RotaryPairing::half_split) return {plane, plane + planes};
  return {2 * plane, 2 * plane + 1};
}

/// ||v_j||, v in plane j.
template <class S>
S plane_norm(const Vector<S>& v, Index plane, Index planes, RotaryPairing pairing) {
  using std::sqrt;
  const auto [a, b] = plane_coordinates(plane, planes, pairing);
  return sqrt(v[a] * v[a] + v[b] * v[b]);
}

/// One key at two positions, and a query that sees it there.
template <class S>
struct TurnedKey {
  Vector<S> key;                   ///< k (head_dim)
  Vector<S> turned, other_turned;  ///< R_p k and R_p' k, observed
  Vector<S> angles, other_angles;  ///< p theta_j and p' theta_j, one a plane
  RotaryPairing pairing = RotaryPairing::half_split;
  Vector<S> query;           ///< q (head_dim), the same for both
  S logit{}, other_logit{};  ///< scale q.(R_p k) and scale q.(R_p' k), observed
  S scale{};
  double factor = 1;  ///< on the turned vectors, as YaRN has it
  double unit = kUnit;

  Index planes() const { return angles.size(); }
  /// (p - p') theta_j / 2
  S half_angle(Index plane) const { return (angles[plane] - other_angles[plane]) / S(2); }
};

namespace detail {

/// Error of R_p k - R_p' k in plane j, relative to ||k_j||: 12 roundings of sines, products and
/// sums, and those of the two angles, which grow with the position.
inline double plane_error(const TurnedKey<double>& in, Index plane) {
  return 12 * in.unit + 2 * kUnit * (std::abs(in.angles[plane]) + std::abs(in.other_angles[plane]));
}

/// Keys of each kv head at their own position, and moved to 2t + 1 by the model's rotary.
template <class T, class Visit>
void visit_turned_keys(const LayerRun<T>& run, const Visit& visit) {
  const auto& attention = run.weights.attention;
  const Index size = attention.head_dim,
              step = (run.tokens() + kQueriesPerHead - 1) / kQueriesPerHead;
  Matrix<T> moved = run.keys_at(site::Stage::normalised);
  std::vector<Index> places(run.sequence.positions.size());
  for (std::size_t t = 0; t < places.size(); ++t) places[t] = 2 * run.sequence.positions[t] + 1;
  attention.rotary.apply(moved, places);
  for (Index head = 0; head < run.architecture.heads; ++head) {
    const Index kv = run.architecture.kv_head(head);
    for (Index t = 0; t < run.tokens(); t += step) {
      TurnedKey<double> in;
      in.key = head_part(run.keys_at(site::Stage::normalised), t, kv, size);
      in.turned = head_part(run.keys_at(site::Stage::rotated), t, kv, size);
      in.other_turned = head_part(moved, t, kv, size);
      in.angles.resize(attention.rotary.planes());
      in.other_angles.resize(in.planes());
      for (Index j = 0; j < in.planes(); ++j) {
        const double frequency = attention.rotary.frequency(j);
        const auto at = static_cast<std::size_t>(t);
        in.angles[j] = frequency * static_cast<double>(run.sequence.positions[at]);
        in.other_angles[j] = frequency * static_cast<double>(places[at]);
      }
      in.pairing = attention.rotary.pairing;
      in.query = head_part(run.queries_at(site::Stage::rotated), run.tokens() - 1, head, size);
      in.scale = attention.scale;
      in.logit = in.scale * dot<double>(in.query, in.turned);
      in.other_logit = in.scale * dot<double>(in.query, in.other_turned);
      in.unit = unit_of<T>;
      visit(in, at_query(run, head, t));
    }
  }
}

/// What all parts share.
struct TurnedKeyClaim {
  static constexpr std::string_view id = "rotary-isometry";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = TurnedKey<S>;

  static Objection assumptions(const Input<double>& in) {
    const Index n = in.key.size();
    if (in.turned.size() != n || in.other_turned.size() != n || in.query.size() != n ||
        in.other_angles.size() != in.planes() || 2 * in.planes() > n) {
      return "keys, query and angles differ in size";
    }
    if (in.planes() == 0) return "the layer has no rotary positions";
    if (in.factor != 1) return "an attention factor scales what is turned";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_turned_keys(run, visit);
  }
};

}  // namespace detail

/// ||R_p k|| = ||k||   (claim 20a; arXiv 2104.09864)
struct RotaryNorm : detail::TurnedKeyClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.turned);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.key);
  }
  /// 6 roundings a plane, sine and cosine of one angle whatever it is; the norms gamma_{d/2 + 2}.
  static double allowance(const Input<double>& in) {
    return (6 * in.unit + gamma(in.key.size() + 6)) * rhs<double>(in);
  }
};

/// ||R_p k - R_p' k|| = sqrt(sum_j 4 sin^2((p - p') theta_j / 2) ||k_j||^2), k_j the part of k in
/// plane j   (claim 20b; ours)
struct RotaryDistance : detail::TurnedKeyClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.turned, in.other_turned);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sin;
    using std::sqrt;
    S sum(0);
    for (Index j = 0; j < in.planes(); ++j) {
      const S chord =
          S(2) * sin(in.half_angle(j)) * plane_norm<S>(in.key, j, in.planes(), in.pairing);
      sum += chord * chord;
    }
    return sqrt(sum);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = TurnedKeyClaim::assumptions(in)) return objection;
    if (in.angles == in.other_angles) return "the positions are equal";
    return {};
  }
  static double allowance(const Input<double>& in) {
    double sum = 0;
    for (Index j = 0; j < in.planes(); ++j) {
      const double size = plane_norm<double>(in.key, j, in.planes(), in.pairing);
      sum += std::pow(detail::plane_error(in, j) * size, 2);
    }
    return std::sqrt(sum) + gamma(in.key.size() + 10) * rhs<double>(in);
  }
};

/// |l_i - l_i'| <= scale sum_j 2 |sin((i - i') theta_j / 2)| ||q_j|| ||k_j||, for one key at i and
/// at i' and one query   (claim 20c; ours). Equal when the change is aligned with q in each plane.
struct RotaryLogit : detail::TurnedKeyClaim {
  static constexpr std::string_view part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.logit - in.other_logit);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sin;
    S sum(0);
    for (Index j = 0; j < in.planes(); ++j) {
      sum += S(2) * abs(sin(in.half_angle(j))) *
             plane_norm<S>(in.query, j, in.planes(), in.pairing) *
             plane_norm<S>(in.key, j, in.planes(), in.pairing);
    }
    return in.scale * sum;
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = TurnedKeyClaim::assumptions(in)) return objection;
    if (rhs<double>(in) <= allowance(in)) return "query or key is zero where planes turn";
    return {};
  }
  /// Turned keys as in part b, and two dot products of gamma_{head_dim + 2}, in double from the
  /// recorded vectors.
  static double allowance(const Input<double>& in) {
    double sum = 0;
    for (Index j = 0; j < in.planes(); ++j) {
      sum += detail::plane_error(in, j) * plane_norm<double>(in.query, j, in.planes(), in.pairing) *
             plane_norm<double>(in.key, j, in.planes(), in.pairing);
    }
    return std::abs(in.scale) *
           (sum + 2 * gamma(in.key.size() + 8) * in.query.norm() * in.key.norm());
  }
};

}  // namespace plumb::claims
