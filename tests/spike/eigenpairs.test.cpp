#include "plumb/spike/eigenpairs.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

Vector<double> spectrum(const QuadraticForm<double>& form) {
  return Eigen::SelfAdjointEigenSolver<Matrix<double>>(form.dense(), Eigen::EigenvaluesOnly)
      .eigenvalues();
}

/// The pair is one of S_k to `tolerance`, and no eigenvalue is larger by more than that.
void check_pair(const QuadraticForm<double>& form, const Eigenpair& pair, double tolerance) {
  const double size = spectrum(form).cwiseAbs().maxCoeff();
  CHECK(mismatch(std::abs(pair.lambda), size, tolerance * size) == "");
  const Vector<double> s = pair.direction;
  CHECK((form.apply(s) - pair.lambda * s).norm() <= 1.01 * pair.residual + 1e-13 * size);
}

}  // namespace

TEST_CASE("every channel of every layer of the trained checkpoints, against the dense solver") {
  for (const auto& path : trained_checkpoints()) {
    INFO(path);
    const Decoder<double> model(Checkpoint::open(path.string()));
    for (Index l = 0; l < model.architecture().layers; ++l) {
      const auto layer = model.layer(l);
      const FeedForwardView view(layer);
      for (const auto& pair : leading_eigenpairs(view)) {
        INFO("layer " << l << ", channel " << pair.channel);
        CHECK((pair.status == PairStatus::converged || pair.status == PairStatus::tied));
        CHECK(pair.residual <= 1e-7 * std::abs(pair.lambda));
        check_pair(quadratic_form(view, pair.channel), pair, 1e-6);
      }
    }
  }
}

TEMPLATE_TEST_CASE("together as one by one", "", float, double) {
  using T = TestType;
  Engine engine(5);
  const auto block = draw_weights<T>(engine, 48, 90, 40);
  const auto view = block.view();
  const auto pairs = leading_eigenpairs(view);
  REQUIRE(pairs.size() == 40);
  for (const auto& pair : pairs) {
    const auto alone = leading_eigenpair(block.form(pair.channel));
    CHECK(pair.status == alone.status);
    CHECK(mismatch(pair.lambda, alone.lambda, 1e-6 * std::abs(alone.lambda)) == "");
    CHECK(pair.neuron == alone.neuron);
    CHECK(pair.direction.dot(alone.direction) > 1 - 1e-4);
    CHECK(mismatch(pair.norms->form, alone.norms->form, 1e-9) == "");
  }
}

TEST_CASE("slots that are few are used again") {
  Engine engine(6);
  const auto block = draw_weights<double>(engine, 30, 40, 100);
  ScanOptions options;
  options.memory = 1;  // the least number of slots
  std::vector<Index> told;
  options.progress = [&](Index done, Index total) {
    CHECK(total == 100);
    told.push_back(done);
  };
  const auto pairs = leading_eigenpairs(block.view(), options);
  for (Index k = 0; k < 100; ++k) {
    const auto& pair = pairs[static_cast<std::size_t>(k)];
    CHECK(pair.channel == k);
    check_pair(block.form(k), pair, 1e-9);
  }
  CHECK(told.size() == 100);
  CHECK(std::is_sorted(told.begin(), told.end()));
  CHECK(told.back() == 100);
}

TEST_CASE("channels come in the order that was asked for, and may repeat") {
  Engine engine(7);
  const auto block = draw_weights<double>(engine, 10, 20, 6);
  const auto pairs = leading_eigenpairs(block.view(), std::vector<Index>{4, 1, 4});
  REQUIRE(pairs.size() == 3);
  CHECK(pairs[0].channel == 4);
  CHECK(pairs[1].channel == 1);
  CHECK(pairs[2].lambda == pairs[0].lambda);
  CHECK(leading_eigenpairs(block.view(), std::vector<Index>{}).empty());
}

TEST_CASE("the largest channels are the first of all channels, and screening leaves the rest out") {
  property("none is missed", [] {
    const Index hidden = *size(), channels = 30;
    auto block = *some_weights<double>(hidden, *size(), channels);
    // Channels of very different size, so that some can be left out.
    for (Index k = 0; k < channels; ++k) block.down.row(k) *= std::pow(2.0, k % 7);
    ScanOptions options;
    options.memory = 1;
    auto all = leading_eigenpairs(block.view(), options);
    std::stable_sort(all.begin(), all.end(), [](const Eigenpair& a, const Eigenpair& b) {
      return std::abs(a.lambda) > std::abs(b.lambda);
    });
    const auto top = top_channels(block.view(), 5, options);
    RC_ASSERT(top.pairs.size() == 5);
    RC_ASSERT(top.searched + top.screened == channels);
    for (std::size_t i = 0; i < 5; ++i) {
      const double size = std::abs(all[i].lambda);
      RC_ASSERT(mismatch(std::abs(top.pairs[i].lambda), size, 1e-9 * size) == "");
    }
  });
}

TEST_CASE("screening spares channels that are provably smaller") {
  Engine engine(8);
  auto block = draw_weights<double>(engine, 20, 30, 64);
  block.down.bottomRows(48) *= 1e-3;
  ScanOptions options;
  options.memory = 1;
  const auto top = top_channels(block.view(), 3, options);
  CHECK(top.screened >= 64 - 48);
  CHECK(top_channels(block.view(), 0).pairs.empty());
  CHECK(top_channels(block.view(), 1000).pairs.size() == 64);
}

TEST_CASE("channels of zeros and channels that are out of range") {
  Engine engine(9);
  auto block = draw_weights<double>(engine, 10, 20, 3);
  block.down.row(1).setZero();
  const auto pairs = leading_eigenpairs(block.view());
  CHECK(pairs[1].status == PairStatus::zero);
  CHECK(pairs[0].status == PairStatus::converged);
  CHECK_THROWS_WITH(leading_eigenpairs(block.view(), std::vector<Index>{0, 3}),
                    "leading_eigenpairs: channel 3 is outside 0..2");
  const Matrix<double> none, some = Matrix<double>::Ones(2, 2);
  CHECK_THROWS_WITH(leading_eigenpairs(FeedForwardView(none, some, some)),
                    "leading_eigenpairs: the feed-forward block has no gate");
  CHECK_THROWS_AS(top_channels(FeedForwardView(none, some, some), 1), shape_error);
}
