#include "plumb/trace/layer_run.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"
#include "support/golden.hpp"

using plumb::Index;
using plumb::Matrix;
namespace site = plumb::site;

TEMPLATE_TEST_CASE("a layer run is that layer of the trace, bit for bit", "", float, double) {
  for (const auto& one : plumb::test::golden_fixtures()) {
    INFO(one.name);
    const plumb::Decoder<TestType> model(plumb::Checkpoint::open(one.model));
    const plumb::TokenIds ids{0, 3, 2, 1, 4, 3};
    const auto trace = plumb::trace(model, ids);
    for (Index l = 0; l < trace.layers(); ++l) {
      const auto layer = static_cast<std::size_t>(l);
      const auto run = plumb::run_layer(model, trace, l);
      CHECK(run.layer == l);
      CHECK(run.tokens() == 6);
      CHECK(run.residual == trace.residual[layer]);
      CHECK(run.attention_write == trace.attention_write[layer]);
      CHECK(run.middle() == trace.middle(l));
      CHECK(run.feed_forward_write == trace.feed_forward_write[layer]);
      CHECK(run.attention == trace.attention[layer]);
      CHECK(run.attention_input == run.weights.attention_pre_norm.value(run.residual));
      CHECK(run.feed_forward_input == run.weights.feed_forward_pre_norm.value(run.middle()));
      CHECK((run.gate.size() > 0) ==
            (model.architecture().attention_gate != plumb::AttentionGate::none));
    }
  }
}

TEST_CASE("queries, keys, logits and outputs of heads follow from one another") {
  const plumb::Decoder<double> model(
      plumb::Checkpoint::open(plumb::test::kFixtures / "plumb/per-head-qk-norm"));
  const auto trace = plumb::trace(model, {0, 3, 2, 1, 4, 3});
  const auto run = plumb::run_layer(model, trace, 1);
  const auto& a = run.weights.attention;
  CHECK(run.queries_at(site::Stage::projected)
            .isApprox(run.attention_input * a.query.transpose(), 1e-12));
  CHECK(run.keys_at(site::Stage::normalised)
            .isApprox(a.key_norm.value(run.keys_at(site::Stage::projected)), 1e-12));
  Matrix<double> rotated = run.keys_at(site::Stage::normalised);
  a.rotary.apply(rotated, run.sequence.positions);
  CHECK(run.keys_at(site::Stage::rotated).isApprox(rotated, 1e-12));
  for (Index head = 0; head < a.heads; ++head) {
    const auto columns = [&](const Matrix<double>& m, Index h) {
      return Matrix<double>(m.middleCols(h * a.head_dim, a.head_dim));
    };
    const Matrix<double> dots =
        columns(run.queries_at(site::Stage::rotated), head) *
        columns(run.keys_at(site::Stage::rotated), a.kv_head(head)).transpose();
    const auto logits = plumb::slice(run.logits, head);
    const auto weights = plumb::slice(run.attention, head);
    for (Index t = 0; t < run.tokens(); ++t) {
      for (Index k = 0; k < run.tokens(); ++k) {
        if (k > t) {
          CHECK(std::isinf(logits(t, k)));
          CHECK(weights(t, k) == 0);
        } else {
          CHECK(logits(t, k) == Approx(a.scale * dots(t, k)).margin(1e-12));
        }
      }
    }
    const Matrix<double> mixed = weights * columns(run.values, a.kv_head(head));
    CHECK(columns(run.head_outputs, head).isApprox(mixed, 1e-12));
  }
}

TEST_CASE("a layer that is not there is refused") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto trace = plumb::trace(model, {0, 5});
  CHECK_THROWS_AS(plumb::run_layer(model, trace, -1), plumb::index_error);
  CHECK_THROWS_AS(plumb::run_layer(model, trace, trace.layers()), plumb::index_error);
}
