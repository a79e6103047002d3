#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/dtype.hpp"

namespace plumb {

/// A named array of numbers: a window into a mapped file, or into memory of its own.
/// Copying shares the bytes, which stay alive as long as any copy does.
struct Tensor {
  std::string file;  ///< where it came from, for messages
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;          ///< () is a scalar
  std::span<const std::byte> bytes;  ///< row-major, size() * info(dtype).size of them
  std::shared_ptr<const void> owner;

  Index size() const {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;  // before an overflow
    Index product = 1;
    for (const Index extent : shape) product *= extent;
    return product;
  }
};

/// "(3, 4)"
inline std::string to_string(const std::vector<Index>& shape) {
  std::string text = "(";
  for (const Index extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + ")";
}

/// The number at `index`, counted along the rows, widened to T. Throws load_error, naming tensor
/// and index, when it is NaN or infinite, also when T cannot hold it. No check of the index.
template <class T>
T read_finite(const Tensor& tensor, Index index) {
  const T value =
      read_element<T>(tensor.dtype, tensor.bytes.data(), static_cast<std::size_t>(index));
  if (std::isfinite(value)) return value;
  throw load_error(tensor.file, "tensor '" + tensor.name + "' holds " + std::to_string(value) +
                                    " at index " + std::to_string(index));
}

/// Rows [first, first + count) of a matrix, widened to T. A tensor of rank one is one row.
/// Throws load_error, naming tensor and index, when the rank is neither one nor two, when the
/// dtype holds integers, or when an element is NaN or infinite (also when T cannot hold it).
template <class T>
Matrix<T> read_rows(const Tensor& tensor, Index first, Index count) {
  const auto rank = tensor.shape.size();
  if ((rank != 1 && rank != 2) || !is_floating(tensor.dtype)) {
    throw load_error(tensor.file, "tensor '" + tensor.name + "' is " +
                                      std::string(info(tensor.dtype).name) + " of shape " +
                                      to_string(tensor.shape) + ", expected a matrix of floats");
  }
  const Index rows = rank == 2 ? tensor.shape[0] : 1;
  const Index cols = tensor.shape.back();
  if (first < 0 || count < 0 || first > rows - count) {
    throw index_error("read_rows: tensor '" + tensor.name + "' has " + std::to_string(rows) +
                      " rows, asked for " + std::to_string(count) + " from " +
                      std::to_string(first));
  }
  Matrix<T> values(count, cols);
  for (Index i = 0; i < values.size(); ++i) {
    values.data()[i] = read_finite<T>(tensor, first * cols + i);
  }
  return values;
}

template <class T>
Matrix<T> read_matrix(const Tensor& tensor) {
  return read_rows<T>(tensor, 0, tensor.shape.size() == 2 ? tensor.shape[0] : 1);
}

template <class T>
Vector<T> read_vector(const Tensor& tensor) {
  const Matrix<T> row = read_matrix<T>(tensor);
  return Eigen::Map<const Vector<T>>(row.data(), row.size());
}

namespace detail {
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, double>) return Dtype::f64;
  if constexpr (std::is_same_v<T, float>) return Dtype::f32;
  if constexpr (std::is_same_v<T, std::int64_t>) return Dtype::i64;
  if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::i32;
}
}  // namespace detail

/// A tensor that owns a copy of `values` (double, float, int64 or int32).
template <class T>
Tensor make_tensor(std::string name, std::vector<Index> shape, std::span<const T> values) {
  Tensor tensor{"memory", std::move(name), detail::dtype_of<T>(), std::move(shape), {}, nullptr};
  require_size("make_tensor", tensor.name, static_cast<Index>(values.size()), tensor.size());
  auto copy = std::make_shared<std::vector<std::byte>>(values.size_bytes());
  if (!values.empty()) std::memcpy(copy->data(), values.data(), values.size_bytes());
  tensor.bytes = *copy;
  tensor.owner = std::move(copy);
  return tensor;
}

template <class T>
Tensor make_tensor(std::string name, const Matrix<T>& matrix) {
  return make_tensor<T>(std::move(name), {matrix.rows(), matrix.cols()},
                        {matrix.data(), static_cast<std::size_t>(matrix.size())});
}

template <class T>
Tensor make_tensor(std::string name, const Vector<T>& vector) {
  return make_tensor<T>(std::move(name), {vector.size()},
                        {vector.data(), static_cast<std::size_t>(vector.size())});
}

}  // namespace plumb
