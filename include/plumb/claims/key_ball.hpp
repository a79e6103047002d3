#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <variant>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/collapse/near_constancy.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// Inputs that are near have keys that are near. Keys are those of one kv head; k = W_K x before a
/// norm on keys and before rotary.
namespace plumb::claims {

inline Objection normalises_keys(const Architecture& a) {
  if (a.qk_norm == QkNorm::none) return {};
  return "keys are normalised before they are used";
}

inline Objection normalises_no_keys(const Architecture& a) {
  if (a.qk_norm != QkNorm::none) return {};
  return "keys are not normalised";
}

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

/// W_K diag(gain) of one kv head.
template <class T>
Matrix<double> key_weight(const LayerRun<T>& run, Index kv, const Vector<double>& gain) {
  const Index size = run.weights.attention.head_dim;
  return run.weights.attention.key.middleRows(kv * size, size).template cast<double>() *
         gain.asDiagonal();
}

/// ||W_K diag(gain)||_2 of each kv head.
template <class T>
Vector<double> key_norms(const LayerRun<T>& run, const Vector<double>& gain) {
  return Vector<double>::NullaryExpr(run.architecture.kv_heads, [&](Index kv) {
    return collapse::spectral_norm(key_weight(run, kv, gain));
  });
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

inline Where at_kv_head(Index layer, Index kv, Index position) {
  return {.layer = layer, .block = Block::attention, .head = kv, .position = position};
}

}  // namespace detail

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
    const Vector<double> ones = Vector<double>::Ones(run.attention_input.cols());
    const Vector<double> norms = detail::key_norms(run, ones);
    detail::for_each_key_pair(run, [&](Index kv, Index a, Index b) {
      visit(detail::key_pair(run, kv, a, b, norms[kv]), detail::at_kv_head(run.layer, kv, b));
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
    const Vector<double> norms = detail::key_norms(run, norm->gain.template cast<double>());
    detail::for_each_key_pair(run, [&](Index kv, Index a, Index b) {
      const Vector<double> h_a = run.residual.row(a).transpose().template cast<double>();
      const Vector<double> h_b = run.residual.row(b).transpose().template cast<double>();
      visit(Input<double>{detail::key_pair(run, kv, a, b, norms[kv]), h_a, h_b,
                          largest_channels(h_a.transpose(), 2), norm->eps},
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

}  // namespace plumb::claims
