#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <utility>
#include <vector>

/// Rules about the tree that no compiler checks: which stage may include which, and that headers
/// and tests come in pairs. Each rule is tried on a small tree that breaks it, too.
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

/// A stage includes itself and what stands before it. The umbrella header comes last: it may
/// include all, and no stage may include it; nor may any stage but report include report.
const Strings stages = {"core",     "kernels", "weights",   "model",  "trace",  "spike",
                        "collapse", "sink",    "intervene", "claims", "report", "plumb"};

/// Folders of tests/ that do not mirror a folder of include/plumb.
const Strings unpaired = {"structure", "program", "support", "golden", "consumer", "fixtures"};

/// Folders below a stage's that hold proofs: claims/symbolic/norm.test.cpp is about
/// claims/norm.hpp.
const Strings proofs = {"symbolic", "interval"};

/// The stage of "core/errors.hpp" is 0, that of the umbrella "plumb.hpp" the last; the number of
/// stages stands for a path in no stage.
std::ptrdiff_t stage(const fs::path& header) {
  return std::distance(stages.begin(), std::ranges::find(stages, header.begin()->stem().string()));
}

/// Files below a folder whose names end so, relative to it, sorted.
Strings files(const fs::path& folder, const std::string& ending) {
  Strings found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto path = entry.path().lexically_relative(folder).generic_string();
    if (path.ends_with(ending)) found.push_back(path);
  }
  std::ranges::sort(found);
  return found;
}

Strings include_faults(const fs::path& root) {
  static const std::regex include(R"(\s*#\s*include\s*(["<])(plumb/)?([^">]*)[">].*)");
  const auto last = std::ssize(stages);
  Strings faults;
  for (const auto& header : files(root / "include/plumb", ".hpp")) {
    if (stage(header) == last) faults.push_back(header + " is in no stage");
    std::ifstream file(root / "include/plumb" / header);
    std::smatch match;
    for (std::string line; std::getline(file, line);) {
      if (!std::regex_match(line, match, include)) continue;
      const bool quoted = match[1] == "\"", ours = match[2].matched;
      if (ours && (stage(match[3].str()) > stage(header) || stage(match[3].str()) == last))
        faults.push_back(header + " must not include plumb/" + match[3].str());
      if (quoted && !ours)
        faults.push_back(header + " includes \"" + match[3].str() + "\" by no full path");
    }
  }
  return faults;
}

/// The header that a test is about.
fs::path header_of(const fs::path& test) {
  fs::path header;
  for (const auto& part : test) {
    if (std::ranges::count(proofs, part.string()) == 0) header /= part;
  }
  return header.replace_extension().replace_extension(".hpp");
}

Strings pairing_faults(const fs::path& root) {
  Strings faults;
  for (const auto& header : files(root / "include/plumb", ".hpp")) {
    const auto test = fs::path("tests") / fs::path(header).replace_extension(".test.cpp");
    const bool umbrella = header.find('/') == std::string::npos;  // tests/consumer compiles it
    if (!umbrella && !fs::exists(root / test))
      faults.push_back(test.generic_string() + " is missing");
  }
  for (const auto& test : files(root / "tests", ".test.cpp")) {
    if (std::ranges::count(unpaired, fs::path(test).begin()->string()) > 0) continue;
    if (!fs::exists(root / "include/plumb" / header_of(test)))
      faults.push_back("tests/" + test + " tests no header");
  }
  return faults;
}

/// A tree of files that lasts as long as the object.
class Tree {
 public:
  explicit Tree(const std::vector<std::pair<fs::path, std::string>>& contents) {
    fs::remove_all(root);  // what a run that crashed may have left
    for (const auto& [path, text] : contents) {
      fs::create_directories((root / path).parent_path());
      std::ofstream(root / path) << text;
    }
  }
  ~Tree() { fs::remove_all(root); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const fs::path root = fs::current_path() / "structure_tree.tmp";
};

}  // namespace

TEST_CASE("stages include lower stages only") {
  REQUIRE_FALSE(files(fs::path(PLUMB_SOURCE_DIR) / "include/plumb", ".hpp").empty());
  CHECK(include_faults(PLUMB_SOURCE_DIR) == Strings{});
}

TEST_CASE("headers and tests come in pairs") {
  CHECK(pairing_faults(PLUMB_SOURCE_DIR) == Strings{});
}

TEST_CASE("an include against the direction is found") {
  const Tree tree({
      {"include/plumb/plumb.hpp", "#include \"plumb/report/text.hpp\"\n"},
      {"include/plumb/core/a.hpp", "#include <vector>\n#include \"plumb/core/b.hpp\"\n"},
      {"include/plumb/core/b.hpp", "#  include <plumb/model/norm.hpp>  // upwards\n"},
      {"include/plumb/misc/x.hpp", ""},
      {"include/plumb/sink/a.hpp",
       "#include \"plumb/spike/a.hpp\"\n#include \"plumb/misc/x.hpp\"\n"},
      {"include/plumb/spike/a.hpp",
       "#include \"plumb/sink/a.hpp\"\n#include \"plumb/plumb.hpp\"\n"},
      {"include/plumb/trace/a.hpp", "#include \"b.hpp\"\n"},
  });
  CHECK(include_faults(tree.root) == Strings{
                                         "core/b.hpp must not include plumb/model/norm.hpp",
                                         "misc/x.hpp is in no stage",
                                         "sink/a.hpp must not include plumb/misc/x.hpp",
                                         "spike/a.hpp must not include plumb/sink/a.hpp",
                                         "spike/a.hpp must not include plumb/plumb.hpp",
                                         "trace/a.hpp includes \"b.hpp\" by no full path",
                                     });
}

TEST_CASE("a header without a test, and a test without a header, are found") {
  const Tree tree({
      {"include/plumb/plumb.hpp", ""},
      {"include/plumb/core/a.hpp", ""},
      {"include/plumb/core/b.hpp", ""},
      {"tests/core/a.test.cpp", ""},
      {"tests/core/c.test.cpp", ""},
      {"tests/core/symbolic/a.test.cpp", ""},
      {"tests/core/interval/d.test.cpp", ""},
      {"tests/program/anatomy.test.cpp", ""},
  });
  CHECK(pairing_faults(tree.root) == Strings{"tests/core/b.test.cpp is missing",
                                             "tests/core/c.test.cpp tests no header",
                                             "tests/core/interval/d.test.cpp tests no header"});
}
