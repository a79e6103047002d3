#include "plumb/claims/head_output.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/head_rows.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::RowVector;
using plumb::Vector;

namespace {

/// What a gate of this kind makes of an output, by the library.
GatedNorm::Input<double> gated(const Vector<double>& output, const Vector<double>& gates) {
  const plumb::Gate<double> gate{Matrix<double>::Zero(gates.size(), 1)};
  const Matrix<double> openings = gates.unaryExpr(&plumb::sigmoid<double>).transpose();
  const Matrix<double> row = output.transpose();
  const Matrix<double> ones = Matrix<double>::Ones(1, output.size());
  return {output, gate.apply(openings, ones).row(0).transpose(),
          gate.apply(openings, row).row(0).transpose()};
}

GateThreshold::Input<double> threshold(const Vector<double>& x, const Vector<double>& w) {
  const plumb::Gate<double> gate{w.transpose()};
  return {x, w, gate.value(x.transpose())(0, 0)};
}

/// Values on one side of the origin, so that no mixture is small.
HeadRow<double> draw_one_sided_row() {
  auto row = draw_head_row();
  row.values.col(0).array() += *magnitude(0.5, 3.0) * (1 + row.values.cwiseAbs().maxCoeff());
  return head_row(row.logits, row.values, row.sink);
}

}  // namespace

// ---- 24 -------------------------------------------------------------------------------------

TEST_CASE("gate-silence: any gate, any mixture", "[gate-silence][property]") {
  check_property<GatedNorm>("gate", [] {
    const Index gates = *size(4), each = *size(4);
    return gated(*bounded_vector<double>(gates * each), *bounded_vector<double>(gates));
  });
  check_property<GateThreshold>("threshold", [] {
    const Index d = *size();
    return threshold(*gaussian_vector<double>(d), *gaussian_vector<double>(d, 2));
  });
  check_property<SinkOutputMost>("most", draw_head_row);
  check_property<SinkOutputLeast>("least", [] {
    auto row = draw_head_row();
    row.logits[row.sink] = *rc::gen::map(bounded<double>(4), [](double l) { return l + 12; });
    row.values.row(row.sink).array() += 1 + row.values.cwiseAbs().maxCoeff();
    return head_row(row.logits, row.values, row.sink);
  });
  property("eta <= e exactly when the logit is at most -ln(1/e - 1)", [] {
    const auto in = threshold(*gaussian_vector<double>(5), *gaussian_vector<double>(5));
    const double e = *magnitude(1e-3, 0.9), most = -std::log(1 / e - 1);
    const double logit = in.w.dot(in.x);
    RC_PRE(std::abs(logit - most) > 1e-9);
    RC_ASSERT((in.opening <= e) == (logit <= most));
  });
}

TEST_CASE("gate-silence: tight, broken, vacuous", "[gate-silence][property]") {
  const Vector<double> output{{3, -1, 0.5, 2}};
  check_tight<GatedNorm>(gated(output, Vector<double>{{-6}}), 1 - 1e-12);
  check_tight<GateThreshold>(threshold(output, Vector<double>{{-20, 1, 1, 1}}));
  const auto parallel = head_row(Vector<double>{{2, 0}}, Matrix<double>{{1, 2}, {3, 6}});
  check_tight<SinkOutputMost>(parallel, 1 - 1e-12);
  const auto opposed = head_row(Vector<double>{{2, 0}}, Matrix<double>{{1, 2}, {-2, -4}});
  check_tight<SinkOutputLeast>(opposed, 1 - 1e-12);

  auto doubled = gated(output, Vector<double>{{-6}});
  doubled.gated *= 2;  // a gate 2 sigma(z), or one that is added twice
  check_violated<GatedNorm>(doubled);
  auto linear = threshold(output, Vector<double>{{1, 0, 0, 0}});
  linear.opening = 0.5 + 3.0 / 6;  // a hard sigmoid
  check_violated<GateThreshold>(linear);
  auto shut = opposed;
  shut.output *= 0.1;  // after a gate
  check_violated<SinkOutputLeast>(shut);
  auto loud = parallel;
  loud.output *= 1.1;
  check_violated<SinkOutputMost>(loud);

  // An empty channel has any norm ratio; a shut gate overflows; a weak sink is cancelled.
  auto nothing = gated(Vector<double>::Zero(2), Vector<double>{{1}});
  check_vacuous<GatedNorm>(nothing, "zero");
  check_vacuous<GateThreshold>(threshold(output, Vector<double>{{-500, 0, 0, 0}}), "overflows");
  check_vacuous<SinkOutputLeast>(
      head_row(Vector<double>::Zero(2), Matrix<double>{{1, 2}, {-1, -2}}), "cancel");
  check_vacuous<SinkOutputMost>(head_row(Vector<double>::Zero(2), Matrix<double>::Zero(2, 2)),
                                "zero");
}

// ---- 25 -------------------------------------------------------------------------------------

namespace {

ConvexHull::Input<double> hull(const HeadRow<double>& row) {
  return {row, min_norm_point(row.values).point};
}

}  // namespace

TEST_CASE("convex-hull: any row", "[convex-hull][property]") {
  check_property<ConvexHull>("nearest point", [] { return hull(draw_one_sided_row()); });
  check_property<ConvexHull>("any direction", [] {
    const auto row = draw_one_sided_row();
    return ConvexHull::Input<double>{row, Vector<double>::Unit(row.values.cols(), 0)};
  });
}

TEST_CASE("convex-hull: tight, broken, vacuous", "[convex-hull][property]") {
  const Matrix<double> same = Matrix<double>{{3, 4}}.replicate(3, 1);
  check_tight<ConvexHull>(hull(head_row(Vector<double>{{1, 2, 3}}, same)), 1 - 1e-12);
  // A mixture that is itself the nearest point.
  check_tight<ConvexHull>(hull(head_row(Vector<double>::Zero(2), Matrix<double>{{1, 1}, {1, -1}})),
                          1 - 1e-12);

  auto gated_output = hull(head_row(Vector<double>{{1, 2, 3}}, same));
  gated_output.row.output *= 0.3;
  check_violated<ConvexHull>(gated_output);
  gated_output.gated = true;
  check_needs_assumption<ConvexHull>(gated_output, "gated");
  check_vacuous<ConvexHull>(
      hull(head_row(Vector<double>::Zero(3), Matrix<double>{{1, 0}, {-1, 1}, {-1, -1}})),
      "surround the origin");
}

// ---- 26 -------------------------------------------------------------------------------------

namespace {

/// A model with these gates, by the library.
UnconditionalGate::Input<double> with_gates(const Matrix<double>& weight, const Matrix<double>& eta,
                                            const Matrix<double>& outputs) {
  const plumb::Gate<double> gate{Matrix<double>::Zero(eta.cols(), 1)};
  const Matrix<double> ones = Matrix<double>::Ones(outputs.rows(), outputs.cols());
  return {weight, gate.apply(eta, ones), outputs,
          plumb::kernels::reference::product<double>(gate.apply(eta, outputs), weight)};
}

}  // namespace

TEST_CASE("unconditional-gate-is-reparametrisation: any gate",
          "[unconditional-gate-is-reparametrisation][property]") {
  check_property<UnconditionalGate>("folded", [] {
    const Index tokens = *size(5), gates = *size(4), each = *size(4), d = *size(8);
    const Vector<double> bias = *bounded_vector<double>(gates);
    const Matrix<double> eta =
        bias.unaryExpr(&plumb::sigmoid<double>).transpose().replicate(tokens, 1);
    return with_gates(*weights<double>(d, gates * each), eta,
                      *gaussian<double>(tokens, gates * each));
  });
  property("and back: W_O diag(1/eta) with the gate writes what W_O does without", [] {
    const Index tokens = *size(5), channels = *size(6);
    const Matrix<double> weight = *gaussian<double>(4, channels);
    const Vector<double> bias = *bounded_vector<double>(channels, 3);
    const Vector<double> eta = bias.unaryExpr(&plumb::sigmoid<double>);
    const Matrix<double> outputs = *gaussian<double>(tokens, channels);
    const Matrix<double> unfolded = weight * eta.cwiseInverse().asDiagonal();
    const auto in = with_gates(unfolded, eta.transpose().replicate(tokens, 1), outputs);
    const Matrix<double> want = outputs * weight.transpose();
    RC_ASSERT((in.writes - want).norm() <= 1e-13 * (1 + weight.norm() * outputs.norm()));
  });
}

TEST_CASE("unconditional-gate-is-reparametrisation: broken, needs",
          "[unconditional-gate-is-reparametrisation][property]") {
  const Matrix<double> weight{{1, 2}, {-1, 0.5}, {0, 3}};
  const Matrix<double> outputs{{1, -1}, {2, 0.5}};
  const auto constant = with_gates(weight, Matrix<double>{{0.2, 0.9}, {0.2, 0.9}}, outputs);
  check_tight<UnconditionalGate>(constant);

  auto twice = constant;
  twice.writes.row(1) *= 0.9;
  check_violated<UnconditionalGate>(twice);
  check_needs_assumption<UnconditionalGate>(
      with_gates(weight, Matrix<double>{{0.2, 0.9}, {0.9, 0.2}}, outputs), "depend on the token");
  check_vacuous<UnconditionalGate>(
      with_gates(weight, Matrix<double>{{0.0, 0.9}, {0.0, 0.9}}, outputs), "shut for good");
}

// ---- A4 -------------------------------------------------------------------------------------

namespace {

Eviction<double> eviction(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row)};
}
Eviction<double> draw_eviction() { return eviction(draw_head_row()); }

}  // namespace

TEST_CASE("sink-removal-identity: any row", "[sink-removal-identity][property]") {
  check_property<SinkRemoval>("output", draw_eviction);
  check_property<SinkRemovalDistance>("distance", draw_eviction);
  check_property<SinkRemovalOdds>("odds", draw_eviction);
}

TEST_CASE("sink-removal-identity: tight, broken, vacuous", "[sink-removal-identity][property]") {
  const auto row = head_row(Vector<double>{{3, 0, 1}}, Matrix<double>{{5, 1}, {0, 2}, {-1, 0}});
  check_tight<SinkRemoval>(eviction(row));
  check_tight<SinkRemovalDistance>(eviction(row));
  check_tight<SinkRemovalOdds>(eviction(row));

  // Without the sink's value, but with the weights as they were.
  auto zeroed = eviction(row);
  zeroed.without = row.output - row.weights[0] * row.values.row(0).transpose();
  check_violated<SinkRemoval>(zeroed);
  check_violated<SinkRemovalDistance>(zeroed);
  check_violated<SinkRemovalOdds>(zeroed);
  // Another key removed.
  auto other = row;
  other.sink = 1;
  check_violated<SinkRemoval>({row, plumb::claims::detail::evicted(other)});

  check_vacuous<SinkRemoval>(
      {head_row(Vector<double>::Zero(1), Matrix<double>::Ones(1, 2)), Vector<double>::Ones(2)},
      "one key");
  check_vacuous<SinkRemoval>(
      eviction(head_row(Vector<double>{{900, 0}}, Matrix<double>{{1, 0}, {0, 1}})),
      "takes all the weight");
  check_vacuous<SinkRemovalOdds>(
      eviction(head_row(Vector<double>{{1, 0}}, Matrix<double>::Ones(2, 2))),
      "all values are equal");
}

TEST_CASE("sink-removal-identity: a sink without weight moves nothing",
          "[sink-removal-identity][property]") {
  const auto weak = eviction(head_row(Vector<double>{{-35, 0}}, Matrix<double>{{1, 0}, {0, 1}}));
  check_tight<SinkRemoval>(weak);
  check_vacuous<SinkRemovalDistance>(weak, "no more than rounding");
  check_vacuous<SinkRemovalOdds>(weak, "no more than rounding");
}

TEST_CASE("sink-removal-identity on models in float", "[sink-removal-identity][measured]") {
  check_measured_in_float<SinkRemoval, SinkRemovalDistance, SinkRemovalOdds>();
}

// ---- A5 -------------------------------------------------------------------------------------

namespace {

OffByOne<double> off_by_one_of(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row), plumb::claims::detail::off_by_one(row)};
}
OffByOne<double> draw_off_by_one() { return off_by_one_of(draw_head_row()); }

}  // namespace

TEST_CASE("sink-as-off-by-one: any row", "[sink-as-off-by-one][property]") {
  check_property<SinkAsOffByOne>("sigmas", draw_off_by_one);
  check_property<SinkAsOffByOneByLogit>("logit", draw_off_by_one);
  property("o_1 = (1 - sigma(-L)) o'", [] {
    const auto in = draw_off_by_one();
    const double rivals = log_sum_exp<double>(without_entry<double>(in.row.logits, in.row.sink));
    const Vector<double> want = plumb::sigmoid(rivals) * in.without;
    RC_ASSERT(distance<double>(in.extra, want) <= 1e-13 * longest<double>(in.row.values));
  });
}

TEST_CASE("sink-as-off-by-one: tight, broken, vacuous", "[sink-as-off-by-one][property]") {
  // A zero key gives logit 0, and with a zero value the sink is the extra 1.
  const auto zero =
      off_by_one_of(head_row(Vector<double>{{0, 1, -2}}, Matrix<double>{{0, 0}, {1, 2}, {-3, 0}}));
  CHECK(SinkAsOffByOne::lhs<double>(zero) <= 1e-15);
  CHECK(SinkAsOffByOne::rhs<double>(zero) <= 1e-15);
  // No rivals to speak of: o is the sink's value, o_1 is zero.
  check_tight<SinkAsOffByOne>(
      off_by_one_of(head_row(Vector<double>{{0, 1}}, Matrix<double>{{3, 1}, {0, 0}})));
  // sigma' is 1/4 about L = 0.
  check_tight<SinkAsOffByOneByLogit>(
      off_by_one_of(head_row(Vector<double>{{1e-3, 0}}, Matrix<double>{{0, 0}, {1, 2}})));

  auto wrong = off_by_one_of(
      head_row(Vector<double>{{0.1, 1, -2}}, Matrix<double>{{0, 0.1}, {1, 2}, {-3, 0}}));
  wrong.extra = wrong.without;  // the rivals alone, without the 1
  check_violated<SinkAsOffByOne>(wrong);
  check_violated<SinkAsOffByOneByLogit>(wrong);
  check_vacuous<SinkAsOffByOne>(
      off_by_one_of(head_row(Vector<double>::Zero(2), Matrix<double>::Zero(2, 2))), "zero");
  auto unseen = wrong;
  unseen.row.sink = -1;
  check_vacuous<SinkAsOffByOneByLogit>(unseen, "does not see the sink");
}

// ---- A6 -------------------------------------------------------------------------------------

namespace {

/// A head on a causal text, by the library's softmax.
SinkHeadLowRank::Input<double> causal_head(const Matrix<double>& logits,
                                           const Matrix<double>& values) {
  const Index n = values.rows();
  Matrix<double> weights = Matrix<double>::Zero(n, n);
  for (Index t = 0; t < n; ++t) {
    weights.row(t).head(t + 1) =
        head_row(logits.row(t).head(t + 1).transpose(), values.topRows(t + 1)).weights.transpose();
  }
  return {weights * values, weights, values, 0};
}

}  // namespace

TEST_CASE("sink-head-low-rank: any head", "[sink-head-low-rank][property]") {
  check_property<SinkHeadLowRank>("head", [] {
    const Index n = *size(9) + 1, channels = *size(8) + 1;
    Matrix<double> logits = *bounded_matrix<double>(n, n, 3.0);
    logits.col(0).array() += *bounded<double>(5);
    return causal_head(logits, *gaussian<double>(n, channels));
  });
}

TEST_CASE("sink-head-low-rank: tight, broken, vacuous", "[sink-head-low-rank][property]") {
  // Two rivals on either side of a large value of the sink; rows take one or the other.
  SinkHeadLowRank::Input<double> in;
  in.values = Matrix<double>{{1e3, 0}, {1e3, 1}, {1e3, -1}};
  in.weights = Matrix<double>{{0.9, 0.1, 0}, {0.9, 0, 0.1}, {0.9, 0.1, 0}, {0.9, 0, 0.1}};
  in.outputs = in.weights * in.values;
  check_tight<SinkHeadLowRank>(in, 1 - 1e-6);

  auto wrong = in;
  wrong.outputs(1, 1) += 1;
  check_violated<SinkHeadLowRank>(wrong);
  auto unseen = in;
  unseen.weights.row(2) = RowVector<double>{{0, 1, 0}};
  unseen.outputs = unseen.weights * unseen.values;
  check_vacuous<SinkHeadLowRank>(unseen, "does not see the sink");
  auto all = in;
  all.weights = Matrix<double>{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}};
  check_vacuous<SinkHeadLowRank>(all, "one vector");
  check_vacuous<SinkHeadLowRank>(
      causal_head(Matrix<double>::Zero(1, 1), Matrix<double>::Ones(1, 2)),
      "no second singular value");
}

// ---- A8 -------------------------------------------------------------------------------------

namespace {

SilenceNeedsSink::Input<double> silence(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row),
          min_norm_point(without_row<double>(row.values, row.sink)).point};
}

}  // namespace

TEST_CASE("silence-needs-sink: rivals on one side", "[silence-needs-sink][property]") {
  check_property<SilenceNeedsSink>("silent", [] {
    auto row = draw_one_sided_row();
    row.values.row(row.sink).setZero();
    row.logits[row.sink] += 14;
    return silence(head_row(row.logits, row.values, row.sink));
  });
}

TEST_CASE("silence-needs-sink: tight, broken, vacuous", "[silence-needs-sink][property]") {
  const Matrix<double> values{{0, 0}, {1, 2}};
  check_tight<SilenceNeedsSink>(silence(head_row(Vector<double>{{4, 0}}, values)), 1 - 1e-12);
  auto wrong = silence(head_row(Vector<double>{{4, 0}}, values));
  wrong.without *= 0.5;  // no mixture of the others
  check_violated<SilenceNeedsSink>(wrong);
  check_vacuous<SilenceNeedsSink>(
      silence(head_row(Vector<double>{{4, 0, 0}}, Matrix<double>{{0, 0}, {1, 0}, {-1, 0}})),
      "surround the origin");
  check_vacuous<SilenceNeedsSink>(
      silence(head_row(Vector<double>{{4, 0}}, Matrix<double>{{5, 0}, {1, 0}})),
      "as near to the origin");
}
