#include "plumb/claims/sites.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

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

TEST_CASE("each kind of norm is named where another is wanted") {
  plumb::Architecture a;
  CHECK(reads_no_dynamic_tanh(a).value_or("") ==
        "the norm before blocks is rms_norm, not dynamic_tanh");
  CHECK(writes_without_rms_norm(a).value_or("") == "the norm after blocks is none, not rms_norm");
  a.pre_norm = plumb::NormKind::dynamic_tanh;
  a.post_norm = plumb::NormKind::rms_norm;
  CHECK_FALSE(reads_no_dynamic_tanh(a).has_value());
  CHECK_FALSE(writes_without_rms_norm(a).has_value());
}

// ---- Where rows are large ---------------------------------------------------------------------

using Indices = std::vector<plumb::Index>;

TEST_CASE("a spike is what is at least half as large as the largest entry") {
  plumb::Matrix<double> rows(4, 3);
  rows << 1, 0, 2,  //
      0, -8, 5,     //
      9, 9, 0,      // the largest, on channels 0 and 1
      0, 0, 9;      // as large, elsewhere
  const auto place = find_spike(rows);
  CHECK(place.channels == Indices{0, 1});
  CHECK(place.tokens == Indices{2, 1});
}

TEST_CASE("a spike never takes all channels, and there is none in rows of zeros") {
  CHECK(find_spike(plumb::Matrix<double>::Constant(2, 3, -1)).channels.size() == 1);
  CHECK(find_spike(plumb::Matrix<double>::Zero(2, 3)).channels.empty());
  CHECK(find_spike(plumb::Matrix<double>::Ones(2, 1)).tokens.empty());
  CHECK(find_spike(plumb::Matrix<double>::Constant(2, 3, NAN)).tokens.empty());
  CHECK(find_spike(plumb::Matrix<double>::Ones(20, 2)).tokens.size() == 8);
}
