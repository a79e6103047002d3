#pragma once

#include <cmath>
#include <limits>

#include "plumb/core/linalg.hpp"

namespace plumb::kernels {

/// The hot loops in plain Eigen, for any scalar. What other backends are tested against.
struct reference {
  /// Y = X W': rows of X (tokens, in) through weights W (out, in). Accumulates in T, blocked.
  template <class T>
  static Matrix<T> product(const MatrixRef<T>& x, const MatrixRef<T>& weight) {
    Matrix<T> y(x.rows(), weight.rows());
    y.noalias() = x * weight.transpose();
    return y;
  }

  /// X = Y W, the transposed map: rows of Y (tokens, out) back through W (out, in).
  template <class T>
  static Matrix<T> transposed_product(const MatrixRef<T>& y, const MatrixRef<T>& weight) {
    Matrix<T> x(y.rows(), weight.cols());
    x.noalias() = y * weight;
    return x;
  }

  /// rho = sqrt(mean(h^2) + eps). Summed in accumulator_t<T>: relative error gamma_4 (u = 2^-53)
  /// before the result is used.
  template <class T>
  static accumulator_t<T> root_mean_square(const VectorRef<T>& h, double eps) {
    using std::sqrt;
    using A = accumulator_t<T>;
    A sum(0);
    for (Index i = 0; i < h.size(); ++i) sum += static_cast<A>(h[i]) * static_cast<A>(h[i]);
    return sqrt(sum / static_cast<A>(static_cast<double>(h.size())) + static_cast<A>(eps));
  }

  /// In place on `count` logits: p_j = exp(l_j - max) / sum. A logit of -infinity gives 0; at
  /// least one must be finite. The sum is taken in accumulator_t<T>.
  template <class T>
  static void softmax(T* logits, Index count) {
    using std::exp;
    using A = accumulator_t<T>;
    T greatest = logits[0];
    for (Index j = 1; j < count; ++j) {
      if (greatest < logits[j]) greatest = logits[j];
    }
    A sum(0);
    for (Index j = 0; j < count; ++j) {
      logits[j] = exp(logits[j] - greatest);
      sum += static_cast<A>(logits[j]);
    }
    for (Index j = 0; j < count; ++j) logits[j] = static_cast<T>(static_cast<A>(logits[j]) / sum);
  }
};

/// The backend that blocks of scalar T compute with.
template <class T>
using backend_t = reference;

}  // namespace plumb::kernels
