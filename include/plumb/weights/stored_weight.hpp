#pragma once

#include <string>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/tensor.hpp"

namespace plumb {

/// Some rows of a tensor: `runs` runs of `length` rows, whose first rows are `stride` apart.
struct RowRuns {
  Index first = 0;
  Index length = 0;
  Index runs = 1;
  Index stride = 0;

  Index size() const { return runs * length; }
  /// Where row i of the selection is in the tensor.
  Index operator[](Index i) const { return first + i / length * stride + i % length; }
};

/// Where a weight stands in a checkpoint: which tensor, which of its rows, and whether the tensor
/// is (in, out). Families that fuse products or store them transposed are read like the others,
/// one weight at a time, without a copy of the tensor. A bias is a weight of one column.
struct StoredWeight {
  std::string tensor;
  std::vector<Index> shape;  ///< of the whole tensor, as it is stored
  RowRuns rows;              ///< of the tensor or, if it is transposed, columns
  bool transposed = false;

  /// Does the architecture have this weight?
  bool present() const { return rows.size() > 0; }
};

/// Throws load_error, naming the tensor, unless it has the shape that the configuration asks for.
inline void require_shape(const Tensor& tensor, const std::vector<Index>& shape) {
  if (tensor.shape == shape) return;
  throw load_error(tensor.file, "tensor '" + tensor.name + "' has shape " +
                                    to_string(tensor.shape) + ", the configuration needs " +
                                    to_string(shape));
}

/// The weight that stands at `place` in `tensor`, (out, in), widened to T; (n, 1) for a bias.
/// Throws load_error, naming tensor and index, when the shape is another or a number of this
/// weight is NaN or infinite. Cost: the numbers of the weight.
template <class T>
Matrix<T> read_weight(const Tensor& tensor, const StoredWeight& place) {
  require_shape(tensor, place.shape);
  const Index stored_cols = place.shape.size() == 2 ? place.shape[1] : 1;
  const Index cols = place.transposed ? place.shape[0] : stored_cols;
  Matrix<T> weight(place.rows.size(), cols);
  for (Index i = 0; i < weight.rows(); ++i) {
    const Index row = place.rows[i];
    const Index first = place.transposed ? row : row * stored_cols;
    const Index step = place.transposed ? stored_cols : 1;
    for (Index j = 0; j < cols; ++j) weight(i, j) = read_finite<T>(tensor, first + j * step);
  }
  return weight;
}

}  // namespace plumb
