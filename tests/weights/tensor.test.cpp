#include "plumb/weights/tensor.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using Catch::Matchers::Contains;
using plumb::Dtype;
using plumb::Index;
using plumb::Matrix;
using plumb::Tensor;
using plumb::Vector;

namespace {

/// A tensor of `dtype` that holds the bytes of `stored`, one byte off alignment.
template <class Stored>
Tensor stored_as(Dtype dtype, std::vector<Index> shape, const std::vector<Stored>& stored) {
  const auto buffer = std::make_shared<std::vector<std::byte>>(1 + stored.size() * sizeof(Stored));
  std::memcpy(buffer->data() + 1, stored.data(), stored.size() * sizeof(Stored));
  return {"weights.bin", "w", dtype, std::move(shape), std::span(*buffer).subspan(1), buffer};
}

/// 3 x 4 values 0, 1, ..., 11.
template <class T>
Matrix<T> counting() {
  Matrix<T> m(3, 4);
  std::iota(m.data(), m.data() + m.size(), T(0));
  return m;
}

/// How a dtype spells three numbers that are not finite, and what else fills the tensor.
struct NotFinite {
  Dtype dtype;
  std::uint64_t zero, nan, infinity, minus_infinity;
};

Tensor with_bits(Dtype dtype, std::vector<Index> shape, const std::vector<std::uint64_t>& bits) {
  const auto size = plumb::info(dtype).size;
  const auto buffer = std::make_shared<std::vector<std::byte>>(bits.size() * size);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    std::memcpy(buffer->data() + i * size, &bits[i], size);
  }
  return {"weights.bin", "w", dtype, std::move(shape), *buffer, buffer};
}

/// The message of the load_error that f throws.
template <class F>
std::string load_fault(const F& f) {
  try {
    f();
  } catch (const plumb::load_error& error) {
    return error.what();
  }
  return "no load_error";
}

}  // namespace

TEST_CASE("a tensor's size is the product of its shape") {
  CHECK(Tensor{}.size() == 1);
  CHECK(with_bits(Dtype::f32, {2, 3, 4}, {}).size() == 24);
  CHECK(with_bits(Dtype::f32, {7, 0}, {}).size() == 0);
}

TEST_CASE("a shape is spelled in parentheses") {
  CHECK(plumb::to_string(std::vector<Index>{}) == "()");
  CHECK(plumb::to_string(std::vector<Index>{5}) == "(5)");
  CHECK(plumb::to_string(std::vector<Index>{3, 4}) == "(3, 4)");
  CHECK(plumb::to_string(std::vector<Index>{0, 10, 2}) == "(0, 10, 2)");
}

TEMPLATE_TEST_CASE("matrices and vectors come back as they were made", "", float, double) {
  Matrix<TestType> m = counting<TestType>();
  m(1, 2) = std::numeric_limits<TestType>::denorm_min();
  m(2, 0) = -std::numeric_limits<TestType>::max();
  const auto tensor = plumb::make_tensor("w", m);
  CHECK(tensor.name == "w");
  CHECK(tensor.shape == std::vector<Index>{3, 4});
  CHECK(tensor.dtype == (sizeof(TestType) == 4 ? Dtype::f32 : Dtype::f64));
  CHECK(plumb::read_matrix<TestType>(tensor) == m);

  const Vector<TestType> v = m.row(2).transpose();
  const auto flat = plumb::make_tensor("v", v);
  CHECK(flat.shape == std::vector<Index>{4});
  CHECK(plumb::read_vector<TestType>(flat) == v);
}

TEST_CASE("a made tensor keeps a copy, which its own copies share") {
  std::vector<float> values = {1, 2, 3};
  Tensor copy;
  {
    const auto tensor = plumb::make_tensor<float>("w", {3}, values);
    copy = tensor;
    CHECK(copy.bytes.data() == tensor.bytes.data());
  }
  values.assign(3, 0);
  CHECK(plumb::read_vector<float>(copy) == Vector<float>(Eigen::Vector3f(1, 2, 3)));
}

TEST_CASE("integers are kept as they are") {
  const std::vector<std::int64_t> wide = {-1, std::numeric_limits<std::int64_t>::max()};
  const auto tensor = plumb::make_tensor<std::int64_t>("ids", {2}, wide);
  CHECK(tensor.dtype == Dtype::i64);
  CHECK(std::memcmp(tensor.bytes.data(), wide.data(), tensor.bytes.size()) == 0);
  CHECK(plumb::make_tensor<std::int32_t>("ids", {1}, std::vector<std::int32_t>{5}).dtype ==
        Dtype::i32);
}

TEST_CASE("a tensor needs as many values as its shape says") {
  const std::vector<float> values(6);
  CHECK_NOTHROW(plumb::make_tensor<float>("w", {2, 3}, values));
  CHECK_THROWS_AS(plumb::make_tensor<float>("w", {2, 4}, values), plumb::shape_error);
  CHECK_THROWS_AS(plumb::make_tensor<float>("w", {}, values), plumb::shape_error);
}

TEMPLATE_TEST_CASE("every dtype of floats is widened", "", float, double) {
  const Matrix<TestType> expected = (Matrix<TestType>(2, 2) << 1, -2.5, 0, 0.125).finished();
  const auto read = [](const Tensor& tensor) { return plumb::read_matrix<TestType>(tensor); };
  CHECK(read(stored_as<double>(Dtype::f64, {2, 2}, {1, -2.5, 0, 0.125})) == expected);
  CHECK(read(stored_as<float>(Dtype::f32, {2, 2}, {1, -2.5, 0, 0.125})) == expected);
  CHECK(read(stored_as<std::uint16_t>(Dtype::f16, {2, 2}, {0x3c00, 0xc100, 0, 0x3000})) ==
        expected);
  CHECK(read(stored_as<std::uint16_t>(Dtype::bf16, {2, 2}, {0x3f80, 0xc020, 0, 0x3e00})) ==
        expected);
}

TEST_CASE("a float stored as double is rounded to nearest") {
  const auto tensor = stored_as<double>(Dtype::f64, {1}, {1.0 + 0x1.8p-24});
  CHECK(plumb::read_vector<float>(tensor)[0] == 1.0f + 0x1p-23f);
  CHECK(plumb::read_vector<double>(tensor)[0] == 1.0 + 0x1.8p-24);
}

TEMPLATE_TEST_CASE("rows are read by their range", "", float, double) {
  const Matrix<TestType> m = counting<TestType>();
  const auto tensor = plumb::make_tensor("w", m);
  for (Index first = 0; first <= 3; ++first) {
    for (Index count = 0; first + count <= 3; ++count) {
      INFO(first << " + " << count);
      const Matrix<TestType> rows = plumb::read_rows<TestType>(tensor, first, count);
      REQUIRE(rows.rows() == count);
      REQUIRE(rows.cols() == 4);
      CHECK(rows == Matrix<TestType>(m.middleRows(first, count)));
    }
  }
}

TEST_CASE("rows outside the matrix are refused") {
  constexpr Index most = std::numeric_limits<Index>::max();
  const auto tensor = plumb::make_tensor("w", counting<float>());
  const auto read = [&](Index first, Index count) {
    return plumb::read_rows<float>(tensor, first, count);
  };
  for (const auto& [first, count] : std::vector<std::pair<Index, Index>>{{0, 4},
                                                                         {3, 1},
                                                                         {4, 0},
                                                                         {-1, 1},
                                                                         {-1, 2},
                                                                         {-3, 3},
                                                                         {1, most},
                                                                         {0, -1},
                                                                         {2, -1},
                                                                         {3, -1},
                                                                         {3, -3}}) {
    INFO(first << " + " << count);
    CHECK_THROWS_AS(read(first, count), plumb::index_error);
  }
}

TEST_CASE("a tensor of rank one is one row") {
  const auto tensor = plumb::make_tensor("v", Vector<float>(Eigen::Vector3f(1, 2, 3)));
  const Matrix<float> row = plumb::read_matrix<float>(tensor);
  CHECK(row.rows() == 1);
  CHECK(row.cols() == 3);
  CHECK(plumb::read_rows<float>(tensor, 0, 1) == row);
  CHECK_THROWS_AS(plumb::read_rows<float>(tensor, 1, 1), plumb::index_error);
}

TEST_CASE("empty matrices are matrices") {
  CHECK(plumb::read_matrix<float>(with_bits(Dtype::f32, {0, 5}, {})).cols() == 5);
  CHECK(plumb::read_matrix<float>(with_bits(Dtype::f32, {5, 0}, {})).rows() == 5);
  CHECK(plumb::read_vector<float>(with_bits(Dtype::f32, {0}, {})).size() == 0);
}

TEST_CASE("what is no matrix of floats is refused by name, dtype and shape") {
  const auto fault = [](const Tensor& tensor) {
    return load_fault([&] { plumb::read_matrix<float>(tensor); });
  };
  CHECK(fault(with_bits(Dtype::f32, {}, {0})) ==
        "weights.bin: tensor 'w' is F32 of shape (), expected a matrix of floats");
  CHECK(fault(with_bits(Dtype::bf16, {1, 1, 1}, {0})) ==
        "weights.bin: tensor 'w' is BF16 of shape (1, 1, 1), expected a matrix of floats");
  CHECK(fault(with_bits(Dtype::i64, {1, 1}, {0})) ==
        "weights.bin: tensor 'w' is I64 of shape (1, 1), expected a matrix of floats");
  CHECK(fault(with_bits(Dtype::i32, {1}, {0})) ==
        "weights.bin: tensor 'w' is I32 of shape (1), expected a matrix of floats");
}

TEMPLATE_TEST_CASE("NaN and infinity are refused with tensor and index", "", float, double) {
  const std::vector<NotFinite> spellings = {
      {Dtype::f64, 0, 0x7ff8000000000000, 0x7ff0000000000000, 0xfff0000000000000},
      {Dtype::f32, 0, 0x7fc00000, 0x7f800000, 0xff800000},
      {Dtype::f16, 0, 0x7e00, 0x7c00, 0xfc00},
      {Dtype::bf16, 0, 0x7fc0, 0x7f80, 0xff80}};
  for (const auto& spelled : spellings) {
    for (const auto bits : {spelled.nan, spelled.infinity, spelled.minus_infinity}) {
      for (std::size_t at = 0; at < 6; ++at) {
        std::vector<std::uint64_t> values(6, spelled.zero);
        values[at] = bits;
        const auto tensor = with_bits(spelled.dtype, {3, 2}, values);
        const auto message = load_fault([&] { plumb::read_matrix<TestType>(tensor); });
        INFO(plumb::info(spelled.dtype).name << " at " << at);
        CHECK_THAT(message, Contains("weights.bin: tensor 'w'"));
        CHECK_THAT(message, Contains(bits == spelled.nan ? "nan" : "inf"));
        CHECK_THAT(message, Catch::Matchers::EndsWith("at index " + std::to_string(at)));

        // Only the rows that are asked for are looked at, and the index counts from the tensor's
        // beginning.
        const auto row = static_cast<Index>(at / 2);
        CHECK(load_fault([&] { plumb::read_rows<TestType>(tensor, row, 1); }) == message);
        CHECK_NOTHROW(plumb::read_rows<TestType>(tensor, 0, row));
        CHECK_NOTHROW(plumb::read_rows<TestType>(tensor, row + 1, 2 - row));
      }
    }
  }
}

TEST_CASE("a double that float cannot hold is refused for float and read as double") {
  constexpr double largest = std::numeric_limits<float>::max();
  for (const double value : {1e39, -1e300, largest * (1 + 0x1p-24)}) {
    INFO(value);
    const auto tensor = stored_as<double>(Dtype::f64, {2}, {0.0, value});
    CHECK(plumb::read_vector<double>(tensor)[1] == value);
    CHECK_THAT(load_fault([&] { plumb::read_vector<float>(tensor); }),
               Contains("weights.bin: tensor 'w'") && Contains("at index 1"));
  }
  CHECK(plumb::read_vector<float>(stored_as<double>(Dtype::f64, {1}, {largest}))[0] == largest);
  CHECK(plumb::read_vector<float>(stored_as<double>(Dtype::f64, {1}, {1e-300}))[0] == 0);
}
