#include "plumb/core/linalg.hpp"

#include <catch2/catch.hpp>
#include <type_traits>

using namespace plumb;

namespace {

/// Where the elements are that a function with such a parameter sees.
const double* seen(const MatrixRef<double>& m) { return m.data(); }
const double* seen_vector(const VectorRef<double>& v) { return v.data(); }

}  // namespace

static_assert(std::is_same_v<Index, Eigen::Index>);
static_assert(Matrix<float>::IsRowMajor);
static_assert(RowVector<float>::IsRowMajor);
static_assert(std::is_same_v<Vector<double>, Eigen::VectorXd>);

TEST_CASE("a token's vector and a neuron's weights are contiguous") {
  Matrix<double> m(3, 5);
  CHECK(&m(1, 1) == &m(1, 0) + 1);
  CHECK(&m(1, 0) == &m(0, 0) + 5);
}

TEST_CASE("row-major matrices and their runs of rows and columns are parameters without a copy") {
  const Matrix<double> m = Matrix<double>::Random(6, 5);
  CHECK(seen(m) == m.data());
  CHECK(seen(m.middleRows(2, 3)) == &m(2, 0));
  CHECK(seen(m.middleCols(1, 3)) == &m(0, 1));
  CHECK(seen(m.block(2, 1, 3, 2)) == &m(2, 1));
}

TEST_CASE("a column-major matrix is copied as a parameter, with its elements in place") {
  const Eigen::MatrixXd m = Eigen::MatrixXd::Random(3, 2);
  CHECK(seen(m) != m.data());
  const auto element = [](const MatrixRef<double>& ref) { return ref(2, 1); };
  CHECK(element(m) == m(2, 1));
}

TEST_CASE("vectors and transposed rows are parameters without a copy") {
  const Matrix<double> m = Matrix<double>::Random(4, 3);
  const Vector<double> v = Vector<double>::Random(3);
  CHECK(seen_vector(v) == v.data());
  CHECK(seen_vector(m.row(2).transpose()) == &m(2, 0));
}
