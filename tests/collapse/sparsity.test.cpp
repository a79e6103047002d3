#include "plumb/collapse/sparsity.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/bound.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/spiked_rows.hpp"

using namespace plumb;
using namespace plumb::collapse;
using namespace plumb::test;

TEST_CASE("sparsity of vectors whose answer is known") {
  const Vector<double> one_hot{{0, -3, 0, 0}}, constant = Vector<double>::Constant(4, -2);
  CHECK(sparsity(one_hot).largest == 3);
  CHECK(*sparsity(one_hot).hoyer == 1);
  CHECK(*sparsity(one_hot).participation_ratio == 1);
  CHECK(sparsity(one_hot).near_zero == 0.75);
  CHECK(*sparsity(constant).hoyer == 0);
  CHECK(*sparsity(constant).participation_ratio == 4);
  CHECK(sparsity(constant).near_zero == 0);
  // (1 + 4 + 4)^2 / (1 + 16 + 16), and (sqrt 3 - 5/3) / (sqrt 3 - 1).
  const Vector<double> mixed{{1, 2, -2}};
  CHECK(*sparsity(mixed).participation_ratio == Approx(81.0 / 33));
  CHECK(*sparsity(mixed).hoyer == Approx((std::sqrt(3.0) - 5.0 / 3) / (std::sqrt(3.0) - 1)));
  CHECK(sparsity(Vector<double>{{0.01, 0.0099, -0.0099, 5}}).near_zero == 0.5);
  CHECK(sparsity(mixed, 1.5).near_zero == 1.0 / 3);
}

TEST_CASE("sparsity neither overflows nor vanishes") {
  for (const double scale : {1e-200, 1e-80, 1e80, 1e200}) {
    const auto s = sparsity(scale * Vector<double>{{1, 2, -2}});
    CHECK(*s.participation_ratio == Approx(81.0 / 33));
    CHECK(s.largest == 2 * scale);
  }
}

TEST_CASE("sparsity of nothing") {
  const auto zero = sparsity(Vector<double>::Zero(3));
  CHECK(zero.largest == 0);
  CHECK(zero.near_zero == 1);
  CHECK_FALSE(zero.hoyer);
  CHECK_FALSE(zero.participation_ratio);
  CHECK_FALSE(sparsity(Vector<double>{{2}}).hoyer);
  CHECK(*sparsity(Vector<double>{{2}}).participation_ratio == 1);
  CHECK_THROWS_AS(sparsity(Vector<double>()), shape_error);
}

TEST_CASE("bounds need spike channels and others, and something on the former") {
  const Vector<double> h{{3, 1, 2}};
  CHECK(concentration_bounds(h, {0}));
  CHECK_FALSE(concentration_bounds(h, {}));
  CHECK_FALSE(concentration_bounds(h, {0, 1, 2}));
  CHECK_FALSE(concentration_bounds(Vector<double>{{0, 1, 2}}, {0}));
  CHECK_FALSE(concentration_bounds(Vector<double>::Zero(3), {0}));
  CHECK_FALSE(norm_bounds(h, {}, 0));
  CHECK_FALSE(norm_bounds(Vector<double>{{0, 1, 2}}, {0}, 0));
  CHECK_THROWS_AS(concentration_bounds(h, {3}), index_error);
  CHECK_THROWS_AS(norm_bounds(h, {-1}, 0), index_error);
}

TEST_CASE("the bounds on sparsity hold, with the gain and without") {
  Engine engine(7);
  BoundTally participation, hoyer, largest, near_zero;
  double kappa_error = 0, rest_error = 0, largest_error = 0;
  for (int i = 0; i < kBoundCases; ++i) {
    const auto drawn = draw_spiked_rows(engine, 1);
    const Vector<double> h = drawn.rows.row(0).transpose();
    const Matrix<double> normalised = rms_normalised(drawn.rows, drawn.eps);
    const Vector<double> u = normalised.row(0).transpose();
    const auto d = static_cast<double>(h.size());
    const Vector<double> gain = draw_gaussian<double>(engine, h.size(), 1).col(0);
    const Vector<double> v = i % 2 == 0 ? u : Vector<double>(gain.cwiseProduct(u));
    const double relative = gamma<double>(8 * roundings(h.size()));
    const auto measured = sparsity(v);
    const auto bounds = concentration_bounds(v, drawn.channels);
    if (!bounds) {
      participation.skip();
      hoyer.skip();
      continue;
    }
    participation.add(*measured.participation_ratio, bounds->participation_ratio, relative * d);
    hoyer.add(bounds->hoyer, *measured.hoyer, relative * d);

    const auto norm = norm_bounds(h, drawn.channels, drawn.eps);
    REQUIRE(norm);
    largest.add(sparsity(u).largest, norm->largest, relative * std::sqrt(d));
    CHECK(norm->largest <= std::sqrt(d) * (1 + relative));
    near_zero.add(norm->near_zero, sparsity(u).near_zero, 0);
    // Identities: the part off the spike, and its factor to what it would be without the spike.
    const Split split(u, drawn.channels);
    rest_error = std::max(rest_error, std::abs(split.rest.norm() - norm->rest_norm) / std::sqrt(d));
    largest_error =
        std::max(largest_error, std::abs(sparsity(u).largest - norm->largest) / std::sqrt(d));
    const Vector<double> rest = Split(h, drawn.channels).rest;
    const Matrix<double> without = rms_normalised(rest.transpose(), drawn.eps);
    kappa_error = std::max(
        kappa_error, (split.rest.transpose() - norm->kappa * without.row(0)).norm() / std::sqrt(d));
  }
  PLUMB_CHECK_BOUND(participation);
  PLUMB_CHECK_BOUND(hoyer);
  PLUMB_CHECK_BOUND(largest);
  PLUMB_CHECK_BOUND(near_zero);
  const double allowance = gamma<double>(8 * roundings(24));
  CHECK(rest_error <= allowance);
  CHECK(largest_error <= allowance);
  CHECK(kappa_error <= allowance);
}

TEST_CASE("the bounds on sparsity are attained when |h| is constant on each part") {
  Vector<double> h = Vector<double>::Constant(10, 0.25);
  for (Index i = 0; i < 10; i += 2) h[i] = -0.25;
  h[3] = 40;
  h[7] = -40;
  const auto bounds = concentration_bounds(h, {3, 7});
  CHECK(*sparsity(h).participation_ratio == Approx(bounds->participation_ratio).epsilon(1e-13));
  CHECK(*sparsity(h).hoyer == Approx(bounds->hoyer).epsilon(1e-13));

  // Near zero: of the channels off the spike, as many as the norm allows stand at the threshold.
  Vector<double> g = Vector<double>::Zero(10);
  g[0] = 100;
  g[1] = g[2] = g[3] = 1;
  const Vector<double> u = rms_normalised(g.transpose(), 0).row(0).transpose();
  const auto norm = norm_bounds(g, {0}, 0, u[1]);
  CHECK(norm->near_zero == 0.6);
  CHECK(sparsity(u, u[1]).near_zero == 0.6);
}

TEST_CASE("one-hot rows reach sqrt(d), and eps keeps them below") {
  const Vector<double> h{{0, 0, 7, 0}};
  CHECK(norm_bounds(h, {2}, 0)->largest == Approx(2).epsilon(1e-15));
  CHECK(norm_bounds(h, {2}, 0)->kappa == 0);
  CHECK(norm_bounds(h, {2}, 0)->rest_norm == 0);
  CHECK(norm_bounds(h, {2}, 1)->largest == Approx(2 * 7 / std::sqrt(53.0)).epsilon(1e-14));
}
