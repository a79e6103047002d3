#include "support/interval.hpp"

#include <catch2/catch.hpp>

using namespace plumb::test;

TEST_CASE("enclosures hold what they should") {
  CHECK(lower(decimal("0.1")) < 0.1);  // the double is above a tenth
  CHECK(upper(decimal("0.1")) >= 0.1);
  CHECK(upper(exp(between(0, 1))) >= std::exp(1.0));
  CHECK(lower(exp(between(0, 1))) == 1);
  CHECK(upper(erf(between(-1, 2))) >= std::erf(2.0));
  CHECK(lower(erf(between(-1, 2))) <= std::erf(-1.0));
  CHECK(lower(erfc(between(1, 5))) > 0);
  CHECK(upper(erfc(between(1, 5))) >= std::erfc(1.0));
  CHECK(upper(common(between(0, 2), between(1, 3))) == 2);
}

TEST_CASE("what is not defined stays so") {
  const Interval root = sqrt(between(-1, 1));
  for (const Interval& x : {root,
                            Interval(-root),
                            Interval(root + 1),
                            Interval(1 - root),
                            Interval(2 * root),
                            Interval(root * root),
                            Interval(1 / root),
                            Interval(root / 2),
                            exp(root),
                            tanh(root),
                            atan(root),
                            sqrt(root),
                            erf(root),
                            erfc(root),
                            sin(root),
                            cos(root),
                            log(root),
                            Interval(abs(root)),
                            sqrt(between(-2, -1)),
                            log(between(-1, 1))}) {
    CHECK(std::isnan(lower(x)));
    CHECK(std::isnan(upper(x)));
  }
}

TEST_CASE("a tail is bounded to infinity") {
  const auto tail = times_exp_of_minus(from(40));
  CHECK(lower(tail) == 0);
  CHECK(upper(tail) < 40 * std::exp(-39.9));
  CHECK(upper(tail) >= 40 * std::exp(-40.0) * (1 - 1e-15));
}

namespace {

/// Whether the gradient of f at one point encloses central differences.
template <class F>
void check_gradient(const F& f, double at) {
  const double h = 1e-5;
  const auto value = [&](double x) { return lower(f(Point<Interval, 1>{Interval(x)})); };
  const Point<Jet<1>, 1> x{Jet<1>::variable(Interval(at), 0)};
  const double slope = (value(at + h) - value(at - h)) / (2 * h);
  CHECK(std::abs(lower(f(x).gradient[0]) - slope) < 1e-8);  // h^2 f'''/6, rounding 1e-16/h
}

}  // namespace

TEST_CASE("jets know their gradients") {
  check_gradient([](const auto& x) { return exp(x[0]) / (1 + x[0] * x[0]); }, 0.7);
  check_gradient([](const auto& x) { return sqrt(x[0]) - log(x[0]) * tanh(x[0]); }, 0.9);
  check_gradient([](const auto& x) { return sin(x[0]) * cos(2 * x[0]) + atan(x[0]); }, -0.4);
  check_gradient([](const auto& x) { return erf(x[0]) * erfc(x[0] / 2); }, 0.3);
}

TEST_CASE("branch and bound proves what is true") {
  const auto parabola = [](const auto& x) { return x[0] * (1 - x[0]); };
  CHECK(unproven_at_most(parabola, Box<1>{{{0, 1}}}, 0.25 + 1e-9) == "");
  const auto saddle = [](const auto& x) { return x[0] * x[1] - x[0] * x[0]; };
  CHECK(unproven_at_most(saddle, Box<2>{{{-1, 1}, {-1, 1}}}, 0.25 + 1e-6) == "");
  CHECK(unproven_at_least(saddle, Box<2>{{{-1, 1}, {-1, 1}}}, -2 - 1e-9) == "");
  // Monotone: the maximum stands in a corner and is reached.
  const auto rising = [](const auto& x) { return exp(x[0]) + x[1]; };
  CHECK(unproven_at_most(rising, Box<2>{{{-1, 0}, {0, 1}}}, 2) == "");
}

TEST_CASE("branch and bound does not prove what is false, or too close") {
  const auto parabola = [](const auto& x) { return x[0] * (1 - x[0]); };
  CHECK(unproven_at_most(parabola, Box<1>{{{0, 1}}}, 0.25 - 1e-9).find("exceeded") == 0);
  CHECK(unproven_at_least(parabola, Box<1>{{{0, 1}}}, 0.01).find("exceeded") == 0);
  // It touches, at a point that is no double.
  const auto peak = [](const auto& x) { return x[0] * (2 * sqrt(1 + x[0] - x[0] + 1) - x[0]); };
  CHECK(unproven_at_most(peak, Box<1>{{{0, 3}}}, 2.0, 2000) != "");
  // Not defined on a part of the box: never proven.
  const auto half = [](const auto& x) { return sqrt(x[0]); };
  CHECK(unproven_at_most(half, Box<1>{{{-1, 1}}}, 2.0, 2000) != "");
}
