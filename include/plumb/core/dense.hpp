#pragma once

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>

#include "plumb/core/linalg.hpp"

/// The dense solvers of Eigen that plumb needs. They stand behind functions because each takes a
/// compiler seconds: what includes plumb compiles them once, or not at all.
namespace plumb {

/// A V = V diag(values), V'V = 1.
template <class T>
struct SymmetricEigen {
  Vector<T> values;   ///< ascending
  Matrix<T> vectors;  ///< column i belongs to values[i]
};

/// All eigenpairs of a symmetric matrix (n, n), of which the lower triangle is read. Not finite
/// where the matrix is not. Error: a modest multiple of n u ||A||. Cost: about 9 n^3.
template <class T>
SymmetricEigen<T> symmetric_eigen(const MatrixRef<T>& a) {
  const Eigen::SelfAdjointEigenSolver<Matrix<T>> solver(a);
  return {solver.eigenvalues(), solver.eigenvectors()};
}

/// Ascending, as symmetric_eigen. Cost: about 4/3 n^3.
template <class T>
Vector<T> symmetric_eigenvalues(const MatrixRef<T>& a) {
  return Eigen::SelfAdjointEigenSolver<Matrix<T>>(a, Eigen::EigenvaluesOnly).eigenvalues();
}

/// All eigenpairs of the symmetric matrix with this diagonal (n) and, on both sides of it, `side`
/// (n - 1). Cost: about 3 n^3.
template <class T>
SymmetricEigen<T> tridiagonal_eigen(const VectorRef<T>& diagonal, const VectorRef<T>& side) {
  Eigen::SelfAdjointEigenSolver<Matrix<T>> solver;
  solver.computeFromTridiagonal(diagonal, side);
  return {solver.eigenvalues(), solver.eigenvectors()};
}

/// Ascending, as tridiagonal_eigen. Cost: O(n^2).
template <class T>
Vector<T> tridiagonal_eigenvalues(const VectorRef<T>& diagonal, const VectorRef<T>& side) {
  Eigen::SelfAdjointEigenSolver<Matrix<T>> solver;
  solver.computeFromTridiagonal(diagonal, side, Eigen::EigenvaluesOnly);
  return solver.eigenvalues();
}

/// R of A = Q R (rows, columns): upper triangular, (min(rows, columns), columns), R'R = A'A.
template <class T>
Matrix<T> triangular_factor(const MatrixRef<T>& a) {
  const Eigen::HouseholderQR<Matrix<T>> qr(a);
  return qr.matrixQR()
      .topRows(std::min(a.rows(), a.cols()))
      .template triangularView<Eigen::Upper>();
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template SymmetricEigen<double> symmetric_eigen(const MatrixRef<double>&);
extern template Vector<double> symmetric_eigenvalues(const MatrixRef<double>&);
extern template SymmetricEigen<double> tridiagonal_eigen(const VectorRef<double>&,
                                                         const VectorRef<double>&);
extern template Vector<double> tridiagonal_eigenvalues(const VectorRef<double>&,
                                                       const VectorRef<double>&);
extern template Matrix<double> triangular_factor(const MatrixRef<double>&);
#endif

}  // namespace plumb
