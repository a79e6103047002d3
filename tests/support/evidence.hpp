#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "plumb/claims/check.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/verdict.hpp"
#include "plumb/model/planted.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"

/// Evidence for claims. A test case names the claim and the kind of evidence by its tags,
/// [rms-bounded][property]; kinds are property, measured, symbolic and interval. The test
/// tests/claims/evidence.test.cpp holds tags, pages and the table of docs/claims together.
namespace plumb::test {

/// "violated: 3 <= 2 (allowance 1e-12)", or what else the verdict is.
inline std::string describe(const claims::Finding& finding) {
  std::ostringstream text;
  text.precision(17);
  text << to_string(finding.verdict) << ": " << finding.lhs << " against " << finding.rhs
       << ", allowance " << finding.allowance << " " << finding.reason << " "
       << to_string(finding.where);
  return text.str();
}

/// A property: of the inputs that `draw` makes, none violates the claim and none is unresolved,
/// and at least half meet the assumptions. `draw` takes from RapidCheck's generators.
template <claims::Claim C, class Draw>
void check_property(const std::string& description, const Draw& draw) {
  int drawn = 0, met = 0;
  double closest = 0;
  property(description, [&] {
    const auto finding = claims::judge<C>(draw());
    ++drawn;
    if (finding.verdict == claims::Verdict::vacuous) return;
    ++met;
    if (finding.rhs > 0) closest = std::max(closest, finding.lhs / finding.rhs);
    if (finding.verdict != claims::Verdict::holds) RC_FAIL(describe(finding));
  });
  INFO(claims::name_of<C>() << ": " << met << " of " << drawn
                            << " met the assumptions, lhs/rhs up to " << closest);
  CHECK(2 * met >= drawn);
}

/// The bound is reached: the claim holds and lhs is at least `share` of rhs.
template <claims::Claim C>
void check_tight(const typename C::template Input<double>& input, double share = 0.99) {
  const auto finding = claims::judge<C>(input);
  INFO(claims::name_of<C>() << " " << describe(finding));
  CHECK(finding.verdict == claims::Verdict::holds);
  CHECK((finding.tight || finding.lhs >= share * finding.rhs));
}

/// An input that meets the assumptions by its form and is wrong in its data: found out.
template <claims::Claim C>
void check_violated(const typename C::template Input<double>& input) {
  const auto finding = claims::judge<C>(input);
  INFO(claims::name_of<C>() << " " << describe(finding));
  CHECK(finding.verdict == claims::Verdict::violated);
}

/// An input that lacks an assumption: the claim says so in words that hold `words`, and without
/// the assumption its sides would indeed break the relation.
template <claims::Claim C>
void check_needs_assumption(const typename C::template Input<double>& input,
                            const std::string& words) {
  const auto objection = C::assumptions(input);
  INFO(claims::name_of<C>() << ": " << objection.value_or("no objection"));
  REQUIRE(objection.has_value());
  CHECK(objection->find(words) != std::string::npos);
  const auto raw = claims::judge(C::relation, C::template lhs<double>(input),
                                 C::template rhs<double>(input), C::allowance(input));
  INFO(describe(raw));
  CHECK(raw.verdict != claims::Verdict::holds);
}

/// An input about which the claim says nothing, in words that hold `words`: it lacks an assumption
/// without which the sides have no meaning or no content.
template <claims::Claim C>
void check_vacuous(const typename C::template Input<double>& input, const std::string& words) {
  const auto objection = C::assumptions(input);
  INFO(claims::name_of<C>() << ": " << objection.value_or("no objection"));
  REQUIRE(objection.has_value());
  CHECK(objection->find(words) != std::string::npos);
}

/// Folders of checkpoints: the bundled one, the fixtures, and those below PLUMB_MODELS that the
/// library takes.
inline const std::vector<std::string>& measured_folders() {
  static const auto all = [] {
    std::vector<std::string> folders;
    for (const auto& one : golden_fixtures()) folders.push_back(one.model.string());
    if (const char* root = std::getenv("PLUMB_MODELS")) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.is_directory() && std::filesystem::exists(entry.path() / "config.json")) {
          folders.push_back(entry.path().string());
        }
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
        const auto ids = std::filesystem::path(folder) / "ids.npy";
        if (std::filesystem::exists(ids)) add(folder, Checkpoint::open(folder), read_ids(ids));
      } catch (const load_error&) {  // a family that the library does not take
      }
    }
    add("planted", planted::make().checkpoint, {0, 5, 6, 7, 1, 8, 9, 10, 11, 12, 13, 14});
    return runs;
  }();
  return all;
}

/// Measured: no site of any model violates the claim, and somewhere it holds with numbers.
template <claims::Claim C>
void check_measured() {
  Index holds = 0;
  for (const auto& run : measured_runs()) {
    const auto result = claims::check<C>(run.model, run.trace).front();
    INFO(claims::name_of<C>() << " on " << run.name << ": "
                              << (result.worst ? describe(*result.worst) : result.reason));
    CHECK(result.violated == 0);
    CHECK(result.unresolved == 0);
    holds += result.holds;
  }
  CHECK(holds > 0);
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
