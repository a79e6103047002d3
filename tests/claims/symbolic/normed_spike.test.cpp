#include "plumb/claims/normed_spike.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/rms_near_constant.hpp"
#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Vector;

namespace {

constexpr Index d = 4;
const std::vector<Index> channels = {0, 1};

Vector<Symbolic> normed(const Vector<Symbolic>& h, const Symbolic& eps) {
  return h / plumb::claims::detail::root_mean_square<Symbolic>(h, eps);
}

}  // namespace

TEST_CASE("rms-sparsifies: an entry off the spike", "[rms-sparsifies][symbolic]") {
  const auto h = variables("h", d);
  const Symbolic eps = variable("eps");
  const auto without = normed(split<Symbolic>(h, channels).off, eps);
  // Squared, because sqrt(a) sqrt(b) is not known to be sqrt(ab); both sides have the sign of h_2.
  const RmsSparsifiesEntry::Input<Symbolic> in{h, eps, channels, 2, normed(h, eps)[2], without[2]};
  const Symbolic left = RmsSparsifiesEntry::lhs<Symbolic>(in);
  const Symbolic right = RmsSparsifiesEntry::rhs<Symbolic>(in);
  CHECK(unproven(left * left, right * right) == "");
}

TEST_CASE("rms-sparsifies: the shares grow with the spike", "[rms-sparsifies][symbolic]") {
  // p/x - (1-p)/(1-x), half the derivative of the bound's inverse p^2/c + (1-p)^2/(d-c) at c = x d,
  // has the sign of p - x: the bound on the participation ratio falls where p > c/d.
  const Symbolic p = variable("p"), x = variable("x");
  CHECK(unproven(p / x - (1 - p) / (1 - x), (p - x) / (x * (1 - x))) == "");
}

TEST_CASE("rms-near-constant: what the sharp form leaves out", "[rms-near-constant][symbolic]") {
  // rhs^2 - ||u_a - u_b||^2 = d eps (1/rho_a - 1/rho_b)^2
  //                           + 2 (N_a N_b + r_a.r_b + d eps)/(rho_a rho_b),
  // and both terms are at least 0: the last by Cauchy-Schwarz in the lift.
  const auto a = variables("a", d), b = variables("b", d), gain = variables("g", d);
  const Symbolic eps = variable("eps");
  const NormedSpikes<Symbolic> in{a, b, eps, channels, normed(a, eps), normed(b, eps), gain, a, b};
  const Symbolic left = RmsNearConstant::lhs<Symbolic>(in);
  const Symbolic right = RmsNearConstant::rhs<Symbolic>(in);
  const plumb::claims::detail::LiftedSpike<Symbolic> row_a(a, eps, channels),
      row_b(b, eps, channels);
  const Symbolic lengths = row_a.length * row_b.length;  // d rho_a rho_b
  const auto rest_a = split<Symbolic>(a, channels).off, rest_b = split<Symbolic>(b, channels).off;
  const Symbolic inverse = (row_a.length - row_b.length) / lengths;
  const Symbolic angle =
      2 * d * (row_a.rest * row_b.rest + dot<Symbolic>(rest_a, rest_b) + d * eps);
  CHECK(unproven((right * right - left * left) * lengths,
                 d * d * eps * inverse * inverse * lengths + angle) == "");
}

TEST_CASE("rms-near-constant: the cosine of two readings", "[rms-near-constant][symbolic]") {
  // u_a.u_b = d (s_a.s_b + r_a.r_b)/(H_a H_b), which is d (cos theta + tau_a tau_b cos phi) /
  // sqrt((1 + tau_a^2)(1 + tau_b^2)) for eps = 0.
  const auto a = variables("a", d), b = variables("b", d);
  const auto a_parts = split<Symbolic>(a, channels), b_parts = split<Symbolic>(b, channels);
  const plumb::claims::detail::LiftedSpike<Symbolic> row_a(a, 0, channels), row_b(b, 0, channels);
  const Symbolic cos_theta = dot<Symbolic>(a_parts.on, b_parts.on) / (row_a.spike * row_b.spike);
  const Symbolic cos_phi = dot<Symbolic>(a_parts.off, b_parts.off) / (row_a.rest * row_b.rest);
  const Symbolic tau = row_a.rest / row_a.spike * row_b.rest / row_b.spike;
  const Symbolic inner = dot<Symbolic>(normed(a, 0), normed(b, 0));
  const Symbolic formula = d * (cos_theta + tau * cos_phi);
  // sqrt(1 + tau^2) = H/S.
  const Symbolic lengths = row_a.length * row_b.length / (row_a.spike * row_b.spike);
  CHECK(unproven(inner * inner * lengths * lengths, formula * formula) == "");
}

TEST_CASE("rms-near-constant: from the sharp form to the triangle form",
          "[rms-near-constant][symbolic]") {
  // With x = alpha/2, y = beta/2, t = theta/2 the difference of the squares is
  // sin t (sin(alpha + beta) cos t - sin alpha sin beta sin t); its sign is an interval proof.
  const Symbolic x = variable("x"), y = variable("y"), t = variable("t");
  const auto squared = [](const Symbolic& e) { return Symbolic(e * e); };
  CHECK(unproven(squared(sin(x + y + t)) - squared(sin(x + y)) -
                     cos(2 * x) * cos(2 * y) * squared(sin(t)),
                 sin(t) * (sin(2 * x + 2 * y) * cos(t) - sin(2 * x) * sin(2 * y) * sin(t))) == "");
  // Where the angles exceed pi the triangle form is 1, and the sharp form stays below.
  CHECK(unproven(squared(sin(x + y)) + cos(2 * x) * cos(2 * y), (1 + cos(2 * x - 2 * y)) / 2) ==
        "");
}

TEST_CASE("spike-scale-law: the identity", "[spike-scale-law][symbolic]") {
  const auto h = variables("h", d);
  const Symbolic eps = variable("eps"), t = variable("t");
  Vector<Symbolic> after = h;
  for (const Index k : channels) after[k] *= t;
  check_symbolic<SpikeScaleLaw>({h, eps, channels, t, normed(h, eps), normed(after, eps)});

  // 2 sin^2/(1 + cos) is 4 sin^2 of the half.
  const Symbolic half = variable("x");
  CHECK(unproven(2 * sin(2 * half) * sin(2 * half) / (1 + cos(2 * half)),
                 4 * sin(half) * sin(half)) == "");
}
