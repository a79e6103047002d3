#pragma once

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"
#include "plumb/weights/llama2c.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/tensor.hpp"
#include "plumb/weights/tensor_names.hpp"

namespace plumb {

/// A model at rest: what it is made of, and its named tensors. A value: edit the architecture or
/// replace a tensor, and hand the copy to a Decoder; unchanged tensors keep sharing the file.
struct Checkpoint {
  std::string path;  ///< the folder or file, or "memory"
  Architecture architecture;
  Tensors tensors;

  /// Reads config.json and maps model.safetensors of a folder, or maps a .bin file of llama2.c;
  /// nothing is widened yet.
  /// Throws load_error when a file is missing, malformed, or does not fit the other.
  static Checkpoint open(const std::filesystem::path& folder);

  /// Throws load_error naming the tensor when there is none of this name.
  const Tensor& tensor(std::string_view name) const {
    const auto found = tensors.find(std::string(name));
    if (found == tensors.end()) throw load_error(path, "no tensor '" + std::string(name) + "'");
    return found->second;
  }

  void replace(Tensor tensor) { tensors.insert_or_assign(tensor.name, std::move(tensor)); }

  /// Checks that the tensors are those of the architecture: none missing, none of another shape,
  /// none that would be ignored. Throws load_error.
  void validate() const;

  /// Writes config.json and model.safetensors into `folder`, which is made if need be. Tensors
  /// keep their dtype. Throws load_error when a file cannot be written.
  void save(const std::filesystem::path& folder) const;
};

inline Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  std::error_code code;
  if (folder.extension() == ".bin" && std::filesystem::is_regular_file(folder, code)) {
    auto [architecture, tensors] = read_llama2c(folder);
    return {folder.string(), std::move(architecture), std::move(tensors)};
  }
  if (!std::filesystem::is_directory(folder, code)) {
    throw load_error(folder.string(), "no such folder");
  }
  Checkpoint checkpoint{folder.string(), read_architecture(folder / "config.json"),
                        read_safetensors(folder / "model.safetensors")};
  checkpoint.validate();
  return checkpoint;
}

inline void Checkpoint::validate() const {
  const auto file = tensors.empty() ? path : tensors.begin()->second.file;
  // Before what so many layers hold is listed.
  if (static_cast<std::size_t>(architecture.layers) > tensors.size()) {
    throw load_error(file, "holds " + std::to_string(tensors.size()) + " tensors, too few for " +
                               std::to_string(architecture.layers) + " layers");
  }
  std::set<std::string> unplaced;
  for (const auto& entry : tensors) unplaced.insert(entry.first);
  for (const auto& [name, shape] : tensor_shapes(architecture)) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw load_error(file, "tensor '" + name + "' is missing");
    const auto& tensor = found->second;
    if (tensor.shape != shape) {
      throw load_error(tensor.file, "tensor '" + name + "' has shape " + to_string(tensor.shape) +
                                        ", the configuration needs " + to_string(shape));
    }
    if (!is_floating(tensor.dtype)) {
      throw load_error(tensor.file, "tensor '" + name + "' has dtype " +
                                        std::string(info(tensor.dtype).name) + ", expected floats");
    }
    unplaced.erase(name);
  }
  // Two leftovers are harmless: old checkpoints store the rotary table, which follows from the
  // configuration, and some tied checkpoints store their head a second time.
  std::erase_if(unplaced, [](const std::string& name) {
    return name.ends_with("rotary_emb.inv_freq") || name == kHeadName;
  });
  if (!unplaced.empty()) {
    const auto& tensor = tensors.at(*unplaced.begin());
    throw load_error(tensor.file, "tensor '" + tensor.name + "' has no place in this architecture");
  }
}

namespace detail {

/// Writes into a new file beside `path` and renames it: what is mapped from the old file, perhaps
/// the very tensors that are written, stays as it was.
template <class Write>
void write_beside(const std::filesystem::path& path, const Write& write) {
  const std::filesystem::path part = path.string() + ".part";
  std::ofstream out(part, std::ios::binary);
  write(out);
  out.close();
  std::error_code code;
  if (out) std::filesystem::rename(part, path, code);
  if (!out || code) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw load_error(path.string(), "cannot be written");
  }
}

}  // namespace detail

inline void Checkpoint::save(const std::filesystem::path& folder) const {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) throw load_error(folder.string(), code.message());

  detail::write_beside(folder / "config.json",
                       [&](std::ostream& out) { out << to_config(architecture).dump(2) << '\n'; });
  detail::write_beside(folder / "model.safetensors", [&](std::ostream& out) {
    std::vector<Tensor> list;
    for (const auto& [name, tensor] : tensors) list.push_back(tensor);
    write_safetensors(out, list, {{"format", "plumb"}});
  });
}

}  // namespace plumb
