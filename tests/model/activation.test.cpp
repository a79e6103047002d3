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

// ---- GELU, its approximation, ReLU
// ---------------------------------------------------------------

namespace {

const Long kRootHalf = std::sqrt(Long(0.5));

Long exact_normal(Long z) { return std::erfc(-z * kRootHalf) / 2; }
Long exact_density(Long z) {
  return std::exp(-z * z / 2) * kRootHalf / std::sqrt(std::acos(-Long(1)));
}
Long exact_gelu(Long z) { return z * exact_normal(z); }
Long exact_gelu_derivative(Long z) { return exact_normal(z) + z * exact_density(z); }

const Long kSlope = 2 * std::sqrt(2 / std::acos(-Long(1)));
Long inner(Long z) { return kSlope * (z + Long(0.044715) * z * z * z); }
Long inner_derivative(Long z) { return kSlope * (1 + 3 * Long(0.044715) * z * z); }
/// As transformers writes it.
Long exact_gelu_tanh(Long z) { return z / 2 * (1 + std::tanh(inner(z) / 2)); }
Long exact_gelu_tanh_derivative(Long z) {
  const Long sigma = exact_sigmoid(inner(z));
  return sigma + z * inner_derivative(z) * sigma * exact_sigmoid(-inner(z));
}

/// An argument at which no power of e in GELU is subnormal: e^(-z^2/2) for |z| < 12 in float.
template <class T>
rc::Gen<T> near_argument() {
  return rc::gen::oneOf(bounded<T>(), log_uniform<T>(T(1e-8), T(10)));
}

/// The rounding of -z / sqrt 2 moves erfc by z^2 + 2 times its own relative size, erfc is within
/// five ulp, and there is the factor z.
template <class T>
double gelu_roundings(T z) {
  return 2 * (static_cast<double>(z) * static_cast<double>(z) + 2) + 12;
}

/// a = k (z + c z^3) has six roundings, which move sigma(a) by |a| times its own relative size.
template <class T>
double gelu_tanh_roundings(T z) {
  return 6 * std::abs(static_cast<double>(inner(z))) + kRoundings + 1;
}

}  // namespace

TEMPLATE_TEST_CASE("GELU equals z Phi(z) in long double, and GELU' its derivative", "", float,
                   double) {
  using T = TestType;
  property("to the relative accuracy that is documented", [] {
    const T z = *near_argument<T>();
    const auto normal = static_cast<double>(exact_normal(z));
    RC_ASSERT(mismatch(normal_distribution(z), normal,
                       (2.0 * double(z) * double(z) + 16) * unit<T> * normal) == "");
    const auto want = static_cast<double>(exact_gelu(z));
    RC_ASSERT(mismatch(gelu(z), want, gelu_roundings(z) * unit<T> * std::abs(want)) == "");
    const double terms = normal + std::abs(double(z)) * static_cast<double>(exact_density(z));
    RC_ASSERT(mismatch(gelu_derivative(z), static_cast<double>(exact_gelu_derivative(z)),
                       (gelu_roundings(z) + 4) * unit<T> * terms) == "");
  });
  CHECK(gelu(T(0)) == T(0));
  CHECK(gelu_derivative(T(0)) == T(0.5));
  for (const T huge : {T(1e8), std::numeric_limits<T>::max()}) {
    CHECK(gelu(huge) == huge);
    CHECK(gelu(-huge) == T(0));
    CHECK(gelu_derivative(huge) == T(1));
    CHECK(gelu_derivative(-huge) == T(0));
  }
}

TEMPLATE_TEST_CASE("the approximation of GELU equals its formula in long double", "", float,
                   double) {
  using T = TestType;
  property("relative to its size, and its derivative to that of its terms", [] {
    const T z = *near_argument<T>();
    const auto want = static_cast<double>(z * exact_sigmoid(inner(z)));
    const double relative = gelu_tanh_roundings(z) * unit<T>;
    RC_ASSERT(mismatch(gelu_tanh(z), want, relative * std::abs(want) + kUnderflow<T>) == "");
    const auto sigma = static_cast<double>(exact_sigmoid(inner(z)));
    const double terms = sigma * (1 + std::abs(static_cast<double>(z * inner_derivative(z))));
    RC_ASSERT(mismatch(gelu_tanh_derivative(z), static_cast<double>(exact_gelu_tanh_derivative(z)),
                       (2 * gelu_tanh_roundings(z) + 6) * unit<T> * terms + kUnderflow<T>) == "");
  });
  CHECK(gelu_tanh(T(0)) == T(0));
  CHECK(gelu_tanh_derivative(T(0)) == T(0.5));
  for (const T huge : {T(1e8), std::numeric_limits<T>::max()}) {
    CHECK(gelu_tanh(huge) == huge);
    CHECK(gelu_tanh(-huge) == T(0));
    CHECK(gelu_tanh_derivative(huge) == T(1));
    CHECK(gelu_tanh_derivative(-huge) == T(0));
  }
}

TEST_CASE("the documented extremes of GELU, and its distance from the approximation, hold") {
  const Long at = root([](Long z) { return exact_gelu_derivative(z); }, -1, Long(-0.5));
  CHECK(std::abs(exact_gelu(at) + 0.1699712L) < 1e-7L);
  const Long steepest_at = std::sqrt(Long(2));  // GELU'' = (2 - z^2) phi(z)
  CHECK(exact_gelu_derivative(steepest_at) < 1.1289042L);
  CHECK(exact_gelu_derivative(steepest_at) > 1.1289041L);
  CHECK(exact_gelu_derivative(-steepest_at) > -0.1289042L);
  Long furthest = 0;
  for (int i = -8000; i <= 8000; ++i) {
    const Long z = i / Long(1000);
    furthest = std::max(furthest, std::abs(exact_gelu(z) - exact_gelu_tanh(z)));
    CHECK(exact_gelu(z) >= -0.1699713L);
    CHECK(std::abs(exact_gelu_tanh(z) - z * exact_sigmoid(inner(z))) < 1e-17L);
  }
  CHECK(furthest < 5e-4L);
  CHECK(furthest > 4e-4L);
}

TEMPLATE_TEST_CASE("ReLU is max(z, 0), with slope 1 above 0 and 0 elsewhere", "", float, double) {
  using T = TestType;
  property("exactly", [] {
    const T z = *number<T>();
    RC_ASSERT(relu(z) == std::max(z, T(0)));
    RC_ASSERT(relu_derivative(z) == (z > T(0) ? T(1) : T(0)));
  });
  CHECK(relu_derivative(T(0)) == T(0));
  CHECK_FALSE(std::signbit(relu(T(-3))));
  CHECK(std::isnan(relu(std::numeric_limits<T>::quiet_NaN())));
}

TEST_CASE("a matrix is activated entry by entry, as its kind says") {
  Engine engine(1);
  const Matrix<double> z = draw_gaussian<double>(engine, 3, 4);
  const auto check = [&](Activation kind, double (*f)(const double&), double (*df)(const double&)) {
    CHECK(difference(activate(kind, z), Matrix<double>(z.unaryExpr(f))) == "");
    CHECK(difference(activation_slope(kind, z), Matrix<double>(z.unaryExpr(df))) == "");
  };
  check(Activation::silu, silu<double>, silu_derivative<double>);
  check(Activation::gelu, gelu<double>, gelu_derivative<double>);
  check(Activation::gelu_tanh, gelu_tanh<double>, gelu_tanh_derivative<double>);
  check(Activation::relu, relu<double>, relu_derivative<double>);
}

TEST_CASE("derivatives of GELU and its approximation are those of automatic differentiation") {
  property("GELU' and that of the approximation", [] {
    const double z = *near_argument<double>();
    const Dual line(z, 1, 0);
    const double terms = 1 + std::abs(z) * (1 + std::abs(static_cast<double>(inner_derivative(z))));
    RC_ASSERT(mismatch(gelu_derivative(z), gelu(line).derivatives()[0],
                       2 * gelu_roundings(z) * unit<double> * terms) == "");
    RC_ASSERT(mismatch(gelu_tanh_derivative(z), gelu_tanh(line).derivatives()[0],
                       (4 * gelu_tanh_roundings(z) + 30) * unit<double> * terms) == "");
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
