#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/mapped_file.hpp"
#include "plumb/weights/npy.hpp"

namespace plumb {

/// Index of a token in a vocabulary, counted from 0.
using TokenId = std::int32_t;

/// A text as a model reads it: one id a position.
using TokenIds = std::vector<TokenId>;

namespace detail {

/// The number as an id, or load_error naming the number and where() it stands in the file.
template <class Where>
TokenId checked_id(const std::string& file, std::int64_t number, const Where& where) {
  if (0 <= number && number <= std::numeric_limits<TokenId>::max()) {
    return static_cast<TokenId>(number);
  }
  throw load_error(file, "token id " + std::to_string(number) + " " + where() +
                             (number < 0 ? " is negative" : " is above 2147483647"));
}

/// A type of integers in a .npy file. All of them fit into int64.
struct NpyInteger {
  std::string_view name;
  std::size_t bytes = 0;
  bool is_signed = false;
};

inline constexpr std::array<NpyInteger, 5> kNpyIntegers = {
    {{"<i4", 4, true}, {"<i8", 8, true}, {"|u1", 1, false}, {"<u2", 2, false}, {"<u4", 4, false}}};

inline NpyInteger npy_integer(const std::string& file, const std::string& dtype) {
  for (const NpyInteger& type : kNpyIntegers) {
    if (type.name == dtype) return type;
  }
  throw load_error(file,
                   "dtype " + in_quotes(dtype) + " is not supported (<i4, <i8, |u1, <u2, <u4 are)");
}

/// n of a shape (n) or (1, n).
inline std::uint64_t npy_count(const std::string& file, const std::vector<std::uint64_t>& shape) {
  if (shape.size() == 1) return shape[0];
  if (shape.size() == 2 && shape[0] == 1) return shape[1];
  if (shape.size() == 2) {
    throw load_error(file, "shape (" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) +
                               ") is neither (n) nor (1, n)");
  }
  throw load_error(file,
                   "shape of rank " + std::to_string(shape.size()) + " is neither (n) nor (1, n)");
}

/// The bytes of exactly `count` numbers, or load_error.
inline void check_npy_size(const std::string& file, std::size_t bytes, std::uint64_t count,
                           const NpyInteger& type) {
  const std::string ids = std::to_string(count) + " ids of type " + std::string(type.name);
  // A quotient, because the product with a hostile count may overflow.
  if (count > bytes / type.bytes) {
    throw load_error(file, "is truncated: " + ids + " do not fit into the " +
                               std::to_string(bytes) + " bytes after the header");
  }
  const std::uint64_t trailing = bytes - count * type.bytes;
  if (trailing > 0) {
    throw load_error(file, "has " + std::to_string(trailing) + " trailing bytes after " + ids);
  }
}

inline TokenIds parse_npy_ids(const std::string& file, std::string_view bytes) {
  const NpyFile npy = parse_npy(file, bytes);
  const NpyInteger type = npy_integer(file, npy.dtype);
  const std::uint64_t count = npy_count(file, npy.shape);
  check_npy_size(file, npy.data.size(), count, type);
  TokenIds ids(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto number =
        static_cast<std::int64_t>(little_endian(npy.data.substr(i * type.bytes, type.bytes)));
    if (type.is_signed && type.bytes == 4) number = static_cast<std::int32_t>(number);
    ids[i] = checked_id(file, number, [&] { return "at index " + std::to_string(i); });
  }
  return ids;
}

inline TokenId parse_word(const std::string& file, std::string_view word, std::size_t line) {
  const auto where = [&] { return "on line " + std::to_string(line); };
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (stop != word.data() + word.size() || error == std::errc::invalid_argument) {
    throw load_error(file, in_quotes(word) + " " + where() + " is no integer");
  }
  if (error == std::errc::result_out_of_range) {
    throw load_error(file, "token id " + in_quotes(word) + " " + where() + " is beyond 64 bits");
  }
  return checked_id(file, number, where);
}

inline TokenIds parse_text_ids(const std::string& file, std::string_view text) {
  constexpr std::string_view kSeparators = " \t\r\n\v\f,";
  TokenIds ids;
  std::size_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    if (end > at) ids.push_back(parse_word(file, text.substr(at, end - at), line));
    if (end < text.size() && text[end] == '\n') ++line;
    at = end + 1;
  }
  return ids;
}

/// The ids as a .npy file of version 1.0, dtype <i8, byte for byte as NumPy writes it.
inline std::string format_npy_ids(const TokenIds& ids) {
  // NumPy leaves room for the count to grow and aligns the data to 64 bytes: always 128 bytes here.
  constexpr std::size_t kHeaderLength = 118;
  std::string header =
      "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(ids.size()) + ",), }";
  header.resize(kHeaderLength - 1, ' ');
  std::string bytes(kNpyMagic);
  bytes += {'\x01', '\x00', static_cast<char>(kHeaderLength), '\x00'};
  bytes += header + '\n';
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes += static_cast<char>(static_cast<std::uint64_t>(id) >> shift & 0xff);
    }
  }
  return bytes;
}

}  // namespace detail

/// Token ids from a file: either .npy (version 1.0 or 2.0, dtype <i4, <i8, |u1, <u2 or <u4, shape
/// (n) or (1, n), exactly as long as its header says), known by its first bytes or by its name, or
/// text of decimal integers between white space and commas. Ids lie in 0..2147483647; whether a
/// model knows them is for the caller to check. Throws load_error with the fault (in text with its
/// line, in .npy with its index), also when the file holds no id.
inline TokenIds read_ids(const std::filesystem::path& path) {
  const std::string file = path.string();
  const MappedFile mapped(path);
  const std::string_view bytes(reinterpret_cast<const char*>(mapped.bytes().data()),
                               mapped.bytes().size());
  if (bytes.empty()) throw load_error(file, "is empty");
  const bool npy = path.extension() == ".npy" || bytes.starts_with(detail::kNpyMagic);
  TokenIds ids = npy ? detail::parse_npy_ids(file, bytes) : detail::parse_text_ids(file, bytes);
  if (ids.empty()) throw load_error(file, "holds no token ids");
  return ids;
}

/// Writes the ids as .npy (version 1.0, dtype <i8, shape (n)), whole or not at all: the bytes go to
/// `path`.part, which then takes the name. Throws shape_error if there are no ids, index_error if
/// one is negative, load_error if the file cannot be written.
inline void write_ids(const std::filesystem::path& path, const TokenIds& ids) {
  if (ids.empty()) throw shape_error("write_ids: ids is empty");
  for (const TokenId id : ids) {
    if (id < 0) throw index_error("write_ids: ids holds " + std::to_string(id));
  }
  const std::string bytes = detail::format_npy_ids(ids);
  std::filesystem::path unfinished = path;
  unfinished += ".part";
  std::ofstream out(unfinished, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(unfinished, path, error);
  if (out && !error) return;
  std::filesystem::remove(unfinished, error);
  throw load_error(path.string(), "cannot be written");
}

}  // namespace plumb
