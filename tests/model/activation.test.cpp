#include "plumb/model/activation.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

// The definitions, in long double; e^-z does not overflow there for any z tried.
Long exact_sigmoid(Long z) { return 1 / (1 + std::exp(-z)); }
Long exact_silu(Long z) { return z / (1 + std::exp(-z)); }
Long exact_silu_derivative(Long z) {
  return exact_sigmoid(z) + z * exact_sigmoid(z) * exact_sigmoid(-z);
}

/// The zero of an increasing function in [low, high].
template <class F>
Long root(const F& f, Long low, Long high) {
  for (int halving = 0; halving < 200; ++halving) {
    const Long middle = (low + high) / 2;
    (f(middle) < 0 ? low : high) = middle;
  }
  return low;
}

/// W e^(1 + W) = 1: SiLU has its minimum -W at -(1 + W).
Long least_silu() {
  return root([](Long w) { return w * std::exp(1 + w) - 1; }, 0, 1);
}

/// q tanh(q / 2) = 2: SiLU' has its extremes (2 -+ q) / 4 at -+q.
Long steepest() {
  return root([](Long q) { return q * std::tanh(q / 2) - 2; }, 1, 4);
}

/// Units of roundoff in sigma and SiLU: exp within one ulp (two units), in numerator and, halved,
/// in the sum; the sum, the division, the factor z.
constexpr double kRoundings = 7;

template <class T>
constexpr double kUnderflow = 2 * static_cast<double>(std::numeric_limits<T>::denorm_min());

/// An argument that sigma is not rounded to 0 at: |z| < 700 in double, 85 in float.
template <class T>
rc::Gen<T> argument() {
  constexpr T greatest = std::is_same_v<T, float> ? T(85) : T(700);
  return rc::gen::oneOf(bounded<T>(), bounded<T>(greatest), log_uniform<T>(T(1e-8), greatest));
}

}  // namespace

TEMPLATE_TEST_CASE("sigmoid keeps its relative accuracy where it is tiny", "", float, double) {
  using T = TestType;
  const auto check = [](T z) {
    const auto want = static_cast<double>(exact_sigmoid(z));
    const auto slope = static_cast<double>(exact_sigmoid(z) * exact_sigmoid(-Long(z)));
    const auto wrong = mismatch(sigmoid(z), want, kRoundings * unit<T> * want);
    if (!wrong.empty()) return wrong;
    return mismatch(sigmoid_derivative(z), slope, (2 * kRoundings + 1) * unit<T> * slope);
  };
  const T greatest = std::is_same_v<T, float> ? T(85) : T(700);
  for (int i = -1000; i <= 1000; ++i) {
    const T z = greatest * static_cast<T>(i) / T(1000);
    INFO("z = " << z);
    CHECK(check(z) == "");
  }
  property("for any argument", [&] { RC_ASSERT(check(*argument<T>()) == ""); });
  // e^-z is infinite here, and 1 / (1 + e^-z) would be 0.
  const T far = std::is_same_v<T, float> ? T(-100) : T(-720);
  CHECK(mismatch(sigmoid(far), static_cast<double>(exact_sigmoid(far)), kUnderflow<T>) == "");
  CHECK(sigmoid(far) > T(0));
}

TEMPLATE_TEST_CASE("sigmoid is 1/2 at 0, within 0 and 1, increasing, and sums to 1 with its mirror",
                   "", float, double) {
  using T = TestType;
  CHECK(sigmoid(T(0)) == T(0.5));
  CHECK(sigmoid_derivative(T(0)) == T(0.25));
  constexpr T infinity = std::numeric_limits<T>::infinity();
  CHECK(sigmoid(infinity) == T(1));
  CHECK(sigmoid(-infinity) == T(0));
  CHECK(std::isnan(sigmoid(std::numeric_limits<T>::quiet_NaN())));
  property("for any two arguments", [] {
    const T z = *argument<T>(), other = *argument<T>();
    RC_ASSERT((T(0) < sigmoid(z) && sigmoid(z) <= T(1)));
    // Increasing, up to its rounding.
    if (z < other) {
      RC_ASSERT(static_cast<double>(sigmoid(z)) <=
                static_cast<double>(sigmoid(other)) * (1 + 2 * kRoundings * unit<T>));
    }
    RC_ASSERT(mismatch(static_cast<double>(sigmoid(z)) + static_cast<double>(sigmoid(T(-z))), 1,
                       kRoundings * unit<T>) == "");
  });
}

TEMPLATE_TEST_CASE("SiLU equals z sigma(z) in long double", "", float, double) {
  using T = TestType;
  property("to full relative accuracy", [] {
    const T z = *argument<T>();
    const auto want = static_cast<double>(exact_silu(z));
    RC_ASSERT(mismatch(silu(z), want, kRoundings * unit<T> * std::abs(want)) == "");
  });
  CHECK(silu(T(0)) == T(0));
  for (const T huge : {T(1e8), std::numeric_limits<T>::max()}) {
    CHECK(silu(huge) == huge);
    CHECK(silu(-huge) == T(0));
    CHECK(silu_derivative(huge) == T(1));
    CHECK(silu_derivative(-huge) == T(0));
  }
  for (const T tiny : {T(1e-8), std::numeric_limits<T>::min()}) {
    CHECK(silu(tiny) == tiny / 2 * (1 + tiny / 2));
    CHECK(silu(-tiny) == -tiny / 2 * (1 - tiny / 2));
  }
}

TEMPLATE_TEST_CASE("SiLU' equals sigma(z) (1 + z sigma(-z)) in long double", "", float, double) {
  using T = TestType;
  property("relative to its terms, which cancel near -1.28", [] {
    const T z = *argument<T>();
    const auto want = static_cast<double>(exact_silu_derivative(z));
    const auto terms =
        static_cast<double>(exact_sigmoid(z) * (1 + std::abs(Long(z)) * exact_sigmoid(-Long(z))));
    RC_ASSERT(mismatch(silu_derivative(z), want, (2 * kRoundings + 3) * unit<T> * terms) == "");
  });
  CHECK(silu_derivative(T(0)) == T(0.5));
}

TEMPLATE_TEST_CASE("SiLU is least, -W, at -(1 + W)", "", float, double) {
  using T = TestType;
  const Long w = least_silu();
  const auto least = static_cast<double>(-w);
  CHECK(mismatch(silu(static_cast<T>(-(1 + w))), least, 8 * unit<T> * -least) == "");
  // SiLU'' is 0.22 there: off the minimum by 0.01, SiLU is higher by 1.1e-5.
  CHECK(static_cast<double>(silu(static_cast<T>(-(1 + w) - Long(0.01)))) > least + 1e-6);
  CHECK(static_cast<double>(silu(static_cast<T>(-(1 + w) + Long(0.01)))) > least + 1e-6);
  // The terms of SiLU' are sigma (1 +- 1) there, as z sigma(-z) = -1.
  CHECK(mismatch(silu_derivative(static_cast<T>(-(1 + w))), 0, 20 * unit<T>) == "");
  property("nowhere below -W, and nowhere further than W from max(z, 0)", [=] {
    const T z = *argument<T>();
    const double value = static_cast<double>(silu(z)), rectified = std::max(0.0, double(z));
    const double rounding = kRoundings * unit<T> * std::abs(value);
    RC_ASSERT(value >= least - rounding);
    RC_ASSERT(std::abs(value - rectified) <= -least + rounding);
  });
}

TEMPLATE_TEST_CASE("SiLU' lies between (2 - q) / 4 and (2 + q) / 4, reached at -q and q", "", float,
                   double) {
  using T = TestType;
  const Long q = steepest();
  const auto low = static_cast<double>((2 - q) / 4), high = static_cast<double>((2 + q) / 4);
  const double rounding = (2 * kRoundings + 3) * unit<T> * 1.2;
  CHECK(mismatch(silu_derivative(static_cast<T>(-q)), low, rounding) == "");
  CHECK(mismatch(silu_derivative(static_cast<T>(q)), high, rounding) == "");
  property("nowhere outside", [=] {
    const double slope = silu_derivative(*argument<T>());
    RC_ASSERT((low - rounding <= slope && slope <= high + rounding));
  });
}

TEST_CASE("the constants that the documentation states are those of the functions") {
  CHECK(std::abs(least_silu() - 0.2784645L) < 1e-7L);
  CHECK(static_cast<double>((2 - steepest()) / 4) > -0.0998394);
  CHECK(static_cast<double>((2 + steepest()) / 4) < 1.0998394);
  CHECK(static_cast<double>((2 + steepest()) / 4) > 1.0998393);
}

TEMPLATE_TEST_CASE("SiLU(z) - SiLU(-z) = z", "", float, double) {
  using T = TestType;
  property("within the roundings of both", [] {
    const T z = *argument<T>();
    const double sum = static_cast<double>(silu(z)) - static_cast<double>(silu(T(-z)));
    RC_ASSERT(mismatch(sum, z,
                       (kRoundings + 3) * unit<T> * std::abs(static_cast<double>(z)) +
                           kUnderflow<T>) == "");
  });
}

TEST_CASE("derivatives are those of automatic differentiation") {
  property("sigma' and SiLU'", [] {
    const double z = *argument<double>();
    const Dual line(z, 1, 0);
    const double slope = sigmoid(line).derivatives()[0], silu_slope = silu(line).derivatives()[0];
    // The chain rule through e / (1 + e) subtracts (1 + e) e' - e e': up to 2 sigma beside sigma'.
    const double sigma = sigmoid(z);
    RC_ASSERT(mismatch(sigmoid_derivative(z), slope, 30 * unit<double> * sigma) == "");
    RC_ASSERT(mismatch(silu_derivative(z), silu_slope,
                       30 * unit<double> * sigma * (1 + std::abs(z))) == "");
  });
}
