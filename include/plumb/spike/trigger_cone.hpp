#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/lanczos.hpp"
#include "plumb/spike/quadratic_form.hpp"

/// Which x can make a channel write so much, by weights alone: thresholds for the cosine between x
/// and one direction, and a ceiling for any x.
namespace plumb::spike {

/// Thresholds of cos^2(x, s) for a write of at least `level`. Neither threshold is clamped above 1:
/// there no x is long enough, or no cosine suffices.
struct TriggerCone {
  double level = 0;      ///< t > 0, along the sign of the eigenvalue
  double necessary = 0;  ///< a write of t implies cos^2 >= this; 0 says nothing
  double sufficient = std::numeric_limits<double>::infinity();  ///< cos^2 >= this implies it
};

/// For a form with leading eigenvalue mu_1 and unit eigenvector s, all other eigenvalues in
/// [mu_min, mu_max], and ||x||^2 = size (ours):
///   x' S x >= t  if       cos^2 >= (t / size - mu_min) / (mu_1 - mu_min)
///   x' S x >= t  only if  cos^2 >= (t / size - mu_max) / (mu_1 - mu_max)
/// Both are attained, by x in the plane of s and the vector of mu_min or mu_max. For writes of
/// negative sign take the eigenvalues of -S. Throws shape_error unless level > 0 and size > 0.
inline TriggerCone trigger_cone(double mu_1, double mu_min, double mu_max, double level,
                                double size) {
  if (!(level > 0) || !(size > 0) || !std::isfinite(level) || !std::isfinite(size)) {
    throw shape_error("trigger_cone: level and size must be positive and finite");
  }
  TriggerCone cone{level};
  const double needed = level / size;
  if (mu_1 > mu_max) {
    cone.necessary = std::max(0.0, (needed - mu_max) / (mu_1 - mu_max));
  } else if (needed > mu_max) {
    cone.necessary = std::numeric_limits<double>::infinity();  // no x at all
  }
  if (mu_1 > mu_min) cone.sufficient = std::max(0.0, (needed - mu_min) / (mu_1 - mu_min));
  return cone;
}

/// The cone of a pair with norms, for writes x' S_k x of size `level` with the sign of lambda. The
/// other eigenvalues are bounded by the Frobenius norm, and the residual e of the pair is allowed
/// for by 2 |a| ||e|| sqrt(q) <= ||e|| (a^2 + q), so it holds whatever Lanczos saw. It speaks of
/// x' S_k x and not of F_k. Says nothing unless the pair is certified().
/// Throws shape_error for a pair without norms, or a level or size that is not positive.
inline TriggerCone trigger_cone(const Eigenpair& pair, double level, double size) {
  const auto rest = pair.second_bound();
  if (!rest) throw shape_error("trigger_cone: the pair has no norms");
  const double lambda = std::abs(pair.lambda), e = pair.residual;
  TriggerCone cone{level};
  cone.necessary = trigger_cone(lambda + e, -*rest - e, *rest + e, level, size).necessary;
  cone.sufficient = trigger_cone(lambda - e, -*rest - e, *rest + e, level, size).sufficient;
  return cone;
}

/// The side of a channel's writes.
enum class Side { positive, negative };

/// With g^, u^ unit and s_j the sign of w_kj,
///   P_k = 1/4 sum_j |w_kj| ||g_j|| ||u_j|| (g^_j + s_j u^_j)(g^_j + s_j u^_j)',  N_k with -s_j.
/// S_k = P_k - N_k, both semidefinite, and for every act with act(z) / z in [0, 1] (ours)
///   -x' N_k x <= F_k(x) <= x' P_k x:
/// bounds of the true write, with no quadratic approximation. Void with biases on gate or up.
template <class T>
struct SignedMajorant {
  QuadraticForm<T> form;
  Side side;  ///< positive: P_k, negative: N_k
  NeuronRows rows;

  /// P_k x or N_k x. Cost: 4 * hidden * f multiplications.
  Vector<double> apply(const Vector<double>& x) const {
    return detail::through_neurons(form.view, x, [&](Index first, auto& z, auto& y) {
      for (Index i = 0; i < z.size(); ++i) {
        const Index j = first + i;
        const double s = sign(j), lengths = rows.gate[j] * rows.up[j];
        if (!(lengths > 0)) {
          z[i] = y[i] = 0;
          continue;
        }
        const double along = z[i] / rows.gate[j] + s * y[i] / rows.up[j];
        const double half = std::abs(weight(j)) * along / 4;
        z[i] = half * rows.up[j];
        y[i] = half * rows.gate[j] * s;
      }
    });
  }

  /// 1/2 sum_j |w_kj| ||g_j|| ||u_j|| (1 + s_j c_j); bounds the largest eigenvalue.
  double trace() const {
    double sum = 0;
    for (Index j = 0; j < form.view.neurons(); ++j) {
      sum += std::abs(weight(j)) * rows.gate[j] * rows.up[j] * (1 + sign(j) * rows.cosine(j)) / 2;
    }
    return sum;
  }

 private:
  double weight(Index j) const { return static_cast<double>(form.view.down(form.channel, j)); }
  double sign(Index j) const { return (weight(j) < 0) == (side == Side::positive) ? -1 : 1; }
};

/// Throws shape_error, with the reason, where the bounds do not hold of F_k.
template <class T>
SignedMajorant<T> signed_majorant(const QuadraticForm<T>& form, Side side) {
  if (!form.view.applicable()) {
    throw shape_error(std::string("signed_majorant: ") + to_string(form.view.obstacle));
  }
  return {form, side, neuron_rows(form.view)};
}

/// The two largest eigenvalues of a majorant, each raised by its residual, so that an eigenvalue
/// lies just below; that these are the largest is what Lanczos sees.
struct MajorantPair {
  double largest = 0;
  double second = 0;
  Vector<double> direction;  ///< of the largest, unit; zero for a majorant of 0
  double residual = 0;       ///< |P p - rho p|
  bool converged = false;
  Index applications = 0;
};

namespace detail {

/// The largest eigenvalue by Lanczos, until its bound is 1e-10 of it.
template <class Apply>
std::pair<double, Vector<double>> largest_eigenpair(const Apply& apply, const Vector<double>& start,
                                                    Index steps, MajorantPair& tally) {
  Lanczos<double> lanczos(start, steps);
  RitzPair top;
  bool enough = !lanczos.finite();
  while (!enough && !lanczos.exhausted()) {
    lanczos.advance(apply(lanczos.next()));
    ++tally.applications;
    if (!lanczos.finite()) break;
    top = lanczos.ends().high;
    enough = top.bound <= 1e-10 * std::abs(top.value);
  }
  tally.converged =
      lanczos.finite() && (enough || lanczos.invariant() || lanczos.steps() == start.size());
  if (lanczos.steps() == 0) return {0, Vector<double>::Zero(start.size())};
  return {top.value + top.bound, lanczos.vector(top)};
}

}  // namespace detail

/// Cost: an application of the majorant a step, at most `steps` for each of the two.
template <class T>
MajorantPair leading_eigenpair(const SignedMajorant<T>& majorant, Index steps = 192) {
  MajorantPair pair;
  const Index size = majorant.form.size();
  const auto apply = [&](const Vector<double>& x) { return majorant.apply(x); };
  std::tie(pair.largest, pair.direction) =
      detail::largest_eigenpair(apply, detail::random_vector(size, 1), steps, pair);
  const Vector<double> product = majorant.apply(pair.direction);
  pair.residual = (product - pair.direction.dot(product) * pair.direction).norm();
  pair.largest = std::max(pair.largest, pair.direction.dot(product) + pair.residual);
  if (pair.largest == 0) {
    pair.direction.setZero();
    return pair;
  }
  const auto complement = [&](Vector<double> x) -> Vector<double> {
    x -= pair.direction.dot(x) * pair.direction;
    return x;
  };
  const bool first = pair.converged;
  const auto deflated = [&](const Vector<double>& x) {
    return complement(majorant.apply(complement(x)));
  };
  const Vector<double> start = complement(detail::random_vector(size, 2));
  pair.second =
      std::max(0.0, detail::largest_eigenpair(deflated, start, steps, pair).first) + pair.residual;
  pair.converged = pair.converged && first;
  return pair;
}

/// A necessary cone for the true write F_k(x) >= level (or -F_k(x), by the side of the majorant),
/// around the leading direction of the majorant, from weights alone. Nothing is sufficient.
/// Throws shape_error unless level and size are positive.
inline TriggerCone write_cone(const MajorantPair& majorant, double level, double size) {
  TriggerCone cone = trigger_cone(majorant.largest, 0, majorant.second, level, size);
  cone.sufficient = std::numeric_limits<double>::infinity();
  return cone;
}

/// What no x with ||x||^2 = size can exceed, from weights alone (ours).
struct WriteCeiling {
  double up = 0;    ///< F_k <= size * lambda_max(P_k)
  double down = 0;  ///< -F_k <= size * lambda_max(N_k)
  double rows =
      0;  ///< |F_k| <= size * sum_j |w_kj| ||g_j|| ||u_j|| (1 + |c_j|) / 2; no eigensolver
  double mass = 0;  ///< |F_k| <= size * sum_j |w_kj| ||g_j|| ||u_j||
  bool converged = false;
};

/// Throws shape_error, with the reason, where the bounds do not hold of F_k.
template <class T>
WriteCeiling write_ceiling(const QuadraticForm<T>& form, double size) {
  const auto positive = signed_majorant(form, Side::positive);
  const auto negative = signed_majorant(form, Side::negative);
  const auto up = leading_eigenpair(positive), down = leading_eigenpair(negative);
  WriteCeiling ceiling{size * up.largest, size * down.largest};
  for (Index j = 0; j < form.view.neurons(); ++j) {
    const double mass = std::abs(static_cast<double>(form.view.down(form.channel, j))) *
                        positive.rows.gate[j] * positive.rows.up[j];
    ceiling.mass += size * mass;
    ceiling.rows += size * mass * (1 + std::abs(positive.rows.cosine(j))) / 2;
  }
  ceiling.converged = up.converged && down.converged;
  return ceiling;
}

}  // namespace plumb::spike
