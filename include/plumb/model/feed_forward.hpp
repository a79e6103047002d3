#pragma once

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/affine.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/weights/architecture.hpp"

namespace plumb {

/// F(x) = W_down n + b_down, with the neurons
///   n = act(z) .* y, z = W_gate x + b_gate, y = W_up x + b_up    (paper eq. 12, SwiGLU)
///   n = act(y)                                                   without a gate
/// x is what the block reads, after its norm. Row j of W_gate and W_up and column j of W_down are
/// neuron j.
///   value(x)    (tokens, hidden) -> (tokens, hidden)
///   jvp, vjp    along dx, dy; row-wise, so jacobian(h) is (hidden, hidden) at one row
/// Throws shape_error when sizes do not fit. Cost: a product of tokens * hidden * f for each
/// matrix.
template <class T>
struct FeedForward {
  Matrix<T> gate;  ///< (f, hidden); empty for a feed-forward that is plain
  Matrix<T> up;    ///< (f, hidden)
  Matrix<T> down;  ///< (hidden, f)
  Activation activation = Activation::silu;
  Vector<T> gate_bias = {};  ///< (f), as the other two; empty where there is none
  Vector<T> up_bias = {};    ///< (f)
  Vector<T> down_bias = {};  ///< (hidden)

  Index neurons() const { return up.rows(); }
  bool gated() const { return gate.size() > 0; }

  template <class Tap = NoTap>
  Matrix<T> value(const MatrixRef<T>& x, Tap&& tap = {}, Index layer = 0) const {
    const auto [z, y] = project("FeedForward::value", x);
    Matrix<T> hidden = activate(activation, gated() ? z : y);
    if (gated()) hidden.array() *= y.array();
    offer(tap, layer, site::neurons{}, hidden);
    return affine<T>("FeedForward::value", hidden, down, down_bias);
  }

  /// dF = W_down dn, dn = act'(z) dz .* y + act(z) .* dy, or act'(y) dy
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    require_size("FeedForward::jvp", "rows", dx.rows(), x.rows());
    require_size("FeedForward::jvp", "channels of dx", dx.cols(), up.cols());
    const auto [by_z, by_y] = slopes(project("FeedForward::jvp", x));
    Matrix<T> hidden = by_y.cwiseProduct(Kernels::template product<T>(dx, up));
    if (gated()) hidden += by_z.cwiseProduct(Kernels::template product<T>(dx, gate));
    return Kernels::template product<T>(hidden, down);
  }

  /// dx = W_gate' (act'(z) .* y .* W_down' dF) + W_up' (act(z) .* W_down' dF),
  /// or W_up' (act'(y) .* W_down' dF)
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dwrite) const {
    require_size("FeedForward::vjp", "rows", dwrite.rows(), x.rows());
    require_size("FeedForward::vjp", "channels", dwrite.cols(), down.rows());
    const auto [by_z, by_y] = slopes(project("FeedForward::vjp", x));
    const Matrix<T> hidden = Kernels::template transposed_product<T>(dwrite, down);
    Matrix<T> dx = Kernels::template transposed_product<T>(hidden.cwiseProduct(by_y), up);
    if (gated()) dx += Kernels::template transposed_product<T>(hidden.cwiseProduct(by_z), gate);
    return dx;
  }

  /// J = W_down [diag(y .* act'(z)) W_gate + diag(act(z)) W_up], or W_down diag(act'(y)) W_up
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    const Matrix<T> row = h.transpose();
    const auto [by_z, by_y] = slopes(project("FeedForward::jacobian", row));
    Matrix<T> inner = by_y.row(0).asDiagonal() * up;
    if (gated()) inner += by_z.row(0).asDiagonal() * gate;
    return down * inner;
  }

  template <class S>
  FeedForward<S> cast() const {
    return {gate.template cast<S>(),      up.template cast<S>(),
            down.template cast<S>(),      activation,
            gate_bias.template cast<S>(), up_bias.template cast<S>(),
            down_bias.template cast<S>()};
  }

 private:
  using Kernels = kernels::backend_t<T>;

  /// One pair of matrices for each of gate and up, (tokens, f); without a gate the first is empty.
  struct Pair {
    Matrix<T> z, y;
  };

  Pair project(const char* function, const MatrixRef<T>& x) const {
    Pair result;
    if (gated()) result.z = affine(function, x, gate, gate_bias);
    result.y = affine(function, x, up, up_bias);
    return result;
  }

  /// What a change of z, and one of y, is multiplied by in the neurons.
  Pair slopes(const Pair& at) const {
    if (!gated()) return {Matrix<T>(), activation_slope(activation, at.y)};
    return {activation_slope(activation, at.z).cwiseProduct(at.y), activate(activation, at.z)};
  }
};

}  // namespace plumb
