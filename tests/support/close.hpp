#pragma once

#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>

#include "plumb/core/linalg.hpp"

/// How far a result may be from what it should be. Allowances are derived, never tuned: a number
/// of roundings, times the unit roundoff, times the size of what was rounded.
namespace plumb::test {

/// Unit roundoff u of T: half the distance from 1 to the next number.
template <class T>
inline constexpr double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;

/// gamma_n = n u / (1 - n u): the relative error of n roundings, one after the other.
template <class T>
double gamma(double roundings) {
  return roundings * unit<T> / (1 - roundings * unit<T>);
}

/// Roundings of a dot product of length n in any order, and of a few factors around it.
inline double roundings(Index length) { return static_cast<double>(length) + 4; }

namespace detail {

inline std::string mismatch(const Matrix<double>& got, const Matrix<double>& want,
                            const Matrix<double>& allowance) {
  std::ostringstream text;
  text.precision(17);
  if (got.rows() != want.rows() || got.cols() != want.cols()) {
    text << got.rows() << " x " << got.cols() << " instead of " << want.rows() << " x "
         << want.cols();
    return text.str();
  }
  for (Index i = 0; i < got.rows(); ++i) {
    for (Index j = 0; j < got.cols(); ++j) {
      const bool equal = got(i, j) == want(i, j);  // infinities, and an allowance of 0
      if (equal || std::abs(got(i, j) - want(i, j)) <= allowance(i, j)) continue;
      text << "(" << i << ", " << j << ") is " << got(i, j) << " instead of " << want(i, j)
           << ", off by " << std::abs(got(i, j) - want(i, j)) << " where " << allowance(i, j)
           << " is allowed";
      return text.str();
    }
  }
  return {};
}

}  // namespace detail

/// Empty when each entry of `got` is within `allowance` of that of `want`, else what is wrong
/// first. NaN is near nothing. For CHECK and RC_ASSERT alike: mismatch(...) == "".
template <class Got, class Want>
std::string mismatch(const Eigen::MatrixBase<Got>& got, const Eigen::MatrixBase<Want>& want,
                     double allowance) {
  return detail::mismatch(got.template cast<double>(), want.template cast<double>(),
                          Matrix<double>::Constant(got.rows(), got.cols(), allowance));
}

/// The same with an allowance for each entry.
template <class Got, class Want>
std::string mismatch(const Eigen::MatrixBase<Got>& got, const Eigen::MatrixBase<Want>& want,
                     const Matrix<double>& allowance) {
  if (allowance.rows() != got.rows() || allowance.cols() != got.cols()) {
    return "the allowance has another shape";
  }
  return detail::mismatch(got.template cast<double>(), want.template cast<double>(), allowance);
}

/// Empty when both are equal entry by entry.
template <class Got, class Want>
std::string difference(const Eigen::MatrixBase<Got>& got, const Eigen::MatrixBase<Want>& want) {
  return mismatch(got, want, 0);
}

/// The same for numbers.
inline std::string mismatch(double got, double want, double allowance) {
  return mismatch(Vector<double>::Constant(1, got), Vector<double>::Constant(1, want), allowance);
}

}  // namespace plumb::test
