#pragma once

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/activation.hpp"

namespace plumb {

/// A conditional gate on the head outputs: openings sigma(x W_g') in (0, 1), computed from what the
/// attention block reads. There is one opening a channel, a head or a token; each covers an equal
/// run of columns of the head outputs.
template <class T>
struct Gate {
  Matrix<T> weight;  ///< W_g (openings, hidden); empty when there is no gate

  bool present() const { return weight.size() > 0; }

  /// (tokens, openings)
  Matrix<T> value(const MatrixRef<T>& x) const { return logits(x).unaryExpr(&sigmoid<T>); }
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    require_size("Gate::jvp", "rows of the direction", dx.rows(), x.rows());
    require_size("Gate::jvp", "channels of the direction", dx.cols(), weight.cols());
    return slope(x).cwiseProduct(Kernels::template product<T>(dx, weight));
  }
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dopenings) const {
    require_size("Gate::vjp", "rows of the direction", dopenings.rows(), x.rows());
    require_size("Gate::vjp", "openings of the direction", dopenings.cols(), weight.rows());
    return Kernels::template transposed_product<T>(slope(x).cwiseProduct(dopenings), weight);
  }

  /// Each column of `outputs` times the opening that covers it.
  Matrix<T> apply(const Matrix<T>& openings, const Matrix<T>& outputs) const {
    require_size("Gate::apply", "openings", openings.cols(), weight.rows());
    require_size("Gate::apply", "rows of the openings", openings.rows(), outputs.rows());
    Matrix<T> gated = outputs;
    const Index width = covered(outputs);
    for (Index t = 0; t < outputs.rows(); ++t) {
      for (Index c = 0; c < outputs.cols(); ++c) gated(t, c) *= openings(t, c / width);
    }
    return gated;
  }

  /// The transpose of spreading openings over columns: sums of the columns that each covers.
  Matrix<T> gather(const Matrix<T>& columns) const {
    Matrix<T> sums = Matrix<T>::Zero(columns.rows(), weight.rows());
    const Index width = covered(columns);
    for (Index t = 0; t < columns.rows(); ++t) {
      for (Index c = 0; c < columns.cols(); ++c) sums(t, c / width) += columns(t, c);
    }
    return sums;
  }

  template <class S>
  Gate<S> cast() const {
    return {weight.template cast<S>()};
  }

 private:
  using Kernels = kernels::backend_t<T>;

  Matrix<T> logits(const MatrixRef<T>& x) const {
    require_size("Gate", "channels of x", x.cols(), weight.cols());
    return Kernels::template product<T>(x, weight);
  }
  Matrix<T> slope(const MatrixRef<T>& x) const {
    return logits(x).unaryExpr(&sigmoid_derivative<T>);
  }
  Index covered(const Matrix<T>& outputs) const {
    require_size("Gate", "columns modulo openings", outputs.cols() % weight.rows(), 0);
    return outputs.cols() / weight.rows();
  }
};

}  // namespace plumb
