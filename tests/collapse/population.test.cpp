#include "plumb/collapse/population.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include "plumb/model/planted.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"
#include "support/shared_models.hpp"

using namespace plumb;
using namespace plumb::collapse;

namespace {

constexpr TraceOptions kOptions{.attention = false, .logits = false, .inputs = true, .keys = true};

planted::Plan three_spikes() {
  planted::Plan plan;
  plan.spike_sizes = {3000, 1800, 1100};
  return plan;
}

/// All three spike tokens, and ordinary ones between and after them.
TokenIds text(Index tokens) {
  TokenIds ids;
  for (Index i = 0; i < tokens; ++i) ids.push_back(static_cast<TokenId>(3 + (7 * i) % 60));
  ids[0] = 0;
  ids[5] = 1;
  ids[11] = 2;
  return ids;
}

template <class T>
void add_pass(Population& population, const Decoder<T>& model, const TokenIds& ids,
              const Sequence& sequence) {
  const auto trace = plumb::trace(model, ids, sequence, kOptions);
  add(population, trace, spike::find_outliers(trace.residual));
}

template <class T>
Population population_of(const Decoder<T>& model, const TokenIds& ids) {
  Population population;
  add_pass(population, model, ids, Sequence::causal(static_cast<Index>(ids.size())));
  return population;
}

}  // namespace

TEMPLATE_TEST_CASE("planted spikes of three sizes: constant on the plateau, and nowhere else", "",
                   float, double) {
  const auto planted = planted::make(three_spikes());
  const Decoder<TestType> model(planted.checkpoint);
  const auto population = population_of(model, text(40));
  CHECK(population.sizes.size() == 3);
  CHECK(population.too_few().empty());
  auto channels = planted.channels;
  std::sort(channels.begin(), channels.end());
  CHECK(population.channels == channels);

  const auto profile = measure(population, model);
  REQUIRE(profile.blocks.size() == 12);
  for (const auto& at : profile.blocks) {
    INFO("layer " << at.layer << ' ' << to_string(at.block));
    CHECK(at.spikes == 3);
    REQUIRE(at.other);
    CHECK(*at.cosine_other < 0.5);
    // The spike stands from the end of layer 1 to the feed-forward block of layer 4.
    const bool plateau = at.layer == 2 || at.layer == 3 || at.layer == 4;
    if (!plateau) continue;
    REQUIRE(at.spike);
    REQUIRE(at.closeness);
    CHECK(at.spike->cosine_before > 0.999);
    CHECK(at.spike->cosine > 0.999);
    CHECK(at.spike->mean.hoyer > 0.8);
    CHECK(at.spike->mean.hoyer > at.other->hoyer + 0.4);
    CHECK(at.spike->mean.hoyer >= at.spike->bound.hoyer);
    CHECK(at.spike->mean.participation_ratio <= at.spike->bound.participation_ratio + 1e-9);
    CHECK(at.spike->mean.near_zero >= at.spike->bound.near_zero);
    CHECK(at.spike->mean.largest <= at.spike->bound.largest);
    CHECK(at.closeness->distance <= at.closeness->bound);
    CHECK(at.closeness->tau < 0.01);
    CHECK(at.closeness->theta < 0.01);
  }

  REQUIRE(profile.keys.size() == 6 * 2 * 2);  // layers, kv heads, stages
  for (const auto& at : profile.keys) {
    INFO("layer " << at.layer << ", kv head " << at.kv_head);
    const bool before = at.stage == site::Stage::projected;
    CHECK(bool(at.bounds) == (before && at.layer >= 0 && at.bounds.reason.empty()));
    if (at.layer != 2 && at.layer != 3) continue;
    REQUIRE(at.keys);
    CHECK(at.keys->spike.effective_rank < 1.05);
    if (!before) continue;
    REQUIRE(at.bounds);
    CHECK(at.bounds->sigma_2 <= at.bounds->from_reads * (1 + 1e-5));
    CHECK(at.bounds->from_reads <= at.bounds->from_shape * (1 + 1e-5));
    CHECK(at.bounds->sigma_next <= at.bounds->from_rest * (1 + 1e-5));
    CHECK(at.bounds->distance <= at.bounds->ball * (1 + 1e-5));
  }
}

TEST_CASE("several texts add up to the text that joins their rows") {
  const auto planted = planted::make(three_spikes());
  const Decoder<double> model(planted.checkpoint);
  const auto first = text(40), second = text(25);
  Population both;
  add_pass(both, model, first, Sequence::causal(40));
  add_pass(both, model, second, Sequence::causal(25));
  const auto a = population_of(model, first), b = population_of(model, second);
  CHECK(both.sizes.size() == 6);
  for (std::size_t i = 0; i < both.blocks.size(); ++i) {
    CHECK(both.blocks[i].other.rows() == a.blocks[i].other.rows() + b.blocks[i].other.rows());
    Matrix<double> joined(6, 64);
    joined << a.blocks[i].reads, b.blocks[i].reads;
    CHECK(both.blocks[i].reads == joined);
  }
  for (std::size_t i = 0; i < both.keys.size(); ++i) {
    CHECK(test::mismatch(both.keys[i].other_gram, a.keys[i].other_gram + b.keys[i].other_gram,
                         1e-9) == "");
  }
}

TEST_CASE("a census: every token by itself, all at position 0") {
  auto plan = three_spikes();
  plan.vocab_size = 40;
  const auto planted = planted::make(plan);
  const Decoder<double> model(planted.checkpoint);
  TokenIds ids(40);
  std::iota(ids.begin(), ids.end(), TokenId{0});
  Population population;
  add_pass(population, model, ids, Sequence::alone(40));
  CHECK(population.sizes.size() == 3);
  const auto profile = measure(population, model);
  CHECK(profile.blocks[4].spike->cosine > 0.999);
  // All stand at position 0, so rotary takes no keys apart.
  for (const auto& at : profile.keys) {
    if (at.layer == 2) CHECK(at.keys->spike.effective_rank < 1.05);
  }
}

TEST_CASE("one spike token, none, or copies of one: null, with the reason, and the rest is there") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto reason = [&](const TokenIds& ids) {
    const auto profile = measure(population_of(model, ids), model);
    for (const auto& at : profile.blocks) {
      CHECK_FALSE(at.spike);
      CHECK_FALSE(at.closeness);
      CHECK(at.spike.reason == at.closeness.reason);
      CHECK(at.other);
      CHECK(at.cosine_other);
    }
    for (const auto& at : profile.keys) {
      CHECK_FALSE(at.keys);
      CHECK_FALSE(at.bounds);
    }
    return profile.blocks[0].spike.reason;
  };
  CHECK(reason({0, 5, 6, 7}) == "one spike token");
  CHECK(reason({5, 6, 7, 8}) == "no spike token");
  CHECK(reason({0, 5, 1, 7}) == "2 spike tokens of 2 sizes, and 3 that differ are needed");
  Population copies;
  for (int i = 0; i < 4; ++i) add_pass(copies, model, {0, 5, 6, 7}, Sequence::causal(4));
  CHECK(copies.too_few() == "4 spike tokens of 1 size, and 3 that differ are needed");
}

TEST_CASE("without a norm that divides there is no bound, and it is said why") {
  std::vector<std::pair<std::filesystem::path, TokenIds>> models;
  for (const auto& fixture : test::golden_fixtures()) {
    const auto a = Checkpoint::open(fixture.model).architecture;
    models.emplace_back(fixture.model, test::read_golden(fixture.golden, a).ids);
  }
  for (const auto& folder : test::shared_models()) {
    models.emplace_back(folder, read_ids(folder / "ids.npy"));
  }
  for (const auto& [folder, ids] : models) {
    INFO(folder.string());
    const Decoder<double> model(Checkpoint::open(folder));
    const auto trace = plumb::trace(model, ids, kOptions);
    // As if three tokens were spike tokens, in the channel in which the first is largest.
    spike::Outliers chosen;
    chosen.positions = {0, 1, 2};
    Index channel = 0;
    trace.residual.back().row(0).cwiseAbs().maxCoeff(&channel);
    chosen.channels = {channel};
    Population population;
    add(population, trace, chosen);
    population.sizes = {1, 2, 3};
    const auto profile = measure(population, model);
    const auto norm = model.architecture().pre_norm;
    for (const auto& at : profile.blocks) {
      if (norm == NormKind::rms_norm) {
        if (at.closeness) CHECK(at.closeness->tightest <= 1 + 1e-9);
        continue;
      }
      CHECK(at.spike);
      CHECK_FALSE(at.closeness);
      CHECK_FALSE(at.closeness.reason.empty());
    }
    for (const auto& at : profile.keys) {
      CHECK(at.keys);
      CHECK((at.stage == site::Stage::normalised) <=
            (model.architecture().qk_norm != QkNorm::none));
      if (at.bounds) {
        CHECK(at.bounds->sigma_2 <= at.bounds->from_reads * (1 + 1e-9));
        CHECK(at.bounds->sigma_2 <= at.bounds->from_shape * (1 + 1e-9));
        CHECK(at.bounds->sigma_next <= at.bounds->from_rest * (1 + 1e-9));
        CHECK(at.bounds->distance <= at.bounds->ball * (1 + 1e-9));
      }
    }
  }
}

TEST_CASE("passes that lack something, or are of another model, throw") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const TokenIds ids{0, 5, 6};
  const auto full = plumb::trace(model, ids, kOptions);
  const auto outliers = spike::find_outliers(full.residual);
  Population population;
  CHECK_THROWS_AS(add(population, plumb::trace(model, ids), outliers), shape_error);
  CHECK_THROWS_AS(add(population, plumb::trace(model, ids, TraceOptions{.inputs = true}), outliers),
                  shape_error);
  add(population, full, outliers);
  auto plan = planted.plan;
  plan.layers = 5;
  const Decoder<double> other(planted::make(plan).checkpoint);
  CHECK_THROWS_AS(add(population, plumb::trace(other, ids, kOptions), outliers), shape_error);
  CHECK_THROWS_AS(measure(population, other), shape_error);
}
