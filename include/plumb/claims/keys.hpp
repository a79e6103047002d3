#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/attention.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/collapse/near_constancy.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/model/rotary.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// Why inputs that are read alike have keys alike, and what position does to keys and logits. Keys
/// are those of one kv head; k = W_K x before a norm on keys and before rotary.
namespace plumb::claims {

namespace detail {

/// Rows by their largest entry, the largest first: spike tokens, where there are any.
template <class T>
std::vector<Index> rows_by_size(const Matrix<T>& rows) {
  std::vector<Index> order(static_cast<std::size_t>(rows.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  const Vector<T> sizes = rows.cwiseAbs().rowwise().maxCoeff();
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return sizes[a] > sizes[b]; });
  return order;
}

/// The channels of the `count` largest entries of a row.
inline std::vector<Index> largest_channels(const Vector<double>& row, Index count) {
  std::vector<Index> channels = rows_by_size<double>(row);
  channels.resize(static_cast<std::size_t>(std::min(count, row.size())));
  return channels;
}

/// W_K of one kv head.
template <class T>
Matrix<double> key_weight(const LayerRun<T>& run, Index kv) {
  const Index size = run.weights.attention.head_dim;
  return run.weights.attention.key.middleRows(kv * size, size).template cast<double>();
}

template <class T>
Vector<double> head_part(const Matrix<T>& rows, Index t, Index head, Index size) {
  return rows.row(t).segment(head * size, size).transpose().template cast<double>();
}

/// The largest row and up to kQueriesPerHead others, as pairs for each kv head.
template <class T, class Body>
void for_each_key_pair(const LayerRun<T>& run, const Body& body) {
  const auto order = rows_by_size(run.residual);
  const auto step =
      static_cast<std::size_t>((run.tokens() + kQueriesPerHead - 1) / kQueriesPerHead);
  for (Index kv = 0; kv < run.architecture.kv_heads; ++kv) {
    for (std::size_t i = 1; i < order.size(); i += step) body(kv, order[0], order[i]);
  }
}

}  // namespace detail

inline Objection normalises_keys(const Architecture& a) {
  if (a.qk_norm == QkNorm::none) return {};
  return "keys are normalised before they are used";
}

inline Objection normalises_no_keys(const Architecture& a) {
  if (a.qk_norm != QkNorm::none) return {};
  return "keys are not normalised";
}

// ---- 18: inputs that are near have keys that are near ----------------------------------------

/// Two tokens that one kv head reads.
template <class S>
struct KeyPair {
  Vector<S> x_a, x_b;      ///< what the block reads (d)
  Vector<S> key_a, key_b;  ///< W_K x + b_K, observed (head_dim); the bias cancels
  S weight_norm{};         ///< ||W_K||_2
  double unit = kUnit;
};

namespace detail {

/// A key is off by gamma_d |W_K| |x|, and || |W_K| ||_2 <= sqrt(head_dim) ||W_K||_2; adding a bias
/// rounds the sum.
inline double key_pair_allowance(const KeyPair<double>& in) {
  return gamma(in.x_a.size() + 4, in.unit) * std::sqrt(static_cast<double>(in.key_a.size())) *
             in.weight_norm * (in.x_a.norm() + in.x_b.norm()) +
         2 * in.unit * (in.key_a.norm() + in.key_b.norm());
}

inline Objection is_no_key_pair(const KeyPair<double>& in) {
  if (in.x_a.size() != in.x_b.size() || in.key_a.size() != in.key_b.size()) {
    return "the two tokens differ in size";
  }
  return {};
}

template <class T>
KeyPair<double> key_pair(const LayerRun<T>& run, Index kv, Index a, Index b, double norm) {
  const Index size = run.weights.attention.head_dim;
  const auto& keys = run.keys_at(site::Stage::projected);
  return {run.attention_input.row(a).transpose().template cast<double>(),
          run.attention_input.row(b).transpose().template cast<double>(),
          head_part(keys, a, kv, size),
          head_part(keys, b, kv, size),
          norm,
          unit_of<T>};
}

inline Where at_kv_head(Index layer, Index kv, Index position) {
  return {.layer = layer, .block = Block::attention, .head = kv, .position = position};
}

}  // namespace detail

/// ||k_a - k_b|| <= ||W_K||_2 ||x_a - x_b||   (claim 18a; paper eq. 26)
/// Before rotary: at different positions claim 20 adds to it. Equal for a difference along the top
/// right singular vector.
struct KeyBall {
  static constexpr std::string_view id = "key-ball", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = KeyPair<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.key_a, in.key_b);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.weight_norm * distance<S>(in.x_a, in.x_b);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_key_pair(in)) return objection;
    if (rhs<double>(in) == 0) return "the two tokens are read as one";
    return {};
  }
  /// The norm comes from a Gram matrix: relative gamma_{d + 8 head_dim}.
  static double allowance(const Input<double>& in) {
    return detail::key_pair_allowance(in) +
           gamma(in.x_a.size() + 8 * in.key_a.size() + 8) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return normalises_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    Index last = -1;
    double norm = 0;
    detail::for_each_key_pair(run, [&](Index kv, Index a, Index b) {
      if (kv != last) norm = collapse::spectral_norm(detail::key_weight(run, kv));
      last = kv;
      visit(detail::key_pair(run, kv, a, b, norm), detail::at_kv_head(run.layer, kv, b));
    });
  }
};

/// ||k_a - k_b|| <= ||W_K diag(g)||_2 times claim 3's sharp bound on ||u_a - u_b||, from the
/// residual rows and their spike channels   (claim 18b; paper eq. 26, the bound ours)
struct KeyBallOfSpikes {
  static constexpr std::string_view id = "key-ball", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    KeyPair<S> pair;  ///< weight_norm is that of W_K diag(g)
    Vector<S> h_a, h_b;
    std::vector<Index> channels;  ///< C
    S eps{};
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return KeyBall::lhs<S>(in.pair);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.pair.weight_norm * collapse::closeness(in.h_a, in.h_b, in.channels, in.eps)->sharp;
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_key_pair(in.pair)) return objection;
    if (in.h_a.size() != in.h_b.size()) return "the two tokens differ in size";
    const auto found = collapse::closeness(in.h_a, in.h_b, in.channels, in.eps);
    if (!found) return "a token is zero on the spike channels, or there are no others";
    if (found->sharp == 0) return "the two tokens are read as one";
    return {};
  }
  /// The reads of the two tokens are off by d / 2 + 6 roundings, so k by as many of ||W|| sqrt(d);
  /// the angles of the bound by d + 16 of sqrt(d).
  static double allowance(const Input<double>& in) {
    const auto d = static_cast<double>(in.h_a.size());
    return detail::key_pair_allowance(in.pair) +
           2 * gamma(2 * d + 8 * static_cast<double>(in.pair.key_a.size()) + 30, in.pair.unit) *
               in.pair.weight_norm * std::sqrt(d);
  }
  static Objection objection(const Architecture& a) {
    if (const auto objection = reads_no_rms_norm(a)) return objection;
    return normalises_keys(a);
  }
  /// With the two largest channels of the largest row as spike channels; any would do.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto* norm = std::get_if<RmsNorm<T>>(&run.weights.attention_pre_norm.kind);
    if (norm == nullptr) return;
    Index last = -1;
    double weight_norm = 0;
    detail::for_each_key_pair(run, [&](Index kv, Index a, Index b) {
      if (kv != last) {
        const Matrix<double> folded =
            detail::key_weight(run, kv) * norm->gain.template cast<double>().asDiagonal();
        weight_norm = collapse::spectral_norm(folded);
      }
      last = kv;
      const Vector<double> h_a = run.residual.row(a).transpose().template cast<double>();
      const Vector<double> h_b = run.residual.row(b).transpose().template cast<double>();
      visit(Input<double>{detail::key_pair(run, kv, a, b, weight_norm), h_a, h_b,
                          detail::largest_channels(h_a, 2), norm->eps},
            detail::at_kv_head(run.layer, kv, b));
    });
  }
};

/// ||k'_a - k'_b|| <= max|g| ||k_a - k_b|| / sqrt(rho_a rho_b), k' = g .* k / rho the keys after a
/// norm on keys, rho = sqrt(mean(k^2) + eps)   (claim 18c: claim A1 on keys; ours). One head, or
/// all heads of a token where they are normalised together. Equal for constant |g| and equal rho.
struct KeyBallNormalised {
  static constexpr std::string_view id = "key-ball", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    Vector<S> key_a, key_b;        ///< what the norm reads
    Vector<S> normed_a, normed_b;  ///< observed
    Vector<S> gain;
    S eps{};
    double unit = kUnit;
  };

  template <class S>
  static S root(const Vector<S>& key, const S& eps) {
    using std::sqrt;
    return sqrt(sum_of_squares<S>(key) / count<S>(key.size()) + eps);
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    return distance<S>(in.normed_a, in.normed_b);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const S roots = sqrt(root<S>(in.key_a, in.eps)) * sqrt(root<S>(in.key_b, in.eps));
    return max_abs<S>(in.gain) * distance<S>(in.key_a, in.key_b) / roots;
  }
  static Objection assumptions(const Input<double>& in) {
    const Index n = in.gain.size();
    if (in.key_a.size() != n || in.key_b.size() != n || in.normed_a.size() != n ||
        in.normed_b.size() != n) {
      return "keys and gain differ in size";
    }
    if (!(in.eps >= 0)) return "eps is negative";
    if (in.eps == 0 && (in.key_a.isZero(0) || in.key_b.isZero(0))) return "a key is zero";
    if (in.key_a == in.key_b) return "the keys are equal";
    return {};
  }
  /// A normalised key has norm at most sqrt(n) max|g|, and its entries n / 2 + 5 roundings.
  static double allowance(const Input<double>& in) {
    const Index n = in.gain.size();
    return 2 * gamma(n + 8, in.unit) * std::sqrt(static_cast<double>(n)) *
               max_abs<double>(in.gain) +
           gamma(2 * n + 16) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return normalises_no_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& key_norm = run.weights.attention.key_norm;
    const Index size = key_norm.norm.gain.size();
    detail::for_each_key_pair(run, [&](Index kv, Index a, Index b) {
      const bool together = key_norm.kind == QkNorm::all_heads;
      if (key_norm.kind == QkNorm::none || (together && kv > 0)) return;
      const auto& raw = run.keys_at(site::Stage::projected);
      const auto& normed = run.keys_at(site::Stage::normalised);
      visit(
          Input<double>{detail::head_part(raw, a, kv, size), detail::head_part(raw, b, kv, size),
                        detail::head_part(normed, a, kv, size),
                        detail::head_part(normed, b, kv, size),
                        key_norm.norm.gain.template cast<double>(), key_norm.norm.eps, unit_of<T>},
          detail::at_kv_head(run.layer, kv, b));
    });
  }
};

// ---- 19: keys of tokens that are read alike fill few dimensions ------------------------------

/// m tokens that one kv head reads, and their keys.
template <class S>
struct KeyRows {
  Matrix<S> keys;               ///< K = X W_K', observed (m, head_dim); without a bias
  Matrix<S> rows;               ///< X (m, d)
  S weight_norm{};              ///< ||W_K||_2
  Index index = 2;              ///< of a singular value, counted from 1
  Vector<S> direction;          ///< any e (d), of any length
  std::vector<Index> channels;  ///< C
  S rest_norm{};                ///< ||W_K without its columns C||_2
  double unit = kUnit;
  S bias_norm{};  ///< ||b_K|| of a bias that was subtracted from the keys, for its rounding
};

namespace detail {

/// Tokens whose keys are taken together: spike tokens, where there are any.
inline constexpr Index kKeyRows = 4;

/// sigma_i(A), i counted from 1.
inline double singular_value(const Matrix<double>& a, Index i) {
  return collapse::singular_values(a, collapse::Route::qr)[i - 1];
}

/// Singular values of K move by no more than ||dK||_F <= gamma_d ||X||_F ||W_K||_F, and
/// ||W_K||_F <= sqrt(head_dim) ||W_K||_2; QR and Jacobi of m rows add 20 m roundings on either
/// side.
inline double key_rows_allowance(const KeyRows<double>& in) {
  const double size = std::sqrt(static_cast<double>(in.keys.cols()));
  const double all = in.weight_norm * in.rows.norm();
  const double bias = std::sqrt(static_cast<double>(in.rows.rows())) * in.bias_norm;
  return (gamma(in.rows.cols() + 4, in.unit) * size + gamma(40 * in.rows.rows() + 8)) * all +
         2 * in.unit * bias;
}

inline Objection are_no_key_rows(const KeyRows<double>& in, Index index) {
  if (in.rows.rows() != in.keys.rows()) return "rows and keys differ in number";
  if (in.rows.rows() < 2) return "fewer than two tokens";
  if (index < 1 || index > std::min(in.keys.rows(), in.keys.cols()) ||
      index > std::min(in.rows.rows(), in.rows.cols())) {
    return "there is no such singular value";
  }
  return {};
}

/// The rows of the residual with the largest entries, as each kv head reads them, and their keys
/// without the bias.
template <class T, class Visit>
void visit_key_rows(const LayerRun<T>& run, const Visit& visit) {
  auto order = rows_by_size(run.residual);
  order.resize(std::min<std::size_t>(order.size(), kKeyRows));
  const Index size = run.weights.attention.head_dim, m = static_cast<Index>(order.size());
  KeyRows<double> in;
  in.rows.resize(m, run.attention_input.cols());
  in.keys.resize(m, size);
  in.unit = unit_of<T>;
  for (Index i = 0; i < m; ++i) {
    const Index t = order[static_cast<std::size_t>(i)];
    in.rows.row(i) = run.attention_input.row(t).template cast<double>();
  }
  in.direction = in.rows.row(0).transpose();
  in.channels = largest_channels(in.direction, 1);
  for (Index kv = 0; kv < run.architecture.kv_heads; ++kv) {
    for (Index i = 0; i < m; ++i) {
      const Index t = order[static_cast<std::size_t>(i)];
      in.keys.row(i) = head_part(run.keys_at(site::Stage::projected), t, kv, size).transpose();
    }
    if (const auto& bias = run.weights.attention.key_bias; bias.size() > 0) {
      const Vector<double> part = bias.segment(kv * size, size).template cast<double>();
      in.keys.rowwise() -= part.transpose();
      in.bias_norm = part.norm();
    }
    Matrix<double> weight = key_weight(run, kv);
    in.weight_norm = collapse::spectral_norm(weight);
    for (const Index k : in.channels) weight.col(k).setZero();
    in.rest_norm = collapse::spectral_norm(weight);
    visit(in, at_kv_head(run.layer, kv, order[0]));
  }
}

}  // namespace detail

/// sigma_i(X W_K') <= ||W_K||_2 sigma_i(X), for every i   (claim 19a; ours; paper eq. 26)
/// Per kv head, before rotary, with no bias. Equal when W_K is an isometry on the rows.
struct KeySingularValue {
  static constexpr std::string_view id = "key-second-singular-value", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = KeyRows<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::singular_value(in.keys, in.index);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.weight_norm * detail::singular_value(in.rows, in.index);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::are_no_key_rows(in, in.index)) return objection;
    if (rhs<double>(in) <= allowance(in)) return "the rows fill no more dimensions";
    return {};
  }
  static double allowance(const Input<double>& in) { return detail::key_rows_allowance(in); }
  static Objection objection(const Architecture& a) { return normalises_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_key_rows(run, [&](KeyRows<double> in, const Where& where) {
      const Index last = std::min(in.keys.rows(), in.keys.cols());
      for (in.index = 1; in.index <= last; ++in.index) visit(in, where);
    });
  }
};

/// sigma_2(K) <= ||W_K||_2 sqrt(sum_t ||x_t||^2 sin^2 angle(x_t, e)), for any direction e
/// (claim 19b; ours). Equal for orthonormal W_K, rows x_t = large e +- w, w orthogonal to e.
struct KeySecondByDirection {
  static constexpr std::string_view id = "key-second-singular-value", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = KeyRows<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::singular_value(in.keys, 2);
  }
  /// ||x|| sin angle = ||x - (x.e) e||, without the cancellation of 1 - cos^2.
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const Vector<S> e = in.direction / norm<S>(in.direction);
    S sum(0);
    for (Index t = 0; t < in.rows.rows(); ++t) {
      const Vector<S> x = row<S>(in.rows, t);
      sum += sum_of_squares<S>(x - dot<S>(x, e) * e);
    }
    return in.weight_norm * sqrt(sum);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::are_no_key_rows(in, 2)) return objection;
    if (in.direction.size() != in.rows.cols() || in.direction.isZero(0)) return "no direction";
    if (rhs<double>(in) <= allowance(in)) return "the rows are along the direction";
    return {};
  }
  static double allowance(const Input<double>& in) {
    return detail::key_rows_allowance(in) +
           gamma(3 * in.rows.cols() + 8) * in.weight_norm * in.rows.norm();
  }
  static Objection objection(const Architecture& a) { return normalises_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_key_rows(run, visit);
  }
};

/// sigma_{c+1}(K) <= ||W_K off C||_2 ||X off C||_2 <= ||W_K||_2 ||X off C||_F, c = |C|
/// (claim 19c; ours). Equal for rows with unlike spikes on C and W_K that keeps C apart.
struct KeySingularValueOffSpikes {
  static constexpr std::string_view id = "key-second-singular-value", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = KeyRows<S>;

  static Index next(const KeyRows<double>& in) {
    return static_cast<Index>(in.channels.size()) + 1;
  }
  /// X with zeros on C.
  template <class S>
  static Matrix<S> rest(const Input<S>& in) {
    Matrix<S> rows = in.rows;
    for (const Index k : in.channels) rows.col(k).setZero();
    return rows;
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::singular_value(in.keys, next(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.rest_norm * detail::singular_value(rest<S>(in), 1);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::are_no_key_rows(in, next(in))) return objection;
    if (in.channels.empty()) return "there are no spike channels";
    if (rhs<double>(in) <= allowance(in)) return "nothing is left beside the spike channels";
    return {};
  }
  static double allowance(const Input<double>& in) { return detail::key_rows_allowance(in); }
  static Objection objection(const Architecture& a) { return normalises_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_key_rows(run, visit);
  }
};

// ---- 20: rotary turns, and nothing else ------------------------------------------------------

/// Coordinates of plane j of n: (j, j + n) or (2j, 2j + 1). Those from 2n on do not turn.
inline std::pair<Index, Index> plane_coordinates(Index plane, Index planes, RotaryPairing pairing) {
  if (pairing == RotaryPairing::half_split) return {plane, plane + planes};
  return {2 * plane, 2 * plane + 1};
}

/// Planes of a head that rotary turns.
inline Index turning_planes(const Rotary& rotary) { return rotary.planes(); }

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

inline Objection is_no_turned_key(const TurnedKey<double>& in) {
  const Index n = in.key.size();
  if (in.turned.size() != n || in.other_turned.size() != n || in.query.size() != n ||
      in.other_angles.size() != in.planes() || 2 * in.planes() > n) {
    return "keys, query and angles differ in size";
  }
  if (in.planes() == 0) return "the layer has no rotary positions";
  if (in.factor != 1) return "an attention factor scales what is turned";
  return {};
}

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
      in.angles.resize(turning_planes(attention.rotary));
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

}  // namespace detail

/// ||R_p k|| = ||k||   (claim 20a; arXiv 2104.09864)
struct RotaryNorm {
  static constexpr std::string_view id = "rotary-isometry", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = TurnedKey<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.turned);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.key);
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_turned_key(in); }
  /// 6 roundings a plane, sine and cosine of one angle whatever it is; the norms gamma_{d/2 + 2}.
  static double allowance(const Input<double>& in) {
    return (6 * in.unit + gamma(in.key.size() + 6)) * rhs<double>(in);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_turned_keys(run, visit);
  }
};

/// ||R_p k - R_p' k|| = sqrt(sum_j 4 sin^2((p - p') theta_j / 2) ||k_j||^2), k_j the part of k in
/// plane j   (claim 20b; ours)
struct RotaryDistance {
  static constexpr std::string_view id = "rotary-isometry", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = TurnedKey<S>;

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
    if (const auto objection = detail::is_no_turned_key(in)) return objection;
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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_turned_keys(run, visit);
  }
};

/// |l_i - l_i'| <= scale sum_j 2 |sin((i - i') theta_j / 2)| ||q_j|| ||k_j||, for one key at i and
/// at i' and one query   (claim 20c; ours). Equal when the change is aligned with q in each plane.
struct RotaryLogit {
  static constexpr std::string_view id = "rotary-isometry", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = TurnedKey<S>;

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
    if (const auto objection = detail::is_no_turned_key(in)) return objection;
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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_turned_keys(run, visit);
  }
};

// ---- 21: a token's logit on itself has no position -------------------------------------------

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

inline Objection is_no_turned_pair(const TurnedPair<double>& in) {
  const Index n = in.query.size();
  if (in.key.size() != n || in.turned_query.size() != n || in.turned_key.size() != n ||
      2 * in.planes > n) {
    return "queries and keys differ in size";
  }
  if (in.planes == 0) return "the layer has no rotary positions";
  return {};
}

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
  in.planes = turning_planes(attention.rotary);
  in.pairing = attention.rotary.pairing;
  in.scale = attention.scale;
  in.logit = static_cast<double>(slice(run.logits, head)(t, j));
  in.one_position = t == j;
  in.unit = unit_of<T>;
  return in;
}

}  // namespace detail

/// (R_p q).(R_p k) = q.k, at every position p   (claim 21a; arXiv 2104.09864). An equality: the
/// logit of a token on itself is a function of the token.
struct RotarySelfPair {
  static constexpr std::string_view id = "rotary-self-pair", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = TurnedPair<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return dot<S>(in.turned_query, in.turned_key);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return dot<S>(in.query, in.key);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_turned_pair(in)) return objection;
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
struct RotaryLogitCeiling {
  static constexpr std::string_view id = "rotary-self-pair", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = TurnedPair<S>;

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
    if (const auto objection = detail::is_no_turned_pair(in)) return objection;
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

inline Objection are_no_normed_logits(const NormedLogits<double>& in) {
  if (in.query_gain.size() != in.key_gain.size() || 2 * in.planes > in.key_gain.size()) {
    return "the gains differ in size";
  }
  if (largest_gain_product(in) == 0) return "the gains are zero";
  return {};
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
    in.planes = turning_planes(attention.rotary);
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

}  // namespace detail

/// |l| <= scale head_dim max_j a_j b_j <= scale head_dim max|g_q| max|g_k|, with a norm on each
/// head   (claim 21c; ours). Equal for all energy of q and k in one plane, aligned, and eps = 0.
struct LogitCapPerHead {
  static constexpr std::string_view id = "rotary-self-pair", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedLogits<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.largest;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.scale * count<S>(in.key_gain.size()) * detail::largest_gain_product<S>(in);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.kind != QkNorm::per_head) return "queries and keys are not normalised head by head";
    return detail::are_no_normed_logits(in);
  }
  static double allowance(const Input<double>& in) {
    return detail::normed_logits_allowance(in, rhs<double>(in));
  }
  static Objection objection(const Architecture& a) {
    if (a.qk_norm == QkNorm::per_head) return {};
    return "queries and keys are not normalised head by head";
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    if (run.architecture.qk_norm == QkNorm::per_head) detail::visit_normed_logits(run, visit);
  }
};

/// The same with a norm over all heads of a token: sqrt(heads kv_heads) times the cap, because one
/// head may hold all that the norm leaves   (claim 21d; ours)
struct LogitCapAllHeads {
  static constexpr std::string_view id = "rotary-self-pair", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedLogits<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.largest;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return LogitCapPerHead::rhs<S>(in) * sqrt(count<S>(in.heads * in.kv_heads));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.kind != QkNorm::all_heads) return "no norm is over all heads";
    return detail::are_no_normed_logits(in);
  }
  static double allowance(const Input<double>& in) {
    return detail::normed_logits_allowance(in, rhs<double>(in));
  }
  static Objection objection(const Architecture& a) {
    if (a.qk_norm == QkNorm::all_heads) return {};
    return "no norm is over all heads";
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    if (run.architecture.qk_norm == QkNorm::all_heads) detail::visit_normed_logits(run, visit);
  }
};

}  // namespace plumb::claims
