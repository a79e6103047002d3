#include "plumb/weights/dtype.hpp"

#include <Eigen/Core>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using plumb::Dtype;

namespace {

constexpr unsigned kPatterns = 1u << 16;

/// Equal bit for bit, or both NaN.
bool same(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

/// The values as bytes, `shift` bytes into a buffer.
template <class Stored>
std::vector<std::byte> bytes_of(const std::vector<Stored>& values, std::size_t shift = 0) {
  std::vector<std::byte> bytes(shift + values.size() * sizeof(Stored));
  std::memcpy(bytes.data() + shift, values.data(), values.size() * sizeof(Stored));
  return bytes;
}

/// Writes `values` at every misalignment and reads them back as T.
template <class T, class Stored>
void check_read_back(Dtype dtype, const std::vector<Stored>& values) {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const auto bytes = bytes_of(values, shift);
    for (std::size_t i = 0; i < values.size(); ++i) {
      INFO(plumb::info(dtype).name << " element " << i << " at misalignment " << shift);
      CHECK(plumb::read_element<T>(dtype, bytes.data() + shift, i) == static_cast<T>(values[i]));
    }
  }
}

}  // namespace

TEST_CASE("every bf16 pattern widens to what Eigen makes of it") {
  unsigned differing = 0;
  for (unsigned bits = 0; bits < kPatterns; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    const auto expected = static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(stored));
    if (!same(plumb::widen_bf16(stored), expected)) ++differing;
  }
  CHECK(differing == 0);
}

TEST_CASE("every f16 pattern widens to what Eigen makes of it") {
  unsigned differing = 0;
  for (unsigned bits = 0; bits < kPatterns; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    const auto expected = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(stored));
    if (!same(plumb::widen_f16(stored), expected)) ++differing;
  }
  CHECK(differing == 0);
}

TEST_CASE("half precision keeps signed zeros, subnormals, infinities and NaN") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(same(plumb::widen_f16(0x0000), 0.0f));
  CHECK(same(plumb::widen_f16(0x8000), -0.0f));
  CHECK(same(plumb::widen_f16(0x0001), 0x1p-24f));
  CHECK(same(plumb::widen_f16(0x83ff), -0x3ffp-24f));
  CHECK(same(plumb::widen_f16(0x0400), 0x1p-14f));
  CHECK(same(plumb::widen_f16(0x3c00), 1.0f));
  CHECK(same(plumb::widen_f16(0x7bff), 65504.0f));
  CHECK(same(plumb::widen_f16(0x7c00), infinity));
  CHECK(same(plumb::widen_f16(0xfc00), -infinity));
  CHECK(std::isnan(plumb::widen_f16(0x7c01)));
  CHECK(std::isnan(plumb::widen_f16(0xfe00)));

  CHECK(same(plumb::widen_bf16(0x0000), 0.0f));
  CHECK(same(plumb::widen_bf16(0x8000), -0.0f));
  CHECK(same(plumb::widen_bf16(0x0001), 0x1p-133f));
  CHECK(same(plumb::widen_bf16(0x807f), -0x7fp-133f));
  CHECK(same(plumb::widen_bf16(0x3f80), 1.0f));
  CHECK(same(plumb::widen_bf16(0x7f80), infinity));
  CHECK(std::isnan(plumb::widen_bf16(0x7f81)));
  CHECK(std::isnan(plumb::widen_bf16(0xffc0)));
}

TEST_CASE("widening is a constant expression") {
  STATIC_REQUIRE(plumb::widen_bf16(0x4049) == 3.140625f);
  STATIC_REQUIRE(plumb::widen_f16(0xc248) == -3.140625f);
}

TEMPLATE_TEST_CASE("elements are read at any alignment", "", float, double) {
  check_read_back<TestType>(Dtype::f64, std::vector<double>{1.5, -0x1p-30, 0.1, 12345678.9});
  check_read_back<TestType>(Dtype::f32, std::vector<float>{1.5f, -0.1f, 3e38f});
  check_read_back<TestType>(Dtype::i64, std::vector<std::int64_t>{-1, 1ll << 40, 7});
  check_read_back<TestType>(Dtype::i32, std::vector<std::int32_t>{-1, 1 << 30, 7});

  const std::vector<std::uint16_t> halves = {0x3c00, 0xc248, 0x0001};
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const auto bytes = bytes_of(halves, shift);
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const auto* data = bytes.data() + shift;
      CHECK(plumb::read_element<TestType>(Dtype::f16, data, i) ==
            static_cast<TestType>(plumb::widen_f16(halves[i])));
      CHECK(plumb::read_element<TestType>(Dtype::bf16, data, i) ==
            static_cast<TestType>(plumb::widen_bf16(halves[i])));
    }
  }
}

TEST_CASE("integers are read exactly as integers") {
  const std::vector<std::int64_t> values = {std::numeric_limits<std::int64_t>::min(),
                                            std::numeric_limits<std::int64_t>::max(), -1, 0};
  check_read_back<std::int64_t>(Dtype::i64, values);
}

TEST_CASE("dtypes are spelled as safetensors spells them") {
  using plumb::parse_dtype;
  CHECK(parse_dtype("F64") == Dtype::f64);
  CHECK(parse_dtype("F32") == Dtype::f32);
  CHECK(parse_dtype("F16") == Dtype::f16);
  CHECK(parse_dtype("BF16") == Dtype::bf16);
  CHECK(parse_dtype("I64") == Dtype::i64);
  CHECK(parse_dtype("I32") == Dtype::i32);
  for (const auto* name : {"", "f32", "F8_E4M3", "U8", "BOOL", "F32 ", "F3"}) {
    INFO(name);
    CHECK_FALSE(parse_dtype(name).has_value());
  }
}

TEST_CASE("the table of dtypes is in the order of the enumeration") {
  constexpr std::array<std::size_t, 6> sizes = {8, 4, 2, 2, 8, 4};
  REQUIRE(plumb::kDtypes.size() == sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    CHECK(plumb::info(dtype).dtype == dtype);
    CHECK(plumb::info(dtype).size == sizes[i]);
    CHECK(plumb::parse_dtype(plumb::info(dtype).name) == dtype);
    CHECK(plumb::is_floating(dtype) == (dtype != Dtype::i64 && dtype != Dtype::i32));
  }
}
