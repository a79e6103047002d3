#include "plumb/claims/norm.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/finite_write_shielding.hpp"
#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

constexpr Index d = 3;

Vector<Symbolic> normed(const Vector<Symbolic>& h, const Symbolic& eps) {
  return h / plumb::claims::detail::root_mean_square<Symbolic>(h, eps);
}

}  // namespace

TEST_CASE("rms-bounded: the square of u", "[rms-bounded][symbolic]") {
  const auto h = variables("h", d), gain = variables("g", d);
  const Symbolic eps = variable("eps");
  check_symbolic<RmsBoundedSquare>({h, eps, normed(h, eps), gain});
}

TEST_CASE("jacobian-rms-norm: the formula is the derivative", "[jacobian-rms-norm][symbolic]") {
  const auto h = variables("h", d), gain = variables("g", d), dx = variables("dx", d);
  const auto observer = variables("v", d);
  const Symbolic eps = variable("eps");
  const auto plain = derivative(normed(h, eps), h);
  const Matrix<Symbolic> gained = derivative(times<Symbolic>(gain, normed(h, eps)), h);
  check_symbolic<JacobianRmsNormValue>({h, eps, gain, dx, gained * dx, observer});
  check_symbolic<JacobianRmsNormSpectrum>({h, eps, plain});

  // Its eigenvectors: h with eps/rho^3, and what stands across with 1/rho.
  const Symbolic rho = plumb::claims::detail::root_mean_square<Symbolic>(h, eps);
  CHECK(unproven(Matrix<Symbolic>(plain * h), Matrix<Symbolic>(h * (eps / (rho * rho * rho)))) ==
        "");
  Vector<Symbolic> across(d);
  across << h[1], -h[0], 0;
  CHECK(unproven(Matrix<Symbolic>(plain * across), Matrix<Symbolic>(across / rho)) == "");
}

TEST_CASE("finite-write-shielding: the identity", "[finite-write-shielding][symbolic]") {
  const auto before = variables("h", d), after = variables("k", d), gain = variables("g", d);
  const Symbolic eps = variable("eps");
  const auto u = normed(before, eps), u_after = normed(after, eps);
  check_symbolic<FiniteWriteIdentity>({before, after, eps, u, u_after, gain,
                                       times<Symbolic>(gain, u), times<Symbolic>(gain, u_after)});
}
