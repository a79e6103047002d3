#include "plumb/model/norm.hpp"

#include <catch2/catch.hpp>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

/// rho in long double: 64 bits of precision and no overflow.
template <class T>
Long rho_of(const Matrix<T>& row, double eps) {
  Long sum = 0;
  for (Index i = 0; i < row.cols(); ++i) sum += Long(row(0, i)) * Long(row(0, i));
  return std::sqrt(sum / Long(row.cols()) + Long(eps));
}

template <class T>
Matrix<Long> rms_norm_twin(const RmsNorm<T>& norm, const Matrix<T>& x) {
  Matrix<Long> y(x.rows(), x.cols());
  for (Index t = 0; t < x.rows(); ++t) {
    const Long rho = rho_of<T>(x.row(t), norm.eps);
    for (Index c = 0; c < x.cols(); ++c) y(t, c) = Long(norm.gain[c]) * Long(x(t, c)) / rho;
  }
  return y;
}

/// Roundings of one coordinate of RmsNorm. For double, where rho is summed in double: d/2 of the
/// sum, as the root halves them. For float, where rho is as good as exact: 1/rho, and two products.
template <class T>
double rms_roundings(Index channels) {
  return std::is_same_v<T, float> ? 4 : static_cast<double>(channels) / 2 + 5;
}

/// |entries|, each times `relative`, and what underflow may take.
Matrix<double> relative(const Matrix<Long>& entries, double relative) {
  return (entries.cwiseAbs().cast<double>() * relative).array() +
         std::numeric_limits<double>::denorm_min();
}

/// Two roundings for each product of jvp and of what it is compared with: u is there twice and
/// 1/rho once, each with d/2 + 3 of its own; u.v has d. Nothing that cancels is larger than |g|
/// |dx| / rho.
double jvp_allowance(const RmsNorm<double>& norm, double rho, double unit_roundoff = unit<double>) {
  const double n = 5 * static_cast<double>(norm.gain.size()) + 30;
  return n * unit_roundoff * norm.gain.cwiseAbs().maxCoeff() / rho;
}

RmsNorm<double> some_rms_norm(Index channels) {
  return {*bounded_vector<double>(channels), *magnitude<double>(1e-8, 1)};
}

/// A row, and a direction in which no pole of 1/rho is nearer than 2 steps: rms(dx) = rho / 2.
struct Point {
  Matrix<double> x, dx, dy;
};

Point some_point(const Matrix<double>& x, double eps) {
  const double rho = static_cast<double>(rho_of(x, eps));
  Matrix<double> dx = *gaussian<double>(1, x.cols());
  const double size = dx.norm() / std::sqrt(static_cast<double>(x.cols()));
  if (size > 0) dx *= rho / 2 / size;
  return {x, dx, *gaussian<double>(1, x.cols())};
}

template <class F>
bool throws_shape_error(const F& call) {
  try {
    call();
  } catch (const shape_error&) {
    return true;
  }
  return false;
}

/// Throws for each operand that does not fit, and not for those that do. `channels` is what fits.
template <class Block>
void check_shapes(const Block& block, Index channels) {
  const Matrix<double> x = Matrix<double>::Constant(2, channels, 0.5);
  const Matrix<double> narrow = Matrix<double>::Constant(2, channels - 1, 0.5);
  const Matrix<double> wide = Matrix<double>::Constant(2, channels + 1, 0.5);
  const Matrix<double> longer = Matrix<double>::Constant(3, channels, 0.5);
  CHECK_FALSE(throws_shape_error([&] { block.value(x); }));
  CHECK_FALSE(throws_shape_error([&] { block.value(Matrix<double>(0, channels)); }));
  CHECK_FALSE(throws_shape_error([&] { block.jvp(x, x); }));
  CHECK_FALSE(throws_shape_error([&] { block.vjp(x, x); }));
  CHECK_FALSE(throws_shape_error([&] { block.jacobian(x.row(0).transpose()); }));
  for (const auto& wrong : {narrow, wide}) {
    INFO(wrong.cols() << " channels instead of " << channels);
    CHECK(throws_shape_error([&] { block.value(wrong); }));
    CHECK(throws_shape_error([&] { block.jvp(wrong, wrong); }));
    CHECK(throws_shape_error([&] { block.vjp(wrong, wrong); }));
    CHECK(throws_shape_error([&] { block.jacobian(wrong.row(0).transpose()); }));
  }
  for (const auto& wrong : {narrow, wide, longer}) {
    INFO(wrong.rows() << " x " << wrong.cols() << " instead of 2 x " << channels);
    CHECK(throws_shape_error([&] { block.jvp(x, wrong); }));
    CHECK(throws_shape_error([&] { block.vjp(x, wrong); }));
  }
}

}  // namespace

// ---- RmsNorm --------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("RmsNorm equals its formula in long double", "", float, double) {
  using T = TestType;
  property("on bounded, Gaussian and spiked rows, with and without eps", [] {
    const Index channels = *size();
    const auto x = *activations<T>(*size(3), channels);
    const RmsNorm<T> norm{*bounded_vector<T>(channels),
                          *rc::gen::element(0.0, 1e-12, 1e-6, 1e-5, 1.0)};
    RC_PRE(norm.eps > 0 || (x.cwiseAbs().rowwise().maxCoeff().array() > T(0)).all());
    const auto want = rms_norm_twin(norm, x);
    RC_ASSERT(mismatch(norm.value(x), want, relative(want, gamma<T>(rms_roundings<T>(channels)))) ==
              "");
  });
}

TEMPLATE_TEST_CASE("RmsNorm equals its formula at special rows", "", float, double) {
  using T = TestType;
  const auto eps = GENERATE(0.0, 1e-5);
  for (const auto& [name, row] : special_rows<T>(7)) {
    // A zero row has no direction. Squares of subnormal doubles vanish beside no eps.
    if (eps == 0 && (name == "zero" || name == "subnormal")) continue;
    INFO(name << " row, eps " << eps);
    const RmsNorm<T> norm{Vector<T>::Constant(7, T(1.5)), eps};
    const auto want = rms_norm_twin(norm, row);
    Matrix<double> allowance = relative(want, gamma<T>(rms_roundings<T>(7)));
    allowance.array() += static_cast<double>(std::numeric_limits<T>::denorm_min());
    CHECK(mismatch(norm.value(row), want, allowance) == "");
  }
}

TEST_CASE("RmsNorm of a subnormal float row without eps is finite") {
  const RmsNorm<float> norm{Vector<float>::Ones(4), 0};
  const Matrix<float> row = Matrix<float>::Constant(1, 4, std::numeric_limits<float>::denorm_min());
  CHECK(mismatch(norm.value(row), Matrix<float>::Ones(1, 4), gamma<float>(4)) == "");
}

TEST_CASE("the squared norm of a normalised row is d (1 - d eps / (|h|^2 + d eps))") {
  property("for any row and eps, small rows with a large eps included", [] {
    const Index channels = *size();
    const double eps = *magnitude<double>(1e-8, 1);
    Matrix<double> x = *activations<double>(1, channels);
    if (*rc::gen::inRange(0, 2) == 0) x *= 1e-3;
    const RmsNorm<double> norm{Vector<double>::Ones(channels), eps};
    const auto d = static_cast<double>(channels);
    const double want = d * x.squaredNorm() / (x.squaredNorm() + d * eps);
    RC_ASSERT(mismatch(norm.value(x).squaredNorm(), want, gamma<double>(4 * d + 20) * want) == "");
  });
}

TEST_CASE("eps stands inside the root, added to the mean of squares") {
  // h = (1, 1, 1, 1), eps = 3: rho = sqrt(1 + 3) = 2. Outside the root it would be 1 + 3; added to
  // the sum, sqrt(7 / 4).
  const RmsNorm<double> norm{Vector<double>::Ones(4), 3};
  CHECK(difference(norm.value(Matrix<double>::Ones(1, 4)), Matrix<double>::Constant(1, 4, 0.5)) ==
        "");
}

TEST_CASE("no coordinate of a normalised row exceeds sqrt(d), and a one-hot row reaches it") {
  property("bounded by sqrt(d)", [] {
    const Index channels = *size();
    const auto x = *activations<double>(1, channels);
    const RmsNorm<double> norm{Vector<double>::Ones(channels), 1e-12};
    const auto d = static_cast<double>(channels);
    RC_ASSERT(norm.value(x).cwiseAbs().maxCoeff() <= std::sqrt(d) * (1 + gamma<double>(d / 2 + 5)));
  });
  const RmsNorm<double> norm{Vector<double>::Ones(64), 0};
  const Matrix<double> one_hot = Matrix<double>::Identity(64, 64).row(5) * -1e5;
  CHECK(difference(norm.value(one_hot),
                   Matrix<double>(Matrix<double>::Identity(64, 64).row(5) * -8)) == "");
}

TEMPLATE_TEST_CASE("RmsNorm does not change when h and sqrt(eps) grow by the same power of two", "",
                   float, double) {
  using T = TestType;
  property("to the last bit", [] {
    const Index channels = *size();
    const auto x = *activations<T>(2, channels);
    const int power = *rc::gen::inRange(-20, 21);
    const Vector<T> gain = *bounded_vector<T>(channels);
    const RmsNorm<T> norm{gain, 1e-5}, scaled{gain, std::ldexp(1e-5, 2 * power)};
    const Matrix<T> larger = x * std::ldexp(T(1), power);
    RC_ASSERT(difference(scaled.value(larger), norm.value(x)) == "");
  });
}

TEST_CASE("RmsNorm with unit gain turns with its input") {
  property("value(h Q) = value(h) Q for orthogonal Q", [] {
    const Index channels = *size();
    const auto x = *activations<double>(1, channels);
    const auto q = *orthogonal<double>(channels);
    const RmsNorm<double> norm{Vector<double>::Ones(channels), 1e-5};
    // Q is orthogonal within d reflections of d roundings each.
    const auto d = static_cast<double>(channels);
    const Matrix<double> turned_input = x * q, turned_output = norm.value(x) * q;
    RC_ASSERT(mismatch(norm.value(turned_input), turned_output,
                       gamma<double>(8 * d * d + 40) * std::sqrt(d)) == "");
  });
}

TEST_CASE("the derivatives of RmsNorm obey the laws") {
  property("on bounded, Gaussian and spiked rows", [] {
    const Index channels = *size();
    const auto norm = some_rms_norm(channels);
    const auto [x, dx, dy] = some_point(*activations<double>(1, channels), norm.eps);
    const double allowance = jvp_allowance(norm, static_cast<double>(rho_of(x, norm.eps)));
    RC_ASSERT(broken_derivative(norm, x, dx, dy, allowance) == "");
    RC_ASSERT(broken_jacobian(norm, x, allowance) == "");
  });
  property("row by row", [] {
    const Index tokens = *size(5), channels = *size();
    const auto norm = some_rms_norm(channels);
    RC_ASSERT(broken_rows(norm, *activations<double>(tokens, channels),
                          *gaussian<double>(tokens, channels), *gaussian<double>(tokens, channels),
                          0) == "");
  });
}

TEST_CASE("the derivatives of RmsNorm obey the laws at special rows") {
  Engine engine(1);
  for (const auto& [name, row] : special_rows<double>(7)) {
    INFO(name);
    const RmsNorm<double> norm{draw_gaussian<double>(engine, 7, 1), 1e-5};
    const double rho = static_cast<double>(rho_of(row, norm.eps));
    const Matrix<double> dx = draw_gaussian<double>(engine, 1, 7) * (rho / 4);
    const Matrix<double> dy = draw_gaussian<double>(engine, 1, 7);
    CHECK(broken_derivative(norm, row, dx, dy, jvp_allowance(norm, rho)) == "");
    CHECK(broken_jacobian(norm, row, jvp_allowance(norm, rho)) == "");
  }
}

TEST_CASE("the Jacobian of RmsNorm is eps / rho^3 along h and 1 / rho across it") {
  property("with unit gain", [] {
    const Index channels = *size();
    const double eps = *magnitude<double>(1e-6, 1);
    const auto x = *activations<double>(1, channels);
    const Vector<double> h = x.row(0).transpose();
    const RmsNorm<double> norm{Vector<double>::Ones(channels), eps};
    const double rho = static_cast<double>(rho_of(x, eps));
    const double allowance = jvp_allowance(norm, rho);
    const Matrix<double> j = norm.jacobian(h);
    RC_ASSERT(mismatch(j * h, h * (eps / (rho * rho * rho)), allowance * h.norm()) == "");
    RC_ASSERT(difference(j, j.transpose()) == "");
    const Vector<double> v = *gaussian_vector<double>(channels);
    const double share = h.squaredNorm() > 0 ? h.dot(v) / h.squaredNorm() : 0;
    const Vector<double> across = v - h * share;
    RC_ASSERT(mismatch(j * across, across / rho, 2 * allowance * v.norm()) == "");
  });
}

TEST_CASE("RmsNorm in float has the derivatives of RmsNorm in double") {
  property("jvp, vjp and jacobian", [] {
    const Index channels = *size();
    const auto x = *activations<float>(1, channels), dx = *gaussian<float>(1, channels);
    const RmsNorm<float> norm{*bounded_vector<float>(channels), *magnitude<double>(1e-8, 1)};
    const auto exact = norm.cast<double>();
    const Matrix<double> wide_x = x.cast<double>(), wide_dx = dx.cast<double>();
    const double allowance =
        jvp_allowance(exact, static_cast<double>(rho_of(wide_x, exact.eps)), unit<float>);
    const double along = allowance * wide_dx.norm();
    RC_ASSERT(mismatch(norm.jvp(x, dx), exact.jvp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(norm.vjp(x, dx), exact.vjp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(norm.jacobian(x.row(0).transpose()),
                       exact.jacobian(wide_x.row(0).transpose()), allowance) == "");
  });
}

TEST_CASE("RmsNorm throws when shapes do not fit and only then") {
  check_shapes(RmsNorm<double>{Vector<double>::Ones(4), 1e-5}, 4);
}

// ---- DynamicTanh ----------------------------------------------------------------------------

namespace {

/// For jvp and what it is compared with: 1 - tanh^2 from a tanh of two ulp, 1 / cosh^2 from a cosh
/// of two ulp, the rounding of alpha h, which moves neither by more than 1 u, and three products.
double jvp_allowance(const DynamicTanh<double>& norm, double unit_roundoff = unit<double>) {
  return 40 * unit_roundoff * std::abs(norm.alpha) * norm.gain.cwiseAbs().maxCoeff();
}

/// Directions along which the nearest pole of tanh(alpha h), at alpha h = i pi / 2, is outside.
Matrix<double> some_direction(const DynamicTanh<double>& norm, Index rows, Index cols) {
  return *bounded_matrix<double>(rows, cols, 1.0) / std::max(1e-3, std::abs(norm.alpha));
}

}  // namespace

TEMPLATE_TEST_CASE("DynamicTanh equals its formula in long double", "", float, double) {
  using T = TestType;
  property("on bounded, Gaussian and spiked rows", [] {
    const Index channels = *size();
    const auto x = *activations<T>(*size(3), channels);
    const DynamicTanh<T> norm{*bounded_vector<T>(channels), *bounded<T>(T(2))};
    Matrix<Long> want(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index c = 0; c < channels; ++c) {
        want(t, c) = Long(norm.gain[c]) * std::tanh(Long(norm.alpha) * Long(x(t, c)));
      }
    }
    // The rounding of alpha h, a tanh of two ulp, the gain.
    RC_ASSERT(mismatch(norm.value(x), want, relative(want, gamma<T>(6))) == "");
  });
}

TEST_CASE("the derivatives of DynamicTanh obey the laws") {
  property("on bounded, Gaussian and spiked rows", [] {
    const Index tokens = *size(3), channels = *size();
    const DynamicTanh<double> norm{*bounded_vector<double>(channels), *bounded<double>(2)};
    const auto x = *activations<double>(tokens, channels);
    const Matrix<double> dx = some_direction(norm, tokens, channels);
    const Matrix<double> dy = *gaussian<double>(tokens, channels);
    RC_ASSERT(broken_derivative(norm, x, dx, dy, jvp_allowance(norm)) == "");
    RC_ASSERT(broken_jacobian(norm, x.row(0), jvp_allowance(norm)) == "");
    RC_ASSERT(broken_rows(norm, x, dx, dy, 0) == "");
  });
  for (const auto& [name, row] : special_rows<double>(7)) {
    INFO(name);
    const DynamicTanh<double> norm{Vector<double>::LinSpaced(7, -1, 2), 0.8};
    const Matrix<double> ones = Matrix<double>::Ones(1, 7);
    CHECK(broken_derivative(norm, row, ones, ones, jvp_allowance(norm)) == "");
    CHECK(broken_jacobian(norm, row, jvp_allowance(norm)) == "");
  }
}

TEST_CASE("DynamicTanh in float has the derivatives of DynamicTanh in double") {
  property("jvp and vjp", [] {
    const Index channels = *size();
    const auto x = *activations<float>(1, channels), dx = *gaussian<float>(1, channels);
    const DynamicTanh<float> norm{*bounded_vector<float>(channels), *bounded<float>(2)};
    const auto exact = norm.cast<double>();
    const Matrix<double> wide_x = x.cast<double>(), wide_dx = dx.cast<double>();
    const double along = jvp_allowance(exact, unit<float>) * wide_dx.norm();
    RC_ASSERT(mismatch(norm.jvp(x, dx), exact.jvp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(norm.vjp(x, dx), exact.vjp(wide_x, wide_dx), along) == "");
  });
}

TEST_CASE("DynamicTanh never exceeds its gain, however large the spike") {
  const DynamicTanh<double> norm{Vector<double>::Constant(1, -3), 0.2};
  CHECK(norm.value(Matrix<double>::Constant(1, 1, 1e5))(0, 0) == -3);
  CHECK(norm.value(Matrix<double>::Constant(1, 1, -1e300))(0, 0) == 3);
}

TEST_CASE("DynamicTanh throws when shapes do not fit and only then") {
  check_shapes(DynamicTanh<double>{Vector<double>::Ones(4), 0.5}, 4);
}

// ---- LayerNorm ------------------------------------------------------------------------------

namespace {

template <class T>
Long mean_of(const Matrix<T>& row) {
  Long sum = 0;
  for (Index i = 0; i < row.cols(); ++i) sum += Long(row(0, i));
  return sum / Long(row.cols());
}

/// The row without its mean, in long double.
template <class T>
Matrix<Long> centred(const Matrix<T>& row) {
  return row.template cast<Long>().array() - mean_of(row);
}

struct LayerNormTwin {
  Matrix<Long> value;
  Matrix<double> allowance;
};

/// y, and what rounding may add. Subtracting the mean leaves an error of the size of the largest
/// entry: the rounding of the sum, in double, and that of the difference, in T. It moves sigma,
/// too, and with it every entry by its own size. Then sigma's sum, a quotient, a product and a sum.
template <class T>
LayerNormTwin layer_norm_twin(const LayerNorm<T>& norm, const Matrix<T>& x) {
  const Index d = x.cols();
  LayerNormTwin twin{Matrix<Long>(x.rows(), d), Matrix<double>(x.rows(), d)};
  for (Index t = 0; t < x.rows(); ++t) {
    const Matrix<Long> c = centred<T>(x.row(t));
    const Long sigma = std::sqrt(c.squaredNorm() / Long(d) + Long(norm.eps));
    const auto size = static_cast<double>(x.row(t).cwiseAbs().maxCoeff());
    const double centring = gamma<double>(static_cast<double>(d) + 2) * size +
                            2 * unit<T> * static_cast<double>(c.cwiseAbs().maxCoeff());
    const double moved = centring / static_cast<double>(sigma);
    for (Index i = 0; i < d; ++i) {
      const Long u = c(0, i) / sigma;
      twin.value(t, i) = Long(norm.gain[i]) * u + Long(norm.bias[i]);
      const double g = std::abs(static_cast<double>(norm.gain[i]));
      const double entry = std::abs(static_cast<double>(u));
      const double roundings =
          (static_cast<double>(d) / 2 + 5) * unit<T> + moved;  // relative, of u
      twin.allowance(t, i) =
          1.01 * (g * moved + g * entry * roundings) +
          2 * unit<T> * (g * entry + std::abs(static_cast<double>(norm.bias[i]))) +
          static_cast<double>(std::numeric_limits<T>::min());
    }
  }
  return twin;
}

LayerNorm<double> some_layer_norm(Index channels) {
  return {*bounded_vector<double>(channels), *bounded_vector<double>(channels),
          *magnitude<double>(1e-8, 1)};
}

double sigma_of(const Matrix<double>& row, double eps) {
  return static_cast<double>(std::sqrt(centred(row).squaredNorm() / Long(row.cols()) + Long(eps)));
}

/// As jvp_allowance of RmsNorm, for each of the subtractions of a mean once more; and u, which is
/// there twice, is off by that of the centring beside sigma.
double jvp_allowance(const LayerNorm<double>& norm, const Matrix<double>& x,
                     double unit_roundoff = unit<double>) {
  const double sigma = sigma_of(x, norm.eps), d = static_cast<double>(x.cols());
  const double centring = (d + 4) * unit_roundoff * x.cwiseAbs().maxCoeff() / sigma;
  return ((8 * d + 40) * unit_roundoff + 6 * std::sqrt(d) * centring) *
         norm.gain.cwiseAbs().maxCoeff() / sigma;
}

Point some_layer_norm_point(const Matrix<double>& x, double eps) {
  Matrix<double> dx = *gaussian<double>(1, x.cols());
  const double size = dx.norm() / std::sqrt(static_cast<double>(x.cols()));
  if (size > 0) dx *= sigma_of(x, eps) / 2 / size;
  return {x, dx, *gaussian<double>(1, x.cols())};
}

}  // namespace

TEMPLATE_TEST_CASE("LayerNorm equals its formula in long double", "", float, double) {
  using T = TestType;
  property("on bounded, Gaussian and spiked rows", [] {
    const Index channels = *size();
    const auto x = *activations<T>(*size(3), channels);
    const LayerNorm<T> norm{*bounded_vector<T>(channels), *bounded_vector<T>(channels),
                            *rc::gen::element(1e-6, 1e-5, 1.0)};
    const auto want = layer_norm_twin(norm, x);
    RC_ASSERT(mismatch(norm.value(x), want.value, want.allowance) == "");
  });
  for (const auto& [name, row] : special_rows<T>(7)) {
    INFO(name);
    const LayerNorm<T> norm{Vector<T>::Constant(7, T(1.5)), Vector<T>::Constant(7, T(0.25)), 1e-5};
    const auto want = layer_norm_twin(norm, row);
    CHECK(mismatch(norm.value(row), want.value, want.allowance) == "");
  }
}

TEST_CASE("LayerNorm of (1, 2, 3, 4) with eps 0.75 is (-1.5, -0.5, 0.5, 1.5) / sqrt(2)") {
  // The variance divides by 4, not by 3: 1.25 + 0.75 = 2.
  const LayerNorm<double> norm{Vector<double>{{1, 1, 2, 1}}, Vector<double>{{0, 0, 0, 5}}, 0.75};
  const double s = std::sqrt(2.0);
  CHECK(mismatch(norm.value(RowVector<double>{{1, 2, 3, 4}}),
                 RowVector<double>{{-1.5 / s, -0.5 / s, 1 / s, 1.5 / s + 5}}, 1e-15) == "");
}

TEST_CASE("LayerNorm is RmsNorm of the row without its mean, and does not see a shift") {
  Engine engine(5);
  // Small integers: means and differences are exact, so a shift changes no bit.
  Matrix<double> x(1, 8);
  for (auto& entry : x.reshaped()) entry = std::uniform_int_distribution<int>(-9, 9)(engine);
  const Vector<double> gain = draw_gaussian<double>(engine, 8, 1);
  const LayerNorm<double> norm{gain, Vector<double>::Zero(8), 1e-5};
  const Matrix<double> shifted = x.array() + 512;
  CHECK(difference(norm.value(shifted), norm.value(x)) == "");
  const Matrix<double> c = x.array() - x.mean();
  CHECK(difference(norm.value(x), RmsNorm<double>{gain, 1e-5}.value(c)) == "");
}

TEST_CASE("the derivatives of LayerNorm obey the laws") {
  property("on bounded, Gaussian and spiked rows", [] {
    const Index channels = *size();
    const auto norm = some_layer_norm(channels);
    const auto [x, dx, dy] = some_layer_norm_point(*activations<double>(1, channels), norm.eps);
    const double allowance = jvp_allowance(norm, x);
    RC_ASSERT(broken_derivative(norm, x, dx, dy, allowance) == "");
    RC_ASSERT(broken_jacobian(norm, x, allowance) == "");
  });
  property("row by row", [] {
    const Index tokens = *size(5), channels = *size();
    const auto norm = some_layer_norm(channels);
    RC_ASSERT(broken_rows(norm, *activations<double>(tokens, channels),
                          *gaussian<double>(tokens, channels), *gaussian<double>(tokens, channels),
                          0) == "");
  });
}

TEST_CASE("the derivatives of LayerNorm obey the laws at special rows") {
  Engine engine(6);
  for (const auto& [name, row] : special_rows<double>(7)) {
    INFO(name);
    const LayerNorm<double> norm{draw_gaussian<double>(engine, 7, 1),
                                 draw_gaussian<double>(engine, 7, 1), 1e-5};
    const Matrix<double> dx = draw_gaussian<double>(engine, 1, 7) * (sigma_of(row, norm.eps) / 4);
    const Matrix<double> dy = draw_gaussian<double>(engine, 1, 7);
    CHECK(broken_derivative(norm, row, dx, dy, jvp_allowance(norm, row)) == "");
    CHECK(broken_jacobian(norm, row, jvp_allowance(norm, row)) == "");
  }
}

TEST_CASE("the Jacobian of LayerNorm removes the mean, and is eps / sigma^3 along the row") {
  property("with unit gain", [] {
    const Index channels = *size();
    const double eps = *magnitude<double>(1e-6, 1);
    const auto x = *activations<double>(1, channels);
    const LayerNorm<double> norm{Vector<double>::Ones(channels), Vector<double>::Zero(channels),
                                 eps};
    const double sigma = sigma_of(x, eps), allowance = jvp_allowance(norm, x);
    const Matrix<double> j = norm.jacobian(x.row(0).transpose());
    const Vector<double> c = centred(x).cast<double>().row(0).transpose();
    const Vector<double> ones = Vector<double>::Ones(channels);
    RC_ASSERT(difference(j, j.transpose()) == "");
    RC_ASSERT(mismatch(j * ones, Vector<double>::Zero(channels), allowance * ones.norm()) == "");
    RC_ASSERT(mismatch(j * c, c * (eps / (sigma * sigma * sigma)), 2 * allowance * c.norm()) == "");
  });
}

TEST_CASE("LayerNorm in float has the derivatives of LayerNorm in double") {
  property("jvp, vjp and jacobian", [] {
    const Index channels = *size();
    const auto x = *gaussian<float>(1, channels), dx = *gaussian<float>(1, channels);
    const LayerNorm<float> norm{*bounded_vector<float>(channels), *bounded_vector<float>(channels),
                                *magnitude<double>(1e-3, 1)};
    const auto exact = norm.cast<double>();
    const Matrix<double> wide_x = x.cast<double>(), wide_dx = dx.cast<double>();
    const double allowance = jvp_allowance(exact, wide_x, unit<float>);
    const double along = allowance * wide_dx.norm();
    RC_ASSERT(mismatch(norm.jvp(x, dx), exact.jvp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(norm.vjp(x, dx), exact.vjp(wide_x, wide_dx), along) == "");
    RC_ASSERT(mismatch(norm.jacobian(x.row(0).transpose()),
                       exact.jacobian(wide_x.row(0).transpose()), allowance) == "");
  });
}

TEST_CASE("LayerNorm throws when shapes do not fit and only then") {
  check_shapes(LayerNorm<double>{Vector<double>::Ones(4), Vector<double>::Zero(4), 1e-5}, 4);
  const LayerNorm<double> misfit{Vector<double>::Ones(4), Vector<double>::Zero(3), 1e-5};
  CHECK_THROWS_AS(misfit.value(Matrix<double>::Ones(1, 4)), shape_error);
}

// ---- NoNorm and Norm ------------------------------------------------------------------------

TEST_CASE("NoNorm is the identity, and so are its derivatives") {
  Engine engine(2);
  const auto x = draw_gaussian<double>(engine, 2, 3);
  const NoNorm<double> norm;
  CHECK(difference(norm.value(x), x) == "");
  CHECK(broken_derivative(norm, x, x, x, unit<double>) == "");
  CHECK(broken_jacobian(norm, x.row(0), 0) == "");
}

TEST_CASE("NoNorm throws when a direction does not have the shape of x") {
  const NoNorm<double> norm;
  const Matrix<double> x = Matrix<double>::Ones(2, 3);
  for (const auto& wrong : {Matrix<double>(2, 4), Matrix<double>(1, 3)}) {
    CHECK_THROWS_AS(norm.jvp(x, wrong), shape_error);
    CHECK_THROWS_AS(norm.vjp(x, wrong), shape_error);
  }
}

TEST_CASE("Norm is whichever norm it holds") {
  Engine engine(3);
  const auto x = draw_gaussian<double>(engine, 2, 4), dx = draw_gaussian<double>(engine, 2, 4);
  const Vector<double> gain = draw_gaussian<double>(engine, 4, 1), h = x.row(1).transpose();
  const auto check = [&](const auto& kind, bool present) {
    const Norm<double> norm{kind};
    CHECK(norm.present() == present);
    CHECK(difference(norm.value(x), kind.value(x)) == "");
    CHECK(difference(norm.jvp(x, dx), kind.jvp(x, dx)) == "");
    CHECK(difference(norm.vjp(x, dx), kind.vjp(x, dx)) == "");
    CHECK(difference(norm.jacobian(h), kind.jacobian(h)) == "");
    const auto narrow = kind.template cast<float>();
    const Matrix<float> x_float = x.cast<float>();
    CHECK(difference(norm.template cast<float>().value(x_float), narrow.value(x_float)) == "");
  };
  check(NoNorm<double>{}, false);
  check(RmsNorm<double>{gain, 1e-5}, true);
  check(DynamicTanh<double>{gain, 0.7}, true);
  check(LayerNorm<double>{gain, Vector<double>(-gain), 1e-5}, true);
  CHECK_FALSE(Norm<double>{}.present());
}

// ---- The laws themselves --------------------------------------------------------------------

namespace {

/// RmsNorm with the slips that its derivatives invite.
struct Slip {
  RmsNorm<double> norm;
  double along = 1;  // times jvp
  double back = 1;   // times vjp
  Matrix<double> value(const Matrix<double>& x) const { return norm.value(x); }
  Matrix<double> jvp(const Matrix<double>& x, const Matrix<double>& dx) const {
    return norm.jvp(x, dx) * along;
  }
  Matrix<double> vjp(const Matrix<double>& x, const Matrix<double>& dy) const {
    return norm.vjp(x, dy) * back;
  }
  template <class S>
  RmsNorm<S> cast() const {
    return norm.cast<S>();
  }
};

}  // namespace

TEST_CASE("the laws see a derivative that is off by a millionth") {
  Engine engine(4);
  const auto x = draw_gaussian<double>(engine, 1, 8), dx = draw_gaussian<double>(engine, 1, 8),
             dy = draw_gaussian<double>(engine, 1, 8);
  const RmsNorm<double> norm{Vector<double>::Ones(8), 1e-5};
  const double allowance = jvp_allowance(norm, static_cast<double>(rho_of(x, norm.eps)));
  CHECK(broken_derivative(Slip{norm}, x, dx, dy, allowance) == "");
  CHECK(broken_derivative(Slip{norm, 1 + 1e-6}, x, dx, dy, allowance) != "");
  CHECK(broken_derivative(Slip{norm, 1, 1 + 1e-6}, x, dx, dy, allowance) != "");
  const auto estimate =
      central_difference([&](const Matrix<double>& at) { return norm.value(at); }, x, dx);
  CHECK(mismatch(norm.jvp(x, dx), estimate.value, estimate.allowance) == "");
  CHECK(mismatch(norm.jvp(x, dx * (1 + 1e-6)), estimate.value, estimate.allowance) != "");
}
