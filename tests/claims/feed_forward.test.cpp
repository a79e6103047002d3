#include "plumb/claims/feed_forward.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "plumb/model/feed_forward.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

using Act = double (*)(double);

double silu(double z) { return plumb::silu(z); }
double gelu(double z) { return z * std::erfc(-z / std::numbers::sqrt2) / 2; }
double gelu_tanh(double z) {
  return z * plumb::sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z));
}
double relu(double z) { return std::max(z, 0.0); }
double clamped(double z) { return plumb::silu(std::min(z, 1.0)); }

plumb::FeedForward<double> block_of(const Neurons<double>& neurons) {
  plumb::FeedForward<double> block;
  block.gate = neurons.gate;
  block.up = neurons.up;
  block.down = neurons.down.transpose();
  return block;
}

/// What the library's SwiGLU block does with x.
ChannelWrite<double> swiglu(const Neurons<double>& neurons, const Vector<double>& x,
                            const Vector<double>& v) {
  const auto block = block_of(neurons);
  const Matrix<double> row = x.transpose(), direction = v.transpose();
  ChannelWrite<double> in{neurons, x, 0, 0, v, 0, 0, kSiluGap, {}};
  in.write = block.value(row)(0, 0);
  in.mirrored = block.value(-row)(0, 0);
  in.slope = block.jvp(row, direction)(0, 0);
  in.mirrored_slope = block.jvp(-row, direction)(0, 0);
  return in;
}

/// The same with another activation, or with a bias on the gate.
ChannelWrite<double> written_by(Act act, ChannelWrite<double> in, double bias = 0) {
  const auto evaluate = [&](const Vector<double>& x) {
    const Vector<double> z = in.neurons.gate * x, y = in.neurons.up * x;
    double sum = 0;
    for (Index j = 0; j < z.size(); ++j) sum += in.neurons.down[j] * act(z[j] + bias) * y[j];
    return sum;
  };
  in.write = evaluate(in.x);
  in.mirrored = evaluate(-in.x);
  return in;
}

ChannelWrite<double> draw() {
  const Index d = *size(7), f = *size(7);
  const Neurons<double> neurons{*rc::gen::oneOf(weights<double>(f, d), gaussian<double>(f, d, 3)),
                                *rc::gen::oneOf(weights<double>(f, d), gaussian<double>(f, d, 3)),
                                *gaussian_vector<double>(f)};
  const Matrix<double> x = *activations<double>(1, d);
  return swiglu(neurons, x.row(0).transpose(), *gaussian_vector<double>(d));
}

/// Two neurons in the plane: one strong, whose gate and up rows are nearly along the first axis.
ChannelWrite<double> example() {
  Neurons<double> neurons{Matrix<double>(2, 2), Matrix<double>(2, 2), Vector<double>(2)};
  neurons.gate << 1.5, 0.2, -0.3, 0.8;
  neurons.up << 1.2, -0.1, 0.5, 0.4;
  neurons.down << 3, -0.7;
  return swiglu(neurons, Vector<double>(Eigen::Vector2d(1.3, -0.4)),
                Vector<double>(Eigen::Vector2d(0.6, 0.8)));
}

/// One neuron on one channel, with y = 1.
ChannelWrite<double> one_neuron(double z) {
  Neurons<double> neurons{Matrix<double>(1, 2), Matrix<double>(1, 2), Vector<double>::Ones(1)};
  neurons.gate << z, 0;
  neurons.up << 1, 0;
  return swiglu(neurons, Vector<double>::Unit(2, 0), Vector<double>::Unit(2, 0));
}

/// The gate has a bias, and the claim is told.
ChannelWrite<double> biased() {
  auto in = written_by(silu, example(), 0.5);
  in.slope += 0.5;
  in.obstacle = "the gate or up projection has a bias";
  return in;
}

}  // namespace

TEST_CASE("mirror-identity: any block", "[mirror-identity][property]") {
  check_property<MirrorIdentity>("SiLU", draw);
  check_property<MirrorIdentity>("GELU", [] { return written_by(gelu, draw()); });
  check_property<MirrorIdentity>("GELU, tanh", [] { return written_by(gelu_tanh, draw()); });
  check_property<MirrorIdentity>("ReLU", [] { return written_by(relu, draw()); });
  check_property<MirrorJacobian>("Jacobian", draw);
}

TEST_CASE("mirror-identity: broken, vacuous", "[mirror-identity][property]") {
  check_tight<MirrorIdentity>(example());
  check_tight<MirrorJacobian>(example());

  check_violated<MirrorIdentity>(written_by(clamped, example()));
  auto doubled = example();  // a gain that is applied once too often
  doubled.x *= 1.01;
  check_violated<MirrorIdentity>(doubled);
  check_violated<MirrorJacobian>(doubled);
  auto one_sided = example();
  one_sided.mirrored_slope = 0;
  check_violated<MirrorJacobian>(one_sided);

  check_needs_assumption<MirrorIdentity>(biased(), "bias");
  check_needs_assumption<MirrorJacobian>(biased(), "bias");
}

TEST_CASE("quadratic-split: any block", "[quadratic-split][property]") {
  check_property<QuadraticSplit>("split", draw);
  check_property<QuadraticSplit>("split of GELU", [] { return written_by(gelu, draw()); });
  check_property<ActiveSet>("active set", draw);
  check_property<ActiveSetConstant>("active set, W", draw);
  check_property<ActiveSetConstant>("active set, GELU", [] {
    auto in = written_by(gelu, draw());
    in.gap = kGeluGap;
    return in;
  });
}

TEST_CASE("quadratic-split: tight, broken, vacuous", "[quadratic-split][property]") {
  check_tight<QuadraticSplit>(example());
  for (const double z : {1 + kSiluGap, -(1 + kSiluGap), 3.0}) {
    check_tight<ActiveSet>(one_neuron(z), 1 - 1e-14);
  }
  check_tight<ActiveSetConstant>(one_neuron(1 + kSiluGap), 1 - 1e-14);
  check_tight<ActiveSetConstant>(one_neuron(-1 - kSiluGap), 1 - 1e-14);

  check_violated<QuadraticSplit>(written_by(clamped, example()));
  auto ungated = one_neuron(-2);  // the gate was left open
  ungated.write = -2;
  check_violated<ActiveSet>(ungated);
  check_violated<ActiveSetConstant>(ungated);
  auto narrow = one_neuron(1.2);  // the constant of GELU for SiLU
  narrow.gap = kGeluGap;
  check_violated<ActiveSetConstant>(narrow);

  check_needs_assumption<QuadraticSplit>(biased(), "bias");
  auto shifted = written_by(silu, one_neuron(1), 3);
  shifted.obstacle = "the gate or up projection has a bias";
  check_needs_assumption<ActiveSet>(shifted, "bias");
  check_needs_assumption<ActiveSetConstant>(shifted, "bias");
}

TEST_CASE("jacobian-swiglu: any block", "[jacobian-swiglu][property]") {
  check_property<JacobianSwiglu>("along v", draw);
  check_property<JacobianSwigluEuler>("along x", [] {
    const auto in = draw();
    return swiglu(in.neurons, in.x, in.x);
  });
}

TEST_CASE("jacobian-swiglu: broken, vacuous", "[jacobian-swiglu][property]") {
  check_tight<JacobianSwiglu>(example());
  auto along = example();
  along = swiglu(along.neurons, along.x, along.x);
  check_tight<JacobianSwigluEuler>(along);

  // The slope of a block without its gating term: 2 x' S v / 2.
  auto bilinear = example();
  bilinear.slope = 2 * form_between<double>(bilinear.neurons, bilinear.x, bilinear.v);
  check_violated<JacobianSwiglu>(bilinear);
  along.slope = 2 * along.write;  // as if the block were of degree two exactly
  check_violated<JacobianSwigluEuler>(along);

  check_needs_assumption<JacobianSwiglu>(biased(), "bias");
  check_needs_assumption<JacobianSwigluEuler>(example(), "v is not x");
}

TEST_CASE("a channel may leave the range of degrees of its neurons",
          "[jacobian-swiglu][property]") {
  // Neurons of degree 2.278 and 2 that contribute 1 and -0.9.
  Neurons<double> neurons{Matrix<double>::Identity(2, 2), Matrix<double>::Identity(2, 2),
                          Vector<double>(2)};
  const Vector<double> x = Eigen::Vector2d(1 + kSiluGap, 40);
  neurons.down << 1 / (plumb::silu(x[0]) * x[0]), -0.9 / (plumb::silu(x[1]) * x[1]);
  const auto in = swiglu(neurons, x, x);
  CHECK(in.slope / in.write == Approx(4.7846).epsilon(1e-4));
  CHECK(judge<JacobianSwigluEuler>(in).verdict == Verdict::holds);
}
