#pragma once

#include <cmath>
#include <optional>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

/// What normalisation makes of a spike: bounded, sparse, nearly constant vectors, whose keys lie in
/// a few dimensions (paper section 3.2). Everything here is computed in double.
namespace plumb::collapse {

/// The angle between two vectors in [0, pi], as 2 atan2(||a^ - b^||, ||a^ + b^||) of the unit
/// vectors: a form by chords, exact to a few roundings at every angle, where acos of a dot product
/// loses half of the digits near 0 and pi. Absent when a vector is zero.
/// Throws shape_error when sizes differ.
inline std::optional<double> angle(const VectorRef<double>& a, const VectorRef<double>& b) {
  require_size("angle", "size of b", b.size(), a.size());
  if (a.isZero(0) || b.isZero(0)) return std::nullopt;
  const Vector<double> u = a.stableNormalized(), v = b.stableNormalized();
  return 2 * std::atan2((u - v).norm(), (u + v).norm());
}

/// The cosine of that angle, by a dot product of unit vectors. Absent when a vector is zero.
inline std::optional<double> cosine(const VectorRef<double>& a, const VectorRef<double>& b) {
  require_size("cosine", "size of b", b.size(), a.size());
  if (a.isZero(0) || b.isZero(0)) return std::nullopt;
  return a.stableNormalized().dot(b.stableNormalized());
}

/// H = (h, sqrt(d eps)), d the size of h (ours). RMSNorm with eps is the plain sphere map of H with
/// its last coordinate dropped: u = sqrt(d) [H / ||H||], ||H|| = sqrt(d) rho. Dropping a coordinate
/// brings points no farther apart, so a bound on distances that holds without eps holds with it,
/// once h is replaced by H.
inline Vector<double> lift(const VectorRef<double>& h, double eps) {
  Vector<double> lifted(h.size() + 1);
  lifted << h, std::sqrt(static_cast<double>(h.size()) * eps);
  return lifted;
}

/// The mean cosine over all pairs of rows that are not zero: (||sum of the m unit rows||^2 - m) /
/// (m (m - 1)). Absent when fewer than two rows are not zero. Cost: O(rows * columns).
inline std::optional<double> mean_pairwise_cosine(const MatrixRef<double>& rows) {
  RowVector<double> sum = RowVector<double>::Zero(rows.cols());
  double count = 0;
  for (Index t = 0; t < rows.rows(); ++t) {
    if (rows.row(t).isZero(0)) continue;
    sum += rows.row(t).stableNormalized();
    count += 1;
  }
  if (count < 2) return std::nullopt;
  return (sum.squaredNorm() - count) / (count * (count - 1));
}

}  // namespace plumb::collapse
