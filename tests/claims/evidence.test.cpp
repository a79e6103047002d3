#include "plumb/claims/evidence.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

/// Claims, their tests, their pages and the index say the same. The table of the index is made
/// here: PLUMB_WRITE_INDEX=1 in the environment writes it.
namespace {

namespace fs = std::filesystem;
using Kinds = std::map<std::string, std::set<std::string>>;  // id -> kinds of evidence

const fs::path kRoot = PLUMB_SOURCE_DIR;
const fs::path kIndex = kRoot / "docs/claims/README.md";
const std::string kBegin = "<!-- evidence -->\n", kEnd = "<!-- /evidence -->\n";
const std::vector<std::string> kKinds = {"property", "measured", "symbolic", "interval", "proof"};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Calls body(match) for each match of `pattern` in the files below `folder` that end so.
template <class Body>
void for_each_match(const fs::path& folder, const std::string& ending, const std::regex& pattern,
                    const Body& body) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.path().string().ends_with(ending)) continue;
    const auto text = read(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
      body(*it);
    }
  }
}

/// The ids of the claims that the headers define.
std::set<std::string> defined_claims() {
  std::set<std::string> ids;
  static const std::regex id("string_view id = \"([a-z0-9-]+)\"");
  for_each_match(kRoot / "include/plumb/claims", ".hpp", id,
                 [&](const std::smatch& match) { ids.insert(match[1]); });
  ids.erase("norm-of-sum");  // the example in a comment
  return ids;
}

Kinds tagged_tests() {
  Kinds kinds;
  static const std::regex tags(R"(\[([a-z0-9-]+)\]\[(property|measured|symbolic|interval)\])");
  for_each_match(kRoot / "tests/claims", ".test.cpp", tags,
                 [&](const std::smatch& match) { kinds[match[1]].insert(match[2]); });
  return kinds;
}

/// The claims with a proof that Coq checks: docs/proofs/rms_bounded.v is about rms-bounded. Files
/// with upper case names hold what proofs share.
std::set<std::string> proven_claims() {
  std::set<std::string> ids;
  for (const auto& entry : fs::directory_iterator(kRoot / "docs/proofs")) {
    auto id = entry.path().stem().string();
    if (entry.path().extension() != ".v" || id.front() < 'a') continue;
    std::ranges::replace(id, '_', '-');
    ids.insert(id);
  }
  return ids;
}

/// What a page says of a proof, to the end of the path.
std::string proof_link(std::string id) {
  std::ranges::replace(id, '-', '_');
  return "[" + id + ".v](../proofs/" + id + ".v)";
}

Kinds listed_evidence() {
  Kinds kinds;
  for (const auto& evidence : plumb::claims::kEvidence) {
    std::istringstream words{std::string(evidence.kinds)};
    for (std::string kind; words >> kind;) kinds[std::string(evidence.id)].insert(kind);
  }
  return kinds;
}

std::string evidence_table() {
  std::string table = "| claim |";
  for (const auto& kind : kKinds) table += " " + kind + " |";
  table += "\n|---|---|---|---|---|---|\n";
  for (const auto& evidence : plumb::claims::kEvidence) {
    const std::string id(evidence.id);
    table += "| [" + id + "](" + id + ".md) |";
    for (const auto& kind : kKinds) {
      table += evidence.kinds.find(kind) == std::string_view::npos ? " |" : " yes |";
    }
    table += "\n";
  }
  return table;
}

}  // namespace

TEST_CASE("every claim is listed with the evidence that tests and proofs give, and no other") {
  const auto listed = listed_evidence();
  CHECK(listed.size() == plumb::claims::kEvidence.size());  // no id twice
  auto given = tagged_tests();
  for (const auto& id : proven_claims()) given[id].insert("proof");
  CHECK(listed == given);
  std::set<std::string> ids;
  for (const auto& [id, kinds] : listed) {
    ids.insert(id);
    INFO(id);
    CHECK(kinds.contains("property"));
    CHECK(kinds.contains("measured"));
  }
  CHECK(ids == defined_claims());
}

TEST_CASE("every claim has a page with the same headings, and every page a claim") {
  const std::vector<std::string> headings = {"Statement",      "Assumptions", "Bound",
                                             "Proof",          "Code",        "Evidence",
                                             "Where it fails", "References"};
  std::set<std::string> pages;
  for (const auto& entry : fs::directory_iterator(kRoot / "docs/claims")) {
    if (entry.path() != kIndex) pages.insert(entry.path().stem().string());
  }
  CHECK(pages == defined_claims());
  for (const auto& id : pages) {
    INFO(id);
    const auto page = read(kRoot / "docs/claims" / (id + ".md"));
    CHECK(page.starts_with("# " + id + "\n"));
    CHECK((page.find(proof_link(id)) != std::string::npos) == proven_claims().contains(id));
    std::vector<std::string> found;
    static const std::regex heading("\n## ([^\n]*)");
    for (std::sregex_iterator it(page.begin(), page.end(), heading), end; it != end; ++it) {
      found.push_back((*it)[1]);
    }
    CHECK(found == headings);
  }
}

TEST_CASE("the index shows the evidence") {
  auto index = read(kIndex);
  const auto begin = index.find(kBegin), end = index.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const auto from = begin + kBegin.size();
  if (std::getenv("PLUMB_WRITE_INDEX") != nullptr) {
    index.replace(from, end - from, evidence_table());
    std::ofstream(kIndex) << index;
  }
  CHECK(read(kIndex).substr(from, end - from) == evidence_table());
}
