#include "plumb/claims/norm.hpp"

#include <catch2/catch.hpp>

#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

NormedRow<double> normed(const Vector<double>& h, double eps) {
  const plumb::RmsNorm<double> norm{Vector<double>::Ones(h.size()), eps};
  return {h, eps, norm.value(h.transpose()).row(0).transpose(), Vector<double>::Ones(h.size())};
}

/// Bounded, Gaussian or spiked rows, small ones with a large eps included.
NormedRow<double> draw_normed() {
  const Index d = *size();
  auto in = normed((*gaussian<double>(1, d)).row(0).transpose() * *magnitude<double>(1e-3, 1e3),
                   *magnitude<double>(1e-8, 1));
  in.gain = (*bounded_matrix<double>(1, d, 3.0)).row(0).transpose();
  return in;
}

}  // namespace

TEST_CASE("rms-bounded: any row", "[rms-bounded][property]") {
  check_property<RmsBoundedSquare>("square", draw_normed);
  check_property<RmsBoundedEntry>("entry", draw_normed);
  check_property<RmsBoundedGain>("gain", draw_normed);
}

TEST_CASE("rms-bounded: tight, broken, vacuous", "[rms-bounded][property]") {
  const Vector<double> one_hot = 7 * Vector<double>::Unit(16, 3);
  check_tight<RmsBoundedEntry>(normed(one_hot, 0));
  check_tight<RmsBoundedGain>(normed(one_hot, 0));
  check_tight<RmsBoundedSquare>(normed(Vector<double>::LinSpaced(5, -0.1, 0.2), 1));

  // eps outside the root, as some implementations have it.
  auto outside = normed(Vector<double>::Constant(4, 0.1), 0.01);
  outside.u = outside.h / (0.1 + 0.01);
  check_violated<RmsBoundedSquare>(outside);
  // A bias moves rows off the ball.
  auto biased = normed(one_hot, 0);
  biased.u.array() += 0.5;
  check_violated<RmsBoundedEntry>(biased);
  check_violated<RmsBoundedGain>(biased);

  check_needs_assumption<RmsBoundedSquare>(
      {Vector<double>::Zero(3), 0, Vector<double>::Zero(3), Vector<double>::Ones(3)}, "zero");
}

TEST_CASE("rms-bounded on models", "[rms-bounded][measured]") {
  check_measured<RmsBoundedSquare>();
  check_measured<RmsBoundedEntry>();
  check_measured<RmsBoundedGain>();
}
