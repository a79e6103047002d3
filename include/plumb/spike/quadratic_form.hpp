#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/feed_forward_view.hpp"

/// The quadratic form of an output channel (paper eq. 15 to 18):
///   U_k = sum_j w_kj g_j u_j',  S_k = (U_k + U_k') / 2,  F_k(x) ~ x' S_k x
/// g_j, u_j are rows j of W_gate, W_up with the gain of the norm folded in; w_k is row k of W_down.
namespace plumb::spike {

/// S_k of one channel, as an operator. S_k is never formed unless
/// asked for. A view of the weights: they must outlive it.
template <class T>
struct QuadraticForm {
  FeedForwardView<T> view;
  Index channel;

  Index size() const { return view.hidden(); }
  RowVector<double> weights() const { return view.down.row(channel).template cast<double>(); }

  /// S_k x, computed in S: T is fast, double accurate. Rounding error
  /// gamma_{hidden + f + 8} ||x|| mass in each coordinate, mass as in FormNorms.
  /// Cost: 4 * hidden * f multiplications; each weight is read once.
  template <class S>
  Vector<S> apply(const Vector<S>& x) const;

  /// S_k itself, (hidden, hidden). Cost: hidden^2 * f multiplications.
  Matrix<double> dense() const;
};

/// S_k of one output channel. Throws index_error for a channel outside the block, and shape_error,
/// with the reason, when the block has no quadratic form.
template <class T>
QuadraticForm<T> quadratic_form(const FeedForwardView<T>& view, Index channel) {
  detail::require_form("quadratic_form", view);
  require_index("quadratic_form", "channel", channel, view.channels());
  return {view, channel};
}

/// Sizes of one form.
struct FormNorms {
  double trace = 0;     ///< tr S_k = sum_j w_kj g_j.u_j
  double form = 0;      ///< ||S_k||_F; bounds every |eigenvalue|
  double product = 0;   ///< ||U_k||_F
  double mass = 0;      ///< sum_j |w_kj| ||g_j|| ||u_j||; |F_k(x)| <= mass ||x||^2
  double rounding = 0;  ///< what the squares of `form` and `product` may be off by

  /// For any unit v with rho = v' S v and residual = ||S v - rho v||: a bound of the norm of S on
  /// the complement of v, sqrt(||S||_F^2 - rho^2 - 2 residual^2). Bounds |lambda|_2 if v is an
  /// eigenvector.
  double remainder(double rho, double residual) const {
    const double squares = form * form - rho * rho - 2 * residual * residual;
    return std::isfinite(squares) ? std::sqrt(std::max(0.0, squares) + rounding)
                                  : std::numeric_limits<double>::infinity();
  }
};

/// Sizes of the rows that a neuron reads with, gain included.
struct NeuronRows {
  Vector<double> gate;     ///< ||g_j||
  Vector<double> up;       ///< ||u_j||
  Vector<double> product;  ///< g_j.u_j

  /// cos(g_j, u_j); 0 where one of them is zero.
  double cosine(Index j) const {
    const double lengths = gate[j] * up[j];
    return lengths > 0 ? std::clamp(product[j] / lengths, -1.0, 1.0) : 0;
  }
};

/// Told from time to time how much of a long computation is done, of how much in all.
using Progress = std::function<void(Index done, Index total)>;

namespace detail {

/// Neurons whose rows are looked at together: few enough to stay in the cache.
inline Index fused_rows(Index hidden) {
  return std::clamp<Index>(16384 / std::max<Index>(hidden, 1), 4, 64);
}

inline constexpr Index kTile = 256;  ///< neurons or channels that a matrix product takes at a time

template <class Body>
void for_tiles(Index size, Index tile, Body&& body) {
  for (Index first = 0; first < size; first += tile) body(first, std::min(tile, size - first));
}

/// x -> sum_j (a_j g_j + b_j u_j), where combine(first, z, y) turns z_j = g_j.x and y_j = u_j.x,
/// for neurons from `first` on, into a_j and b_j in place. The rows are in the cache when they are
/// used the second time, so memory is read once.
template <class S, class T, class Combine>
Vector<S> through_neurons(const FeedForwardView<T>& view, const Vector<S>& x,
                          const Combine& combine) {
  require_size("QuadraticForm::apply", "x", x.size(), view.hidden());
  const Vector<S> gain = view.gain.template cast<S>();
  const Vector<S> scaled = gain.cwiseProduct(x);
  Vector<S> sum = Vector<S>::Zero(x.size());
  Vector<S> z, y;
  for_tiles(view.neurons(), fused_rows(x.size()), [&](Index first, Index rows) {
    const MatrixRef<S> g = view.gate.middleRows(first, rows).template cast<S>();
    const MatrixRef<S> u = view.up.middleRows(first, rows).template cast<S>();
    z.noalias() = g * scaled;
    y.noalias() = u * scaled;
    combine(first, z, y);
    sum.noalias() += g.transpose() * z;
    sum.noalias() += u.transpose() * y;
  });
  return gain.cwiseProduct(sum);
}

/// Row r of the result is S_k v_r, v_r row r of `vectors` and k = channels[r]: two products with
/// W_gate and two with W_up for all rows together, a tile of neurons at a time.
/// observe(first, z, y) sees the projections (rows, tile) of neurons from `first` on.
template <class S, class T, class Observe>
Matrix<S> apply_each(const FeedForwardView<T>& view, const std::vector<Index>& channels,
                     const Matrix<S>& vectors, const Observe& observe) {
  const Vector<S> gain = view.gain.template cast<S>();
  const Matrix<S> scaled = vectors * gain.asDiagonal();
  Matrix<S> sum = Matrix<S>::Zero(vectors.rows(), vectors.cols());
  Matrix<S> z, y;
  for_tiles(view.neurons(), 2 * kTile, [&](Index first, Index rows) {
    const MatrixRef<S> g = view.gate.middleRows(first, rows).template cast<S>();
    const MatrixRef<S> u = view.up.middleRows(first, rows).template cast<S>();
    z.noalias() = scaled * g.transpose();
    y.noalias() = scaled * u.transpose();
    observe(first, z, y);
    for (Index r = 0; r < z.rows(); ++r) {
      const RowVector<S> half = view.down.row(channels[static_cast<std::size_t>(r)])
                                    .segment(first, rows)
                                    .template cast<S>() /
                                S(2);
      z.row(r).swap(y.row(r));
      z.row(r).array() *= half.array();
      y.row(r).array() *= half.array();
    }
    sum.noalias() += z * g;
    sum.noalias() += y * u;
  });
  return sum * gain.asDiagonal();
}

/// 8 gamma_{2 hidden + 2 f + 8} mass^2: what rounding may add to a squared Frobenius norm that is
/// computed without forming S_k. It is relative to the mass, not to the norm: neurons may cancel.
template <class T>
double norm_rounding(const FeedForwardView<T>& view, double mass) {
  const double n = 2 * static_cast<double>(view.hidden() + view.neurons()) + 8;
  const double unit = std::numeric_limits<double>::epsilon() / 2;
  return 8 * n * unit / (1 - n * unit) * mass * mass;
}

/// Rows [first, first + rows) of a weight matrix with the gain folded in, in double.
template <class T>
Matrix<double> folded_rows(const Eigen::Map<const Matrix<T>>& weights, const Vector<T>& gain,
                           Index first, Index rows) {
  return weights.middleRows(first, rows).template cast<double>() *
         gain.template cast<double>().asDiagonal();
}

}  // namespace detail

template <class T>
template <class S>
Vector<S> QuadraticForm<T>::apply(const Vector<S>& x) const {
  const Vector<S> half = view.down.row(channel).transpose().template cast<S>() / S(2);
  return detail::through_neurons(view, x, [&](Index first, Vector<S>& z, Vector<S>& y) {
    z.swap(y);
    z.array() *= half.segment(first, z.size()).array();
    y.array() *= half.segment(first, y.size()).array();
  });
}

template <class T>
Matrix<double> QuadraticForm<T>::dense() const {
  Matrix<double> product = Matrix<double>::Zero(size(), size());
  const RowVector<double> w = weights();
  detail::for_tiles(view.neurons(), 2 * detail::kTile, [&](Index first, Index rows) {
    const Matrix<double> g = detail::folded_rows(view.gate, view.gain, first, rows);
    const Matrix<double> u = detail::folded_rows(view.up, view.gain, first, rows);
    product.noalias() += g.transpose() * (w.segment(first, rows).asDiagonal() * u);
  });
  return (product + product.transpose()) / 2;
}

/// Cost: one pass over W_gate and W_up.
template <class T>
NeuronRows neuron_rows(const FeedForwardView<T>& view) {
  detail::require_form("neuron_rows", view);
  const Index f = view.neurons();
  NeuronRows rows{Vector<double>(f), Vector<double>(f), Vector<double>(f)};
  detail::for_tiles(f, detail::fused_rows(view.hidden()), [&](Index first, Index count) {
    const Matrix<double> g = detail::folded_rows(view.gate, view.gain, first, count);
    const Matrix<double> u = detail::folded_rows(view.up, view.gain, first, count);
    rows.gate.segment(first, count) = g.rowwise().norm();
    rows.up.segment(first, count) = u.rowwise().norm();
    rows.product.segment(first, count) = g.cwiseProduct(u).rowwise().sum();
  });
  return rows;
}

/// Sizes of one form, from its entries, a tile of them at a time: sums of squares, so nothing
/// cancels. Cost: hidden^2 * f multiplications; memory 4 * f * 256 numbers.
template <class T>
FormNorms form_norms(const QuadraticForm<T>& form) {
  const auto& view = form.view;
  const Vector<double> w = form.weights().transpose();
  const Vector<double> gain = view.gain.template cast<double>();
  double squares = 0, product_squares = 0;
  // U_k restricted to rows [a, a + m) and columns [b, b + n).
  const auto tile = [&](Index a, Index m, Index b, Index n) -> Matrix<double> {
    const MatrixRef<double> g = view.gate.middleCols(a, m).template cast<double>();
    const MatrixRef<double> u = view.up.middleCols(b, n).template cast<double>();
    const Matrix<double> product = g.transpose() * (w.asDiagonal() * u);
    return gain.segment(a, m).asDiagonal() * product * gain.segment(b, n).asDiagonal();
  };
  detail::for_tiles(form.size(), detail::kTile, [&](Index a, Index m) {
    const Matrix<double> diagonal = tile(a, m, a, m);
    product_squares += diagonal.squaredNorm();
    squares += (diagonal + diagonal.transpose()).squaredNorm() / 4;
    for (Index b = a + m; b < form.size(); b += detail::kTile) {
      const Index n = std::min(detail::kTile, form.size() - b);
      const Matrix<double> upper = tile(a, m, b, n), lower = tile(b, n, a, m);
      product_squares += upper.squaredNorm() + lower.squaredNorm();
      squares += (upper + lower.transpose()).squaredNorm() / 2;
    }
  });
  const auto rows = neuron_rows(view);
  const double mass = w.cwiseAbs().dot(rows.gate.cwiseProduct(rows.up));
  return {w.dot(rows.product), std::sqrt(squares), std::sqrt(product_squares), mass,
          detail::norm_rounding(view, mass)};
}

/// Sizes of the forms of all channels at once, through Gram matrices over neurons (ours):
///   ||U_k||_F^2 = w_k' [(G G') .* (U U')] w_k,   ||S_k||_F^2 = (||U_k||_F^2 + w_k' [X .* X'] w_k)
///   / 2,
/// X = G U'. The f by f matrices are made a tile at a time. A square that
/// rounding makes negative is 0.
/// `progress` is told of the tiles that are done.
/// Cost: 3 hidden f^2 multiplications; memory 256 * (4 hidden + 2 channels) numbers.
template <class T>
std::vector<FormNorms> form_norms(const FeedForwardView<T>& view, const Progress& progress = {}) {
  detail::require_form("form_norms", view);
  const Index channels = view.channels(), f = view.neurons();
  Vector<double> product = Vector<double>::Zero(channels), crossed = product;
  const auto rows_of = [&](Index first, Index count) {
    return std::pair(detail::folded_rows(view.gate, view.gain, first, count),
                     detail::folded_rows(view.up, view.gain, first, count));
  };
  const auto columns = [&](Index first, Index count) -> Matrix<double> {
    return view.down.middleCols(first, count).template cast<double>();
  };
  const Index tiles = (f + detail::kTile - 1) / detail::kTile, total = tiles * (tiles + 1) / 2;
  Index done = 0;
  detail::for_tiles(f, detail::kTile, [&](Index i, Index rows) {
    const auto [g, u] = rows_of(i, rows);
    const Matrix<double> w = columns(i, rows);
    for (Index j = i; j < f; j += detail::kTile) {
      const auto [other_g, other_u] = rows_of(j, std::min(detail::kTile, f - j));
      const Matrix<double> other_w = columns(j, other_g.rows());
      const double copies = i == j ? 1 : 2;  // the tile below the diagonal is this one, transposed
      Matrix<double> left = g * other_g.transpose(), right = u * other_u.transpose();
      left.array() *= right.array();
      product += copies * (w * left).cwiseProduct(other_w).rowwise().sum();
      left.noalias() = g * other_u.transpose();
      right.noalias() = u * other_g.transpose();
      left.array() *= right.array();
      crossed += copies * (w * left).cwiseProduct(other_w).rowwise().sum();
      if (progress) progress(++done, total);
    }
  });
  const auto shapes = neuron_rows(view);
  const Vector<double> lengths = shapes.gate.cwiseProduct(shapes.up);
  std::vector<FormNorms> norms;
  for (Index k = 0; k < channels; ++k) {
    const RowVector<double> w = view.down.row(k).template cast<double>();
    const double squares = (product[k] + crossed[k]) / 2;
    const double mass = w.cwiseAbs().dot(lengths.transpose());
    norms.push_back({w.dot(shapes.product.transpose()), std::sqrt(std::max(0.0, squares)),
                     std::sqrt(std::max(0.0, product[k])), mass,
                     detail::norm_rounding(view, mass)});
  }
  return norms;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template FormNorms form_norms(const QuadraticForm<float>&);
extern template FormNorms form_norms(const QuadraticForm<double>&);
extern template std::vector<FormNorms> form_norms(const FeedForwardView<float>&, const Progress&);
extern template std::vector<FormNorms> form_norms(const FeedForwardView<double>&, const Progress&);
#endif

}  // namespace plumb::spike
