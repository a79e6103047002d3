#include "plumb/claims/amplifier.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "plumb/model/feed_forward.hpp"
#include "support/close.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;
namespace details = plumb::claims::detail;

namespace {

// ---- Inputs as a layer would give them ---------------------------------------------------------

Matrix<double> dense(const Neurons<double>& n) {
  const Matrix<double> product = n.gate.transpose() * n.down.asDiagonal() * n.up;
  return (product + product.transpose()) / 2;
}

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

double formed(const Neurons<double>& n) { return gamma(2 * n.down.size() + 16) * mass(n); }

double written(const Neurons<double>& n, const Vector<double>& x) {
  plumb::FeedForward<double> block;
  block.gate = n.gate;
  block.up = n.up;
  block.down = n.down.transpose();
  const Matrix<double> row = x.transpose();
  return block.value(row)(0, 0);
}

RankOne<double> rank_one(const Neurons<double>& n, const Vector<double>& v,
                         const Vector<double>& x) {
  const Matrix<double> form = dense(n);
  const Spectrum spectrum = spectrum_of(form, formed(n));
  Vector<double> sizes = spectrum.values.cwiseAbs();
  Index leading = 0;
  sizes.maxCoeff(&leading);
  sizes[leading] = 0;
  return {n, v, x, x.dot(form * x), form.squaredNorm(), sizes.maxCoeff(), spectrum.error, {}};
}

EigenPoint<double> eigen_point(const Neurons<double>& n, const Vector<double>& x) {
  const Matrix<double> form = dense(n);
  return details::eigen_point(spectrum_of(form, formed(n)), x, x.dot(form * x),
                              details::form_rounding(n, x.squaredNorm()));
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

// ---- Draws -------------------------------------------------------------------------------------

Vector<double> normed(const Vector<double>& v) {
  return v.isZero(0) ? Vector<double>(Vector<double>::Unit(v.size(), 0)) : v.stableNormalized();
}

Vector<double> axis(Index size, Index i) { return Vector<double>::Unit(size, i); }

/// Gaussian neurons in at least two dimensions, sometimes one of them far stronger than the rest
/// with gate and up rows nearly collinear, of either sign.
Neurons<double> draw_neurons() {
  const Index d = *size(7) + 1, f = *size(7);
  Neurons<double> n{*gaussian<double>(f, d), *gaussian<double>(f, d), *gaussian_vector<double>(f)};
  if (*rc::gen::arbitrary<bool>()) {
    const Matrix<double> shared = *gaussian<double>(1, d);
    const double sign = *rc::gen::element(-1.0, 1.0);
    n.gate.row(0) += 3 * shared;
    n.up.row(0) += sign * 3 * shared;
    n.down[0] *= 10;
  }
  return n;
}

/// Anywhere, or near the leading eigenvector.
Vector<double> draw_x(const Neurons<double>& n) {
  const Index d = n.gate.cols();
  const Vector<double> x = *gaussian_vector<double>(d);
  if (*rc::gen::arbitrary<bool>()) return x;
  const Spectrum spectrum = spectrum_of(dense(n), 0);
  const double side = *rc::gen::element(-3.0, 3.0);
  return 0.3 * x + side * spectrum.vectors.col(*rc::gen::element(Index{0}, d - 1));
}

RankOne<double> draw_rank_one() {
  const auto n = draw_neurons();
  const auto x = draw_x(n);
  const Vector<double> v = *rc::gen::arbitrary<bool>() ? normed(*gaussian_vector<double>(x.size()))
                                                       : details::bisector(n, x);
  return rank_one(n, v, x);
}

AmongNeurons<double> draw_among() {
  const auto n = draw_neurons();
  return details::among_neurons(n, 0, normed(*gaussian_vector<double>(n.gate.cols())));
}

/// As the draws of a layer with one strong neuron.
AmongNeurons<double> draw_led() {
  const auto drawn = draw_neurons();
  auto n = drawn;
  const Matrix<double> shared = *gaussian<double>(1, n.gate.cols());
  n.gate.row(0) = shared + 0.1 * n.gate.row(0);
  n.up.row(0) = *rc::gen::element(-1.0, 1.0) * shared + 0.1 * n.up.row(0);
  n.down *= 0.002;
  n.down[0] = *rc::gen::element(-2.0, 2.0);
  return details::among_neurons(n, 0, axis(n.gate.cols(), 0));
}

/// Writes of one strong neuron and a few weak ones into some channels.
SharedNeuron<double> draw_shared() {
  const Index channels = *size(6) + 1, f = *size(6);
  const Matrix<double> down = *gaussian<double>(channels, f);
  Vector<double> neurons = *gaussian_vector<double>(f);
  neurons[0] *= 30;
  SharedNeuron<double> in{down * neurons, down.col(0), {}, {}, {}};
  in.rounding = gamma(f + 4) * (down.cwiseAbs() * neurons.cwiseAbs());
  neurons[0] = 0;
  in.others = down * neurons;
  return in;
}

// ---- Examples ----------------------------------------------------------------------------------

Neurons<double> neurons_of(std::initializer_list<std::initializer_list<double>> gate,
                           std::initializer_list<std::initializer_list<double>> up,
                           std::initializer_list<double> down) {
  const auto matrix = [](const auto& rows) {
    Matrix<double> m(static_cast<Index>(rows.size()), static_cast<Index>(rows.begin()->size()));
    Index i = 0;
    for (const auto& row : rows) {
      Index j = 0;
      for (const double value : row) m(i, j++) = value;
      ++i;
    }
    return m;
  };
  Vector<double> w(static_cast<Index>(down.size()));
  std::copy(down.begin(), down.end(), w.begin());
  return {matrix(gate), matrix(up), w};
}

/// S = diag(3, -1, 0): a form of rank two.
Neurons<double> rank_two() {
  return neurons_of({{1, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 1, 0}}, {3, -1});
}

/// S = diag(3, 1, -2).
Neurons<double> rank_three() {
  return neurons_of({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                    {3, 1, -2});
}

Vector<double> vec(std::initializer_list<double> values) {
  Vector<double> v(static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), v.begin());
  return v;
}

}  // namespace

// ---- Claim 8 -----------------------------------------------------------------------------------

TEST_CASE("rank-one-certificate: any form", "[rank-one-certificate][property]") {
  check_property<RankOneCertificate>("certificate", draw_rank_one);
  check_property<RankOneSharper>("sharper than the blunt one", draw_rank_one);
  check_property<SecondEigenvalue>("second eigenvalue", draw_rank_one);
  check_property<SpectralRemainder>("with an eigenvector", [] {
    const auto n = draw_neurons();
    return eigen_point(n, draw_x(n));
  });
}

TEST_CASE("rank-one-certificate: tight, broken, vacuous", "[rank-one-certificate][property]") {
  const auto two = rank_two();
  check_tight<RankOneCertificate>(rank_one(two, axis(3, 0), 2 * axis(3, 1)), 1 - 1e-12);
  check_tight<RankOneSharper>(rank_one(two, axis(3, 0), 2 * axis(3, 1)), 1 - 1e-12);
  check_tight<SecondEigenvalue>(rank_one(two, axis(3, 0), axis(3, 1)), 1 - 1e-12);
  const auto three = rank_three();
  check_tight<SpectralRemainder>(eigen_point(three, vec({0.5, 3, 0})), 1 - 1e-12);

  auto wrong = rank_one(two, axis(3, 0), 2 * axis(3, 1));
  wrong.form = 5;  // another x' S x: the gain was applied twice
  check_violated<RankOneCertificate>(wrong);
  auto sunken = rank_one(three, normed(vec({1, 1, 0})), axis(3, 0));
  sunken.squares = 4;  // a norm that lost all but rho^2, as if it were formed in float
  check_violated<RankOneSharper>(sunken);
  wrong = rank_one(two, axis(3, 0), axis(3, 1));
  wrong.second = 3;
  check_violated<SecondEigenvalue>(wrong);
  auto other = eigen_point(three, vec({0.5, 3, 0}));
  other.high = 0;  // an eigenvalue that the solver missed
  check_violated<SpectralRemainder>(other);

  const Vector<double> shorter = 0.5 * axis(3, 0), longer = 1.5 * axis(3, 0);
  check_needs_assumption<RankOneCertificate>(rank_one(two, shorter, axis(3, 0)), "unit");
  check_needs_assumption<RankOneSharper>(rank_one(two, longer, axis(3, 0)), "unit");
  check_needs_assumption<SecondEigenvalue>(rank_one(two, longer, axis(3, 0)), "unit");
  auto shrunk = eigen_point(three, vec({0.5, 3, 0}));
  shrunk.v *= 0.1;
  check_needs_assumption<SpectralRemainder>(shrunk, "unit");
  // x along v: nothing is left to bound, and rounding decides.
  CHECK(judge<RankOneCertificate>(rank_one(two, axis(3, 0), axis(3, 0))).verdict ==
        Verdict::unresolved);
}

// ---- Claim 9 -----------------------------------------------------------------------------------

TEST_CASE("one-neuron-eigenpair: any neuron", "[one-neuron-eigenpair][property]") {
  const auto draw = [] { return details::one_neuron(draw_neurons(), 0); };
  check_property<NeuronHigh>("largest eigenvalue", draw);
  check_property<NeuronLow>("least eigenvalue", draw);
  check_property<NeuronDirection>("direction", draw);
  check_property<NeuronWeyl>("among others", draw_among);
  check_property<NeuronDavisKahan>("direction among others", draw_led);
  check_property<RayleighResidual>("a posteriori", draw_among);
}

TEST_CASE("one-neuron-eigenpair: tight, broken, vacuous", "[one-neuron-eigenpair][property]") {
  // w < 0 and c < 0: the larger eigenvalue is positive, along the difference of the rows.
  const auto crossed = neurons_of({{2, 0, 0}}, {{-1, 1, 0}}, {-1});
  const auto in = details::one_neuron(crossed, 0);
  check_tight<NeuronHigh>(in);
  check_tight<NeuronLow>(in);
  check_tight<NeuronDirection>(in);
  CHECK(in.high == Approx(1 + std::sqrt(2.0)));

  auto swapped = in;  // the eigenvector of the other end
  swapped.direction = normed(in.g.normalized() + in.u.normalized());
  check_violated<NeuronDirection>(swapped);
  swapped.high = in.w * in.g.dot(in.u);  // as if g and u were one direction
  swapped.low = 0;
  check_violated<NeuronHigh>(swapped);
  check_violated<NeuronLow>(swapped);

  check_needs_assumption<NeuronDirection>(
      [] {
        auto tie = details::one_neuron(neurons_of({{1, 0}}, {{0, 1}}, {1}), 0);
        tie.direction = axis(2, 0);
        return tie;
      }(),
      "orthogonal");
  auto line = in;
  line.g = vec({2});
  line.u = vec({3});
  line.w = 1;
  line.high = line.low = 6;  // d = 1: there is one eigenvalue only
  check_needs_assumption<NeuronLow>(line, "d = 1");
  check_needs_assumption<NeuronHigh>(
      {Vector<double>::Zero(3), axis(3, 0), 1, std::nan(""), 0, axis(3, 0), 0}, "zero");

  // The other neuron adds half of the first.
  const auto more = neurons_of({{1, 0}, {1, 0}}, {{1, 0}, {1, 0}}, {2, 1});
  check_tight<NeuronWeyl>(details::among_neurons(more, 0, axis(2, 0)), 1 - 1e-12);
  auto among = details::among_neurons(rank_three(), 0, normed(vec({1, 1, 0})));
  check_tight<RayleighResidual>(among, 1 - 1e-12);
  auto missed = among;
  missed.rest = 0.5;
  check_violated<NeuronWeyl>(missed);
  missed.spectrum = vec({-2, 0, 5});  // a spectrum of another matrix
  check_violated<RayleighResidual>(missed);
  auto turned = details::among_neurons(
      neurons_of({{1, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 1, 0}}, {3, 0.1}), 0, axis(3, 0));
  turned.direction = axis(3, 1);  // the eigenvector of another end
  check_violated<NeuronDavisKahan>(turned);
  // The other neuron is stronger, and leads the other way.
  check_needs_assumption<NeuronDavisKahan>(
      [] {
        auto weak = details::among_neurons(
            neurons_of({{1, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 1, 0}}, {1, 4}), 0, axis(3, 0));
        weak.rest = 0.3;  // what would be needed
        weak.error = 1;
        return weak;
      }(),
      "outweigh");
  check_needs_assumption<RayleighResidual>(
      details::among_neurons(rank_three(), 0, vec({0, 0, 0.5})), "unit");
}

// ---- Claim 10 ----------------------------------------------------------------------------------

TEST_CASE("shared-direction-ratios: any writes", "[shared-direction-ratios][property]") {
  check_property<SharedRatio>("ratio", draw_shared);
  check_property<SharedAngle>("angle", draw_shared);
}

TEST_CASE("shared-direction-ratios: tight, broken, vacuous",
          "[shared-direction-ratios][property]") {
  // F = 10 W + e with e of opposite sign, and orthogonal to W.
  const Vector<double> column = vec({1, 0.5}), others = vec({0.5, -1});
  const SharedNeuron<double> in{
      10 * column + others, column, others, Vector<double>::Constant(2, 1e-14), {}};
  check_tight<SharedRatio>(in, 1 - 1e-12);
  check_tight<SharedAngle>(in, 1 - 1e-12);
  auto wrong = in;  // another channel's column
  wrong.column = vec({1, -0.5});
  check_violated<SharedRatio>(wrong);
  check_violated<SharedAngle>(wrong);
  auto weak = in;
  weak.column.setZero();
  weak.others.setConstant(std::nan(""));
  check_needs_assumption<SharedRatio>(weak, "none of the channels");
  check_needs_assumption<SharedAngle>(weak, "none of the channels");
  auto overruled = in;
  overruled.others *= 100;
  CHECK(judge<SharedRatio>(overruled).reason == "the other neurons write as much");
  CHECK(judge<SharedAngle>(overruled).reason == "the other neurons write as much");
}

// ---- Claim 11 ----------------------------------------------------------------------------------

TEST_CASE("trigger-cone: any form", "[trigger-cone][property]") {
  const auto draw = [] {
    const auto n = draw_neurons();
    return eigen_point(n, draw_x(n));
  };
  check_property<TriggerNecessary>("necessary", [] {
    // Near the leading end, where a threshold is positive.
    const auto n = draw_neurons();
    const Spectrum spectrum = spectrum_of(dense(n), 0);
    const Index d = n.gate.cols();
    const Index end = spectrum.values[d - 1] >= -spectrum.values[0] ? d - 1 : 0;
    const Vector<double> x = *gaussian_vector<double>(d);
    return eigen_point(n, 0.3 * x + 3 * spectrum.vectors.col(end));
  });
  check_property<TriggerSufficient>("sufficient", draw);
}

TEST_CASE("trigger-cone: tight, broken, vacuous", "[trigger-cone][property]") {
  const auto three = rank_three();
  // x in the plane of v and the next eigenvector, shorter than sqrt(d).
  const auto plane = eigen_point(three, vec({1.2, 0.4, 0}));
  check_tight<TriggerNecessary>(plane, 1 - 1e-12);
  const auto low = eigen_point(three, vec({1.2, 0, 0.4}));
  check_tight<TriggerSufficient>(low, 1 - 1e-12);
  // A negative write: S and t are negated.
  auto negated = three;
  negated.down = -three.down;
  check_tight<TriggerNecessary>(eigen_point(negated, vec({1.2, 0.4, 0})), 1 - 1e-12);

  auto strong = plane;  // d = 3 in place of ||x||^2
  strong.form *= 3 / plane.x.squaredNorm();
  check_violated<TriggerNecessary>(strong);
  auto weak = low;
  weak.form *= 0.8;
  check_violated<TriggerSufficient>(weak);

  auto longer = low;
  longer.v *= 2;
  check_needs_assumption<TriggerSufficient>(longer, "unit");
  auto shorter = plane;
  shorter.v /= 2;
  check_needs_assumption<TriggerNecessary>(shorter, "unit");
  CHECK(judge<TriggerNecessary>(eigen_point(three, vec({0.1, 1, 0.1}))).verdict ==
        Verdict::vacuous);
  auto tied = plane;
  tied.high = tied.lambda;
  CHECK(judge<TriggerNecessary>(tied).reason ==
        "the leading eigenvalue is not apart from the others");
}

// ---- Claims 14 and A3
// ----------------------------------------------------------------------------

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
    const auto led = draw_led();
    auto n = led.neurons;
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
    RC_PRE(details::no_majorant(bounded(n, x)) == std::nullopt);
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

// ---- On models
// -----------------------------------------------------------------------------------
