#include "support/symbolic.hpp"

#include <catch2/catch.hpp>

using namespace plumb::test;
using GiNaC::ex;

TEST_CASE("rational identities are proven, and others are not") {
  const ex x = variable("x"), y = variable("y");
  CHECK(unproven((x * x - y * y) / (x - y), x + y) == "");
  CHECK(unproven(x / (x + y) + y / (x + y), 1) == "");
  CHECK(unproven(ex(0.25) * x, x / 4) == "");  // a double is exact
  CHECK(unproven(x + y, x - y) != "");
  CHECK(unproven((x + y) * (x + y), x * x + y * y) != "");
  CHECK(unproven(ex(0.1) * x, x / 10) != "");  // 0.1 as a double is no tenth
}

TEST_CASE("roots and absolute values are known by their squares") {
  const ex x = variable("x"), y = variable("y");
  const ex r = sqrt(x * x + y * y);
  CHECK(unproven(r * r, x * x + y * y) == "");
  CHECK(unproven(r * r * r, (x * x + y * y) * sqrt(x * x + y * y)) == "");
  CHECK(unproven(1 / r, r / (x * x + y * y)) == "");
  CHECK(unproven(pow(sqrt(x + sqrt(y)), 4), x * x + 2 * x * sqrt(y) + y) == "");
  CHECK(unproven(abs(x) * abs(x), x * x) == "");
  CHECK(unproven(sqrt(x / y) * sqrt(x / y), x / y) == "");
  CHECK(unproven(sqrt(4 * x * x + 4 * y * y), 2 * r) == "");
  CHECK(unproven(sqrt(x * x / 9 + y * y / 9), r / 3) == "");
  CHECK(unproven(sqrt(2 * x * x + 2 * y * y), 2 * r) != "");
  // A root in which another one is squared, times a number that has a root itself.
  const ex inner = sqrt(x), outer = sqrt(4 * inner * (inner + y) / y);
  CHECK(unproven(outer * outer * y, 4 * x + 4 * inner * y) == "");
  CHECK(unproven(sqrt(4 * abs(x) * abs(x)) * abs(x), 2 * x * x) == "");
  CHECK(unproven(r, x + y) != "");
  CHECK(unproven(abs(x), x) != "");
}

TEST_CASE("exponentials multiply, and circles close") {
  const ex a = variable("a"), b = variable("b");
  CHECK(unproven(exp(a) * exp(-a), 1) == "");
  CHECK(unproven(exp(a + 2 * b), exp(a) * exp(b) * exp(b)) == "");
  CHECK(unproven(1 / (1 + exp(-a)), (1 + tanh(a / 2)) / 2) == "");
  CHECK(unproven(exp(a), exp(b)) != "");
  CHECK(unproven(cos(a) * cos(a) + sin(a) * sin(a), 1) == "");
  CHECK(unproven(cos(a - b), cos(a) * cos(b) + sin(a) * sin(b)) == "");
  CHECK(unproven(sin(2 * a), 2 * sin(a) * cos(a)) == "");
  CHECK(unproven(sin(-3 * a), 4 * sin(a) * sin(a) * sin(a) - 3 * sin(a)) == "");
  CHECK(unproven(4 * sin(a) * sin(a), 2 - 2 * cos(2 * a)) == "");
  CHECK(unproven(sin(a), cos(a)) != "");
}

TEST_CASE("matrices of symbols multiply, and derivatives are those of calculus") {
  const auto m = variables("m", 2, 2);
  const auto x = variables("x", 2);
  const plumb::Matrix<Symbolic> product = m * m;
  CHECK(unproven(product(0, 1), m(0, 0) * m(0, 1) + m(0, 1) * m(1, 1)) == "");
  CHECK(unproven(plumb::claims::count<Symbolic>(3) * x[0] / 3, x[0]) == "");
  plumb::Vector<Symbolic> y(1);
  y[0] = x[0] * x[0] * x[1];
  const auto j = derivative(y, x);
  CHECK(unproven(j(0, 0), 2 * x[0] * x[1]) == "");
  CHECK(unproven(j(0, 1), x[0] * x[0]) == "");
}
