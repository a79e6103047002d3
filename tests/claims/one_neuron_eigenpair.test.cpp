#include "plumb/claims/one_neuron_eigenpair.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/neurons.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;
namespace details = plumb::claims::detail;

namespace {

AmongNeurons<double> draw_among() {
  const auto n = draw_neurons();
  return details::among_neurons(n, 0, normed(*gaussian_vector<double>(n.gate.cols())));
}

}  // namespace

TEST_CASE("one-neuron-eigenpair: any neuron", "[one-neuron-eigenpair][property]") {
  const auto draw = [] { return details::one_neuron(draw_neurons(), 0); };
  check_property<NeuronHigh>("largest eigenvalue", draw);
  check_property<NeuronLow>("least eigenvalue", draw);
  check_property<NeuronDirection>("direction", draw);
  check_property<NeuronWeyl>("among others", draw_among);
  check_property<NeuronDavisKahan>("direction among others", [] {
    const auto n = draw_led();
    return details::among_neurons(n, 0, axis(n.gate.cols(), 0));
  });
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
