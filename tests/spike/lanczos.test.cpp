#include "plumb/spike/lanczos.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

Matrix<double> some_symmetric(Index size) {
  const Matrix<double> m = *gaussian<double>(size, size);
  return (m + m.transpose()) / 2;
}

Vector<double> spectrum(const Matrix<double>& s) {
  return Eigen::SelfAdjointEigenSolver<Matrix<double>>(s, Eigen::EigenvaluesOnly).eigenvalues();
}

Vector<double> some_start(Index size) {
  const Vector<double> start = *gaussian_vector<double>(size);
  return start.isZero(0) ? Vector<double>(Vector<double>::Ones(size)) : start;
}

/// Rounding of a product with S, of a step, and of the small eigenproblem.
double rounding(const Matrix<double>& s) {
  return gamma<double>(64 * roundings(s.rows())) * s.norm();
}

}  // namespace

TEST_CASE("Ritz values lie in the spectrum, and an eigenvalue within the bound of each end") {
  property("at every step", [] {
    const Index n = *size(30);
    const Matrix<double> s = some_symmetric(n);
    const Vector<double> values = spectrum(s);
    const double slack = rounding(s);
    Lanczos<double> lanczos(some_start(n), n);
    while (!lanczos.exhausted()) {
      lanczos.advance(s * lanczos.next());
      const auto ends = lanczos.ends();
      RC_ASSERT(ends.low.value >= values[0] - slack);
      RC_ASSERT(ends.high.value <= values[n - 1] + slack);
      RC_ASSERT(ends.low.value <= ends.second_low.value);
      RC_ASSERT(ends.second_high.value <= ends.high.value);
      for (const RitzPair& end : {ends.low, ends.second_low, ends.second_high, ends.high}) {
        const double nearest = (values.array() - end.value).abs().minCoeff();
        RC_ASSERT(nearest <= end.bound + slack);
        const Vector<double> v = lanczos.vector(end);
        RC_ASSERT(mismatch(v.norm(), 1, gamma<double>(roundings(n))) == "");
        RC_ASSERT(mismatch((s * v - end.value * v).norm(), end.bound, slack) == "");
      }
    }
  });
}

TEST_CASE("a run to the end finds both ends") {
  property("of a Gaussian matrix", [] {
    const Index n = *size(30);
    const Matrix<double> s = some_symmetric(n);
    const Vector<double> values = spectrum(s);
    // A random start misses no eigenvector; what is sought is within the bound of the last step.
    Lanczos<double> lanczos(spike::detail::random_vector(n, 7), n);
    while (!lanczos.exhausted()) lanczos.advance(s * lanczos.next());
    const auto ends = lanczos.ends();
    RC_ASSERT(mismatch(ends.low.value, values[0], ends.low.bound + rounding(s)) == "");
    RC_ASSERT(mismatch(ends.high.value, values[n - 1], ends.high.bound + rounding(s)) == "");
  });
}

TEST_CASE("the vector of a tridiagonal matrix at its eigenvalues") {
  property("residual at both ends", [] {
    const Index n = *size(40);
    const Vector<double> diagonal = *bounded_vector<double>(n);
    const Vector<double> side = (*bounded_vector<double>(std::max<Index>(n - 1, 1))).cwiseAbs();
    Matrix<double> t = diagonal.asDiagonal();
    for (Index i = 0; i + 1 < n; ++i) t(i, i + 1) = t(i + 1, i) = side[i];
    const Vector<double> values = spectrum(t);
    for (const Index i : {Index{0}, n - 1}) {
      const Vector<double> v =
          spike::detail::tridiagonal_vector(diagonal, side.head(n - 1), values[i]);
      RC_ASSERT(mismatch(v.norm(), 1, gamma<double>(8)) == "");
      RC_ASSERT((t * v - values[i] * v).norm() <=
                gamma<double>(64 * roundings(n)) * (t.norm() + 1));
    }
  });
}

TEST_CASE("from an eigenvector the space is invariant after a step") {
  const Vector<double> diagonal{{1, -4, 2}};
  Lanczos<double> lanczos(Vector<double>::Unit(3, 1) * 5, 3);
  lanczos.advance(diagonal.cwiseProduct(lanczos.next()));
  CHECK(lanczos.steps() == 1);
  CHECK(lanczos.invariant());
  CHECK(lanczos.exhausted());
  CHECK(lanczos.ends().low.value == -4);
  CHECK(lanczos.ends().high.bound == 0);
}

TEST_CASE("no more steps than allowed, and not more than the size") {
  const Vector<double> diagonal = Vector<double>::LinSpaced(50, -1, 2);
  for (const Index most : {Index{1}, Index{17}, Index{100}}) {
    Lanczos<double> lanczos(Vector<double>::Ones(50), most);
    while (!lanczos.exhausted()) lanczos.advance(diagonal.cwiseProduct(lanczos.next()));
    CHECK(lanczos.steps() == std::min<Index>(most, 50));
  }
}

TEST_CASE("in float a run reaches the ends to float accuracy") {
  Engine engine(1);
  const Matrix<float> m = draw_gaussian<float>(engine, 60, 60);
  const Matrix<float> s = (m + m.transpose()) / 2;
  const Vector<double> values = spectrum(s.cast<double>());
  Lanczos<float> lanczos(spike::detail::random_vector(60, 1).cast<float>(), 60);
  while (!lanczos.exhausted()) lanczos.advance(s * lanczos.next());
  const double allowance = gamma<float>(64) * static_cast<double>(s.norm());
  CHECK(mismatch(lanczos.ends().low.value, values[0], allowance) == "");
  CHECK(mismatch(lanczos.ends().high.value, values[59], allowance) == "");
}

TEST_CASE("starts that give no direction, and operators that overflow, are seen") {
  CHECK_THROWS_WITH(Lanczos<double>(Vector<double>(), 3), "Lanczos: start is empty");
  const Lanczos<double> zero(Vector<double>::Zero(3), 3);
  CHECK_FALSE(zero.finite());
  CHECK(zero.exhausted());
  const Vector<double> nan = Vector<double>::Constant(3, std::nan(""));
  CHECK_FALSE(Lanczos<double>(nan, 3).finite());
  Lanczos<double> lanczos(Vector<double>::Ones(3), 3);
  lanczos.advance(Vector<double>::Constant(3, std::numeric_limits<double>::infinity()));
  CHECK_FALSE(lanczos.finite());
  CHECK(lanczos.exhausted());
}

TEST_CASE("an operator of zero is invariant at once") {
  Lanczos<double> lanczos(Vector<double>::Ones(4), 4);
  lanczos.advance(Vector<double>::Zero(4));
  CHECK(lanczos.invariant());
  CHECK(lanczos.ends().low.value == 0);
  CHECK(lanczos.ends().high.bound == 0);
}
