#include "plumb/spike/quadratic_form.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// gamma_{hidden + f + 8} mass: the allowance of a coordinate of S x for a unit x, and of an entry.
template <class S, class T>
double allowance(const Weights<T>& block, Index k) {
  return gamma<S>(static_cast<double>(block.gate.cols() + block.gate.rows()) + 8) *
         mass_twin(block, k);
}

}  // namespace

TEMPLATE_TEST_CASE("S_k is (U_k + U_k') / 2, as an operator and as a matrix", "", float, double) {
  using T = TestType;
  property("against the definition in long double", [] {
    const Index hidden = *size(), neurons = *size(40), channels = *size(5);
    const auto block = *some_weights<T>(hidden, neurons, channels);
    const Index k = channels - 1;
    const auto form = block.form(k);
    const Matrix<double> want = form_twin(block, k);
    const double rounding = allowance<double>(block, k);
    RC_ASSERT(mismatch(form.dense(), want, 2 * rounding) == "");

    const Vector<double> x = *gaussian_vector<double>(hidden);
    RC_ASSERT(mismatch(form.apply(x), want * x, 2 * rounding * x.norm()) == "");
    const Vector<T> narrow = x.template cast<T>();
    RC_ASSERT(mismatch(form.apply(narrow), want * narrow.template cast<double>(),
                       2 * allowance<T>(block, k) * x.norm()) == "");
  });
}

TEST_CASE("forms of many channels are applied together as one by one") {
  property("row r with channel r", [] {
    const Index hidden = *size(), neurons = *size(40), channels = 3;
    const auto block = *some_weights<double>(hidden, neurons, channels);
    const std::vector<Index> order = {2, 0, 0, 1};
    const Matrix<double> x = *gaussian<double>(4, hidden);
    const Matrix<double> together =
        spike::detail::apply_each(block.view(), order, x, [](auto&&...) {});
    for (Index r = 0; r < 4; ++r) {
      const Index k = order[static_cast<std::size_t>(r)];
      const Vector<double> row = x.row(r).transpose();
      RC_ASSERT(mismatch(together.row(r).transpose(), block.form(k).apply(row),
                         2 * allowance<double>(block, k) * row.norm()) == "");
    }
  });
}

TEST_CASE("x' S_k x is the even part of F_k") {
  property("F_k(x) + F_k(-x)", [] {
    const Index hidden = *size(), neurons = *size();
    const auto block = *some_weights<double>(hidden, neurons, hidden);
    const FeedForward<double> feed_forward{block.gate, block.up, block.down};
    const Vector<double> x = *gaussian_vector<double>(hidden);
    const Matrix<double> read = (block.gain.cwiseProduct(x)).transpose();
    const Matrix<double> even = feed_forward.value(read) + feed_forward.value(-read);
    for (Index k = 0; k < hidden; ++k) {
      const double rounding = 8 * allowance<double>(block, k) * x.squaredNorm();
      RC_ASSERT(mismatch(even(0, k), x.dot(block.form(k).apply(x)), rounding) == "");
    }
  });
}

TEMPLATE_TEST_CASE("norms of one form and of all are those of the matrix", "", float, double) {
  using T = TestType;
  property("trace, ||S||_F, ||U||_F and mass", [] {
    const Index hidden = *size(), neurons = *size(40), channels = *size(4);
    const auto block = *some_weights<T>(hidden, neurons, channels);
    const auto all = form_norms(block.view());
    RC_ASSERT(all.size() == static_cast<std::size_t>(channels));
    for (Index k = 0; k < channels; ++k) {
      const Matrix<double> s = form_twin(block, k);
      const double product = static_cast<double>(product_twin(block, k).norm());
      const double mass = mass_twin(block, k), rounding = 2 * allowance<double>(block, k);
      for (const FormNorms& norms : {all[static_cast<std::size_t>(k)], form_norms(block.form(k))}) {
        RC_ASSERT(mismatch(norms.trace, s.trace(), rounding) == "");
        RC_ASSERT(mismatch(norms.form * norms.form, s.squaredNorm(), norms.rounding) == "");
        RC_ASSERT(mismatch(norms.product * norms.product, product * product, norms.rounding) == "");
        // The twin takes lengths of rows that were rounded to T.
        RC_ASSERT(mismatch(norms.mass, mass, gamma<T>(8) * mass + rounding) == "");
        RC_ASSERT(norms.form <= norms.product * (1 + gamma<double>(8)) + std::sqrt(norms.rounding));
      }
    }
  });
}

TEST_CASE("norms take more than one tile of neurons and of channels") {
  Engine engine(3);
  const auto block =
      draw_weights<float>(engine, 2 * spike::detail::kTile + 5, spike::detail::kTile + 3, 2);
  const auto all = form_norms(block.view());
  for (Index k = 0; k < 2; ++k) {
    const auto one = form_norms(block.form(k));
    const Matrix<double> s = block.form(k).dense();
    CHECK(mismatch(one.form * one.form, s.squaredNorm(), one.rounding) == "");
    CHECK(mismatch(all[static_cast<std::size_t>(k)].form, one.form, 1e-9 * one.form) == "");
    CHECK(mismatch(all[static_cast<std::size_t>(k)].product, one.product, 1e-9 * one.product) ==
          "");
  }
}

TEST_CASE("norms of neurons that cancel are right within their rounding") {
  // Two equal neurons with opposite weights: S is 0, the mass is not.
  Engine engine(5);
  auto block = draw_weights<double>(engine, 9, 2, 1);
  block.gate.row(1) = block.gate.row(0);
  block.up.row(1) = block.up.row(0);
  block.down << 3, -3;
  for (const FormNorms& norms : {form_norms(block.view())[0], form_norms(block.form(0))}) {
    CHECK(norms.form * norms.form <= norms.rounding);
    CHECK(norms.mass > 1);
    CHECK(std::isfinite(norms.remainder(0, 0)));
  }
}

TEST_CASE("the remainder bounds the norm of S off a unit vector") {
  property("||S - rho v v'||_F^2 without the cross terms", [] {
    const Index hidden = *size();
    const auto block = *some_weights<double>(hidden, *size(), 1);
    Vector<double> v = *gaussian_vector<double>(hidden);
    RC_PRE(v.norm() > 0);
    v.normalize();
    const Matrix<double> s = block.form(0).dense();
    const double rho = v.dot(s * v), residual = (s * v - rho * v).norm();
    const Matrix<double> off = Matrix<double>::Identity(hidden, hidden) - v * v.transpose();
    const auto norms = form_norms(block.form(0));
    const double squares = norms.remainder(rho, residual) * norms.remainder(rho, residual);
    // The form has ||off S off||_F^2 = ||S||_F^2 - rho^2 - 2 residual^2.
    RC_ASSERT(mismatch(squares, (off * s * off).squaredNorm(), 2 * norms.rounding) == "");
  });
}

TEST_CASE("cosines of neurons; a neuron of zeros has none") {
  Weights<double> block{Matrix<double>::Zero(3, 2), Matrix<double>::Zero(3, 2),
                        Matrix<double>::Ones(1, 3), Vector<double>::Ones(2)};
  plant_neuron(block, 0, 0, 0.6, 2);
  plant_neuron(block, 1, 0, -1, 3);
  const auto rows = neuron_rows(block.view());
  CHECK(rows.cosine(0) == Approx(0.6));
  CHECK(rows.cosine(1) == -1);
  CHECK(rows.cosine(2) == 0);
  CHECK(rows.gate[1] == 3);
}

TEST_CASE("what has no form is refused with the reason") {
  const Matrix<double> some = Matrix<double>::Ones(2, 2), none;
  const FeedForwardView view(some, some, some);
  CHECK_THROWS_WITH(quadratic_form(view, 2), "quadratic_form: channel 2 is outside 0..1");
  CHECK_THROWS_AS(quadratic_form(view, -1), index_error);
  CHECK_THROWS_WITH(quadratic_form(FeedForwardView(none, some, some), 0),
                    "quadratic_form: the feed-forward block has no gate");
  CHECK_THROWS_WITH(form_norms(FeedForwardView(none, none, none)),
                    "form_norms: the layer has no feed-forward block");
  Matrix<double> spoilt = some;
  spoilt(0, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(quadratic_form(FeedForwardView(some, spoilt, some), 0),
                    "quadratic_form: a weight or a result is NaN or infinite");
  CHECK_THROWS_WITH(quadratic_form(view, 0).apply(Vector<double>(Vector<double>::Ones(3))),
                    "QuadraticForm::apply: x is 3, expected 2");
}

TEST_CASE("a form of zeros has norms of zero") {
  const Matrix<double> some = Matrix<double>::Ones(3, 2), zero = Matrix<double>::Zero(1, 3);
  const FeedForwardView view(some, some, zero);
  for (const FormNorms& norms : {form_norms(view)[0], form_norms(quadratic_form(view, 0))}) {
    CHECK(norms.form == 0);
    CHECK(norms.product == 0);
    CHECK(norms.mass == 0);
    CHECK(norms.remainder(0, 0) == 0);
  }
}

TEST_CASE("norms of all channels tell how far they are") {
  Engine engine(8);
  const auto block = draw_weights<double>(engine, 4, 2 * spike::detail::kTile + 1, 1);
  std::vector<Index> told;
  form_norms(block.view(), [&](Index done, Index total) {
    CHECK(total == 6);
    told.push_back(done);
  });
  CHECK(told == std::vector<Index>{1, 2, 3, 4, 5, 6});
}
