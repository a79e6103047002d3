#pragma once

#include <cmath>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/quadratic_form.hpp"

/// How much of F_k(x) is the law lambda (s.x)^2, and what bounds the rest.
namespace plumb::spike {

/// |act(z) - max(z, 0)| is at most this for SiLU, W with W e^W = 1/e; for both GELUs and ReLU, too.
inline constexpr double kActivationGap = 0.27846454276107380;

/// F_k(x) = lambda (s.x)^2 + [x' S_k x - lambda (s.x)^2] - F_k(-x)   (ours, from act(z) - act(-z) =
/// z) The three terms come from three routes and are not fitted to F_k: the eigenpair; S_k without
/// the eigenpair, applied to x; and the block at -x.
struct Split {
  Obstacle obstacle = Obstacle::none;  ///< if not none, the split does not exist: all is 0
  double value = 0;                    ///< F_k(x) = sum_j w_kj act(z_j) y_j
  double rank_one = 0;                 ///< lambda (s.x)^2
  double spectral = 0;                 ///< x' (S_k - lambda s s') x
  double gating = 0;                   ///< -F_k(-x)
  double quadratic = 0;                ///< x' S_k x = sum_j w_kj z_j y_j
  double mass = 0;          ///< sum_j |w_kj z_j y_j|, to which rounding errors are relative
  double alignment = 0;     ///< cos^2(s, x), in 0 .. 1
  double active = 0;        ///< sum of w_kj z_j y_j over neurons with z_j > 0
  double active_bound = 0;  ///< |value - active| <= sum_j |w_kj y_j| |act(z_j) - max(z_j, 0)|
  double coarse_bound = 0;  ///< and at most kActivationGap * sum_j |w_kj y_j|

  bool applicable() const { return obstacle == Obstacle::none; }

  /// How far the three terms are from adding up to F_k(x): rounding only.
  double discrepancy() const { return std::abs(value - (rank_one + spectral + gating)); }

  /// |F_k(-x)| / |F_k(x)|: near 0 for an amplifier, which is one-sided although x' S_k x is even;
  /// near 1 where gates are half open and F_k is even itself. Infinite for F_k(x) = 0.
  double evenness() const { return gating == 0 ? 0 : std::abs(gating / value); }
};

/// A bound of what lambda (v.x)^2 leaves of x' S_k x, for any unit v and without an eigensolver
/// (ours): with rho = v' S v, e = S v - rho v, a = v.x, q = ||x||^2 - a^2,
///   |x' S x - rho a^2| <= 2 |a| ||e|| sqrt(q) + sqrt(||S||_F^2 - rho^2 - 2 ||e||^2) q = aligned
///                      <= sqrt(||S||_F^2 - rho^2) ||x||^2 = blind
/// The first vanishes as x turns to v. The allowance for rounding of ||S||_F is within the bounds.
struct Certificate {
  double rho = 0;
  double residual = 0;   ///< ||e||
  double rank_one = 0;   ///< rho a^2
  double remainder = 0;  ///< x' S x - rho a^2, what is bounded; from the deflated operator
  double aligned = 0;
  double blind = 0;
};

namespace detail {

/// x' (S - rho v v') x by the deflated operator.
template <class T>
double deflated(const QuadraticForm<T>& form, double rho, const Vector<double>& v,
                const Vector<double>& x) {
  return x.dot(form.apply(x) - rho * v.dot(x) * v);
}

}  // namespace detail

/// Splits F_k at x. `pair` is an eigenpair of the form, but any lambda and unit s give an exact
/// split. Rounding: discrepancy <= (2 gamma_f + 15 u) mass, and gamma_{hidden + f} of the sizes of
/// the products that S_k x adds up. Throws shape_error when x or s do not fit or are not finite.
/// Cost: 4 * hidden * f multiplications twice.
template <class T>
Split split(const QuadraticForm<T>& form, const Eigenpair& pair, const VectorRef<double>& x) {
  detail::require_vector("split", "x", x, form.size());
  detail::require_vector("split", "direction", pair.direction, form.size());
  Split parts;
  parts.obstacle = form.view.obstacle;
  if (!parts.applicable()) return parts;

  const auto at = project(form.view, x);
  const RowVector<double> w = form.weights();
  for (Index j = 0; j < w.size(); ++j) {
    const double z = at.gate[j], y = at.up[j];
    parts.value += w[j] * at.hidden[j];
    // The same z and y as at x: z(-x) = -z(x) to the last bit.
    parts.gating += w[j] * form.view.activation(-z) * y;
    parts.quadratic += w[j] * z * y;
    parts.mass += std::abs(w[j] * z * y);
    if (z > 0) parts.active += w[j] * z * y;
    parts.active_bound += std::abs(w[j] * y) * std::abs(form.view.activation(z) - std::max(z, 0.0));
    parts.coarse_bound += kActivationGap * std::abs(w[j] * y);
  }
  const double along = pair.direction.dot(x), size = x.squaredNorm();
  parts.rank_one = pair.lambda * along * along;
  parts.spectral = detail::deflated<T>(form, pair.lambda, pair.direction, x);
  parts.alignment = size > 0 ? std::min(1.0, along * along / size) : 0;
  if (!std::isfinite(parts.mass) || !std::isfinite(parts.discrepancy())) {
    parts = Split{Obstacle::not_finite};
  }
  return parts;
}

/// `norms` are those of the form. Throws shape_error when v or x do not fit or are not finite, or v
/// is zero. Holds of S_k with any bias; it speaks of F_k only where the split does.
/// Cost: two applications.
template <class T>
Certificate certificate(const QuadraticForm<T>& form, const FormNorms& norms,
                        const VectorRef<double>& v, const VectorRef<double>& x) {
  detail::require_vector("certificate", "v", v, form.size());
  detail::require_vector("certificate", "x", x, form.size());
  const Vector<double> unit = v.stableNormalized();
  if (unit.isZero(0)) throw shape_error("certificate: v is zero");
  const Vector<double> product = form.apply(unit);
  Certificate bound;
  bound.rho = unit.dot(product);
  bound.residual = (product - bound.rho * unit).norm();
  const double along = unit.dot(x);
  const double across = (x - along * unit).norm();  // not by subtraction, which cancels
  bound.rank_one = bound.rho * along * along;
  bound.remainder = detail::deflated<T>(form, bound.rho, unit, x);
  bound.aligned = 2 * std::abs(along) * bound.residual * across +
                  norms.remainder(bound.rho, bound.residual) * across * across;
  bound.blind = norms.remainder(bound.rho, 0) * x.squaredNorm();
  return bound;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Split split(const QuadraticForm<float>&, const Eigenpair&,
                            const VectorRef<double>&);
extern template Split split(const QuadraticForm<double>&, const Eigenpair&,
                            const VectorRef<double>&);
#endif

}  // namespace plumb::spike
