#include "plumb/claims/dynamic_tanh.hpp"

#include <catch2/catch.hpp>

#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Vector;

namespace {

using Apart = DynamicTanhApart;

SquashedEntry<double> squashed(double h, double alpha, double gain, double bias) {
  return {h, alpha, gain, bias, gain * std::tanh(alpha * h) + bias};
}

SquashedEntry<double> draw_entry() {
  return squashed(*number<double>(), *magnitude<double>(0.1, 3), *bounded<double>(3.0),
                  *bounded<double>(1.0));
}

Vector<double> read(const Vector<double>& h, double alpha, const Vector<double>& gain) {
  return plumb::DynamicTanh<double>{gain, alpha}.value(h.transpose()).row(0).transpose();
}

Apart::Input<double> pair_of(const Vector<double>& a, const Vector<double>& b, double alpha,
                             const Vector<double>& gain) {
  return {a, b, {0}, alpha, gain, read(a, alpha, gain), read(b, alpha, gain)};
}

}  // namespace

TEST_CASE("dynamic-tanh-bounded-but-not-constant: any rows",
          "[dynamic-tanh-bounded-but-not-constant][property]") {
  check_property<DynamicTanhBounded>("bounded", draw_entry);
  check_property<DynamicTanhSaturates>("saturates", draw_entry);
  check_property<Apart>("apart", [] {
    const Index d = 1 + *size();
    Vector<double> a = *gaussian_vector<double>(d), b = *gaussian_vector<double>(d);
    a[0] *= 1000;
    b[0] *= *magnitude<double>(1, 1e4);
    return pair_of(a, b, *magnitude<double>(0.1, 2), *bounded_vector<double>(d, 3.0));
  });
}

TEST_CASE("dynamic-tanh-bounded-but-not-constant: tight, broken, vacuous",
          "[dynamic-tanh-bounded-but-not-constant][property]") {
  check_tight<DynamicTanhBounded>(squashed(-9, 0.5, -2, 0.25));
  check_tight<DynamicTanhSaturates>(squashed(2, 0.5, -2, 0.25), 0.85);
  check_tight<DynamicTanhSaturates>(squashed(6, 0.5, -2, 0.25));
  // Equal spikes, of whatever size.
  Vector<double> a(3), b(3), gain(3);
  a << 1000, 0.3, -0.2;
  b << 1000, -0.4, 0.5;
  gain << 1, 2, -0.5;
  check_tight<Apart>(pair_of(a, b, 0.7, gain), 1);

  auto unbounded = squashed(5, 0.5, 2, 0);
  unbounded.y = unbounded.h;
  check_violated<DynamicTanhBounded>(unbounded);
  auto forgotten = squashed(3, 2, 1, 0);  // alpha forgotten
  forgotten.y = std::tanh(forgotten.h / 3);
  check_violated<DynamicTanhSaturates>(forgotten);
  // RMSNorm brings the two together: it is no DynamicTanh.
  auto divided = pair_of(a, b, 0.7, gain);
  divided.y_a = a / 1000;
  divided.y_b = b / 1000;
  check_violated<Apart>(divided);

  check_needs_assumption<DynamicTanhBounded>(squashed(1, 1, 0, 1), "gain is zero");
  check_needs_assumption<DynamicTanhSaturates>(squashed(1, 1, 0, 1), "gain is zero");
  auto alike = pair_of(a, a, 0.7, gain);
  CHECK(Apart::assumptions(alike));
  alike.y_b = a;
  alike.channels = {3};
  CHECK(Apart::assumptions(alike));
}

TEST_CASE("dynamic-tanh-bounded-but-not-constant on models",
          "[dynamic-tanh-bounded-but-not-constant][measured]") {
  check_measured<DynamicTanhBounded>();
  check_measured<DynamicTanhSaturates>();
  check_measured<Apart>();
}

TEST_CASE("dynamic-tanh claims say why they do not apply",
          "[dynamic-tanh-bounded-but-not-constant][measured]") {
  const auto& planted = measured_runs().back();
  const auto result = check<DynamicTanhBounded>(planted.model, planted.trace).front();
  CHECK(result.verdict() == Verdict::vacuous);
  CHECK(result.reason == "the norm before blocks is rms_norm, not dynamic_tanh");
}

// ---- Derivative -------------------------------------------------------------------------------

namespace {

JacobianDynamicTanh::Input<double> derivative_of(const Vector<double>& h, double alpha,
                                                 const Vector<double>& gain,
                                                 const Vector<double>& dx) {
  const plumb::DynamicTanh<double> norm{gain, alpha};
  return {h,
          alpha,
          gain,
          dx,
          norm.jvp(h.transpose(), dx.transpose()).row(0).transpose(),
          Vector<double>::LinSpaced(h.size(), 1, 2)};
}

}  // namespace

TEST_CASE("jacobian-dynamic-tanh: any row and direction", "[jacobian-dynamic-tanh][property]") {
  check_property<JacobianDynamicTanh>("value", [] {
    const Index d = *size();
    auto in = derivative_of(*bounded_vector<double>(d, 5.0), *magnitude<double>(0.1, 1),
                            *bounded_vector<double>(d, 3.0), *gaussian_vector<double>(d));
    in.observer = *gaussian_vector<double>(d);
    return in;
  });
}

TEST_CASE("jacobian-dynamic-tanh: tight, broken", "[jacobian-dynamic-tanh][property]") {
  Vector<double> h(2), gain(2), dx(2);
  h << 0.3, -1;
  gain << 2, 0.5;
  dx << 1, 3;
  check_tight<JacobianDynamicTanh>(derivative_of(h, 0.5, gain, dx));

  auto forgotten = derivative_of(h, 0.5, gain, dx);  // the factor alpha of the chain rule
  forgotten.dy /= 0.5;
  check_violated<JacobianDynamicTanh>(forgotten);
  auto twice = derivative_of(h, 0.5, gain, dx);
  twice.dy = twice.dy.cwiseProduct(gain);
  check_violated<JacobianDynamicTanh>(twice);
}

TEST_CASE("jacobian-dynamic-tanh on models", "[jacobian-dynamic-tanh][measured]") {
  check_measured<JacobianDynamicTanh>();
}
