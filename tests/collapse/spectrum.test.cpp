#include "plumb/collapse/spectrum.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::collapse;
using namespace plumb::test;

namespace {

Matrix<double> diagonal(const Vector<double>& values, Index rows, Index cols) {
  Matrix<double> m = Matrix<double>::Zero(rows, cols);
  for (Index i = 0; i < values.size(); ++i) m(i, i) = values[i];
  return m;
}

Matrix<double> draw_orthogonal(Engine& engine, Index n) {
  const Eigen::HouseholderQR<Matrix<double>> qr(draw_gaussian<double>(engine, n, n));
  return qr.householderQ();
}

}  // namespace

TEST_CASE("singular values of U diag(s) V' are s, small ones too by the QR route") {
  Engine engine(1);
  const Vector<double> values{{5.0, 2.0, 1e-3, 1e-9, 1e-13}};
  for (const auto& [rows, cols] : {std::pair<Index, Index>{5, 5}, {40, 5}, {5, 33}, {9, 12}}) {
    const Matrix<double> a = draw_orthogonal(engine, rows) * diagonal(values, rows, cols) *
                             draw_orthogonal(engine, cols).transpose();
    const auto gram = singular_values(a), qr = singular_values(a, Route::qr);
    CHECK(gram.size() == std::min(rows, cols));
    CHECK(qr.size() == gram.size());
    // Backward errors: n u ||A|| of the QR, n u ||A||^2 of the Gram matrix, whose root it is.
    const double n = roundings(rows + cols);
    CHECK(mismatch(qr.head(5), values, 16 * n * unit<double> * 5) == "");
    CHECK(mismatch(gram.head(3), values.head(3), 16 * n * unit<double> * 25 / 1e-3) == "");
    CHECK(gram[4] <= std::sqrt(16 * n * unit<double>) * 5);
    CHECK(spectral_norm(a) == gram[0]);
  }
}

TEST_CASE("laws of singular values") {
  property("Frobenius norm, transposition, and both routes agree", [] {
    const auto a = *activations<double>(*size(9), *size(9));
    const auto qr = singular_values(a, Route::qr), gram = singular_values(a);
    const double n = roundings(a.rows() + a.cols()), scale = a.norm();
    const double allowance = 16 * n * unit<double> * scale;
    RC_ASSERT(std::abs(qr.norm() - scale) <= allowance);
    RC_ASSERT(mismatch(singular_values(a.transpose(), Route::qr), qr, allowance) == "");
    RC_ASSERT(mismatch(gram, qr, std::sqrt(16 * n * unit<double>) * scale) == "");
    for (Index i = 1; i < qr.size(); ++i) RC_ASSERT(qr[i] <= qr[i - 1]);
  });
  CHECK_THROWS_AS(singular_values(Matrix<double>(0, 3)), shape_error);
}

TEST_CASE("ranks of spectra that are known") {
  const auto flat = spectrum_of(Vector<double>::Constant(4, 3));
  CHECK(flat.effective_rank == Approx(4));
  CHECK(flat.participation_ratio == Approx(4));
  CHECK(flat.rank_99 == 4);
  CHECK(flat.second_share() == 1);
  const auto line = spectrum_of(Vector<double>{{7, 0, 0}});
  CHECK(line.effective_rank == 1);
  CHECK(line.participation_ratio == 1);
  CHECK(line.rank_99 == 1);
  CHECK(line.second_share() == 0);
  const auto nothing = spectrum_of(Vector<double>::Zero(3));
  CHECK(nothing.effective_rank == 0);
  CHECK(nothing.participation_ratio == 0);
  CHECK(nothing.rank_99 == 0);
  CHECK(nothing.second_share() == 0);
  // Shares 3/4 and 1/4: exp of their entropy; energies 9 and 1.
  const auto two = spectrum_of(Vector<double>{{3, 1}});
  CHECK(two.effective_rank == Approx(std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25))));
  CHECK(two.participation_ratio == Approx(100.0 / 82));
  CHECK(two.rank_99 == 2);
  CHECK(spectrum_of(Vector<double>{{10, 0.5}}).rank_99 == 1);
}

TEST_CASE("a spectrum from the Gram matrix is that from the rows") {
  Engine engine(2);
  const auto rows = draw_gaussian<double>(engine, 20, 6);
  const Matrix<double> gram = rows.transpose() * rows;
  const auto direct = spectrum(rows), summed = spectrum_of_gram(gram);
  CHECK(mismatch(direct.singular_values, summed.singular_values, 1e-12) == "");
  CHECK(direct.rank_99 == summed.rank_99);
  CHECK_THROWS_AS(spectrum_of_gram(rows), shape_error);
}

TEST_CASE("a leading subspace is orthonormal and holds 99 % of the energy") {
  Engine engine(4);
  const Matrix<double> turn = draw_orthogonal(engine, 6);
  const Matrix<double> rows = diagonal(Vector<double>{{10, 9, 0.1, 0.01}}, 6, 6) * turn;
  const auto basis = leading_subspace(rows.transpose() * rows);
  CHECK(basis.rows() == 2);
  CHECK(mismatch(basis * basis.transpose(), Matrix<double>::Identity(2, 2), 1e-14) == "");
  CHECK(mismatch(principal_angles(basis, turn.topRows(2)), Vector<double>::Zero(2), 1e-12) == "");
  CHECK(leading_subspace(Matrix<double>::Zero(4, 4)).rows() == 0);
}

TEST_CASE("principal angles of planes that are known, tiny and right ones exactly") {
  Engine engine(5);
  for (const double small : {0.0, 1e-14, 1e-9, 1e-4}) {
    const Matrix<double> turn = draw_orthogonal(engine, 7);
    Matrix<double> a = Matrix<double>::Zero(2, 7), b = Matrix<double>::Zero(3, 7);
    a(0, 0) = a(1, 1) = 1;
    b(0, 0) = std::cos(small);
    b(0, 3) = std::sin(small);
    b(1, 1) = std::cos(1.2);
    b(1, 4) = std::sin(1.2);
    b(2, 5) = 1;
    for (const auto& angles :
         {principal_angles(a * turn, b * turn), principal_angles(b * turn, a * turn)}) {
      REQUIRE(angles.size() == 2);
      CHECK(std::abs(angles[0] - small) <= 64 * unit<double>);
      CHECK(std::abs(angles[1] - 1.2) <= 64 * unit<double>);
    }
  }
  const Matrix<double> x{{1, 0}}, y{{0, 1}};
  CHECK(principal_angles(x, y)[0] == Approx(std::numbers::pi / 2).epsilon(1e-15));
  CHECK(principal_angles(x, Matrix<double>(0, 2)).size() == 0);
  CHECK_THROWS_AS(principal_angles(x, Matrix<double>(1, 3)), shape_error);
}
