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

namespace {

NormDerivative<double> derivative_of(const Vector<double>& h, double eps,
                                     const Vector<double>& gain, const Vector<double>& dx) {
  const plumb::RmsNorm<double> norm{gain, eps};
  const Vector<double> dy = norm.jvp(h.transpose(), dx.transpose()).row(0).transpose();
  return {h, eps, gain, dx, dy, Vector<double>::LinSpaced(h.size(), 1, 2)};
}

/// Two channels at least: with one, the derivative is what is left after 1 - u^2 has cancelled.
NormDerivative<double> draw_derivative() {
  const Index d = 1 + *size();
  const Vector<double> h = *gaussian_vector<double>(d) * *magnitude<double>(1e-3, 1e3);
  auto in = derivative_of(h, *magnitude<double>(1e-8, 1), *bounded_vector<double>(d, 3.0),
                          *gaussian_vector<double>(d));
  in.observer = *gaussian_vector<double>(d);
  return in;
}

JacobianRmsNormSpectrum::Input<double> spectrum_of(const Vector<double>& h, double eps) {
  const plumb::RmsNorm<double> norm{Vector<double>::Ones(h.size()), eps};
  return {h, eps, norm.jacobian(h)};
}

}  // namespace

TEST_CASE("jacobian-rms-norm: any row and direction", "[jacobian-rms-norm][property]") {
  check_property<JacobianRmsNormValue>("value", draw_derivative);
  check_property<JacobianRmsNormBound>("bound", draw_derivative);
  check_property<JacobianRmsNormSpectrum>("spectrum", [] {
    const Index d = 1 + *size();
    return spectrum_of(*gaussian_vector<double>(d) * *magnitude<double>(1e-3, 1e3),
                       *magnitude<double>(1e-8, 1));
  });
}

TEST_CASE("jacobian-rms-norm: tight, broken, vacuous", "[jacobian-rms-norm][property]") {
  const Vector<double> h = Vector<double>::Unit(4, 0) * 0.3;
  const Vector<double> across = Vector<double>::Unit(4, 2), threes = Vector<double>::Constant(4, 3);
  check_tight<JacobianRmsNormBound>(derivative_of(h, 1, threes, across));

  // The gain applied twice, as where it is folded into the matrices that read and left in the norm.
  auto twice = derivative_of(h, 1, threes, across);
  twice.dy *= 3;
  check_violated<JacobianRmsNormValue>(twice);
  check_violated<JacobianRmsNormBound>(twice);
  auto spectrum = spectrum_of(Vector<double>::LinSpaced(5, -0.1, 0.2), 1);
  spectrum.jacobian *= 2;
  check_violated<JacobianRmsNormSpectrum>(spectrum);
  // The radial part left out: rho taken for a constant.
  auto frozen = derivative_of(h, 0.01, threes, h);
  frozen.dy = 3 * h / std::sqrt(0.09 / 4 + 0.01);
  check_violated<JacobianRmsNormValue>(frozen);

  const Vector<double> zero = Vector<double>::Zero(4);
  auto nowhere = derivative_of(h, 1, threes, across);
  nowhere.h = zero, nowhere.eps = 0;
  check_needs_assumption<JacobianRmsNormValue>(nowhere, "zero");
  check_needs_assumption<JacobianRmsNormBound>(nowhere, "zero");
  check_needs_assumption<JacobianRmsNormSpectrum>({zero, 0, Matrix<double>::Identity(4, 4)},
                                                  "zero");
  CHECK(JacobianRmsNormSpectrum::assumptions(spectrum_of(Vector<double>::Ones(1), 1)));
}
