#include "plumb/kernels/reference.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::test;
using Kernels = kernels::reference;

namespace {

using Long = long double;

/// The definition, one entry at a time: y_ij = sum_k a_ik b_jk, and the size of what was summed.
struct Twin {
  Matrix<Long> value;
  Matrix<double> size;
};

template <class T>
Twin product_twin(const Matrix<T>& a, const Matrix<T>& b) {
  Twin twin{Matrix<Long>(a.rows(), b.rows()), Matrix<double>(a.rows(), b.rows())};
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < b.rows(); ++j) {
      Long sum = 0, size = 0;
      for (Index k = 0; k < a.cols(); ++k) {
        const Long term = Long(a(i, k)) * Long(b(j, k));
        sum += term;
        size += std::abs(term);
      }
      twin.value(i, j) = sum;
      twin.size(i, j) = static_cast<double>(size);
    }
  }
  return twin;
}

/// Softmax in long double of logits that are T.
template <class T>
Vector<Long> softmax_twin(const Vector<T>& logits) {
  const Long greatest = static_cast<Long>(logits.maxCoeff());
  Vector<Long> p(logits.size());
  for (Index j = 0; j < p.size(); ++j) p[j] = std::exp(static_cast<Long>(logits[j]) - greatest);
  Long sum = 0;
  for (Index j = 0; j < p.size(); ++j) sum += p[j];
  return p / sum;
}

/// Relative error of a weight, given logits: the rounding of l - max, in this weight and in all of
/// the sum, two exponentials of one ulp, the sum of n and the division. Weights below the normal
/// numbers lose digits.
template <class T>
Matrix<double> softmax_allowance(const Vector<T>& logits, const Vector<Long>& want) {
  constexpr double u = unit<T>;
  const auto greatest = static_cast<double>(logits.maxCoeff());
  const auto n = static_cast<double>(logits.size());
  Matrix<double> allowance(logits.size(), 1);
  for (Index j = 0; j < logits.size(); ++j) {
    const double below = greatest - static_cast<double>(logits[j]);
    double widest = 0;  // of those that count: below 40, the others' weights are under 1e-17
    for (Index i = 0; i < logits.size(); ++i) {
      const double gap = greatest - static_cast<double>(logits[i]);
      if (gap < 40) widest = std::max(widest, gap);
    }
    const double relative =
        u * (std::isinf(below) ? 0 : below) + u * widest + 7 * u + gamma<double>(n);
    allowance(j, 0) = 1.01 * relative * static_cast<double>(want[j]) +
                      4 * static_cast<double>(std::numeric_limits<T>::denorm_min());
  }
  return allowance;
}

template <class T>
Vector<T> softmax(Vector<T> logits) {
  Kernels::softmax(logits.data(), logits.size());
  return logits;
}

}  // namespace

// ---- Products -------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("products equal sums over the shared axis at all remainder sizes", "", float,
                   double) {
  using T = TestType;
  Engine engine(1);
  for (const Index tokens : {0, 1, 3, 7, 16, 17}) {
    for (const Index out : {0, 1, 3, 7, 16, 17}) {
      for (const Index in : {0, 1, 3, 7, 16, 17}) {
        INFO(tokens << " tokens, " << in << " in, " << out << " out");
        const auto x = draw_gaussian<T>(engine, tokens, in);
        const auto y = draw_gaussian<T>(engine, tokens, out);
        const auto weight = draw_gaussian<T>(engine, out, in);
        const double relative = gamma<T>(static_cast<double>(in + out + 1));

        const auto forward = product_twin<T>(x, weight);
        CHECK(mismatch(Kernels::product<T>(x, weight), forward.value, forward.size * relative) ==
              "");
        const auto back = product_twin<T>(y, weight.transpose());
        CHECK(mismatch(Kernels::transposed_product<T>(y, weight), back.value,
                       back.size * relative) == "");
      }
    }
  }
}

TEMPLATE_TEST_CASE("products take parts of matrices, and spikes", "", float, double) {
  using T = TestType;
  property("a run of columns of wider matrices", [] {
    const Index tokens = *size(), in = *size(), out = *size(), skipped = *size(5);
    const Matrix<T> wide = *spiked<T>(tokens, in + skipped);
    const Matrix<T> weight = *gaussian<T>(out, in + skipped);
    const auto want = product_twin<T>(wide.rightCols(in), weight.rightCols(in));
    RC_ASSERT(mismatch(Kernels::product<T>(wide.rightCols(in), weight.rightCols(in)), want.value,
                       want.size * gamma<T>(static_cast<double>(in + 1))) == "");
  });
  property("transposed_product is the transpose: <y, x W'> = <y W, x>", [] {
    const Index tokens = *size(3), in = *size(), out = *size();
    const Matrix<T> x = *gaussian<T>(tokens, in), y = *gaussian<T>(tokens, out);
    const Matrix<T> weight = *gaussian<T>(out, in);
    const Matrix<double> forward = Kernels::product<T>(x, weight).template cast<double>();
    const Matrix<double> back = Kernels::transposed_product<T>(y, weight).template cast<double>();
    const double size = x.template cast<double>().norm() * weight.template cast<double>().norm() *
                        y.template cast<double>().norm();
    RC_ASSERT(mismatch(forward.cwiseProduct(y.template cast<double>()).sum(),
                       back.cwiseProduct(x.template cast<double>()).sum(),
                       gamma<T>(static_cast<double>(2 * in + 2 * out)) * size) == "");
  });
}

// ---- Root mean square -----------------------------------------------------------------------

TEMPLATE_TEST_CASE("root_mean_square is the root of the mean of squares plus eps", "", float,
                   double) {
  using T = TestType;
  property("within d / 2 + 3 roundings in double, for float too", [] {
    const Vector<T> h = (*activations<T>(1, *size(64))).row(0).transpose();
    const double eps = *rc::gen::element(0.0, 1e-12, 1e-5, 1.0);
    Long sum = 0;
    for (Index i = 0; i < h.size(); ++i) sum += Long(h[i]) * Long(h[i]);
    const auto want = static_cast<double>(std::sqrt(sum / Long(h.size()) + Long(eps)));
    const auto roundings = static_cast<double>(h.size()) / 2 + 3;
    RC_ASSERT(mismatch(Kernels::root_mean_square<T>(h, eps), want,
                       gamma<double>(roundings) * want) == "");
  });
}

TEST_CASE("the squares of floats are summed in double: no float is too large or too small") {
  const auto constant = [](float value) { return Vector<float>::Constant(5, value); };
  for (const float value :
       {std::numeric_limits<float>::max(), 1e8f, 1e-8f, std::numeric_limits<float>::min(),
        std::numeric_limits<float>::denorm_min()}) {
    CHECK(mismatch(Kernels::root_mean_square<float>(constant(value), 0), value,
                   gamma<double>(6) * value) == "");
  }
  // 1 + 2^-24 is 1 in float: all but the first square would be lost, and rho 2^-13 too small.
  Vector<float> h = Vector<float>::Constant(4097, 0x1p-12f);
  h[0] = 1;
  const double want = std::sqrt((1 + 4096 * 0x1p-24) / 4097);
  CHECK(mismatch(Kernels::root_mean_square<float>(h, 0), want, gamma<double>(2052) * want) == "");
}

TEST_CASE("the squares of doubles leave the range of double beyond 2^512 and below 2^-537") {
  const auto rho = [](double value) {
    return Kernels::root_mean_square<double>(Vector<double>::Constant(3, value), 0);
  };
  CHECK(mismatch(rho(0x1p511), 0x1p511, gamma<double>(5) * 0x1p511) == "");
  CHECK(std::isinf(rho(0x1p512)));
  CHECK(mismatch(rho(0x1p-511), 0x1p-511, gamma<double>(5) * 0x1p-511) == "");
  CHECK(rho(0x1p-538) == 0);
  CHECK(Kernels::root_mean_square<double>(Vector<double>::Constant(3, 0x1p-538), 0.25) == 0.5);
}

TEST_CASE("root_mean_square keeps NaN") {
  Vector<float> h = Vector<float>::Ones(4);
  h[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(Kernels::root_mean_square<float>(h, 1e-5)));
}

// ---- Softmax --------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("softmax equals its definition in long double", "", float, double) {
  using T = TestType;
  property("for logits of any size, weights to full relative accuracy", [] {
    const auto n = *rc::gen::element<Index>(1, 2, 3, 7, 16, 17, 100);
    const Vector<T> logits = *bounded_vector<T>(n, *rc::gen::element(T(1), T(10), T(100)));
    const auto want = softmax_twin(logits);
    RC_ASSERT(mismatch(softmax(logits), want, softmax_allowance(logits, want)) == "");
  });
}

TEMPLATE_TEST_CASE("softmax sums to one, keeps order and is positive", "", float, double) {
  using T = TestType;
  property("for logits within 30 of each other", [] {
    const Vector<T> logits = *bounded_vector<T>(*size(), T(15));
    const Vector<T> p = softmax(logits);
    const auto n = static_cast<double>(p.size());
    // Each weight is rounded to T, so relative to the sum, which is 1: u; the rest is in double.
    RC_ASSERT(mismatch(p.template cast<double>().sum(), 1, unit<T> + gamma<double>(2 * n + 4)) ==
              "");
    for (Index i = 0; i < p.size(); ++i) {
      RC_ASSERT(p[i] > T(0));
      for (Index j = 0; j < p.size(); ++j) {
        if (logits[i] <= logits[j]) RC_ASSERT(p[i] <= p[j]);
      }
    }
  });
}

TEMPLATE_TEST_CASE("softmax does not change, to the last bit, when all logits move by as much", "",
                   float, double) {
  using T = TestType;
  property("for shifts that are exact", [] {
    const auto n = *size();
    // Multiples of 2^-4 below 2^4, and shifts of 2^4 to 2^10: all sums are exact in float.
    Vector<T> logits(n);
    for (Index j = 0; j < n; ++j) {
      logits[j] = static_cast<T>(*rc::gen::inRange(-256, 257)) / T(16);
    }
    const T shift = static_cast<T>(*rc::gen::inRange(-1024, 1025));
    const Vector<T> moved = logits.array() + shift;
    RC_ASSERT(difference(softmax(moved), softmax(logits)) == "");
  });
}

TEMPLATE_TEST_CASE("softmax gives nothing to logits of minus infinity", "", float, double) {
  using T = TestType;
  constexpr T none = -std::numeric_limits<T>::infinity();
  property("and to the others what they get without them", [] {
    const Index n = *size();
    Vector<T> logits = *bounded_vector<T>(n), seen(n);
    Index count = 0;
    const Index kept = *rc::gen::inRange<Index>(0, n);
    for (Index j = 0; j < n; ++j) {
      if (j != kept && *rc::gen::inRange(0, 2) == 0) logits[j] = none;
      if (logits[j] != none) seen[count++] = logits[j];
    }
    const Vector<T> p = softmax(logits), want = softmax(Vector<T>(seen.head(count)));
    for (Index j = 0, i = 0; j < n; ++j) {
      RC_ASSERT(p[j] == (logits[j] == none ? T(0) : want[i++]));
    }
  });
  CHECK(softmax(Vector<T>{{none, T(-3), none}}) == Vector<T>{{0, 1, 0}});
}

TEMPLATE_TEST_CASE("softmax of huge logits neither overflows nor vanishes", "", float, double) {
  using T = TestType;
  constexpr T huge = std::numeric_limits<T>::max() / 4;
  CHECK(softmax(Vector<T>{{huge, huge}}) == Vector<T>{{0.5, 0.5}});
  CHECK(softmax(Vector<T>{{-huge, huge, 0}}) == Vector<T>{{0, 1, 0}});
  CHECK(softmax(Vector<T>{{0, -huge, huge}}) == Vector<T>{{0, 0, 1}});
  CHECK(softmax(Vector<T>{{-huge, -huge, -huge, -huge}}) == Vector<T>::Constant(4, T(0.25)));
  CHECK(softmax(Vector<T>{{-huge}}) == Vector<T>{{1}});
}

TEST_CASE("softmax over many keys is summed in double") {
  // e^-17 is less than 2^-24: each of the 10,000 would be lost beside 1 in a sum of floats, and the
  // first weight would be 1 instead of 0.99959.
  Vector<float> logits = Vector<float>::Constant(10001, -17);
  logits[0] = 0;
  const auto want = softmax_twin(logits);
  CHECK(mismatch(softmax(logits), want, softmax_allowance(logits, want)) == "");
}

TEST_CASE("softmax does not hide NaN") {
  Vector<double> logits{{1, std::numeric_limits<double>::quiet_NaN(), 2}};
  Kernels::softmax(logits.data(), 3);
  for (Index j = 0; j < 3; ++j) CHECK(std::isnan(logits[j]));
}

TEMPLATE_TEST_CASE("softmax touches `count` logits and no more", "", float, double) {
  using T = TestType;
  std::vector<T> logits(20, T(2));
  Kernels::softmax(logits.data() + 2, 16);
  for (const std::size_t outside : {0u, 1u, 18u, 19u}) CHECK(logits[outside] == T(2));
  CHECK(logits[2] == T(1) / T(16));
  CHECK(logits[17] == T(1) / T(16));
}
