#include "plumb/claims/bounded_write.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "plumb/model/activation.hpp"
#include "support/close.hpp"
#include "support/evidence.hpp"
#include "support/neurons.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// P for sign = 1, N for sign = -1, by their definition.
Matrix<double> majorant(const Neurons<double>& n, double sign) {
  Matrix<double> sum = Matrix<double>::Zero(n.gate.cols(), n.gate.cols());
  for (Index j = 0; j < n.down.size(); ++j) {
    const Vector<double> g = n.gate.row(j), u = n.up.row(j);
    const Vector<double> b = g.normalized() + sign * (n.down[j] < 0 ? -1 : 1) * u.normalized();
    sum += std::abs(n.down[j]) * g.norm() * u.norm() / 4 * b * b.transpose();
  }
  return sum;
}

BoundedWrite<double> bounded(const Neurons<double>& n, const Vector<double>& x) {
  const Spectrum rise = spectrum_of(majorant(n, 1), formed(n));
  const Spectrum fall = spectrum_of(majorant(n, -1), formed(n));
  const Index last = x.size() - 1;
  return {n,
          x,
          written(n, x),
          written(n, -x),
          rise.values[last],
          fall.values[last],
          std::max(rise.error, fall.error),
          {}};
}

MajorantPoint<double> majorant_point(const Neurons<double>& n, const Vector<double>& x) {
  const double write = written(n, x);
  const Spectrum spectrum = spectrum_of(majorant(n, write < 0 ? -1 : 1), formed(n));
  const Index last = x.size() - 1;
  return {x,
          std::abs(write),
          spectrum.vectors.col(last),
          spectrum.values[last],
          spectrum.values[last - 1],
          spectrum.error,
          write_rounding(n, x),
          {}};
}

}  // namespace

TEST_CASE("write-budget-feed-forward: any write", "[write-budget-feed-forward][property]") {
  const auto draw = [] {
    const auto n = draw_neurons();
    return bounded(n, 3 * draw_x(n));
  };
  check_property<WriteRise>("rise", draw);
  check_property<WriteFall>("fall", draw);
  check_property<WriteRows>("rows", draw);
  check_property<WriteMass>("mass", draw);
}

TEST_CASE("write-budget-feed-forward: tight, broken, vacuous",
          "[write-budget-feed-forward][property]") {
  // One neuron, x on its bisector with a large z; the last with parallel rows.
  const auto one = neurons_of({{1, 0}}, {{0.8, 0.6}}, {2});
  const Vector<double> x = 50 * normed(vec({1.8, 0.6}));
  check_tight<WriteRise>(bounded(one, x), 1 - 1e-9);
  check_tight<WriteRows>(bounded(one, x), 1 - 1e-9);
  auto falling = one;
  falling.down = -one.down;
  check_tight<WriteFall>(bounded(falling, x), 1 - 1e-9);
  const auto parallel = neurons_of({{1, 0}}, {{2, 0}}, {2});
  check_tight<WriteMass>(bounded(parallel, 50 * axis(2, 0)), 1 - 1e-9);

  auto shifted = bounded(one, x);  // (up + 1), as some families have it
  shifted.write += 2 * plumb::silu(x[0]);
  check_violated<WriteRise>(shifted);
  check_violated<WriteRows>(shifted);
  auto drop = bounded(falling, x);
  drop.write -= 2 * plumb::silu(x[0]);
  check_violated<WriteFall>(drop);
  auto twice = bounded(parallel, 50 * axis(2, 0));
  twice.write *= 1.01;
  check_violated<WriteMass>(twice);

  // A bias of the gate opens a neuron that the weights keep shut.
  auto biased = bounded(neurons_of({{-0.1, 0}}, {{1, 0}}, {2}), axis(2, 0));
  biased.write = 2 * plumb::silu(-0.1 + 3);
  biased.obstacle = "the gate or up projection has a bias";
  check_needs_assumption<WriteRise>(biased, "bias");
  check_needs_assumption<WriteRows>(biased, "bias");
  check_needs_assumption<WriteMass>(biased, "bias");
  biased.write = -biased.write;
  check_needs_assumption<WriteFall>(biased, "bias");
}

TEST_CASE("signed-majorants: any write", "[signed-majorants][property]") {
  const auto draw = [] {
    const auto n = draw_neurons();
    return bounded(n, 3 * draw_x(n));
  };
  check_property<MajorantAbove>("above", draw);
  check_property<MajorantBelow>("below", draw);
  check_property<MajorantDifference>("difference", draw);
  check_property<WriteCone>("cone", [] {
    const auto n = draw_led();
    const Vector<double> g = n.gate.row(0), u = n.up.row(0);
    const Vector<double> b = normed(normed(g) + (g.dot(u) < 0 ? -1 : 1) * normed(u));
    const Vector<double> x = *gaussian_vector<double>(g.size());
    const double open = b.dot(g) < 0 ? -1 : 1;
    return majorant_point(n, open * 4 * b + 0.3 * x);
  });
}

TEST_CASE("signed-majorants: the values are those of the matrices",
          "[signed-majorants][property]") {
  property("x' P x and x' N x", [] {
    const auto n = draw_neurons();
    const Vector<double> x = *gaussian_vector<double>(n.gate.cols());
    RC_PRE(!MajorantDifference::assumptions(bounded(n, x)));
    for (const int sign : {1, -1}) {
      const Matrix<double> m = majorant(n, sign);
      RC_ASSERT(mismatch(majorant_value<double>(n, x, sign), x.dot(m * x),
                         16 * gamma(2 * x.size() + n.down.size()) * mass(n) * x.squaredNorm()) ==
                "");
    }
  });
}

TEST_CASE("signed-majorants: tight, broken, vacuous", "[signed-majorants][property]") {
  const auto one = neurons_of({{1, 0}}, {{0.8, 0.6}}, {2});
  const Vector<double> x = 50 * normed(vec({1.8, 0.6}));
  check_tight<MajorantAbove>(bounded(one, x), 1 - 1e-9);
  check_tight<MajorantDifference>(bounded(one, x));
  auto falling = one;
  falling.down = -one.down;
  check_tight<MajorantBelow>(bounded(falling, x), 1 - 1e-9);
  // In the plane of the bisector and what it leaves: pi_2 = 0 for one neuron.
  check_tight<WriteCone>(majorant_point(one, x), 1 - 1e-9);

  auto larger = bounded(one, x);
  larger.write *= 1.001;
  check_violated<MajorantAbove>(larger);
  check_violated<MajorantDifference>(larger);
  auto lower = bounded(falling, x);
  lower.write *= 1.001;
  check_violated<MajorantBelow>(lower);
  auto wide = majorant_point(one, x);
  wide.write *= 1.001;
  check_violated<WriteCone>(wide);

  auto biased = bounded(neurons_of({{-0.1, 0}}, {{1, 0}}, {2}), axis(2, 0));
  biased.write = 2 * plumb::silu(-0.1 + 3);
  biased.obstacle = "the gate or up projection has a bias";
  check_needs_assumption<MajorantAbove>(biased, "bias");
  check_needs_assumption<MajorantDifference>(biased, "bias");
  biased.write = -biased.write;
  check_needs_assumption<MajorantBelow>(biased, "bias");
  check_needs_assumption<MajorantDifference>(
      bounded(neurons_of({{0, 0}}, {{1, 0}}, {2}), axis(2, 0)), "zero row");
  auto stretched = majorant_point(one, x);
  stretched.p /= 2;
  check_needs_assumption<WriteCone>(stretched, "unit");
  CHECK(judge<WriteCone>(majorant_point(rank_three(), vec({0.1, 1, 0.1}))).verdict ==
        Verdict::vacuous);
}
