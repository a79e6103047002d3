#include "plumb/spike/census.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

const std::string kBundled = PLUMB_SOURCE_DIR "/examples/models/tiny-llama";

Census census_of(const planted::Plan& plan) {
  return census(Decoder<double>(planted::make(plan).checkpoint));
}

/// The levels of one token, by a pass of length one.
Vector<double> levels_of(const Decoder<double>& model, TokenId token) {
  const auto alone = trace(model, {token}, TraceOptions{.attention = false, .logits = false});
  Vector<double> levels(model.architecture().layers + 1);
  for (Index n = 0; n < levels.size(); ++n) {
    levels[n] = alone.residual[static_cast<std::size_t>(n)].cwiseAbs().maxCoeff();
  }
  return levels;
}

}  // namespace

TEST_CASE("each level is that of a pass of length one, in every kind of model") {
  for (const auto& one : golden_fixtures()) {
    INFO(one.name);
    const Decoder<double> model(Checkpoint::open(one.model));
    const auto found = census(model);
    REQUIRE(found.level.rows() == model.architecture().layers + 1);
    REQUIRE(found.tokens() == model.architecture().vocab_size);
    for (const TokenId token : {0, 1, static_cast<TokenId>(found.tokens() - 1)}) {
      const auto want = levels_of(model, token);
      const Matrix<double> allowed = kGoldenBoundDouble * want;
      CHECK(mismatch(found.level.col(token), want, allowed) == "");
    }
  }
}

TEST_CASE("a level is what the token has at the head of any text") {
  const Decoder<double> model(Checkpoint::open(kBundled));
  const auto found = census(model);
  const auto text = trace(model, {0, 17, 300, 4}, TraceOptions{.attention = false});
  for (Index n = 0; n < found.level.rows(); ++n) {
    const RowVector<double> row = text.residual[static_cast<std::size_t>(n)].row(0);
    const double want = row.cwiseAbs().maxCoeff();
    CHECK(mismatch(found.level(n, 0), want, kGoldenBoundDouble * want) == "");
  }
}

TEST_CASE("points say which entry is largest and where the median lies") {
  const Decoder<double> model(planted::make().checkpoint);
  const auto found = census(model);
  TokenIds ids(static_cast<std::size_t>(found.tokens()));
  std::iota(ids.begin(), ids.end(), 0);
  const auto all = trace(model, ids, Sequence::alone(found.tokens()));
  const auto profile = residual_profile(all.residual);
  for (std::size_t n = 0; n < profile.size(); ++n) {
    const auto& point = found.points[n];
    CHECK(point.token == profile[n].position);
    CHECK(point.channel == profile[n].channel);
    CHECK(point.value == profile[n].value);
    CHECK(point.magnitude() == found.level.row(static_cast<Index>(n)).maxCoeff());
    CHECK(mismatch(point.median, profile[n].median,
                   StreamedMedian::kRelativeError * profile[n].median) == "");
  }
}

TEST_CASE("planted spike tokens are the exceptions where few tokens spike") {
  const planted::Plan plan;
  const auto found = census_of(plan);
  CHECK(found.tier == Tier::massive);
  CHECK(found.exceptions == TokenIds{0, 1});
  CHECK(found.exceptions_spike);
  CHECK(found.share == 2.0 / 64);
  auto channels = planted::make(plan).channels;
  std::sort(channels.begin(), channels.end());
  for (Index n = 0; n <= plan.layers; ++n) {
    const auto& point = found.points[static_cast<std::size_t>(n)];
    const bool plateau = n > plan.step_up_layer && n <= *plan.step_down_layer;
    CHECK(point.share == (plateau ? 2.0 / 64 : 0.0));
    CHECK(point.channels == (plateau ? channels : std::vector<Index>{}));
    CHECK(found.spikes(n, 1) == plateau);
    CHECK_FALSE(found.spikes(n, 2));
  }
}

TEST_CASE("where most tokens spike the exceptions are those that do not") {
  planted::Plan plan;
  plan.vocab_size = 10;
  plan.spike_sizes = {3000, 2900, 2800, 2700, 2600, 2500, 2400};
  const auto found = census_of(plan);
  CHECK(found.share == 0.7);
  CHECK_FALSE(found.exceptions_spike);
  CHECK(found.exceptions == TokenIds{7, 8, 9});
}

TEST_CASE("without a massive token shares speak of outliers, and without those of nobody") {
  planted::Plan plan;
  plan.spike_sizes = {90};
  const auto weak = census_of(plan);
  CHECK(weak.tier == Tier::outlier);
  CHECK(weak.exceptions == TokenIds{0});

  CensusOptions options;
  options.criterion = {1e9, 1e9, 1e9};
  const auto none = census(Decoder<double>(planted::make(plan).checkpoint), options);
  CHECK(none.tier == Tier::none);
  CHECK(none.share == 0);
  CHECK(none.exceptions.empty());
  CHECK(none.points[2].channels.empty());
}

TEST_CASE("of the bundled model only the start token exceeds 25 on the plateau") {
  CensusOptions options;
  options.criterion = {25, 0, 20};
  const auto found = census(Decoder<float>(Checkpoint::open(kBundled)), options);
  CHECK(found.tier == Tier::massive);
  CHECK(found.exceptions == TokenIds{0, 314, 316, 404});  // the last three after layer 4 only
  CHECK(found.share == 4.0 / 512);
  for (Index n = 1; n <= 4; ++n) {
    const auto& point = found.points[static_cast<std::size_t>(n)];
    CHECK(point.share == 1.0 / 512);
    CHECK(point.channels == std::vector<Index>{61});
    CHECK(found.spikes(n, 0));
  }
  CHECK(found.points[1].token == 0);
  CHECK(found.points[1].channel == 61);
  CHECK(found.points[1].value == Approx(53.61).margin(0.005));
  CHECK(found.points[0].share == 0);
}

TEST_CASE("batches of any size say the same, and progress is told after each") {
  const Decoder<double> model(planted::make().checkpoint);
  CensusOptions single;
  single.memory = 1;
  std::vector<Index> told;
  single.progress = [&](Index done, Index tokens) {
    CHECK(tokens == 64);
    told.push_back(done);
  };
  const auto one = census(model, single), all = census(model);
  REQUIRE(told.size() == 64);
  CHECK(told.front() == 1);
  CHECK(told.back() == 64);
  CHECK(one.exceptions == all.exceptions);
  const Matrix<double> allowed = kGoldenBoundDouble * all.level;
  CHECK(mismatch(one.level, all.level, allowed) == "");
}

TEST_CASE("a batch fits in its memory and in the vocabulary") {
  Architecture a;
  a.hidden_size = 4096;
  a.feed_forward_size = 11008;
  a.heads = 32;
  a.head_dim = 128;
  a.vocab_size = 32000;
  CHECK(census_batch(a, Index{1} << 28, 4) == (Index{1} << 28) / (4 * 93184));
  CHECK(census_batch(a, 1, 4) == 1);
  CHECK(census_batch(a, Index{1} << 40, 4) == 1024);
  a.vocab_size = 10;
  CHECK(census_batch(a, Index{1} << 40, 4) == 10);
}

TEST_CASE("a pass that overflows is infinite, and spikes") {
  auto checkpoint = planted::make().checkpoint;
  const std::string stem = "model.layers.1.mlp.";
  for (const auto& name : {stem + "down_proj.weight", stem + "gate_proj.weight"}) {
    auto m = read_matrix<double>(checkpoint.tensor(name));
    m *= 1e30;
    checkpoint.replace(make_tensor<double>(name, m));
  }
  const auto found = census(Decoder<float>(checkpoint));
  CHECK(std::isinf(found.level(2, 0)));
  CHECK(std::isinf(found.points[2].value));
  CHECK(found.tier == Tier::massive);
  CHECK(found.spikes(2, 0));
}

TEST_CASE("what makes attention at position 0 more than a matrix is noted") {
  Architecture a;
  CHECK(position_zero_notes(a).empty());
  a.attention_gate = AttentionGate::head;
  REQUIRE(position_zero_notes(a).size() == 1);
  CHECK(position_zero_notes(a)[0].find("gate") != std::string::npos);
  a.post_norm = NormKind::rms_norm;
  CHECK(position_zero_notes(a).size() == 2);
}

TEST_CASE("the rule of each tier, to the edge") {
  const Criterion rule{100, 1000, 20};
  CHECK(meets(Tier::massive, 101, 0.101, rule));
  CHECK_FALSE(meets(Tier::massive, 100, 0.01, rule));
  CHECK_FALSE(meets(Tier::massive, 101, 0.102, rule));
  CHECK(meets(Tier::outlier, 21, 1, rule));
  CHECK_FALSE(meets(Tier::outlier, 20, 1, rule));
  CHECK_FALSE(meets(Tier::none, 1e9, 0, rule));
}

TEST_CASE("points and tokens out of range throw") {
  const auto found = census_of({});
  CHECK_THROWS_AS(found.spikes(7, 0), index_error);
  CHECK_THROWS_AS(found.spikes(0, 64), index_error);
  CHECK_THROWS_AS(found.spikes(-1, 0), index_error);
}

TEST_CASE("what only the last layer writes makes no token spike") {
  planted::Plan plan;
  plan.step_up_layer = plan.layers - 1;
  plan.step_down_layer.reset();
  plan.sink_heads.clear();
  const auto found = census_of(plan);
  CHECK(found.tier == Tier::none);
  CHECK(found.share == 0);
  CHECK(found.points.back().magnitude() > 1000);
}
