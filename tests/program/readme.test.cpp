// What the README shows is what a reader gets.
#include <catch2/catch.hpp>

#include "support/program.hpp"

namespace {

const std::string kRoot = PLUMB_SOURCE_DIR "/";

std::string read(const std::string& path) { return plumb::test::read_bytes(kRoot + path); }

/// The first fenced block of the README after `mark` that opens with `fence`.
std::string block(const std::string& mark, const std::string& fence) {
  const auto readme = read("README.md");
  const auto from = readme.find(mark);
  REQUIRE(from != std::string::npos);
  const auto begin = readme.find(fence + "\n", from) + fence.size() + 1;
  return readme.substr(begin, readme.find("```\n", begin) - begin);
}

}  // namespace

TEST_CASE("the anatomy in the README is the one that the program prints") {
  auto out = run_program("anatomy").out;
  const auto path = out.find(kRoot);
  REQUIRE(path != std::string::npos);
  CHECK(block("<!-- anatomy -->", "```text") == out.erase(path, kRoot.size()));
}

TEST_CASE("the program in the README is the example, and prints what the README says") {
  CHECK(block("(examples/first_look.cpp)", "```cpp") == read("examples/first_look.cpp"));
  CHECK(block("(examples/first_look.cpp)", "```text") == read("examples/first_look.output"));
}
