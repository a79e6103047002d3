#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/neurons.hpp"
#include "plumb/trace/layer_run.hpp"

/// What one neuron makes of the form of a channel: A = w (g u' + u g') / 2 has rank two, with known
/// eigenpairs, and where it rules the other neurons the form S is near to it.
namespace plumb::claims {

/// A = w (g u' + u g') / 2, beside what an eigensolver says of it.
template <class S>
struct OneNeuron {
  Vector<S> g;
  Vector<S> u;
  S w{};
  S high{};                 ///< largest eigenvalue
  S low{};                  ///< least eigenvalue
  Vector<S> direction;      ///< unit eigenvector of the one that is larger in size
  double error = 0;         ///< of each eigenvalue
  Objection obstacle = {};  ///< why there is no form, if there is none
};

namespace detail {

/// w ||g|| ||u|| without the sign of w.
inline double neuron_reach(const Vector<double>& g, const Vector<double>& u, double w) {
  return std::abs(w) * g.norm() * u.norm();
}

inline double neuron_rounding(const OneNeuron<double>& in) {
  return in.error + 4 * gamma(in.g.size() + 8) * neuron_reach(in.g, in.u, in.w);
}

/// (w g.u + sign |w| ||g|| ||u||) / 2, the eigenvalues of A that are not 0.
template <class S>
S neuron_eigenvalue(const Vector<S>& g, const Vector<S>& u, const S& w, int sign) {
  using std::abs;
  return (w * dot<S>(g, u) + S(sign) * abs(w) * norm<S>(g) * norm<S>(u)) / S(2);
}

/// g^ + sign(g.u) u^, the bisector that the neuron amplifies.
template <class S>
Vector<S> dominant_bisector(const Vector<S>& g, const Vector<S>& u) {
  using std::abs;
  const S product = dot<S>(g, u), sign = product / abs(product);
  const S by_g = S(1) / norm<S>(g);
  Vector<S> scaled(g.size());
  for (Index i = 0; i < g.size(); ++i) scaled[i] = by_g * g[i];
  return plus<S>(scaled, S(sign / norm<S>(u)), u);
}

/// The neuron j of a channel, with the spectrum of its own form.
inline OneNeuron<double> one_neuron(const Neurons<double>& neurons, Index j) {
  OneNeuron<double> in{neurons.gate.row(j), neurons.up.row(j), neurons.down[j], 0, 0, {}, 0};
  const Matrix<double> form = in.w / 2 * (in.g * in.u.transpose() + in.u * in.g.transpose());
  const Spectrum spectrum = spectrum_of(form, 4 * kUnit * neuron_reach(in.g, in.u, in.w));
  const Index last = in.g.size() - 1;
  in.high = spectrum.values[last];
  in.low = spectrum.values[0];
  in.direction = spectrum.vectors.col(std::abs(in.high) >= std::abs(in.low) ? last : 0);
  in.error = spectrum.error;
  return in;
}

/// What the parts about a neuron by itself share.
struct OneNeuronClaim {
  static constexpr std::string_view id = "one-neuron-eigenpair";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = OneNeuron<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (in.g.size() < 2 || in.u.size() != in.g.size()) return "g and u do not fit, or d = 1";
    if (in.g.isZero(0) || in.u.isZero(0) || in.w == 0) return "the neuron is zero";
    return {};
  }
  static double allowance(const Input<double>& in) { return neuron_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_forms<Input<double>>(run, Reads::spectra, visit, [](const FormSite& site) {
      return one_neuron(site.neurons, strongest(site.neurons, site.x()));
    });
  }
};

}  // namespace detail

/// The largest eigenvalue of w (g u' + u g') / 2 is (w g.u + |w| ||g|| ||u||) / 2; all but two of
/// them are 0   (claim 9; ours).
struct NeuronHigh : detail::OneNeuronClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.high;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::neuron_eigenvalue<S>(in.g, in.u, in.w, 1);
  }
};

/// The least eigenvalue of w (g u' + u g') / 2 is (w g.u - |w| ||g|| ||u||) / 2; all but two of
/// them are 0   (claim 9; ours).
struct NeuronLow : detail::OneNeuronClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.low;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::neuron_eigenvalue<S>(in.g, in.u, in.w, -1);
  }
};

/// Its eigenvector of the eigenvalue that is larger in size is b = g^ + sign(c) u^, c = cos(g, u):
/// (direction.b)^2 = b.b   (claim 9; ours). That eigenvalue has the sign of w c, and a share
/// (1 + |c|)^2 / (2 (1 + c^2)) of the squared norm. c = 0 is a tie: no direction.
struct NeuronDirection : detail::OneNeuronClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    const S along = dot<S>(in.direction, detail::dominant_bisector<S>(in.g, in.u));
    return along * along;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(detail::dominant_bisector<S>(in.g, in.u));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = OneNeuronClaim::assumptions(in)) return objection;
    if (std::abs(in.g.dot(in.u)) <= 1e-9 * in.g.norm() * in.u.norm()) {
      return "the gate and up rows are orthogonal: both ends of the spectrum tie";
    }
    return {};
  }
  /// The vector is off by 2 error / gap, gap >= |w| ||g|| ||u|| / 2, squared in the cosine.
  static double allowance(const Input<double>& in) {
    const double angle = 4 * in.error / detail::neuron_reach(in.g, in.u, in.w);
    return 4 * (angle * angle + gamma(4 * in.g.size() + 24));
  }
};

/// The form S of a channel beside that of one of its neurons, A.
template <class S>
struct AmongNeurons {
  Neurons<S> neurons;
  Index neuron = 0;
  Vector<S> spectrum;       ///< eigenvalues of S, ascending
  Vector<S> direction;      ///< unit eigenvector of S at the end where A has its larger eigenvalue
  S rest{};                 ///< ||S - A||_2
  Vector<S> v;              ///< any unit vector
  double error = 0;         ///< of each eigenvalue, and of `rest`
  Objection obstacle = {};  ///< why there is no form, if there is none
};

namespace detail {

/// Distance of the larger eigenvalue of A from the next at its end: the other for d = 2, else 0.
template <class S>
S neuron_gap(const AmongNeurons<S>& in) {
  using std::abs;
  const Vector<S> g = row<S>(in.neurons.gate, in.neuron), u = row<S>(in.neurons.up, in.neuron);
  const S w = abs(in.neurons.down[in.neuron]), whole = w * norm<S>(g) * norm<S>(u);
  return g.size() == 2 ? whole : S((whole + w * abs(dot<S>(g, u))) / S(2));
}

inline AmongNeurons<double> among_neurons(const Neurons<double>& neurons, Index j,
                                          const Vector<double>& v) {
  const Matrix<double> product = neurons.gate.transpose() * neurons.down.asDiagonal() * neurons.up;
  const Matrix<double> form = (product + product.transpose()) / 2;
  const Vector<double> g = neurons.gate.row(j), u = neurons.up.row(j);
  const Matrix<double> alone = neurons.down[j] / 2 * (g * u.transpose() + u * g.transpose());
  const double formed = gamma(neurons.down.size() + 8) * mass(neurons);
  const Spectrum whole = spectrum_of(form, formed), others = spectrum_of(form - alone, 2 * formed);
  const bool top = neurons.down[j] * g.dot(u) > 0;
  return {neurons,
          j,
          whole.values,
          whole.vectors.col(top ? v.size() - 1 : 0),
          others.values.cwiseAbs().maxCoeff(),
          v,
          whole.error + others.error};
}

/// What the parts about a neuron among others share.
struct AmongNeuronsClaim {
  static constexpr std::string_view id = "one-neuron-eigenpair";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = AmongNeurons<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (in.v.size() < 2 || !fit(in.neurons, in.v) || in.spectrum.size() != in.v.size()) {
      return "the matrices do not fit, or d = 1";
    }
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_forms<Input<double>>(run, Reads::spectra, visit, [](const FormSite& site) {
      const Vector<double> x = site.x();
      return among_neurons(site.neurons, strongest(site.neurons, x), bisector(site.neurons, x));
    });
  }
};

}  // namespace detail

/// |mu_i(S) - mu_i(A)| <= ||S - A||_2 for all eigenvalues in ascending order, A the form of one
/// neuron (claim 9; Weyl). Equal when the other neurons add a multiple of A.
struct NeuronWeyl : detail::AmongNeuronsClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> g = row<S>(in.neurons.gate, in.neuron), u = row<S>(in.neurons.up, in.neuron);
    const S w = in.neurons.down[in.neuron];
    Vector<S> apart = in.spectrum;
    apart[0] -= detail::neuron_eigenvalue<S>(g, u, w, -1);
    apart[apart.size() - 1] -= detail::neuron_eigenvalue<S>(g, u, w, 1);
    return max_abs<S>(apart);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.rest;
  }
  /// Both spectra, and the closed form.
  static double allowance(const Input<double>& in) {
    return in.error + 4 * gamma(in.v.size() + 8) * mass(in.neurons);
  }
};

/// sin angle(s, b) <= 2 ||S - A||_2 / gap: s the eigenvector of S, b that of A at the same end, gap
/// the distance to the next eigenvalue of A there: (1 + |c|) |w| ||g|| ||u|| / 2 for d >= 3,
/// without the factor for d = 2   (claim 9; Davis and Kahan).
struct NeuronDavisKahan : detail::AmongNeuronsClaim {
  static constexpr std::string_view part = "e";

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> b = detail::dominant_bisector<S>(row<S>(in.neurons.gate, in.neuron),
                                                     row<S>(in.neurons.up, in.neuron));
    const S along = dot<S>(in.direction, b) / sum_of_squares<S>(b);
    return norm<S>(plus<S>(in.direction, S(-along), b));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return S(2) * in.rest / detail::neuron_gap<S>(in);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = AmongNeuronsClaim::assumptions(in)) return objection;
    if (!(in.neurons.gate.row(in.neuron).dot(in.neurons.up.row(in.neuron)) != 0)) {
      return "the gate and up rows are orthogonal: both ends of the spectrum tie";
    }
    if (!(2 * in.rest + 4 * in.error < detail::neuron_gap(in))) {
      return "the other neurons outweigh the gap";
    }
    return {};
  }
  /// The direction is off by 2 error / (gap - 2 rest), since S keeps that gap; rest / gap by
  /// 2 error / gap.
  static double allowance(const Input<double>& in) {
    const double gap = detail::neuron_gap(in);
    return 4 * in.error / (gap - 2 * in.rest) + 2 * in.error / gap + gamma(6 * in.v.size() + 24);
  }
};

/// The eigenvalue of S nearest to rho = v'Sv is within ||Sv - rho v||, for every unit v   (claim
/// 9). Equal in the middle between two eigenvectors.
struct RayleighResidual : detail::AmongNeuronsClaim {
  static constexpr std::string_view part = "f";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const S rho = form_value<S>(in.neurons, in.v);
    S least = abs(in.spectrum[0] - rho);
    for (Index i = 1; i < in.spectrum.size(); ++i) {
      const S apart = abs(in.spectrum[i] - rho);
      if (apart < least) least = apart;
    }
    return least;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const Vector<S> product = form_times<S>(in.neurons, in.v);
    return norm<S>(plus<S>(product, S(-form_value<S>(in.neurons, in.v)), in.v));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = AmongNeuronsClaim::assumptions(in)) return objection;
    if (!detail::is_unit(in.v)) return "v is not a unit vector";
    return {};
  }
  /// The spectrum, rho twice, and S v.
  static double allowance(const Input<double>& in) {
    return in.error + 4 * detail::form_rounding(in.neurons, 1);
  }
};

}  // namespace plumb::claims
