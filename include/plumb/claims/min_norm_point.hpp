#pragma once

#include <Eigen/Cholesky>
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::claims {

/// The point of a convex hull that is nearest to the origin, and how sure that is.
struct MinNormPoint {
  Vector<double> point;    ///< x, in the hull
  Vector<double> weights;  ///< of the points, >= 0 with sum 1: x = sum_j weights_j p_j
  double least = 0;        ///< min_j p_j.x / ||x||: no point of the hull is nearer, if positive. A
                           ///< certificate by itself, however x was found; 0 for x = 0
  double gap = 0;          ///< ||x||^2 - min_j p_j.x >= 0; 0 at the optimum
  bool converged = false;  ///< gap <= kGapRounding max ||p||^2

  double distance() const { return point.norm(); }  ///< of x, so at least that of the hull
};

/// Rounding of the gap beside max ||p||^2, with room for a few dozen steps.
inline constexpr double kGapRounding = 1e-13;

namespace detail {

/// The corral of Wolfe's algorithm: affinely independent points with x in their simplex.
class Corral {
 public:
  Corral(const Matrix<double>& points, Index first) : points_(points), members_{first} {
    weights_ = Vector<double>::Ones(1);
  }

  bool has(Index point) const {
    return std::find(members_.begin(), members_.end(), point) != members_.end();
  }
  Vector<double> point() const {
    Vector<double> x = Vector<double>::Zero(points_.cols());
    for (Index i = 0; i < size(); ++i) x += weights_[i] * points_.row(member(i)).transpose();
    return x;
  }
  Vector<double> weights() const {
    Vector<double> all = Vector<double>::Zero(points_.rows());
    for (Index i = 0; i < size(); ++i) all[member(i)] += weights_[i];
    return all;
  }

  /// Takes a point in and moves x to the nearest point of the affine hull; when that lies outside
  /// the simplex, only to its boundary, where points that have no weight left drop out, and again.
  void add(Index point) {
    members_.push_back(point);
    weights_.conservativeResize(size());
    weights_[size() - 1] = 0;
    while (true) {
      const Vector<double> nearest = affine_weights();
      double step = 1;
      for (Index i = 0; i < size(); ++i) {
        if (nearest[i] > 0 || weights_[i] == nearest[i]) continue;
        step = std::min(step, weights_[i] / (weights_[i] - nearest[i]));
      }
      weights_ += step * (nearest - weights_);
      if (step == 1) return;
      drop();
    }
  }

 private:
  Index size() const { return static_cast<Index>(members_.size()); }
  Index member(Index i) const { return members_[static_cast<std::size_t>(i)]; }

  /// (P P' + 1 1') mu = 1, weights mu / sum mu.
  Vector<double> affine_weights() const {
    Matrix<double> p(size(), points_.cols());
    for (Index i = 0; i < size(); ++i) p.row(i) = points_.row(member(i));
    const Matrix<double> gram =
        p * p.transpose() + Matrix<double>::Ones(size(), size());  // points are of norm <= 1
    const Vector<double> mu = gram.ldlt().solve(Vector<double>::Ones(size()));
    return mu / mu.sum();
  }

  /// Removes the members without weight, at least the one with the least.
  void drop() {
    Index least = 0;
    weights_.minCoeff(&least);
    Index kept = 0;
    for (Index i = 0; i < size(); ++i) {
      if (i == least || weights_[i] <= 0) continue;
      members_[static_cast<std::size_t>(kept)] = member(i);
      weights_[kept++] = weights_[i];
    }
    members_.resize(static_cast<std::size_t>(kept));
    weights_.conservativeResize(kept);
    weights_ /= weights_.sum();
  }

  const Matrix<double>& points_;
  std::vector<Index> members_;
  Vector<double> weights_;
};

}  // namespace detail

/// Wolfe's algorithm (P. Wolfe, Finding the nearest point in a polytope, 1976) on the rows of
/// `points` (n, d): finite in exact arithmetic, usually about min(n, d) steps of n d + min(n, d)^3.
/// Not converged when rounding ends it before the gap is down. Throws shape_error without points.
inline MinNormPoint min_norm_point(const MatrixRef<double>& points) {
  if (points.size() == 0) throw shape_error("min_norm_point: there are no points");
  const double size = points.rowwise().norm().maxCoeff();
  Index nearest = 0;
  points.rowwise().squaredNorm().minCoeff(&nearest);
  const Matrix<double> scaled = size > 0 ? Matrix<double>(points / size) : Matrix<double>(points);

  detail::Corral corral(scaled, nearest);
  MinNormPoint found;
  const Index steps = 10 * (points.rows() + points.cols());
  double square = std::numeric_limits<double>::infinity();
  for (Index step = 0; step < steps; ++step) {
    const Vector<double> x = corral.point();
    Index lowest = 0;
    const double least = (scaled * x).minCoeff(&lowest);
    const double gap = x.squaredNorm() - least;
    if (!(x.squaredNorm() < square)) break;  // no more progress: rounding, or not finite
    square = x.squaredNorm();
    found.point = x * size;
    found.weights = corral.weights();
    found.least = square > 0 ? size * least / x.norm() : 0;
    found.gap = std::max(0.0, gap) * size * size;
    found.converged = gap <= kGapRounding;
    if (found.converged || corral.has(lowest)) break;
    corral.add(lowest);
  }
  return found;
}

}  // namespace plumb::claims
