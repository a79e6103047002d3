#include "plumb/weights/safetensors.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <random>
#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using plumb::Dtype;
using plumb::Index;
using plumb::Tensor;
using plumb::test::TemporaryDirectory;

namespace {

/// A file with this header and data.
std::string file_of(std::string_view header, std::string_view data = {}) {
  std::string file;
  for (int shift = 0; shift < 64; shift += 8) {
    file += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> shift & 0xff);
  }
  return file.append(header).append(data);
}

/// The same with one tensor 'w' and `size` bytes of data.
std::string file_with(const std::string& dtype, const std::string& shape,
                      const std::string& offsets, std::size_t size) {
  return file_of(
      R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
      std::string(size, '\1'));
}

plumb::Tensors read(const std::string& file) {
  const TemporaryDirectory folder;
  return plumb::read_safetensors(folder.write("some.safetensors", file));
}

/// What is said about such a file, after its name.
std::string read_fault(const std::string& file) {
  const TemporaryDirectory folder;
  return plumb::test::fault(folder.write("some.safetensors", file),
                            [](const auto& path) { return plumb::read_safetensors(path); });
}

std::string path_fault(const fs::path& path) {
  return plumb::test::fault(path, [](const auto& p) { return plumb::read_safetensors(p); });
}

/// A tensor of arbitrary bits: the values of a file are not its reader's business.
Tensor arbitrary_tensor(std::string name, Dtype dtype, std::vector<Index> shape, unsigned seed) {
  Tensor tensor{"memory", std::move(name), dtype, std::move(shape), {}, nullptr};
  std::mt19937 engine(seed);
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(tensor.size()) *
                                                        plumb::info(dtype).size);
  for (auto& byte : *bytes) byte = static_cast<std::byte>(engine() & 0xff);
  tensor.bytes = *bytes;
  tensor.owner = std::move(bytes);
  return tensor;
}

std::string written(const std::vector<Tensor>& tensors,
                    const std::map<std::string, std::string>& metadata = {}) {
  std::ostringstream out;
  plumb::write_safetensors(out, tensors, metadata);
  return out.str();
}

/// What differs between tensors and the same ones, written and read; or nothing.
std::string round_trip_fault(const std::vector<Tensor>& tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  const auto back = read(written(tensors, metadata));
  if (back.size() != tensors.size()) return std::to_string(back.size()) + " tensors came back";
  for (const auto& tensor : tensors) {
    const auto found = back.find(tensor.name);
    if (found == back.end()) return tensor.name + " is lost";
    const auto& other = found->second;
    if (other.name != tensor.name) return tensor.name + " is called " + other.name;
    if (other.dtype != tensor.dtype) return tensor.name + " has another dtype";
    if (other.shape != tensor.shape) return tensor.name + " has another shape";
    if (!std::equal(other.bytes.begin(), other.bytes.end(), tensor.bytes.begin(),
                    tensor.bytes.end())) {
      return tensor.name + " has other bytes";
    }
  }
  return {};
}

const std::vector<Dtype> kAllDtypes = {Dtype::f64,  Dtype::f32, Dtype::f16,
                                       Dtype::bf16, Dtype::i64, Dtype::i32};

/// Reads every element of every tensor. Throws load_error for those that are not finite.
void touch_everything(const plumb::Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    double sum = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.size()); ++i) {
      sum += plumb::read_element<double>(tensor.dtype, tensor.bytes.data(), i);
    }
    if (std::isnan(sum)) throw plumb::load_error(tensor.file, "NaN");
    plumb::read_matrix<float>(tensor);
  }
}

}  // namespace

// ---- What is written is read
// ---------------------------------------------------------------------

TEST_CASE("tensors of every dtype and shape come back bit for bit") {
  const std::vector<std::vector<Index>> shapes = {
      {}, {1}, {7}, {0}, {3, 5}, {0, 5}, {5, 0}, {2, 3, 4}, {2, 0, 3}, {1, 1, 1, 2}};
  std::vector<Tensor> everything;
  for (const auto dtype : kAllDtypes) {
    for (const auto& shape : shapes) {
      const auto name = std::string(plumb::info(dtype).name) + plumb::to_string(shape);
      INFO(name);
      everything.push_back(
          arbitrary_tensor(name, dtype, shape, static_cast<unsigned>(everything.size())));
      CHECK(round_trip_fault({everything.back()}) == "");
    }
  }
  CHECK(round_trip_fault(everything) == "");
  CHECK(round_trip_fault(everything, {{"format", "pt"}, {"", "\"quoted\"\n"}}) == "");
  CHECK(round_trip_fault({}) == "");
  CHECK(round_trip_fault({}, {{"only", "metadata"}}) == "");
}

TEST_CASE("any list of tensors comes back") {
  rc::prop("written and read", [] {
    const auto names = *rc::gen::unique<std::vector<std::string>>(
        rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab.0_\"\\/{}\n\t \x7f"))));
    std::vector<Tensor> tensors;
    for (const auto& name : names) {
      const auto rank = *rc::gen::element(0, 1, 2, 3);
      std::vector<Index> shape;
      for (int i = 0; i < rank; ++i) shape.push_back(*rc::gen::element<Index>(0, 1, 2, 3, 5));
      tensors.push_back(arbitrary_tensor(name, *rc::gen::elementOf(kAllDtypes), shape,
                                         *rc::gen::inRange(0u, 1000u)));
    }
    RC_ASSERT(round_trip_fault(tensors) == "");
  });
}

TEST_CASE("a written file is what the format says, byte by byte") {
  const std::vector<float> values = {1.0f, -2.0f};
  const std::vector<std::int32_t> ids = {258};
  const auto file = written({plumb::make_tensor<float>("z", {2, 1}, values),
                             plumb::make_tensor<std::int32_t>("a", {}, ids)},
                            {{"k", "v"}});
  std::string header =
      R"({"__metadata__":{"k":"v"},"z":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[8,12]}})";
  while (header.size() % 8 != 0) header += ' ';
  CHECK(file == file_of(header, std::string_view("\0\0\x80\x3f\0\0\0\xc0\x02\x01\0\0", 12)));
}

TEST_CASE("data begins at a multiple of eight, whatever the names") {
  for (std::size_t length = 0; length < 9; ++length) {
    const auto file = written({arbitrary_tensor(std::string(length, 'n'), Dtype::f64, {1}, 1)});
    CHECK(file.size() % 8 == 0);
    CHECK(file[0] % 8 == 0);
  }
}

TEST_CASE("a stream that fails says so") {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  plumb::write_safetensors(out, {arbitrary_tensor("w", Dtype::f32, {4}, 1)});
  CHECK_FALSE(out);
}

TEST_CASE("tensors are views of the file, which outlive it and each other") {
  const TemporaryDirectory folder;
  const auto path =
      folder.write("some.safetensors", written({arbitrary_tensor("a", Dtype::f32, {3}, 1),
                                                arbitrary_tensor("b", Dtype::f32, {2}, 2)}));
  Tensor kept;
  {
    const auto tensors = plumb::read_safetensors(path);
    kept = tensors.at("b");
    CHECK(tensors.at("a").bytes.data() + 12 == kept.bytes.data());
    CHECK(kept.file == path.string());
  }
  fs::remove(path);
  const auto expected = arbitrary_tensor("b", Dtype::f32, {2}, 2);
  CHECK(std::equal(kept.bytes.begin(), kept.bytes.end(), expected.bytes.begin()));
}

TEST_CASE("entries may come in any order, between blanks, and data need not be aligned") {
  std::string header =
      R"({"b": {"dtype":"F64", "shape":[1], "data_offsets":[2, 10]}, "__metadata__": {"x":"y"},)"
      R"( "d": {"data_offsets":[10,14], "shape":[], "dtype":"I32"},)"
      R"( "e": {"dtype":"F16", "shape":[0], "data_offsets":[10,10]},)"
      R"( "a": {"dtype":"BF16", "shape":[1,1], "data_offsets":[0,2]}})";
  if (header.size() % 2 == 0) header += '\n';
  const auto tensors =
      read(file_of(header, std::string_view("\x80\x3f\0\0\0\0\0\0\x04\xc0\x2a\0\0\0", 14)));
  REQUIRE(tensors.size() == 4);
  CHECK(plumb::read_matrix<float>(tensors.at("a"))(0, 0) == 1.0f);
  CHECK(plumb::read_vector<double>(tensors.at("b"))[0] == -2.5);
  CHECK(plumb::read_element<std::int64_t>(Dtype::i32, tensors.at("d").bytes.data(), 0) == 42);
  CHECK(tensors.at("e").size() == 0);
}

// ---- Every way a file can be wrong
// ---------------------------------------------------------------

TEST_CASE("a path that is no readable file is refused") {
  const TemporaryDirectory folder;
  CHECK_THAT(path_fault(folder.path() / "missing.safetensors"), Contains("No such file"));
  CHECK(path_fault(folder.path()) == "not a regular file");
}

TEST_CASE("a file too short for a header length is refused") {
  for (std::size_t size = 0; size < 8; ++size) {
    CHECK(read_fault(std::string(size, '\0')) ==
          "truncated: " + std::to_string(size) + " bytes cannot hold a safetensors header");
  }
}

TEST_CASE("a header that is longer than the file is refused") {
  const auto file = file_of("{}");
  CHECK_NOTHROW(read(file));
  CHECK(read_fault(file.substr(0, 9)) == "truncated: the header claims 2 bytes, the file has 9");
  for (const auto& [length, spelled] : std::vector<std::pair<std::string, std::string>>{
           {std::string("\x03\0\0\0\0\0\0\0", 8), "3"},
           {std::string("\0\0\0\0\0\0\0\x80", 8), "9223372036854775808"},
           {std::string("\xf8\xff\xff\xff\xff\xff\xff\xff", 8), "18446744073709551608"},
           {std::string(8, '\xff'), "18446744073709551615"}}) {
    CHECK(read_fault(length + "{}") ==
          "truncated: the header claims " + spelled + " bytes, the file has 10");
  }
}

TEST_CASE("a header over the limit is refused before it is parsed") {
  const TemporaryDirectory folder;
  const auto fault_at = [&](std::uint64_t length) {
    std::string prefix;
    for (int shift = 0; shift < 64; shift += 8) {
      prefix += static_cast<char>(length >> shift & 0xff);
    }
    const auto path = folder.write("long.safetensors", prefix);
    fs::resize_file(path, length + 8);  // zeros that take no space
    return path_fault(path);
  };
  CHECK(fault_at(plumb::kSafetensorsHeaderLimit + 1) == "the header is over 100 MB");
  CHECK_THAT(fault_at(plumb::kSafetensorsHeaderLimit), StartsWith("not valid JSON"));
}

TEST_CASE("a header that is no JSON is refused") {
  for (const std::string_view header :
       {"", "{", "{\"w\":}", "{} x", "{\"\xff\":{}}", "{\"w\":{\"dtype\":\"\xc3(\"}}"}) {
    INFO(header);
    CHECK_THAT(read_fault(file_of(header)), StartsWith("not valid JSON"));
  }
  CHECK_THAT(read_fault(file_of(std::string_view("{}\0{", 4))), StartsWith("not valid JSON"));
}

TEST_CASE("a header that is no object is refused") {
  for (const std::string_view header : {"[]", "1", "null", "\"w\"", "true"}) {
    INFO(header);
    CHECK(read_fault(file_of(header)) == "the header is no JSON object");
  }
}

TEST_CASE("deep nesting in a header is refused") {
  const std::string open(1000, '['), close(1000, ']');
  CHECK(read_fault(file_of("{\"__metadata__\":" + open + close + "}")) ==
        "JSON is nested too deeply");
}

TEST_CASE("names that appear twice in a header are refused") {
  const std::string entry = R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  CHECK(read_fault(file_of("{\"w\":" + entry + ",\"w\":" + entry + "}", "1234")) ==
        "JSON key \"w\" appears twice");
  CHECK(read_fault(file_of(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4],"dtype":"I32"}})",
                           "1234")) == "JSON key \"dtype\" appears twice");
}

TEST_CASE("an entry without well-formed dtype, shape and data_offsets is refused by name") {
  const std::string fault = "tensor 'w' lacks a well-formed dtype, shape or data_offsets";
  CHECK_NOTHROW(read(file_with("\"F32\"", "[1]", "[0,4]", 4)));
  for (const auto* entry :
       {"1", "null", "[]", "\"F32\"", "{}", R"({"shape":[1],"data_offsets":[0,4]})",
        R"({"dtype":"F32","data_offsets":[0,4]})", R"({"dtype":"F32","shape":[1]})"}) {
    INFO(entry);
    CHECK(read_fault(file_of(std::string("{\"w\":") + entry + "}", "1234")) == fault);
  }
  for (const auto* dtype : {"1", "null", "[\"F32\"]", "{}"}) {
    INFO(dtype);
    CHECK(read_fault(file_with(dtype, "[1]", "[0,4]", 4)) == fault);
  }
  for (const auto* shape : {"1", "null", "{}", "\"1\"", "[-1]", "[1.0]", "[1e0]", "[0.5]", "[true]",
                            "[null]", "[\"1\"]", "[[1]]", "[1,-1]", "[18446744073709551616]"}) {
    INFO(shape);
    CHECK(read_fault(file_with("\"F32\"", shape, "[0,4]", 4)) == fault);
  }
  for (const auto* offsets :
       {"4", "null", "{}", "[]", "[4]", "[0,4,4]", "[0,-4]", "[-4,0]", "[0.0,4]", "[0,4.0]",
        "[0,\"4\"]", "[false,4]", "[[0],4]", "[0,18446744073709551616]"}) {
    INFO(offsets);
    CHECK(read_fault(file_with("\"F32\"", "[1]", offsets, 4)) == fault);
  }
}

TEST_CASE("a dtype that plumb does not read is refused by name") {
  for (const std::string dtype : {"F8_E4M3", "U8", "BOOL", "I16", "f32", "", "F32 "}) {
    CHECK(read_fault(file_with('"' + dtype + '"', "[1]", "[0,4]", 4)) ==
          "tensor 'w' has dtype " + dtype + ", which plumb does not read");
  }
}

TEST_CASE("a shape that is larger than the file, or overflows, is refused") {
  for (const auto* shape :
       {"[2]", "[281474976710657]", "[9223372036854775807]", "[18446744073709551615]",
        "[4611686018427387904]", "[2,2]", "[4294967296,4294967296]", "[2147483648,2147483648,4]",
        "[65536,65536,65536,65536]", "[0,281474976710657]", "[0,18446744073709551615]",
        "[9223372036854775808,0]", "[1,4611686018427387905]"}) {
    INFO(shape);
    CHECK(read_fault(file_with("\"F32\"", shape, "[0,4]", 4)) ==
          "tensor 'w' is larger than the file");
  }
}

TEST_CASE("extents beside an extent of zero do not overflow the size") {
  for (const auto* shape :
       {"[0,281474976710656,281474976710656]", "[281474976710656,0,281474976710656]",
        "[281474976710656,281474976710656,0]", "[281474976710656,281474976710656,0,16]"}) {
    INFO(shape);
    try {
      const auto tensors = read(file_with("\"F32\"", shape, "[0,0]", 0));
      CHECK(tensors.at("w").size() == 0);
    } catch (const plumb::load_error&) {
      SUCCEED("refused");
    }
  }
}

TEST_CASE("offsets that are reversed or beyond the data are refused with the data's size") {
  for (const auto& [offsets, spelled] : std::vector<std::pair<std::string, std::string>>{
           {"[4,0]", "4..0"},
           {"[0,5]", "0..5"},
           {"[5,9]", "5..9"},
           {"[4,8]", "4..8"},
           {"[18446744073709551612,0]", "18446744073709551612..0"},
           {"[0,18446744073709551615]", "0..18446744073709551615"},
           {"[18446744073709551611,18446744073709551615]",
            "18446744073709551611..18446744073709551615"}}) {
    CHECK(read_fault(file_with("\"F32\"", "[1]", offsets, 4)) ==
          "tensor 'w' has data_offsets " + spelled + ", but the file holds 4 bytes of data");
  }
}

TEST_CASE("offsets that do not fit the shape are refused with both sizes") {
  CHECK(read_fault(file_with("\"F32\"", "[2]", "[0,4]", 8)) ==
        "tensor 'w' has 4 bytes at offset 0, its shape needs 8");
  CHECK(read_fault(file_with("\"F32\"", "[1]", "[0,8]", 8)) ==
        "tensor 'w' has 8 bytes at offset 0, its shape needs 4");
  CHECK(read_fault(file_with("\"BF16\"", "[]", "[2,3]", 8)) ==
        "tensor 'w' has 1 bytes at offset 2, its shape needs 2");
  CHECK(read_fault(file_with("\"F32\"", "[0,3]", "[0,8]", 8)) ==
        "tensor 'w' has 8 bytes at offset 0, its shape needs 0");
  CHECK(read_fault(file_with("\"F32\"", "[3,0]", "[0,8]", 8)) ==
        "tensor 'w' has 8 bytes at offset 0, its shape needs 0");
  CHECK(read_fault(file_with("\"F64\"", "[1,1]", "[0,0]", 8)) ==
        "tensor 'w' has 0 bytes at offset 0, its shape needs 8");
}

TEST_CASE("tensors that overlap, leave a gap or leave bytes over are refused") {
  const auto fault = [](const std::string& a, const std::string& b, std::size_t size) {
    const auto entry = [](const std::string& offsets) {
      return R"({"dtype":"F32","shape":[1],"data_offsets":)" + offsets + "}";
    };
    return read_fault(
        file_of("{\"a\":" + entry(a) + ",\"b\":" + entry(b) + "}", std::string(size, '\0')));
  };
  CHECK(fault("[0,4]", "[4,8]", 8) == "no load_error");
  CHECK(fault("[4,8]", "[0,4]", 8) == "no load_error");
  CHECK(fault("[0,4]", "[0,4]", 8) ==
        "tensor 'b' begins at byte 0 of the data, expected 4 (overlap)");
  CHECK(fault("[0,4]", "[2,6]", 8) ==
        "tensor 'b' begins at byte 2 of the data, expected 4 (overlap)");
  CHECK(fault("[3,7]", "[0,4]", 7) ==
        "tensor 'a' begins at byte 3 of the data, expected 4 (overlap)");
  CHECK(fault("[0,4]", "[5,9]", 9) == "tensor 'b' begins at byte 5 of the data, expected 4 (gap)");
  CHECK(fault("[5,9]", "[1,5]", 9) == "tensor 'b' begins at byte 1 of the data, expected 0 (gap)");
  CHECK(fault("[0,4]", "[4,8]", 11) == "3 bytes follow the last tensor");
  CHECK(read_fault(file_of("{}", "1")) == "1 bytes follow the last tensor");
}

TEST_CASE("an empty tensor inside another one is refused") {
  CHECK(read_fault(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                           R"("b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
                           std::string(8, '\0'))) ==
        "tensor 'b' begins at byte 4 of the data, expected 8 (overlap)");
}

// ---- Damaged files
// -------------------------------------------------------------------------------

TEST_CASE("a damaged file is refused or read, and nothing worse") {
  const auto valid = written({arbitrary_tensor("matrix", Dtype::f32, {3, 2}, 1),
                              arbitrary_tensor("halves", Dtype::bf16, {5}, 2),
                              arbitrary_tensor("ids", Dtype::i64, {1, 2}, 3),
                              arbitrary_tensor("scalar", Dtype::f64, {}, 4),
                              arbitrary_tensor("empty", Dtype::f16, {0, 4}, 5)},
                             {{"format", "pt"}});
  // Bytes that mean something in the header are likelier than others to be understood.
  const std::string telling = "0123456789-.e[]{},:\" \\\0F";
  const TemporaryDirectory folder;
  std::mt19937 engine(20261);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(engine() % n); };
  int refused = 0, accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto file = valid;
    if (below(8) == 0) file.resize(below(file.size()));
    for (auto edits = below(4); edits > 0 && !file.empty(); --edits) {
      const auto at = below(file.size());
      const char byte =
          below(2) == 0 ? telling[below(telling.size())] : static_cast<char>(engine() & 0xff);
      switch (below(4)) {
        case 0: file.insert(at, 1, byte); break;
        case 1: file.erase(at, 1 + below(4)); break;
        default: file[at] = byte; break;
      }
    }
    const auto path = folder.write("damaged.safetensors", file);
    try {
      const auto tensors = plumb::read_safetensors(path);
      std::size_t bytes = 0;
      for (const auto& [name, tensor] : tensors) {
        REQUIRE(tensor.bytes.size() ==
                static_cast<std::size_t>(tensor.size()) * plumb::info(tensor.dtype).size);
        bytes += tensor.bytes.size();
      }
      REQUIRE(bytes + 8 <= file.size());
      ++accepted;
      touch_everything(tensors);
    } catch (const plumb::load_error&) {
      ++refused;
    } catch (const std::exception& error) {
      FAIL("round " << round << ": " << error.what() << "\n" << file);
    }
  }
  // The sweep does not end at the first check: many files are refused, and many are still read.
  CHECK(refused > 10'000);
  CHECK(accepted > 2'000);
}
