#include "plumb/weights/npy.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

using plumb::load_error;
using namespace plumb::detail;

namespace {

using Shape = std::vector<std::uint64_t>;

std::string file(const std::string& header, const std::string& data = "") {
  return "\x93NUMPY" + std::string{'\1', '\0', static_cast<char>(header.size()), '\0'} + header +
         data;
}

NpyFile parse(const std::string& bytes) { return parse_npy("f", bytes); }

std::string fault(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const load_error& error) {
    return error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("npy: the header as NumPy writes it") {
  const std::string bytes =
      file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", "data");
  const NpyFile npy = parse(bytes);
  CHECK(npy.dtype == "<f4");
  CHECK_FALSE(npy.fortran_order);
  CHECK(npy.shape == Shape{2, 3});
  CHECK(npy.data == "data");
}

TEST_CASE("npy: version 2.0 has four bytes of length") {
  const std::string header = "{'descr': '|u1', 'fortran_order': True, 'shape': (7,)}";
  const std::string bytes =
      "\x93NUMPY" + std::string{'\2', '\0', static_cast<char>(header.size()), '\0', '\0', '\0'} +
      header + "xyz";
  const NpyFile npy = parse(bytes);
  CHECK(npy.dtype == "|u1");
  CHECK(npy.fortran_order);
  CHECK(npy.shape == Shape{7});
  CHECK(npy.data == "xyz");
}

TEST_CASE("npy: other spellings of the same dictionary") {
  CHECK(parse(file("{\"shape\":(),\"descr\":\"<i8\",\"fortran_order\":True}")).shape.empty());
  CHECK(parse(file("{ 'shape' : ( 1 , 2 ) , 'descr' : 'x' , 'fortran_order' : False , } ")).shape ==
        Shape{1, 2});
}

TEST_CASE("npy: each fault is named") {
  const std::string malformed = "f: the .npy header is malformed";
  for (const char* const header :
       {"", "{", "{}", "{'descr': '<i8'}", "{'descr': '<i8', 'fortran_order': False}",
        "{'descr': '<i8', 'descr': '<i8', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (), 'more': 1}",
        "{'descr': '<i8', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3.5,)}",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)} x",
        "{'descr': '<i8' 'fortran_order': False, 'shape': (3,)}", "{'descr': '<i8", "{descr: 1}"}) {
    CAPTURE(header);
    CHECK(fault(file(header)) == malformed);
  }
  CHECK(fault("1 2 3") == "f: is no .npy file: it does not begin with \\x93NUMPY");
  CHECK(fault("\x93NUMPY\x03" + std::string(20, '\0')) ==
        "f: .npy version 3.0 is not supported (1.0 and 2.0 are)");
  CHECK(fault("\x93NUMPY\x01\x01" + std::string(20, '\0')) ==
        "f: .npy version 1.1 is not supported (1.0 and 2.0 are)");
  CHECK(fault(file("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,)}")) ==
        "f: dtype is a record, not a plain number");
  CHECK(fault(file("{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}")) ==
        "f: shape overflows 64 bits");
}

TEST_CASE("npy: a file cut anywhere in the header is truncated") {
  const std::string bytes = file("{'descr': '<i8', 'fortran_order': False, 'shape': (0,), }\n");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(fault(bytes.substr(0, size)) == "f: is truncated in the .npy header");
  }
  CHECK(fault(bytes) == "none");
  const std::string huge = "\x93NUMPY\x02" + std::string{'\0', '\xff', '\xff', '\xff', '\xff'};
  CHECK(fault(huge + "{}") == "f: is truncated in the .npy header");
}

TEST_CASE("npy: arbitrary bytes are parsed or refused") {
  rc::prop("any bytes after the magic", [](const std::string& bytes) {
    fault("\x93NUMPY" + bytes);
    fault("\x93NUMPY" + std::string{'\1', '\0'} + bytes);
    fault(file(bytes.substr(0, 127)));
  });
}

TEST_CASE("little_endian reads the lowest byte first") {
  CHECK(little_endian("") == 0);
  CHECK(little_endian("\x01\x02") == 0x0201);
  CHECK(little_endian("\xff\xff\xff\xff\xff\xff\xff\xff") == ~std::uint64_t{0});
}

TEST_CASE("in_quotes makes one short printable line of anything") {
  CHECK(in_quotes("abc") == "\"abc\"");
  CHECK(in_quotes(std::string{'a', '\n', '\0', '\x7f', '\xc3', '\xa9'}) ==
        R"("a\x0a\x00\x7f\xc3\xa9")");
  CHECK(in_quotes(std::string(40, 'x')) == "\"" + std::string(40, 'x') + "\"");
  CHECK(in_quotes(std::string(41, 'x')) == "\"" + std::string(40, 'x') + "...\"");
}
