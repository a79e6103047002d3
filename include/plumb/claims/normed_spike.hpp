#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"

/// What RMS normalisation makes of a row with a spike, h = s + r with s on the spike channels C and
/// r on the others: it becomes sparse. d channels, c = |C|; u = h / rho, rho = sqrt(||h||^2/d +
/// eps).
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

/// An RMSNorm of a layer in double, the rows that it reads, and where their spikes are.
struct SpikedNorm {
  RmsNorm<double> gained, plain;  ///< with and without the gain
  Matrix<double> h;
  SpikePlace place;
  Where block;

  Where at(Index token) const {
    Where where = block;
    where.position = token;
    return where;
  }
};

template <class T, class Body>
void for_each_spiked_norm(const LayerRun<T>& run, const Body& body) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>();
    body(SpikedNorm{norm.template cast<double>(),
                    {Vector<double>::Ones(h.cols()), norm.eps},
                    h,
                    find_spike(h),
                    {.layer = run.layer, .block = block}});
  });
}

}  // namespace detail

/// u_i = kappa u~_i for i not in C, where u~ is the norm of r alone, the spike removed, and
/// kappa = sqrt(R/(R + ||s||^2)), R = ||r||^2 + d eps   (claim 2a; ours, behind paper eq. 24)
struct RmsSparsifiesEntry : detail::RmsNormClaim {
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
  /// For the tokens with a spike, at each channel without.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_spiked_norm(run, [&](const detail::SpikedNorm& norm) {
      const auto& channels = norm.place.channels;
      for (const Index t : norm.place.tokens) {
        Matrix<double> both = norm.h.row(t).replicate(2, 1);
        for (const Index k : channels) both(1, k) = 0;
        const Matrix<double> u = norm.plain.value(both);
        Input<double> in{norm.h.row(t).transpose(), norm.plain.eps, channels, 0, 0, 0};
        for (in.entry = 0; in.entry < norm.h.cols(); ++in.entry) {
          if (std::count(channels.begin(), channels.end(), in.entry) > 0) continue;
          in.with_spike = u(0, in.entry);
          in.without_spike = u(1, in.entry);
          Where where = norm.at(t);
          where.channel = in.entry;
          visit(in, where);
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

/// Visits the tokens with a spike; with the gain, too, where the claim is about directions only:
/// then g .* h and g .* u stand for h and u.
template <class T, class Visit>
void visit_normed_spikes(const LayerRun<T>& run, bool with_gain, const Visit& visit) {
  for_each_spiked_norm(run, [&](const SpikedNorm& norm) {
    for (const Index t : norm.place.tokens) {
      const Vector<double> row = norm.h.row(t).transpose();
      const auto look = [&](const RmsNorm<double>& by, const Vector<double>& h) {
        const Vector<double> u = by.value(row.transpose()).row(0).transpose();
        visit(NormedSpike<double>{h, by.eps, norm.place.channels, u}, norm.at(t));
      };
      look(norm.plain, row);
      if (with_gain) look(norm.gained, times<double>(norm.gained.gain, row));
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

/// What the parts about a whole row share.
struct NormedSpikeClaim : RmsNormClaim {
  static constexpr std::string_view id = "rms-sparsifies";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedSpike<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.u.size() != in.h.size()) return "h and u differ in size";
    const auto c = static_cast<Index>(in.channels.size());
    if (c >= in.h.size()) return "all channels are in the spike";
    return is_no_spike(in.h, in.channels);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_normed_spikes(run, true, visit);
  }
};

}  // namespace detail

/// ||u off C|| <= sqrt(d) tau/sqrt(1 + tau^2), tau = ||r||/||s||   (claim 2b; ours, behind paper
/// eq. 24). Equal for eps = 0.
struct RmsSparsifiesRest : detail::NormedSpikeClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(split<S>(in.u, in.channels).off);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return sqrt(count<S>(in.h.size()) * detail::Shares<S>(in).off);
  }
  static double allowance(const Input<double>& in) {
    return gamma(3 * in.h.size() + 30) * rhs<double>(in);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_spikes(run, false, visit);
  }
};

/// (sum u^2)^2 / sum u^4 <= 1/(p^2/c + (1-p)^2/(d-c)), p = ||s||^2/||h||^2: the participation ratio
/// (claim 2c; ours). Equal for |h| constant on C and constant elsewhere.
struct RmsSparsifiesParticipation : detail::NormedSpikeClaim {
  static constexpr std::string_view part = "c";

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
  /// Relative: an entry gamma_{d/2+6}, four of them in each term, two sums, and 6 d in the shares.
  static double allowance(const Input<double>& in) {
    return gamma(16 * in.h.size() + 80) * rhs<double>(in);
  }
};

/// ||u||_1/||u||_2 <= sqrt(c p) + sqrt((d-c)(1-p))   (claim 2d; ours). Equal as in part c. Hoyer's
/// sparsity is (sqrt(d) - ||u||_1/||u||_2)/(sqrt(d) - 1), so this bounds it from below.
struct RmsSparsifiesHoyer : detail::NormedSpikeClaim {
  static constexpr std::string_view part = "d";

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
  static double allowance(const Input<double>& in) {
    return gamma(5 * in.h.size() + 40) * rhs<double>(in);
  }
};

}  // namespace plumb::claims
