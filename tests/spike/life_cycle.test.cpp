#include "plumb/spike/life_cycle.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <rapidcheck/catch.h>
#include <string>
#include <utility>
#include <vector>

#include "plumb/model/planted.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// What attention and feed-forward of one layer write.
using Writes = std::pair<double, double>;

Ledger account(double opening, const std::vector<Writes>& writes) {
  Ledger ledger{opening, {}};
  double balance = opening;
  Index layer = 0;
  for (const auto& [attention, feed_forward] : writes) {
    balance += attention;
    ledger.entries.push_back({layer, Block::attention, attention, balance});
    balance += feed_forward;
    ledger.entries.push_back({layer, Block::feed_forward, feed_forward, balance});
    ++layer;
  }
  return ledger;
}

LifeCycle life_of(double opening, const std::vector<Writes>& writes) {
  return life_cycle(account(opening, writes), 2, 7);
}

/// "3 attention 40; 5 feed_forward -2": layer, block and write of each step.
std::string text(const std::vector<Step>& steps) {
  std::string line;
  for (const auto& step : steps) {
    if (!line.empty()) line += "; ";
    line += std::to_string(step.layer) + " " + to_string(step.block) + " " +
            std::to_string(std::lround(step.write));
  }
  return line;
}

void check_plateau(const LifeCycle& life, Index first, Index last, double level) {
  REQUIRE(life.plateau);
  CHECK(life.plateau->first_layer == first);
  CHECK(life.plateau->last_layer == last);
  CHECK(life.plateau->level == Approx(level));
}

void check_empty(const LifeCycle& life) {
  CHECK(life.step_up.empty());
  CHECK(!life.plateau);
  CHECK(life.step_down.empty());
  CHECK(!life.in_embedding);
}

}  // namespace

// ---- Accounts by hand -----------------------------------------------------------------------

TEST_CASE("one step-up and no step-down: the spike stands until the last layer") {
  const auto life = life_of(0.5, {{0, 0.5}, {-1, 100}, {2, -1}, {0, 1}});
  CHECK(text(life.step_up) == "1 feed_forward 100");
  CHECK(life.step_up[0].position == 2);
  CHECK(life.step_up[0].channel == 7);
  check_plateau(life, 1, 3, 101);
  CHECK(life.step_down.empty());
  CHECK(!life.in_embedding);
}

TEST_CASE("the attention block may write the spike") {
  const auto life = life_of(0, {{0, 0}, {0, 0}, {80, 1}, {0, 0}});
  CHECK(text(life.step_up) == "2 attention 80");
  check_plateau(life, 2, 3, 81);
}

TEST_CASE("a second block that writes as much is a step-up too") {
  const auto life = life_of(0, {{0, 0}, {0, 60}, {0, 0}, {0, 55}, {1, 0}, {0, -110}});
  CHECK(text(life.step_up) == "1 feed_forward 60; 3 feed_forward 55");
  check_plateau(life, 1, 4, 87.5);  // the median of 60, 60, 115 and 116
  CHECK(text(life.step_down) == "5 feed_forward -110");
}

TEST_CASE("half the level is enough for a step-up, and less is not") {
  const std::vector<Writes> half{{0, 50}, {0, 50}, {0, 0}, {0, 0}};
  CHECK(text(life_of(0, half).step_up) == "0 feed_forward 50; 1 feed_forward 50");
  const std::vector<Writes> less{{0, 51}, {0, 49}, {0, 0}, {0, 0}};
  CHECK(text(life_of(0, less).step_up) == "0 feed_forward 51");
}

TEST_CASE("the attention block may take the spike away") {
  const auto life = life_of(0, {{0, 200}, {0, 1}, {-198, 0}, {0, 1}});
  CHECK(text(life.step_up) == "0 feed_forward 200");
  check_plateau(life, 0, 1, 200.5);
  CHECK(text(life.step_down) == "2 attention -198");
}

TEST_CASE("step-downs may take several blocks, until the spike is spent") {
  // 100, 40, 15, then 5 left, which is below a tenth of the peak: what takes that is no step-down.
  const auto life = life_of(0, {{0, 100}, {0, 0}, {0, -60}, {-25, -10}, {-5, 0}});
  CHECK(text(life.step_up) == "0 feed_forward 100");
  check_plateau(life, 0, 1, 100);
  CHECK(text(life.step_down) == "2 feed_forward -60; 3 attention -25; 3 feed_forward -10");
}

TEST_CASE("half of what it finds is enough for a step-down, and less is not") {
  CHECK(text(life_of(0, {{0, 100}, {0, 0}, {0, -50}}).step_down) == "2 feed_forward -50");
  const auto life = life_of(0, {{0, 100}, {0, 0}, {0, -49}});
  CHECK(life.step_down.empty());
  check_plateau(life, 0, 2, 100);
}

TEST_CASE("a step-down may fall below zero") {
  const auto life = life_of(0, {{0, 100}, {0, 0}, {0, -105}, {0, 4}});
  CHECK(text(life.step_down) == "2 feed_forward -105");
  check_plateau(life, 0, 1, 100);
}

TEST_CASE("a spike that is in the embedding has no step-up") {
  const auto stays = life_of(90, {{0, 1}, {0, 0}, {-1, 0}});
  CHECK(stays.in_embedding);
  CHECK(stays.step_up.empty());
  CHECK(stays.step_down.empty());
  check_plateau(stays, 0, 2, 91);

  const auto taken = life_of(90, {{0, 1}, {0, 0}, {0, -85}});
  CHECK(taken.in_embedding);
  CHECK(taken.step_up.empty());
  CHECK(text(taken.step_down) == "2 feed_forward -85");
  check_plateau(taken, 0, 1, 91);
}

TEST_CASE("gradual growth has no step-up and no plateau") {
  check_empty(life_of(0, std::vector<Writes>(10, {10, 10})));
  check_empty(life_of(1, std::vector<Writes>(10, {-10, -10})));
}

TEST_CASE("a negative spike is read along its sign, and writes keep theirs") {
  const auto life = life_of(0.5, {{0, 0}, {0, -300}, {1, 0}, {290, 0}});
  CHECK(text(life.step_up) == "1 feed_forward -300");
  check_plateau(life, 1, 2, 299);  // a size; the median of 299.5 and 298.5
  CHECK(text(life.step_down) == "3 attention 290");
}

TEST_CASE("ripples before a late spike are no step-ups") {
  const auto life =
      life_of(0.5, {{3, -3}, {0, 5}, {-5, 4}, {-4, 0}, {6, -6}, {0, 100}, {0, 0}, {0, -99}});
  CHECK(text(life.step_up) == "5 feed_forward 100");
  check_plateau(life, 5, 6, 100.5);
  CHECK(text(life.step_down) == "7 feed_forward -99");
}

TEST_CASE("a spike of the last block stands after the last layer") {
  const auto life = life_of(0, {{0, 0}, {0, 0}, {0, 70}});
  CHECK(text(life.step_up) == "2 feed_forward 70");
  check_plateau(life, 2, 2, 70);
}

TEST_CASE("an account of zeros has no life cycle") {
  check_empty(life_of(0, {{0, 0}, {0, 0}}));
  check_empty(life_of(0, {}));
}

TEST_CASE("an account that only opens is in the embedding") {
  const auto life = life_of(5, {});
  CHECK(life.in_embedding);
  CHECK(life.step_up.empty());
  CHECK(life.step_down.empty());
}

TEST_CASE("the life cycle of any account") {
  property("of opposite sign has opposite writes, and scales with the account", [] {
    const auto layers = *rc::gen::inRange(1, 9);
    const Matrix<double> m = *spiked<double>(layers, 2);
    const double opening = *bounded<double>();
    std::vector<Writes> writes, opposite, doubled;
    for (Index l = 0; l < layers; ++l) {
      writes.emplace_back(m(l, 0), m(l, 1));
      opposite.emplace_back(-m(l, 0), -m(l, 1));
      doubled.emplace_back(2 * m(l, 0), 2 * m(l, 1));
    }
    const auto life = life_of(opening, writes);
    for (const double factor : {-1.0, 2.0}) {
      const auto other = life_of(factor * opening, factor < 0 ? opposite : doubled);
      const auto same = [&](const std::vector<Step>& a, const std::vector<Step>& b) {
        return std::equal(
            a.begin(), a.end(), b.begin(), b.end(), [&](const Step& x, const Step& y) {
              return x.layer == y.layer && x.block == y.block && factor * x.write == y.write;
            });
      };
      RC_ASSERT(same(life.step_up, other.step_up));
      RC_ASSERT(same(life.step_down, other.step_down));
      RC_ASSERT(life.in_embedding == other.in_embedding);
      RC_ASSERT(life.plateau.has_value() == other.plateau.has_value());
      if (life.plateau) {
        RC_ASSERT(std::abs(factor) * life.plateau->level == other.plateau->level);
      }
    }
  });

  property("has step-ups along the peak, and step-downs after them against it", [] {
    const auto layers = *rc::gen::inRange(1, 9);
    const Matrix<double> m = *spiked<double>(layers, 2);
    std::vector<Writes> writes;
    for (Index l = 0; l < layers; ++l) writes.emplace_back(m(l, 0), m(l, 1));
    const auto ledger = account(0, writes);
    const auto peak = std::max_element(
        ledger.entries.begin(), ledger.entries.end(),
        [](const auto& a, const auto& b) { return std::abs(a.balance) < std::abs(b.balance); });
    const auto life = life_cycle(ledger, 0, 0);
    for (const auto& step : life.step_up) RC_ASSERT(step.write * peak->balance > 0);
    for (const auto& step : life.step_down) RC_ASSERT(step.write * peak->balance < 0);
    RC_ASSERT(life.plateau.has_value() == !life.step_up.empty());
    const auto order = [](const Step& step) { return std::pair(step.layer, step.block); };
    if (!life.step_up.empty() && !life.step_down.empty()) {
      RC_ASSERT(order(life.step_up.back()) < order(life.step_down.front()));
    }
  });
}

// ---- Planted models -------------------------------------------------------------------------

namespace {

Index draw(Engine& engine, Index first, Index last) {
  return std::uniform_int_distribution<Index>(first, last)(engine);
}

/// A plan of which every planted entry meets the rule of massive: |h| is at least 2000 * 0.6, and
/// the median of |h| below 1.
planted::Plan draw_plan(Engine& engine, double noise) {
  planted::Plan plan;
  plan.hidden_size = draw(engine, 40, 72);
  plan.layers = draw(engine, 3, 7);
  plan.step_up_layer = draw(engine, 0, plan.layers - 2);
  plan.step_down_layer.reset();
  if (!test::detail::one_in(engine, 4)) {
    plan.step_down_layer = draw(engine, plan.step_up_layer + 1, plan.layers - 1);
  }
  const double largest = draw_magnitude(engine, 4000.0, 20000.0);
  const auto share = [&] { return draw_magnitude(engine, 0.6, 0.95); };
  plan.spike_sizes = {largest};
  for (Index more = draw(engine, 0, 2); more > 0; --more) {
    plan.spike_sizes.push_back(largest * share());
  }
  std::shuffle(plan.spike_sizes.begin(), plan.spike_sizes.end(), engine);
  plan.channel_ratios = {1};
  for (Index more = draw(engine, 0, 2); more > 0; --more) {
    plan.channel_ratios.push_back(test::detail::one_in(engine, 2) ? share() : -share());
  }
  plan.sink_heads = {{plan.step_up_layer + 1, draw(engine, 0, plan.heads - 1)}};
  plan.noise = noise;
  plan.seed = static_cast<unsigned>(engine());
  return plan;
}

/// A text of ordinary tokens and each spike token once; `positions` of those, by token.
struct Text {
  TokenIds ids;
  std::vector<Index> positions;
};

Text draw_text(Engine& engine, const planted::Plan& plan, Index tokens) {
  const auto spikes = static_cast<Index>(plan.spike_sizes.size());
  Text text;
  for (Index t = 0; t < tokens; ++t) {
    text.ids.push_back(
        static_cast<TokenId>(t < spikes ? t : draw(engine, spikes, plan.vocab_size - 1)));
  }
  std::shuffle(text.ids.begin(), text.ids.end(), engine);
  for (Index j = 0; j < spikes; ++j) {
    text.positions.push_back(std::find(text.ids.begin(), text.ids.end(), static_cast<TokenId>(j)) -
                             text.ids.begin());
  }
  return text;
}

template <class Container>
Container sorted(Container list) {
  std::sort(list.begin(), list.end());
  return list;
}

/// `tolerance` is of the writes, relative to the planted size.
void check_planted(const planted::Model& model, const Text& text, double tolerance) {
  const auto& plan = model.plan;
  const Decoder<double> decoder(model.checkpoint);
  const auto trace = plumb::trace(decoder, text.ids);
  const auto outliers = find_outliers(trace.residual);
  CHECK(outliers.tier == Tier::massive);
  CHECK(outliers.positions == sorted(text.positions));
  CHECK(outliers.channels == sorted(model.channels));

  const auto largest = std::max_element(plan.spike_sizes.begin(), plan.spike_sizes.end());
  const auto token = static_cast<std::size_t>(largest - plan.spike_sizes.begin());
  CHECK(outliers.top.position == text.positions[token]);
  CHECK(outliers.top.channel == model.channels[0]);
  CHECK(outliers.top.value == Approx(*largest).epsilon(tolerance));

  const auto check_life = [&](const LifeCycle& life, std::size_t j, std::size_t c) {
    const double size = plan.spike_sizes[j] * plan.channel_ratios[c];
    const double allowed = tolerance * std::abs(size);
    REQUIRE(life.step_up.size() == 1);
    const auto& up = life.step_up[0];
    CHECK(up.layer == plan.step_up_layer);
    CHECK(up.block == Block::feed_forward);
    CHECK(up.position == text.positions[j]);
    CHECK(up.channel == model.channels[c]);
    CHECK(std::abs(up.write - size) <= allowed);

    REQUIRE(life.step_down.size() == (plan.step_down_layer ? 1 : 0));
    for (const auto& down : life.step_down) {
      CHECK(down.layer == *plan.step_down_layer);
      CHECK(down.block == Block::feed_forward);
      CHECK(down.position == text.positions[j]);
      CHECK(down.channel == model.channels[c]);
      CHECK(std::abs(down.write + size) <= allowed);
    }
    REQUIRE(life.plateau);
    CHECK(life.plateau->first_layer == plan.step_up_layer);
    CHECK(life.plateau->last_layer == plan.step_down_layer.value_or(plan.layers) - 1);
    CHECK(std::abs(life.plateau->level - std::abs(size)) <= allowed);
    CHECK(!life.in_embedding);
  };
  check_life(life_cycle(trace, outliers), token, 0);
  for (std::size_t j = 0; j < plan.spike_sizes.size(); ++j) {
    for (std::size_t c = 0; c < model.channels.size(); ++c) {
      const Index t = text.positions[j], k = model.channels[c];
      check_life(life_cycle(ledger(trace, t, k), t, k), j, c);
    }
  }
}

}  // namespace

TEST_CASE("planted spikes have the life cycle that was planted") {
  Engine engine(20261);
  for (int i = 0; i < 30; ++i) {
    const bool noisy = i % 2 == 0;
    const auto plan = draw_plan(engine, noisy ? 0.005 : 0.0);
    INFO("plan " << i << ", seed " << plan.seed << ", noise " << plan.noise);
    check_planted(planted::make(plan), draw_text(engine, plan, draw(engine, 12, 40)),
                  noisy ? 0.05 : 1e-4);
  }
}

TEST_CASE("the default plan has the life cycle that was planted") {
  Engine engine(1);
  const auto model = planted::make();
  check_planted(model, draw_text(engine, model.plan, 64), 0.05);
}

TEST_CASE("a text without spike tokens has no massive entry") {
  const auto model = planted::make();
  const auto trace = plumb::trace(Decoder<double>(model.checkpoint), {2, 3, 5, 7, 11, 13, 17});
  const auto outliers = find_outliers(trace.residual);
  CHECK(outliers.tier == Tier::none);
  check_empty(life_cycle(trace, outliers));
}

// ---- The bundled model ----------------------------------------------------------------------

TEMPLATE_TEST_CASE("tiny-llama raises one outlier, in layer 0, and keeps it", "", float, double) {
  const auto folder = std::filesystem::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama";
  const Decoder<TestType> model(Checkpoint::open(folder));
  const auto trace = plumb::trace(model, read_ids(folder / "ids.npy"));
  const auto outliers = find_outliers(trace.residual);
  CHECK(outliers.tier == Tier::outlier);

  const auto life = life_cycle(trace, outliers);
  REQUIRE(life.step_up.size() == 1);
  CHECK(life.step_up[0].layer == 0);
  CHECK(life.step_up[0].block == Block::feed_forward);
  CHECK(life.step_up[0].channel == 61);
  CHECK(life.step_up[0].position == 0);
  CHECK(std::abs(life.step_up[0].write - 52.87) <= 0.005);
  CHECK(life.step_down.empty());
  REQUIRE(life.plateau);
  CHECK(life.plateau->first_layer == 0);
  CHECK(life.plateau->last_layer == 5);

  const std::vector<double> after{53.61, 53.84, 54.86, 54.88, 48.75, 60.97};
  REQUIRE(trace.residual.size() == after.size() + 1);
  for (std::size_t l = 0; l < after.size(); ++l) {
    INFO("after layer " << l);
    CHECK(std::abs(static_cast<double>(trace.residual[l + 1](0, 61)) - after[l]) <= 0.005);
  }
}
