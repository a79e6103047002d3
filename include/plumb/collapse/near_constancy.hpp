#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include "plumb/collapse/angle.hpp"
#include "plumb/collapse/sparsity.hpp"
#include "plumb/core/finding.hpp"
#include "plumb/core/linalg.hpp"

/// Spike tokens read alike (paper eq. 25): how far apart RMSNorm leaves two of them, and why it
/// cannot be farther. The bounds are ours.
namespace plumb::collapse {

/// ||u_a - u_b|| / sqrt(d) is at most this, where alpha is each token's angle to its spike part and
/// theta the angle of the two spike parts:
///   2 sqrt(sin^2((alpha_a + alpha_b)/2) + cos alpha_a cos alpha_b sin^2(theta/2))
/// For angles in [0, pi/2], [0, pi/2] and [0, pi]. Attained when the other parts are antiparallel.
inline double sharp_chord(double alpha_a, double alpha_b, double theta) {
  const double half = std::sin((alpha_a + alpha_b) / 2), turn = std::sin(theta / 2);
  return 2 * std::sqrt(half * half + std::cos(alpha_a) * std::cos(alpha_b) * turn * turn);
}

/// The weaker form by the triangle inequality of angles: 2 sin(min(pi, alpha_a + alpha_b +
/// theta)/2)
inline double triangle_chord(double alpha_a, double alpha_b, double theta) {
  return 2 * std::sin(std::min(std::numbers::pi, alpha_a + alpha_b + theta) / 2);
}

/// Weaker still, and linear: tan alpha_a + tan alpha_b + theta.
inline double linear_chord(double alpha_a, double alpha_b, double theta) {
  return std::tan(alpha_a) + std::tan(alpha_b) + theta;
}

/// Two spike tokens after RMSNorm.
struct Closeness {
  double alpha_a, alpha_b;  ///< atan tau, tau = sqrt(||rest||^2 + d eps) / ||spike||: 0 .. pi/2
  double theta;             ///< angle of the two spike parts, 0 .. pi
  double distance;          ///< ||u_a - u_b||
  double sharp;             ///< distance <= sqrt(d) sharp_chord
  double triangle;          ///< sharp <= sqrt(d) triangle_chord
  double linear;            ///< triangle <= sqrt(d) linear_chord
  double gained_distance;   ///< ||g .* (u_a - u_b)||
  double gained;            ///< <= hypot(max_C |g| ||D_C||, max_R |g| ||D_R||), D = u_a - u_b
};

/// `gain` is of the norm's size, or empty for a gain of one. Absent when there are no spike
/// channels or no others, or a token is zero on the former. Throws shape_error when sizes differ,
/// index_error for a channel that there is not.
inline std::optional<Closeness> closeness(const VectorRef<double>& a, const VectorRef<double>& b,
                                          const std::vector<Index>& channels, double eps,
                                          const Vector<double>& gain = {}) {
  require_size("closeness", "size of b", b.size(), a.size());
  if (gain.size() > 0) require_size("closeness", "size of the gain", gain.size(), a.size());
  const Split split_a(a, channels), split_b(b, channels);
  if (!split_a.applies() || !split_b.applies()) return std::nullopt;
  const double d = static_cast<double>(a.size()), width = std::sqrt(d);
  const auto alpha = [&](const Split& split) {
    return std::atan2(std::hypot(split.rest.norm(), std::sqrt(d * eps)), split.spike.norm());
  };
  const auto normalised = [&](const VectorRef<double>& h) {
    return Vector<double>(h / std::hypot(h.norm() / width, std::sqrt(eps)));
  };
  Closeness c{};
  c.alpha_a = alpha(split_a);
  c.alpha_b = alpha(split_b);
  c.theta = *angle(split_a.spike, split_b.spike);
  c.sharp = width * sharp_chord(c.alpha_a, c.alpha_b, c.theta);
  c.triangle = width * triangle_chord(c.alpha_a, c.alpha_b, c.theta);
  c.linear = width * linear_chord(c.alpha_a, c.alpha_b, c.theta);
  const Vector<double> difference = normalised(a) - normalised(b);
  c.distance = difference.norm();
  const Vector<double> g = gain.size() > 0 ? gain : Vector<double>::Ones(a.size());
  const Split split_d(difference, channels), split_g(g, channels);
  c.gained_distance = g.cwiseProduct(difference).norm();
  c.gained = std::hypot(split_g.spike.cwiseAbs().maxCoeff() * split_d.spike.norm(),
                        split_g.rest.cwiseAbs().maxCoeff() * split_d.rest.norm());
  return c;
}

// ---- Several tokens -------------------------------------------------------------------------

/// A statement about spike tokens takes this many, of sizes that differ: one token says nothing of
/// a set, and copies of one token say that it equals itself.
inline constexpr Index kSpikeTokens = 3;

/// Sizes differ if the larger exceeds the smaller by this share.
inline constexpr double kDistinctShare = 0.01;

/// How many sizes there are that differ from one another.
inline Index distinct_sizes(std::vector<double> sizes) {
  std::sort(sizes.begin(), sizes.end());
  Index count = 0;
  double last = 0;
  for (const double size : sizes) {
    if (count > 0 && size <= last * (1 + kDistinctShare)) continue;
    last = size;
    ++count;
  }
  return count;
}

/// Why rows of these spike sizes are too few for a statement about spike tokens; empty if they are
/// not.
inline std::string too_few_spikes(const std::vector<double>& sizes) {
  if (sizes.empty()) return "no spike token";
  if (sizes.size() == 1) return "one spike token";
  const Index distinct = distinct_sizes(sizes);
  if (distinct >= kSpikeTokens) return {};
  return std::to_string(sizes.size()) + " spike tokens of " + std::to_string(distinct) +
         (distinct == 1 ? " size" : " sizes") + ", and " + std::to_string(kSpikeTokens) +
         " that differ are needed";
}

/// The spike tokens of one depth, pair by pair.
struct NearConstancy {
  Index tokens;           ///< rows given
  double tau;             ///< the largest of a token: off-spike over on-spike norm, with eps
  double theta;           ///< the largest of a pair
  double distance;        ///< the largest of a pair, ||u_a - u_b||
  double bound;           ///< the largest of a pair, sharp form
  double triangle_bound;  ///< the largest of a pair, 2 sqrt(d) sin(A/2)
  double tightest;        ///< the largest distance / sharp bound of a pair
};

/// Of more rows than this, so many are taken, evenly spaced: pairs grow with the square.
inline constexpr Index kMostPaired = 128;

/// `rows` (m, d) are residual rows of spike tokens, as RMSNorm reads them. No finding when they are
/// fewer than kSpikeTokens of differing size, or when a row is zero on the spike channels.
/// Throws index_error, shape_error. Cost: O(min(m, kMostPaired)^2 d).
inline Finding<NearConstancy> near_constancy(const MatrixRef<double>& rows,
                                             const std::vector<Index>& channels, double eps) {
  using Result = Finding<NearConstancy>;
  std::vector<double> sizes;
  for (Index t = 0; t < rows.rows(); ++t) {
    const Split split(rows.row(t).transpose(), channels);
    if (!split.applies()) return Result::none("a spike token is zero on the spike channels here");
    sizes.push_back(split.spike.norm());
  }
  if (auto reason = too_few_spikes(sizes); !reason.empty()) return Result::none(reason);

  NearConstancy found{rows.rows(), 0, 0, 0, 0, 0, 0};
  const Index step = (rows.rows() + kMostPaired - 1) / kMostPaired;
  for (Index a = 0; a < rows.rows(); a += step) {
    for (Index b = a + step; b < rows.rows(); b += step) {
      const auto pair = closeness(rows.row(a).transpose(), rows.row(b).transpose(), channels, eps);
      found.tau = std::max({found.tau, std::tan(pair->alpha_a), std::tan(pair->alpha_b)});
      found.theta = std::max(found.theta, pair->theta);
      found.distance = std::max(found.distance, pair->distance);
      found.bound = std::max(found.bound, pair->sharp);
      found.triangle_bound = std::max(found.triangle_bound, pair->triangle);
      if (pair->sharp > 0) found.tightest = std::max(found.tightest, pair->distance / pair->sharp);
    }
  }
  return found;
}

}  // namespace plumb::collapse
