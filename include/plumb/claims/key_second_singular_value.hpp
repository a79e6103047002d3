#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/key_ball.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// Keys of tokens that are read alike fill few dimensions. Keys are those of one kv head; k = W_K x
/// before a norm on keys and before rotary.
namespace plumb::claims {

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
  in.channels = largest_channels(in.direction.transpose(), 1);
  const Vector<double> ones = Vector<double>::Ones(in.rows.cols());
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
    Matrix<double> weight = key_weight(run, kv, ones);
    in.weight_norm = collapse::spectral_norm(weight);
    for (const Index k : in.channels) weight.col(k).setZero();
    in.rest_norm = collapse::spectral_norm(weight);
    visit(in, at_kv_head(run.layer, kv, order[0]));
  }
}

/// What the parts about keys of several tokens share.
struct KeyRowsClaim {
  static constexpr std::string_view id = "key-second-singular-value";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = KeyRows<S>;

  static double allowance(const Input<double>& in) { return key_rows_allowance(in); }
  static Objection objection(const Architecture& a) { return normalises_keys(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_key_rows(run, visit);
  }
};

}  // namespace detail

/// sigma_i(X W_K') <= ||W_K||_2 sigma_i(X), for every i   (claim 19a; ours; paper eq. 26)
/// Per kv head, before rotary, with no bias. Equal when W_K is an isometry on the rows.
struct KeySingularValue : detail::KeyRowsClaim {
  static constexpr std::string_view part = "a";

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
struct KeySecondByDirection : detail::KeyRowsClaim {
  static constexpr std::string_view part = "b";

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
};

/// sigma_{c+1}(K) <= ||W_K off C||_2 ||X off C||_2 <= ||W_K||_2 ||X off C||_F, c = |C|
/// (claim 19c; ours). Equal for rows with unlike spikes on C and W_K that keeps C apart.
struct KeySingularValueOffSpikes : detail::KeyRowsClaim {
  static constexpr std::string_view part = "c";

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
};

}  // namespace plumb::claims
