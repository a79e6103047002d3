#include "plumb/claims/min_norm_point.hpp"

#include <Eigen/LU>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/generators.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// Points of any number and dimension, moved away from the origin by some multiple of a direction,
/// with copies and collinear ones among them.
Matrix<double> draw_points() {
  const Index n = *size(24), d = *size(9);
  Matrix<double> points = *bounded_matrix<double>(n, d, 1.0);
  points.rowwise() += *bounded<double>(3) * (*gaussian_vector<double>(d)).transpose();
  return points * *magnitude(1e-6, 1e6);
}

/// The nearest point by brute force: that of every affine hull of up to d + 1 points, where it is
/// in the simplex.
double distance_by_subsets(const Matrix<double>& points) {
  const auto n = static_cast<std::size_t>(points.rows());
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t subset = 1; subset < (std::size_t{1} << n); ++subset) {
    Matrix<double> chosen(0, points.cols());
    for (std::size_t i = 0; i < n; ++i) {
      if ((subset >> i & 1) == 0) continue;
      chosen.conservativeResize(chosen.rows() + 1, Eigen::NoChange);
      chosen.row(chosen.rows() - 1) = points.row(static_cast<Index>(i));
    }
    const Index k = chosen.rows();
    Matrix<double> system = Matrix<double>::Zero(k + 1, k + 1);
    system.topLeftCorner(k, k) = chosen * chosen.transpose();
    system.row(k).head(k).setOnes();
    system.col(k).head(k).setOnes();
    const Vector<double> weights = system.fullPivLu().solve(Vector<double>::Unit(k + 1, k)).head(k);
    if (weights.minCoeff() < -1e-9 || std::abs(weights.sum() - 1) > 1e-9) continue;
    least = std::min(least, (chosen.transpose() * weights).norm());
  }
  return least;
}

}  // namespace

TEST_CASE("the point is in the hull and the certificate proves that none is nearer") {
  property("any points", [] {
    const Matrix<double> points = draw_points();
    const auto found = min_norm_point(points);
    const double size = points.rowwise().norm().maxCoeff();
    RC_ASSERT(found.converged);
    RC_ASSERT(found.weights.minCoeff() >= 0);
    RC_ASSERT(std::abs(found.weights.sum() - 1) <= 1e-12);
    RC_ASSERT((points.transpose() * found.weights - found.point).norm() <= 1e-12 * size);
    RC_ASSERT(found.gap >= 0);
    RC_ASSERT(found.gap <= kGapRounding * size * size);
    // ||x||^2 - gap = min p.x = least ||x||, and least <= dist <= ||x||.
    RC_ASSERT(found.least <= found.distance() + 1e-12 * size);
    RC_ASSERT(found.distance() * found.distance() - found.gap <=
              found.least * found.distance() + 1e-12 * size * size);
  });
}

TEST_CASE("the same distance as by all subsets of points") {
  property("few points", [] {
    const Index n = *size(7), d = *size(4);
    Matrix<double> points = *bounded_matrix<double>(n, d, 1.0);
    points.rowwise() += (*bounded_vector<double>(d, 1.0)).transpose();
    // The distance of a point whose gap is g is off by at most sqrt(g).
    RC_ASSERT(std::abs(min_norm_point(points).distance() - distance_by_subsets(points)) <= 1e-6);
  });
}

TEST_CASE("known hulls") {
  // A segment whose nearest point is inside it, one where it is an end, and a triangle about 0.
  CHECK(min_norm_point(Matrix<double>{{1, 1}, {1, -3}}).point.isApprox(Vector<double>{{1, 0}}));
  CHECK(min_norm_point(Matrix<double>{{1, 1}, {2, 5}}).point.isApprox(Vector<double>{{1, 1}}));
  const auto about = min_norm_point(Matrix<double>{{1, 0}, {-1, 1}, {-1, -1}});
  CHECK(about.distance() <= 1e-15);
  CHECK(about.least <= 1e-15);
  CHECK(min_norm_point(Matrix<double>{{3, 4}}).least == Approx(5));
  CHECK(min_norm_point(Matrix<double>::Zero(3, 2)).distance() == 0);
  // Copies and a point on the segment of two others.
  CHECK(min_norm_point(Matrix<double>{{2, 1}, {2, 1}, {2, -1}, {2, 0}}).distance() == Approx(2));
}

TEST_CASE("no points") {
  CHECK_THROWS_AS(min_norm_point(Matrix<double>(0, 3)), plumb::shape_error);
}
