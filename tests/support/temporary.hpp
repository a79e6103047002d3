#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <string_view>

#include "plumb/core/errors.hpp"

/// Files that last as long as a test, and what a reader says about them.
namespace plumb::test {

/// A new empty directory, removed with all that is in it at the end of the scope.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "plumb-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Writes exactly these bytes to the file `name` in the directory and returns its path.
  std::filesystem::path write(std::string_view name, std::string_view bytes) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream out(file, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + file.string());
    return file;
  }

 private:
  std::filesystem::path path_;
};

/// Every byte of the file.
inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// What the load_error of read(path) says after the file's name; "no load_error" if there is none,
/// or if it does not begin with the name or has several lines.
template <class Read>
std::string fault(const std::filesystem::path& path, const Read& read) {
  const std::string prefix = path.string() + ": ";
  try {
    static_cast<void>(read(path));
  } catch (const load_error& error) {
    const std::string message = error.what();
    if (message.starts_with(prefix) && message.find('\n') == std::string::npos) {
      return message.substr(prefix.size());
    }
  }
  return "no load_error";
}

}  // namespace plumb::test
