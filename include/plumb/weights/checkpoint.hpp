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
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/shards.hpp"
#include "plumb/weights/stored_weight.hpp"
#include "plumb/weights/tensor.hpp"
#include "plumb/weights/tensor_names.hpp"

namespace plumb {

/// A model at rest: what it is made of, and its named tensors. A value: edit the architecture or
/// replace a tensor, and hand the copy to a Decoder; unchanged tensors keep sharing the file.
struct Checkpoint {
  std::string path;  ///< the folder, or "memory"
  Architecture architecture;
  Tensors tensors;

  /// Reads config.json and maps model.safetensors of a folder, or its shards; nothing is widened
  /// yet. Tensors get the names of their layout where a checkpoint leaves out the prefix, or stores
  /// a tied embedding as the head alone.
  /// Throws load_error when either is missing, malformed, or does not fit the other.
  static Checkpoint open(const std::filesystem::path& folder);

  /// Throws load_error naming the tensor when there is none of this name.
  const Tensor& tensor(std::string_view name) const {
    const auto found = tensors.find(std::string(name));
    if (found == tensors.end()) throw load_error(path, "no tensor '" + std::string(name) + "'");
    return found->second;
  }

  void replace(Tensor tensor) { tensors.insert_or_assign(tensor.name, std::move(tensor)); }

  /// Replaces one weight, which may be a part of a tensor; the tensor is then one of T.
  template <class T>
  void replace(const StoredWeight& place, const Matrix<T>& weight) {
    replace(with_weight<T>(tensor(place.tensor), place, weight));
  }

  /// Checks that the tensors are those of the architecture: none missing, none of another shape,
  /// none that would be ignored. Throws load_error.
  void validate() const;

  /// Writes config.json and model.safetensors into `folder`, which is made if need be. Tensors
  /// keep their dtype. Throws load_error when a file cannot be written.
  void save(const std::filesystem::path& folder) const;
};

namespace detail {

inline void rename(Tensors& tensors, const std::string& from, const std::string& to) {
  auto node = tensors.extract(from);
  node.key() = to;
  node.mapped().name = to;
  tensors.insert(std::move(node));
}

/// Gives tensors the names of their layout.
inline void adopt_names(const Architecture& architecture, Tensors& tensors) {
  const auto names = model_names(architecture);
  const std::string prefix = layout_words(architecture.tensors).prefix;
  if (!tensors.contains(names.embedding) &&
      tensors.contains(names.embedding.substr(prefix.size()))) {
    std::vector<std::string> bare;
    for (const auto& [name, tensor] : tensors) {
      if (name != names.head && !name.starts_with(prefix) && !tensors.contains(prefix + name)) {
        bare.push_back(name);
      }
    }
    for (const auto& name : bare) rename(tensors, name, prefix + name);
  }
  if (architecture.tied_head && !tensors.contains(names.embedding) &&
      tensors.contains(names.head)) {
    rename(tensors, names.head, names.embedding);
  }
}

}  // namespace detail

inline Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    throw load_error(folder.string(), "no such folder");
  }
  Checkpoint checkpoint{folder.string(), read_architecture(folder / "config.json"),
                        read_weights(folder)};
  detail::adopt_names(checkpoint.architecture, checkpoint.tensors);
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
    require_shape(tensor, shape);
    if (!is_floating(tensor.dtype)) {
      throw load_error(tensor.file, "tensor '" + name + "' has dtype " +
                                        std::string(info(tensor.dtype).name) + ", expected floats");
    }
    unplaced.erase(name);
  }
  std::erase_if(unplaced,
                [&](const std::string& name) { return is_superfluous(architecture, name); });
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
