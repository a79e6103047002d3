#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"

/// What RMS normalisation makes of a spike: a row h = s + r, with s on the spike channels C and r
/// on the others. d channels, c = |C|; u = h / rho, rho = sqrt(||h||^2/d + eps).
///
/// All goes through the lift (ours): in R^(d+1) the row is H = (h, sqrt(d eps)) of length
/// sqrt(d) rho, what is not the spike has the length N = sqrt(||r||^2 + d eps), and H stands at the
/// angle alpha = atan(N/||s||) to s. The norm maps H to the sphere of radius sqrt(d) and drops the
/// last coordinate, which brings points closer.
namespace plumb::claims {

namespace detail {

/// A row's spike and what is beside it, as lengths in the lift: H^2 = S^2 + N^2.
template <class S>
struct LiftedSpike {
  S spike;   ///< S = ||s||
  S rest;    ///< N = sqrt(||r||^2 + d eps)
  S length;  ///< H = sqrt(d) rho

  LiftedSpike(const Vector<S>& h, const S& eps, const std::vector<Index>& channels) {
    using std::sqrt;
    const Parts<S> parts = split<S>(h, channels);
    const S on = sum_of_squares<S>(parts.on);
    const S off = sum_of_squares<S>(parts.off) + count<S>(h.size()) * eps;
    spike = sqrt(on);
    rest = sqrt(off);
    length = sqrt(on + off);
  }

  /// cos(alpha/2), and sin(alpha/2) as the quotient by it of sin(alpha)/2: nothing cancels.
  S cos_half() const {
    using std::sqrt;
    return sqrt((length + spike) / (S(2) * length));
  }
  S sin_half() const { return rest / (S(2) * length * cos_half()); }
};

inline Objection is_no_spike(const Vector<double>& h, const std::vector<Index>& channels) {
  for (const Index k : channels) {
    if (k < 0 || k >= h.size()) return "a spike channel is out of range";
  }
  if (channels.empty() || split<double>(h, channels).on.isZero(0)) return "there is no spike";
  return {};
}

}  // namespace detail

// ---- Sparsification ---------------------------------------------------------------------------

/// u_i = kappa u~_i for i not in C, where u~ is the norm of r alone, the spike removed, and
/// kappa = sqrt(R/(R + ||s||^2)), R = ||r||^2 + d eps   (claim 2a; ours, behind paper eq. 24)
struct RmsSparsifiesEntry {
  static constexpr std::string_view id = "rms-sparsifies", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> h;
    S eps{};
    std::vector<Index> channels;
    Index entry = 0;    ///< i
    S with_spike{};     ///< u_i, observed
    S without_spike{};  ///< u~_i, observed
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.with_spike;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::LiftedSpike<S> row(in.h, in.eps, in.channels);
    return row.rest / row.length * in.without_spike;
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_spike(in.h, in.channels)) return objection;
    if (in.entry < 0 || in.entry >= in.h.size()) return "the entry is out of range";
    if (std::count(in.channels.begin(), in.channels.end(), in.entry) > 0) {
      return "the entry is on a spike channel";
    }
    if (split<double>(in.h, in.channels).off.isZero(0) && in.eps == 0) {
      return "there is nothing but the spike";
    }
    return {};
  }
  /// Relative: u_i and u~_i gamma_{d/2+5} each, kappa gamma_{d+6}.
  static double allowance(const Input<double>& in) {
    return gamma(2 * in.h.size() + 20) * std::abs(rhs<double>(in));
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  /// For the tokens with a spike, at each channel without.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
      const Matrix<double> h = rows.template cast<double>();
      const RmsNorm<double> plain{Vector<double>::Ones(h.cols()), norm.eps};
      const auto place = find_spike(h);
      for (const Index t : place.tokens) {
        Matrix<double> both = h.row(t).replicate(2, 1);
        for (const Index k : place.channels) both(1, k) = 0;
        const Matrix<double> u = plain.value(both);
        Input<double> in{h.row(t).transpose(), norm.eps, place.channels, 0, 0, 0};
        for (in.entry = 0; in.entry < h.cols(); ++in.entry) {
          in.with_spike = u(0, in.entry);
          in.without_spike = u(1, in.entry);
          const auto& channels = place.channels;
          if (std::count(channels.begin(), channels.end(), in.entry) > 0) continue;
          visit(in, Where{.layer = run.layer, .block = block, .channel = in.entry, .position = t});
        }
      }
    });
  }
};

/// A row with a spike, and what a norm made of it.
template <class S>
struct NormedSpike {
  Vector<S> h;
  S eps{};
  std::vector<Index> channels;  ///< C
  Vector<S> u;                  ///< observed
};

namespace detail {

inline Objection is_no_normed_spike(const NormedSpike<double>& in) {
  if (in.u.size() != in.h.size()) return "h and u differ in size";
  if (static_cast<Index>(in.channels.size()) >= in.h.size()) return "all channels are in the spike";
  return is_no_spike(in.h, in.channels);
}

/// Visits the tokens with a spike; with the gain, too, where the claim is about directions only:
/// then g .* h and g .* u stand for h and u.
template <class T, class Visit>
void visit_normed_spikes(const LayerRun<T>& run, bool with_gain, const Visit& visit) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>();
    const auto gained = norm.template cast<double>();
    const RmsNorm<double> plain{Vector<double>::Ones(h.cols()), norm.eps};
    const auto place = find_spike(h);
    for (const Index t : place.tokens) {
      const Where where{.layer = run.layer, .block = block, .position = t};
      const Vector<double> row = h.row(t).transpose();
      const auto through = [&](const RmsNorm<double>& through_norm) -> Vector<double> {
        return through_norm.value(h.row(t)).row(0).transpose();
      };
      visit(NormedSpike<double>{row, norm.eps, place.channels, through(plain)}, where);
      if (!with_gain) continue;
      visit(NormedSpike<double>{times<double>(gained.gain, row), norm.eps, place.channels,
                                through(gained)},
            where);
    }
  });
}

/// Shares of ||h||^2 on C and off it.
template <class S>
struct Shares {
  S on, off;
  explicit Shares(const NormedSpike<S>& in) {
    const Parts<S> parts = split<S>(in.h, in.channels);
    const S spike = sum_of_squares<S>(parts.on), rest = sum_of_squares<S>(parts.off);
    on = spike / (spike + rest);
    off = rest / (spike + rest);
  }
};

}  // namespace detail

/// ||u off C|| <= sqrt(d) tau/sqrt(1 + tau^2), tau = ||r||/||s||   (claim 2b; ours, behind paper
/// eq. 24). Equal for eps = 0.
struct RmsSparsifiesRest {
  static constexpr std::string_view id = "rms-sparsifies", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpike<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(split<S>(in.u, in.channels).off);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return sqrt(count<S>(in.h.size()) * detail::Shares<S>(in).off);
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_normed_spike(in); }
  static double allowance(const Input<double>& in) {
    return gamma(3 * in.h.size() + 30) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_spikes(run, false, visit);
  }
};

/// (sum u^2)^2 / sum u^4 <= 1/(p^2/c + (1-p)^2/(d-c)), p = ||s||^2/||h||^2: the participation ratio
/// (claim 2c; ours). Equal for |h| constant on C and constant elsewhere.
struct RmsSparsifiesParticipation {
  static constexpr std::string_view id = "rms-sparsifies", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpike<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    const S energy = sum_of_squares<S>(in.u);
    return energy * energy / sum_of_squares<S>(times<S>(in.u, in.u));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const auto c = static_cast<Index>(in.channels.size());
    const detail::Shares<S> share(in);
    return S(1) /
           (square<S>(share.on) / count<S>(c) + square<S>(share.off) / count<S>(in.h.size() - c));
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_normed_spike(in); }
  /// Relative: an entry gamma_{d/2+6}, four of them in each term, two sums, and 6 d in the shares.
  static double allowance(const Input<double>& in) {
    return gamma(16 * in.h.size() + 80) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_spikes(run, true, visit);
  }
};

/// ||u||_1/||u||_2 <= sqrt(c p) + sqrt((d-c)(1-p))   (claim 2d; ours). Equal as in part c. Hoyer's
/// sparsity is (sqrt(d) - ||u||_1/||u||_2)/(sqrt(d) - 1), so this bounds it from below.
struct RmsSparsifiesHoyer {
  static constexpr std::string_view id = "rms-sparsifies", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpike<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    S sum(0);
    for (Index i = 0; i < in.u.size(); ++i) sum += abs(in.u[i]);
    return sum / norm<S>(in.u);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const auto c = static_cast<Index>(in.channels.size());
    const detail::Shares<S> share(in);
    return sqrt(count<S>(c) * share.on) + sqrt(count<S>(in.h.size() - c) * share.off);
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_normed_spike(in); }
  static double allowance(const Input<double>& in) {
    return gamma(5 * in.h.size() + 40) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_spikes(run, true, visit);
  }
};

// ---- Near constancy ---------------------------------------------------------------------------

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

inline Objection are_no_normed_spikes(const NormedSpikes<double>& in) {
  for (const auto* v : {&in.b, &in.u_a, &in.u_b, &in.gain, &in.y_a, &in.y_b}) {
    if (v->size() != in.a.size()) return "the vectors differ in size";
  }
  if (const auto objection = is_no_spike(in.a, in.channels)) return objection;
  return is_no_spike(in.b, in.channels);
}

/// Visits each pair of tokens with a spike (28 at most).
template <class T, class Visit>
void visit_spike_pairs(const LayerRun<T>& run, const Visit& visit) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>();
    const auto gained = norm.template cast<double>();
    const RmsNorm<double> plain{Vector<double>::Ones(h.cols()), norm.eps};
    const auto place = find_spike(h);
    const auto count = static_cast<Index>(place.tokens.size());
    const Matrix<double> spiked = h(place.tokens, Eigen::all);
    const Matrix<double> u = plain.value(spiked), y = gained.value(spiked);
    for (Index i = 0; i < count; ++i) {
      for (Index j = i + 1; j < count; ++j) {
        visit(NormedSpikes<double>{spiked.row(i).transpose(), spiked.row(j).transpose(), norm.eps,
                                   place.channels, u.row(i).transpose(), u.row(j).transpose(),
                                   gained.gain, y.row(i).transpose(), y.row(j).transpose()},
              Where{.layer = run.layer,
                    .block = block,
                    .position = place.tokens[static_cast<std::size_t>(j)]});
      }
    }
  });
}

/// u_a - u_b is off by gamma_{d/2+6} (||u_a|| + ||u_b||); an angle by gamma_{2d+20} times itself.
inline double near_constant_allowance(Index d) {
  return gamma(8 * d + 80) * std::sqrt(static_cast<double>(d));
}

}  // namespace detail

/// ||u_a - u_b|| <= 2 sqrt(d) sqrt(sin^2((alpha_a + alpha_b)/2) + cos alpha_a cos alpha_b
/// sin^2(theta/2))   (claim 3a; ours, behind paper eq. 25). Equal for eps = 0 and r_a, r_b
/// antiparallel, at any theta.
struct RmsNearConstant {
  static constexpr std::string_view id = "rms-near-constant", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpikes<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.u_a, in.u_b));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    const S sine = a.sin_half() * b.cos_half() + a.cos_half() * b.sin_half();
    const S half_chord = detail::chord<S>(in) / S(2);
    const S cosines = a.spike * b.spike / (a.length * b.length);
    return S(2) * sqrt(count<S>(in.a.size()) * (square<S>(sine) + cosines * square<S>(half_chord)));
  }
  static Objection assumptions(const Input<double>& in) { return detail::are_no_normed_spikes(in); }
  static double allowance(const Input<double>& in) {
    return detail::near_constant_allowance(in.a.size());
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_spike_pairs(run, visit);
  }
};

/// ||u_a - u_b|| <= 2 sqrt(d) sin(min(pi, alpha_a + alpha_b + theta)/2)   (claim 3b; ours).
/// Equal for theta = 0, eps = 0 and r_a, r_b antiparallel.
struct RmsNearConstantTriangle {
  static constexpr std::string_view id = "rms-near-constant", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpikes<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return RmsNearConstant::lhs<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    const S sum = std::atan2(a.rest, a.spike) + std::atan2(b.rest, b.spike) + detail::angle(in);
    return 2 * std::sqrt(count<S>(in.a.size())) * std::sin(std::min(std::numbers::pi, sum) / 2);
  }
  static Objection assumptions(const Input<double>& in) { return detail::are_no_normed_spikes(in); }
  static double allowance(const Input<double>& in) {
    return detail::near_constant_allowance(in.a.size());
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_spike_pairs(run, visit);
  }
};

/// ||u_a - u_b|| <= sqrt(d) (tan alpha_a + tan alpha_b + theta), tan alpha = N/||s||   (claim 3c;
/// ours). For small angles.
struct RmsNearConstantLinear {
  static constexpr std::string_view id = "rms-near-constant", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpikes<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return RmsNearConstant::lhs<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::LiftedSpike<S> a(in.a, in.eps, in.channels), b(in.b, in.eps, in.channels);
    return std::sqrt(count<S>(in.a.size())) *
           (a.rest / a.spike + b.rest / b.spike + detail::angle(in));
  }
  static Objection assumptions(const Input<double>& in) { return detail::are_no_normed_spikes(in); }
  static double allowance(const Input<double>& in) {
    return detail::near_constant_allowance(in.a.size());
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_spike_pairs(run, visit);
  }
};

/// ||y_a - y_b|| <= hypot(max|g on C| ||D on C||, max|g off C| ||D off C||), y = g .* u,
/// D = u_a - u_b   (claim 3d; ours). Equal for |g| constant on C and constant elsewhere.
struct RmsNearConstantGain {
  static constexpr std::string_view id = "rms-near-constant", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpikes<S>;

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
    return detail::are_no_normed_spikes(in);
  }
  static double allowance(const Input<double>& in) {
    return max_abs<double>(in.gain) * detail::near_constant_allowance(in.a.size());
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_spike_pairs(run, visit);
  }
};

// ---- Scaling a spike --------------------------------------------------------------------------

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

inline Objection is_no_scaled_spike(const ScaledSpike<double>& in) {
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

/// Visits the tokens with a spike, which is taken away, halved, doubled and enlarged.
template <class T, class Visit>
void visit_scaled_spikes(const LayerRun<T>& run, const Visit& visit) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>();
    const RmsNorm<double> plain{Vector<double>::Ones(h.cols()), norm.eps};
    const auto place = find_spike(h);
    for (const Index token : place.tokens) {
      const Vector<double> row = h.row(token).transpose();
      const Vector<double> u = plain.value(row.transpose()).row(0).transpose();
      for (const double t : {0.0, 0.5, 2.0, 100.0}) {
        const Matrix<double> after = scaled(row, place.channels, t).transpose();
        visit(ScaledSpike<double>{row, norm.eps, place.channels, t, u,
                                  plain.value(after).row(0).transpose()},
              Where{.layer = run.layer, .block = block, .position = token});
      }
    }
  });
}

}  // namespace detail

/// ||u' - u||^2 + d eps (1/rho - 1/rho')^2 = 4 d sin^2(turn/2), turn = |atan(tau) - atan(tau/t)|,
/// tau = N/||s||   (claim A2a; ours)
struct SpikeScaleLaw {
  static constexpr std::string_view id = "spike-scale-law", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = ScaledSpike<S>;

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
  static Objection assumptions(const Input<double>& in) { return detail::is_no_scaled_spike(in); }
  /// As in claim A1a; t s is rounded once more.
  static double allowance(const Input<double>& in) {
    const double d = static_cast<double>(in.h.size()), right = rhs<double>(in);
    const double off = 2 * gamma(d + 16) * std::sqrt(d);
    return gamma(8 * d + 80) * right + 2 * off * std::sqrt(right) + off * off;
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_scaled_spikes(run, visit);
  }
};

/// ||u' - u|| <= 2 sqrt(d) sin(atan(tau)/2) for t >= 1: a spike that grows moves its token by no
/// more, however much it grows   (claim A2b; ours). Approached as t grows, for eps = 0.
struct SpikeScaleBound {
  static constexpr std::string_view id = "spike-scale-law", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = ScaledSpike<S>;

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
    return detail::is_no_scaled_spike(in);
  }
  static double allowance(const Input<double>& in) {
    return detail::near_constant_allowance(in.h.size());
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_scaled_spikes(run, visit);
  }
};

}  // namespace plumb::claims
