#include "plumb/model/rotary.hpp"

#include <catch2/catch.hpp>
#include <complex>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

/// Coordinates of a head that turn.
Index turning(const Rotary& rotary) {
  if (rotary.kind == RotaryKind::none) return 0;
  return rotary.dim == 0 ? rotary.head_dim : rotary.dim;
}

/// The column of the first or second coordinate of plane j of a head.
Index column(const Rotary& rotary, Index head, Index plane, bool second) {
  const Index half = turning(rotary) / 2;
  const bool split = rotary.pairing == RotaryPairing::half_split;
  return head * rotary.head_dim + (split ? plane + (second ? half : 0) : 2 * plane + second);
}

/// The angle a position: theta^(-2j / n), divided as `linear` or as `llama3` says. The latter as
/// transformers has it, by wavelengths.
Long exact_frequency(const Rotary& rotary, Index plane) {
  const Long f = std::pow(Long(rotary.theta), -2 * Long(plane) / Long(turning(rotary)));
  const auto& s = rotary.scaling;
  if (rotary.kind == RotaryKind::linear) return f / Long(s.factor);
  if (rotary.kind != RotaryKind::llama3) return f;
  const Long context = Long(s.original_context), wavelength = 2 * std::acos(-Long(1)) / f;
  if (wavelength < context / Long(s.high_frequency)) return f;
  if (wavelength > context / Long(s.low_frequency)) return f / Long(s.factor);
  const Long smooth = (context / wavelength - Long(s.low_frequency)) /
                      (Long(s.high_frequency) - Long(s.low_frequency));
  return (1 - smooth) * f / Long(s.factor) + smooth * f;
}

/// Each plane as a complex number times e^(i position frequency); the rest stays.
template <class T>
Matrix<Long> twin(const Rotary& rotary, const Matrix<T>& x, const std::vector<Index>& positions) {
  Matrix<Long> turned = x.template cast<Long>();
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index head = 0; head < x.cols() / rotary.head_dim; ++head) {
      for (Index j = 0; j < turning(rotary) / 2; ++j) {
        const Long frequency = exact_frequency(rotary, j);
        const Index a = column(rotary, head, j, false), b = column(rotary, head, j, true);
        const auto z =
            std::complex<Long>(x(t, a), x(t, b)) *
            std::polar<Long>(1, Long(positions[static_cast<std::size_t>(t)]) * frequency);
        turned(t, a) = z.real();
        turned(t, b) = z.imag();
      }
    }
  }
  return turned;
}

/// |plane| of each entry, as large as it can be after turning; 0 for entries that do not turn.
template <class T>
Matrix<double> plane_norms(const Rotary& rotary, const Matrix<T>& x) {
  Matrix<double> norms = Matrix<double>::Zero(x.rows(), x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index head = 0; head < x.cols() / rotary.head_dim; ++head) {
      for (Index j = 0; j < turning(rotary) / 2; ++j) {
        const Index a = column(rotary, head, j, false), b = column(rotary, head, j, true);
        norms(t, a) = norms(t, b) =
            std::hypot(static_cast<double>(x(t, a)), static_cast<double>(x(t, b)));
      }
    }
  }
  return norms;
}

/// Per unit of a plane's norm: sine and cosine within an ulp and rounded to T, two products and a
/// sum; and the error of the angle, which is taken in double: the exponent's rounding times ln
/// theta (below 14), a power within an ulp and the product; with a scaling, that of the share,
/// which moves by that of the turns, below 16 beside a range of at least 1, and a division.
template <class T>
double turn_allowance(double greatest_position) {
  return 6 * unit<T> + 20 * unit<double> * greatest_position;
}

struct Case {
  Rotary rotary;
  Index heads;
  std::vector<Index> positions;
  double greatest;
};

Case some_case(Index tokens) {
  Case drawn;
  drawn.rotary = {2 * *rc::gen::inRange<Index>(1, 9), *magnitude<double>(10, 1e6),
                  *rc::gen::element(RotaryPairing::half_split, RotaryPairing::interleaved)};
  drawn.rotary.kind = *rc::gen::element(RotaryKind::none, RotaryKind::unscaled, RotaryKind::linear,
                                        RotaryKind::llama3);
  drawn.rotary.scaling = {*magnitude<double>(1, 32), 1, *rc::gen::element(2.0, 4.0),
                          *rc::gen::inRange<Index>(1, 100)};
  if (*rc::gen::element(false, true)) {
    drawn.rotary.dim = 2 * *rc::gen::inRange<Index>(1, drawn.rotary.head_dim / 2 + 1);
  }
  drawn.heads = *rc::gen::inRange<Index>(1, 4);
  const Index greatest = *rc::gen::element<Index>(1, 100, 200000);
  for (Index t = 0; t < tokens; ++t) {
    drawn.positions.push_back(*rc::gen::inRange<Index>(0, greatest + 1));
  }
  drawn.greatest = static_cast<double>(greatest);
  return drawn;
}

template <class T>
Matrix<T> turned(const Rotary& rotary, Matrix<T> x, const std::vector<Index>& positions) {
  rotary.apply(x, positions);
  return x;
}

}  // namespace

TEMPLATE_TEST_CASE("rotary turns each plane as a complex number, with either pairing", "", float,
                   double) {
  using T = TestType;
  property("at positions up to 2e5", [] {
    const Index tokens = *size(5);
    const auto [rotary, heads, positions, greatest] = some_case(tokens);
    const auto x = *activations<T>(tokens, heads * rotary.head_dim);
    RC_ASSERT(mismatch(turned(rotary, x, positions), twin(rotary, x, positions),
                       plane_norms(rotary, x) * turn_allowance<T>(greatest)) == "");
  });
}

TEST_CASE("planes are (j, j + half) or (2j, 2j + 1)") {
  // theta^(-2/4) = pi / 2: at position 1 plane 1 makes a quarter turn, and plane 0 turns by 1.
  const double theta = 4 / std::pow(std::acos(-1.0), 2);
  const Matrix<double> x = (Matrix<double>(1, 4) << 1, 10, 2, 20).finished();
  const double c = std::cos(1), s = std::sin(1);
  const auto half = turned(Rotary{4, theta, RotaryPairing::half_split}, x, {1});
  CHECK(mismatch(half, RowVector<double>{{c - 2 * s, -20, s + 2 * c, 10}}, 1e-14) == "");
  const auto interleaved = turned(Rotary{4, theta, RotaryPairing::interleaved}, x, {1});
  CHECK(mismatch(interleaved, RowVector<double>{{c - 10 * s, s + 10 * c, -20, 2}}, 1e-14) == "");
}

TEST_CASE("plane j turns by theta^(-2j / head_dim) a position") {
  const Rotary rotary{8, 10000, RotaryPairing::half_split};
  CHECK(rotary.frequency(0) == 1);
  CHECK(mismatch(rotary.frequency(1), 0.1, 1e-16) == "");
  CHECK(mismatch(rotary.frequency(3), 0.001, 1e-18) == "");
}

TEST_CASE("a part of each head turns as a head of that size would, and the rest stays") {
  property("to the last bit", [] {
    const Index tokens = *size(5);
    const auto [whole, heads, positions, greatest] = some_case(tokens);
    const Index size = turning(whole), rest = *rc::gen::inRange<Index>(0, 5);
    if (size == 0) return;
    auto small = whole, partial = whole;
    small.head_dim = size;
    small.dim = 0;
    partial.head_dim = size + rest;
    partial.dim = size;
    const auto x = *gaussian<double>(tokens, partial.head_dim);
    const auto y = turned(partial, x, positions);
    RC_ASSERT(difference(y.leftCols(size),
                         turned(small, Matrix<double>(x.leftCols(size)), positions)) == "");
    RC_ASSERT(difference(y.rightCols(rest), x.rightCols(rest)) == "");
  });
}

TEST_CASE("without rotary nothing turns, and a head may have an odd size") {
  const Rotary none{.head_dim = 3, .theta = 100, .kind = RotaryKind::none};
  Engine engine(1);
  const auto x = draw_gaussian<double>(engine, 2, 6);
  CHECK(none.planes() == 0);
  CHECK(difference(turned(none, x, {5, 9}), x) == "");
}

TEST_CASE("linear scaling divides all speeds, llama3 those of planes that turn rarely") {
  Rotary rotary{4, 1e4, RotaryPairing::half_split, RotaryKind::linear, {.factor = 4}};
  CHECK(rotary.frequency(0) == 0.25);
  CHECK(mismatch(rotary.frequency(1), 0.0025, 1e-18) == "");
  // In 16 tokens plane 0 turns 16 / 2 pi = 2.55 times, plane 1 a hundredth of it.
  rotary.kind = RotaryKind::llama3;
  rotary.scaling = {4, 1, 2, 16};
  CHECK(rotary.frequency(0) == 1);
  CHECK(mismatch(rotary.frequency(1), 0.0025, 1e-18) == "");
  rotary.scaling.high_frequency = 4;  // plane 0 is (2.55 - 1) / 3 on the way
  const double share = (8 / std::acos(-1.0) - 1) / 3;
  CHECK(mismatch(rotary.frequency(0), share + (1 - share) / 4, 1e-15) == "");
}

TEMPLATE_TEST_CASE("at position 0 nothing turns", "", float, double) {
  using T = TestType;
  property("to the last bit", [] {
    const Index tokens = *size(5);
    const auto [rotary, heads, positions, greatest] = some_case(tokens);
    const auto x = *activations<T>(tokens, heads * rotary.head_dim);
    const std::vector<Index> zeros(static_cast<std::size_t>(tokens), 0);
    RC_ASSERT(difference(turned(rotary, x, zeros), x) == "");
  });
}

TEMPLATE_TEST_CASE("rotary keeps the norm of every plane", "", float, double) {
  using T = TestType;
  property("so of keys and queries", [] {
    const Index tokens = *size(5);
    const auto [rotary, heads, positions, greatest] = some_case(tokens);
    const auto x = *activations<T>(tokens, heads * rotary.head_dim);
    const auto before = plane_norms(rotary, x);
    RC_ASSERT(mismatch(plane_norms(rotary, turned(rotary, x, positions)), before,
                       before * (6 * unit<T>)) == "");
  });
}

TEMPLATE_TEST_CASE("the transpose turns back, and is the transpose", "", float, double) {
  using T = TestType;
  property("at any position: both use the same sines and cosines", [] {
    const Index tokens = *size(5);
    const auto [rotary, heads, positions, greatest] = some_case(tokens);
    const auto x = *activations<T>(tokens, heads * rotary.head_dim);
    const auto y = *gaussian<T>(tokens, heads * rotary.head_dim);
    Matrix<T> there_and_back = turned(rotary, x, positions);
    rotary.apply_transposed(there_and_back, positions);
    const auto norms = plane_norms(rotary, x);
    RC_ASSERT(mismatch(there_and_back, x, norms * (12 * unit<T>)) == "");

    Matrix<T> back = y;
    rotary.apply_transposed(back, positions);
    const Matrix<double> forward = turned(rotary, x, positions).template cast<double>();
    const double terms = norms.cwiseProduct(plane_norms(rotary, y)).sum();
    RC_ASSERT(mismatch(y.template cast<double>().cwiseProduct(forward).sum(),
                       back.template cast<double>().cwiseProduct(x.template cast<double>()).sum(),
                       (12 * unit<T> + gamma<double>(2 * double(x.size()))) * terms) == "");
  });
}

TEMPLATE_TEST_CASE("the product of a query and a key depends on their distance only", "", float,
                   double) {
  using T = TestType;
  property("whatever the positions", [] {
    const auto drawn = some_case(2);
    const Rotary& rotary = drawn.rotary;
    const auto& positions = drawn.positions;
    const auto x = *activations<T>(2, rotary.head_dim);
    const auto product = [&](const std::vector<Index>& at) {
      const Matrix<double> rows = turned(rotary, x, at).template cast<double>();
      return rows.row(0).dot(rows.row(1));
    };
    const Index shift = *rc::gen::inRange<Index>(0, 1000);
    const auto norms = plane_norms(rotary, x);
    const double terms = norms.row(0).dot(norms.row(1)) / 2;  // each plane is in two columns
    const double greatest_angle = drawn.greatest + static_cast<double>(shift);
    RC_ASSERT(mismatch(product({positions[0] + shift, positions[1] + shift}), product(positions),
                       4 * turn_allowance<T>(greatest_angle) * 2 * terms) == "");
  });
}

TEMPLATE_TEST_CASE("the product of a query and a key at one position is that before rotary", "",
                   float, double) {
  using T = TestType;
  property("at any position, with no term that grows with it", [] {
    const auto [rotary, heads, positions, greatest] = some_case(1);
    const auto q = *gaussian<T>(1, rotary.head_dim), k = *gaussian<T>(1, rotary.head_dim);
    const auto product = [](const Matrix<T>& a, const Matrix<T>& b) {
      return a.template cast<double>().row(0).dot(b.template cast<double>().row(0));
    };
    const double terms = plane_norms(rotary, q).row(0).dot(plane_norms(rotary, k).row(0)) / 2;
    RC_ASSERT(mismatch(product(turned(rotary, q, positions), turned(rotary, k, positions)),
                       product(q, k), 12 * unit<T> * terms + gamma<double>(40) * 2 * terms) == "");
  });
}

TEST_CASE("all heads turn alike, and so do rows at the same position") {
  property("to the last bit", [] {
    const auto [rotary, heads, positions, greatest] = some_case(1);
    const auto x = *gaussian<double>(2, heads * rotary.head_dim);
    const auto all = turned(rotary, x, {positions[0], positions[0]});
    for (Index t = 0; t < 2; ++t) {
      for (Index head = 0; head < heads; ++head) {
        const Matrix<double> one = x.block(t, head * rotary.head_dim, 1, rotary.head_dim);
        RC_ASSERT(difference(all.block(t, head * rotary.head_dim, 1, rotary.head_dim),
                             turned(rotary, one, positions)) == "");
      }
    }
  });
}

TEST_CASE("rotary throws when rows or heads do not fit and only then") {
  const Rotary rotary{4, 1e4, RotaryPairing::half_split};
  Matrix<float> x = Matrix<float>::Ones(2, 8);
  CHECK_NOTHROW(rotary.apply(x, {0, 1}));
  CHECK_THROWS_AS(rotary.apply(x, {0}), shape_error);
  CHECK_THROWS_AS(rotary.apply(x, {0, 1, 2}), shape_error);
  CHECK_THROWS_AS(rotary.apply_transposed(x, {0}), shape_error);
  for (const Index wrong : {2, 3, 6, 9}) {
    Matrix<float> bad = Matrix<float>::Ones(2, wrong);
    CHECK_THROWS_AS(rotary.apply(bad, {0, 1}), shape_error);
    CHECK_THROWS_AS(rotary.apply_transposed(bad, {0, 1}), shape_error);
  }
}
