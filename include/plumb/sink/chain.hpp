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

/// Throws index_error for a position that there is not, shape_error unless the trace kept residual,
/// inputs and keys, or `received` is of another pass.
template <class T>
Chain chain(const Trace<T>& trace, const AttentionReceived& received, Index position) {
  require_index("chain", "position", position, trace.tokens());
  require_size("chain", "points of the residual stream", static_cast<Index>(trace.residual.size()),
               trace.layers() + 1);
  require_size("chain", "inputs", static_cast<Index>(trace.attention_input.size()), trace.layers());
  require_size("chain", "keys", static_cast<Index>(trace.keys.size()), trace.layers());
  require_size("chain", "tokens of the attention received", received.tokens(), trace.tokens());
  require_size("chain", "layers of the attention received", received.layers(), trace.layers());

  const auto row = [](const Matrix<T>& m, Index t) {
    return Vector<double>(m.row(t).template cast<double>().transpose());
  };
  Chain found{position,
              trace.ids[static_cast<std::size_t>(position)],
              row(trace.residual[0], position).norm(),
              {}};
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    const auto l = static_cast<std::size_t>(layer);
    ChainLink link{};
    link.layer = layer;
    link.size = row(trace.residual[l], position).cwiseAbs().maxCoeff(&link.channel);
    link.ratio = link.size == 0 ? 0 : link.size / spike::median_magnitude(trace.residual[l]);
    const auto read = row(trace.attention_input[l], position);
    link.read = collapse::sparsity(read);
    link.read_cosine = collapse::cosine(read, row(trace.attention_input[l], 0));
    const auto& a = trace.architecture;
    const auto& keys = trace.keys[l].normalised;
    for (Index kv = 0; kv < a.kv_heads; ++kv) {
      const auto key = [&](Index t) {
        return Vector<double>(row(keys, t).segment(kv * a.head_dim, a.head_dim));
      };
      link.key_cosine.push_back(collapse::cosine(key(position), key(0)));
    }
    for (Index head = 0; head < received.heads(); ++head) {
      link.received.push_back(received.importance(layer, head, position, Queries::later));
    }
    found.links.push_back(std::move(link));
  }
  return found;
}

}  // namespace plumb::sink
