#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "plumb/claims/check.hpp"
#include "plumb/model/planted.hpp"
#include "support/evidence.hpp"
#include "support/golden.hpp"

/// Measured evidence for claims: runs of whole models.
namespace plumb::test {

/// Folders of checkpoints: the bundled one, the fixtures, and those below PLUMB_MODELS that the
/// library takes.
inline const std::vector<std::string>& measured_folders() {
  static const auto all = [] {
    std::vector<std::string> folders;
    for (const auto& one : golden_fixtures()) folders.push_back(one.model.string());
    if (const char* root = std::getenv("PLUMB_MODELS")) {
      const auto visit = [&](const std::filesystem::path& folder) {
        if (std::filesystem::exists(folder / "config.json")) folders.push_back(folder.string());
      };
      visit(root);
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.is_directory()) visit(entry.path());
      }
    }
    return folders;
  }();
  return all;
}

/// A run of each model in double, made once a program. Texts are the model's own ids.npy where
/// there is one, else a few ids.
struct MeasuredRun {
  std::string name;
  Decoder<double> model;
  Trace<double> trace;
};

inline const std::vector<MeasuredRun>& measured_runs() {
  static const auto all = [] {
    std::vector<MeasuredRun> runs;
    const auto add = [&](const std::string& name, const Checkpoint& checkpoint, TokenIds ids) {
      constexpr std::size_t kLongest = 48;  // enough for every claim, and quick
      if (ids.size() > kLongest) ids.resize(kLongest);
      Decoder<double> model(checkpoint);
      auto run = plumb::trace(model, ids);
      runs.push_back({name, std::move(model), std::move(run)});
    };
    for (const auto& folder : measured_folders()) {
      try {
        const auto checkpoint = Checkpoint::open(folder);
        const auto file = std::filesystem::path(folder) / "ids.npy";
        TokenIds ids(static_cast<std::size_t>(std::min<Index>(
            {24, checkpoint.architecture.vocab_size, checkpoint.architecture.context_length})));
        std::iota(ids.begin(), ids.end(), TokenId{0});
        if (std::filesystem::exists(file)) ids = read_ids(file);
        add(folder, checkpoint, ids);
      } catch (const load_error&) {  // a family that the library does not take
      }
    }
    add("planted", planted::make().checkpoint, {0, 5, 6, 7, 1, 8, 9, 10, 11, 12, 13, 14});
    return runs;
  }();
  return all;
}

/// Measured in float: no site of a fixture is violated beyond the allowance.
template <claims::Claim... Claims>
void check_measured_in_float() {
  for (const auto& one : golden_fixtures()) {
    auto ids = read_ids(one.model / "ids.npy");
    if (ids.size() > 48) ids.resize(48);
    const Decoder<float> model(Checkpoint::open(one.model.string()));
    for (const auto& result : claims::check<Claims...>(model, plumb::trace(model, ids))) {
      INFO(result.id << " (" << result.part << ") in float on " << one.name << ": "
                     << (result.worst ? describe(*result.worst) : result.reason));
      CHECK(result.violated == 0);
    }
  }
}

}  // namespace plumb::test
