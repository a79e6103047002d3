#pragma once

#include <algorithm>
#include <initializer_list>

#include "plumb/claims/neurons.hpp"
#include "plumb/claims/rank_one.hpp"
#include "plumb/model/feed_forward.hpp"
#include "support/generators.hpp"

/// Neurons of one channel, for claims about its quadratic form: drawn, and small ones by hand.
namespace plumb::test {

/// S, entry by entry.
inline Matrix<double> dense(const claims::Neurons<double>& n) {
  const Matrix<double> product = n.gate.transpose() * n.down.asDiagonal() * n.up;
  return (product + product.transpose()) / 2;
}

/// What `dense` may be off by, in norm.
inline double formed(const claims::Neurons<double>& n) {
  return claims::gamma(2 * n.down.size() + 16) * claims::mass(n);
}

/// What a block of one channel makes of x.
inline double written(const claims::Neurons<double>& n, const Vector<double>& x) {
  FeedForward<double> block;
  block.gate = n.gate;
  block.up = n.up;
  block.down = n.down.transpose();
  const Matrix<double> row = x.transpose();
  return block.value(row)(0, 0);
}

/// A unit vector along v.
inline Vector<double> normed(const Vector<double>& v) {
  return v.isZero(0) ? Vector<double>(Vector<double>::Unit(v.size(), 0)) : v.stableNormalized();
}

inline Vector<double> axis(Index size, Index i) { return Vector<double>::Unit(size, i); }

inline Vector<double> vec(std::initializer_list<double> values) {
  Vector<double> v(static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), v.begin());
  return v;
}

/// x beside the end of the spectrum of S that x' S x has the sign of.
inline claims::EigenPoint<double> eigen_point(const claims::Neurons<double>& n,
                                              const Vector<double>& x) {
  const Matrix<double> form = dense(n);
  return claims::detail::eigen_point(claims::spectrum_of(form, formed(n)), x, x.dot(form * x),
                                     claims::detail::form_rounding(n, x.squaredNorm()));
}

/// Gaussian neurons in at least two dimensions, sometimes one of them far stronger than the rest
/// with gate and up rows nearly collinear, of either sign.
inline claims::Neurons<double> draw_neurons() {
  const Index d = *size(7) + 1, f = *size(7);
  claims::Neurons<double> n{*gaussian<double>(f, d), *gaussian<double>(f, d),
                            *gaussian_vector<double>(f)};
  if (*rc::gen::arbitrary<bool>()) {
    const Matrix<double> shared = *gaussian<double>(1, d);
    const double sign = *rc::gen::element(-1.0, 1.0);
    n.gate.row(0) += 3 * shared;
    n.up.row(0) += sign * 3 * shared;
    n.down[0] *= 10;
  }
  return n;
}

/// Anywhere, or near the leading eigenvector.
inline Vector<double> draw_x(const claims::Neurons<double>& n) {
  const Index d = n.gate.cols();
  const Vector<double> x = *gaussian_vector<double>(d);
  if (*rc::gen::arbitrary<bool>()) return x;
  const claims::Spectrum spectrum = claims::spectrum_of(dense(n), 0);
  const double side = *rc::gen::element(-3.0, 3.0);
  return 0.3 * x + side * spectrum.vectors.col(*rc::gen::element(Index{0}, d - 1));
}

/// As a layer with one strong neuron, the first.
inline claims::Neurons<double> draw_led() {
  const auto drawn = draw_neurons();
  auto n = drawn;
  const Matrix<double> shared = *gaussian<double>(1, n.gate.cols());
  n.gate.row(0) = shared + 0.1 * n.gate.row(0);
  n.up.row(0) = *rc::gen::element(-1.0, 1.0) * shared + 0.1 * n.up.row(0);
  n.down *= 0.002;
  n.down[0] = *rc::gen::element(-2.0, 2.0);
  return n;
}

inline claims::Neurons<double> neurons_of(std::initializer_list<std::initializer_list<double>> gate,
                                          std::initializer_list<std::initializer_list<double>> up,
                                          std::initializer_list<double> down) {
  const auto matrix = [](const auto& rows) {
    Matrix<double> m(static_cast<Index>(rows.size()), static_cast<Index>(rows.begin()->size()));
    Index i = 0;
    for (const auto& row : rows) {
      Index j = 0;
      for (const double value : row) m(i, j++) = value;
      ++i;
    }
    return m;
  };
  Vector<double> w(static_cast<Index>(down.size()));
  std::copy(down.begin(), down.end(), w.begin());
  return {matrix(gate), matrix(up), w};
}

/// S = diag(3, -1, 0): a form of rank two.
inline claims::Neurons<double> rank_two() {
  return neurons_of({{1, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 1, 0}}, {3, -1});
}

/// S = diag(3, 1, -2).
inline claims::Neurons<double> rank_three() {
  return neurons_of({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                    {3, 1, -2});
}

}  // namespace plumb::test
