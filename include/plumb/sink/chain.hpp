#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include "plumb/collapse/angle.hpp"
#include "plumb/collapse/sparsity.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/trace.hpp"

/// The paper's chain of causes for one token: embedding, amplifier, spike, normalised vector, key,
/// attention received. As data, beside the same figures of the first token, which it may come to
/// resemble.
namespace plumb::sink {

/// What attention of one layer finds of the token.
struct ChainLink {
  Index layer;
  double size;                        ///< the largest |h| that the layer finds
  Index channel;                      ///< where
  double ratio;                       ///< to the median of |h| over the text at that depth
  collapse::Sparsity read;            ///< of what attention reads
  std::optional<double> read_cosine;  ///< of what attention reads, to that of the first token
  std::vector<std::optional<double>> key_cosine;  ///< a kv head: of the key before rotary, to that
                                                  ///< of the first token
  std::vector<double> received;  ///< a head: mean weight from later queries (Queries::later)
};

struct Chain {
  Index position;
  TokenId id;
  double embedding_norm;
  std::vector<ChainLink> links;  ///< a layer
};

namespace detail {

template <class T>
ChainLink chain_link(const Trace<T>& trace, const AttentionReceived& received, Index position,
                     Index layer, double median) {
  const auto& a = trace.architecture;
  const auto l = static_cast<std::size_t>(layer);
  const auto row = [](const Matrix<T>& m, Index t) {
    return Vector<double>(m.row(t).template cast<double>().transpose());
  };
  ChainLink link{};
  link.layer = layer;
  link.size = row(trace.residual[l], position).cwiseAbs().maxCoeff(&link.channel);
  link.ratio = link.size == 0 ? 0 : link.size / median;
  const auto read = row(trace.attention_input[l], position);
  link.read = collapse::sparsity(read);
  link.read_cosine = collapse::cosine(read, row(trace.attention_input[l], 0));
  for (Index kv = 0; kv < a.kv_heads; ++kv) {
    const auto key = [&](Index t) {
      return Vector<double>(row(trace.keys[l].normalised, t).segment(kv * a.head_dim, a.head_dim));
    };
    link.key_cosine.push_back(collapse::cosine(key(position), key(0)));
  }
  for (Index head = 0; head < received.heads(); ++head) {
    link.received.push_back(received.importance(layer, head, position, Queries::later));
  }
  return link;
}

}  // namespace detail

/// The chains of several tokens. Throws index_error for a position that there is not, shape_error
/// unless the trace kept residual, inputs and keys, or when `received` is of another pass.
/// Cost: a median a layer, and O(layers * hidden) a token.
template <class T>
std::vector<Chain> chains(const Trace<T>& trace, const AttentionReceived& received,
                          const std::vector<Index>& positions) {
  require_size("chains", "points of the residual stream", static_cast<Index>(trace.residual.size()),
               trace.layers() + 1);
  require_size("chains", "inputs", static_cast<Index>(trace.attention_input.size()),
               trace.layers());
  require_size("chains", "keys", static_cast<Index>(trace.keys.size()), trace.layers());
  require_size("chains", "tokens of the attention received", received.tokens(), trace.tokens());
  require_size("chains", "layers of the attention received", received.layers(), trace.layers());
  std::vector<Chain> found;
  for (const Index t : positions) {
    require_index("chains", "position", t, trace.tokens());
    found.push_back({t,
                     trace.ids[static_cast<std::size_t>(t)],
                     static_cast<double>(trace.residual[0].row(t).norm()),
                     {}});
  }
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    const double median = spike::median_magnitude(trace.residual[static_cast<std::size_t>(layer)]);
    for (auto& one : found) {
      one.links.push_back(detail::chain_link(trace, received, one.position, layer, median));
    }
  }
  return found;
}

/// The chain of one token.
template <class T>
Chain chain(const Trace<T>& trace, const AttentionReceived& received, Index position) {
  return chains(trace, received, {position}).front();
}

}  // namespace plumb::sink
