#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::spike {

/// An eigenpair of the operator as a Krylov space shows it: the value theta and the unit vector
/// v = sum_i coordinates_i v_i. An eigenvalue lies within `bound` = |S v - theta v| of theta.
struct RitzPair {
  double value = 0;
  double bound = 0;
  Vector<double> coordinates;
};

/// Both ends of the spectrum, each with the pair next to it. Values lie within the true spectrum:
/// they are seen from inside. In a space of one or two the four are the same one or two.
struct SpectrumEnds {
  RitzPair low, second_low, second_high, high;
};

namespace detail {

/// The unit eigenvector of a symmetric tridiagonal matrix for its eigenvalue theta, by the twisted
/// factorisation: from both ends towards the entry where they disagree least, so that neither
/// recurrence runs in the direction in which it is unstable. O(size).
inline Vector<double> tridiagonal_vector(const Vector<double>& diagonal, const Vector<double>& side,
                                         double theta) {
  const Index n = diagonal.size();
  const double scale = diagonal.cwiseAbs().maxCoeff() + (n > 1 ? side.cwiseAbs().maxCoeff() : 0);
  const double least =
      std::numeric_limits<double>::epsilon() * scale + std::numeric_limits<double>::min();
  const auto nonzero = [&](double pivot) {
    return std::abs(pivot) < least ? std::copysign(least, pivot) : pivot;
  };
  Vector<double> down(n), up(n);
  for (Index i = 0; i < n; ++i) {
    const double coupled = i == 0 ? 0 : side[i - 1] * side[i - 1] / down[i - 1];
    down[i] = nonzero(diagonal[i] - theta - coupled);
  }
  for (Index i = n - 1; i >= 0; --i) {
    const double coupled = i == n - 1 ? 0 : side[i] * side[i] / up[i + 1];
    up[i] = nonzero(diagonal[i] - theta - coupled);
  }
  Index twist = 0;
  (down + up - diagonal + Vector<double>::Constant(n, theta)).cwiseAbs().minCoeff(&twist);
  Vector<double> v = Vector<double>::Zero(n);
  v[twist] = 1;
  for (Index i = twist - 1; i >= 0; --i) v[i] = -side[i] * v[i + 1] / down[i];
  for (Index i = twist + 1; i < n; ++i) v[i] = -side[i - 1] * v[i - 1] / up[i];
  return v.stableNormalized();
}

/// A Gaussian vector, the same for the same seed.
inline Vector<double> random_vector(Index size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  return Vector<double>::NullaryExpr(size, [&] { return normal(engine); });
}

}  // namespace detail

/// Lanczos with full reorthogonalisation for a symmetric operator that the caller applies:
///
///   Lanczos<double> lanczos(start, steps);
///   while (!lanczos.exhausted()) lanczos.advance(apply(lanczos.next()));
///   const SpectrumEnds ends = lanczos.ends();
///
/// so that one loop can serve many operators at once. Computes in S; the tridiagonal matrix is kept
/// and solved in double. Memory grows with the steps taken, steps * size numbers; a step costs
/// 4 * steps * size multiplications beside the application.
template <class S>
class Lanczos {
 public:
  /// Throws shape_error for an empty start. A start of zero or with NaN makes finite() false.
  Lanczos(const Vector<S>& start, Index most_steps)
      : most_steps_(std::min(most_steps, start.size())) {
    if (start.size() == 0) throw shape_error("Lanczos: start is empty");
    basis_.resize(std::min<Index>(kGrowth, most_steps_ + 1), start.size());
    const S norm = start.stableNorm();
    finite_ = std::isfinite(norm) && norm > S(0);
    basis_.row(0) = finite_ ? RowVector<S>(start.transpose() / norm)
                            : RowVector<S>(RowVector<S>::Unit(start.size(), 0));
  }

  Index steps() const { return steps_; }
  Index size() const { return basis_.cols(); }
  bool finite() const { return finite_; }

  /// No further step is possible or allowed: the space is invariant, or the steps are used up.
  bool exhausted() const { return !finite_ || invariant_ || steps_ == most_steps_; }

  /// The Krylov space is invariant to rounding: its Ritz values are eigenvalues.
  bool invariant() const { return invariant_; }

  /// The unit vector to apply the operator to next.
  Vector<S> next() const { return basis_.row(steps_).transpose(); }

  /// Takes the operator applied to next().
  void advance(Vector<S> product) {
    const auto basis = basis_.topRows(steps_ + 1);
    S alpha = basis_.row(steps_).dot(product.transpose());
    product -= alpha * basis_.row(steps_).transpose();
    if (steps_ > 0) product -= static_cast<S>(side_.back()) * basis_.row(steps_ - 1).transpose();
    S beta = product.norm();
    for (int pass = 0; pass < 2; ++pass) {
      const S before = beta;
      const Vector<S> overlap = basis * product;
      product.noalias() -= basis.transpose() * overlap;
      alpha += overlap[steps_];
      beta = product.norm();
      if (beta > before / 2) break;  // else what is left is as small as its errors: once more
    }
    finite_ = std::isfinite(alpha) && std::isfinite(beta);
    if (!finite_) return;
    diagonal_.push_back(static_cast<double>(alpha));
    side_.push_back(static_cast<double>(beta));
    scale_ = std::max({scale_, std::abs(diagonal_.back()), side_.back()});
    ++steps_;
    constexpr double kRounding = 16 * std::numeric_limits<S>::epsilon();
    invariant_ = side_.back() <= kRounding * scale_;
    if (exhausted()) return;
    if (steps_ == basis_.rows()) {
      basis_.conservativeResize(std::min(2 * steps_, most_steps_ + 1), Eigen::NoChange);
    }
    basis_.row(steps_) = product.transpose() / beta;
  }

  /// After at least one step. Cost: O(steps^2).
  SpectrumEnds ends() const {
    const Eigen::Map<const Vector<double>> diagonal(diagonal_.data(), steps_);
    const Eigen::Map<const Vector<double>> side(side_.data(), steps_ - 1);
    const Vector<double> values = tridiagonal_eigenvalues<double>(diagonal, side);
    const auto pair = [&](double theta) -> RitzPair {
      Vector<double> v = detail::tridiagonal_vector(diagonal, side, theta);
      const double bound = side_.back() * std::abs(v[steps_ - 1]);
      return {theta, bound, std::move(v)};
    };
    const Index last = steps_ - 1, second = std::min<Index>(1, last);
    return {pair(values[0]), pair(values[second]), pair(values[last - second]), pair(values[last])};
  }

  /// The Ritz vector of these coordinates, unit in double.
  Vector<double> vector(const RitzPair& pair) const {
    Vector<double> v = Vector<double>::Zero(size());
    for (Index i = 0; i < pair.coordinates.size(); ++i) {
      v += pair.coordinates[i] * basis_.row(i).transpose().template cast<double>();
    }
    return v.normalized();
  }

 private:
  static constexpr Index kGrowth = 16;

  Index most_steps_;
  Index steps_ = 0;
  bool finite_ = true;
  bool invariant_ = false;
  double scale_ = 0;              // of the tridiagonal matrix
  Matrix<S> basis_;               // row i is v_i
  std::vector<double> diagonal_;  // alpha
  std::vector<double> side_;      // beta; the last couples to the step not yet taken
};

}  // namespace plumb::spike
