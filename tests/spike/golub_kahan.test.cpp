#include "plumb/spike/golub_kahan.hpp"

#include <Eigen/QR>
#include <Eigen/SVD>
#include <catch2/catch.hpp>
#include <string>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

template <class T>
SingularTriplets of(const Matrix<T>& a, const SingularOptions& options = {}) {
  return singular_triplets<T>(
      a.rows(), a.cols(), [&](const Vector<T>& v) { return Vector<T>(a * v); },
      [&](const Vector<T>& u) { return Vector<T>(a.transpose() * u); }, options);
}

SingularOptions wanting(Index count) {
  SingularOptions options;
  options.count = count;
  return options;
}

/// diag(values) between random orthogonal matrices.
Matrix<double> with_values(Engine& engine, const Vector<double>& values, Index rows) {
  const auto rotation = [&](Index size) -> Matrix<double> {
    const Eigen::HouseholderQR<Matrix<double>> qr(draw_gaussian<double>(engine, size, size));
    return qr.householderQ();
  };
  Matrix<double> middle = Matrix<double>::Zero(rows, values.size());
  middle.diagonal() = values;
  return rotation(rows) * middle * rotation(values.size());
}

}  // namespace

TEST_CASE("the triplets are those of a dense solver") {
  property("for Gaussian matrices of any shape", [] {
    const Index rows = *size(), cols = *size();
    const auto a = *gaussian<double>(rows, cols);
    const Index count = std::min<Index>(3, std::min(rows, cols));
    const auto found = of(a, wanting(count));
    const Eigen::JacobiSVD<Eigen::MatrixXd> dense(a);
    RC_ASSERT(found.status == SingularStatus::converged);
    RC_ASSERT(found.count() == count);
    const double size = a.norm();
    for (Index i = 0; i < count; ++i) {
      RC_ASSERT(found.residual[i] <= 2e-8 * found.values[0]);
      RC_ASSERT(mismatch(found.values[i], dense.singularValues()[i],
                         found.residual[i] + gamma<double>(50) * size) == "");
      const Vector<double> u = found.left.row(i), v = found.right.row(i);
      const double measured = std::max((a * v - found.values[i] * u).norm(),
                                       (a.transpose() * u - found.values[i] * v).norm());
      RC_ASSERT(mismatch(found.residual[i], measured, gamma<double>(50) * size) == "");
    }
    if (a.isZero(0)) return;
    const Matrix<double> unit = Matrix<double>::Identity(count, count);
    RC_ASSERT(mismatch(found.right * found.right.transpose(), unit, 1e-12) == "");
  });
}

TEST_CASE("multiple singular values are found as often as they occur") {
  Engine engine(6);
  for (int i = 0; i < 100; ++i) {
    const auto a = with_values(engine, Vector<double>{{5, 5, 5, 2, 1}}, 7);
    const auto found = of(a, wanting(4));
    CHECK(found.status == SingularStatus::converged);
    CHECK(mismatch(found.values, Vector<double>{{5, 5, 5, 2}}, found.residual.maxCoeff() + 1e-13) ==
          "");
  }
  const auto identity = of(Matrix<double>(Matrix<double>::Identity(6, 6)), wanting(6));
  CHECK(mismatch(identity.values, Vector<double>::Ones(6), 1e-14) == "");
}

TEST_CASE("a map of low rank has zeros after its rank, without NaN") {
  Engine engine(7);
  const auto a = with_values(engine, Vector<double>{{3, 1, 0, 0}}, 4);
  const auto found = of(a, wanting(4));
  CHECK(mismatch(found.values, Vector<double>{{3, 1, 0, 0}}, 1e-14) == "");
  CHECK(found.left.allFinite());
  CHECK(found.left.row(3).norm() == 0);

  const auto zero = of(Matrix<double>(Matrix<double>::Zero(5, 3)), wanting(2));
  CHECK(zero.status == SingularStatus::converged);
  CHECK(zero.values.isZero(0));
  CHECK(zero.left.isZero(0));
  CHECK(zero.right.allFinite());
}

TEST_CASE("large maps converge in few steps, in float to its accuracy") {
  Engine engine(1);
  const auto a = draw_gaussian<double>(engine, 300, 200);
  const Eigen::BDCSVD<Eigen::MatrixXd> dense(a);
  const auto found = of(a, wanting(5));
  CHECK(found.status == SingularStatus::converged);
  CHECK(mismatch(found.values, dense.singularValues().head(5), 1e-12) == "");
  CHECK(found.applications < 2 * 200);

  const auto single = of<float>(a.cast<float>(), wanting(5));
  CHECK(single.status == SingularStatus::converged);
  CHECK(mismatch(single.values, dense.singularValues().head(5), 2e-5 * found.values[0]) == "");
}

TEST_CASE("too few steps, and maps that are not finite, have a status") {
  Engine engine(2);
  const auto a = draw_gaussian<double>(engine, 80, 80);
  SingularOptions short_run;
  short_run.count = 2;
  short_run.steps = 6;
  const auto found = of(a, short_run);
  CHECK(found.status == SingularStatus::not_converged);
  CHECK(found.count() == 2);
  const Eigen::JacobiSVD<Eigen::MatrixXd> dense(a);
  CHECK(found.values[0] <= dense.singularValues()[0] * (1 + 1e-14));

  auto broken = a;
  broken(3, 4) = std::nan("");
  CHECK(of(broken).status == SingularStatus::not_finite);
  CHECK(of(broken).count() == 0);
  broken(3, 4) = INFINITY;
  CHECK(of(broken).status == SingularStatus::not_finite);
}

TEST_CASE("the same seed gives the same bits, and another the same values") {
  Engine engine(3);
  const auto a = draw_gaussian<double>(engine, 30, 20);
  CHECK(difference(of(a).right, of(a).right) == "");
  SingularOptions other;
  other.seed = 77;
  CHECK(mismatch(of(a, other).values, of(a).values, 1e-12) == "");
}

TEST_CASE("scaling the map scales its values") {
  Engine engine(4);
  const auto a = draw_gaussian<double>(engine, 12, 9);
  const auto plain = of(a, wanting(3));
  for (const double scale : {1e-120, 1e120}) {
    const auto scaled = of(Matrix<double>(scale * a), wanting(3));
    CHECK(mismatch(scaled.values / scale, plain.values, 1e-12) == "");
  }
}

TEST_CASE("empty maps, counts and sizes that do not fit throw") {
  const Matrix<double> a = Matrix<double>::Ones(3, 2);
  CHECK_THROWS_AS(of(Matrix<double>(0, 2)), shape_error);
  CHECK_THROWS_AS(of(a, wanting(0)), shape_error);
  CHECK_THROWS_AS(of(a, wanting(1000)), shape_error);
  const auto wrong = [](const Vector<double>&) { return Vector<double>(Vector<double>::Ones(5)); };
  CHECK_THROWS_AS(singular_triplets<double>(3, 2, wrong, wrong), shape_error);
}

TEST_CASE("statuses have names") {
  for (const auto status :
       {SingularStatus::converged, SingularStatus::not_converged, SingularStatus::not_finite}) {
    CHECK(std::string(to_string(status)) != "?");
  }
}
