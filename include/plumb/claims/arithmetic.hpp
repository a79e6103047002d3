#pragma once

#include <cmath>
#include <vector>

#include "plumb/core/linalg.hpp"

/// What the sides of claims are written with: sums that any scalar can take (automatic, interval
/// and symbolic ones too), and the constants of rounding.
namespace plumb::claims {

template <class S>
S dot(const Vector<S>& a, const Vector<S>& b) {
  S sum(0);
  for (Index i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

template <class S>
S sum_of_squares(const Vector<S>& v) {
  return dot<S>(v, v);
}

template <class S>
S norm(const Vector<S>& v) {
  using std::sqrt;
  return sqrt(sum_of_squares<S>(v));
}

/// a .* b
template <class S>
Vector<S> times(const Vector<S>& a, const Vector<S>& b) {
  Vector<S> product(a.size());
  for (Index i = 0; i < a.size(); ++i) product[i] = a[i] * b[i];
  return product;
}

/// The largest |v_i|; for scalars that can be compared.
template <class S>
S max_abs(const Vector<S>& v) {
  using std::abs;
  S greatest(0);
  for (Index i = 0; i < v.size(); ++i) {
    const S size = abs(v[i]);
    if (greatest < size) greatest = size;
  }
  return greatest;
}

/// a + b
template <class S>
Vector<S> plus(const Vector<S>& a, const Vector<S>& b) {
  Vector<S> sum(a.size());
  for (Index i = 0; i < a.size(); ++i) sum[i] = a[i] + b[i];
  return sum;
}

/// a - b
template <class S>
Vector<S> minus(const Vector<S>& a, const Vector<S>& b) {
  Vector<S> difference(a.size());
  for (Index i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return difference;
}

/// x * x
template <class S>
S square(const S& x) {
  return x * x;
}

/// A vector in two: what it has on some channels, and what it has elsewhere. With zeros in between.
template <class S>
struct Parts {
  Vector<S> on, off;
};

template <class S>
Parts<S> split(const Vector<S>& v, const std::vector<Index>& channels) {
  Parts<S> parts{Vector<S>(v.size()), v};
  for (Index i = 0; i < v.size(); ++i) parts.on[i] = S(0);
  for (const Index k : channels) {
    parts.on[k] = v[k];
    parts.off[k] = S(0);
  }
  return parts;
}

/// A whole number as S, by way of double, which every scalar takes.
template <class S>
S count(Index n) {
  return S(static_cast<double>(n));
}

/// m v
template <class S>
Vector<S> product(const Matrix<S>& m, const Vector<S>& v) {
  Vector<S> result(m.rows());
  for (Index i = 0; i < m.rows(); ++i) {
    S sum(0);
    for (Index j = 0; j < m.cols(); ++j) sum += m(i, j) * v[j];
    result[i] = sum;
  }
  return result;
}

/// a + t b
template <class S>
Vector<S> plus(const Vector<S>& a, const S& t, const Vector<S>& b) {
  Vector<S> sum(a.size());
  for (Index i = 0; i < a.size(); ++i) sum[i] = a[i] + t * b[i];
  return sum;
}

/// Row i as a column.
template <class S>
Vector<S> row(const Matrix<S>& m, Index i) {
  Vector<S> result(m.cols());
  for (Index j = 0; j < m.cols(); ++j) result[j] = m(i, j);
  return result;
}

/// max(z, 0) = (z + |z|) / 2
template <class S>
S positive_part(const S& z) {
  using std::abs;
  return (z + abs(z)) / S(2);
}

/// sigma(z) = 1 / (1 + e^-z), without a branch; 0 where e^-z overflows.
template <class S>
S logistic(const S& z) {
  using std::exp;
  return S(1) / (S(1) + exp(S(-z)));
}

/// Unit roundoff of double, 2^-53.
inline constexpr double kUnit = 0x1p-53;

/// gamma_n = n u / (1 - n u): the relative error of n roundings one after the other, in any order
/// of summation, with fused operations or without.
inline double gamma(double n, double unit = kUnit) { return n * unit / (1 - n * unit); }
inline double gamma(Index n, double unit = kUnit) { return gamma(static_cast<double>(n), unit); }

}  // namespace plumb::claims
