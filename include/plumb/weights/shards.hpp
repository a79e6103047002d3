#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/weights/json.hpp"
#include "plumb/weights/safetensors.hpp"

/// Checkpoints of several files. Their index, model.safetensors.index.json, holds
/// {"weight_map": {tensor: file}}; the files lie beside it.
namespace plumb {

inline constexpr const char* kWeightsName = "model.safetensors";
inline constexpr const char* kIndexName = "model.safetensors.index.json";

namespace detail {

/// The files of an index, each with the tensors that it should hold.
inline std::map<std::string, std::set<std::string>> read_index(const std::filesystem::path& path) {
  const auto file = path.string();
  const auto index = read_json(path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw load_error(file, "has no weight_map");
  }
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw load_error(file, "names no file for tensor '" + name + "'");
    const auto spelled = shard.get<std::string>();
    if (spelled.empty() || spelled == "." || spelled == ".." ||
        std::filesystem::path(spelled).filename() != spelled) {
      throw load_error(file,
                       "tensor '" + name + "' is in '" + spelled + "', which is no file name");
    }
    shards[spelled].insert(name);
  }
  if (shards.empty()) throw load_error(file, "has an empty weight_map");
  return shards;
}

}  // namespace detail

/// Maps the shards that an index lists, each validated as read_safetensors does. Throws load_error
/// naming the file when a shard is missing, when a shard lacks a tensor that the index expects in
/// it, and when it holds one that the index expects elsewhere or nowhere. Cost: the headers.
inline Tensors read_shards(const std::filesystem::path& index) {
  const auto shards = detail::read_index(index);
  for (const auto& [name, expected] : shards) {  // at once, before any of many GB is looked at
    std::error_code code;
    if (std::filesystem::exists(index.parent_path() / name, code)) continue;
    throw load_error(index.string(), "shard '" + name + "' is missing");
  }
  Tensors all;
  for (const auto& [name, expected] : shards) {
    const auto path = index.parent_path() / name;
    auto tensors = read_safetensors(path);
    for (const auto& tensor : expected) {
      if (tensors.contains(tensor)) continue;
      throw load_error(path.string(), "lacks tensor '" + tensor + "', which the index lists in it");
    }
    for (const auto& [tensor, value] : tensors) {
      if (expected.contains(tensor)) continue;
      throw load_error(path.string(),
                       "holds tensor '" + tensor + "', which the index does not " + "list in it");
    }
    all.merge(std::move(tensors));
  }
  return all;
}

/// The tensors of a folder: of model.safetensors if it is there, or else of the shards.
inline Tensors read_weights(const std::filesystem::path& folder) {
  std::error_code code;
  const bool sharded = !std::filesystem::exists(folder / kWeightsName, code) &&
                       std::filesystem::exists(folder / kIndexName, code);
  return sharded ? read_shards(folder / kIndexName) : read_safetensors(folder / kWeightsName);
}

}  // namespace plumb
