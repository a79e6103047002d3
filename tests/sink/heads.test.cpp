#include "plumb/sink/heads.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/golden.hpp"
#include "support/shared_models.hpp"

using namespace plumb;
using namespace plumb::sink;
using namespace plumb::test;

namespace {

AttentionReceived received_of(const Matrix<double>& map) {
  AttentionReceived received(1, 1, map.rows());
  received.add<double>(0, 0, 0, map);
  return received;
}

HeadClass class_of(const Matrix<double>& map) { return *classify(received_of(map), 0, 0); }

/// The start token of the default plan, and then ordinary ones.
TokenIds text(Index tokens) {
  TokenIds ids{0};
  for (Index i = 1; i < tokens; ++i) ids.push_back(static_cast<TokenId>(2 + (7 * i) % 60));
  return ids;
}

}  // namespace

TEST_CASE("maps with a known class") {
  const Index n = 40;
  Matrix<double> sink = Matrix<double>::Zero(n, n), previous = sink, uniform = sink;
  sink.col(0).setOnes();
  previous(0, 0) = 1;
  for (Index t = 1; t < n; ++t) previous(t, t - 1) = 1;
  for (Index t = 0; t < n; ++t) uniform.row(t).head(t + 1).setConstant(1.0 / double(t + 1));
  CHECK(class_of(sink) == HeadClass::sink);
  CHECK(class_of(previous) == HeadClass::local);
  CHECK(class_of(Matrix<double>::Identity(n, n)) == HeadClass::local);
  CHECK(class_of(uniform) == HeadClass::mixed);
  CHECK(class_of((sink + previous) / 2) == HeadClass::sink);  // 0.5 > epsilon comes first
  CHECK(class_of(0.2 * sink + 0.8 * previous) == HeadClass::local);
  Matrix<double> elsewhere = uniform;
  for (Index t = 15; t < n; ++t) elsewhere.row(t) = Matrix<double>::Identity(n, n).row(15);
  CHECK(class_of(elsewhere) == HeadClass::sink);
  CHECK(strongest_key(received_of(elsewhere), 0, 0) == 15);
  CHECK(to_string(HeadClass::local) == std::string("local"));
}

TEST_CASE("uniform attention is never local, however short the text") {
  for (Index n = kShortestSinkText; n < 30; ++n) {
    Matrix<double> uniform = Matrix<double>::Zero(n, n);
    for (Index t = 0; t < n; ++t) uniform.row(t).head(t + 1).setConstant(1.0 / double(t + 1));
    CHECK(class_of(uniform) == HeadClass::mixed);
  }
}

TEST_CASE("a text too short for a class is said to be") {
  const auto found = classify(received_of(Matrix<double>::Identity(9, 9)), 0, 0);
  CHECK_FALSE(found);
  CHECK(found.reason == "a text of 9 tokens, and 10 are needed");
  CHECK_THROWS_AS(classify(received_of(Matrix<double>::Identity(12, 12)), 1, 0), index_error);
}

TEST_CASE(
    "explanations of planted sinks: the margin planted, an emptier or fuller value, a proof") {
  planted::Plan plan;
  plan.noise = 0;
  const auto planted = planted::make(plan);
  const Decoder<double> model(planted.checkpoint);
  HeadExplainer explainer(model.architecture());
  AttentionReceived received(6, 4, 100);
  const auto trace =
      plumb::trace(model, text(100), {}, taps{std::ref(explainer), std::ref(received)});
  for (Index layer = 0; layer < 6; ++layer) {
    for (Index head = 0; head < 4; ++head) {
      INFO("layer " << layer << ", head " << head);
      const auto why = explainer.explanation(layer, head);
      const auto kind = *classify(received, layer, head);
      const bool is_planted = (layer == 2 && head == 0) || (layer == 3 && head == 3);
      CHECK((kind == HeadClass::sink) == is_planted);
      CHECK(std::abs(why.weight - received.importance(layer, head, 0, Queries::self_and_later)) <=
            1e-12);
      CHECK(why.lower <= why.weight + 1e-12);
      CHECK(why.weight <= why.upper + 1e-12);
      CHECK(why.upper <= why.upper_mean + 1e-12);
      CHECK_FALSE(why.gate);
      if (is_planted) {
        // Other logits are 0; the sink's that of the plan to 1e-5 (see importance.test.cpp).
        CHECK(why.margin_to_max == Approx(8).margin(8e-5));
        CHECK(why.margin_to_mean == Approx(8).margin(8e-5));
        CHECK(why.proof() == Proof::sink);
        CHECK(disagreement(why, kind).empty());
      }
      const auto& a = model.architecture();
      const auto layer_of = model.layer(layer);
      const Matrix<double> read =
          layer_of.attention_pre_norm.value(trace.residual[static_cast<std::size_t>(layer)]);
      const Matrix<double> values = read * layer_of.attention.values.transpose();
      CHECK(why.value_norm ==
            Approx(values.row(0).segment(a.kv_head(head) * a.head_dim, a.head_dim).norm()));
      CHECK(why.other_value_norm > 0);
    }
  }
}

TEST_CASE("the explained weight is the importance of any key, in every fixture") {
  for (const auto& fixture : golden_fixtures()) {
    INFO(fixture.name);
    const Decoder<double> model(Checkpoint::open(fixture.model));
    const auto& a = model.architecture();
    const auto golden = read_golden(fixture.golden, a);
    const auto tokens = golden.tokens();
    Matrix<Index> keys(a.layers, a.heads);
    for (Index i = 0; i < keys.size(); ++i) keys.data()[i] = (5 * i) % tokens;
    HeadExplainer explainer(a, keys);
    AttentionReceived received(a.layers, a.heads, tokens);
    model.forward(golden.ids, taps{std::ref(explainer), std::ref(received)});
    for (Index layer = 0; layer < a.layers; ++layer) {
      for (Index head = 0; head < a.heads; ++head) {
        const auto why = explainer.explanation(layer, head);
        const Index key = keys(layer, head);
        CHECK(why.key == key);
        CHECK(std::abs(why.weight -
                       received.importance(layer, head, key, Queries::self_and_later)) <= 1e-12);
        CHECK(why.lower <= why.weight + 1e-12);
        CHECK(why.weight <= why.upper + 1e-12);
        CHECK(why.upper <= why.upper_mean + 1e-12);
        CHECK(why.gate.has_value() ==
              (a.attention_gate != AttentionGate::none && key + 1 < tokens));
        if (why.gate) {
          CHECK(*why.gate > 0);
          CHECK(*why.gate < 1);
        }
      }
    }
  }
}

TEST_CASE("where class and explanation part, and where they do not") {
  HeadExplanation why;
  why.lower = 0.4;
  why.upper = 0.9;
  CHECK(why.proof() == Proof::sink);
  CHECK(disagreement(why, HeadClass::sink).empty());
  CHECK(disagreement(why, HeadClass::mixed) == "proven otherwise");
  why.lower = 0.1;
  why.forecast = 0.5;
  CHECK(why.proof() == Proof::open);
  CHECK(disagreement(why, HeadClass::sink).empty());
  CHECK(disagreement(why, HeadClass::local) == "forecast says otherwise, no proof");
  why.upper = 0.3;
  CHECK(why.proof() == Proof::no_sink);
  CHECK(disagreement(why, HeadClass::local).empty());
  CHECK(disagreement(why, HeadClass::sink) == "proven otherwise");
}

TEST_CASE("keys for a model of another shape, and heads that are not there, throw") {
  const auto planted = planted::make();
  const auto& a = planted.checkpoint.architecture;
  CHECK_THROWS_AS(HeadExplainer(a, Matrix<Index>::Zero(5, 4)), shape_error);
  CHECK_THROWS_AS(HeadExplainer(a, Matrix<Index>::Zero(6, 3)), shape_error);
  CHECK_THROWS_AS(HeadExplainer(a).explanation(6, 0), index_error);
  CHECK_THROWS_AS(HeadExplainer(a).explanation(0, -1), index_error);
}

TEST_CASE("a window that hides the key leaves the query out") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto& a = model.architecture();
  auto sequence = Sequence::causal(30);
  for (Index t = 0; t < 30; ++t) {
    sequence.visible[static_cast<std::size_t>(t)].first = std::max<Index>(0, t - 9);
  }
  HeadExplainer explainer(a);
  AttentionReceived received(a.layers, a.heads, 30);
  model.forward(text(30), sequence, taps{std::ref(explainer), std::ref(received)});
  for (Index layer = 0; layer < a.layers; ++layer) {
    for (Index head = 0; head < a.heads; ++head) {
      CHECK(std::abs(explainer.explanation(layer, head).weight -
                     received.importance(layer, head, 0, Queries::self_and_later)) <= 1e-12);
    }
  }
  CHECK(explainer.explanation(2, 0).weight < 10.0 / 30);
}

TEST_CASE("tiny-llama: the grouped certificate is tight where the plain one is not") {
  const auto one = bundled_golden();
  const Decoder<double> model(Checkpoint::open(one.model));
  const auto& a = model.architecture();
  const auto ids = read_golden(one.golden, a).ids;
  AttentionReceived received(a.layers, a.heads, static_cast<Index>(ids.size()));
  model.forward(ids, std::ref(received));
  HeadExplainer explainer(a, keys_to_explain(received));
  model.forward(ids, std::ref(explainer));
  std::vector<double> grouped, plain;
  for (Index layer = 0; layer < a.layers; ++layer) {
    for (Index head = 0; head < a.heads; ++head) {
      const auto why = explainer.explanation(layer, head);
      grouped.push_back(why.weight / why.upper);
      plain.push_back(why.weight / why.upper_mean);
      CHECK(disagreement(why, *classify(received, layer, head)) != "proven otherwise");
    }
  }
  std::sort(grouped.begin(), grouped.end());
  std::sort(plain.begin(), plain.end());
  WARN("median weight / bound: grouped " << grouped[6] << ", plain " << plain[6]);
  CHECK(grouped[6] > plain[6]);
}

TEST_CASE("trained checkpoints at hand: certificates hold, and prove nothing against a class") {
  for (const auto& folder : shared_models()) {
    INFO(folder.string());
    const Decoder<double> model(Checkpoint::open(folder));
    const auto ids = read_ids(folder / "ids.npy");
    const auto& a = model.architecture();
    AttentionReceived received(a.layers, a.heads, static_cast<Index>(ids.size()));
    model.forward(ids, std::ref(received));
    HeadExplainer explainer(a, keys_to_explain(received));
    model.forward(ids, std::ref(explainer));
    for (Index layer = 0; layer < a.layers; ++layer) {
      for (Index head = 0; head < a.heads; ++head) {
        const auto why = explainer.explanation(layer, head);
        CHECK(why.lower <= why.weight + 1e-12);
        CHECK(why.weight <= why.upper + 1e-12);
        CHECK(why.upper <= why.upper_mean + 1e-12);
        const auto kind = classify(received, layer, head);
        if (kind) CHECK(disagreement(why, *kind) != "proven otherwise");
      }
    }
  }
}
