#include "plumb/model/gate.hpp"

#include <catch2/catch.hpp>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

struct Twin {
  Matrix<Long> value;
  Matrix<double> allowance;
};

/// sigma(x W_g') one entry at a time. The rounding of z moves sigma by at most z's error / 4, and
/// relatively by at most z's error.
template <class T>
Twin openings_twin(const Gate<T>& gate, const Matrix<T>& x) {
  Twin twin{Matrix<Long>(x.rows(), gate.weight.rows()),
            Matrix<double>(x.rows(), gate.weight.rows())};
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index g = 0; g < gate.weight.rows(); ++g) {
      Long z = 0, size = 0;
      for (Index c = 0; c < x.cols(); ++c) {
        z += Long(gate.weight(g, c)) * Long(x(t, c));
        size += std::abs(Long(gate.weight(g, c)) * Long(x(t, c)));
      }
      const Long sigma = 1 / (1 + std::exp(-z));
      const double dz = gamma<T>(roundings(x.cols())) * static_cast<double>(size);
      const auto opening = static_cast<double>(sigma);
      twin.value(t, g) = sigma;
      twin.allowance(t, g) = std::min(dz / 4, 2 * dz * opening) + 7 * unit<T> * opening +
                             static_cast<double>(std::numeric_limits<T>::denorm_min());
    }
  }
  return twin;
}

/// |J dx| <= |W| |dx| / 4; the rounding of z moves the slope by at most 0.1 of it.
double allowance(const Gate<double>& gate, const Matrix<double>& x) {
  const double size = gate.weight.norm();
  return gamma<double>(4 * roundings(x.cols()) + 60) * size * (1 + x.norm() * size);
}

/// A direction in which z moves by at most 1 a step: the nearest pole of sigma is i pi away.
Matrix<double> some_direction(const Gate<double>& gate, Index tokens) {
  const Matrix<double> dx = *gaussian<double>(tokens, gate.weight.cols());
  return dx / std::max(1.0, dx.norm() * gate.weight.norm());
}

}  // namespace

TEMPLATE_TEST_CASE("openings are sigma(x W_g')", "", float, double) {
  using T = TestType;
  property("on bounded, Gaussian and spiked rows", [] {
    const Index tokens = *size(5), hidden = *size();
    const Gate<T> gate{*weights<T>(*size(), hidden)};
    const auto x = *activations<T>(tokens, hidden);
    const auto want = openings_twin(gate, x);
    const Matrix<T> openings = gate.value(x);
    RC_ASSERT(mismatch(openings, want.value, want.allowance) == "");
    RC_ASSERT((openings.array() >= T(0)).all());
    RC_ASSERT((openings.array() <= T(1)).all());
  });
  const Gate<T> shut{Matrix<T>::Zero(2, 3)};
  CHECK(shut.value(Matrix<T>::Random(4, 3)) == Matrix<T>::Constant(4, 2, T(0.5)));
}

TEST_CASE("a gate without weights is absent") {
  CHECK_FALSE(Gate<float>{}.present());
  CHECK(Gate<float>{Matrix<float>::Zero(1, 4)}.present());
}

TEST_CASE("an opening covers a channel, a head or the whole token") {
  Engine engine(1);
  const Index heads = 3, head_dim = 2, channels = heads * head_dim;
  const auto outputs = draw_gaussian<double>(engine, 4, channels);
  for (const Index openings : {channels, heads, Index{1}}) {
    INFO(openings << " openings");
    const Gate<double> gate{draw_gaussian<double>(engine, openings, 5)};
    const Matrix<double> open = draw_gaussian<double>(engine, 4, openings);
    Matrix<double> want(4, channels);
    for (Index t = 0; t < 4; ++t) {
      for (Index c = 0; c < channels; ++c) {
        const Index covering = openings == channels ? c : openings == heads ? c / head_dim : 0;
        want(t, c) = outputs(t, c) * open(t, covering);
      }
    }
    CHECK(difference(gate.apply(open, outputs), want) == "");
  }
}

TEST_CASE("gather is the transpose of spreading openings over columns") {
  property("<apply(openings, outputs), y> = <openings, gather(outputs .* y)>", [] {
    const Index tokens = *size(4), openings = *size(6), width = *size(4);
    const Gate<double> gate{*gaussian<double>(openings, 2)};
    const auto open = *gaussian<double>(tokens, openings);
    const auto outputs = *gaussian<double>(tokens, openings * width);
    const auto y = *gaussian<double>(tokens, openings * width);
    const Matrix<double> both = outputs.cwiseProduct(y);
    const Matrix<double> spread = gate.apply(open, Matrix<double>::Ones(tokens, openings * width));
    const double terms = spread.cwiseProduct(both).cwiseAbs().sum();
    RC_ASSERT(mismatch(gate.apply(open, outputs).cwiseProduct(y).sum(),
                       open.cwiseProduct(gate.gather(both)).sum(),
                       2 * gamma<double>(roundings(both.size())) * terms) == "");
    RC_ASSERT(gate.gather(both).cols() == openings);
  });
}

TEST_CASE("the derivatives of openings obey the laws") {
  property("on bounded and Gaussian rows", [] {
    const Index tokens = *size(4), hidden = *size();
    const Gate<double> gate{*weights<double>(*size(), hidden)};
    const auto x =
        *rc::gen::oneOf(bounded_matrix<double>(tokens, hidden), gaussian<double>(tokens, hidden));
    const auto dx = some_direction(gate, tokens);
    const auto dy = *gaussian<double>(tokens, gate.weight.rows());
    RC_ASSERT(broken_derivative(gate, x, dx, dy, allowance(gate, x)) == "");
    RC_ASSERT(broken_rows(gate, x, dx, dy, allowance(gate, x) * (dx.norm() + dy.norm() + 1)) == "");
  });
}

TEST_CASE("the derivatives of openings obey the laws at special rows") {
  Engine engine(2);
  const Gate<double> gate{draw_gaussian<double>(engine, 3, 7)};
  const Matrix<double> dx = draw_gaussian<double>(engine, 1, 7) / 20;
  const Matrix<double> dy = draw_gaussian<double>(engine, 1, 3);
  for (const auto& [name, row] : special_rows<double>(7)) {
    INFO(name);
    CHECK(broken_derivative(gate, row, dx, dy, allowance(gate, row)) == "");
  }
}

TEST_CASE("a gate in float has the openings' derivatives in double") {
  property("jvp and vjp", [] {
    const Index hidden = *size();
    const Gate<float> gate{*weights<float>(*size(), hidden)};
    const auto exact = gate.cast<double>();
    const auto x = *gaussian<float>(2, hidden), dx = *gaussian<float>(2, hidden);
    const auto dy = *gaussian<float>(2, gate.weight.rows());
    const Matrix<double> wide_x = x.cast<double>(), wide_dx = dx.cast<double>(),
                         wide_dy = dy.cast<double>();
    const double wider = unit<float> / unit<double> * allowance(exact, wide_x);
    RC_ASSERT(mismatch(gate.jvp(x, dx), exact.jvp(wide_x, wide_dx), wider * wide_dx.norm()) == "");
    RC_ASSERT(mismatch(gate.vjp(x, dy), exact.vjp(wide_x, wide_dy), wider * wide_dy.norm()) == "");
  });
}

TEST_CASE("a gate throws when shapes do not fit and only then") {
  const Gate<double> gate{Matrix<double>::Ones(3, 4)};
  const Matrix<double> x = Matrix<double>::Ones(2, 4), openings = Matrix<double>::Ones(2, 3);
  CHECK_NOTHROW(gate.value(x));
  CHECK_NOTHROW(gate.jvp(x, x));
  CHECK_NOTHROW(gate.vjp(x, openings));
  for (const Index wrong : {3, 5}) {
    const Matrix<double> other = Matrix<double>::Ones(2, wrong);
    CHECK_THROWS_AS(gate.value(other), shape_error);
    CHECK_THROWS_AS(gate.jvp(other, other), shape_error);
    CHECK_THROWS_AS(gate.jvp(x, other), shape_error);
    CHECK_THROWS_AS(gate.vjp(other, openings), shape_error);
  }
  CHECK_THROWS_AS(gate.jvp(x, Matrix<double>::Ones(3, 4)), shape_error);
  CHECK_THROWS_AS(gate.vjp(x, Matrix<double>::Ones(3, 3)), shape_error);
  CHECK_THROWS_AS(gate.vjp(x, Matrix<double>::Ones(2, 2)), shape_error);

  for (const Index columns : {3, 6, 9}) {
    CHECK_NOTHROW(gate.apply(openings, Matrix<double>::Ones(2, columns)));
    CHECK_NOTHROW(gate.gather(Matrix<double>::Ones(2, columns)));
  }
  for (const Index columns : {1, 2, 4, 7}) {
    CHECK_THROWS_AS(gate.apply(openings, Matrix<double>::Ones(2, columns)), shape_error);
    CHECK_THROWS_AS(gate.gather(Matrix<double>::Ones(2, columns)), shape_error);
  }
  CHECK_THROWS_AS(gate.apply(Matrix<double>::Ones(2, 2), Matrix<double>::Ones(2, 6)), shape_error);
  CHECK_THROWS_AS(gate.apply(Matrix<double>::Ones(1, 3), Matrix<double>::Ones(2, 6)), shape_error);
}
