#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/activation.hpp"
#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/neurons.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// What a gated feed-forward block is, channel by channel: twice the even part of
///   F_k(x) = sum_j w_kj act(g_j.x) (u_j.x)
/// is the quadratic form x' S_k x = sum_j w_kj (g_j.x)(u_j.x), for every act with
/// act(z) - act(-z) = z: SiLU, both GELUs, ReLU.
namespace plumb::claims {

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
  if (!fit(in.neurons, in.x)) return "the matrices do not fit";
  return {};
}

/// A channel, and a direction beside x.
inline Objection has_no_direction(const ChannelWrite<double>& in) {
  if (in.v.size() != in.x.size()) return "v and x differ in size";
  return is_no_channel(in);
}

/// The constant of the activation of an architecture; 0 for ReLU itself.
inline double gap_of(const Architecture& a) {
  const auto name = spell(kActivations, a.activation);
  if (name == "gelu") return kGeluGap;
  if (name == "gelu_tanh") return kGeluTanhGap;
  return name == "relu" ? 0 : kSiluGap;
}

inline constexpr Index kVisitedChannels = 3;  ///< a notable position, those with largest |write|

/// Visits the channels that a block writes most into at its notable positions. What is seen of
/// each, observe(rows, row, channel, in) adds to the input.
template <class T, class Visit, class Observe>
void visit_channels(const LayerRun<T>& run, const Visit& visit, const Observe& observe) {
  const FeedForwardRows rows = feed_forward_rows(run);
  ChannelWrite<double> in;
  in.gap = gap_of(run.architecture);
  in.obstacle = rows.obstacle;
  if (!in.obstacle) in.neurons = {rows.block.gate, rows.block.up, {}};
  for_each_notable_write(rows, run.layer, kVisitedChannels,
                         [&](Index row, Index channel, const Where& where) {
                           if (in.obstacle) return visit(in, where);
                           in.neurons.down = rows.block.down.row(channel);
                           in.x = rows.x.row(row);
                           observe(rows, row, channel, in);
                           visit(in, where);
                         });
}

/// The same with the writes at x and -x, and the slopes there along v, the bisector of the
/// strongest neuron.
template <class T, class Visit>
void visit_writes(const LayerRun<T>& run, const Visit& visit) {
  visit_channels(
      run, visit,
      [](const FeedForwardRows& rows, Index row, Index channel, ChannelWrite<double>& in) {
        in.write = rows.write(row, channel);
        in.mirrored = rows.mirrored(row, channel);
        in.v = bisector(in.neurons, in.x);
        const Matrix<double> x = rows.x.row(row), v = in.v.transpose();
        in.slope = rows.block.jvp(x, v)(0, channel);
        in.mirrored_slope = rows.block.jvp(-x, v)(0, channel);
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

/// What the claims about one channel share.
struct ChannelWriteClaim {
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ChannelWrite<S>;

  static Objection assumptions(const Input<double>& in) { return is_no_channel(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_writes(run, visit);
  }
};

/// What the derivatives of SwiGLU share.
struct SwigluClaim : ChannelWriteClaim {
  static constexpr std::string_view id = "jacobian-swiglu";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.slope;
  }
  static double allowance(const Input<double>& in) { return 4 * slope_rounding(in); }
  static Objection objection(const Architecture& a) { return activation_is_not("silu", a); }
};

}  // namespace detail

/// F_k(x) + F_k(-x) = x' S_k x   (claim 6; ours). Needs act(z) - act(-z) = z, and no bias in gate
/// or up; that of W_down is taken off. -x is the negated input of the block.
struct MirrorIdentity : detail::ChannelWriteClaim {
  static constexpr std::string_view id = "mirror-identity", part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write + in.mirrored;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return form_value<S>(in.neurons, in.x);
  }
  /// Three evaluations, and their sum.
  static double allowance(const Input<double>& in) { return 4 * write_rounding(in.neurons, in.x); }
};

/// (J_k(x) - J_k(-x)) v = 2 x' S_k v for every direction v   (claim 6; ours): S_k from derivatives
/// alone.
struct MirrorJacobian : detail::ChannelWriteClaim {
  static constexpr std::string_view id = "mirror-identity", part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.slope - in.mirrored_slope;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return S(2) * form_between<S>(in.neurons, in.x, in.v);
  }
  static Objection assumptions(const Input<double>& in) { return detail::has_no_direction(in); }
  /// Two slopes and a form.
  static double allowance(const Input<double>& in) { return 4 * detail::slope_rounding(in); }
};

/// F_k(x) = lambda (v.x)^2 + x'(S_k x - lambda v (v.x)) - F_k(-x), lambda = v' S_k v: rank one,
/// spectral remainder, gating remainder   (claim 7; ours). For every v; a unit v makes lambda a
/// Rayleigh quotient.
struct QuadraticSplit : detail::ChannelWriteClaim {
  static constexpr std::string_view id = "quadratic-split", part = "a";

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
  static Objection assumptions(const Input<double>& in) { return detail::has_no_direction(in); }
  /// Two writes; a form as an operator, d more roundings, so twice a write; lambda (v.x)^2 twice,
  /// each relative 3 d + f + 16 of at most mass ||v||^4 ||x||^2, mass = sum_j |w_j| ||g_j||
  /// ||u_j||.
  static double allowance(const Input<double>& in) {
    const auto roundings = 3 * in.x.size() + in.neurons.down.size() + 16;
    return 4 * write_rounding(in.neurons, in.x) +
           4 * gamma(roundings) * mass(in.neurons) * std::pow(in.v.norm(), 4) * in.x.squaredNorm();
  }
};

/// |F_k(x) - sum_{j: z_j > 0} w_kj z_j y_j| <= sum_j |w_kj y_j| |z_j| sigma(-|z_j|)   (claim 7;
/// ours) for SiLU: the active neurons are a quadratic form of their own. Equal for one neuron.
struct ActiveSet : detail::ChannelWriteClaim {
  static constexpr std::string_view id = "quadratic-split", part = "b";
  static constexpr auto relation = Relation::at_most;

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
  static double allowance(const Input<double>& in) { return 4 * write_rounding(in.neurons, in.x); }
  static Objection objection(const Architecture& a) { return detail::activation_is_not("silu", a); }
};

/// |F_k(x) - sum_{j: z_j > 0} w_kj z_j y_j| <= c sum_j |w_kj y_j|, c the largest |act - ReLU|: W
/// for SiLU, the constants of claim 5 for GELU   (claim 7; ours). Equal for one neuron, |z| = 1 +
/// W.
struct ActiveSetConstant : detail::ChannelWriteClaim {
  static constexpr std::string_view id = "quadratic-split", part = "c";
  static constexpr auto relation = Relation::at_most;

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
  static double allowance(const Input<double>& in) {
    return 4 * write_rounding(in.neurons, in.x) +
           2 * gamma(in.x.size() + in.neurons.down.size() + 4) * sum_of_factors(in);
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
struct JacobianSwiglu : detail::SwigluClaim {
  static constexpr std::string_view part = "a";

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
  static Objection assumptions(const Input<double>& in) { return detail::has_no_direction(in); }
};

/// J_k(x) x = sum_j w_kj SiLU(z_j) y_j (2 + z_j sigma(-z_j))   (claim 29; ours), Euler's form: a
/// neuron is of local degree 2 to 2 + W where z_j >= 0. A channel sums neurons of both signs, so
/// its own degree may leave that range. v is x.
struct JacobianSwigluEuler : detail::SwigluClaim {
  static constexpr std::string_view part = "b";

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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_channels(
        run, visit,
        [](const FeedForwardRows& rows, Index row, Index channel, ChannelWrite<double>& in) {
          in.v = in.x;
          in.slope = rows.block.jvp(rows.x.row(row), rows.x.row(row))(0, channel);
        });
  }
};

}  // namespace plumb::claims
