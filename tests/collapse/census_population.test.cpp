#include "plumb/collapse/census_population.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "plumb/model/planted.hpp"
#include "support/close.hpp"

using namespace plumb;
using namespace plumb::collapse;

namespace {

/// Three of the forty tokens spike.
planted::Model planted_model() {
  planted::Plan plan;
  plan.spike_sizes = {3000, 1800, 1100};
  plan.vocab_size = 40;
  return planted::make(plan);
}

}  // namespace

TEST_CASE("a whole vocabulary as a population is what one pass over it gives") {
  const auto planted = planted_model();
  const Decoder<double> model(planted.checkpoint);
  const auto population = census_population(model, spike::census(model));

  TokenIds ids(40);  // the order in which the tokens are taken: those that spike are 0, 1, 2
  std::iota(ids.begin(), ids.end(), TokenId{0});
  const auto trace = plumb::trace(model, ids, Sequence::alone(40),
                                  TraceOptions{.logits = false, .inputs = true, .keys = true});
  Population want;
  add(want, trace, spike::find_outliers(trace.residual));
  CHECK(population.sizes == want.sizes);
  CHECK(population.channels == want.channels);
  REQUIRE(population.blocks.size() == want.blocks.size());
  for (std::size_t i = 0; i < want.blocks.size(); ++i) {
    CHECK(population.blocks[i].reads == want.blocks[i].reads);
    CHECK(population.blocks[i].other.mean_cosine() == want.blocks[i].other.mean_cosine());
  }
  CHECK(measure(population, model).blocks[4].spike->cosine > 0.999);
}

TEST_CASE("of many tokens a sample is taken, over several batches") {
  planted::Plan plan;
  plan.vocab_size = 200;
  plan.spike_sizes = {3000, 1800, 1100};
  const auto planted = planted::make(plan);
  const Decoder<double> model(planted.checkpoint);
  const auto census = spike::census(model);
  const auto all = census_population(model, census, {.spikes = 64, .others = 1000});
  CHECK(all.sizes.size() == 3);
  const auto two = census_population(model, census, {.spikes = 2, .others = 100});
  CHECK(two.sizes.size() == 2);
  CHECK(two.sizes[0] == all.sizes[0]);
  CHECK(two.blocks[0].reads.rows() == 2);
  // More of the others change what they are like on average only a little, but they do change it.
  CHECK(two.blocks[0].other.mean_cosine() != all.blocks[0].other.mean_cosine());
}

TEST_CASE("a vocabulary without spikes is a population without spike tokens, and says so") {
  auto plan = planted::Plan{};
  plan.spike_sizes = {1800};
  const auto planted = planted::make(plan);
  const Decoder<double> model(planted.checkpoint);
  auto census = spike::census(model);
  const auto one = census_population(model, census);
  CHECK(one.sizes.size() == 1);
  CHECK_FALSE(one.too_few().empty());
  census.tier = spike::Tier::none;
  CHECK(census_population(model, census).sizes.empty());
}

TEST_CASE("a census of a larger vocabulary throws") {
  const Decoder<double> model(planted_model().checkpoint);
  const auto other = planted::make({});
  const auto census = spike::census(Decoder<double>(other.checkpoint));
  CHECK(census.tokens() == 64);
  CHECK_THROWS_AS(census_population(model, census), index_error);
}
