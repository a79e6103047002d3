#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/claims/normed_spike.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"

/// RMS normalisation makes rows with spikes on the same channels alike, whatever else they hold,
/// and the size of a spike hardly matters.
namespace plumb::claims {

/// Two rows with spikes on the same channels, and what a norm made of them.
template <class S>
struct NormedSpikes {
  Vector<S> a, b;  ///< h of two tokens
  S eps{};
  std::vector<Index> channels;  ///< C
  Vector<S> u_a, u_b;           ///< observed, without the gain
  Vector<S> gain;
  Vector<S> y_a, y_b;  ///< observed, with the gain
};

namespace detail {

/// ||s_a/|s_a| - s_b/|s_b|| = 2 sin(theta/2), theta the angle of the two spikes.
template <class S>
S chord(const NormedSpikes<S>& in) {
  const Vector<S> a = split<S>(in.a, in.channels).on, b = split<S>(in.b, in.channels).on;
  return norm<S>(minus<S>(Vector<S>(a / norm<S>(a)), Vector<S>(b / norm<S>(b))));
}

inline double angle(const NormedSpikes<double>& in) {
  return 2 * std::asin(std::min(1.0, chord<double>(in) / 2));
}

/// Visits each pair of tokens with a spike (28 at most).
template <class T, class Visit>
void visit_spike_pairs(const LayerRun<T>& run, const Visit& visit) {
  for_each_spiked_norm(run, [&](const SpikedNorm& norm) {
    const auto& tokens = norm.place.tokens;
    const Matrix<double> h = norm.h(tokens, Eigen::all);
    const Matrix<double> u = norm.plain.value(h), y = norm.gained.value(h);
    for (Index i = 0; i < h.rows(); ++i) {
      for (Index j = i + 1; j < h.rows(); ++j) {
        visit(NormedSpikes<double>{h.row(i).transpose(), h.row(j).transpose(), norm.plain.eps,
                                   norm.place.channels, u.row(i).transpose(), u.row(j).transpose(),
                                   norm.gained.gain, y.row(i).transpose(), y.row(j).transpose()},
              norm.at(tokens[static_cast<std::size_t>(j)]));
      }
    }
  });
}

/// u_a - u_b is off by gamma_{d/2+6} (||u_a|| + ||u_b||); an angle by gamma_{2d+20} times itself.
inline double near_constant_allowance(Index d) {
  return gamma(8 * d + 80) * std::sqrt(static_cast<double>(d));
}

/// What all parts share.
struct NormedSpikesClaim : RmsNormClaim {
  static constexpr std::string_view id = "rms-near-constant";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpikes<S>;

  static Objection assumptions(const Input<double>& in) {
    for (const auto* v : {&in.b, &in.u_a, &in.u_b, &in.gain, &in.y_a, &in.y_b}) {
      if (v->size() != in.a.size()) return "the vectors differ in size";
    }
    if (const auto objection = is_no_spike(in.a, in.channels)) return objection;
    return is_no_spike(in.b, in.channels);
  }
  static double allowance(const Input<double>& in) { return near_constant_allowance(in.a.size()); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_spike_pairs(run, visit);
  }
};

/// Those about ||u_a - u_b||.
struct NearClaim : NormedSpikesClaim {
  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.u_a, in.u_b));
  }
};

}  // namespace detail

/// ||u_a - u_b|| <= 2 sqrt(d) sqrt(sin^2((alpha_a + alpha_b)/2) + cos alpha_a cos alpha_b
/// sin^2(theta/2))   (claim 3a; ours, behind paper eq. 25). Equal for eps = 0 and r_a, r_b
/// antiparallel, at any theta.
struct RmsNearConstant : detail::NearClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    const S sine = a.sin_half() * b.cos_half() + a.cos_half() * b.sin_half();
    const S half_chord = detail::chord<S>(in) / S(2);
    const S cosines = a.spike * b.spike / (a.length * b.length);
    return S(2) * sqrt(count<S>(in.a.size()) * (square<S>(sine) + cosines * square<S>(half_chord)));
  }
};

/// ||u_a - u_b|| <= 2 sqrt(d) sin(min(pi, alpha_a + alpha_b + theta)/2)   (claim 3b; ours).
/// Equal for theta = 0, eps = 0 and r_a, r_b antiparallel.
struct RmsNearConstantTriangle : detail::NearClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    const S sum = std::atan2(a.rest, a.spike) + std::atan2(b.rest, b.spike) + detail::angle(in);
    return 2 * std::sqrt(count<S>(in.a.size())) * std::sin(std::min(std::numbers::pi, sum) / 2);
  }
};

/// ||u_a - u_b|| <= sqrt(d) (tan alpha_a + tan alpha_b + theta), tan alpha = N/||s||   (claim 3c;
/// ours). For small angles.
struct RmsNearConstantLinear : detail::NearClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    return std::sqrt(count<S>(in.a.size())) *
           (a.rest / a.spike + b.rest / b.spike + detail::angle(in));
  }
};

/// ||y_a - y_b|| <= hypot(max|g on C| ||D on C||, max|g off C| ||D off C||), y = g .* u,
/// D = u_a - u_b   (claim 3d; ours). Equal for |g| constant on C and constant elsewhere.
struct RmsNearConstantGain : detail::NormedSpikesClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.y_a, in.y_b));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const Parts<S> gain = split<S>(in.gain, in.channels);
    const Parts<S> apart = split<S>(minus<S>(in.u_a, in.u_b), in.channels);
    return sqrt(square<S>(max_abs<S>(gain.on)) * sum_of_squares<S>(apart.on) +
                square<S>(max_abs<S>(gain.off)) * sum_of_squares<S>(apart.off));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.u_a == in.u_b) return "both rows are read alike";
    return NormedSpikesClaim::assumptions(in);
  }
  static double allowance(const Input<double>& in) {
    return max_abs<double>(in.gain) * NormedSpikesClaim::allowance(in);
  }
};

/// A row h = s + r, the row h' = t s + r, and what a norm made of both.
template <class S>
struct ScaledSpike {
  Vector<S> h;
  S eps{};
  std::vector<Index> channels;  ///< C
  S times{};                    ///< t
  Vector<S> u, u_scaled;        ///< observed
};

namespace detail {

/// h' = t s + r
inline Vector<double> scaled(Vector<double> h, const std::vector<Index>& channels, double t) {
  for (const Index k : channels) h[k] *= t;
  return h;
}

/// Visits the tokens with a spike, which is taken away, halved, doubled and enlarged.
template <class T, class Visit>
void visit_scaled_spikes(const LayerRun<T>& run, const Visit& visit) {
  for_each_spiked_norm(run, [&](const SpikedNorm& norm) {
    const auto through = [&](const Vector<double>& row) -> Vector<double> {
      return norm.plain.value(row.transpose()).row(0).transpose();
    };
    for (const Index token : norm.place.tokens) {
      const Vector<double> row = norm.h.row(token).transpose(), u = through(row);
      for (const double t : {0.0, 0.5, 2.0, 100.0}) {
        visit(ScaledSpike<double>{row, norm.plain.eps, norm.place.channels, t, u,
                                  through(scaled(row, norm.place.channels, t))},
              norm.at(token));
      }
    }
  });
}

/// What both parts about a spike of another size share.
struct ScaledSpikeClaim : RmsNormClaim {
  static constexpr std::string_view id = "spike-scale-law";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ScaledSpike<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.u.size() != in.h.size() || in.u_scaled.size() != in.h.size()) {
      return "the vectors differ in size";
    }
    if (!(in.times >= 0)) return "the spike is scaled by a negative number";
    if (in.times == 1) return "the spike is not scaled";
    if (const auto objection = is_no_spike(in.h, in.channels)) return objection;
    if (in.eps == 0 && split<double>(in.h, in.channels).off.isZero(0)) {
      return "there is nothing but the spike";
    }
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_scaled_spikes(run, visit);
  }
};

}  // namespace detail

/// ||u' - u||^2 + d eps (1/rho - 1/rho')^2 = 4 d sin^2(turn/2), turn = |atan(tau) - atan(tau/t)|,
/// tau = N/||s||   (claim A2a; ours)
struct SpikeScaleLaw : detail::ScaledSpikeClaim {
  static constexpr std::string_view part = "a";

  /// 1/rho - 1/rho' without cancellation, from H'^2 - H^2 = (t^2 - 1) S^2.
  template <class S>
  static S lhs(const Input<S>& in) {
    using std::sqrt;
    const detail::LiftedSpike<S> row(in.h, in.eps, in.channels);
    const S energy = square<S>(row.spike), t = in.times;
    const S scaled = sqrt(t * t * energy + square<S>(row.rest));
    const S step = (t * t - S(1)) * energy / (row.length + scaled);
    const S d = count<S>(in.h.size());
    return sum_of_squares<S>(minus<S>(in.u_scaled, in.u)) +
           d * d * in.eps * square<S>(step / (row.length * scaled));
  }
  /// 4 sin^2(turn/2) = 2 sin^2(turn)/(1 + cos(turn)) in the plane of s and what is beside it.
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const detail::LiftedSpike<S> row(in.h, in.eps, in.channels);
    const S energy = square<S>(row.spike), rest = square<S>(row.rest), t = in.times;
    const S lengths = row.length * sqrt(t * t * energy + rest);
    const S sine = row.spike * row.rest * (t - S(1)) / lengths;
    const S cosine = (t * energy + rest) / lengths;
    return S(2) * count<S>(in.h.size()) * square<S>(sine) / (S(1) + cosine);
  }
  /// As in claim A1a; t s is rounded once more.
  static double allowance(const Input<double>& in) {
    const double d = static_cast<double>(in.h.size()), right = rhs<double>(in);
    const double off = 2 * gamma(d + 16) * std::sqrt(d);
    return gamma(8 * d + 80) * right + 2 * off * std::sqrt(right) + off * off;
  }
};

/// ||u' - u|| <= 2 sqrt(d) sin(atan(tau)/2) for t >= 1: a spike that grows moves its token by no
/// more, however much it grows   (claim A2b; ours). Approached as t grows, for eps = 0.
struct SpikeScaleBound : detail::ScaledSpikeClaim {
  static constexpr std::string_view part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.u_scaled, in.u));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const detail::LiftedSpike<S> row(in.h, in.eps, in.channels);
    return S(2) * sqrt(count<S>(in.h.size())) * row.sin_half();
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.times < 1) return "the spike shrinks";
    return ScaledSpikeClaim::assumptions(in);
  }
  static double allowance(const Input<double>& in) {
    return detail::near_constant_allowance(in.h.size());
  }
};

}  // namespace plumb::claims
