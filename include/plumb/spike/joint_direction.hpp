#pragma once

#include <cmath>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/neuron.hpp"
#include "plumb/spike/quadratic_form.hpp"

/// One direction for all channels of a block at once.
namespace plumb::spike {

struct JointOptions {
  double tolerance = 1e-8;  ///< of the gradient across x, relative to the gradient
  Index steps = 500;
};

/// A unit x at which ||B(x)|| is stationary, B_k(x) = x' S_k x; a local maximum as a rule.
struct JointDirection {
  Vector<double> direction;  ///< x; its sign is that of the start
  Vector<double> writes;     ///< B(x), one a channel
  double size = 0;           ///< ||B(x)||
  double residual = 1;       ///< of the gradient, its part across x: 0 at a stationary point
  Index steps = 0;
  bool converged = false;  ///< residual <= tolerance; false also for B = 0
};

namespace detail {

struct JointGradient {
  Vector<double> writes, gradient;
};

/// B(x) and a quarter of the gradient of ||B||^2 at x:
///   W_gate' (t .* y) / 2 + W_up' (t .* z) / 2,  t = W_down' B,  B = W_down (z .* y)
template <class T>
JointGradient joint_gradient(const FeedForwardView<T>& view, const Vector<double>& x) {
  const auto at = project(view, x);
  const Vector<double> products = at.gate.cwiseProduct(at.up);
  Vector<double> writes(view.channels());
  Vector<double> back = Vector<double>::Zero(view.neurons());
  for (Index k = 0; k < view.channels(); ++k) {
    const Vector<double> w = view.down.row(k).transpose().template cast<double>();
    writes[k] = w.dot(products);
    back += writes[k] * w;
  }
  Vector<double> gradient = through_neurons(view, x, [&](Index first, auto& z, auto& y) {
    z.swap(y);
    z.array() *= back.segment(first, z.size()).array() / 2;
    y.array() *= back.segment(first, y.size()).array() / 2;
  });
  return {std::move(writes), std::move(gradient)};
}

/// Moves to the unit vector x, at which the gradient is known.
inline void settle(JointDirection& joint, const Vector<double>& x, const JointGradient& at,
                   double tolerance) {
  joint.direction = x;
  joint.writes = at.writes;
  joint.size = at.writes.norm();
  const double length = at.gradient.norm();
  const Vector<double> across = at.gradient - x.dot(at.gradient) * x;
  joint.residual = length > 0 ? across.norm() / length : 1;
  joint.converged = length > 0 && joint.residual <= tolerance;
}

}  // namespace detail

/// Power iteration on the block itself, x <- normalise(gradient + c x), from `start`: a
/// feed-forward pass and its transpose a step (ours). Without a shift it can fall into a 2-cycle,
/// for S = diag(1, -1) from almost everywhere. c begins as ||B||^2, which is x . gradient, and is
/// doubled whenever ||B|| would fall: for a large c no step lowers it (||B||^2 + c ||x||^4 is then
/// convex). Where energy is spread over many directions it finds one of many maxima.
/// Throws shape_error when start does not fit, is zero or not finite, or there is no form.
template <class T>
JointDirection joint_direction(const FeedForwardView<T>& view, const VectorRef<double>& start,
                               const JointOptions& options = {}) {
  detail::require_form("joint_direction", view);
  detail::require_vector("joint_direction", "start", start, view.hidden());
  JointDirection joint;
  const Vector<double> unit = start.stableNormalized();
  if (unit.isZero(0)) throw shape_error("joint_direction: start is zero");
  auto here = detail::joint_gradient(view, unit);
  detail::settle(joint, unit, here, options.tolerance);
  double shift = 1;  // in units of ||B||^2
  while (!joint.converged && joint.size > 0 && joint.steps < options.steps) {
    ++joint.steps;
    const double c = shift * joint.size * joint.size;
    const Vector<double> x = (here.gradient + c * joint.direction).normalized();
    auto there = detail::joint_gradient(view, x);
    if (there.writes.norm() < joint.size * (1 - 1e-12)) {
      shift *= 2;
      continue;
    }
    here = std::move(there);
    detail::settle(joint, x, here, options.tolerance);
  }
  return joint;
}

/// From the direction of the neuron that weighs most over all channels, ||w_.j|| ||g_j|| ||u_j||
/// (1 + |c_j|) / 2.
template <class T>
JointDirection joint_direction(const FeedForwardView<T>& view, const JointOptions& options = {}) {
  detail::require_form("joint_direction", view);
  const auto rows = neuron_rows(view);
  const RowVector<double> columns = view.down.template cast<double>().colwise().norm();
  Index heaviest = 0;
  double largest = -1;
  for (Index j = 0; j < view.neurons(); ++j) {
    const double size = columns[j] * rows.gate[j] * rows.up[j] * (1 + std::abs(rows.cosine(j))) / 2;
    if (size > largest) {
      largest = size;
      heaviest = j;
    }
  }
  Index channel = 0;
  view.down.col(heaviest).cwiseAbs().maxCoeff(&channel);
  Vector<double> start = neuron(quadratic_form(view, channel), heaviest).direction;
  if (start.isZero(0)) start.setOnes();  // all neurons are zero, and so is B
  return joint_direction(view, start, options);
}

}  // namespace plumb::spike
