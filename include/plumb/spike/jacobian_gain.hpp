#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/spike/golub_kahan.hpp"
#include "plumb/spike/lanczos.hpp"

/// Directions that the Jacobian of a feed-forward block amplifies most. Where gates are open row k
/// is 2 x'S_k, so on an amplifier's spike token the right vector is s and the left one the ratios
/// of the spike channels.
namespace plumb::spike {

/// J = W_down M at one point, M = diag(y .* act'(z)) W_gate + diag(act(z)) W_up (without a gate
/// diag(act'(y)) W_up), times the Jacobian of the norm in front if there is one. M is folded once;
/// then an application is two products with a vector. A view of W_down: the block must outlive it.
template <class T>
struct FeedForwardJacobian {
  Matrix<T> reading;                    ///< M (f, hidden)
  Eigen::Map<const Matrix<T>> writing;  ///< W_down (channels, f)

  Index rows() const { return writing.rows(); }
  Index cols() const { return reading.cols(); }

  /// J v and J' u, accumulated in T.
  Vector<T> apply(const Vector<T>& v) const {
    require_size("FeedForwardJacobian::apply", "v", v.size(), cols());
    const Vector<T> neurons = reading * v;
    return writing * neurons;
  }
  Vector<T> transposed(const Vector<T>& u) const {
    require_size("FeedForwardJacobian::transposed", "u", u.size(), rows());
    const Vector<T> neurons = writing.transpose() * u;
    return reading.transpose() * neurons;
  }
};

namespace detail {

/// The derivative of the neurons at x: dn = by_z .* dz + by_y .* dy; without a gate by_y .* dy.
template <class T>
struct NeuronSlopes {
  Matrix<T> by_z, by_y;  // (1, f)
};

template <class T>
NeuronSlopes<T> neuron_slopes(const FeedForward<T>& block, const VectorRef<T>& x) {
  Matrix<T> y = (block.up * x).transpose();
  if (block.up_bias.size() > 0) y += block.up_bias.transpose();
  if (block.gate.size() == 0) return {Matrix<T>(), activation_slope(block.activation, y)};
  Matrix<T> z = (block.gate * x).transpose();
  if (block.gate_bias.size() > 0) z += block.gate_bias.transpose();
  return {y.cwiseProduct(activation_slope(block.activation, z)), activate(block.activation, z)};
}

}  // namespace detail

/// Of the block at x, which it reads. Throws shape_error when x does not fit.
/// Cost: 4 * hidden * f multiplications; memory hidden * f numbers.
template <class T>
FeedForwardJacobian<T> jacobian_map(const FeedForward<T>& block, const VectorRef<T>& x) {
  require_size("jacobian_map", "x", x.size(), block.up.cols());
  const auto [by_z, by_y] = detail::neuron_slopes<T>(block, x);
  Matrix<T> reading = by_y.row(0).asDiagonal() * block.up;
  if (block.gate.size() > 0) reading += by_z.row(0).asDiagonal() * block.gate;
  return {std::move(reading), {block.down.data(), block.down.rows(), block.down.cols()}};
}
template <class T>
FeedForwardJacobian<T> jacobian_map(FeedForward<T>&&, const VectorRef<T>&) = delete;

/// Of h -> block(norm(h)) at h, a row of the residual stream: each row of M through the norm's vjp.
template <class T>
FeedForwardJacobian<T> jacobian_map(const Norm<T>& norm, const FeedForward<T>& block,
                                    const VectorRef<T>& h) {
  const Matrix<T> row = h.transpose();
  auto map = jacobian_map<T>(block, norm.value(row).row(0).transpose());
  map.reading = norm.vjp(row.replicate(map.reading.rows(), 1), map.reading);
  return map;
}
template <class T>
FeedForwardJacobian<T> jacobian_map(const Norm<T>&, FeedForward<T>&&, const VectorRef<T>&) = delete;

/// The largest singular triplets of J: left vectors are over channels, right ones over what is
/// read. The residual of a triplet bounds how far a singular value is; see singular_triplets.
template <class T>
SingularTriplets high_gain_directions(const FeedForwardJacobian<T>& map,
                                      const SingularOptions& options = {}) {
  return singular_triplets<T>(
      map.rows(), map.cols(), [&](const Vector<T>& v) { return map.apply(v); },
      [&](const Vector<T>& u) { return map.transposed(u); }, options);
}

/// One end of a symmetric spectrum.
struct SymmetricEnd {
  double value = 0;
  Vector<double> direction;  ///< unit
  double residual = 0;       ///< |A v - value v|, measured: an eigenvalue is that near
};

/// Both ends of (J + J') / 2: how fast |h|^2 grows and shrinks at most along h' = J h.
struct SymmetricGain {
  SingularStatus status = SingularStatus::not_converged;
  SymmetricEnd high, low;
  Index applications = 0;  ///< of J and of J' together

  const SymmetricEnd& leading() const {
    return std::abs(high.value) >= std::abs(low.value) ? high : low;
  }
};

/// Leading eigenpairs of the symmetric part of J, by Lanczos with full reorthogonalisation, with
/// the same options and rules as the singular triplets. `count` is not used.
/// Throws shape_error when J is not square.
template <class T>
SymmetricGain symmetric_gain(const FeedForwardJacobian<T>& map,
                             const SingularOptions& options = {}) {
  require_size("symmetric_gain", "rows of the Jacobian", map.rows(), map.cols());
  const double tolerance = options.tolerance.value_or(std::is_same_v<T, float> ? 1e-5 : 1e-8);
  const auto apply = [&](const Vector<T>& v) {
    return Vector<T>((map.apply(v) + map.transposed(v)) / T(2));
  };
  Lanczos<T> lanczos(detail::random_vector(map.cols(), options.seed).template cast<T>(),
                     options.steps);
  SpectrumEnds ends;
  const auto enough = [&] {
    const double size = std::max(std::abs(ends.high.value), std::abs(ends.low.value));
    return std::max(ends.high.bound, ends.low.bound) <= tolerance / 2 * size;
  };
  for (Index look_at = 2; !lanczos.exhausted();) {
    lanczos.advance(apply(lanczos.next()));
    if (!lanczos.finite()) break;
    if (lanczos.steps() < look_at && !lanczos.exhausted()) continue;
    look_at = lanczos.steps() + 1 + lanczos.steps() / 8;
    ends = lanczos.ends();
    if (enough()) break;
  }
  SymmetricGain gain;
  gain.applications = 2 * lanczos.steps();
  if (!lanczos.finite()) {
    gain.status = SingularStatus::not_finite;
    return gain;
  }
  const auto measure = [&](const RitzPair& pair) -> SymmetricEnd {
    const Vector<double> v = lanczos.vector(pair);
    const Vector<double> image = apply(Vector<T>(v.template cast<T>())).template cast<double>();
    const double value = v.dot(image);
    return {value, v, (image - value * v).norm()};
  };
  gain.high = measure(ends.high);
  gain.low = measure(ends.low);
  gain.applications += 4;
  const double worst = std::max(gain.high.residual, gain.low.residual);
  if (worst <= 2 * tolerance * std::abs(gain.leading().value)) {
    gain.status = SingularStatus::converged;
  }
  return gain;
}

/// |cos| of the angle between two directions; 0 where one of them is zero. Throws shape_error.
inline double alignment(const VectorRef<double>& a, const VectorRef<double>& b) {
  require_size("alignment", "directions", a.size(), b.size());
  const double lengths = a.stableNorm() * b.stableNorm();
  return lengths > 0 ? std::min(1.0, std::abs(a.dot(b)) / lengths) : 0;
}

}  // namespace plumb::spike
