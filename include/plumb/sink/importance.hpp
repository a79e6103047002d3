#pragma once

#include "plumb/core/array.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/trace/trace.hpp"

/// How much attention each key receives, and which heads park theirs on one token.
namespace plumb::sink {

/// Which queries count towards the importance of key k.
enum class Queries {
  self_and_later,  ///< t >= k: Gu et al., ICLR 2025 (arXiv 2410.10781)
  later            ///< t > k: the self pair left out
};

/// Gu et al. use 0.3 for a head to be a sink head.
inline constexpr double kSinkEpsilon = 0.3;

/// Below this many tokens even uniform attention gives the first token more than 0.3
/// (H_T / T > 0.3 for T <= 9), so a ratio says nothing.
inline constexpr Index kShortestSinkText = 10;

/// Attention summed over queries, from which the importance of every key follows.
/// It is a tap: hand std::ref of it to a forward pass and no (T, T) map is ever held.
class AttentionReceived {
 public:
  AttentionReceived(Index layers, Index heads, Index tokens)
      : total_(zeros(layers, heads, tokens)), self_(zeros(layers, heads, tokens)) {}

  Index layers() const { return static_cast<Index>(total_.shape(0)); }
  Index heads() const { return static_cast<Index>(total_.shape(1)); }
  Index tokens() const { return static_cast<Index>(total_.shape(2)); }

  /// Adds a strip of weights (queries first_query.., keys 0..) of one head.
  template <class T>
  void operator()(Index layer, site::weights at, Matrix<T>& strip) {
    add<T>(layer, at.head, at.first_query, strip);
  }

  template <class T>
  void add(Index layer, Index head, Index first_query, const MatrixRef<T>& strip) {
    for (Index i = 0; i < strip.rows(); ++i) {
      for (Index k = 0; k < strip.cols(); ++k) {
        total_(layer, head, k) += static_cast<double>(strip(i, k));
      }
      const Index t = first_query + i;
      if (t < strip.cols()) self_(layer, head, t) += static_cast<double>(strip(i, t));
    }
  }

  /// alpha_k, k 0-based, T tokens: 1/(T-k) sum_{t>=k} A_tk, or 1/(T-k-1) sum_{t>k} A_tk.
  /// In [0, 1]. The last key has no later query: its alpha is then 0.
  double importance(Index layer, Index head, Index key, Queries queries) const {
    require_index("importance", "layer", layer, layers());
    require_index("importance", "head", head, heads());
    require_index("importance", "key", key, tokens());
    const Index from_self = tokens() - key;
    if (queries == Queries::self_and_later) {
      return total_(layer, head, key) / static_cast<double>(from_self);
    }
    if (from_self == 1) return 0;
    return (total_(layer, head, key) - self_(layer, head, key)) /
           static_cast<double>(from_self - 1);
  }

 private:
  static Array<double, 3> zeros(Index layers, Index heads, Index tokens) {
    return xt::zeros<double>({static_cast<std::size_t>(layers), static_cast<std::size_t>(heads),
                              static_cast<std::size_t>(tokens)});
  }

  Array<double, 3> total_;  // (layer, head, key): sum over queries
  Array<double, 3> self_;   // (layer, head, key): the diagonal
};

/// From the maps that a trace kept. Throws shape_error when it kept none.
template <class T>
AttentionReceived attention_received(const Trace<T>& trace) {
  require_size("attention_received", "layers with attention maps",
               static_cast<Index>(trace.attention.size()), trace.layers());
  AttentionReceived received(trace.layers(), trace.architecture.heads, trace.tokens());
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    for (Index head = 0; head < trace.architecture.heads; ++head) {
      received.add<T>(layer, head, 0,
                      slice(trace.attention[static_cast<std::size_t>(layer)], head));
    }
  }
  return received;
}

/// How many heads are sink heads, by two rules.
struct SinkRatios {
  double epsilon = kSinkEpsilon;
  Queries queries = Queries::self_and_later;
  double first_token = 0;  ///< share of heads with alpha_0 > epsilon
  double first_half = 0;   ///< share of heads with alpha_k > epsilon for some k < T / 2
  Index heads = 0;         ///< heads counted: layers * heads
};

/// Throws shape_error when there are no tokens.
inline SinkRatios sink_ratios(const AttentionReceived& received, double epsilon = kSinkEpsilon,
                              Queries queries = Queries::self_and_later) {
  if (received.tokens() == 0) throw shape_error("sink_ratios: there are no tokens");
  Index first_token = 0;
  Index first_half = 0;
  for (Index layer = 0; layer < received.layers(); ++layer) {
    for (Index head = 0; head < received.heads(); ++head) {
      const auto is_sink = [&](Index key) {
        return received.importance(layer, head, key, queries) > epsilon;
      };
      bool anywhere = false;
      for (Index key = 0; 2 * key < received.tokens(); ++key) anywhere = anywhere || is_sink(key);
      first_token += is_sink(0) ? 1 : 0;
      first_half += anywhere ? 1 : 0;
    }
  }
  const Index heads = received.layers() * received.heads();
  const auto share = [&](Index count) {
    return static_cast<double>(count) / static_cast<double>(heads);
  };
  return {epsilon, queries, share(first_token), share(first_half), heads};
}

}  // namespace plumb::sink
