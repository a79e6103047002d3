#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::collapse {

/// Below this magnitude a normalised channel counts as near zero; a typical one is about 1.
inline constexpr double kNearZero = 0.01;

/// How few channels carry a vector v of d channels.
struct Sparsity {
  double largest = 0;                         ///< max |v_i|
  std::optional<double> hoyer;                ///< (sqrt d - ||v||_1/||v||_2) / (sqrt d - 1): 0..1
  std::optional<double> participation_ratio;  ///< (sum v^2)^2 / sum v^4: 1..d
  double near_zero = 0;                       ///< share of channels with |v_i| < threshold
};

/// Hoyer and participation ratio are absent for v = 0, Hoyer for d = 1 too.
/// Throws shape_error when v is empty.
inline Sparsity sparsity(const VectorRef<double>& v, double threshold = kNearZero) {
  if (v.size() == 0) throw shape_error("sparsity: v is empty");
  const auto d = static_cast<double>(v.size());
  Sparsity s;
  s.largest = v.cwiseAbs().maxCoeff();
  s.near_zero = static_cast<double>((v.array().abs() < threshold).count()) / d;
  if (s.largest == 0) return s;
  const Vector<double> w = v / s.largest;  // so that fourth powers neither overflow nor vanish
  const double energy = w.squaredNorm();
  s.participation_ratio = energy * energy / w.array().square().square().sum();
  if (v.size() > 1)
    s.hoyer = (std::sqrt(d) - w.lpNorm<1>() / std::sqrt(energy)) / (std::sqrt(d) - 1);
  return s;
}

/// A vector in two parts: what lies on the spike channels C, and the rest R. Both have full length,
/// with zeros in the other's place.
struct Split {
  Vector<double> spike, rest;
  double channels;  ///< |C|

  /// `list` holds distinct channels. Throws index_error for a channel that there is not.
  Split(const VectorRef<double>& v, const std::vector<Index>& list)
      : spike(Vector<double>::Zero(v.size())), rest(v), channels(static_cast<double>(list.size())) {
    for (const Index k : list) {
      require_index("Split", "channel", k, v.size());
      spike[k] = v[k];
      rest[k] = 0;
    }
  }

  /// Are there spike channels, other channels, and something on the former?
  bool applies() const {
    return channels > 0 && channels < static_cast<double>(spike.size()) && !spike.isZero(0);
  }
};

/// What the spike channels' share of the energy alone says of the sparsity of any vector, be it the
/// normalised one or that with the gain. p = share of energy on the c spike channels; d channels:
///   participation ratio <= 1 / (p^2/c + (1-p)^2/(d-c))
///   Hoyer >= (sqrt d - sqrt(c p) - sqrt((d-c)(1-p))) / (sqrt d - 1)
/// Both by Cauchy-Schwarz on either part, with equality when |v| is constant on each (ours).
struct ConcentrationBounds {
  double participation_ratio;  ///< at most
  double hoyer;                ///< at least
};

/// Absent unless 1 <= c < d and v is not zero on the spike channels. Channels are distinct.
/// Throws index_error for a channel that there is not.
inline std::optional<ConcentrationBounds> concentration_bounds(const VectorRef<double>& v,
                                                               const std::vector<Index>& channels) {
  const double largest = v.size() == 0 ? 0 : v.cwiseAbs().maxCoeff();
  const Split split(largest == 0 ? Vector<double>(v) : Vector<double>(v / largest), channels);
  if (!split.applies()) return std::nullopt;
  const double d = static_cast<double>(v.size()), c = split.channels;
  const double on = split.spike.squaredNorm(), off = split.rest.squaredNorm();
  const double p = on / (on + off), q = off / (on + off);  // q is never 1 - p: that cancels
  return ConcentrationBounds{
      1 / (p * p / c + q * q / (d - c)),
      (std::sqrt(d) - std::sqrt(c * p) - std::sqrt((d - c) * q)) / (std::sqrt(d) - 1)};
}

/// What RMSNorm makes of a residual row h with a spike, before the gain: u = h / rho,
/// rho = sqrt(mean(h^2) + eps). E_C, E_R = energies on and off the spike channels,
/// R = E_R + d eps.
struct NormBounds {
  double largest;  ///< max |u_i| = sqrt(d) max|h_i| / ||H||, ||H||^2 = ||h||^2 + d eps: <= sqrt(d)
  double kappa;    ///< u_i off the spike = kappa * (u_i without the spike): sqrt(R / (R + E_C))
  double rest_norm;  ///< ||u_R|| = sqrt(d E_R / (E_C + R)), at most sqrt(d) tau / sqrt(1 + tau^2)
  double
      near_zero;  ///< the share of channels with |u_i| < threshold is at least this: no more than
                  ///< ||u_R||^2 / threshold^2 channels off the spike can reach it (ours)
};

/// Absent unless there are spike channels and others, and h is not zero on the former.
/// Throws index_error for a channel that there is not.
inline std::optional<NormBounds> norm_bounds(const VectorRef<double>& h,
                                             const std::vector<Index>& channels, double eps,
                                             double threshold = kNearZero) {
  const Split split(h, channels);
  if (!split.applies()) return std::nullopt;
  const auto d = static_cast<double>(h.size());
  const double spike = split.spike.squaredNorm(), rest = split.rest.squaredNorm();
  const double lifted_rest = rest + d * eps, lifted = spike + lifted_rest;
  NormBounds bounds{};
  bounds.largest = std::sqrt(d / lifted) * h.cwiseAbs().maxCoeff();
  bounds.kappa = std::sqrt(lifted_rest / lifted);
  bounds.rest_norm = std::sqrt(d * (rest / lifted));
  const double others = d - split.channels;
  // A few roundings above the quotient, so that a channel exactly at the threshold is allowed for.
  const double reached = bounds.rest_norm * bounds.rest_norm / (threshold * threshold);
  bounds.near_zero = (others - std::min(others, std::floor(reached * (1 + 1e-12)))) / d;
  return bounds;
}

}  // namespace plumb::collapse
