#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "plumb/claims/claim.hpp"
#include "plumb/model/norm.hpp"
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
    body(*norm, run.middle(), Block::feed_forward);
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

}  // namespace plumb::claims
