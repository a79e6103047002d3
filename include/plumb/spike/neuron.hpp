#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/quadratic_form.hpp"

/// One neuron's part in a channel: w (g u' + u g') / 2, a form of rank two.
namespace plumb::spike {

/// Neuron i in channel k by its weights. With c = cos(g, u) its two eigenvalues are
/// w ||g|| ||u|| (c + 1) / 2 and w ||g|| ||u|| (c - 1) / 2; the larger in size has the sign of w c,
/// and a share of (1 + |c|)^2 / (2 (1 + c^2)) of the form's squared norm (ours).
struct Neuron {
  Index neuron = 0;
  double weight = 0;         ///< w_ki
  double cosine = 0;         ///< c; 0 where g or u is zero
  double dominant = 0;       ///< the eigenvalue that is larger in size
  double other = 0;          ///< the other one; for c = 0 both are equal in size: no one direction
  Vector<double> direction;  ///< unit eigenvector of `dominant`, along which the gate opens:
                             ///< g/||g|| + u/||u|| for c >= 0, else their difference; or zero

  double energy_share() const {
    return (1 + std::abs(cosine)) * (1 + std::abs(cosine)) / (2 * (1 + cosine * cosine));
  }
};

/// The neuron that writes most into a channel at one x.
struct DominantNeuron {
  Index neuron = 0;
  double gate = 0;        ///< z_i
  double write = 0;       ///< w_ki act(z_i) y_i
  double share = 0;       ///< write / F_k(x); beyond 1 where others write against it, 0 for F_k = 0
  double mass_share = 0;  ///< |write| / sum_j |w_kj act(z_j) y_j|, in 0 .. 1
};

/// Channels that one neuron writes into, and how far its column explains them (paper, regularity
/// iv):
///   F_C = a W_C + e, a = act(z_i) y_i, W_C = W_down[C, i], e what the other neurons write.
struct SharedWrites {
  Vector<double> column;     ///< W_C, the predicted ratios
  Vector<double> writes;     ///< F_C(x), the measured ones
  Vector<double> remainder;  ///< e
  double sine = 0;           ///< of the angle between W_C and F_C; 0 if one of them is zero
  double bound = 0;          ///< sine <= ||e|| / ||F_C||; 1 if F_C is zero

  /// |F_k w_l - F_l w_k| for places k, l of the list, and what bounds it: |w_l e_k| + |w_k e_l|.
  double mismatch(Index k, Index l) const {
    return std::abs(writes[k] * column[l] - writes[l] * column[k]);
  }
  double mismatch_bound(Index k, Index l) const {
    return std::abs(column[l] * remainder[k]) + std::abs(column[k] * remainder[l]);
  }
};

/// Throws index_error for a neuron outside the block. Cost: O(hidden).
template <class T>
Neuron neuron(const QuadraticForm<T>& form, Index index) {
  const auto& view = form.view;
  require_index("neuron", "neuron", index, view.neurons());
  const auto row = [&](const auto& weights) {
    return Vector<double>(detail::folded_rows(weights, view.gain, index, 1).row(0).transpose());
  };
  const Vector<double> g = row(view.gate), u = row(view.up);
  const double lengths = g.stableNorm() * u.stableNorm();
  Neuron found{index, static_cast<double>(view.down(form.channel, index)),
               0,     0,
               0,     Vector<double>::Zero(g.size())};
  if (!(lengths > 0)) return found;
  const Vector<double> along = g.stableNormalized(), across = u.stableNormalized();
  found.cosine = std::clamp(along.dot(across), -1.0, 1.0);
  const double sign = found.cosine < 0 ? -1 : 1;
  found.dominant = found.weight * lengths * (found.cosine + sign) / 2;
  found.other = found.weight * lengths * (found.cosine - sign) / 2;
  found.direction = (along + sign * across).stableNormalized();
  return found;
}

/// The neuron whose own form has the eigenvalue of largest size, from weights alone.
/// It need not be the one that dominates S_k: neurons add up and cancel.
template <class T>
Neuron heaviest_neuron(const QuadraticForm<T>& form) {
  const auto rows = neuron_rows(form.view);
  const Vector<double> w = form.weights().transpose();
  Index heaviest = 0;
  double largest = -1;
  for (Index j = 0; j < w.size(); ++j) {
    const double size =
        std::abs(w[j]) * rows.gate[j] * rows.up[j] * (1 + std::abs(rows.cosine(j))) / 2;
    if (size > largest) {
      largest = size;
      heaviest = j;
    }
  }
  return neuron(form, heaviest);
}

/// Absent when no neuron writes. Throws shape_error when x does not fit or is not finite.
template <class T>
std::optional<DominantNeuron> dominant_neuron(const QuadraticForm<T>& form,
                                              const VectorRef<double>& x) {
  const auto at = project(form.view, x);
  const Vector<double> writes = form.weights().transpose().cwiseProduct(at.hidden);
  const double total = writes.lpNorm<1>();
  if (!(total > 0) || !std::isfinite(total)) return std::nullopt;
  Index i = 0;
  writes.cwiseAbs().maxCoeff(&i);
  const double value = writes.sum();
  return DominantNeuron{i, at.gate[i], writes[i], value == 0 ? 0 : writes[i] / value,
                        std::abs(writes[i]) / total};
}

/// How far column i of W_down predicts the ratios of the writes into `channels` at x.
/// Throws index_error for a neuron or channel outside the block.
template <class T>
SharedWrites shared_writes(const FeedForwardView<T>& view, Index neuron,
                           const std::vector<Index>& channels, const VectorRef<double>& x) {
  const auto at = project(view, x);
  require_index("shared_writes", "neuron", neuron, view.neurons());
  const auto count = static_cast<Index>(channels.size());
  SharedWrites shared{Vector<double>(count), Vector<double>(count), Vector<double>(count)};
  for (Index c = 0; c < count; ++c) {
    const Index k = channels[static_cast<std::size_t>(c)];
    require_index("shared_writes", "channel", k, view.channels());
    Vector<double> writes =
        view.down.row(k).transpose().template cast<double>().cwiseProduct(at.hidden);
    shared.column[c] = static_cast<double>(view.down(k, neuron));
    shared.writes[c] = writes.sum();
    writes[neuron] = 0;
    shared.remainder[c] = writes.sum();
  }
  const double size = shared.writes.norm();
  shared.bound = size > 0 ? shared.remainder.norm() / size : 1;
  if (size > 0 && shared.column.norm() > 0) {
    const Vector<double> a = shared.writes / size, b = shared.column.normalized();
    shared.sine = std::min(1.0, (a - a.dot(b) * b).norm());
  }
  return shared;
}

}  // namespace plumb::spike
