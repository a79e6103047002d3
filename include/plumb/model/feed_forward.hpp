#pragma once

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/tap.hpp"

namespace plumb {

/// F(x) = W_down (SiLU(z) .* y), z = W_gate x, y = W_up x   (paper eq. 12, SwiGLU)
/// x is what the block reads, after its norm. Row j of W_gate and W_up and column j of W_down are
/// neuron j.
///   value(x)    (tokens, hidden) -> (tokens, hidden)
///   jvp, vjp    along dx, dy; row-wise, so jacobian(h) is (hidden, hidden) at one row
/// Throws shape_error when x does not have `hidden` columns. Cost: 3 products of tokens * hidden *
/// f.
template <class T>
struct FeedForward {
  Matrix<T> gate;  ///< (f, hidden)
  Matrix<T> up;    ///< (f, hidden)
  Matrix<T> down;  ///< (hidden, f)

  Index neurons() const { return gate.rows(); }

  template <class Tap = NoTap>
  Matrix<T> value(const MatrixRef<T>& x, Tap&& tap = {}, Index layer = 0) const {
    const auto [z, y] = project("FeedForward::value", x);
    Matrix<T> hidden = z.unaryExpr(&silu<T>).cwiseProduct(y);
    offer(tap, layer, site::neurons{}, hidden);
    return Kernels::template product<T>(hidden, down);
  }

  /// dF = W_down (SiLU'(z) dz .* y + SiLU(z) .* dy)
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    const auto [z, y] = project("FeedForward::jvp", x);
    const auto [dz, dy] = project("FeedForward::jvp", dx);
    require_size("FeedForward::jvp", "rows", dx.rows(), x.rows());
    const Matrix<T> hidden = z.unaryExpr(&silu_derivative<T>).cwiseProduct(dz).cwiseProduct(y) +
                             z.unaryExpr(&silu<T>).cwiseProduct(dy);
    return Kernels::template product<T>(hidden, down);
  }

  /// dx = W_gate' (SiLU'(z) .* y .* W_down' dF) + W_up' (SiLU(z) .* W_down' dF)
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dwrite) const {
    const auto [z, y] = project("FeedForward::vjp", x);
    require_size("FeedForward::vjp", "rows", dwrite.rows(), x.rows());
    require_size("FeedForward::vjp", "channels", dwrite.cols(), down.rows());
    const Matrix<T> hidden = Kernels::template transposed_product<T>(dwrite, down);
    const Matrix<T> dz = hidden.cwiseProduct(z.unaryExpr(&silu_derivative<T>)).cwiseProduct(y);
    const Matrix<T> dy = hidden.cwiseProduct(z.unaryExpr(&silu<T>));
    return Kernels::template transposed_product<T>(dz, gate) +
           Kernels::template transposed_product<T>(dy, up);
  }

  /// J = W_down [diag(y .* SiLU'(z)) W_gate + diag(SiLU(z)) W_up]
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    const Matrix<T> row = h.transpose();
    const auto [z, y] = project("FeedForward::jacobian", row);
    const Vector<T> a = y.cwiseProduct(z.unaryExpr(&silu_derivative<T>)).transpose();
    const Vector<T> b = z.unaryExpr(&silu<T>).transpose();
    return down * (a.asDiagonal() * gate + b.asDiagonal() * up);
  }

  template <class S>
  FeedForward<S> cast() const {
    return {gate.template cast<S>(), up.template cast<S>(), down.template cast<S>()};
  }

 private:
  using Kernels = kernels::backend_t<T>;

  struct Projections {
    Matrix<T> z, y;
  };

  Projections project(const char* function, const MatrixRef<T>& x) const {
    require_size(function, "channels of x", x.cols(), gate.cols());
    return {Kernels::template product<T>(x, gate), Kernels::template product<T>(x, up)};
  }
};

}  // namespace plumb
