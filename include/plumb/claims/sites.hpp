#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "plumb/claims/claim.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// Where claims of one kind find their inputs, and why a model has none.
namespace plumb::claims {

namespace detail {
inline Objection is_not(const char* place, NormKind kind, NormKind wanted) {
  if (kind == wanted) return {};
  return std::string("the norm ") + place + " blocks is " + std::string(spell(kNormKinds, kind)) +
         ", not " + std::string(spell(kNormKinds, wanted));
}
}  // namespace detail

inline Objection reads_no_rms_norm(const Architecture& a) {
  return detail::is_not("before", a.pre_norm, NormKind::rms_norm);
}
inline Objection reads_no_dynamic_tanh(const Architecture& a) {
  return detail::is_not("before", a.pre_norm, NormKind::dynamic_tanh);
}
inline Objection writes_without_rms_norm(const Architecture& a) {
  return detail::is_not("after", a.post_norm, NormKind::rms_norm);
}

/// Calls body(norm, rows, block) for the norm of one kind in front of each block of the layer.
template <template <class> class Kind, class T, class Body>
void for_each_norm(const LayerRun<T>& run, const Body& body) {
  if (const auto* norm = std::get_if<Kind<T>>(&run.weights.attention_pre_norm.kind)) {
    body(*norm, run.residual, Block::attention);
  }
  if (const auto* norm = std::get_if<Kind<T>>(&run.weights.feed_forward_pre_norm.kind)) {
    body(*norm, run.before_feed_forward(), Block::feed_forward);
  }
}

template <class T, class Body>
void for_each_rms_norm(const LayerRun<T>& run, const Body& body) {
  for_each_norm<RmsNorm>(run, body);
}

/// Where rows are large: the channels that hold at least half the size of the largest entry, in its
/// row, and the tokens that have at least half as much on these channels as that row. So there is a
/// spike in any rows, large or not; a claim about spikes speaks of it in any case (ours).
struct SpikePlace {
  std::vector<Index> channels;  ///< at least one, and fewer than all; empty when there is no spike
  std::vector<Index> tokens;    ///< the row of the largest entry first, eight at most
};

inline SpikePlace find_spike(const Matrix<double>& rows) {
  constexpr std::size_t kTokens = 8;
  SpikePlace spike;
  if (rows.cols() < 2 || rows.isZero(0) || !rows.allFinite()) return spike;
  Index top = 0, channel = 0;
  const double size = rows.cwiseAbs().maxCoeff(&top, &channel);
  for (Index k = 0; k < rows.cols(); ++k) {
    if (2 * std::abs(rows(top, k)) >= size) spike.channels.push_back(k);
  }
  if (static_cast<Index>(spike.channels.size()) == rows.cols()) spike.channels = {channel};
  const auto on_spike = [&](Index t) { return rows(t, spike.channels).norm(); };
  spike.tokens = {top};
  for (Index t = 0; t < rows.rows() && spike.tokens.size() < kTokens; ++t) {
    if (t != top && 2 * on_spike(t) >= on_spike(top)) spike.tokens.push_back(t);
  }
  return spike;
}

/// Position 0 and the token that holds the largest entry of the residual, where spikes stand.
template <class T>
std::vector<Index> notable_positions(const Matrix<T>& residual) {
  Index position = 0, channel = 0;
  residual.cwiseAbs().maxCoeff(&position, &channel);
  return position == 0 ? std::vector<Index>{0} : std::vector<Index>{0, position};
}

/// The `count` channels with the largest |write|, the largest first.
inline std::vector<Index> largest_channels(const RowVector<double>& write, Index count) {
  std::vector<Index> channels(static_cast<std::size_t>(write.size()));
  std::iota(channels.begin(), channels.end(), Index{0});
  const auto kept = channels.begin() + std::min(count, write.size());
  std::partial_sort(channels.begin(), kept, channels.end(),
                    [&](Index a, Index b) { return std::abs(write[a]) > std::abs(write[b]); });
  channels.erase(kept, channels.end());
  return channels;
}

/// The feed-forward block of a layer once more, in double, at its notable positions: one row each.
struct FeedForwardRows {
  FeedForward<double> block;
  Vector<double> gain;  ///< of the norm in front, as far as it can be folded into the block
  std::vector<Index> positions;
  Matrix<double> x;         ///< what the block reads
  Matrix<double> ungained;  ///< the same without the gain; ||.||^2 <= d after a norm
  Matrix<double> neurons;   ///< act(z) .* y at x
  Matrix<double> write;     ///< F(x), before a post-norm, without the bias of W_down
  Matrix<double> mirrored;  ///< F(-x), likewise
  Objection obstacle;       ///< why F_k(x) + F_k(-x) is not a quadratic form, if it is not
};

namespace detail {

/// F(x) without the bias of W_down.
inline Matrix<double> unbiased_value(const FeedForward<double>& block, const Matrix<double>& x,
                                     Matrix<double>& neurons) {
  const auto keep = [&](Index, site::neurons, Matrix<double>& n) { neurons = n; };
  Matrix<double> write = block.value(x, keep);
  if (block.down_bias.size() > 0) write.rowwise() -= block.down_bias.transpose();
  return write;
}

}  // namespace detail

/// Cost: the weights of the block once in double, and a few rows.
template <class T>
FeedForwardRows feed_forward_rows(const LayerRun<T>& run) {
  FeedForwardRows rows;
  const Norm<double> norm = run.weights.feed_forward_pre_norm.template cast<double>();
  rows.block = run.weights.feed_forward.template cast<double>();
  const spike::FeedForwardView<double> view(rows.block, norm);
  rows.gain = view.gain;
  if (!view.applicable()) rows.obstacle = to_string(view.obstacle);

  const Matrix<T> middle = run.before_feed_forward();
  rows.positions = notable_positions<T>(middle);
  Matrix<double> h(static_cast<Index>(rows.positions.size()), middle.cols());
  for (Index i = 0; i < h.rows(); ++i) {
    h.row(i) = middle.row(rows.positions[static_cast<std::size_t>(i)]).template cast<double>();
  }
  rows.x = norm.value(h);
  rows.ungained = spike::ungained(norm).value(h);
  Matrix<double> unused;
  rows.mirrored = detail::unbiased_value(rows.block, -rows.x, unused);
  rows.write = detail::unbiased_value(rows.block, rows.x, rows.neurons);
  return rows;
}

}  // namespace plumb::claims
