#include "plumb/model/planted.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/temporary.hpp"

using namespace plumb;
using namespace plumb::test;
using planted::Plan;

namespace {

/// Both spike tokens of the default plan, ordinary tokens, and the first spike token again.
const TokenIds kIds{0, 5, 9, 1, 33, 63, 0, 17};

std::vector<Plan> plans() {
  std::vector<Plan> list(4);
  list[1].hidden_size = 33;
  list[1].seed = 9;
  list[2].step_up_layer = 0;
  list[2].step_down_layer.reset();
  list[2].spike_sizes = {700, 1000, 650};
  list[2].channel_ratios = {1, 2.5, -0.01, 0.3};
  list[2].seed = 10;
  list[3].step_up_layer = 2;
  list[3].step_down_layer = 3;
  list[3].sink_heads = {};
  list[3].spike_sizes = {5e4};
  list[3].channel_ratios = {1};
  list[3].feed_forward_size = 1;
  list[3].seed = 11;
  return list;
}

std::vector<Matrix<double>> residuals(const Checkpoint& checkpoint, const TokenIds& ids = kIds) {
  return plumb::trace(Decoder<double>(checkpoint), ids).residual;
}

bool is_spike(const Plan& plan, TokenId id) {
  return static_cast<std::size_t>(id) < plan.spike_sizes.size();
}

bool same_bytes(const Checkpoint& a, const Checkpoint& b) {
  return std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second.shape == y.second.shape &&
                             std::equal(x.second.bytes.begin(), x.second.bytes.end(),
                                        y.second.bytes.begin(), y.second.bytes.end());
                    });
}

}  // namespace

TEST_CASE("the spike direction is a unit vector without a part in the spike channels") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    CHECK(std::abs(model.direction.norm() - 1) <= gamma<double>(roundings(plan.hidden_size)));
    CHECK(model.direction.size() == plan.hidden_size);
    for (const Index k : model.channels) CHECK(model.direction[k] == 0);
  }
}

TEST_CASE("there is a spike channel for each ratio, and none comes twice") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    CHECK(model.channels.size() == plan.channel_ratios.size());
    CHECK(std::set<Index>(model.channels.begin(), model.channels.end()).size() ==
          model.channels.size());
    for (const Index k : model.channels) CHECK((0 <= k && k < plan.hidden_size));
  }
}

TEST_CASE("the checkpoint is what its architecture says, and keeps the plan") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    CHECK_NOTHROW(model.checkpoint.validate());
    const auto& a = model.checkpoint.architecture;
    CHECK(a.layers == plan.layers);
    CHECK(a.hidden_size == plan.hidden_size);
    CHECK(a.heads == plan.heads);
    CHECK(a.kv_heads == plan.kv_heads);
    CHECK(a.vocab_size == plan.vocab_size);
    CHECK(a.bos_token_id == 0);
    CHECK(model.plan.seed == plan.seed);
    CHECK(model.plan.spike_sizes == plan.spike_sizes);
  }
}

TEST_CASE("the neuron that amplifies is along the spike direction and writes to the channels") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    const auto layer = Decoder<double>(model.checkpoint).layer(plan.step_up_layer);
    const auto neurons = layer.feed_forward.down;
    for (Index k = 0; k < plan.hidden_size; ++k) {
      const bool channel =
          std::find(model.channels.begin(), model.channels.end(), k) != model.channels.end();
      CHECK((neurons(k, model.neuron) != 0) == channel);
    }
  }
}

TEST_CASE("without noise the sizes are the plan's from the step-up to the step-down") {
  for (auto plan : plans()) {
    plan.noise = 0;
    const auto model = planted::make(plan);
    const auto residual = residuals(model.checkpoint);
    for (Index point = 0; point <= plan.layers; ++point) {
      const auto& h = residual[static_cast<std::size_t>(point)];
      const bool stands =
          point > plan.step_up_layer && point <= plan.step_down_layer.value_or(plan.layers);
      for (Index t = 0; t < h.rows(); ++t) {
        const TokenId id = kIds[static_cast<std::size_t>(t)];
        for (std::size_t c = 0; c < model.channels.size(); ++c) {
          INFO("seed " << plan.seed << ", point " << point << ", token " << id << ", channel "
                       << c);
          const double value = h(t, model.channels[c]);
          if (is_spike(plan, id)) {
            const double size =
                plan.spike_sizes[static_cast<std::size_t>(id)] * plan.channel_ratios[c];
            // The norm's eps of 1e-6 takes its share of a size that is quadratic in the row.
            if (stands) CHECK(std::abs(value - size) <= 1.001e-6 * std::abs(size));
            if (point <= plan.step_up_layer) CHECK(value == 0);
            if (!stands) CHECK(std::abs(value) < 0.01 * std::abs(size));
          } else {
            CHECK(std::abs(value) <= 1e-9);
          }
        }
      }
    }
  }
}

TEST_CASE("with a little noise the sizes are the plan's within five parts in a hundred") {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Plan plan;
    plan.noise = 0.005;
    plan.seed = seed;
    INFO("seed " << seed);
    const auto model = planted::make(plan);
    const auto residual = residuals(model.checkpoint);
    for (Index point = 0; point <= plan.layers; ++point) {
      const auto& h = residual[static_cast<std::size_t>(point)];
      const bool stands =
          point > plan.step_up_layer && point <= plan.step_down_layer.value_or(plan.layers);
      for (Index t = 0; t < h.rows(); ++t) {
        const TokenId id = kIds[static_cast<std::size_t>(t)];
        if (!is_spike(plan, id)) continue;
        for (std::size_t c = 0; c < model.channels.size(); ++c) {
          const double size =
              plan.spike_sizes[static_cast<std::size_t>(id)] * plan.channel_ratios[c];
          CHECK(std::abs(h(t, model.channels[c]) - (stands ? size : 0)) <= 0.05 * std::abs(size));
        }
      }
    }
  }
}

TEST_CASE("the ratios between channels are fixed while the spike stands") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    const auto residual = residuals(model.checkpoint);
    for (Index point = plan.step_up_layer + 1; point <= plan.step_down_layer.value_or(plan.layers);
         ++point) {
      const auto& h = residual[static_cast<std::size_t>(point)];
      for (Index t = 0; t < h.rows(); ++t) {
        if (!is_spike(plan, kIds[static_cast<std::size_t>(t)])) continue;
        for (std::size_t c = 0; c < model.channels.size(); ++c) {
          const double expected = plan.channel_ratios[c] * h(t, model.channels[0]);
          // Each is one product of a neuron and a weight; no other block writes there.
          CHECK(std::abs(h(t, model.channels[c]) - expected) <=
                gamma<double>(8) * std::abs(expected));
        }
      }
    }
  }
}

TEST_CASE("the same plan gives the same bits, and another seed others") {
  for (const auto& plan : plans()) {
    const auto once = planted::make(plan), again = planted::make(plan);
    CHECK(same_bytes(once.checkpoint, again.checkpoint));
    CHECK(once.channels == again.channels);
    CHECK(once.direction == again.direction);

    auto other = plan;
    ++other.seed;
    const auto different = planted::make(other);
    CHECK(!same_bytes(once.checkpoint, different.checkpoint));
    CHECK(once.direction != different.direction);
  }
}

TEST_CASE("a plan that cannot be built throws") {
  struct Spoil {
    const char* name;
    std::function<void(Plan&)> apply;
  };
  const std::vector<Spoil> spoils{
      {"no spike token", [](Plan& p) { p.spike_sizes = {}; }},
      {"no ordinary token", [](Plan& p) { p.vocab_size = 2; }},
      {"fewer neurons than spike tokens", [](Plan& p) { p.feed_forward_size = 1; }},
      {"no spike channel", [](Plan& p) { p.channel_ratios = {}; }},
      {"too few channels", [](Plan& p) { p.hidden_size = 7; }},
      {"ratios that begin with another number", [](Plan& p) { p.channel_ratios = {2, 1}; }},
      {"a step-up before the first layer", [](Plan& p) { p.step_up_layer = -1; }},
      {"a step-up after the last layer",
       [](Plan& p) {
         p.step_up_layer = 6;
         p.step_down_layer.reset();
         p.sink_heads = {};
       }},
      {"a step-down in the layer of the step-up",
       [](Plan& p) {
         p.step_down_layer = 1;
         p.sink_heads = {};
       }},
      {"a step-down before the step-up",
       [](Plan& p) {
         p.step_down_layer = 0;
         p.sink_heads = {};
       }},
      {"a step-down after the last layer", [](Plan& p) { p.step_down_layer = 6; }},
      {"a size of zero", [](Plan& p) { p.spike_sizes = {3000, 0}; }},
      {"a negative size", [](Plan& p) { p.spike_sizes = {-3000}; }},
      {"a size that is no number",
       [](Plan& p) { p.spike_sizes = {std::numeric_limits<double>::quiet_NaN()}; }},
      {"a sink head in the layer of the step-up", [](Plan& p) { p.sink_heads = {{1, 0}}; }},
      {"a sink head after the step-down", [](Plan& p) { p.sink_heads = {{5, 0}}; }},
      {"a sink head after the last layer",
       [](Plan& p) {
         p.step_down_layer.reset();
         p.sink_heads = {{6, 0}};
       }},
      {"a sink head that is no head", [](Plan& p) { p.sink_heads = {{2, 4}}; }},
      {"a sink head below zero", [](Plan& p) { p.sink_heads = {{2, -1}}; }}};
  CHECK_NOTHROW(planted::make());
  for (const auto& spoil : spoils) {
    INFO(spoil.name);
    Plan plan;
    spoil.apply(plan);
    CHECK_THROWS_AS(planted::make(plan), shape_error);
  }
}

TEST_CASE("the smallest plans that can be built are") {
  Plan plan;
  plan.hidden_size = 8;  // two channels, two markers, three directions, and one for the rest
  plan.feed_forward_size = 2;
  plan.vocab_size = 3;
  plan.noise = 0;
  const auto model = planted::make(plan);
  const auto residual = residuals(model.checkpoint, {0, 1, 2});
  CHECK(residual[2](0, model.channels[0]) == Approx(3000).epsilon(2e-6));
  CHECK(residual[2](1, model.channels[0]) == Approx(1800).epsilon(2e-6));
}

TEST_CASE("a planted checkpoint that was saved and opened again has the same residuals") {
  for (const auto& plan : plans()) {
    const auto model = planted::make(plan);
    const TemporaryDirectory folder;
    model.checkpoint.save(folder.path() / "planted");
    const auto opened = Checkpoint::open(folder.path() / "planted");
    CHECK(same_bytes(model.checkpoint, opened));
    const auto before = residuals(model.checkpoint), after = residuals(opened);
    REQUIRE(before.size() == after.size());
    for (std::size_t point = 0; point < before.size(); ++point) {
      CHECK(difference(before[point], after[point]) == "");
    }
  }
}
