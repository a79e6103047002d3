#include "plumb/claims/head_row.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/convex_hull.hpp"
#include "plumb/claims/gates.hpp"
#include "plumb/claims/sink_removal.hpp"
#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

constexpr Index kKeys = 3, kChannels = 2;

/// Weights of any logits: e^(l_j) / sum.
Vector<Symbolic> softmax(const Vector<Symbolic>& logits) {
  Vector<Symbolic> weights(logits.size());
  Symbolic sum = 0;
  for (Index j = 0; j < logits.size(); ++j) sum += weights[j] = GiNaC::exp(logits[j]);
  for (auto& weight : weights) weight /= sum;
  return weights;
}

HeadRow<Symbolic> any_row() {
  HeadRow<Symbolic> row;
  row.logits = variables("l", kKeys);
  row.weights = softmax(row.logits);
  row.values = variables("v", kKeys, kChannels);
  row.output = row.values.transpose() * row.weights;
  row.sink = 1;
  return row;
}

/// o', by its own softmax.
Eviction<Symbolic> any_eviction() {
  const auto row = any_row();
  const Vector<Symbolic> rivals = softmax(without_entry<Symbolic>(row.logits, row.sink));
  return {row, without_row<Symbolic>(row.values, row.sink).transpose() * rivals};
}

Symbolic squared(const Symbolic& root) { return GiNaC::pow(root, 2); }

}  // namespace

TEST_CASE("sink-removal-identity: the output and both distances",
          "[sink-removal-identity][symbolic]") {
  const auto in = any_eviction();
  CHECK(unproven(Matrix<Symbolic>(in.without), Matrix<Symbolic>(SinkRemoval::predicted(in))) == "");
  CHECK(unproven(squared(SinkRemovalDistance::lhs<Symbolic>(in)),
                 squared(SinkRemovalDistance::rhs<Symbolic>(in))) == "");
  CHECK(unproven(squared(SinkRemovalOdds::lhs<Symbolic>(in)),
                 squared(SinkRemovalOdds::rhs<Symbolic>(in))) == "");
  // The weights of the others as they were: not so.
  auto wrong = in;
  wrong.without = in.row.output - in.row.weights[1] * row<Symbolic>(in.row.values, 1);
  CHECK(unproven(Matrix<Symbolic>(wrong.without),
                 Matrix<Symbolic>(SinkRemoval::predicted(wrong))) != "");
}

TEST_CASE("gate-silence: a gate a head, the threshold, and the sink's part",
          "[gate-silence][symbolic]") {
  // ||eta o||^2 is eta^2 ||o||^2, and for gates of channels less by sum (max^2 - eta_c^2) o_c^2.
  const Vector<Symbolic> output = variables("o", 3), eta = variables("g", 3);
  Symbolic less = 0;
  for (Index c = 0; c < 3; ++c) less += (squared(eta[0]) - squared(eta[c])) * squared(output[c]);
  CHECK(unproven(sum_of_squares<Symbolic>(times<Symbolic>(eta, output)) + less,
                 squared(eta[0]) * sum_of_squares<Symbolic>(output)) == "");

  GateThreshold::Input<Symbolic> gate;
  gate.x = variables("x", 2);
  gate.w = variables("w", 2);
  gate.opening =
      GiNaC::exp(dot<Symbolic>(gate.w, gate.x)) / (1 + GiNaC::exp(dot<Symbolic>(gate.w, gate.x)));
  check_symbolic<GateThreshold>(gate);
  // -ln(1/eta - 1) is the logit: 1/eta - 1 = e^-logit.
  CHECK(unproven(1 / gate.opening - 1, GiNaC::exp(-dot<Symbolic>(gate.w, gate.x))) == "");

  // o = A_s v_s + (1 - A_s) o': both bounds are the triangle inequality.
  const auto in = any_eviction();
  const Symbolic weight = in.row.weights[1];
  const Vector<Symbolic> parts =
      weight * row<Symbolic>(in.row.values, 1) + (1 - weight) * in.without;
  CHECK(unproven(Matrix<Symbolic>(in.row.output), Matrix<Symbolic>(parts)) == "");
  CHECK(unproven(weight_beside<Symbolic>(in.row.weights, 1), 1 - weight) == "");
}

TEST_CASE("convex-hull: o.e exceeds v_m.e by a sum that is not negative when v_m is the lowest",
          "[convex-hull][symbolic]") {
  const auto in = any_row();
  const Vector<Symbolic> e = variables("e", kChannels);
  for (Index m = 0; m < kKeys; ++m) {
    const Symbolic lowest = dot<Symbolic>(row<Symbolic>(in.values, m), e);
    Symbolic above = 0;
    for (Index j = 0; j < kKeys; ++j) {
      above += in.weights[j] * (dot<Symbolic>(row<Symbolic>(in.values, j), e) - lowest);
    }
    CHECK(unproven(dot<Symbolic>(in.output, e) - lowest, above) == "");
  }
}

TEST_CASE("unconditional-gate-is-reparametrisation: folded, and unfolded",
          "[unconditional-gate-is-reparametrisation][symbolic]") {
  UnconditionalGate::Input<Symbolic> in;
  in.weight = variables("w", 2, 3);
  in.outputs = variables("o", 2, 3);
  const Vector<Symbolic> bias = variables("b", 3);
  Vector<Symbolic> eta(3);
  for (Index c = 0; c < 3; ++c) eta[c] = 1 / (1 + GiNaC::exp(-bias[c]));
  in.openings = eta.transpose().replicate(2, 1);
  in.writes = in.outputs.cwiseProduct(in.openings) * in.weight.transpose();
  CHECK(unproven(in.writes, UnconditionalGate::folded<Symbolic>(in)) == "");

  // W_O diag(1/eta) behind the gate is W_O without one.
  const Matrix<Symbolic> plain = in.outputs * in.weight.transpose();
  for (Index c = 0; c < 3; ++c) in.weight.col(c) /= eta[c];
  CHECK(unproven(UnconditionalGate::folded<Symbolic>(in), plain) == "");

  // Gates that differ between tokens: not so.
  in.openings(1, 0) = bias[0];
  in.writes = in.outputs.cwiseProduct(in.openings) * in.weight.transpose();
  CHECK(unproven(in.writes, UnconditionalGate::folded<Symbolic>(in)) != "");
}

TEST_CASE("sink-as-off-by-one: o - o_1 = A_s v_s + (sigma(-L) - A_s) o'",
          "[sink-as-off-by-one][symbolic]") {
  const auto in = any_eviction();
  Symbolic rivals = 0;  // e^L
  for (Index j = 0; j < kKeys; ++j) {
    if (j != in.row.sink) rivals += GiNaC::exp(in.row.logits[j]);
  }
  const Vector<Symbolic> extra = rivals / (1 + rivals) * in.without;  // 1 - sigma(-L) = sigma(L)
  const Symbolic weight = in.row.weights[in.row.sink];
  const Vector<Symbolic> difference = in.row.output - extra;
  const Vector<Symbolic> parts =
      weight * row<Symbolic>(in.row.values, in.row.sink) + (1 / (1 + rivals) - weight) * in.without;
  CHECK(unproven(Matrix<Symbolic>(difference), Matrix<Symbolic>(parts)) == "");
}
