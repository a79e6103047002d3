#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "plumb/core/errors.hpp"

namespace plumb::detail {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";

/// The text in quotation marks for a message of one line: at most 40 bytes of it, and what is not
/// printable ASCII as \xNN.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return result + (text.size() > kLongest ? "...\"" : "\"");
}

/// The unsigned little-endian integer in `bytes`, of which there are at most eight.
inline std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

/// A .npy file: what its header says, and the bytes after it, which are not checked against that.
struct NpyFile {
  std::string dtype;  ///< as NumPy spells it, "<i8"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
  std::string_view data;  ///< part of the bytes that were parsed
};

/// Reads the Python dictionary in the header: the keys descr, fortran_order and shape, each once,
/// and nothing else.
class NpyHeaderParser {
 public:
  NpyHeaderParser(const std::string& file, std::string_view text) : file_(file), rest_(text) {}

  NpyFile parse() {
    expect('{');
    while (!accept('}')) {
      read_entry();
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_blanks();
    if (!rest_.empty() || !dtype_ || !fortran_order_ || !shape_) fail();
    return {*dtype_, *fortran_order_, *shape_, {}};
  }

 private:
  [[noreturn]] void fail() const { throw load_error(file_, "the .npy header is malformed"); }

  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }

  bool accept(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail();
  }

  void read_entry() {
    const std::string key = read_text();
    expect(':');
    if (key == "descr" && !dtype_) {
      dtype_ = read_dtype();
    } else if (key == "fortran_order" && !fortran_order_) {
      fortran_order_ = read_boolean();
    } else if (key == "shape" && !shape_) {
      shape_ = read_shape();
    } else {
      fail();
    }
  }

  std::string read_text() {
    skip_blanks();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) fail();
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) fail();
    std::string result(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return result;
  }

  std::string read_dtype() {
    skip_blanks();
    if (rest_.starts_with('[')) throw load_error(file_, "dtype is a record, not a plain number");
    return read_text();
  }

  bool read_boolean() {
    skip_blanks();
    const bool value = rest_.starts_with("True");
    if (!value && !rest_.starts_with("False")) fail();
    rest_.remove_prefix(value ? 4 : 5);
    return value;
  }

  std::vector<std::uint64_t> read_shape() {
    std::vector<std::uint64_t> shape;
    expect('(');
    while (!accept(')')) {
      shape.push_back(read_dimension());
      if (accept(',')) continue;
      expect(')');
      break;
    }
    return shape;
  }

  std::uint64_t read_dimension() {
    skip_blanks();
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error == std::errc::result_out_of_range) throw load_error(file_, "shape overflows 64 bits");
    if (error != std::errc()) fail();
    rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
    return value;
  }

  const std::string& file_;
  std::string_view rest_;
  std::optional<std::string> dtype_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::uint64_t>> shape_;
};

/// Parses `bytes`, the contents of `file`: the magic "\x93NUMPY", version 1.0 or 2.0, the length of
/// the header (2 or 4 bytes), the header, the data. Throws load_error; allocates no more than the
/// header is long. Format: numpy.org, "numpy.lib.format".
inline NpyFile parse_npy(const std::string& file, std::string_view bytes) {
  constexpr std::size_t kLengthAt = 8;
  const auto truncated = [&] { return load_error(file, "is truncated in the .npy header"); };
  if (!bytes.starts_with(kNpyMagic.substr(0, bytes.size()))) {
    throw load_error(file, "is no .npy file: it does not begin with \\x93NUMPY");
  }
  if (bytes.size() < kLengthAt) throw truncated();
  const auto major = little_endian(bytes.substr(6, 1)), minor = little_endian(bytes.substr(7, 1));
  if ((major != 1 && major != 2) || minor != 0) {
    throw load_error(file, ".npy version " + std::to_string(major) + "." + std::to_string(minor) +
                               " is not supported (1.0 and 2.0 are)");
  }
  const std::size_t header_at = kLengthAt + (major == 1 ? 2 : 4);
  if (bytes.size() < header_at) throw truncated();
  const auto length = little_endian(bytes.substr(kLengthAt, header_at - kLengthAt));
  if (length > bytes.size() - header_at) throw truncated();
  NpyFile npy = NpyHeaderParser(file, bytes.substr(header_at, length)).parse();
  npy.data = bytes.substr(header_at + length);
  return npy;
}

}  // namespace plumb::detail
