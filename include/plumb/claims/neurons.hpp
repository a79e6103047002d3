#pragma once

#include <cmath>
#include <cstddef>
#include <utility>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/core/dense.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/trace/layer_run.hpp"

/// The neurons of a gated block as one output channel sees them, and their quadratic form S_k,
/// x' S_k x = sum_j w_kj (g_j.x)(u_j.x): what claims about feed-forward blocks are written with,
/// and where they find their inputs.
namespace plumb::claims {

/// The neurons of a block as one output channel k sees them.
template <class S>
struct Neurons {
  Matrix<S> gate;  ///< g_j (f, d)
  Matrix<S> up;    ///< u_j (f, d)
  Vector<S> down;  ///< w_kj (f)
};

/// x' S_k y = sum_j w_j [(g_j.x)(u_j.y) + (u_j.x)(g_j.y)] / 2
template <class S>
S form_between(const Neurons<S>& neurons, const Vector<S>& x, const Vector<S>& y) {
  const Vector<S> gx = product<S>(neurons.gate, x), gy = product<S>(neurons.gate, y);
  const Vector<S> ux = product<S>(neurons.up, x), uy = product<S>(neurons.up, y);
  S sum(0);
  for (Index j = 0; j < gx.size(); ++j) {
    sum += neurons.down[j] * (gx[j] * uy[j] + ux[j] * gy[j]);
  }
  return sum / S(2);
}

/// x' S_k x = sum_j w_j (g_j.x)(u_j.x)
template <class S>
S form_value(const Neurons<S>& neurons, const Vector<S>& x) {
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  S sum(0);
  for (Index j = 0; j < z.size(); ++j) sum += neurons.down[j] * z[j] * y[j];
  return sum;
}

/// S_k x = sum_j w_j [g_j (u_j.x) + u_j (g_j.x)] / 2
template <class S>
Vector<S> form_times(const Neurons<S>& neurons, const Vector<S>& x) {
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  Vector<S> result(x.size());
  for (Index i = 0; i < x.size(); ++i) {
    S sum(0);
    for (Index j = 0; j < z.size(); ++j) {
      sum += neurons.down[j] * (neurons.gate(j, i) * y[j] + neurons.up(j, i) * z[j]);
    }
    result[i] = sum / S(2);
  }
  return result;
}

/// sum_j |w_j| ||g_j|| ||u_j||, which bounds ||S_k||_F and |F_k(x)| / ||x||^2.
template <class S>
S mass(const Neurons<S>& neurons) {
  using std::abs;
  S sum(0);
  for (Index j = 0; j < neurons.down.size(); ++j) {
    sum += abs(neurons.down[j]) * norm<S>(row<S>(neurons.gate, j)) * norm<S>(row<S>(neurons.up, j));
  }
  return sum;
}

/// ||S_k||_F^2 without S_k: sum_ij w_i w_j [(g_i.g_j)(u_i.u_j) + (g_i.u_j)(u_i.g_j)] / 2.
template <class S>
S form_squares(const Neurons<S>& neurons) {
  S sum(0);
  for (Index i = 0; i < neurons.down.size(); ++i) {
    const Vector<S> gi = row<S>(neurons.gate, i), ui = row<S>(neurons.up, i);
    const Vector<S> gg = product<S>(neurons.gate, gi), gu = product<S>(neurons.gate, ui);
    const Vector<S> ug = product<S>(neurons.up, gi), uu = product<S>(neurons.up, ui);
    for (Index j = 0; j < gg.size(); ++j) {
      sum += neurons.down[i] * neurons.down[j] * (gg[j] * uu[j] + ug[j] * gu[j]);
    }
  }
  return sum / S(2);
}

/// A bound of the rounding of F_k(x), or of x' S_k x, in double and in any order of summation:
///   1.01 sum_j |w_j| [1.13 a_j (|y_j| + b_j) + |z_j| b_j + (16 u + gamma_f) |z_j y_j|],
/// a_j = gamma_{d+2} |g_j|.|x|, b_j likewise for u_j. 1.13 bounds |act'|, 16 units an activation.
inline double write_rounding(const Neurons<double>& neurons, const Vector<double>& x) {
  const double unit = gamma(x.size() + 2), order = gamma(neurons.down.size() + 2);
  const Vector<double> size = x.cwiseAbs();
  const Vector<double> z = (neurons.gate * x).cwiseAbs(), y = (neurons.up * x).cwiseAbs();
  const Vector<double> a = unit * (neurons.gate.cwiseAbs() * size);
  const Vector<double> b = unit * (neurons.up.cwiseAbs() * size);
  double sum = 0;
  for (Index j = 0; j < z.size(); ++j) {
    sum += std::abs(neurons.down[j]) *
           (1.13 * a[j] * (y[j] + b[j]) + z[j] * b[j] + (16 * kUnit + order) * z[j] * y[j]);
  }
  return 1.01 * sum;
}

/// All eigenvalues of a symmetric matrix, ascending, with their vectors as columns, and a bound of
/// the error of each eigenvalue, measured: never the word of the solver.
struct Spectrum {
  Vector<double> values;
  Matrix<double> vectors;
  double error = 0;
};

/// `formed`: what the matrix itself is off by, in norm. The error adds ||S V - V L||_F and
/// ||V'V - 1||_F ||L||, with the rounding of these products. Cost: O(d^3).
inline Spectrum spectrum_of(const Matrix<double>& form, double formed) {
  auto [values, vectors] = symmetric_eigen<double>(form);
  const double size = values.cwiseAbs().maxCoeff();
  const Matrix<double> rest = form * vectors - vectors * values.asDiagonal();
  const Matrix<double> skew =
      vectors.transpose() * vectors - Matrix<double>::Identity(form.rows(), form.rows());
  const double error = formed + 1.1 * (rest.norm() + skew.norm() * size) +
                       4 * gamma(form.rows() * form.rows()) * size;
  return {std::move(values), std::move(vectors), error};
}

namespace detail {

/// gamma of the roundings in x' S_k x or ||S_k v||, times what they are relative to.
inline double form_rounding(const Neurons<double>& neurons, double squared_norm) {
  return gamma(2 * (neurons.gate.cols() + neurons.down.size()) + 16) * mass(neurons) * squared_norm;
}

inline bool is_unit(const Vector<double>& v) {
  return std::abs(v.norm() - 1) <= gamma(v.size() + 8);
}

inline bool fit(const Neurons<double>& neurons, const Vector<double>& x) {
  const Index f = neurons.down.size(), d = x.size();
  return d > 0 && neurons.gate.rows() == f && neurons.up.rows() == f && neurons.gate.cols() == d &&
         neurons.up.cols() == d;
}

/// The neuron that writes most into a channel at x.
inline Index strongest(const Neurons<double>& neurons, const Vector<double>& x) {
  Index j = 0;
  const Vector<double> z = neurons.gate * x, y = neurons.up * x;
  neurons.down.cwiseProduct(z).cwiseProduct(y).cwiseAbs().maxCoeff(&j);
  return j;
}

/// The unit bisector of the gate and up rows of the neuron that writes most at x, on the side
/// that its product opens: nearly the leading eigenvector where one neuron rules a channel.
inline Vector<double> bisector(const Neurons<double>& neurons, const Vector<double>& x) {
  const Index j = strongest(neurons, x);
  const Vector<double> g = neurons.gate.row(j), u = neurons.up.row(j);
  const Vector<double> b = g.stableNormalized() + (g.dot(u) < 0 ? -1 : 1) * u.stableNormalized();
  return b.isZero(0) ? Vector<double>(Vector<double>::Unit(x.size(), 0)) : b.stableNormalized();
}

/// Calls body(row, channel, where) for the rows of a layer's block and the `channels` channels that
/// it writes most into there.
template <class Body>
void for_each_notable_write(const FeedForwardRows& rows, Index layer, Index channels,
                            const Body& body) {
  for (std::size_t p = 0; p < rows.positions.size(); ++p) {
    const auto row = static_cast<Index>(p);
    for (const Index channel : largest_channels(rows.write.row(row), channels)) {
      body(row, channel,
           Where{.layer = layer,
                 .block = Block::feed_forward,
                 .channel = channel,
                 .position = rows.positions[p]});
    }
  }
}

/// One channel of one layer at a notable position.
struct FormSite {
  const FeedForwardRows& rows;
  const spike::QuadraticForm<double>& form;
  const Neurons<double>& neurons;  ///< gain folded in
  Index row;
  Index channel;

  Vector<double> x() const { return rows.ungained.row(row).transpose(); }
  double write() const { return rows.write(row, channel); }
  double formed() const { return gamma(neurons.down.size() + 8) * mass(neurons); }
  Spectrum spectrum() const { return spectrum_of(form.dense(), formed()); }
};

/// What is looked at: the two channels with the largest writes at each notable position, or the
/// largest alone, where a spectrum is made at O(d^3), in models of a width up to 256.
enum class Reads { writes, spectra };
inline constexpr Index kWidestSpectrum = 256;

/// Visits what make(site) says of the forms of a layer; where its block has none, once an In with
/// the obstacle.
template <class In, class T, class Visit, class Make>
void visit_forms(const LayerRun<T>& run, Reads reads, const Visit& visit, const Make& make) {
  const Index width = run.weights.feed_forward.up.cols();
  const bool spectra = reads == Reads::spectra;
  if (spectra && (width < 2 || width > kWidestSpectrum)) return;
  const FeedForwardRows rows = feed_forward_rows(run);
  if (rows.obstacle) {
    In in;
    in.obstacle = rows.obstacle;
    return visit(in, Where{.layer = run.layer, .block = Block::feed_forward});
  }
  const spike::FeedForwardView<double> view(rows.block, rows.gain);
  Neurons<double> neurons{
      rows.block.gate * rows.gain.asDiagonal(), rows.block.up * rows.gain.asDiagonal(), {}};
  for_each_notable_write(rows, run.layer, spectra ? 1 : 2,
                         [&](Index row, Index channel, const Where& where) {
                           const auto form = spike::quadratic_form(view, channel);
                           neurons.down = rows.block.down.row(channel);
                           visit(make(FormSite{rows, form, neurons, row, channel}), where);
                         });
}

}  // namespace detail

}  // namespace plumb::claims
