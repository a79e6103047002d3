#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include "plumb/core/errors.hpp"
#include "plumb/weights/config.hpp"
#include "plumb/weights/llama2c.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/tensor_names.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer.hpp"

/// The readers of foreign files, as functions of the bytes: what the fuzzers call, and the tests
/// that need no fuzzer. A reader either uses a file or throws a load_error of one line; whatever
/// else happens is a finding.
namespace plumb::fuzz {

/// A file in memory that readers can open by name.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("plumb-fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("cannot create a file in memory");
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void write(std::string_view bytes) const {
    const bool done =
        ::ftruncate(descriptor_, 0) == 0 &&
        ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
    if (!done) throw std::runtime_error("cannot write to a file in memory");
  }

  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

/// Reads every number of the tensors, as layers do.
inline void read_all(const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    try {
      static_cast<void>(read_matrix<float>(tensor));
    } catch (const load_error&) {
      // not finite, or no matrix: the other tensors are read all the same
    }
  }
}

inline void read_safetensors_file(const std::string& path) { read_all(read_safetensors(path)); }

inline void read_config_file(const std::string& path) {
  const Architecture a = read_architecture(path);
  if (a.layers < 100) static_cast<void>(tensor_shapes(a));
  static_cast<void>(to_config(a).dump());
}

inline void read_llama2c_file(const std::string& path) { read_all(read_llama2c(path).tensors); }

inline void read_ids_file(const std::string& path) { static_cast<void>(read_ids(path)); }

/// A tokenizer.json, or a tokenizer.bin where the bytes do not begin as JSON. What it accepts must
/// encode any text, decode what it encoded, and name each of its tokens.
inline void read_tokenizer_file(const std::string& path) {
  const MappedFile file(path);
  const bool json = !file.bytes().empty() && file.bytes()[0] == std::byte{'{'};
  const detail::BpeTokenizer tokenizer(json ? detail::read_tokenizer(path)
                                            : detail::read_llama2c_tokenizer(path));
  for (const std::string_view text :
       {"The <s>light</s>  is \xe2\x96\x81 lit, isn't it? 12345\n\n", "\xe7\x81\xaf\xff\xe7\x81",
        "abababababababababababababababab", ""}) {
    const TokenIds ids = tokenizer.encode(text);
    for (const TokenId id : ids) {
      if (id < 0 || id >= tokenizer.size()) throw std::logic_error("an id that is no token");
    }
    static_cast<void>(tokenizer.decode(ids));
  }
  for (TokenId id = 0; id < tokenizer.size(); ++id) {
    static_cast<void>(tokenizer.find(tokenizer.text(id)));
  }
}

struct Target {
  std::string_view name;  ///< of its folder in tests/fuzz/corpus, too
  void (*read)(const std::string& path);
};

inline constexpr std::array<Target, 5> kTargets = {{{"safetensors", read_safetensors_file},
                                                    {"config", read_config_file},
                                                    {"tokenizer", read_tokenizer_file},
                                                    {"llama2c", read_llama2c_file},
                                                    {"ids", read_ids_file}}};

/// What a reader says of the file: nothing if it can be used. Throws when that is no single line
/// that begins with the file, or when the reader throws anything but load_error.
inline std::string verdict(const Target& target, const std::string& path) {
  try {
    target.read(path);
  } catch (const load_error& error) {
    const std::string message = error.what();
    if (!message.starts_with(path + ": ") || message.find('\n') != std::string::npos) {
      throw std::logic_error("no line about the file: " + message);
    }
    return message.substr(path.size() + 2);
  }
  return {};
}

}  // namespace plumb::fuzz
