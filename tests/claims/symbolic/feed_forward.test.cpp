#include "plumb/claims/feed_forward.hpp"

#include <catch2/catch.hpp>

#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

ChannelWrite<Symbolic> unobserved() {
  ChannelWrite<Symbolic> in;
  in.neurons = {variables("g", 2, 2), variables("u", 2, 2), variables("w", 2)};
  in.x = variables("x", 2);
  in.v = variables("v", 2);
  return in;
}

Vector<Symbolic> negated(const Vector<Symbolic>& x) {
  return Vector<Symbolic>(x.unaryExpr([](const Symbolic& e) { return Symbolic(-e); }));
}

/// F(x) and F(-x) for act(z) = z phi(z) with phi(z) + phi(-z) = 1, phi any: SiLU has sigma, GELU
/// Phi, its other form sigma of a cubic, ReLU a step.
ChannelWrite<Symbolic> any_activation() {
  auto in = unobserved();
  const auto z = product<Symbolic>(in.neurons.gate, in.x);
  const auto y = product<Symbolic>(in.neurons.up, in.x);
  const auto phi = variables("phi", 2);
  for (Index j = 0; j < 2; ++j) {
    in.write += in.neurons.down[j] * z[j] * phi[j] * y[j];
    in.mirrored += in.neurons.down[j] * (-z[j]) * (1 - phi[j]) * (-y[j]);
  }
  return in;
}

Symbolic swiglu(const Neurons<Symbolic>& neurons, const Vector<Symbolic>& x) {
  const auto z = product<Symbolic>(neurons.gate, x), y = product<Symbolic>(neurons.up, x);
  Symbolic sum = 0;
  for (Index j = 0; j < z.size(); ++j) {
    sum += neurons.down[j] * z[j] * logistic<Symbolic>(z[j]) * y[j];
  }
  return sum;
}

/// d/dx F(x), by rule, along v; with x a list of variables.
Symbolic slope(const Symbolic& write, const Vector<Symbolic>& x, const Vector<Symbolic>& v) {
  Symbolic sum = 0;
  for (Index i = 0; i < x.size(); ++i) {
    sum += write.diff(GiNaC::ex_to<GiNaC::symbol>(x[i])) * v[i];
  }
  return sum;
}

/// One neuron of SwiGLU in two dimensions with its slopes at x and at -x.
ChannelWrite<Symbolic> one_neuron() {
  ChannelWrite<Symbolic> in;
  in.neurons = {variables("g", 1, 2), variables("u", 1, 2), variables("w", 1)};
  in.x = variables("x", 2);
  in.v = variables("v", 2);
  in.slope = slope(swiglu(in.neurons, in.x), in.x, in.v);
  in.mirrored_slope = -slope(swiglu(in.neurons, negated(in.x)), in.x, in.v);  // chain rule
  return in;
}

}  // namespace

TEST_CASE("mirror-identity, for any such activation", "[mirror-identity][symbolic]") {
  check_symbolic<MirrorIdentity>(any_activation());
}

TEST_CASE("mirror-identity of the Jacobian", "[mirror-identity][symbolic]") {
  check_symbolic<MirrorJacobian>(one_neuron());  // sums over neurons follow
}

TEST_CASE("quadratic-split, for any such activation", "[quadratic-split][symbolic]") {
  check_symbolic<QuadraticSplit>(any_activation());
}

TEST_CASE("the form is what its operator says", "[mirror-identity][symbolic]") {
  const auto in = unobserved();
  CHECK(unproven(form_value<Symbolic>(in.neurons, in.x),
                 dot<Symbolic>(in.x, form_times<Symbolic>(in.neurons, in.x))) == "");
  CHECK(unproven(form_between<Symbolic>(in.neurons, in.x, in.v),
                 dot<Symbolic>(in.v, form_times<Symbolic>(in.neurons, in.x))) == "");
}

TEST_CASE("jacobian-swiglu along v and along x", "[jacobian-swiglu][symbolic]") {
  auto in = one_neuron();
  check_symbolic<JacobianSwiglu>(in);
  in.slope = slope(swiglu(in.neurons, in.x), in.x, in.x);
  check_symbolic<JacobianSwigluEuler>(in);
}
