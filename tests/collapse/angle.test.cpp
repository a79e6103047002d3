#include "plumb/collapse/angle.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/spiked_rows.hpp"

using namespace plumb;
using namespace plumb::collapse;
using namespace plumb::test;

namespace {

/// Unit vectors of the plane spanned by the first two coordinates of `size`.
Vector<double> at_angle(Index size, double radians) {
  Vector<double> v = Vector<double>::Zero(size);
  v[0] = std::cos(radians);
  v[1] = std::sin(radians);
  return v;
}

}  // namespace

TEST_CASE("the angle of two vectors, small and nearly straight ones to full precision") {
  const double pi = std::numbers::pi;
  for (const double theta : {0.0, 1e-12, 1e-8, 1e-3, 0.5, pi / 2, 2.0, pi - 1e-3, pi}) {
    for (const double size : {1e-300, 1.0, 1e200}) {
      INFO(theta << " of size " << size);
      const Vector<double> a = size * at_angle(5, 0.0), b = 3 * at_angle(5, theta);
      // Unit vectors to two roundings a coordinate, their sum and difference to one more.
      CHECK(std::abs(*angle(a, b) - theta) <= 16 * unit<double> * std::max(theta, 1e-3));
      CHECK(std::abs(*cosine(a, b) - std::cos(theta)) <= 16 * unit<double>);
    }
  }
}

TEST_CASE("laws of the angle") {
  property("symmetric, blind to scale, turned by nothing orthogonal", [] {
    const auto n = *size(12);
    const Vector<double> a = *gaussian_vector<double>(n), b = *gaussian_vector<double>(n);
    RC_PRE(!a.isZero(0) && !b.isZero(0));
    const double theta = *angle(a, b), allowance = 40 * roundings(n) * unit<double>;
    RC_ASSERT(theta >= 0 && theta <= std::numbers::pi);
    RC_ASSERT(std::abs(*angle(b, a) - theta) <= allowance);
    RC_ASSERT(std::abs(*angle(7.25 * a, 1e-5 * b) - theta) <= allowance);
    RC_ASSERT(std::abs(*angle(-a, b) - (std::numbers::pi - theta)) <= allowance);
    RC_ASSERT(std::abs(std::cos(theta) - *cosine(a, b)) <= allowance);
  });
}

TEST_CASE("a zero vector has no angle, and sizes must agree") {
  const Vector<double> zero = Vector<double>::Zero(3), one = Vector<double>::Ones(3);
  CHECK_FALSE(angle(zero, one));
  CHECK_FALSE(angle(one, zero));
  CHECK_FALSE(cosine(zero, one));
  CHECK_THROWS_AS(angle(one, Vector<double>::Ones(2)), shape_error);
  CHECK_THROWS_AS(cosine(one, Vector<double>::Ones(2)), shape_error);
}

TEST_CASE("the lift: RMSNorm is the sphere map of (h, sqrt(d eps)) with one coordinate dropped") {
  property("u = sqrt(d) H / ||H|| without its last coordinate", [] {
    Engine engine(*rc::gen::arbitrary<unsigned>());
    const auto drawn = draw_spiked_rows(engine, 1);
    const auto d = drawn.rows.cols();
    const Vector<double> lifted = lift(drawn.rows.row(0).transpose(), drawn.eps);
    RC_ASSERT(lifted.size() == d + 1);
    const Vector<double> u = std::sqrt(double(d)) * lifted.normalized().head(d);
    RC_ASSERT(mismatch(u.transpose(), rms_normalised(drawn.rows, drawn.eps),
                       gamma<double>(2 * roundings(d)) * std::sqrt(double(d))) == "");
  });
}

TEST_CASE("the mean pairwise cosine is the mean over pairs") {
  property("naive twin", [] {
    const auto rows = *gaussian<double>(2 + *size(6), *size(9));
    double sum = 0;
    Index pairs = 0;
    for (Index a = 0; a < rows.rows(); ++a) {
      for (Index b = a + 1; b < rows.rows(); ++b) {
        const auto c = cosine(rows.row(a).transpose(), rows.row(b).transpose());
        if (!c) continue;
        sum += *c;
        ++pairs;
      }
    }
    const auto mean = mean_pairwise_cosine(rows);
    RC_ASSERT(mean.has_value() == (pairs > 0));
    if (!mean) return;
    RC_ASSERT(std::abs(*mean - sum / double(pairs)) <=
              gamma<double>(roundings(rows.cols()) * double(rows.rows())) * double(rows.rows()));
  });
  CHECK(*mean_pairwise_cosine(Matrix<double>{{1, 0}, {2, 0}, {0, 0}}) == 1);
  CHECK(*mean_pairwise_cosine(Matrix<double>{{1, 0}, {-2, 0}}) == -1);
  CHECK_FALSE(mean_pairwise_cosine(Matrix<double>{{1, 0}, {0, 0}}));
  CHECK_FALSE(mean_pairwise_cosine(Matrix<double>(0, 3)));
}
