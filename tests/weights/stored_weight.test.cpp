#include "plumb/weights/stored_weight.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

/// A tensor of whole numbers, each its own index.
Tensor counting(std::vector<Index> shape) {
  Tensor tensor;
  tensor.shape = shape;
  std::vector<float> values;
  for (Index i = 0; i < tensor.size(); ++i) values.push_back(static_cast<float>(i));
  return make_tensor<float>("w", std::move(shape), values);
}

RowVector<double> row(const Matrix<double>& m, Index i) { return m.row(i); }

}  // namespace

TEST_CASE("runs of rows are `length` rows every `stride`, from `first` on") {
  const RowRuns rows{2, 3, 2, 5};
  CHECK(rows.size() == 6);
  std::vector<Index> list;
  for (Index i = 0; i < rows.size(); ++i) list.push_back(rows[i]);
  CHECK(list == std::vector<Index>{2, 3, 4, 7, 8, 9});
  CHECK(RowRuns{}.size() == 0);
  CHECK_FALSE(StoredWeight{}.present());
}

TEST_CASE("a weight is a whole matrix, some of its rows, or some of its columns transposed") {
  const auto tensor = counting({4, 3});
  const auto whole = read_weight<double>(tensor, {"w", {4, 3}, {0, 4}});
  CHECK(difference(whole, read_matrix<double>(tensor)) == "");

  const auto slice = read_weight<double>(tensor, {"w", {4, 3}, {1, 2}});
  CHECK(difference(slice, whole.middleRows(1, 2)) == "");

  const auto runs = read_weight<double>(tensor, {"w", {4, 3}, {1, 1, 2, 2}});
  CHECK(difference(row(runs, 0), row(whole, 1)) == "");
  CHECK(difference(row(runs, 1), row(whole, 3)) == "");

  const auto transposed = read_weight<double>(tensor, {"w", {4, 3}, {1, 2}, true});
  CHECK(difference(transposed, whole.middleCols(1, 2).transpose()) == "");

  const auto bias = read_weight<double>(counting({5}), {"w", {5}, {1, 1, 2, 3}});
  CHECK(difference(bias, Matrix<double>(Vector<double>{{1, 4}})) == "");
}

TEST_CASE("what is put where a weight stands is read from there, and the rest stays") {
  property("for any runs, transposed or not", [] {
    const RowRuns rows{*rc::gen::inRange<Index>(0, 3), *rc::gen::inRange<Index>(1, 3),
                       *rc::gen::inRange<Index>(1, 4), *rc::gen::inRange<Index>(3, 5)};
    const Index count = rows[rows.size() - 1] + 1 + *rc::gen::inRange<Index>(0, 3);
    const Index across = *rc::gen::inRange<Index>(1, 5);
    const bool transposed = *rc::gen::element(false, true);
    const std::vector<Index> shape =
        transposed ? std::vector<Index>{across, count} : std::vector<Index>{count, across};
    const StoredWeight place{"w", shape, rows, transposed};
    const auto tensor = counting(shape);
    const auto weight = *gaussian<double>(rows.size(), across);
    const auto edited = with_weight(tensor, place, weight);
    RC_ASSERT(edited.name == "w");
    RC_ASSERT(edited.shape == shape);
    RC_ASSERT(difference(read_weight<double>(edited, place), weight) == "");
    const auto back = with_weight(edited, place, read_weight<double>(tensor, place));
    RC_ASSERT(difference(read_matrix<double>(back), read_matrix<double>(tensor)) == "");
  });
}

TEST_CASE("a tensor of another shape, and a weight that does not fit, are refused") {
  const auto tensor = counting({4, 3});
  const StoredWeight place{"w", {4, 2}, {0, 4}};
  CHECK_THROWS_WITH(read_weight<float>(tensor, place),
                    "memory: tensor 'w' has shape (4, 3), the configuration needs (4, 2)");
  CHECK_THROWS_AS(with_weight(tensor, place, Matrix<float>(4, 2)), load_error);
  const StoredWeight good{"w", {4, 3}, {0, 2}};
  CHECK_NOTHROW(with_weight(tensor, good, Matrix<float>(2, 3)));
  CHECK_THROWS_AS(with_weight(tensor, good, Matrix<float>(4, 3)), shape_error);
  CHECK_THROWS_AS(with_weight(tensor, good, Matrix<float>(2, 4)), shape_error);
}

TEST_CASE(
    "a number that is not finite is named by its index in the tensor, if it is the weight's") {
  for (const bool transposed : {false, true}) {
    auto m = Matrix<double>(Matrix<double>::Ones(4, 4));
    m(2, 1) = std::numeric_limits<double>::infinity();
    const auto tensor = make_tensor("fused", m);
    const Index hit = transposed ? 1 : 2;
    for (Index r = 0; r < 4; ++r) {
      const StoredWeight place{"fused", {4, 4}, {r, 1}, transposed};
      if (r == hit) {
        CHECK_THROWS_WITH(read_weight<double>(tensor, place),
                          "memory: tensor 'fused' holds inf at index 9");
      } else {
        CHECK_NOTHROW(read_weight<double>(tensor, place));
      }
    }
  }
}
