#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "plumb/collapse/angle.hpp"
#include "plumb/collapse/near_constancy.hpp"
#include "plumb/collapse/sparsity.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/collapse/stability.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/finding.hpp"
#include "plumb/core/linalg.hpp"

/// The keys of spike tokens collapse into a few dimensions (paper eq. 26). A statement about one kv
/// head at a time, and before rotary: rotation to different positions takes equal keys apart.
namespace plumb::collapse {

/// Keys of spike tokens beside the keys of the rest, one kv head.
struct KeyCollapse {
  Spectrum spike;
  Spectrum other;
  Vector<double> principal_angles;  ///< radians, ascending, of the two 99 % subspaces; empty where
                                    ///< one is zero
};

/// `spike_keys` (m, head_dim); `other_gram` (head_dim, head_dim) is the sum of k'k over the other
/// keys. Needs two spike keys. Throws shape_error when sizes differ.
/// Cost: m head_dim^2 + head_dim^3.
inline Finding<KeyCollapse> key_collapse(const MatrixRef<double>& spike_keys,
                                         const MatrixRef<double>& other_gram) {
  require_size("key_collapse", "rows of the Gram matrix", other_gram.rows(), spike_keys.cols());
  require_size("key_collapse", "columns of the Gram matrix", other_gram.cols(), spike_keys.cols());
  if (spike_keys.rows() == 0) return Finding<KeyCollapse>::none("no spike token");
  if (spike_keys.rows() == 1) return Finding<KeyCollapse>::none("one spike token");
  const Matrix<double> gram = spike_keys.transpose() * spike_keys;
  return KeyCollapse{spectrum(spike_keys), spectrum_of_gram(other_gram),
                     principal_angles(leading_subspace(gram), leading_subspace(other_gram))};
}

/// Why the keys of spike tokens collapse: K = U W', U the normalised rows, W = W_K diag(gain) of
/// one kv head. Every bound is ours; none holds after a qk-norm, which divides by the key's own
/// norm.
struct KeyBounds {
  double sigma_2;     ///< second singular value of K
  double from_reads;  ///< sigma_2(K) <= ||W|| sigma_2(U)
  double from_shape;  ///< <= ||W|| sqrt(d sum_t (sin^2 alpha_t + cos^2 alpha_t sin^2 theta_t)):
                      ///< alpha_t = atan tau_t, theta_t the angle of the spike part to the first
                      ///< token's, so the sum is of squared sines of the lifted rows to that axis
  double sigma_next;  ///< sigma_{c+1}(K), c spike channels; 0 when there are not so many
  double from_rest;   ///< sigma_{c+1}(K) <= ||W off the spike channels|| ||U off them||
  double distance;    ///< the largest ||k_a - k_b|| of a pair
  double ball;        ///< distance <= ||W|| times the largest sharp bound on ||u_a - u_b||
};

/// `rows` (m, d): residual rows of spike tokens; `weight` (head_dim, d): W. No finding for fewer
/// than two rows, or when a row is zero on the spike channels. Throws shape_error, index_error.
inline Finding<KeyBounds> key_bounds(const MatrixRef<double>& rows,
                                     const std::vector<Index>& channels, double eps,
                                     const MatrixRef<double>& weight) {
  using Result = Finding<KeyBounds>;
  require_size("key_bounds", "columns of the weight", weight.cols(), rows.cols());
  if (rows.rows() == 0) return Result::none("no spike token");
  if (rows.rows() == 1) return Result::none("one spike token");
  const Index d = rows.cols();
  const double width = std::sqrt(static_cast<double>(d));
  Matrix<double> reads(rows.rows(), d), rest_reads(rows.rows(), d);
  Vector<double> axis;
  double sines = 0;
  for (Index t = 0; t < rows.rows(); ++t) {
    const Split split(rows.row(t).transpose(), channels);
    if (!split.applies()) return Result::none("a spike token is zero on the spike channels here");
    if (t == 0) axis = split.spike;
    const double rest = std::hypot(split.rest.norm(), width * std::sqrt(eps));
    const double root = std::hypot(rest, split.spike.norm()) / width;
    reads.row(t) = rows.row(t) / root;
    rest_reads.row(t) = split.rest.transpose() / root;
    const double alpha = std::atan2(rest, split.spike.norm());
    const double across = std::cos(alpha) * std::sin(*angle(axis, split.spike));
    sines += std::sin(alpha) * std::sin(alpha) + across * across;
  }
  Matrix<double> rest_weight = weight;
  for (const Index k : channels) rest_weight.col(k).setZero();

  const Matrix<double> keys = reads * weight.transpose();
  const Vector<double> sigma = singular_values(keys, Route::qr);
  const auto next = static_cast<Index>(channels.size());
  const double norm = spectral_norm(weight);
  KeyBounds b{};
  b.sigma_2 = sigma.size() > 1 ? sigma[1] : 0;
  b.from_reads = norm * singular_values(reads, Route::qr)[1];
  b.from_shape = norm * width * std::sqrt(sines);
  b.sigma_next = next < sigma.size() ? sigma[next] : 0;
  b.from_rest = spectral_norm(rest_weight) * spectral_norm(rest_reads);
  const Index step = (rows.rows() + kMostPaired - 1) / kMostPaired;
  for (Index first = 0; first < rows.rows(); first += step) {
    for (Index second = first + step; second < rows.rows(); second += step) {
      const auto pair =
          closeness(rows.row(first).transpose(), rows.row(second).transpose(), channels, eps);
      b.distance = std::max(b.distance, (keys.row(first) - keys.row(second)).norm());
      b.ball = std::max(b.ball, norm * pair->sharp);
    }
  }
  return b;
}

/// After a per-head qk-norm with `gain` and `eps`, two keys k_a, k_b of one kv head lie within
///   max|gain| ||k_a - k_b|| / sqrt(rho_a rho_b),  rho = sqrt(mean(k^2) + eps) of the raw keys.
/// Absent when a key is zero and eps is 0. Throws shape_error when sizes differ.
inline std::optional<double> normalised_key_bound(const VectorRef<double>& a,
                                                  const VectorRef<double>& b,
                                                  const Vector<double>& gain, double eps) {
  require_size("normalised_key_bound", "size of the gain", gain.size(), a.size());
  const auto moved = movement(a, b, eps);
  if (!moved) return std::nullopt;
  return gain.cwiseAbs().maxCoeff() * moved->bound;
}

}  // namespace plumb::collapse
