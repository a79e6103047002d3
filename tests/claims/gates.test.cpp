#include "plumb/claims/gates.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/head_rows.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
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

}  // namespace

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
