#pragma once

#include <cstddef>
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
  /// Columns of the weight.
  Index cols() const { return transposed ? shape[0] : stored_cols(); }
  /// Where row i of the weight begins in the tensor, counted along the tensor's rows, and how far
  /// its entries are apart.
  Index begin(Index i) const { return transposed ? rows[i] : rows[i] * stored_cols(); }
  Index step() const { return transposed ? stored_cols() : 1; }

 private:
  Index stored_cols() const { return shape.size() == 2 ? shape[1] : 1; }
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
  const bool whole_rows = place.shape.size() == 2 && !place.transposed && place.rows.runs == 1;
  if (whole_rows) return read_rows<T>(tensor, place.rows.first, place.rows.size());
  Matrix<T> weight(place.rows.size(), place.cols());
  for (Index i = 0; i < weight.rows(); ++i) {
    const Index begin = place.begin(i);
    for (Index j = 0; j < weight.cols(); ++j) {
      weight(i, j) = read_finite<T>(tensor, begin + j * place.step());
    }
  }
  return weight;
}

/// `tensor`, widened to T (float or double), in which the weight that stands at `place` is another.
/// Throws load_error when the tensor has another shape, shape_error when the weight has.
template <class T>
Tensor with_weight(const Tensor& tensor, const StoredWeight& place, const Matrix<T>& weight) {
  require_shape(tensor, place.shape);
  require_size("with_weight", "rows of the weight", weight.rows(), place.rows.size());
  require_size("with_weight", "columns of the weight", weight.cols(), place.cols());
  std::vector<T> values(static_cast<std::size_t>(tensor.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = read_element<T>(tensor.dtype, tensor.bytes.data(), i);
  }
  for (Index i = 0; i < weight.rows(); ++i) {
    for (Index j = 0; j < weight.cols(); ++j) {
      values[static_cast<std::size_t>(place.begin(i) + j * place.step())] = weight(i, j);
    }
  }
  return make_tensor<T>(tensor.name, tensor.shape, values);
}

}  // namespace plumb
