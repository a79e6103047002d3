#pragma once

#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "plumb/collapse/sparsity.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

/// How far RMSNorm's output moves when the residual stream does: on a plateau later writes hardly
/// turn a spike token, so it shows every block the same vector. All of it is ours.
namespace plumb::collapse {

/// u = h / rho before and after a change of h, rho = sqrt(mean(h^2) + eps).
struct Movement {
  double distance;             ///< ||u(h') - u(h)||
  double identity;             ///< the same, as sqrt([||h'-h||^2 - d (rho'-rho)^2] / (rho rho')
                               ///<                   - d eps (1/rho - 1/rho')^2)
  double bound;                ///< distance <= ||h' - h|| / sqrt(rho rho')
  std::optional<double> turn;  ///< distance <= 2 sqrt(d) sin(asin(||h'-h|| / ||H||) / 2); absent
                               ///< unless ||h'-h|| < ||H|| = sqrt(d) rho
};

/// Absent when a row is zero and eps is 0. Throws shape_error when sizes differ.
inline std::optional<Movement> movement(const VectorRef<double>& before,
                                        const VectorRef<double>& after, double eps) {
  require_size("movement", "size of the later row", after.size(), before.size());
  const auto d = static_cast<double>(before.size());
  const auto rho = [&](const VectorRef<double>& h) {
    return std::hypot(h.norm() / std::sqrt(d), std::sqrt(eps));
  };
  const double first = rho(before), last = rho(after);
  if (first == 0 || last == 0) return std::nullopt;
  const double write = (after - before).norm();
  const double stretch = last - first, inverse = stretch / (first * last);
  Movement m{};
  m.distance = (after / last - before / first).norm();
  m.identity = std::sqrt(std::max(
      0.0, (write * write - d * stretch * stretch) / (first * last) - d * eps * inverse * inverse));
  m.bound = write / std::sqrt(first * last);
  const double lifted = std::sqrt(d) * first;
  if (write < lifted) m.turn = 2 * std::sqrt(d) * std::sin(std::asin(write / lifted) / 2);
  return m;
}

/// What happens to u when the spike is made t times as large, foretold without a pass.
struct ScaleLaw {
  double turn;      ///< |atan tau - atan(tau / t)|: how far the lifted vector turns
  double distance;  ///< ||u' - u|| = sqrt(4 d sin^2(turn/2) - d eps (1/rho - 1/rho')^2), exactly
  double ceiling;   ///< distance <= this for all t >= 1: 2 sqrt(d) sin(atan(tau) / 2)
};

/// tau = sqrt(||rest||^2 + d eps) / ||spike||. t = 0 takes the spike away. Absent unless there are
/// spike channels and others, h is not zero on the former, and something is left for t = 0.
/// Throws shape_error for a negative t, index_error for a channel that there is not.
inline std::optional<ScaleLaw> scale_law(const VectorRef<double>& h,
                                         const std::vector<Index>& channels, double t, double eps) {
  if (!(t >= 0)) throw shape_error("scale_law: t is negative");
  const Split split(h, channels);
  if (!split.applies()) return std::nullopt;
  const auto d = static_cast<double>(h.size());
  const double spike = split.spike.norm();
  const double rest = std::hypot(split.rest.norm(), std::sqrt(d * eps));
  if (t == 0 && rest == 0) return std::nullopt;
  const double alpha = std::atan2(rest, spike);
  ScaleLaw law{};
  law.turn = std::abs(alpha - std::atan2(rest, t * spike));
  // 1/rho - 1/rho', with rho = hypot(rest, spike) / sqrt(d).
  const double inverse =
      std::sqrt(d) * (1 / std::hypot(rest, spike) - 1 / std::hypot(rest, t * spike));
  const double chord = 2 * std::sqrt(d) * std::sin(law.turn / 2);
  law.distance = std::sqrt(std::max(0.0, chord * chord - d * eps * inverse * inverse));
  law.ceiling = 2 * std::sqrt(d) * std::sin(alpha / 2);
  return law;
}

}  // namespace plumb::collapse
