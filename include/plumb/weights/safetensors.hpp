#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/mapped_file.hpp"
#include "plumb/weights/tensor.hpp"

namespace plumb {

using Tensors = std::map<std::string, Tensor>;

/// The format: a little-endian uint64 N, N bytes of JSON {name: {dtype, shape, data_offsets}},
/// then the data that the offsets count from. https://huggingface.co/docs/safetensors
inline constexpr std::size_t kSafetensorsPrefix = 8;

/// The reference implementation's limit on N; a longer header is refused.
inline constexpr std::uint64_t kSafetensorsHeaderLimit = 100'000'000;

/// An extent above this is refused even beside an extent of zero, so that products cannot overflow.
inline constexpr std::uint64_t kSafetensorsExtentLimit = std::uint64_t{1} << 48;

namespace detail {

struct ByteRange {
  std::uint64_t begin, end;
  std::string_view name;
};

inline Tensor parse_safetensors_entry(const std::string& file, const std::string& name,
                                      const nlohmann::json& entry, std::span<const std::byte> data,
                                      ByteRange& range) {
  const auto refuse = [&](const std::string& fault) {
    throw load_error(file, "tensor '" + name + "' " + fault);
  };
  const auto is_counts = [](const nlohmann::json& list) {
    return list.is_array() && std::all_of(list.begin(), list.end(), [](const nlohmann::json& n) {
             return n.is_number_unsigned();
           });
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !is_counts(entry["shape"]) || !entry.contains("data_offsets") ||
      !is_counts(entry["data_offsets"]) || entry["data_offsets"].size() != 2) {
    refuse("lacks a well-formed dtype, shape or data_offsets");
  }
  const auto spelled = entry["dtype"].get<std::string>();
  const auto dtype = parse_dtype(spelled);
  if (!dtype) refuse("has dtype " + spelled + ", which plumb does not read");

  Tensor tensor{file, name, *dtype, {}, {}, nullptr};
  const auto extents = entry["shape"].get<std::vector<std::uint64_t>>();
  const bool empty = std::find(extents.begin(), extents.end(), 0U) != extents.end();
  std::uint64_t expected = empty ? 0 : info(*dtype).size;
  for (const auto extent : extents) {
    if (extent > kSafetensorsExtentLimit || (!empty && expected > data.size() / extent)) {
      refuse("is larger than the file");
    }
    expected *= extent;
    tensor.shape.push_back(static_cast<Index>(extent));
  }
  range = {entry["data_offsets"][0].get<std::uint64_t>(),
           entry["data_offsets"][1].get<std::uint64_t>(), name};
  if (range.begin > range.end || range.end > data.size()) {
    refuse("has data_offsets " + std::to_string(range.begin) + ".." + std::to_string(range.end) +
           ", but the file holds " + std::to_string(data.size()) + " bytes of data");
  }
  if (range.end - range.begin != expected) {
    refuse("has " + std::to_string(range.end - range.begin) + " bytes at offset " +
           std::to_string(range.begin) + ", its shape needs " + std::to_string(expected));
  }
  tensor.bytes = data.subspan(range.begin, expected);
  return tensor;
}

/// The tensors must tile the data: no byte belongs to two of them or to none.
inline void require_tiling(const std::string& file, std::vector<ByteRange> ranges,
                           std::uint64_t size) {
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t end = 0;
  for (const auto& range : ranges) {
    if (range.begin != end) {
      throw load_error(file, "tensor '" + std::string(range.name) + "' begins at byte " +
                                 std::to_string(range.begin) + " of the data, expected " +
                                 std::to_string(end) +
                                 (range.begin < end ? " (overlap)" : " (gap)"));
    }
    end = range.end;
  }
  if (end != size) {
    throw load_error(file, std::to_string(size - end) + " bytes follow the last tensor");
  }
}

}  // namespace detail

/// Maps a safetensors file and validates all of it but the values: header length, JSON, dtypes,
/// shapes, offsets, overlap, gaps, trailing bytes. Nothing is copied; tensors share the mapping.
/// Throws load_error. Cost: the header.
inline Tensors read_safetensors(const std::filesystem::path& path) {
  const auto file = path.string();
  const auto mapping = std::make_shared<const MappedFile>(path);
  const auto bytes = mapping->bytes();
  if (bytes.size() < kSafetensorsPrefix) {
    throw load_error(file, "truncated: " + std::to_string(bytes.size()) +
                               " bytes cannot hold a safetensors header");
  }
  std::uint64_t length = 0;
  for (std::size_t i = kSafetensorsPrefix; i-- > 0;) {
    length = length << 8 | static_cast<std::uint64_t>(bytes[i]);
  }
  if (length > bytes.size() - kSafetensorsPrefix) {
    throw load_error(file, "truncated: the header claims " + std::to_string(length) +
                               " bytes, the file has " + std::to_string(bytes.size()));
  }
  if (length > kSafetensorsHeaderLimit) throw load_error(file, "the header is over 100 MB");
  const auto header =
      parse_json(file, {reinterpret_cast<const char*>(bytes.data()) + kSafetensorsPrefix, length});
  if (!header.is_object()) throw load_error(file, "the header is no JSON object");

  const auto data = bytes.subspan(kSafetensorsPrefix + length);
  Tensors tensors;
  std::vector<detail::ByteRange> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    detail::ByteRange range{};
    auto tensor = detail::parse_safetensors_entry(file, name, entry, data, range);
    tensor.owner = mapping;
    const auto stored = tensors.emplace(name, std::move(tensor)).first;
    range.name = stored->first;
    ranges.push_back(range);
  }
  detail::require_tiling(file, std::move(ranges), data.size());
  return tensors;
}

/// Writes tensors in the order of the list; `metadata` becomes the header's __metadata__.
/// The stream's state tells of failures. Cost: one pass over the bytes.
inline void write_safetensors(std::ostream& out, const std::vector<Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    const std::uint64_t end = offset + tensor.bytes.size();
    header[tensor.name] = {{"dtype", info(tensor.dtype).name},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  auto text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned, as the reference does
  for (std::size_t i = 0; i < kSafetensorsPrefix; ++i) {
    out.put(static_cast<char>(text.size() >> (8 * i) & 0xff));
  }
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const auto& tensor : tensors) {
    out.write(reinterpret_cast<const char*>(tensor.bytes.data()),
              static_cast<std::streamsize>(tensor.bytes.size()));
  }
}

}  // namespace plumb
