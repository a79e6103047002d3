#include "plumb/claims/arithmetic.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace plumb::claims;
using plumb::Matrix;
using plumb::Vector;

TEST_CASE("sums of products") {
  const Vector<double> a = (Vector<double>(3) << 1, -2, 3).finished();
  const Vector<double> b = (Vector<double>(3) << 4, 5, -6).finished();
  CHECK(dot<double>(a, b) == -24);
  CHECK(sum_of_squares<double>(a) == 14);
  CHECK(norm<double>(a) == std::sqrt(14.0));
  CHECK(times<double>(a, b) == (Vector<double>(3) << 4, -10, -18).finished());
  CHECK(plus<double>(a, b) == (Vector<double>(3) << 5, 3, -3).finished());
  CHECK(minus<double>(a, b) == (Vector<double>(3) << -3, -7, 9).finished());
  CHECK(square<double>(-3) == 9);
  CHECK(max_abs<double>(b) == 6);
  CHECK(max_abs<double>(Vector<double>(0)) == 0);
  CHECK(dot<double>(Vector<double>(0), Vector<double>(0)) == 0);
  CHECK(count<float>(3) == 3.0F);
}

TEST_CASE("a vector is what it has on channels and what it has elsewhere") {
  const Vector<double> v = (Vector<double>(4) << 1, 2, 3, 4).finished();
  const auto parts = split<double>(v, {3, 0});
  CHECK(parts.on == (Vector<double>(4) << 1, 0, 0, 4).finished());
  CHECK(parts.off == (Vector<double>(4) << 0, 2, 3, 0).finished());
  CHECK(split<double>(v, {}).off == v);
}

TEST_CASE("distances, and vectors that are equal") {
  const Vector<double> a{{3, 4}}, b{{3, 1}};
  CHECK(distance<double>(a, b) == 3);
  CHECK(norm_with_error<double>(b, a) == 5 + 3);
  CHECK(norm_with_error<double>(a, a) == 5);
}

TEST_CASE("rows of a matrix") {
  const Matrix<double> m{{3, 4}, {0, 1}, {-6, 8}};
  CHECK(row<double>(m, 2) == Vector<double>{{-6, 8}});
  CHECK(longest<double>(m) == 10);
  CHECK(longest<double>(Matrix<double>(0, 2)) == 0);
  CHECK(without_row<double>(m, 1) == Matrix<double>{{3, 4}, {-6, 8}});
  CHECK(without_row<double>(m, 0) == m.bottomRows(2));
  CHECK(without_entry<double>(Vector<double>{{1, 2, 3}}, 2) == Vector<double>{{1, 2}});
  CHECK(without_entry<double>(Vector<double>{{1, 2, 3}}, 0) == Vector<double>{{2, 3}});
}

TEST_CASE("the log of a sum of exponentials does not overflow") {
  CHECK(log_sum_exp<double>(Vector<double>{{0, 0, 0, 0}}) == Approx(std::log(4)));
  CHECK(log_sum_exp<double>(Vector<double>{{1000, 999}}) ==
        Approx(1000 + std::log1p(std::exp(-1))));
  CHECK(log_sum_exp<double>(Vector<double>{{-1000}}) == -1000);
}

TEST_CASE("the unit roundoff of a scalar") {
  CHECK(unit_of<double> == kUnit);
  CHECK(unit_of<float> == std::ldexp(1.0, -24));
}

TEST_CASE("gamma bounds a product of (1 + delta)") {
  CHECK(kUnit == std::ldexp(1.0, -53));
  for (const double n : {1.0, 10.0, 1000.0}) {
    const double worst = std::expm1(n * std::log1p(0x1p-24));  // (1 + u)^n - 1
    CHECK(gamma(n, 0x1p-24) >= worst);
    CHECK(gamma(n, 0x1p-24) <= 1.001 * worst);
  }
}
