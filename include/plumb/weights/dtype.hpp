#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace plumb {

/// Storage types of tensors in a file. Everything is widened to float or double before use.
enum class Dtype { f64, f32, f16, bf16, i64, i32 };

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;  ///< as safetensors spells it
  std::size_t size;       ///< bytes an element
};

inline constexpr std::array<DtypeInfo, 6> kDtypes{{{Dtype::f64, "F64", 8},
                                                   {Dtype::f32, "F32", 4},
                                                   {Dtype::f16, "F16", 2},
                                                   {Dtype::bf16, "BF16", 2},
                                                   {Dtype::i64, "I64", 8},
                                                   {Dtype::i32, "I32", 4}}};

constexpr const DtypeInfo& info(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

constexpr bool is_floating(Dtype dtype) { return dtype != Dtype::i64 && dtype != Dtype::i32; }

constexpr std::optional<Dtype> parse_dtype(std::string_view name) {
  for (const auto& entry : kDtypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

/// The float with bit pattern `bits` followed by 16 zero bits: exact.
constexpr float widen_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// IEEE binary16 (1 sign, 5 exponent, 10 fraction bits) to float: exact, NaN stays NaN.
constexpr float widen_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

/// Element `index` of a buffer of `dtype`, as T. Read by memcpy: files do not promise alignment.
template <class T>
T read_element(Dtype dtype, const std::byte* data, std::size_t index) {
  const auto load = [&]<class Stored>(Stored) {
    Stored stored;
    std::memcpy(&stored, data + index * sizeof(Stored), sizeof(Stored));
    return stored;
  };
  switch (dtype) {
    case Dtype::f64: return static_cast<T>(load(double{}));
    case Dtype::f32: return static_cast<T>(load(float{}));
    case Dtype::f16: return static_cast<T>(widen_f16(load(std::uint16_t{})));
    case Dtype::bf16: return static_cast<T>(widen_bf16(load(std::uint16_t{})));
    case Dtype::i64: return static_cast<T>(load(std::int64_t{}));
    case Dtype::i32: return static_cast<T>(load(std::int32_t{}));
  }
  return T{};
}

}  // namespace plumb
