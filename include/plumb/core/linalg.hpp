#pragma once

#include <Eigen/Core>

#include "plumb/core/scalar.hpp"

namespace plumb {

using Eigen::Index;

/// Tokens are rows: activations are (tokens, channels), weights are (out, in), both row-major, so
/// that a token's vector and a neuron's weights are contiguous.
template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

template <class T>
using RowVector = Eigen::Matrix<T, 1, Eigen::Dynamic>;

/// Read-only parameters. A row-major matrix, its middleRows and its middleCols bind without a
/// copy; a column-major matrix is copied.
template <class T>
using MatrixRef = Eigen::Ref<const Matrix<T>>;

/// A vector parameter: a Vector, or `matrix.row(i).transpose()`, binds without a copy.
template <class T>
using VectorRef = Eigen::Ref<const Vector<T>>;

}  // namespace plumb
