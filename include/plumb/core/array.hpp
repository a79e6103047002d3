#pragma once

#include <cstddef>
#include <xtensor/xtensor.hpp>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb {

/// Rank three and more, such as attention maps (head, query, key): row-major and contiguous.
/// A container and an interface; no hot loop runs over it.
template <class T, std::size_t Rank>
using Array = xt::xtensor<T, Rank>;

/// The matrix at `index` along the first axis of a rank-three array, without a copy. The view
/// lives as long as the array. Throws index_error.
template <class T>
Eigen::Map<const Matrix<T>> slice(const Array<T, 3>& array, Index index) {
  require_index("slice", "index", index, static_cast<Index>(array.shape(0)));
  const auto rows = static_cast<Index>(array.shape(1));
  const auto cols = static_cast<Index>(array.shape(2));
  return {array.data() + index * rows * cols, rows, cols};
}

template <class T>
Eigen::Map<Matrix<T>> slice(Array<T, 3>& array, Index index) {
  require_index("slice", "index", index, static_cast<Index>(array.shape(0)));
  const auto rows = static_cast<Index>(array.shape(1));
  const auto cols = static_cast<Index>(array.shape(2));
  return {array.data() + index * rows * cols, rows, cols};
}

}  // namespace plumb
