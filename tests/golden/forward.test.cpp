#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "plumb/trace/trace.hpp"
#include "plumb/weights/config.hpp"
#include "support/golden.hpp"

namespace fs = std::filesystem;
using plumb::test::GoldenCase;

namespace {

/// The errors of a forward pass in T.
template <class T>
plumb::test::GoldenErrors forward_errors(const GoldenCase& one) {
  const plumb::Decoder<T> model(plumb::Checkpoint::open(one.model));
  const auto golden = plumb::test::read_golden(one.golden, model.architecture());
  return plumb::test::golden_errors(plumb::trace(model, golden.ids), golden);
}

template <class T>
void check_forward(const GoldenCase& one) {
  using plumb::test::golden_bound;
  const auto errors = forward_errors<T>(one);
  INFO(one.name);
  const auto check = [](const plumb::test::GoldenError& error, double bound) {
    INFO(error.where);
    CHECK(error.value <= bound);
  };
  check(errors.hidden, golden_bound<T>);
  check(errors.logits, golden_bound<T>);
  const bool in_float = one.name.find("hf/") != std::string::npos;
  check(errors.attention,
        in_float ? std::max(golden_bound<T>, plumb::test::kGoldenBoundMaps) : golden_bound<T>);
}

/// The folders that hold both files, `root` and what is below it, in order.
std::vector<GoldenCase> golden_folders(const fs::path& root) {
  std::vector<GoldenCase> cases;
  const auto visit = [&](const fs::path& folder) {
    const auto golden = folder / "golden.safetensors";
    if (!fs::exists(golden) || !fs::exists(folder / "config.json")) return;
    cases.push_back({folder.lexically_relative(root).string(), folder, golden});
  };
  visit(root);
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_directory()) visit(entry.path());
  }
  std::sort(cases.begin(), cases.end(),
            [](const GoldenCase& a, const GoldenCase& b) { return a.name < b.name; });
  return cases;
}

/// Why the library does not take the model, by its own words; empty if it does.
std::string refusal(const GoldenCase& one) {
  try {
    plumb::read_architecture(one.model / "config.json");
  } catch (const plumb::load_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEMPLATE_TEST_CASE("forward passes of the fixtures agree with their goldens", "", float, double) {
  for (const auto& one : plumb::test::golden_fixtures()) check_forward<TestType>(one);
}

TEST_CASE("forward passes in double agree with goldens in double to the last digit stored") {
  int compared = 0;
  for (const auto& one : plumb::test::golden_fixtures()) {
    if (one.name.starts_with("hf/")) continue;  // computed in float
    const auto error = forward_errors<double>(one).worst();
    INFO(one.name << ": " << error.where);
    CHECK(error.value <= plumb::test::kGoldenRounding);
    ++compared;
  }
  CHECK(compared == 10);
}

TEST_CASE("no golden among the fixtures is unread") {
  std::set<fs::path> read, there;
  for (const auto& one : plumb::test::golden_fixtures()) read.insert(one.golden);
  for (const auto& entry : fs::recursive_directory_iterator(plumb::test::kFixtures)) {
    if (entry.path().filename() == "golden.safetensors") there.insert(entry.path());
  }
  CHECK(there.size() == 35);
  CHECK(read == there);
}

TEST_CASE("errors of a comparison are relative to the row, and nothing not finite passes") {
  using plumb::Matrix;
  const Matrix<double> want = (Matrix<double>(2, 2) << 4, -1, 0, 0).finished();
  const auto error = [&](double a, double b) {
    plumb::test::GoldenError e;
    e.compare("m", Matrix<double>((Matrix<double>(2, 2) << 4, a, b, 0).finished()), want);
    return e.value;
  };
  CHECK(error(-1, 0) == 0);
  CHECK(error(-3, 0) == 0.5);
  CHECK(std::isinf(error(-1, 1e-300)));
  CHECK(std::isinf(error(std::nan(""), 0)));
  plumb::test::GoldenError shape;
  shape.compare("m", Matrix<double>(want.topRows(1)), want);
  CHECK(std::isinf(shape.value));
}

// Larger checkpoints stay outside the repository: PLUMB_MODELS names a folder that holds some.
TEST_CASE("forward passes of the models in PLUMB_MODELS agree with their goldens") {
  const char* const root = std::getenv("PLUMB_MODELS");
  if (root == nullptr) {
    std::cout << "PLUMB_MODELS is not set: only the fixtures are compared\n";
    return;
  }
  REQUIRE(fs::is_directory(root));
  int compared = 0;
  for (const auto& one : golden_folders(root)) {
    const auto reason = refusal(one);
    if (!reason.empty()) {
      std::cout << "skipped " << one.name << ": " << reason << '\n';
      continue;
    }
    check_forward<float>(one);
    check_forward<double>(one);
    ++compared;
  }
  std::cout << compared << " models in PLUMB_MODELS were compared\n";
  CHECK(compared > 0);
}
