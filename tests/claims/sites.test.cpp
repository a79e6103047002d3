#include "plumb/claims/sites.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"
#include "support/golden.hpp"

using namespace plumb::claims;

TEST_CASE("RMSNorms before both blocks are visited with the rows that they read") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto trace = plumb::trace(model, {0, 5, 6});
  const auto run = plumb::run_layer(model, trace, 1);
  std::vector<plumb::Block> blocks;
  for_each_rms_norm(run, [&](const auto& norm, const plumb::Matrix<double>& rows, auto block) {
    const bool attention = block == plumb::Block::attention;
    CHECK(norm.value(rows) == (attention ? run.attention_input : run.feed_forward_input));
    blocks.push_back(block);
  });
  CHECK(blocks == std::vector{plumb::Block::attention, plumb::Block::feed_forward});
  CHECK_FALSE(reads_no_rms_norm(model.architecture()).has_value());
}

TEST_CASE("a model without them has none, and the objection names what it has") {
  const plumb::Decoder<double> model(
      plumb::Checkpoint::open(plumb::test::kFixtures / "plumb/dynamic-tanh"));
  const auto run = plumb::run_layer(model, plumb::trace(model, {0, 1}), 0);
  for_each_rms_norm(run, [](const auto&, const auto&, auto) { FAIL("there is none"); });
  CHECK(reads_no_rms_norm(model.architecture()).value_or("") ==
        "the norm before blocks is dynamic_tanh, not rms_norm");
}
