#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/mapped_file.hpp"
#include "plumb/weights/npy.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/tensor.hpp"
#include "plumb/weights/tensor_names.hpp"

namespace plumb {

/// A checkpoint of llama2.c: what its header says, and the tensors under the names that Llama
/// checkpoints of Hugging Face have.
struct Llama2cFile {
  Architecture architecture;
  Tensors tensors;
};

namespace detail {

/// Seven int32: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len.
inline constexpr std::size_t kLlama2cHeader = 7 * 4;

/// The first four bytes of versions 1 and later, which have another header: "ak42" backwards.
inline constexpr std::uint64_t kLlama2cMagic = 0x616b3432;

/// The start token of every tokenizer of llama2.c.
inline constexpr Index kLlama2cBos = 1;

/// The rotary tables, two of which lie one behind the other. They follow from theta.
inline constexpr const char* kLlama2cTables = "freq_cis";

inline Architecture read_llama2c_header(const std::string& file, std::string_view bytes) {
  if (bytes.size() < kLlama2cHeader) {
    throw load_error(file, "truncated: " + std::to_string(bytes.size()) +
                               " bytes cannot hold a header of llama2.c");
  }
  if (little_endian(bytes.substr(0, 4)) == kLlama2cMagic) {
    const auto version = std::to_string(little_endian(bytes.substr(4, 4)));
    throw load_error(file, "is of version " + version + " of llama2.c, expected version 0");
  }
  constexpr std::array<std::string_view, 7> kNames = {
      "dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
  std::array<Index, 7> fields{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    fields[i] = static_cast<std::int32_t>(little_endian(bytes.substr(4 * i, 4)));
    // A negative vocab_size says that the head is stored.
    const bool fits = kNames[i] == "vocab_size" ? fields[i] != 0 : fields[i] > 0;
    if (!fits) {
      throw load_error(file, "is no checkpoint of llama2.c: its " + std::string(kNames[i]) +
                                 " would be " + std::to_string(fields[i]));
    }
  }
  Architecture a;
  a.family = "llama2.c";
  a.hidden_size = fields[0];
  a.feed_forward_size = fields[1];
  a.layers = fields[2];
  a.heads = fields[3];
  a.kv_heads = fields[4];
  a.vocab_size = std::abs(fields[5]);
  a.context_length = fields[6];
  a.tied_head = fields[5] > 0;
  if (a.hidden_size % (2 * a.heads) != 0 || a.heads % a.kv_heads != 0) {
    throw load_error(file, "is no checkpoint of llama2.c: " + std::to_string(a.hidden_size) +
                               " channels, " + std::to_string(a.heads) + " heads and " +
                               std::to_string(a.kv_heads) + " kv heads do not fit each other");
  }
  a.head_dim = a.hidden_size / a.heads;
  a.norm_eps = 1e-5;
  a.attention_scale = 1.0 / std::sqrt(static_cast<double>(a.head_dim));
  a.rotary_theta = 10000.0;
  a.rotary_pairing = RotaryPairing::interleaved;
  if (kLlama2cBos < a.vocab_size) a.bos_token_id = kLlama2cBos;
  return a;
}

/// Float32 tensors of one kind, that of each layer behind that of the one before, or just one.
struct Llama2cPart {
  std::string name;  ///< of one tensor
  std::vector<Index> shape;
  std::string (*of_layer)(const LayerNames&) = nullptr;  ///< its name in a layer, if each has one
};

/// What follows the header, in order.
inline std::vector<Llama2cPart> llama2c_parts(const Architecture& a) {
  const Index d = a.hidden_size, f = a.feed_forward_size, kv = a.kv_size();
  std::vector<Llama2cPart> parts = {
      {kEmbeddingName, {a.vocab_size, d}},
      {"rms_att_weight", {d}, [](const LayerNames& n) { return n.attention_pre_norm + ".weight"; }},
      {"wq", {d, d}, [](const LayerNames& n) { return n.query.tensor; }},
      {"wk", {kv, d}, [](const LayerNames& n) { return n.key.tensor; }},
      {"wv", {kv, d}, [](const LayerNames& n) { return n.value.tensor; }},
      {"wo", {d, d}, [](const LayerNames& n) { return n.output.tensor; }},
      {"rms_ffn_weight",
       {d},
       [](const LayerNames& n) { return n.feed_forward_pre_norm + ".weight"; }},
      {"w1", {f, d}, [](const LayerNames& n) { return n.gate.tensor; }},
      {"w2", {d, f}, [](const LayerNames& n) { return n.down.tensor; }},
      {"w3", {f, d}, [](const LayerNames& n) { return n.up.tensor; }},
      {std::string(kFinalNormName) + ".weight", {d}},
      {kLlama2cTables, {2, a.context_length, a.head_dim / 2}}};
  if (!a.tied_head) parts.push_back({kHeadName, {a.vocab_size, d}});
  return parts;
}

/// Checks that the parts are as long as `size` bytes together: before anything is listed, because
/// the counts may be absurd.
inline void require_llama2c_size(const std::string& file, const Architecture& a,
                                 const std::vector<Llama2cPart>& parts, std::size_t size) {
  Index room = static_cast<Index>(size / sizeof(float));
  for (const Llama2cPart& part : parts) {
    Index fitting = room;  // quotients, because products may overflow
    for (const Index extent : part.shape) fitting /= extent;
    const Index count = part.of_layer == nullptr ? 1 : a.layers;
    if (count > fitting) {
      throw load_error(file, "is truncated, or no checkpoint of llama2.c: " + part.name +
                                 " does not fit into the " + std::to_string(size) +
                                 " bytes after the header");
    }
    room -= count * Tensor{"", "", Dtype::f32, part.shape, {}, nullptr}.size();
  }
  const auto left = static_cast<std::size_t>(room) * sizeof(float) + size % sizeof(float);
  if (left > 0) throw load_error(file, std::to_string(left) + " bytes follow the last tensor");
}

}  // namespace detail

/// Maps a .bin checkpoint of llama2.c, version 0 (its export of Llama models in float32), and
/// checks that its header and its size fit. Rotary planes are pairs of neighbours, theta is 10000
/// and eps 1e-5, as run.c has them; the stored rotary tables are not read. Nothing is copied.
/// Throws load_error. Source: github.com/karpathy/llama2.c, export.py and run.c.
inline Llama2cFile read_llama2c(const std::filesystem::path& path) {
  const std::string file = path.string();
  const auto mapping = std::make_shared<const MappedFile>(path);
  const auto bytes = mapping->bytes();
  const Architecture a = detail::read_llama2c_header(
      file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const auto parts = detail::llama2c_parts(a);
  auto rest = bytes.subspan(detail::kLlama2cHeader);
  detail::require_llama2c_size(file, a, parts, rest.size());

  Tensors tensors;
  const auto take = [&](const std::string& name, const std::vector<Index>& shape) {
    Tensor tensor{file, name, Dtype::f32, shape, {}, mapping};
    tensor.bytes = rest.first(static_cast<std::size_t>(tensor.size()) * sizeof(float));
    rest = rest.subspan(tensor.bytes.size());
    if (name != detail::kLlama2cTables) tensors.emplace(name, std::move(tensor));
  };
  for (const auto& [name, shape, of_layer] : parts) {
    if (of_layer == nullptr) take(name, shape);
    for (Index layer = 0; of_layer != nullptr && layer < a.layers; ++layer) {
      take(of_layer(layer_names(a, layer)), shape);
    }
  }
  return {a, std::move(tensors)};
}

}  // namespace plumb
