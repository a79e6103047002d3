#include "plumb/collapse/stability.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/bound.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/spiked_rows.hpp"

using namespace plumb;
using namespace plumb::collapse;
using namespace plumb::test;

TEST_CASE("a write moves the normalised row by no more than both bounds say") {
  Engine engine(17);
  BoundTally finite, turn;
  double identity_error = 0;
  for (int i = 0; i < kBoundCases; ++i) {
    const auto drawn = draw_spiked_rows(engine, 1);
    const Vector<double> h = drawn.rows.row(0).transpose();
    const auto d = h.size();
    Vector<double> write = draw_magnitude(engine, 1e-3, 1.0) * h.norm() *
                           draw_gaussian<double>(engine, d, 1).col(0).normalized();
    if (i % 4 == 0) write -= h * (write.dot(h) / h.squaredNorm());  // turns most
    // Keeps rho: h' is h turned.
    const Vector<double> after = i % 4 == 1 ? Vector<double>((h + write).normalized() * h.norm())
                                            : Vector<double>(h + write);
    const auto moved = movement(h, after, drawn.eps);
    REQUIRE(moved);
    Matrix<double> both(2, d);
    both << h.transpose(), after.transpose();
    const Matrix<double> u = rms_normalised(both, drawn.eps);
    const double distance = (u.row(0) - u.row(1)).norm();
    const double allowance = gamma<double>(4 * roundings(d)) * std::sqrt(double(d));
    CHECK(std::abs(moved->distance - distance) <= allowance);
    // The identity subtracts squares, so its square is right to a few roundings of those.
    identity_error =
        std::max(identity_error, std::abs(moved->identity * moved->identity - distance * distance) /
                                     (moved->bound * moved->bound + 1));
    finite.add(moved->distance, moved->bound, allowance);
    if (moved->turn) {
      turn.add(moved->distance, *moved->turn, allowance);
    } else {
      turn.skip();
    }
  }
  PLUMB_CHECK_BOUND(finite);
  PLUMB_CHECK_BOUND(turn);
  CHECK(finite.tightest() >= 0.99);
  CHECK(turn.tightest() >= 0.99);
  CHECK(identity_error <= gamma<double>(16 * roundings(24)));
}

TEST_CASE("a write of the row's own size bounds no turn") {
  const Vector<double> h{{3, 4}};
  CHECK(movement(h, Vector<double>{{3, 0}}, 0)->turn);
  CHECK_FALSE(movement(h, Vector<double>{{-3, -4}}, 0)->turn);
  CHECK(movement(h, Vector<double>{{-3, -4}}, 0)->distance == Approx(2 * std::sqrt(2.0)));
  CHECK_FALSE(movement(h, Vector<double>::Zero(2), 0));
  CHECK(movement(h, Vector<double>::Zero(2), 1e-6));
  CHECK_THROWS_AS(movement(h, Vector<double>::Zero(3), 0), shape_error);
}

TEST_CASE("the scale law foretells the reading of a spike made larger, smaller or none") {
  Engine engine(23);
  BoundTally ceiling;
  double error = 0;
  for (int i = 0; i < kBoundCases; ++i) {
    const auto drawn = draw_spiked_rows(engine, 1);
    const Vector<double> h = drawn.rows.row(0).transpose();
    const double t = i % 8 == 0 ? 0.0 : draw_magnitude(engine, 0.05, 1e6);
    const auto law = scale_law(h, drawn.channels, t, drawn.eps);
    if (!law) {
      ceiling.skip();
      continue;
    }
    Matrix<double> both(2, h.size());
    both << h.transpose(), h.transpose();
    for (const Index k : drawn.channels) both(1, k) *= t;
    const Matrix<double> u = rms_normalised(both, drawn.eps);
    const double distance = (u.row(0) - u.row(1)).norm();
    const auto d = static_cast<double>(h.size());
    error = std::max(error, std::abs(law->distance * law->distance - distance * distance) / d);
    if (t >= 1) {
      ceiling.add(distance, law->ceiling, gamma<double>(8 * roundings(24)) * std::sqrt(d));
    } else {
      ceiling.skip();
    }
  }
  CHECK(error <= gamma<double>(16 * roundings(24)));
  PLUMB_CHECK_BOUND(ceiling);
  CHECK(ceiling.tightest() >= 0.99);
}

TEST_CASE("the scale law is absent where there is nothing to scale or nothing left") {
  const Vector<double> h{{3, 0, 0}};
  CHECK_FALSE(scale_law(h, {1}, 2, 0));
  CHECK_FALSE(scale_law(h, {}, 2, 0));
  CHECK_FALSE(scale_law(h, {0}, 0, 0));
  CHECK(scale_law(h, {0}, 0, 1)->turn == Approx(std::atan(3 / std::sqrt(3.0))));
  CHECK(scale_law(h, {0}, 5, 0)->distance == 0);
  CHECK_THROWS_AS(scale_law(h, {0}, -1, 0), shape_error);
  CHECK_THROWS_AS(scale_law(h, {3}, 1, 0), index_error);
}
