#include "plumb/spike/neuron.hpp"

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

TEST_CASE("the two eigenvalues of one neuron are those of w (g u' + u g') / 2") {
  property("one neuron", [] {
    const Index hidden = *size();
    const auto block = *some_weights<double>(hidden, 1, 1);
    const auto one = neuron(block.form(0), 0);
    const Matrix<double> s = form_twin(block, 0);
    const double slack = gamma<double>(64 * roundings(hidden)) * mass_twin(block, 0);
    RC_ASSERT(mismatch(one.dominant + one.other, s.trace(), slack) == "");
    RC_ASSERT(mismatch(std::hypot(one.dominant, one.other), s.norm(), slack) == "");
    RC_ASSERT(std::abs(one.dominant) >= std::abs(one.other));
    RC_ASSERT((s * one.direction - one.dominant * one.direction).norm() <= slack);
    RC_ASSERT(one.dominant * one.weight * one.cosine >= 0);
    if (s.isZero(0)) return;
    const double share = one.dominant * one.dominant / s.squaredNorm();
    RC_ASSERT(mismatch(one.energy_share(), share, slack * 4 / s.norm()) == "");
  });
}

TEST_CASE("gate and up rows at an angle of any sign") {
  for (const double c : {0.8, -0.8, 0.0, 1.0, -1.0}) {
    Weights<double> block{Matrix<double>::Zero(2, 3), Matrix<double>::Zero(2, 3),
                          RowVector<double>{{0, -2}}, Vector<double>::Ones(3)};
    plant_neuron(block, 1, 0, c, 3);
    const auto one = neuron(block.form(0), 1);
    CHECK(mismatch(one.cosine, c, 1e-15) == "");
    const double sign = c < 0 ? -1 : 1;
    CHECK(mismatch(one.dominant, -2 * 9 * (c + sign) / 2, 1e-13) == "");
    CHECK(mismatch(one.other, -2 * 9 * (c - sign) / 2, 1e-13) == "");
    CHECK(block.gate.row(1).dot(one.direction.transpose()) > 0);
    CHECK(heaviest_neuron(block.form(0)).neuron == 1);
  }
}

TEST_CASE("a neuron of zeros has no eigenvalues and no direction") {
  const Weights<double> block{Matrix<double>::Zero(1, 3), Matrix<double>::Ones(1, 3),
                              Matrix<double>::Ones(1, 1), Vector<double>::Ones(3)};
  const auto one = neuron(block.form(0), 0);
  CHECK(one.dominant == 0);
  CHECK(one.direction == Vector<double>::Zero(3));
  CHECK(heaviest_neuron(block.form(0)).neuron == 0);
  CHECK_FALSE(dominant_neuron(block.form(0), Vector<double>::Ones(3)).has_value());
}

TEST_CASE("the dominant neuron of a channel at x") {
  property("by its definition", [] {
    const Index hidden = *size();
    const auto block = *some_weights<double>(hidden, *size(), 1);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const auto at = project(block.view(), x);
    const Vector<double> writes = block.down.row(0).transpose().cwiseProduct(at.hidden);
    const auto found = dominant_neuron(block.form(0), x);
    RC_ASSERT(found.has_value() == (writes.lpNorm<1>() > 0));
    if (!found) return;
    RC_ASSERT(std::abs(found->write) == writes.lpNorm<Eigen::Infinity>());
    RC_ASSERT(found->write == writes[found->neuron]);
    RC_ASSERT(found->gate == at.gate[found->neuron]);
    RC_ASSERT(found->mass_share > 0);
    RC_ASSERT(found->mass_share <= 1 + gamma<double>(20));
  });
}

TEST_CASE("tiny-llama, layer 0, channel 61: one neuron carries 0.992, with cos(g, u) = -0.804") {
  const Decoder<double> model(Checkpoint::open(trained_checkpoints().front().string()));
  const auto run = trace(model, TokenIds{0});
  const auto layer = model.layer(0);
  const FeedForwardView view(layer);
  const auto form = quadratic_form(view, 61);
  const Vector<double> x = readings(layer, run, 0).row(0).transpose();
  const auto found = dominant_neuron(form, x);
  REQUIRE(found.has_value());
  CHECK(found->neuron == 163);
  CHECK(mismatch(found->share, 0.992, 5e-4) == "");
  CHECK(mismatch(neuron(form, 163).cosine, -0.804, 5e-4) == "");
  CHECK(heaviest_neuron(form).neuron == 163);

  // The column of that neuron predicts the ratios of the four largest writes.
  const RowVector<double> writes = run.feed_forward_write[0].row(0);
  std::vector<Index> channels(static_cast<std::size_t>(writes.size()));
  for (std::size_t k = 0; k < channels.size(); ++k) channels[k] = static_cast<Index>(k);
  std::sort(channels.begin(), channels.end(),
            [&](Index a, Index b) { return std::abs(writes[a]) > std::abs(writes[b]); });
  channels.resize(4);
  const auto shared = shared_writes(view, 163, channels, x);
  CHECK(mismatch(shared.sine, 0.0030, 5e-5) == "");
  CHECK(mismatch(shared.bound, 0.0084, 5e-5) == "");
}

TEST_CASE("a column predicts ratios as well as its remainder allows") {
  property("both forms of the bound", [] {
    const Index hidden = *size(), neurons = *size(), channels = 1 + *size(5);
    const auto block = *some_weights<double>(hidden, neurons, channels);
    const Vector<double> x = *gaussian_vector<double>(hidden);
    std::vector<Index> list;
    for (Index k = channels - 1; k >= 0; --k) list.push_back(k);
    const auto shared = shared_writes(block.view(), neurons - 1, list, x);
    const auto at = project(block.view(), x);
    const double mass = block.down.norm() * at.hidden.norm();
    const double slack = gamma<double>(8 * roundings(neurons)) * mass;
    for (Index c = 0; c < channels; ++c) {
      const Index k = list[static_cast<std::size_t>(c)];
      RC_ASSERT(shared.column[c] == block.down(k, neurons - 1));
      RC_ASSERT(mismatch(shared.writes[c], block.down.row(k).dot(at.hidden.transpose()), slack) ==
                "");
      RC_ASSERT(mismatch(shared.remainder[c],
                         shared.writes[c] - shared.column[c] * at.hidden[neurons - 1],
                         slack) == "");
    }
    const double column = shared.column.norm();
    for (Index c = 1; c < channels; ++c) {
      RC_ASSERT(shared.mismatch(0, c) <= shared.mismatch_bound(0, c) + 4 * slack * (column + 1));
    }
    const double size = shared.writes.norm();
    if (size > 0) RC_ASSERT(shared.sine <= shared.bound + 4 * slack / size + gamma<double>(64));
  });
}

TEST_CASE("alone, a neuron predicts the ratios exactly") {
  Engine engine(4);
  const auto block = draw_weights<double>(engine, 6, 1, 3);
  const auto shared = shared_writes(block.view(), 0, {0, 1, 2}, Vector<double>::Ones(6));
  CHECK(shared.bound == 0);
  CHECK(shared.sine < 1e-15);
  CHECK(shared.remainder == Vector<double>::Zero(3));
}

TEST_CASE("neurons and channels out of range, and x that do not fit") {
  Engine engine(5);
  const auto block = draw_weights<double>(engine, 4, 3, 2);
  const auto view = block.view();
  const Vector<double> x = Vector<double>::Ones(4);
  CHECK_THROWS_WITH(neuron(block.form(0), 3), "neuron: neuron 3 is outside 0..2");
  CHECK_THROWS_WITH(shared_writes(view, 7, {0}, x), "shared_writes: neuron 7 is outside 0..2");
  CHECK_THROWS_WITH(shared_writes(view, 0, {2}, x), "shared_writes: channel 2 is outside 0..1");
  CHECK_THROWS_AS(dominant_neuron(block.form(0), Vector<double>::Ones(5)), shape_error);
  const auto nothing = shared_writes(view, 0, {0, 1}, Vector<double>::Zero(4));
  CHECK(nothing.bound == 1);
  CHECK(nothing.sine == 0);
}
