#pragma once

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"

namespace plumb {

/// x W' + b, (tokens, in) -> (tokens, out); a bias of size 0 is none. `function` is whom
/// shape_error names when x or the bias does not fit W. Cost: the product.
template <class T>
Matrix<T> affine(const char* function, const MatrixRef<T>& x, const Matrix<T>& weight,
                 const Vector<T>& bias) {
  require_size(function, "channels of x", x.cols(), weight.cols());
  Matrix<T> y = kernels::backend_t<T>::template product<T>(x, weight);
  if (bias.size() == 0) return y;
  require_size(function, "size of a bias", bias.size(), weight.rows());
  y.rowwise() += bias.transpose();
  return y;
}

}  // namespace plumb
