#pragma once

#include <algorithm>
#include <array>
#include <boost/multiprecision/eigen.hpp>
#include <boost/multiprecision/mpfi.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mpfr.h>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

/// Inequalities over boxes, proven: every operation on an Interval encloses all values that it
/// takes on the operands, rounding included, and branch and bound splits a box until enclosures
/// decide. Nothing is sampled.
namespace plumb::test {

/// [lower, upper], about 66 bits each, rounded outward (MPFI). Never compare two: ends are
/// compared, as doubles that are rounded outward.
using Interval = boost::multiprecision::number<boost::multiprecision::mpfi_float_backend<20>,
                                               boost::multiprecision::et_off>;

/// A double that is not above, or not below, all of x; NaN if x is not defined somewhere.
inline double lower(const Interval& x) {
  const auto* ends = x.backend().data();
  return mpfi_nan_p(ends) ? std::nan("") : mpfr_get_d(&ends->left, MPFR_RNDD);
}
inline double upper(const Interval& x) {
  const auto* ends = x.backend().data();
  return mpfi_nan_p(ends) ? std::nan("") : mpfr_get_d(&ends->right, MPFR_RNDU);
}

/// [a, b], exactly.
inline Interval between(double a, double b) {
  Interval x;
  mpfi_interv_d(x.backend().data(), a, b);
  return x;
}

/// All numbers from a on.
inline Interval from(double a) { return between(a, std::numeric_limits<double>::infinity()); }

/// An enclosure of a decimal number: decimal("0.1") holds 1/10.
inline Interval decimal(const std::string& digits) {
  Interval x;
  mpfi_set_str(x.backend().data(), digits.c_str(), 10);
  return x;
}

inline Interval pi() {
  Interval x;
  mpfi_const_pi(x.backend().data());
  return x;
}

/// What two enclosures of one number have in common.
inline Interval common(const Interval& a, const Interval& b) {
  Interval x;
  mpfi_intersect(x.backend().data(), a.backend().data(), b.backend().data());
  return x;
}

namespace detail {

/// A function of MPFR that increases, evaluated at both ends with directed rounding.
template <class F>
Interval increasing(const F& f, const Interval& x) {
  Interval y;
  f(&y.backend().data()->left, &x.backend().data()->left, MPFR_RNDD);
  f(&y.backend().data()->right, &x.backend().data()->right, MPFR_RNDU);
  return y;
}

inline Interval square(const Interval& x) {
  Interval y;
  mpfi_sqr(y.backend().data(), x.backend().data());
  return y;
}

}  // namespace detail

inline Interval erf(const Interval& x) { return detail::increasing(mpfr_erf, x); }

/// 1 - erf(x), with relative accuracy at large x. It decreases.
inline Interval erfc(const Interval& x) {
  Interval y;
  mpfr_erfc(&y.backend().data()->left, &x.backend().data()->right, MPFR_RNDD);
  mpfr_erfc(&y.backend().data()->right, &x.backend().data()->left, MPFR_RNDU);
  return y;
}

/// t e^-t for t within [1, inf], where it decreases to 0: the tail of many a bound.
inline Interval times_exp_of_minus(const Interval& t) {
  REQUIRE(lower(t) >= 1);
  const auto at = [](double end) -> Interval { return Interval(end) * exp(-Interval(end)); };
  const double last = upper(t);
  return between(std::isinf(last) ? 0 : lower(at(last)), upper(at(lower(t))));
}

// ---- Numbers with a gradient ------------------------------------------------------------------

/// An enclosure of a value and of its gradient in N variables. Formulas that are templates over
/// their scalar take it as they take a double.
template <std::size_t N>
struct Jet {
  Interval value{0};
  std::array<Interval, N> gradient{};

  Jet() = default;
  Jet(const Interval& v) : value(v) {}  // NOLINT: a constant
  Jet(double v) : value(v) {}           // NOLINT
  Jet(int v) : value(v) {}              // NOLINT

  static Jet variable(const Interval& v, std::size_t index) {
    Jet x(v);
    x.gradient[index] = 1;
    return x;
  }

  /// f(x) by the chain rule.
  Jet chain(const Interval& f, const Interval& slope) const {
    Jet y(f);
    for (std::size_t i = 0; i < N; ++i) y.gradient[i] = slope * gradient[i];
    return y;
  }

  Jet operator-() const { return chain(-value, Interval(-1)); }
  Jet& operator+=(const Jet& b) { return *this = *this + b; }
  Jet& operator-=(const Jet& b) { return *this = *this - b; }
  Jet& operator*=(const Jet& b) { return *this = *this * b; }
  Jet& operator/=(const Jet& b) { return *this = *this / b; }

  friend Jet operator+(const Jet& a, const Jet& b) { return join(a, b, a.value + b.value, 1, 1); }
  friend Jet operator-(const Jet& a, const Jet& b) { return join(a, b, a.value - b.value, 1, -1); }
  friend Jet operator*(const Jet& a, const Jet& b) {
    if (&a == &b) return a.chain(detail::square(a.value), 2 * a.value);
    return join(a, b, a.value * b.value, b.value, a.value);
  }
  friend Jet operator/(const Jet& a, const Jet& b) {
    const Interval quotient = a.value / b.value;
    return join(a, b, quotient, 1 / b.value, -quotient / b.value);
  }

  friend Jet sqrt(const Jet& x) {
    const Interval root = sqrt(x.value);
    return x.chain(root, 1 / (2 * root));
  }
  friend Jet exp(const Jet& x) {
    const Interval e = exp(x.value);
    return x.chain(e, e);
  }
  friend Jet log(const Jet& x) { return x.chain(log(x.value), 1 / x.value); }
  friend Jet tanh(const Jet& x) {
    const Interval y = tanh(x.value);
    return x.chain(y, 1 - detail::square(y));
  }
  friend Jet sin(const Jet& x) { return x.chain(sin(x.value), cos(x.value)); }
  friend Jet cos(const Jet& x) { return x.chain(cos(x.value), -sin(x.value)); }
  friend Jet atan(const Jet& x) {
    return x.chain(atan(x.value), 1 / (1 + detail::square(x.value)));
  }
  friend Jet erf(const Jet& x) { return x.chain(erf(x.value), erf_slope(x.value)); }
  friend Jet erfc(const Jet& x) { return x.chain(erfc(x.value), -erf_slope(x.value)); }

 private:
  static Jet join(const Jet& a, const Jet& b, const Interval& value, const Interval& da,
                  const Interval& db) {
    Jet y(value);
    for (std::size_t i = 0; i < N; ++i) y.gradient[i] = da * a.gradient[i] + db * b.gradient[i];
    return y;
  }
  static Interval erf_slope(const Interval& x) { return 2 / sqrt(pi()) * exp(-detail::square(x)); }
};

// ---- Branch and bound ---------------------------------------------------------------------------

struct Range {
  double first, last;
};

/// A product of N ranges.
template <std::size_t N>
using Box = std::array<Range, N>;

/// The coordinates of a point, all points of a box, or jets.
template <class S, std::size_t N>
using Point = std::array<S, N>;

namespace detail {

template <std::size_t N>
std::string to_string(const Box<N>& box) {
  std::ostringstream text;
  text.precision(17);
  for (const auto& range : box) text << "[" << range.first << ", " << range.last << "] ";
  return text.str();
}

/// One box: an upper bound of f on it by interval arithmetic, by monotonicity and by the mean value
/// theorem, and where to split it.
template <std::size_t N, class F>
class Bound {
 public:
  Bound(const F& f, Box<N>& box) : f_(f), box_(box) {
    greatest_ = upper(f_(whole()));
    if (std::isfinite(greatest_)) remember(upper(mean_value(slopes())));
  }

  /// As above, and collapses `box` to the faces on which f is greatest. A box that does not follow
  /// from the simple bound is worth this.
  void collapse() {
    const auto gradient = slopes();
    bool changed = false;
    for (std::size_t i = 0; i < N; ++i) {
      auto& range = box_[i];
      if (range.first == range.last) continue;
      if (lower(gradient[i]) >= 0) {
        range.first = range.last;
      } else if (upper(gradient[i]) <= 0) {
        range.last = range.first;
      } else {
        continue;
      }
      changed = true;
    }
    if (changed) greatest_ = upper(f_(whole()));
  }

  double greatest() const { return greatest_; }

  /// Certainly below f somewhere in the box.
  double reached() const { return lower(f_(middle())); }

  /// The variable over which f varies most, as far as is known.
  std::size_t widest() const {
    const auto gradient = slopes();
    std::size_t best = 0;
    double greatest = -1;
    for (std::size_t i = 0; i < N; ++i) {
      const double width = box_[i].last - box_[i].first;
      const double slope = std::max(-lower(gradient[i]), upper(gradient[i]));
      const double variation = width > 0 && std::isfinite(slope) ? width * slope : width;
      if (variation > greatest) greatest = variation, best = i;
    }
    return best;
  }

 private:
  void remember(double bound) {
    if (bound < greatest_) greatest_ = bound;
  }

  Point<Interval, N> whole() const {
    Point<Interval, N> x;
    for (std::size_t i = 0; i < N; ++i) x[i] = between(box_[i].first, box_[i].last);
    return x;
  }
  Point<Interval, N> middle() const {
    Point<Interval, N> x;
    for (std::size_t i = 0; i < N; ++i) x[i] = std::midpoint(box_[i].first, box_[i].last);
    return x;
  }
  std::array<Interval, N> slopes() const {
    Point<Jet<N>, N> x;
    const auto box = whole();
    for (std::size_t i = 0; i < N; ++i) x[i] = Jet<N>::variable(box[i], i);
    return f_(x).gradient;
  }
  Interval mean_value(const std::array<Interval, N>& gradient) const {
    const auto box = whole(), centre = middle();
    Interval sum = f_(centre);
    for (std::size_t i = 0; i < N; ++i) sum += gradient[i] * (box[i] - centre[i]);
    return sum;
  }

  const F& f_;
  Box<N>& box_;
  double greatest_;
};

}  // namespace detail

/// Empty when f <= bound is proven on the whole box, else why not: a point where f exceeds the
/// bound, or the box that was still open when `budget` boxes had been looked at.
/// f takes a Point<S, N> and returns S, for S = Interval and S = Jet<N>. Each box is decided by the
/// enclosure of f, by f's value on the face where it is greatest, if a partial derivative has one
/// sign, or by the mean value theorem; else it is split in two.
/// A maximum that touches the bound is never decided: prove a bound that is a little larger.
template <std::size_t N, class F>
std::string unproven_at_most(const F& f, const Box<N>& box, double bound, int budget = 200000) {
  std::vector<Box<N>> open{box};
  while (!open.empty()) {
    auto part = open.back();
    open.pop_back();
    if (budget-- == 0) return "not decided on " + detail::to_string(part);
    detail::Bound<N, F> at(f, part);
    if (at.greatest() <= bound) continue;
    at.collapse();
    if (at.greatest() <= bound) continue;
    if (at.reached() > bound) return "exceeded on " + detail::to_string(part);
    auto& range = part[at.widest()];
    const double middle = std::midpoint(range.first, range.last);
    if (middle == range.first || middle == range.last) {
      return "too small to split: " + detail::to_string(part);
    }
    const double last = range.last;
    range.last = middle;
    open.push_back(part);
    range = {middle, last};
    open.push_back(part);
  }
  return {};
}

/// The same for f >= bound.
template <std::size_t N, class F>
std::string unproven_at_least(const F& f, const Box<N>& box, double bound, int budget = 200000) {
  const auto negative = [&](const auto& x) { return -f(x); };
  return unproven_at_most(negative, box, -bound, budget);
}

}  // namespace plumb::test
