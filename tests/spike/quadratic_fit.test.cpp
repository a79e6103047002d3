#include "plumb/spike/quadratic_fit.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

struct Law {
  double lambda;
  Vector<double> s;

  Vector<double> operator()(const Matrix<double>& h) const { return lambda * (h * s).cwiseAbs2(); }
};

Law some_law(Engine& engine, Index channels) {
  const double sign = engine() % 2 == 0 ? 1 : -1;
  const Vector<double> s = draw_gaussian<double>(engine, channels, 1);
  return {sign * draw_magnitude(engine, 1e-2, 1e3), s.normalized()};
}

/// How far the direction and lambda of a fit of exact samples may be off: the rounding of the
/// samples, and of the fit when it compares, through the least singular value of the law's
/// Jacobian.
double exact_allowance(const Law& law, const Matrix<double>& h) {
  const Matrix<double> j = (2 * std::sqrt(std::abs(law.lambda)) * (h * law.s)).asDiagonal() * h;
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> normal(j.transpose() * j);
  const Vector<double> sizes = std::abs(law.lambda) * (h.cwiseAbs() * law.s.cwiseAbs()).cwiseAbs2();
  const double rounding = 8 * gamma<double>(roundings(h.cols())) * sizes.norm();
  return rounding / std::sqrt(normal.eigenvalues()[0]) / std::sqrt(std::abs(law.lambda));
}

double angle(const Vector<double>& a, const Vector<double>& b) {
  const double sign = a.dot(b) < 0 ? -1 : 1;
  return 2 * std::asin(std::min(1.0, (a - sign * b).norm() / 2));
}

FitStatus status_of(const Matrix<double>& h, const Vector<double>& f) {
  const auto fit = quadratic_fit(h, f);
  CHECK(std::isfinite(fit.lambda));
  CHECK(std::isfinite(fit.r_squared));
  return fit.status;
}

}  // namespace

TEST_CASE("exact samples of a law give it back") {
  property("for Gaussian samples of any covariance", [] {
    Engine engine(*rc::gen::arbitrary<unsigned>());
    const Index channels = *size(9);
    const Index samples = 6 * channels + 10;
    const auto law = some_law(engine, channels);
    const Matrix<double> stretch =
        Vector<double>(draw_gaussian<double>(engine, channels, 1).unaryExpr([](double x) {
          return std::exp(x);
        })).asDiagonal();
    const Matrix<double> h = draw_gaussian<double>(engine, samples, channels) * stretch;
    const auto fit = quadratic_fit(h, law(h));
    RC_ASSERT(fit.status == FitStatus::converged);
    const double allowed = exact_allowance(law, h);
    RC_ASSERT(angle(fit.direction, law.s) <= allowed);
    RC_ASSERT(mismatch(fit.lambda, law.lambda, 3 * allowed * std::abs(law.lambda)) == "");
    RC_ASSERT(fit.r_squared > 1 - 1e-12);
    RC_ASSERT(std::abs(fit.direction.norm() - 1) <= gamma<double>(roundings(channels)));
    RC_ASSERT(channels == 1 || std::abs(*fit.degree - 2) < 1e-6);
  });
}

TEST_CASE("one channel is fitted too") {
  const Matrix<double> h = Vector<double>{{1, 2, -3}};
  const auto fit = quadratic_fit(h, Vector<double>{{-2, -8, -18}});
  CHECK(fit.status == FitStatus::converged);
  CHECK(fit.lambda == Approx(-2));
  CHECK(fit.direction[0] == 1);
}

TEST_CASE("scaling F scales lambda, and scaling h divides it by the square") {
  Engine engine(3);
  const auto law = some_law(engine, 5);
  const Matrix<double> h = draw_gaussian<double>(engine, 40, 5);
  const Vector<double> f = law(h) + draw_gaussian<double>(engine, 40, 1);
  const auto fit = quadratic_fit(h, f);
  for (const double scale : {1e-150, 1e-3, 1e60}) {
    const auto scaled = quadratic_fit(h, scale * f);
    CHECK(scaled.lambda == Approx(scale * fit.lambda).epsilon(1e-7));
    CHECK(*scaled.lambda_error == Approx(scale * *fit.lambda_error).epsilon(1e-7));
    const auto longer = quadratic_fit(scale * h, f);
    CHECK(longer.lambda == Approx(fit.lambda / scale / scale).epsilon(1e-7));
    CHECK(angle(longer.direction, fit.direction) < 1e-6);
  }
}

TEST_CASE("standard errors say how far noise moves the fit") {
  Engine engine(11);
  constexpr int kRepeats = 200;
  constexpr Index kChannels = 6, kSamples = 120;
  double lambda_ratio = 0, direction_ratio = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const auto law = some_law(engine, kChannels);
    const Matrix<double> h = draw_gaussian<double>(engine, kSamples, kChannels);
    const Vector<double> exact = law(h);
    const double noise = 0.1 * exact.norm() / std::sqrt(double{kSamples});  // 20 dB
    const Vector<double> f = exact + noise * draw_gaussian<double>(engine, kSamples, 1);
    const auto fit = quadratic_fit(h, f);
    REQUIRE(fit.status == FitStatus::converged);
    CHECK(fit.r_squared ==
          Approx(1 - (Law{fit.lambda, fit.direction}(h)-f).squaredNorm() / f.squaredNorm()));
    lambda_ratio += std::pow((fit.lambda - law.lambda) / *fit.lambda_error, 2) / kRepeats;
    direction_ratio += std::pow(angle(fit.direction, law.s) / *fit.direction_error, 2) / kRepeats;
  }
  // Means of 200 squares of standard normals, and of 5 of them: within 4 of their deviations.
  CHECK(std::abs(lambda_ratio - 1) < 4 * std::sqrt(2.0 / kRepeats));
  CHECK(std::abs(direction_ratio - 1) < 4 * std::sqrt(2.0 / kRepeats / 5));
}

TEST_CASE("the fit is a least squares solution: no nearby law is better") {
  Engine engine(12);
  const Matrix<double> h = draw_gaussian<double>(engine, 60, 4);
  const Vector<double> f = some_law(engine, 4)(h) + 0.3 * draw_gaussian<double>(engine, 60, 1);
  const auto fit = quadratic_fit(h, f);
  const auto rss = [&](double lambda, const Vector<double>& s) {
    return (Law{lambda, s.normalized()}(h)-f).squaredNorm();
  };
  const double least = rss(fit.lambda, fit.direction);
  for (int i = 0; i < 200; ++i) {
    const Vector<double> step = 1e-3 * draw_gaussian<double>(engine, 4, 1);
    CHECK(rss(fit.lambda * (1 + step[0]), fit.direction + step) > least);
  }
}

TEST_CASE("samples that cannot tell s have a status, never NaN") {
  Engine engine(5);
  const auto law = some_law(engine, 4);
  const Matrix<double> h = draw_gaussian<double>(engine, 40, 4);
  const Vector<double> f = law(h);

  CHECK(status_of(h.topRows(6), f.head(6)) == FitStatus::too_few);
  CHECK(status_of(h.topRows(7), f.head(7)) != FitStatus::too_few);
  CHECK(status_of(h, Vector<double>::Zero(40)) == FitStatus::zero);
  CHECK(status_of(Matrix<double>::Zero(40, 4), f) == FitStatus::zero);
  CHECK(status_of(h, Vector<double>::Constant(40, 3.7)) == FitStatus::constant);

  auto broken = f;
  broken[3] = std::nan("");
  CHECK(status_of(h, broken) == FitStatus::not_finite);
  Matrix<double> infinite = h;
  infinite(2, 2) = INFINITY;
  CHECK(status_of(infinite, f) == FitStatus::not_finite);

  Vector<double> one_speaks = Vector<double>::Zero(40);
  one_speaks[7] = 5;
  const auto lone = quadratic_fit(h, one_speaks);
  CHECK(lone.r_squared <= 1);
  CHECK(std::isfinite(lone.lambda));
}

TEST_CASE("samples in a plane give the part of s in the plane, and say so") {
  Engine engine(6);
  const auto law = some_law(engine, 5);
  const Matrix<double> plane = draw_gaussian<double>(engine, 2, 5);
  const Matrix<double> h = draw_gaussian<double>(engine, 50, 2) * plane;
  const auto fit = quadratic_fit(h, law(h));
  CHECK(fit.status == FitStatus::collinear);
  CHECK(fit.r_squared > 1 - 1e-10);
  const Eigen::HouseholderQR<Matrix<double>> basis(plane.transpose());
  const Matrix<double> q = basis.householderQ() * Matrix<double>::Identity(5, 2);
  const Vector<double> seen = q * (q.transpose() * law.s);
  CHECK(angle(fit.direction, seen.normalized()) < 1e-6);

  const Matrix<double> line = draw_gaussian<double>(engine, 50, 1) * plane.topRows(1);
  CHECK(status_of(line, law(line)) == FitStatus::collinear);
}

TEST_CASE("where most samples do not speak s is not identified") {
  // F is carried by three samples in six channels; the others are orthogonal to s.
  Engine engine(8);
  Matrix<double> h = draw_gaussian<double>(engine, 40, 6);
  h.col(0).setZero();
  h.topRows(3).col(0) << 1, 2, 3;
  const Vector<double> f = h.col(0).cwiseAbs2();
  const auto fit = quadratic_fit(h, f);
  CHECK(fit.status == FitStatus::unidentified);
  CHECK_FALSE(fit.direction_error.has_value());
}

TEST_CASE("sizes that differ, and no samples, throw") {
  CHECK_THROWS_AS(quadratic_fit(Matrix<double>::Ones(3, 2), Vector<double>::Ones(4)), shape_error);
  CHECK_THROWS_AS(quadratic_fit(Matrix<double>(0, 2), Vector<double>(0)), shape_error);
  CHECK_THROWS_AS(log_log_degree(Vector<double>::Ones(3), Vector<double>::Ones(2)), shape_error);
}

TEST_CASE("the log-log degree of a power is its exponent, and of nothing is absent") {
  const Vector<double> a{{0.5, -2, 3, 0, 8}};
  for (const double power : {1.0, 2.0, 2.278465}) {
    const Vector<double> f = -3 * a.cwiseAbs().array().pow(power);
    CHECK(*log_log_degree(a, f) == Approx(power).epsilon(1e-12));
  }
  CHECK_FALSE(log_log_degree(a, Vector<double>::Zero(5)));
  CHECK_FALSE(log_log_degree(Vector<double>::Ones(3), Vector<double>{{1, 2, 3}}));
  CHECK_FALSE(log_log_degree(Vector<double>(0), Vector<double>(0)));
}

TEST_CASE("one open neuron has a local degree between 2 and 2.278465") {
  property("2 + z sigma(-z)", [] {
    const auto g = *gaussian<double>(1, 4), u = *gaussian<double>(1, 4);
    const FeedForward<double> neuron{g, u, *gaussian<double>(4, 1)};
    const Vector<double> x = *gaussian_vector<double>(4, 3);
    const double z = g.row(0).dot(x), y = u.row(0).dot(x);
    const auto degree = local_degree<double>(neuron, x);
    RC_PRE(std::abs(z) > 1e-3 && std::abs(y) > 1e-3 && neuron.down.norm() > 1e-3);
    RC_ASSERT(degree.has_value());
    const double size = 1 + (g.norm() * x.norm()) / std::abs(z) + u.norm() * x.norm() / std::abs(y);
    RC_ASSERT(std::abs(*degree - (2 + z / (1 + std::exp(z)))) <=
              gamma<double>(100) * size * (3 + std::abs(z)));
    if (z > 0) RC_ASSERT(*degree >= 2 - 1e-9 && *degree <= 2.278465);
  });
  const FeedForward<double> block{Matrix<double>::Ones(2, 3), Matrix<double>::Ones(2, 3),
                                  Matrix<double>::Ones(3, 2)};
  CHECK_FALSE(local_degree<double>(block, Vector<double>::Zero(3)));
}

TEST_CASE("a black box with one amplifying neuron shows its direction") {
  Engine engine(9);
  constexpr Index kChannels = 12;
  const Vector<double> s = Vector<double>(draw_gaussian<double>(engine, kChannels, 1)).normalized();
  const FeedForward<double> block{8 * s.transpose(), 8 * s.transpose(),
                                  draw_gaussian<double>(engine, kChannels, 1)};
  Matrix<double> x = draw_gaussian<double>(engine, 200, kChannels);
  const Vector<double> sides = x * s;
  for (Index i = 0; i < x.rows(); ++i) {
    if (sides[i] < 0.5) x.row(i) += (1 - sides[i]) * s.transpose();  // where the gate is open
  }
  const Matrix<double> f = block.value(x);
  for (const Index k : {0, 5}) {
    const auto fit = quadratic_fit(x, f.col(k));
    CHECK(fit.status == FitStatus::converged);
    CHECK(std::abs(fit.direction.dot(s)) > 1 - 1e-6);
    CHECK(fit.lambda == Approx(64 * block.down(k, 0)).epsilon(0.02));
    CHECK(fit.r_squared > 0.999);
    CHECK(*fit.degree == Approx(2).margin(0.05));
  }
}

TEST_CASE("statuses have names") {
  for (const auto status :
       {FitStatus::converged, FitStatus::not_converged, FitStatus::too_few, FitStatus::collinear,
        FitStatus::unidentified, FitStatus::zero, FitStatus::constant, FitStatus::not_finite}) {
    CHECK(std::string(to_string(status)) != "?");
  }
}
