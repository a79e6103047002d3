#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>

#include "plumb/claims/activation.hpp"
#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What a gated feed-forward block is, channel by channel: twice the even part of
///   F_k(x) = sum_j w_kj act(g_j.x) (u_j.x)
/// is the quadratic form x' S_k x = sum_j w_kj (g_j.x)(u_j.x), for every act with
/// act(z) - act(-z) = z: SiLU, both GELUs, ReLU.
namespace plumb::claims {

/// The neurons of a block as one output channel k sees them.
template <class S>
struct Neurons {
  Matrix<S> gate;  ///< g_j (f, d)
  Matrix<S> up;    ///< u_j (f, d)
  Vector<S> down;  ///< w_kj (f)
};

/// x' S_k y = sum_j w_j [(g_j.x)(u_j.y) + (u_j.x)(g_j.y)] / 2
template <class S>
S form_between(const Neurons<S>& neurons, const Vector<S>& x, const Vector<S>& y) {
  const Vector<S> gx = product<S>(neurons.gate, x), gy = product<S>(neurons.gate, y);
  const Vector<S> ux = product<S>(neurons.up, x), uy = product<S>(neurons.up, y);
  S sum(0);
  for (Index j = 0; j < gx.size(); ++j) {
    sum += neurons.down[j] * (gx[j] * uy[j] + ux[j] * gy[j]);
  }
  return sum / S(2);
}

/// x' S_k x = sum_j w_j (g_j.x)(u_j.x)
template <class S>
S form_value(const Neurons<S>& neurons, const Vector<S>& x) {
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  S sum(0);
  for (Index j = 0; j < z.size(); ++j) sum += neurons.down[j] * z[j] * y[j];
  return sum;
}

/// S_k x = sum_j w_j [g_j (u_j.x) + u_j (g_j.x)] / 2
template <class S>
Vector<S> form_times(const Neurons<S>& neurons, const Vector<S>& x) {
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  Vector<S> result(x.size());
  for (Index i = 0; i < x.size(); ++i) {
    S sum(0);
    for (Index j = 0; j < z.size(); ++j) {
      sum += neurons.down[j] * (neurons.gate(j, i) * y[j] + neurons.up(j, i) * z[j]);
    }
    result[i] = sum / S(2);
  }
  return result;
}

/// A bound of the rounding of F_k(x), or of x' S_k x, in double and in any order of summation:
///   1.01 sum_j |w_j| [1.13 a_j (|y_j| + b_j) + |z_j| b_j + (16 u + gamma_f) |z_j y_j|],
/// a_j = gamma_{d+2} |g_j|.|x|, b_j likewise for u_j. 1.13 bounds |act'|, 16 units an activation.
inline double write_rounding(const Neurons<double>& neurons, const Vector<double>& x) {
  const double unit = gamma(x.size() + 2), order = gamma(neurons.down.size() + 2);
  const Vector<double> size = x.cwiseAbs();
  const Vector<double> z = (neurons.gate * x).cwiseAbs(), y = (neurons.up * x).cwiseAbs();
  const Vector<double> a = unit * (neurons.gate.cwiseAbs() * size);
  const Vector<double> b = unit * (neurons.up.cwiseAbs() * size);
  double sum = 0;
  for (Index j = 0; j < z.size(); ++j) {
    sum += std::abs(neurons.down[j]) *
           (1.13 * a[j] * (y[j] + b[j]) + z[j] * b[j] + (16 * kUnit + order) * z[j] * y[j]);
  }
  return 1.01 * sum;
}

/// One channel at one x, and what the block made of x and of -x.
template <class S>
struct ChannelWrite {
  Neurons<S> neurons;
  Vector<S> x;              ///< what the block reads
  S write{};                ///< F_k(x), without the bias of W_down
  S mirrored{};             ///< F_k(-x), likewise
  Vector<S> v;              ///< a direction; unit where a claim says so
  S slope{};                ///< J_k(x) v, as the block computed it
  S mirrored_slope{};       ///< J_k(-x) v, likewise
  S gap{};                  ///< largest |act - ReLU|
  Objection obstacle = {};  ///< why the block is not of this kind, if it is not
};

namespace detail {

inline Objection is_no_channel(const ChannelWrite<double>& in) {
  if (in.obstacle) return in.obstacle;
  const Index f = in.neurons.down.size(), d = in.x.size();
  if (in.neurons.gate.rows() != f || in.neurons.up.rows() != f || in.neurons.gate.cols() != d ||
      in.neurons.up.cols() != d || d == 0) {
    return "the matrices do not fit";
  }
  return {};
}

/// The constant of the activation of an architecture; 0 for ReLU itself.
inline double gap_of(const Architecture& a) {
  const auto name = spell(kActivations, a.activation);
  if (name == "gelu") return kGeluGap;
  if (name == "gelu_tanh") return kGeluTanhGap;
  return name == "relu" ? 0 : kSiluGap;
}

/// The unit bisector of the gate and up rows of the neuron that writes most at x, on the side
/// that its product opens: nearly the leading eigenvector where one neuron rules a channel.
inline Vector<double> bisector(const Neurons<double>& neurons, const Vector<double>& x) {
  Index j = 0;
  const Vector<double> z = neurons.gate * x, y = neurons.up * x;
  neurons.down.cwiseProduct(z).cwiseProduct(y).cwiseAbs().maxCoeff(&j);
  const Vector<double> g = neurons.gate.row(j), u = neurons.up.row(j);
  const Vector<double> b = g.stableNormalized() + (g.dot(u) < 0 ? -1 : 1) * u.stableNormalized();
  return b.isZero(0) ? Vector<double>(Vector<double>::Unit(x.size(), 0)) : b.stableNormalized();
}

inline constexpr Index kVisitedChannels = 3;  ///< a notable position, those with largest |write|

/// Calls body(rows, row, channel, where) for the notable positions of a layer and the channels
/// that the block writes most into there.
template <class T, class Body>
void for_each_notable_write(const LayerRun<T>& run, Index channels, const Body& body) {
  const FeedForwardRows rows = feed_forward_rows(run);
  for (std::size_t p = 0; p < rows.positions.size(); ++p) {
    const auto i = static_cast<Index>(p);
    for (const Index channel : largest_channels(rows.write.row(i), channels)) {
      body(rows, i, channel,
           Where{.layer = run.layer,
                 .block = Block::feed_forward,
                 .channel = channel,
                 .position = rows.positions[p]});
    }
  }
}

/// Visits what the block of a layer writes at its notable positions, in its largest channels.
/// v is the bisector of the strongest neuron.
template <class T, class Visit>
void visit_writes(const LayerRun<T>& run, const Visit& visit) {
  ChannelWrite<double> in;
  in.gap = gap_of(run.architecture);
  for_each_notable_write(run, kVisitedChannels,
                         [&](const FeedForwardRows& rows, Index i, Index k, const Where& where) {
                           in.obstacle = rows.obstacle;
                           if (in.obstacle) return visit(in, where);
                           if (in.neurons.gate.size() == 0) {
                             in.neurons.gate = rows.block.gate;
                             in.neurons.up = rows.block.up;
                           }
                           in.neurons.down = rows.block.down.row(k);
                           in.x = rows.x.row(i);
                           in.write = rows.write(i, k);
                           in.mirrored = rows.mirrored(i, k);
                           in.v = bisector(in.neurons, in.x);
                           const Matrix<double> v = in.v.transpose();
                           in.slope = rows.block.jvp(rows.x.row(i), v)(0, k);
                           in.mirrored_slope = rows.block.jvp(-rows.x.row(i), v)(0, k);
                           visit(in, where);
                         });
}

/// A bound of the rounding of J_k(x) v, with a_j, b_j as in write_rounding, a'_j, b'_j likewise
/// for v, z' = g.v, y' = u.v, and |act''| <= 0.8:
///   1.01 sum_j |w_j| [1.13 (b |z'| + |y| a' + b a') + 0.8 a (|y| + b)(|z'| + a') + 1.13 a |y'| +
///                     (|z| + a) b' + (32 u + gamma_f)(|y z'| + |z y'|)]
inline double slope_rounding(const ChannelWrite<double>& in) {
  const auto& [gate, up, down] = in.neurons;
  const double unit = gamma(in.x.size() + 2), order = 32 * kUnit + gamma(down.size() + 2);
  const auto spread = [&](const Matrix<double>& m, const Vector<double>& t) {
    return Vector<double>(unit * (m.cwiseAbs() * t.cwiseAbs()));
  };
  const auto size = [](const Matrix<double>& m, const Vector<double>& t) {
    return Vector<double>((m * t).cwiseAbs());
  };
  const Vector<double> z = size(gate, in.x), y = size(up, in.x);
  const Vector<double> dz = size(gate, in.v), dy = size(up, in.v);
  const Vector<double> a = spread(gate, in.x), b = spread(up, in.x);
  const Vector<double> da = spread(gate, in.v), db = spread(up, in.v);
  double sum = 0;
  for (Index j = 0; j < z.size(); ++j) {
    sum += std::abs(down[j]) * (1.13 * (b[j] * dz[j] + y[j] * da[j] + b[j] * da[j] + a[j] * dy[j]) +
                                0.8 * a[j] * (y[j] + b[j]) * (dz[j] + da[j]) +
                                (z[j] + a[j]) * db[j] + order * (y[j] * dz[j] + z[j] * dy[j]));
  }
  return 1.01 * sum;
}

}  // namespace detail

/// F_k(x) + F_k(-x) = x' S_k x   (claim 6; ours). Needs act(z) - act(-z) = z, and no bias in gate
/// or up; that of W_down is taken off. -x is the negated input of the block.
struct MirrorIdentity {
  static constexpr std::string_view id = "mirror-identity", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write + in.mirrored;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return form_value<S>(in.neurons, in.x);
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_channel(in); }
  /// Three evaluations, and their sum.
  static double allowance(const Input<double>& in) { return 4 * write_rounding(in.neurons, in.x); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }
};

/// (J_k(x) - J_k(-x)) v = 2 x' S_k v for every direction v   (claim 6; ours): S_k from derivatives
/// alone.
struct MirrorJacobian {
  static constexpr std::string_view id = "mirror-identity", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.slope - in.mirrored_slope;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return S(2) * form_between<S>(in.neurons, in.x, in.v);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.v.size() != in.x.size()) return "v and x differ in size";
    return detail::is_no_channel(in);
  }
  /// Two slopes and a form.
  static double allowance(const Input<double>& in) { return 4 * detail::slope_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }
};

/// F_k(x) = lambda (v.x)^2 + x'(S_k x - lambda v (v.x)) - F_k(-x), lambda = v' S_k v: rank one,
/// spectral remainder, gating remainder   (claim 7; ours). For every v; a unit v makes lambda a
/// Rayleigh quotient.
struct QuadraticSplit {
  static constexpr std::string_view id = "quadratic-split", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S along = dot<S>(in.v, in.x), lambda = form_value<S>(in.neurons, in.v);
    const Vector<S> deflated = plus<S>(form_times<S>(in.neurons, in.x), S(-(lambda * along)), in.v);
    return lambda * along * along + dot<S>(in.x, deflated) - in.mirrored;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.v.size() != in.x.size()) return "v and x differ in size";
    return detail::is_no_channel(in);
  }
  /// Two writes; a form as an operator, d more roundings, so twice a write; lambda (v.x)^2 twice,
  /// each relative 3 d + f + 16 of at most mass ||v||^4 ||x||^2, mass = sum_j |w_j| ||g_j||
  /// ||u_j||.
  static double allowance(const Input<double>& in) {
    const double mass =
        (in.neurons.down.cwiseAbs().transpose() *
         in.neurons.gate.rowwise().norm().cwiseProduct(in.neurons.up.rowwise().norm()))[0];
    const auto roundings = 3 * in.x.size() + in.neurons.down.size() + 16;
    return 4 * write_rounding(in.neurons, in.x) +
           4 * gamma(roundings) * mass * std::pow(in.v.norm(), 4) * in.x.squaredNorm();
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }
};

/// |F_k(x) - sum_{j: z_j > 0} w_kj z_j y_j| <= sum_j |w_kj y_j| |z_j| sigma(-|z_j|)   (claim 7;
/// ours) for SiLU: the active neurons are a quadratic form of their own. Equal for one neuron.
struct ActiveSet {
  static constexpr std::string_view id = "quadratic-split", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const Vector<S> z = product<S>(in.neurons.gate, in.x), y = product<S>(in.neurons.up, in.x);
    S active(0);
    for (Index j = 0; j < z.size(); ++j) {
      active += in.neurons.down[j] * positive_part<S>(z[j]) * y[j];
    }
    return abs(in.write - active);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const Vector<S> z = product<S>(in.neurons.gate, in.x), y = product<S>(in.neurons.up, in.x);
    S sum(0);
    for (Index j = 0; j < z.size(); ++j) {
      sum += abs(in.neurons.down[j] * y[j]) * abs(z[j]) * logistic<S>(-abs(z[j]));
    }
    return sum;
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_channel(in); }
  static double allowance(const Input<double>& in) { return 4 * write_rounding(in.neurons, in.x); }
  static Objection objection(const Architecture& a) { return detail::activation_is_not("silu", a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }
};

/// |F_k(x) - sum_{j: z_j > 0} w_kj z_j y_j| <= c sum_j |w_kj y_j|, c the largest |act - ReLU|: W
/// for SiLU, the constants of claim 5 for GELU   (claim 7; ours). Equal for one neuron, |z| = 1 +
/// W.
struct ActiveSetConstant {
  static constexpr std::string_view id = "quadratic-split", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return ActiveSet::lhs<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const Vector<S> y = product<S>(in.neurons.up, in.x);
    S sum(0);
    for (Index j = 0; j < y.size(); ++j) sum += abs(in.neurons.down[j] * y[j]);
    return in.gap * sum;
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_channel(in); }
  static double allowance(const Input<double>& in) {
    return 4 * write_rounding(in.neurons, in.x) +
           2 * gamma(in.x.size() + in.neurons.down.size() + 4) * sum_of_factors(in);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }

 private:
  /// c sum_j |w_j| |u_j|.|x|, what the right side is rounded relative to.
  static double sum_of_factors(const Input<double>& in) {
    const Vector<double> sizes = in.neurons.up.cwiseAbs() * in.x.cwiseAbs();
    return in.gap * in.neurons.down.cwiseAbs().dot(sizes);
  }
};

/// J_k(x) v = sum_j w_kj [y_j SiLU'(z_j) g_j.v + SiLU(z_j) u_j.v] for every v   (claim 29),
/// SiLU'(z) = sigma(z)(1 + z sigma(-z)).
struct JacobianSwiglu {
  static constexpr std::string_view id = "jacobian-swiglu", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.slope;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const Vector<S> z = product<S>(in.neurons.gate, in.x), y = product<S>(in.neurons.up, in.x);
    const Vector<S> dz = product<S>(in.neurons.gate, in.v), dy = product<S>(in.neurons.up, in.v);
    S sum(0);
    for (Index j = 0; j < z.size(); ++j) {
      const S open = logistic<S>(z[j]), shut = logistic<S>(S(-z[j]));
      sum += in.neurons.down[j] * open * (y[j] * (S(1) + z[j] * shut) * dz[j] + z[j] * dy[j]);
    }
    return sum;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.v.size() != in.x.size()) return "v and x differ in size";
    return detail::is_no_channel(in);
  }
  static double allowance(const Input<double>& in) { return 4 * detail::slope_rounding(in); }
  static Objection objection(const Architecture& a) { return detail::activation_is_not("silu", a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_writes(run, visit);
  }
};

/// J_k(x) x = sum_j w_kj SiLU(z_j) y_j (2 + z_j sigma(-z_j))   (claim 29; ours), Euler's form: a
/// neuron is of local degree 2 to 2 + W where z_j >= 0. A channel sums neurons of both signs, so
/// its own degree may leave that range. v is x.
struct JacobianSwigluEuler {
  static constexpr std::string_view id = "jacobian-swiglu", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.slope;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const Vector<S> z = product<S>(in.neurons.gate, in.x), y = product<S>(in.neurons.up, in.x);
    S sum(0);
    for (Index j = 0; j < z.size(); ++j) {
      const S neuron = z[j] * logistic<S>(z[j]) * y[j];
      sum += in.neurons.down[j] * neuron * (S(2) + z[j] * logistic<S>(S(-z[j])));
    }
    return sum;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.v.size() != in.x.size() || in.v != in.x) return "v is not x";
    return detail::is_no_channel(in);
  }
  static double allowance(const Input<double>& in) { return 4 * detail::slope_rounding(in); }
  static Objection objection(const Architecture& a) { return detail::activation_is_not("silu", a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_notable_write(
        run, detail::kVisitedChannels,
        [&](const FeedForwardRows& rows, Index i, Index k, const Where& where) {
          ChannelWrite<double> in;
          in.obstacle = rows.obstacle;
          if (in.obstacle) return visit(in, where);
          in.neurons = {rows.block.gate, rows.block.up, rows.block.down.row(k)};
          in.x = rows.x.row(i);
          in.v = in.x;
          in.slope = rows.block.jvp(rows.x.row(i), rows.x.row(i))(0, k);
          visit(in, where);
        });
  }
};

}  // namespace plumb::claims
