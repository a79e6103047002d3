// The inputs in tests/fuzz/corpus, without a fuzzer: good ones are used, bad ones are refused.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>

#include "fuzz/targets.hpp"
#include "support/temporary.hpp"

namespace fs = std::filesystem;

namespace {

const fs::path kCorpus = fs::path(PLUMB_SOURCE_DIR) / "tests/fuzz/corpus";

/// Those that seeds.py calls good; all others are refused.
const std::set<std::string> kGood = {"safetensors/good",
                                     "safetensors/not-finite",
                                     "config/llama",
                                     "config/plumb",
                                     "tokenizer/bytes.json",
                                     "tokenizer/llama2.json",
                                     "tokenizer/metaspace.json",
                                     "tokenizer/gemma.json",
                                     "tokenizer/circle.json",
                                     "tokenizer/llama2c.bin",
                                     "llama2c/tied",
                                     "llama2c/untied",
                                     "ids/i8.npy",
                                     "ids/i4.npy",
                                     "ids/u1.npy"};

}  // namespace

TEST_CASE("inputs of the fuzzers' corpus") {
  const plumb::fuzz::MemoryFile file;
  std::set<std::string> folders, used;
  for (const auto& target : plumb::fuzz::kTargets) {
    folders.insert(std::string(target.name));
    for (const auto& entry : fs::directory_iterator(kCorpus / target.name)) {
      const auto name = entry.path().lexically_relative(kCorpus).generic_string();
      CAPTURE(name);
      file.write(plumb::test::read_bytes(entry.path()));
      std::string verdict;
      REQUIRE_NOTHROW(verdict = plumb::fuzz::verdict(target, file.path()));
      if (verdict.empty()) used.insert(name);
      if (kGood.contains(name)) CHECK(verdict == "");
    }
  }
  // What families a configuration may have is for config.test.cpp to say.
  for (const auto& name : used) CHECK((name.starts_with("config/") || kGood.contains(name)));
  for (const auto& entry : fs::directory_iterator(kCorpus)) {
    CHECK(folders.contains(entry.path().filename().string()));
  }
}
