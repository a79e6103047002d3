#pragma once

#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <string>
#include <unsupported/Eigen/AutoDiff>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "support/close.hpp"

namespace Eigen {

/// What AutoDiff lacks: the derivative of erfc is -2 e^(-z^2) / sqrt(pi).
inline AutoDiffScalar<VectorXd> erfc(const AutoDiffScalar<VectorXd>& z) {
  const double slope = -2 * std::numbers::inv_sqrtpi * std::exp(-z.value() * z.value());
  return {std::erfc(z.value()), z.derivatives() * slope};
}

}  // namespace Eigen

/// The laws of a block with value, jvp and vjp, in double. Each check returns what is broken, or
/// nothing: CHECK(broken_derivative(...) == ""). Context is what value takes after x: a Sequence
/// for attention and layers, nothing for blocks that work row by row.
namespace plumb::test {

/// A number that carries its derivative along one direction.
using Dual = Eigen::AutoDiffScalar<Eigen::VectorXd>;

/// x + t dx at t = 0.
inline Matrix<Dual> dual(const Matrix<double>& x, const Matrix<double>& dx) {
  Matrix<Dual> line(x.rows(), x.cols());
  for (Index i = 0; i < x.size(); ++i) {
    line.data()[i] = Dual(x.data()[i], Eigen::VectorXd::Constant(1, dx.data()[i]));
  }
  return line;
}

/// What moves with t. Numbers that do not depend on t carry no derivative.
inline Matrix<double> derivative(const Matrix<Dual>& y) {
  Matrix<double> dy(y.rows(), y.cols());
  for (Index i = 0; i < y.size(); ++i) {
    const auto& d = y.data()[i].derivatives();
    dy.data()[i] = d.size() == 0 ? 0 : d[0];
  }
  return dy;
}

/// The derivative of the block's value along dx, by automatic differentiation.
template <class Block, class... Context>
Matrix<double> automatic_jvp(const Block& block, const Matrix<double>& x, const Matrix<double>& dx,
                             const Context&... context) {
  return derivative(block.template cast<Dual>().value(dual(x, dx), context...));
}

/// A derivative, and how far it may be from the true one.
struct Estimate {
  Matrix<double> value;
  double allowance;
};

/// The derivative of f(x + t dx) at t = 0 by central differences over t = h, 2h, h = 2^-10.
/// They are off by h^4 |f^(5)| / 30. When f continues to complex |t| <= 1/2 and stays below
/// M there, |f^(5)| <= 120 * 2^5 M, so they are off by 2^-33 M, and rounding adds 2^-42 per unit
/// roundoff of f. The allowance of 2^-30 max|f| leaves a factor of 8 for M / max|f|, or 1000 units
/// for the rounding of f: choose dx short enough for the block's nearest pole to be outside.
template <class F>
Estimate central_difference(const F& f, const Matrix<double>& x, const Matrix<double>& dx) {
  constexpr double h = 0x1p-10;
  const Matrix<double> far_up = f(x + 2 * h * dx), up = f(x + h * dx);
  const Matrix<double> down = f(x - h * dx), far_down = f(x - 2 * h * dx);
  const double size = up.size() == 0
                          ? 0
                          : std::max({far_up.cwiseAbs().maxCoeff(), up.cwiseAbs().maxCoeff(),
                                      down.cwiseAbs().maxCoeff(), far_down.cwiseAbs().maxCoeff()});
  return {(8 * (up - down) - (far_up - far_down)) / (12 * h), 0x1p-30 * size};
}

/// jvp is the derivative of value, by automatic differentiation and by differences, and vjp is the
/// transpose of jvp. `allowance` is the error of J dx for a dx of norm 1, and of J' dy for a dy of
/// norm 1: roundings times a bound of the norm of J in which nothing cancels.
template <class Block, class... Context>
std::string broken_derivative(const Block& block, const Matrix<double>& x, const Matrix<double>& dx,
                              const Matrix<double>& dy, double allowance,
                              const Context&... context) {
  const Matrix<double> forward = block.jvp(x, dx, context...);
  const auto automatic =
      mismatch(forward, automatic_jvp(block, x, dx, context...), allowance * dx.norm());
  if (!automatic.empty()) return "jvp against automatic differentiation: " + automatic;

  const auto estimate = central_difference(
      [&](const Matrix<double>& at) { return Matrix<double>(block.value(at, context...)); }, x, dx);
  const auto differences =
      mismatch(forward, estimate.value, estimate.allowance + allowance * dx.norm());
  if (!differences.empty()) return "jvp against central differences: " + differences;

  const Matrix<double> backward = block.vjp(x, dy, context...);
  if (backward.rows() != x.rows() || backward.cols() != x.cols()) return "vjp has a wrong shape";
  const auto adjoint = mismatch(backward.cwiseProduct(dx).sum(), forward.cwiseProduct(dy).sum(),
                                2 * allowance * dx.norm() * dy.norm());
  if (!adjoint.empty()) return "vjp is not the transpose of jvp: " + adjoint;
  return {};
}

/// jacobian(h) has J e_j as its column j.
template <class Block>
std::string broken_jacobian(const Block& block, const Matrix<double>& row, double allowance) {
  const Index channels = row.cols();
  const Matrix<double> j = block.jacobian(row.row(0).transpose());
  Matrix<double> columns(j.rows(), channels);
  for (Index c = 0; c < channels; ++c) {
    const Matrix<double> unit_row = Matrix<double>::Identity(channels, channels).row(c);
    const Matrix<double> along = block.jvp(row, unit_row);
    if (along.cols() != j.rows()) return "jacobian and jvp differ in size";
    columns.col(c) = along.row(0).transpose();
  }
  return mismatch(j, columns, allowance);
}

/// Value, jvp and vjp of a batch are those of its rows, one at a time, within `allowance`.
template <class Block, class T>
std::string broken_rows(const Block& block, const Matrix<T>& x, const Matrix<T>& dx,
                        const Matrix<T>& dy, double allowance) {
  const Matrix<T> value = block.value(x), jvp = block.jvp(x, dx), vjp = block.vjp(x, dy);
  for (Index t = 0; t < x.rows(); ++t) {
    const Matrix<T> row = x.row(t), drow = dx.row(t), dout = dy.row(t);
    for (const auto& wrong : {mismatch(value.row(t), block.value(row), allowance),
                              mismatch(jvp.row(t), block.jvp(row, drow), allowance),
                              mismatch(vjp.row(t), block.vjp(row, dout), allowance)}) {
      if (!wrong.empty()) return "row " + std::to_string(t) + " alone: " + wrong;
    }
  }
  return {};
}

}  // namespace plumb::test
