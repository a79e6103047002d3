#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <span>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plumb/core/errors.hpp"

namespace plumb {

/// A whole file, read-only, paged in by the kernel when it is touched (POSIX mmap).
/// The file must not shrink while mapped: touching a page past its new end ends the process.
class MappedFile {
 public:
  /// Throws load_error when the file cannot be opened or is no regular file.
  explicit MappedFile(const std::filesystem::path& path) {
    // O_NONBLOCK: a pipe is refused below rather than waited for.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw load_error(path.string(), std::strerror(errno));
    const auto close = [](const int* d) { ::close(*d); };
    const std::unique_ptr<const int, decltype(close)> closer(&descriptor, close);
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) throw load_error(path.string(), std::strerror(errno));
    if (!S_ISREG(status.st_mode)) throw load_error(path.string(), "not a regular file");
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;  // mmap refuses empty ranges
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data_ == MAP_FAILED) throw load_error(path.string(), std::strerror(errno));
  }
  ~MappedFile() {
    if (size_ > 0) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace plumb
