#include "plumb/sink/chain.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::sink;

namespace {

TokenIds text(Index tokens, TokenId at_20) {
  TokenIds ids{0};
  for (Index i = 1; i < tokens; ++i) ids.push_back(static_cast<TokenId>(2 + (7 * i) % 60));
  ids[20] = at_20;
  return ids;
}

constexpr TraceOptions kAll{.inputs = true, .keys = true};

}  // namespace

TEST_CASE("the chain of planted spike tokens: from embedding to attention received") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto trace = plumb::trace(model, text(60, 1), kAll);
  const auto received = attention_received(trace);
  for (const Index position : {Index{0}, Index{20}}) {
    const auto found = chain(trace, received, position);
    CHECK(found.position == position);
    CHECK(found.id == (position == 0 ? 0 : 1));
    CHECK(found.embedding_norm == Approx(trace.residual[0].row(position).norm()));
    REQUIRE(found.links.size() == 6);
    // Layer 1 writes the spike, so layer 2 is the first that finds it; layer 4 takes it away.
    CHECK(found.links[1].size < 10);
    for (const Index layer : {2, 3, 4}) {
      const auto& link = found.links[static_cast<std::size_t>(layer)];
      CHECK(link.layer == layer);
      CHECK(link.size == Approx(planted.plan.spike_sizes[position == 0 ? 0 : 1]).epsilon(0.02));
      CHECK(link.channel == planted.channels[0]);
      CHECK(link.ratio > 1000);
      CHECK(*link.read.hoyer > 0.85);
      CHECK(*link.read_cosine > 0.9999);
      for (const auto& cosine : link.key_cosine) CHECK(*cosine > 0.9999);
    }
    CHECK(*found.links[1].read.hoyer < 0.5);
    CHECK(found.links[2].received[0] > 0.3);
    CHECK(found.links[2].received[1] < 0.2);
  }
  const auto ordinary = chain(trace, received, 30);
  CHECK(ordinary.links[2].ratio < 20);
  CHECK(std::abs(*ordinary.links[2].read_cosine) < 0.5);
  CHECK(ordinary.links[2].received[0] < 0.1);
}

TEST_CASE("each figure of a chain is that of its definition") {
  for (const auto& fixture : plumb::test::golden_fixtures()) {
    INFO(fixture.name);
    const Decoder<double> model(Checkpoint::open(fixture.model));
    const auto ids = plumb::test::read_golden(fixture.golden, model.architecture()).ids;
    const auto trace = plumb::trace(model, ids, kAll);
    const auto received = attention_received(trace);
    const Index position = 3;
    const auto found = chain(trace, received, position);
    const auto& a = model.architecture();
    for (Index l = 0; l < a.layers; ++l) {
      const auto i = static_cast<std::size_t>(l);
      const auto& link = found.links[i];
      const RowVector<double> h = trace.residual[i].row(position);
      const RowVector<double> x = trace.attention_input[i].row(position);
      const RowVector<double> first = trace.attention_input[i].row(0);
      CHECK(link.size == h.cwiseAbs().maxCoeff());
      CHECK(std::abs(h[link.channel]) == link.size);
      CHECK(link.read.largest == x.cwiseAbs().maxCoeff());
      CHECK(*link.read_cosine == Approx(x.dot(first) / x.norm() / first.norm()).margin(1e-12));
      CHECK(link.key_cosine.size() == static_cast<std::size_t>(a.kv_heads));
      CHECK(link.received.size() == static_cast<std::size_t>(a.heads));
      CHECK(link.received[0] == received.importance(l, 0, position, Queries::later));
    }
  }
}

TEST_CASE("what a chain needs and does not get throws") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto ids = text(30, 1);
  const auto trace = plumb::trace(model, ids, kAll);
  const auto received = attention_received(trace);
  CHECK_THROWS_AS(chain(trace, received, 30), index_error);
  CHECK_THROWS_AS(chain(trace, AttentionReceived(6, 4, 31), 0), shape_error);
  CHECK_THROWS_AS(chain(trace, AttentionReceived(5, 4, 30), 0), shape_error);
  const auto without = [&](TraceOptions options) { return plumb::trace(model, ids, options); };
  CHECK_THROWS_AS(chain(without({.inputs = true}), received, 0), shape_error);
  CHECK_THROWS_AS(chain(without({.keys = true}), received, 0), shape_error);
  CHECK_THROWS_AS(chain(without({.residual = false, .inputs = true, .keys = true}), received, 0),
                  shape_error);
}
