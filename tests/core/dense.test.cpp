#include "plumb/core/dense.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

constexpr double kRounding = 1e-13;

Matrix<double> random_matrix(Index rows, Index columns) { return *gaussian<double>(rows, columns); }

Matrix<double> tridiagonal(const Vector<double>& diagonal, const Vector<double>& side) {
  Matrix<double> a = diagonal.asDiagonal();
  for (Index i = 0; i < side.size(); ++i) a(i, i + 1) = a(i + 1, i) = side[i];
  return a;
}

void check_eigen(const Matrix<double>& a, const SymmetricEigen<double>& eigen) {
  const Index n = a.rows();
  const double room = kRounding * static_cast<double>(n) * (1 + a.norm());
  const Matrix<double>& v = eigen.vectors;
  RC_ASSERT((a * v - v * eigen.values.asDiagonal()).norm() <= room);
  RC_ASSERT((v.transpose() * v - Matrix<double>::Identity(n, n)).norm() <=
            kRounding * static_cast<double>(n));
  for (Index i = 1; i < n; ++i) RC_ASSERT(eigen.values[i - 1] <= eigen.values[i]);
  RC_ASSERT(std::abs(eigen.values.sum() - a.trace()) <= room);
}

}  // namespace

TEST_CASE("the eigenpairs of a matrix of two are those of its quadratic equation") {
  Matrix<double> a(2, 2);
  a << 2, 3, 3, -1;
  const auto eigen = symmetric_eigen<double>(a);
  const double middle = 0.5, root = std::sqrt(1.5 * 1.5 + 9);
  CHECK(eigen.values[0] == Approx(middle - root).epsilon(1e-14));
  CHECK(eigen.values[1] == Approx(middle + root).epsilon(1e-14));
  // (A - lambda) v = 0: its first row is orthogonal to v.
  const Vector<double> v = eigen.vectors.col(1);
  CHECK(std::abs((2 - eigen.values[1]) * v[0] + 3 * v[1]) < 1e-14);
}

TEST_CASE("only the lower triangle is read") {
  Matrix<double> a(2, 2);
  a << 2, 1000, 3, -1;
  CHECK(symmetric_eigenvalues<double>(a)[1] == Approx(0.5 + std::sqrt(1.5 * 1.5 + 9)));
}

TEST_CASE("eigenpairs satisfy their equation, are orthonormal and ascend") {
  property("for symmetric matrices", [] {
    const Index n = *size(24);
    const Matrix<double> half = random_matrix(n, n);
    const Matrix<double> a = half + half.transpose();
    const auto eigen = symmetric_eigen<double>(a);
    check_eigen(a, eigen);
    const double room = kRounding * static_cast<double>(n) * (1 + a.norm());
    RC_ASSERT((symmetric_eigenvalues<double>(a) - eigen.values).norm() <= room);
  });
  property("for tridiagonal ones", [] {
    const Index n = *size(24);
    const Vector<double> diagonal = random_matrix(n, 1), side = random_matrix(n, 1).topRows(n - 1);
    const Matrix<double> a = tridiagonal(diagonal, side);
    const auto eigen = tridiagonal_eigen<double>(diagonal, side);
    check_eigen(a, eigen);
    const double room = kRounding * static_cast<double>(n) * (1 + a.norm());
    RC_ASSERT((tridiagonal_eigenvalues<double>(diagonal, side) - eigen.values).norm() <= room);
  });
}

TEST_CASE("a triangular factor is triangular and has the Gram matrix of A") {
  property("for tall and wide matrices", [] {
    const Index rows = *size(24), columns = *size(24);
    const Matrix<double> a = random_matrix(rows, columns);
    const Matrix<double> r = triangular_factor<double>(a);
    RC_ASSERT(r.rows() == std::min(rows, columns));
    RC_ASSERT(r.cols() == columns);
    for (Index i = 0; i < r.rows(); ++i) {
      for (Index j = 0; j < i; ++j) RC_ASSERT(r(i, j) == 0);
    }
    RC_ASSERT((r.transpose() * r - a.transpose() * a).norm() <=
              kRounding * static_cast<double>(rows + columns) * (1 + a.squaredNorm()));
  });
}

TEST_CASE("what is not finite stays so") {
  Matrix<double> a = Matrix<double>::Identity(3, 3);
  a(1, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(symmetric_eigenvalues<double>(a).allFinite());
  CHECK_FALSE(triangular_factor<double>(a).allFinite());
}
