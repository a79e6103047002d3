#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

/// Singular values of rows that are taken as they are, not centred: how many dimensions a set of
/// vectors fills.
namespace plumb::collapse {

/// gram: eigenvalues of A'A (or A A', the smaller). Fast, and right to sqrt(u) ||A||, u = 2^-53:
///       smaller values drown.
/// qr:   QR, then rotations of pairs of rows of R until all are orthogonal (one-sided Jacobi).
///       Right to a modest multiple of n u ||A||.
enum class Route { gram, qr };

namespace detail {

/// Descending, and with what rounding pushed below zero at zero.
inline Vector<double> roots_descending(const Vector<double>& eigenvalues) {
  return eigenvalues.cwiseMax(0.0).cwiseSqrt().reverse();
}

/// Turns pairs of rows until all are orthogonal; their norms are then the singular values.
inline Vector<double> jacobi_singular_values(Matrix<double> rows) {
  constexpr int kSweeps = 60;  // it converges quadratically: about ten do
  constexpr double kUnit = std::numeric_limits<double>::epsilon();
  bool turned = true;
  for (int sweep = 0; turned && sweep < kSweeps; ++sweep) {
    turned = false;
    for (Index p = 0; p < rows.rows(); ++p) {
      for (Index q = p + 1; q < rows.rows(); ++q) {
        const double a = rows.row(p).squaredNorm(), b = rows.row(q).squaredNorm();
        const double product = rows.row(p).dot(rows.row(q));
        if (std::abs(product) <= kUnit * std::sqrt(a) * std::sqrt(b)) continue;
        turned = true;
        const double zeta = (b - a) / (2 * product);
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::hypot(1.0, zeta));
        const double cosine = 1 / std::hypot(1.0, t), sine = cosine * t;
        const RowVector<double> first = rows.row(p);
        rows.row(p) = cosine * first - sine * rows.row(q);
        rows.row(q) = sine * first + cosine * rows.row(q);
      }
    }
  }
  Vector<double> norms = rows.rowwise().norm();
  std::sort(norms.begin(), norms.end(), std::greater<>());
  return norms;
}

}  // namespace detail

/// The min(rows, columns) singular values of A, descending. Throws shape_error when A is empty.
/// Cost: rows * columns * min(rows, columns), and the cube of the last.
inline Vector<double> singular_values(const MatrixRef<double>& a, Route route = Route::gram) {
  if (a.size() == 0) throw shape_error("singular_values: the matrix is empty");
  Matrix<double> tall = a;
  if (a.rows() < a.cols()) tall = a.transpose();
  if (route == Route::gram) {
    const Matrix<double> gram = tall.transpose() * tall;
    return detail::roots_descending(symmetric_eigenvalues<double>(gram));
  }
  return detail::jacobi_singular_values(triangular_factor<double>(tall));
}

/// ||A||_2, the largest singular value.
inline double spectral_norm(const MatrixRef<double>& a) { return singular_values(a)[0]; }

/// How many dimensions singular values fill.
struct Spectrum {
  Vector<double> singular_values;  ///< descending
  double effective_rank;       ///< exp(entropy of sigma_i / sum sigma), Roy and Vetterli 2007: 1..n
  double participation_ratio;  ///< (sum sigma^2)^2 / sum sigma^4: 1..n
  Index rank_99;               ///< the fewest values that hold 99 % of sum sigma^2

  /// sigma_2 / sigma_1; 0 where there is no second.
  double second_share() const {
    return singular_values.size() < 2 || singular_values[0] == 0
               ? 0
               : singular_values[1] / singular_values[0];
  }
};

/// Share of sum sigma^2 that a leading subspace holds.
inline constexpr double kEnergy = 0.99;

namespace detail {

inline Index rank_of_energy(const Vector<double>& values) {
  const double wanted = kEnergy * values.squaredNorm();
  double held = 0;
  Index rank = 0;
  while (rank < values.size() && held < wanted) {
    held += values[rank] * values[rank];
    ++rank;
  }
  return rank;
}

}  // namespace detail

/// All three measures are 0 when every value is. `values` are descending and not negative.
inline Spectrum spectrum_of(Vector<double> values) {
  Spectrum s{std::move(values), 0, 0, 0};
  const double largest = s.singular_values.size() == 0 ? 0 : s.singular_values[0];
  if (largest == 0) return s;
  const Vector<double> share = s.singular_values / s.singular_values.sum();
  double entropy = 0;
  for (const double p : share) entropy -= p > 0 ? p * std::log(p) : 0;
  s.effective_rank = std::exp(entropy);
  const Vector<double> squares = (s.singular_values / largest).cwiseAbs2();
  s.participation_ratio = squares.sum() * squares.sum() / squares.squaredNorm();
  s.rank_99 = detail::rank_of_energy(s.singular_values);
  return s;
}

inline Spectrum spectrum(const MatrixRef<double>& rows, Route route = Route::gram) {
  return spectrum_of(singular_values(rows, route));
}

/// A set of vectors by what is needed of it: their Gram matrix sum x'x (n, n), which adds up over
/// batches.
inline Spectrum spectrum_of_gram(const MatrixRef<double>& gram) {
  require_size("spectrum_of_gram", "columns", gram.cols(), gram.rows());
  return spectrum_of(detail::roots_descending(symmetric_eigenvalues<double>(gram)));
}

/// Orthonormal rows (rank, n) that span the fewest leading directions with 99 % of the energy of a
/// Gram matrix (n, n). No rows for a zero matrix.
inline Matrix<double> leading_subspace(const MatrixRef<double>& gram) {
  require_size("leading_subspace", "columns", gram.cols(), gram.rows());
  const auto [values, vectors] = symmetric_eigen<double>(gram);
  const Index rank = detail::rank_of_energy(detail::roots_descending(values));
  return vectors.rightCols(rank).rowwise().reverse().transpose();
}

/// Principal angles in radians, ascending, between the spans of two sets of orthonormal rows; as
/// many as the smaller has rows. Cosines are singular values of A B', sines those of A - (A B') B,
/// so that small and right angles are both exact to a few roundings (Björck and Golub 1973).
/// Throws shape_error when rows differ in size.
inline Vector<double> principal_angles(const MatrixRef<double>& a, const MatrixRef<double>& b) {
  require_size("principal_angles", "columns of b", b.cols(), a.cols());
  if (a.rows() > b.rows()) return principal_angles(b, a);
  if (a.rows() == 0) return {};
  const Matrix<double> inner = a * b.transpose();
  const Matrix<double> outer = a - inner * b;
  const Vector<double> cosines = singular_values(inner, Route::qr);
  const Vector<double> sines = singular_values(outer, Route::qr);
  Vector<double> angles(a.rows());
  for (Index i = 0; i < angles.size(); ++i) {
    angles[i] = std::atan2(sines[angles.size() - 1 - i], cosines[i]);
  }
  return angles;
}

}  // namespace plumb::collapse
