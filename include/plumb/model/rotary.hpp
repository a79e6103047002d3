#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/architecture.hpp"

namespace plumb {

/// Rotary position embedding (arXiv 2104.09864): plane j of each head turns by the angle
/// position * frequency(j), where frequency(j) = theta^(-2j / n), slowed as `kind` says, and n is
/// the number of coordinates that turn. A rotation, so its derivative is itself and its transpose
/// turns back. Angles are computed in double whatever T is.
struct Rotary {
  Index head_dim = 0;
  double theta = 0;
  RotaryPairing pairing = RotaryPairing::half_split;
  RotaryKind kind = RotaryKind::unscaled;
  RotaryScaling scaling = {};
  Index dim = 0;  ///< the first coordinates of a head that turn, even; 0: all of them

  /// Turns all heads of all rows in place: row t of x (tokens, heads * head_dim) by positions[t].
  /// Throws shape_error when sizes do not fit.
  template <class T>
  void apply(Matrix<T>& x, const std::vector<Index>& positions) const {
    turn(x, positions, 1.0);
  }

  /// The transpose of apply, which is its inverse.
  template <class T>
  void apply_transposed(Matrix<T>& x, const std::vector<Index>& positions) const {
    turn(x, positions, -1.0);
  }

  Index planes() const { return kind == RotaryKind::none ? 0 : (dim == 0 ? head_dim : dim) / 2; }

  /// Angle a position. With turns = original_context f / 2 pi, the revolutions of a plane of
  /// frequency f in the original context, llama3 keeps the share
  ///   s = (turns - low_frequency) / (high_frequency - low_frequency), within 0 and 1
  /// of f and divides the rest by `factor`: s f + (1 - s) f / factor.
  double frequency(Index plane) const {
    const double f = std::pow(theta, -static_cast<double>(plane) / static_cast<double>(planes()));
    if (kind == RotaryKind::linear) return f / scaling.factor;
    if (kind != RotaryKind::llama3) return f;
    const double turns = static_cast<double>(scaling.original_context) * f / (2 * std::numbers::pi);
    const double share = std::clamp(
        (turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency), 0.0,
        1.0);
    return share * f + (1 - share) * f / scaling.factor;
  }

 private:
  template <class T>
  void turn(Matrix<T>& x, const std::vector<Index>& positions, double direction) const {
    require_size("Rotary", "rows", x.rows(), static_cast<Index>(positions.size()));
    require_size("Rotary", "columns modulo head_dim", x.cols() % head_dim, 0);
    const bool split = pairing == RotaryPairing::half_split;
    for (Index j = 0; j < planes(); ++j) {
      const Index first = split ? j : 2 * j;
      const Index second = split ? j + planes() : 2 * j + 1;
      const double speed = direction * frequency(j);
      for (Index t = 0; t < x.rows(); ++t) {
        const double angle = speed * static_cast<double>(positions[static_cast<std::size_t>(t)]);
        const T cosine = static_cast<T>(std::cos(angle));
        const T sine = static_cast<T>(std::sin(angle));
        for (Index head = 0; head < x.cols(); head += head_dim) {
          const T a = x(t, head + first);
          const T b = x(t, head + second);
          x(t, head + first) = a * cosine - b * sine;
          x(t, head + second) = a * sine + b * cosine;
        }
      }
    }
  }
};

}  // namespace plumb
