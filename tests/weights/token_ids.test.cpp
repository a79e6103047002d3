#include "plumb/weights/token_ids.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

#include "support/temporary.hpp"

using plumb::read_ids;
using plumb::TokenId;
using plumb::TokenIds;
using plumb::write_ids;
using plumb::test::TemporaryDirectory;

namespace {

const std::filesystem::path kBundled =
    std::filesystem::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama/ids.npy";

/// A .npy file of version 1.0.
std::string npy(const std::string& dtype, const std::string& shape, const std::string& data) {
  const std::string header =
      "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return "\x93NUMPY" + std::string{'\1', '\0', static_cast<char>(header.size()), '\0'} + header +
         data;
}

/// The number in so many bytes, lowest first.
std::string bytes(std::int64_t number, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += static_cast<char>(number >> (8 * i) & 0xff);
  return result;
}

TokenIds parse(const std::string& contents) {
  const TemporaryDirectory directory;
  return read_ids(directory.write("ids", contents));
}

std::string fault(const std::string& contents, const std::string& name = "ids") {
  const TemporaryDirectory directory;
  return plumb::test::fault(directory.write(name, contents), read_ids);
}

}  // namespace

TEST_CASE("read_ids: the bundled prompt") {
  const TokenIds ids = read_ids(kBundled);
  REQUIRE(ids.size() == 128);
  CHECK(ids[0] == 0);
  CHECK(TokenIds(ids.end() - 3, ids.end()) == TokenIds{338, 75, 272});
}

TEST_CASE("write_ids writes what NumPy writes") {
  const TemporaryDirectory directory;
  write_ids(directory.path() / "ids.npy", read_ids(kBundled));
  CHECK(plumb::test::read_bytes(directory.path() / "ids.npy") == plumb::test::read_bytes(kBundled));
}

TEST_CASE("read_ids: every integer type, both shapes") {
  struct Type {
    std::string name;
    int size;
    TokenId largest;
  };
  for (const Type& type :
       {Type{"<i4", 4, 2147483647}, Type{"<i8", 8, 2147483647}, Type{"|u1", 1, 255},
        Type{"<u2", 2, 65535}, Type{"<u4", 4, 2147483647}}) {
    const std::string data =
        bytes(7, type.size) + bytes(0, type.size) + bytes(type.largest, type.size);
    CHECK(parse(npy(type.name, "(3,)", data)) == TokenIds{7, 0, type.largest});
    CHECK(parse(npy(type.name, "(1, 3)", data)) == TokenIds{7, 0, type.largest});
  }
}

TEST_CASE("read_ids: text between white space and commas") {
  CHECK(parse("1 2 3") == TokenIds{1, 2, 3});
  CHECK(parse("\n 1,2 ,\t3\r\n,,2147483647\v\f007\n") == TokenIds{1, 2, 3, 2147483647, 7});
}

TEST_CASE("ids are the same after writing and reading") {
  const auto id = [] { return rc::gen::inRange<TokenId>(0, 2147483647); };
  rc::prop("as .npy", [&] {
    const auto ids = *rc::gen::nonEmpty(rc::gen::container<TokenIds>(id()));
    const TemporaryDirectory directory;
    const auto path = directory.path() / "any name";
    write_ids(path, ids);
    RC_ASSERT(read_ids(path) == ids);
  });
  rc::prop("as text", [&] {
    const auto ids = *rc::gen::nonEmpty(rc::gen::container<TokenIds>(id()));
    std::string text;
    for (const TokenId each : ids) {
      text += std::to_string(each) + *rc::gen::element(" ", ",", "\n", ", ", "\r\n");
    }
    RC_ASSERT(parse(text) == ids);
  });
}

TEST_CASE("read_ids names what is wrong with a .npy file") {
  CHECK(fault("") == "is empty");
  CHECK(fault("1 2 3", "ids.npy") == "is no .npy file: it does not begin with \\x93NUMPY");
  CHECK(fault("\x93NU", "ids.npy") == "is truncated in the .npy header");
  const std::string three = bytes(1, 8) + bytes(2, 8) + bytes(3, 8);
  CHECK(fault(npy("<f4", "(3,)", three)) ==
        "dtype \"<f4\" is not supported (<i4, <i8, |u1, <u2, <u4 are)");
  CHECK(fault(npy(">i8", "(3,)", three)) ==
        "dtype \">i8\" is not supported (<i4, <i8, |u1, <u2, <u4 are)");
  CHECK(fault(npy("<i8", "()", bytes(1, 8))) == "shape of rank 0 is neither (n) nor (1, n)");
  CHECK(fault(npy("<i8", "(3, 1)", three)) == "shape (3, 1) is neither (n) nor (1, n)");
  CHECK(fault(npy("<i8", "(1, 1, 3)", three)) == "shape of rank 3 is neither (n) nor (1, n)");
  CHECK(fault(npy("<i8", "(4,)", three)) ==
        "is truncated: 4 ids of type <i8 do not fit into the 24 bytes after the header");
  CHECK(fault(npy("<i8", "(3,)", three.substr(1))) ==
        "is truncated: 3 ids of type <i8 do not fit into the 23 bytes after the header");
  CHECK(fault(npy("<i8", "(2,)", three)) == "has 8 trailing bytes after 2 ids of type <i8");
  CHECK(fault(npy("<i8", "(0,)", "")) == "holds no token ids");
  CHECK(fault(npy("<i8", "(1,)", bytes(-1, 8))) == "token id -1 at index 0 is negative");
  CHECK(fault(npy("<i4", "(2,)", bytes(5, 4) + bytes(-7, 4))) ==
        "token id -7 at index 1 is negative");
  CHECK(fault(npy("<u4", "(1,)", bytes(2147483648, 4))) ==
        "token id 2147483648 at index 0 is above 2147483647");
}

TEST_CASE("read_ids: a shape whose size overflows is truncated, before any allocation") {
  // 2^61 ids of 8 bytes are 0 bytes modulo 2^64.
  CHECK(fault(npy("<i8", "(2305843009213693952,)", "")) ==
        "is truncated: 2305843009213693952 ids of type <i8 do not fit into the 0 bytes after the "
        "header");
  CHECK(fault(npy("<i8", "(1, 18446744073709551615)", bytes(1, 8))) ==
        "is truncated: 18446744073709551615 ids of type <i8 do not fit into the 8 bytes after the "
        "header");
}

TEST_CASE("read_ids names what is wrong with a text") {
  CHECK(fault(" \n,\t") == "holds no token ids");
  CHECK(fault("1 2\n3 four 5") == "\"four\" on line 2 is no integer");
  CHECK(fault("1\n\n2.5") == "\"2.5\" on line 3 is no integer");
  CHECK(fault("[1, 2]") == "\"[1\" on line 1 is no integer");
  CHECK(fault("+1") == "\"+1\" on line 1 is no integer");
  CHECK(fault("1 2\r\n-3") == "token id -3 on line 2 is negative");
  CHECK(fault("2147483648") == "token id 2147483648 on line 1 is above 2147483647");
  CHECK(fault("1 99999999999999999999") ==
        "token id \"99999999999999999999\" on line 1 is beyond 64 bits");
  CHECK(fault(std::string("1 \0\xff 2", 7)) == R"("\x00\xff" on line 1 is no integer)");
  CHECK(fault("1 " + std::string(1000, 'x')) ==
        "\"" + std::string(40, 'x') + "...\" on line 1 is no integer");
}

TEST_CASE("read_ids: arbitrary bytes are read or refused") {
  rc::prop("any bytes under either name", [](const std::string& contents, bool npy_name) {
    const TemporaryDirectory directory;
    const auto path = directory.write(npy_name ? "a.npy" : "a.txt", contents);
    plumb::test::fault(path, read_ids);
  });
}

TEST_CASE("read_ids: no file, or a directory") {
  const TemporaryDirectory directory;
  CHECK(plumb::test::fault(directory.path() / "none.npy", read_ids) != "no load_error");
  CHECK(plumb::test::fault(directory.path(), read_ids) != "no load_error");
}

TEST_CASE("write_ids refuses what read_ids would refuse") {
  const TemporaryDirectory directory;
  CHECK_THROWS_AS(write_ids(directory.path() / "a", {}), plumb::shape_error);
  CHECK_THROWS_AS(write_ids(directory.path() / "a", {1, -1}), plumb::index_error);
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("write_ids leaves the whole file or nothing") {
  const TemporaryDirectory directory;
  const auto write = [](const std::filesystem::path& path) {
    write_ids(path, {1, 2});
    return 0;
  };
  CHECK(plumb::test::fault(directory.path() / "no folder" / "a", write) == "cannot be written");
  const auto folder = directory.path() / "folder";
  std::filesystem::create_directory(folder);
  CHECK(plumb::test::fault(folder, write) == "cannot be written");
  CHECK_FALSE(std::filesystem::exists(directory.path() / "folder.part"));
  const auto old = directory.write("old", "something else");
  write_ids(old, {3});
  CHECK(read_ids(old) == TokenIds{3});
}
