#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// How far smooth activations are from ReLU, and how steep they are. The largest gaps are the
/// constants below. W is the solution of W e^W = 1/e, that is LambertW(1/e).
namespace plumb::claims {

inline constexpr double kSiluGap = 0.27846454276107379;     ///< W, at |z| = 1 + W
inline constexpr double kGeluGap = 0.16997120748;           ///< rounded up; at |z| = 0.7517915
inline constexpr double kGeluTanhGap = 0.17004075058;       ///< rounded up; at |z| = 0.7524615
inline constexpr double kSteepestSilu = 2.399357280515468;  ///< q, q tanh(q/2) = 2: |z| of SiLU'

/// One neuron at work: what it was given, and what it made of that.
template <class S>
struct Activated {
  S z{};       ///< argument of the activation
  S y{1};      ///< what the gate multiplies; 1 for a plain feed-forward
  S neuron{};  ///< act(z) y, as the block computed it
};

namespace detail {

inline Objection activation_is_not(std::string_view name, const Architecture& a) {
  const auto spelled = spell(kActivations, a.activation);
  if (spelled == name) return {};
  return "the activation is " + std::string(spelled) + ", not " + std::string(name);
}

/// |act(z) - ReLU(z)| |y|, of what was observed.
template <class S>
S gap_to_relu(const Activated<S>& in) {
  using std::abs;
  return abs(in.neuron - positive_part<S>(in.z) * in.y);
}

/// act(z) y is off by c_s + 1 roundings, c_s = 1.5 E + 4 with exp within E = 2 units; the product
/// max(z, 0) y by one, their difference by one, the right side by five.
inline double gap_rounding(const Activated<double>& in) {
  return 16 * kUnit * (std::abs(in.neuron) + std::abs(in.y));
}

/// x W' by the kernel that the block uses, so to the same bits.
inline Matrix<double> projected(const Matrix<double>& x, const Matrix<double>& weights) {
  return kernels::backend_t<double>::template product<double>(x, weights);
}

/// W_gate x (or W_up x where there is no gate) at some rows, with a bias if the block has one.
inline Matrix<double> arguments(const FeedForward<double>& block, const Matrix<double>& x) {
  const bool gated = block.gate.size() > 0;
  Matrix<double> z = projected(x, gated ? block.gate : block.up);
  const Vector<double>& bias = gated ? block.gate_bias : block.up_bias;
  if (bias.size() > 0) z.rowwise() += bias.transpose();
  return z;
}

/// W_up x at some rows, or ones where there is no gate.
inline Matrix<double> factors(const FeedForward<double>& block, const Matrix<double>& x) {
  if (block.gate.size() == 0) return Matrix<double>::Ones(x.rows(), block.up.rows());
  Matrix<double> y = projected(x, block.up);
  if (block.up_bias.size() > 0) y.rowwise() += block.up_bias.transpose();
  return y;
}

inline constexpr Index kSampledRows = 8;  ///< every eighth row is visited

/// Visits the neurons of a layer at every eighth row.
template <class T, class Visit>
void visit_activated(const LayerRun<T>& run, const Visit& visit) {
  const FeedForward<double> block = run.weights.feed_forward.template cast<double>();
  const Matrix<double> all = run.feed_forward_input.template cast<double>();
  Matrix<double> x((all.rows() + kSampledRows - 1) / kSampledRows, all.cols());
  for (Index i = 0; i < x.rows(); ++i) x.row(i) = all.row(i * kSampledRows);
  Matrix<double> neurons;
  unbiased_value(block, x, neurons);
  const Matrix<double> z = arguments(block, x), y = factors(block, x);
  for (Index i = 0; i < x.rows(); ++i) {
    const Where where{
        .layer = run.layer, .block = Block::feed_forward, .position = i * kSampledRows};
    for (Index j = 0; j < z.cols(); ++j) {
      visit(Activated<double>{z(i, j), y(i, j), neurons(i, j)}, where);
    }
  }
}

/// constant |y|, what a gap is at most.
template <class S>
S times_factor(double constant, const Activated<S>& in) {
  using std::abs;
  return S(constant) * abs(in.y);
}

/// What claims about one neuron share; those about the gap take its side, too.
struct ActivatedClaim {
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = Activated<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return gap_to_relu<S>(in);
  }
  static Objection assumptions(const Input<double>&) { return {}; }
  static double allowance(const Input<double>& in) { return gap_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_activated(run, visit);
  }
};

struct SiluClaim : ActivatedClaim {
  static constexpr std::string_view id = "silu-relu-gap";

  static Objection objection(const Architecture& a) { return activation_is_not("silu", a); }
};

struct GeluClaim : ActivatedClaim {
  static constexpr std::string_view id = "gelu-relu-gap";
};

}  // namespace detail

/// |SiLU(z) - ReLU(z)| <= W   (claim 4; ours). Equal at |z| = 1 + W.
struct SiluReluGap : detail::SiluClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::times_factor<S>(kSiluGap, in);
  }
};

/// |SiLU(z) - ReLU(z)| = |z| sigma(-|z|)   (claim 4; ours). Where z > 24 or z < -700 rounding of
/// SiLU(z) hides the gap.
struct SiluReluGapExact : detail::SiluClaim {
  static constexpr std::string_view part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return abs(in.z) * logistic<S>(-abs(in.z)) * abs(in.y);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.z > 24 || in.z < -700) return "the gap is below rounding";
    return {};
  }
  /// As in part a, relative: nothing cancels but the two terms of the difference.
  static double allowance(const Input<double>& in) {
    return 16 * kUnit * (std::abs(in.neuron) + std::abs(positive_part(in.z) * in.y));
  }
};

/// -SiLU(z) <= W   (claim 4; ours). Equal at z = -(1 + W). Stated without dividing: the neuron
/// along the sign of y.
struct SiluLeast : detail::SiluClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const S ratio = in.y / abs(in.y);
    return -(in.neuron * ratio);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::times_factor<S>(kSiluGap, in);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.y == 0) return "the neuron is multiplied by zero";
    return {};
  }
};

/// The slope of SiLU at z, as the library computes it.
template <class S>
struct Slope {
  S z{};
  S slope{};
};

/// |SiLU'(z) - 1/2| <= q/4, that is SiLU' in [-0.0998393201, 1.0998393201]   (claim 4; ours).
/// q tanh(q/2) = 2; equal at |z| = q.
struct SiluSlope : detail::SiluClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  using Input = Slope<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.slope - S(1) / S(2));
  }
  template <class S>
  static S rhs(const Input<S>&) {
    return S(kSteepestSilu) / S(4);
  }
  static Objection assumptions(const Input<double>&) { return {}; }
  /// sigma twice, each within 7 units; z sigma(-z) <= W for z > 0, and for z < 0 it is multiplied
  /// by sigma(z), so each term is below 1.4. The quotient q/4 is within one unit.
  static double allowance(const Input<double>&) { return 32 * kUnit; }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_activated(run, [&](const Activated<double>& in, const Where& where) {
      visit(Slope<double>{in.z, silu_derivative(in.z)}, where);
    });
  }
};

/// |GELU(z) - ReLU(z)| <= 0.16997120748, GELU(z) = z Phi(z) with erf   (claim 5; ours).
/// Equal, to ten digits, at |z| = 0.7517915. The constant of the tanh form is another: part b.
struct GeluReluGap : detail::GeluClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::times_factor<S>(kGeluGap, in);
  }
  static Objection objection(const Architecture& a) { return detail::activation_is_not("gelu", a); }
};

/// |GELU(z) - ReLU(z)| <= 0.17004075058 for GELU by tanh, as in Gemma   (claim 5; ours).
/// Equal, to ten digits, at |z| = 0.7524615.
struct GeluTanhReluGap : detail::GeluClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::times_factor<S>(kGeluTanhGap, in);
  }
  static Objection objection(const Architecture& a) {
    return detail::activation_is_not("gelu_tanh", a);
  }
};

}  // namespace plumb::claims
