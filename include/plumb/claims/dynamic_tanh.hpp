#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What DynamicTanh makes of a row: y = g .* tanh(alpha h) + b. It is bounded as RMSNorm is, but it
/// does not divide: what two tokens have off their spike channels stays apart, whatever the spike.
/// (The library's DynamicTanh has no b; the claims take any.)
namespace plumb::claims {

namespace detail {

/// tanh of a double is off by at most 2 u; alpha h by one more, which tanh never enlarges.
inline constexpr double kTanhRoundings = 4;

/// Visits body(norm, h, y, block) for each DynamicTanh of the layer, in double.
template <class T, class Body>
void for_each_dynamic_tanh(const LayerRun<T>& run, const Body& body) {
  for_each_norm<DynamicTanh>(run, [&](const auto& norm, const Matrix<T>& rows, Block block) {
    const auto exact = norm.template cast<double>();
    const Matrix<double> h = rows.template cast<double>();
    body(exact, h, Matrix<double>(exact.value(h)), block);
  });
}

/// What claims about a DynamicTanh in front of blocks share.
struct DynamicTanhClaim {
  static Objection objection(const Architecture& a) { return reads_no_dynamic_tanh(a); }
};

}  // namespace detail

/// One entry of a row, and what DynamicTanh made of it.
template <class S>
struct SquashedEntry {
  S h{};
  S alpha{};
  S gain{};  ///< g
  S bias{};  ///< b
  S y{};     ///< observed
};

namespace detail {

/// Visits, at each row, the entry that comes closest to its bound g.
template <class T, class Visit>
void visit_squashed_entries(const LayerRun<T>& run, const Visit& visit) {
  for_each_dynamic_tanh(run, [&](const DynamicTanh<double>& norm, const Matrix<double>& h,
                                 const Matrix<double>& y, Block block) {
    for (Index t = 0; t < h.rows(); ++t) {
      Index k = 0;
      (y.row(t).cwiseAbs().transpose() - norm.gain.cwiseAbs()).maxCoeff(&k);
      visit(SquashedEntry<double>{h(t, k), norm.alpha, norm.gain[k], 0, y(t, k)},
            Where{.layer = run.layer, .block = block, .channel = k, .position = t});
    }
  });
}

/// What the parts about one entry share.
struct SquashedEntryClaim : DynamicTanhClaim {
  static constexpr std::string_view id = "dynamic-tanh-bounded-but-not-constant";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = SquashedEntry<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.gain == 0) return "the gain is zero";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_squashed_entries(run, visit);
  }
};

}  // namespace detail

/// |y_i - b_i| <= |g_i|   (claim 23a; ours). Approached as |alpha h_i| grows.
struct DynamicTanhBounded : detail::SquashedEntryClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.y - in.bias);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return abs(in.gain);
  }
  /// y carries the roundings of tanh, of the product with g and of the sum with b.
  static double allowance(const Input<double>& in) {
    return gamma(detail::kTanhRoundings + 4) * (std::abs(in.gain) + std::abs(in.bias));
  }
};

/// sum over i not in C of g_i^2 (tanh alpha a_i - tanh alpha b_i)^2 <= ||y_a - y_b||^2   (claim
/// 23b; ours). Equal when a = b on C. The left side does not depend on the spikes at all: there is
/// no tau in it that a larger spike would make small.
struct DynamicTanhApart : detail::DynamicTanhClaim {
  static constexpr std::string_view id = "dynamic-tanh-bounded-but-not-constant", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    Vector<S> a, b;
    std::vector<Index> channels;  ///< C
    S alpha{};
    Vector<S> gain;
    Vector<S> y_a, y_b;  ///< observed
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::tanh;
    Vector<S> apart(in.a.size());
    for (Index i = 0; i < in.a.size(); ++i) {
      apart[i] = in.gain[i] * (tanh(in.alpha * in.a[i]) - tanh(in.alpha * in.b[i]));
    }
    return sum_of_squares<S>(split<S>(apart, in.channels).off);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(minus<S>(in.y_a, in.y_b));
  }
  static Objection assumptions(const Input<double>& in) {
    for (const auto* v : {&in.b, &in.gain, &in.y_a, &in.y_b}) {
      if (v->size() != in.a.size()) return "the vectors differ in size";
    }
    for (const Index k : in.channels) {
      if (k < 0 || k >= in.a.size()) return "a spike channel is out of range";
    }
    if (in.y_a == in.y_b) return "both rows are read alike";
    return {};
  }
  /// An entry of a difference D is off by 2 gamma_8 |g_i|, its square by 4 gamma_8 |g_i||D_i|, on
  /// both sides.
  static double allowance(const Input<double>& in) {
    const double apart = norm<double>(minus<double>(in.y_a, in.y_b));
    return 8 * gamma(detail::kTanhRoundings + 4) * norm<double>(in.gain) * apart +
           gamma(2 * in.a.size() + 4) * apart * apart;
  }
  /// For each pair of tokens with a spike.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_dynamic_tanh(run, [&](const DynamicTanh<double>& norm, const Matrix<double>& h,
                                           const Matrix<double>& y, Block block) {
      const auto place = find_spike(h);
      for (const Index i : place.tokens) {
        for (const Index j : place.tokens) {
          if (i >= j) continue;
          visit(Input<double>{h.row(i).transpose(), h.row(j).transpose(), place.channels,
                              norm.alpha, norm.gain, y.row(i).transpose(), y.row(j).transpose()},
                Where{.layer = run.layer, .block = block, .position = j});
        }
      }
    });
  }
};

/// |g_i| <= |y_i - b_i| + 2 |g_i| exp(-2 |alpha h_i|): 1 - tanh t <= 2 exp(-2 t), so a spike is
/// soon at the bound   (claim 23c; ours). Equal in the limit.
struct DynamicTanhSaturates : detail::SquashedEntryClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.gain);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::exp;
    return abs(in.y - in.bias) + S(2) * abs(in.gain) * exp(S(-2) * abs(in.alpha * in.h));
  }
  /// As in part a; e^-x is off by (x + 2) u, and x e^-x < 1.
  static double allowance(const Input<double>& in) {
    return gamma(detail::kTanhRoundings + 12) * (std::abs(in.gain) + std::abs(in.bias));
  }
};

/// v.(J dx) = sum v_i g_i alpha (1 - tanh^2(alpha h_i)) dx_i, for any v: J is diagonal   (claim 28;
/// ours)
struct JacobianDynamicTanh : detail::DynamicTanhClaim {
  static constexpr std::string_view id = "jacobian-dynamic-tanh";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> h;
    S alpha{};
    Vector<S> gain;
    Vector<S> dx;
    Vector<S> dy;        ///< J dx, observed
    Vector<S> observer;  ///< v
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return dot<S>(in.observer, in.dy);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::tanh;
    S sum(0);
    for (Index i = 0; i < in.h.size(); ++i) {
      const S slope = S(1) - square<S>(tanh(in.alpha * in.h[i]));
      sum += in.observer[i] * in.gain[i] * in.alpha * slope * in.dx[i];
    }
    return sum;
  }
  static Objection assumptions(const Input<double>& in) {
    for (const auto* v : {&in.gain, &in.dx, &in.dy, &in.observer}) {
      if (v->size() != in.h.size()) return "the vectors differ in size";
    }
    return {};
  }
  /// 1 - tanh^2 is off by 2 gamma_4, absolutely; then the products and the sum.
  static double allowance(const Input<double>& in) {
    const Vector<double> terms = times<double>(times<double>(in.observer, in.gain), in.dx);
    return gamma(in.h.size() + 20) * std::abs(in.alpha) * terms.cwiseAbs().sum();
  }
  /// Along what the block goes on to write, at a sample of rows.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_dynamic_tanh(run, [&](const DynamicTanh<double>& norm, const Matrix<double>& h,
                                           const Matrix<double>&, Block block) {
      const Matrix<double> dx = detail::write_of(run, block), dy = norm.jvp(h, dx);
      for (Index t = 0; t < h.rows(); t += detail::row_stride(h.rows())) {
        visit(Input<double>{h.row(t).transpose(), norm.alpha, norm.gain, dx.row(t).transpose(),
                            dy.row(t).transpose(), detail::observer(h.cols())},
              Where{.layer = run.layer, .block = block, .position = t});
      }
    });
  }
};

}  // namespace plumb::claims
