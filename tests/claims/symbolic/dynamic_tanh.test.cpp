#include "plumb/claims/dynamic_tanh.hpp"

#include <catch2/catch.hpp>

#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

TEST_CASE("jacobian-dynamic-tanh: the formula is the derivative",
          "[jacobian-dynamic-tanh][symbolic]") {
  const auto h = variables("h", 3), gain = variables("g", 3), dx = variables("dx", 3);
  const Symbolic alpha = variable("alpha");
  Vector<Symbolic> y(3);
  for (Index i = 0; i < 3; ++i) y[i] = gain[i] * tanh(alpha * h[i]);
  const Matrix<Symbolic> j = derivative(y, h);
  check_symbolic<JacobianDynamicTanh>({h, alpha, gain, dx, j * dx, variables("v", 3)});
}

TEST_CASE("dynamic-tanh-bounded-but-not-constant: how far tanh is from 1",
          "[dynamic-tanh-bounded-but-not-constant][symbolic]") {
  const Symbolic t = variable("t");
  CHECK(unproven(1 - tanh(t), 2 * exp(-2 * t) / (1 + exp(-2 * t))) == "");
}
