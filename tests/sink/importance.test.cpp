#include "plumb/sink/importance.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <functional>
#include <rapidcheck/catch.h>
#include <utility>
#include <vector>

#include "plumb/model/planted.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"
#include "support/shared_models.hpp"

using namespace plumb;
using namespace plumb::sink;
using namespace plumb::test;

namespace {

constexpr Queries kBoth[] = {Queries::self_and_later, Queries::later};

/// The mean of column `key` over the queries that count, as it is defined.
double naive_importance(const Matrix<double>& map, Index key, Queries queries) {
  double sum = 0;
  Index count = 0;
  for (Index t = key + (queries == Queries::later ? 1 : 0); t < map.rows(); ++t) {
    sum += map(t, key);
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

/// Causal rows that sum to 1.
Matrix<double> draw_map(Engine& engine, Index tokens) {
  std::uniform_real_distribution<double> uniform(0.01, 1);
  Matrix<double> map = Matrix<double>::Zero(tokens, tokens);
  for (Index t = 0; t < tokens; ++t) {
    for (Index k = 0; k <= t; ++k) map(t, k) = std::pow(uniform(engine), 4);
    map.row(t) /= map.row(t).sum();
  }
  return map;
}

Matrix<double> uniform_map(Index tokens) {
  Matrix<double> map = Matrix<double>::Zero(tokens, tokens);
  for (Index t = 0; t < tokens; ++t) map.row(t).head(t + 1).setConstant(1.0 / double(t + 1));
  return map;
}

/// One layer, one head.
AttentionReceived received_of(const Matrix<double>& map) {
  AttentionReceived received(1, 1, map.rows());
  received.add<double>(0, 0, 0, map);
  return received;
}

TokenIds random_ids(Index vocabulary, Index first, Index tokens, unsigned seed = 5) {
  Engine engine(seed);
  std::uniform_int_distribution<TokenId> id(static_cast<TokenId>(first),
                                            static_cast<TokenId>(vocabulary - 1));
  TokenIds ids;
  while (static_cast<Index>(ids.size()) < tokens) ids.push_back(id(engine));
  return ids;
}

/// The start token, and ordinary tokens after it.
TokenIds started_text(const planted::Plan& plan, Index tokens) {
  auto ids = random_ids(plan.vocab_size, static_cast<Index>(plan.spike_sizes.size()), tokens);
  ids[0] = 0;
  return ids;
}

/// The largest difference of two sums of the same maps, over layers, heads, keys and both rules.
double largest_difference(const AttentionReceived& a, const AttentionReceived& b) {
  double largest = 0;
  for (Index layer = 0; layer < a.layers(); ++layer) {
    for (Index head = 0; head < a.heads(); ++head) {
      for (Index key = 0; key < a.tokens(); ++key) {
        for (const Queries queries : kBoth) {
          largest = std::max(largest, std::abs(a.importance(layer, head, key, queries) -
                                               b.importance(layer, head, key, queries)));
        }
      }
    }
  }
  return largest;
}

std::filesystem::path tiny_llama() {
  return std::filesystem::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama";
}

}  // namespace

// ---- The definition -------------------------------------------------------------------------

TEST_CASE("the importance of a key is its mean weight over the queries that count") {
  const Matrix<double> map{{1, 0, 0}, {0.75, 0.25, 0}, {0.5, 0.125, 0.375}};
  const auto received = received_of(map);
  CHECK(received.importance(0, 0, 0, Queries::self_and_later) == 0.75);
  CHECK(received.importance(0, 0, 1, Queries::self_and_later) == 0.1875);
  CHECK(received.importance(0, 0, 2, Queries::self_and_later) == 0.375);
  CHECK(received.importance(0, 0, 0, Queries::later) == 0.625);
  CHECK(received.importance(0, 0, 1, Queries::later) == 0.125);
  CHECK(received.importance(0, 0, 2, Queries::later) == 0);  // there is no later query
}

TEST_CASE("importance is the naive sum over a full map") {
  Engine engine(11);
  for (const Index tokens : {1, 2, 3, 10, 33}) {
    AttentionReceived received(2, 3, tokens);
    CHECK(received.layers() == 2);
    CHECK(received.heads() == 3);
    CHECK(received.tokens() == tokens);
    for (Index layer = 0; layer < 2; ++layer) {
      for (Index head = 0; head < 3; ++head) {
        const auto map = draw_map(engine, tokens);
        // As strips of up to four queries, whose columns end with the last key that they see.
        for (Index first = 0; first < tokens; first += 4) {
          const Index last = std::min<Index>(first + 4, tokens);
          Matrix<double> strip = map.block(first, 0, last - first, last);
          received(layer, site::weights{head, first}, strip);
        }
        for (Index key = 0; key < tokens; ++key) {
          for (const Queries queries : kBoth) {
            // A sum of at most 33 weights in [0, 1], and a difference of it.
            const double importance = received.importance(layer, head, key, queries);
            CHECK(std::abs(importance - naive_importance(map, key, queries)) <=
                  gamma<double>(2 * roundings(tokens)) * double(tokens));
            CHECK(importance <= 1 + gamma<double>(roundings(tokens)));
          }
        }
      }
    }
  }
}

TEST_CASE("a layer, head or key that there is not throws") {
  const AttentionReceived received(2, 3, 4);
  for (const Queries queries : kBoth) {
    CHECK_NOTHROW(received.importance(1, 2, 3, queries));
    CHECK_THROWS_AS(received.importance(2, 0, 0, queries), index_error);
    CHECK_THROWS_AS(received.importance(-1, 0, 0, queries), index_error);
    CHECK_THROWS_AS(received.importance(0, 3, 0, queries), index_error);
    CHECK_THROWS_AS(received.importance(0, 0, 4, queries), index_error);
    CHECK_THROWS_AS(received.importance(0, 0, -1, queries), index_error);
  }
}

TEST_CASE("sink ratios without tokens throw") {
  CHECK_THROWS_AS(sink_ratios(AttentionReceived(1, 1, 0)), shape_error);
}

// ---- From a pass ----------------------------------------------------------------------------

TEMPLATE_TEST_CASE("a trace's importance is the naive sum over its maps", "", float, double) {
  const Decoder<TestType> model(Checkpoint::open(tiny_llama()));
  const auto trace = plumb::trace(model, random_ids(512, 0, 40));
  const auto received = attention_received(trace);
  for (Index layer = 0; layer < 6; ++layer) {
    for (Index head = 0; head < 2; ++head) {
      const Matrix<double> map =
          slice(trace.attention[static_cast<std::size_t>(layer)], head).template cast<double>();
      for (Index key = 0; key < 40; ++key) {
        for (const Queries queries : kBoth) {
          CHECK(std::abs(received.importance(layer, head, key, queries) -
                         naive_importance(map, key, queries)) <=
                gamma<double>(2 * roundings(40)) * 40);
        }
      }
    }
  }
}

TEST_CASE("as a tap it adds up what it adds up from a trace") {
  for (const auto& fixture : golden_fixtures()) {
    INFO(fixture.name);
    const Decoder<double> model(Checkpoint::open(fixture.model));
    const auto& a = model.architecture();
    // More tokens than a strip has queries, where the model allows for it.
    const Index tokens = std::min<Index>(300, a.context_length);
    const auto ids = random_ids(a.vocab_size, 0, tokens);
    AttentionReceived streamed(a.layers, a.heads, tokens);
    model.forward(ids, std::ref(streamed));
    CHECK(largest_difference(streamed, attention_received(plumb::trace(model, ids))) <= 1e-12);
  }
}

TEST_CASE("several strips of queries add up to the whole") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto ids = started_text(planted.plan, 300);
  AttentionReceived streamed(6, 4, 300);
  model.forward(ids, std::ref(streamed));
  CHECK(largest_difference(streamed, attention_received(plumb::trace(model, ids))) <= 1e-12);

  // All weight of a row is received by some key.
  for (Index layer = 0; layer < 6; ++layer) {
    double total = 0;
    for (Index key = 0; key < 300; ++key) {
      total += double(300 - key) * streamed.importance(layer, 1, key, Queries::self_and_later);
    }
    CHECK(total == Approx(300).epsilon(1e-12));
  }
}

TEST_CASE("a trace that kept no maps throws") {
  const Decoder<float> model(Checkpoint::open(tiny_llama()));
  const auto trace = plumb::trace(model, {0, 1, 2}, TraceOptions{false, false});
  CHECK_THROWS_AS(attention_received(trace), shape_error);
}

// ---- Maps with a known ratio ----------------------------------------------------------------

TEST_CASE("uniform attention gives the first token H_T / T, above 0.3 in short texts only") {
  double harmonic = 0;
  for (Index tokens = 1; tokens <= 40; ++tokens) {
    INFO(tokens << " tokens");
    harmonic += 1.0 / double(tokens);
    const auto received = received_of(uniform_map(tokens));
    CHECK(received.importance(0, 0, 0, Queries::self_and_later) ==
          Approx(harmonic / double(tokens)).epsilon(1e-13));
    const auto ratios = sink_ratios(received);
    CHECK(ratios.first_token == (tokens < kShortestSinkText ? 1 : 0));
    CHECK(ratios.heads == 1);
    CHECK(ratios.epsilon == 0.3);
    CHECK(ratios.queries == Queries::self_and_later);
  }
  CHECK(kShortestSinkText == 10);
}

TEST_CASE("attention to oneself makes no sink, though the last key has importance 1") {
  for (const Index tokens : {10, 11, 64}) {
    const auto received = received_of(Matrix<double>::Identity(tokens, tokens));
    CHECK(received.importance(0, 0, tokens - 1, Queries::self_and_later) == 1);
    CHECK(received.importance(0, 0, 0, Queries::self_and_later) == 1.0 / double(tokens));
    for (Index key = 0; key < tokens; ++key) {
      CHECK(received.importance(0, 0, key, Queries::later) == 0);
    }
    for (const Queries queries : kBoth) {
      const auto ratios = sink_ratios(received, kSinkEpsilon, queries);
      CHECK(ratios.first_token == 0);
      CHECK(ratios.first_half == 0);
      CHECK(ratios.queries == queries);
    }
  }
}

TEST_CASE("the first half is the keys before T / 2, and a sink lies strictly above epsilon") {
  // Every query from `sink` on gives it all its weight; the others attend to themselves.
  const auto sink_at = [](Index tokens, Index sink) {
    Matrix<double> map = Matrix<double>::Identity(tokens, tokens);
    for (Index t = sink; t < tokens; ++t)
      map.row(t) = Matrix<double>::Identity(tokens, tokens).row(sink);
    return received_of(map);
  };
  CHECK(sink_ratios(sink_at(40, 0)).first_token == 1);
  CHECK(sink_ratios(sink_at(40, 0)).first_half == 1);
  CHECK(sink_ratios(sink_at(40, 19)).first_token == 0);
  CHECK(sink_ratios(sink_at(40, 19)).first_half == 1);
  CHECK(sink_ratios(sink_at(40, 20)).first_half == 0);
  CHECK(sink_ratios(sink_at(41, 20)).first_half == 1);  // 20 < 20.5
  CHECK(sink_ratios(sink_at(41, 21)).first_half == 0);

  CHECK(sink_ratios(sink_at(40, 0), 1.0).first_token == 0);
  CHECK(sink_ratios(sink_at(40, 0), std::nextafter(1.0, 0.0)).first_token == 1);
}

TEST_CASE("ratios count heads over all layers") {
  AttentionReceived received(2, 3, 20);
  for (Index layer = 0; layer < 2; ++layer) {
    for (Index head = 0; head < 3; ++head) {
      Matrix<double> map = uniform_map(20);
      if (layer == 1 && head != 0) map.setZero().col(head == 1 ? 0 : 7).setOnes();
      received.add<double>(layer, head, 0, map);
    }
  }
  const auto ratios = sink_ratios(received);
  CHECK(ratios.heads == 6);
  CHECK(ratios.first_token == 1.0 / 6);
  CHECK(ratios.first_half == 2.0 / 6);
}

// ---- Planted models -------------------------------------------------------------------------

TEST_CASE("exactly the planted sink heads are sink heads") {
  std::vector<planted::Plan> plans(4);
  plans[1].sink_heads = {};
  plans[2].sink_heads = {{2, 1}, {2, 2}, {4, 0}, {4, 3}};
  plans[2].noise = 0;
  plans[3].sink_heads = {{1, 0}, {5, 2}, {5, 3}};
  plans[3].step_up_layer = 0;
  plans[3].step_down_layer.reset();
  plans[3].seed = 77;
  for (const auto& plan : plans) {
    const auto planted = planted::make(plan);
    const Decoder<double> model(planted.checkpoint);
    AttentionReceived received(plan.layers, plan.heads, 100);
    model.forward(started_text(plan, 100), std::ref(received));
    for (Index layer = 0; layer < plan.layers; ++layer) {
      for (Index head = 0; head < plan.heads; ++head) {
        INFO("layer " << layer << ", head " << head);
        const bool is_planted =
            std::any_of(plan.sink_heads.begin(), plan.sink_heads.end(),
                        [&](const auto& sink) { return sink.layer == layer && sink.head == head; });
        for (const Queries queries : kBoth) {
          CHECK((received.importance(layer, head, 0, queries) > kSinkEpsilon) == is_planted);
        }
      }
    }
    const auto ratios = sink_ratios(received);
    const double share = double(plan.sink_heads.size()) / double(plan.layers * plan.heads);
    CHECK(ratios.first_token == share);
    CHECK(ratios.first_half == share);
  }
}

TEST_CASE("a planted sink receives e^m / (e^m + n - 1) of each query that sees n tokens") {
  for (const double logit : {1.0, 4.0, 8.0}) {
    planted::Plan plan;
    plan.noise = 0;
    plan.sink_logit = logit;
    const auto planted = planted::make(plan);
    const auto trace = plumb::trace(Decoder<double>(planted.checkpoint), started_text(plan, 100));
    const auto received = attention_received(trace);
    for (const auto& sink : plan.sink_heads) {
      const auto map = slice(trace.attention[static_cast<std::size_t>(sink.layer)], sink.head);
      double sum = 1;  // the start token sees itself only
      for (Index t = 1; t < 100; ++t) {
        // The other tokens' share of a key's norm, d / (2 size^2), and eps move the logit by less
        // than 1e-5 m, and that moves the weight by at most a quarter of it.
        const double expected = std::exp(logit) / (std::exp(logit) + double(t));
        CHECK(std::abs(map(t, 0) - expected) <= 2.5e-6 * logit);
        sum += expected;
      }
      CHECK(std::abs(received.importance(sink.layer, sink.head, 0, Queries::self_and_later) -
                     sum / 100) <= 2.5e-6 * logit);
    }
  }
}

// ---- The bundled model ----------------------------------------------------------------------

TEMPLATE_TEST_CASE("tiny-llama has 6 sink heads of 12 in its text, and 8 in its first half", "",
                   float, double) {
  const Decoder<TestType> model(Checkpoint::open(tiny_llama()));
  auto ids = read_ids(tiny_llama() / "ids.npy");
  REQUIRE(ids.size() == 128);
  AttentionReceived whole(6, 2, 128);
  model.forward(ids, std::ref(whole));
  CHECK(sink_ratios(whole).heads == 12);
  CHECK(sink_ratios(whole).first_token == 6.0 / 12);
  CHECK(sink_ratios(whole).first_half == 6.0 / 12);
  CHECK(sink_ratios(whole, kSinkEpsilon, Queries::later).first_token == 5.0 / 12);

  ids.resize(64);
  AttentionReceived half(6, 2, 64);
  model.forward(ids, std::ref(half));
  CHECK(sink_ratios(half).first_token == 8.0 / 12);
}

// ---- Local attention, layers apart, several texts -------------------------------------------

TEST_CASE("the local share is the mean weight on the last four keys, naively summed") {
  Engine engine(13);
  for (const Index tokens : {8, 9, 20, 33}) {
    const auto map = draw_map(engine, tokens);
    double sum = 0;
    for (Index t = 2 * kLocalKeys; t < tokens; ++t) {
      for (Index k = t - kLocalKeys + 1; k <= t; ++k) sum += map(t, k);
    }
    const Index queries = tokens - 2 * kLocalKeys;
    const double expected = queries == 0 ? 0 : sum / double(queries);
    CHECK(received_of(map).local_share(0, 0) == Approx(expected).epsilon(1e-12));
  }
  CHECK(received_of(Matrix<double>::Identity(30, 30)).local_share(0, 0) == 1);
  CHECK_THROWS_AS(received_of(Matrix<double>::Identity(30, 30)).local_share(0, 1), index_error);
}

TEST_CASE("a strip that does not fit the text throws") {
  AttentionReceived received(1, 1, 4);
  CHECK_THROWS_AS(received.add<double>(0, 0, 0, Matrix<double>::Zero(4, 5)), shape_error);
  CHECK_THROWS_AS(received.add<double>(0, 0, 1, Matrix<double>::Zero(4, 4)), shape_error);
  CHECK_THROWS_AS(received.add<double>(0, 1, 0, Matrix<double>::Zero(4, 4)), index_error);
}

TEST_CASE("ratios of some layers, and of none") {
  AttentionReceived received(3, 2, 20);
  Matrix<double> sink = Matrix<double>::Zero(20, 20);
  sink.col(0).setOnes();
  received.add<double>(1, 0, 0, sink);
  received.add<double>(1, 1, 0, sink);
  received.add<double>(2, 0, 0, sink);
  CHECK(sink_ratios_of(received, {0}).first_token == 0);
  CHECK(sink_ratios_of(received, {1}).first_token == 1);
  CHECK(sink_ratios_of(received, {1, 2}).first_token == 0.75);
  CHECK(sink_ratios_of(received, {1, 2}).heads == 4);
  CHECK(sink_ratios_of(received, std::vector<Index>{}).heads == 0);
  CHECK(sink_ratios_of(received, std::vector<Index>{}).first_half == 0);
  CHECK_THROWS_AS(sink_ratios_of(received, {3}), index_error);
  CHECK(dominant_key(received, 1) == 0);
}

TEST_CASE("the dominant key is that of all heads together, later queries only") {
  AttentionReceived received(1, 2, 12);
  Matrix<double> map = Matrix<double>::Identity(12, 12);  // the diagonal does not count
  received.add<double>(0, 0, 0, map);
  map.setZero().col(4).tail(8).setOnes();
  received.add<double>(0, 1, 0, map);
  CHECK(dominant_key(received, 0) == 4);
  CHECK(strongest_key(received, 0, 1) == 4);
  CHECK_THROWS_AS(dominant_key(AttentionReceived(1, 1, 0), 0), shape_error);
  CHECK_THROWS_AS(strongest_key(AttentionReceived(1, 1, 0), 0, 0), shape_error);
}

TEST_CASE("means and deviations over texts") {
  CHECK(spread({3}).mean == 3);
  CHECK(spread({3}).deviation == 0);
  CHECK(spread({1, 2, 6}).mean == Approx(3));
  CHECK(spread({1, 2, 6}).deviation == Approx(std::sqrt(7.0)));
  CHECK_THROWS_AS(spread({}), shape_error);

  Matrix<double> sink = Matrix<double>::Zero(20, 20);
  sink.col(0).setOnes();
  const auto all = sink_statistics({received_of(sink), received_of(uniform_map(30))});
  CHECK(all.texts == 2);
  CHECK(all.shortest == 20);
  CHECK(all.longest == 30);
  CHECK_FALSE(all.too_short());
  double harmonic = 0;
  for (int i = 1; i <= 30; ++i) harmonic += 1.0 / i;
  const double other = harmonic / 30;
  CHECK(all.importance(0, 0) == Approx((1 + other) / 2));
  CHECK(all.importance_deviation(0, 0) == Approx((1 - other) / std::sqrt(2.0)));
  CHECK(all.first_token.mean == 0.5);
  CHECK(all.first_half.mean == 0.5);
  CHECK(all.first_token.deviation == Approx(std::sqrt(0.5)));
  CHECK(all.attention.mean == Approx((1 + other) / 2));
  CHECK(sink_statistics({received_of(uniform_map(9))}).too_short());
  CHECK_THROWS_AS(sink_statistics({}), shape_error);
  CHECK_THROWS_AS(sink_statistics({AttentionReceived(1, 1, 3), AttentionReceived(2, 1, 3)}),
                  shape_error);
}

TEST_CASE("heads at the same time or one after the other: the same sums to the bit") {
  const Decoder<float> model(Checkpoint::open(tiny_llama()));
  const auto ids = read_ids(tiny_llama() / "ids.npy");
  AttentionReceived concurrent(6, 2, 128), in_order(6, 2, 128);
  model.forward(ids, std::ref(concurrent));
  // A lambda makes no promise, so its heads come in order.
  model.forward(ids, [&](Index layer, site::weights at, Matrix<float>& strip) {
    in_order(layer, at, strip);
  });
  CHECK(largest_difference(concurrent, in_order) == 0);
}

TEST_CASE("trained checkpoints at hand: which ablation keeps its sinks") {
  for (const auto& folder : shared_models()) {
    const auto name = folder.filename().string();
    if (!name.starts_with("tiny-")) continue;
    INFO(name);
    const Decoder<float> model(Checkpoint::open(folder));
    const auto ids = read_ids(folder / "ids.npy");
    const auto& a = model.architecture();
    AttentionReceived received(a.layers, a.heads, static_cast<Index>(ids.size()));
    model.forward(ids, std::ref(received));
    const double sinks = sink_ratios(received).first_token * double(a.layers * a.heads);
    if (name == "tiny-llama") CHECK(sinks == 6);
    if (name == "tiny-dynamic-tanh") CHECK(sinks > 0);
    if (name.starts_with("tiny-gate") || name == "tiny-head-dim-8") CHECK(sinks == 0);
  }
}
