#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace plumb::test {

/// Folders below that of the environment variable PLUMB_MODELS that hold a configuration, weights
/// and ids.npy, sorted. None when the variable is not set: such tests are then silent.
inline std::vector<std::filesystem::path> shared_models() {
  std::vector<std::filesystem::path> folders;
  const char* root = std::getenv("PLUMB_MODELS");
  if (root == nullptr || !std::filesystem::is_directory(root)) return folders;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const auto& folder = entry.path();
    const bool complete = entry.is_directory() && std::filesystem::exists(folder / "config.json") &&
                          std::filesystem::exists(folder / "model.safetensors") &&
                          std::filesystem::exists(folder / "ids.npy");
    if (complete) folders.push_back(folder);
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace plumb::test
