#pragma once

#include <algorithm>
#include <vector>

#include "plumb/core/array.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb {

/// What a trace keeps beside the residual stream and the block writes.
struct TraceOptions {
  bool attention = true;  ///< every head's map: layers * heads * tokens^2 numbers
  bool logits = true;     ///< tokens * vocab_size numbers
};

/// Every activation that the analyses look at, from one forward pass. T tokens, L layers.
template <class T>
struct Trace {
  Architecture architecture;
  TokenIds ids;
  std::vector<Matrix<T>> residual;            ///< point 0..L: before layer 0, after layer n-1
  std::vector<Matrix<T>> attention_write;     ///< layer: (T, hidden)
  std::vector<Matrix<T>> feed_forward_write;  ///< layer: (T, hidden)
  std::vector<Array<T, 3>> attention;         ///< layer: (heads, T, T); empty if not kept
  Matrix<T> final_norm;                       ///< (T, hidden)
  Matrix<T> logits;                           ///< (T, vocab_size); empty if not kept

  Index tokens() const { return static_cast<Index>(ids.size()); }
  Index layers() const { return static_cast<Index>(attention_write.size()); }

  /// The residual between a layer's two blocks.
  Matrix<T> middle(Index layer) const {
    require_index("Trace::middle", "layer", layer, layers());
    const auto l = static_cast<std::size_t>(layer);
    return residual[l] + attention_write[l];
  }

  /// The residual that a layer's feed-forward reads, before its norm: `middle`, or what stood
  /// before the layer if its blocks are parallel.
  Matrix<T> before_feed_forward(Index layer) const {
    require_index("Trace::before_feed_forward", "layer", layer, layers());
    if (architecture.parallel_residual) return residual[static_cast<std::size_t>(layer)];
    return middle(layer);
  }
};

namespace detail {

/// The taps that fill a trace. Matrices are copied as they come by.
template <class T>
struct ResidualRecorder {
  Trace<T>& trace;
  void operator()(Index, site::residual, Matrix<T>& h) const { trace.residual.push_back(h); }
  void operator()(Index, site::attention_write, Matrix<T>& write) const {
    trace.attention_write.push_back(write);
  }
  void operator()(Index, site::feed_forward_write, Matrix<T>& write) const {
    trace.feed_forward_write.push_back(write);
  }
};

template <class T>
struct AttentionRecorder {
  Trace<T>& trace;
  void operator()(Index layer, site::weights at, Matrix<T>& strip) const {
    if (at.head == 0 && at.first_query == 0) {
      const auto heads = static_cast<std::size_t>(trace.architecture.heads);
      const auto tokens = trace.ids.size();
      trace.attention.push_back(xt::zeros<T>({heads, tokens, tokens}));
    }
    auto map = slice(trace.attention[static_cast<std::size_t>(layer)], at.head);
    map.block(at.first_query, 0, strip.rows(), strip.cols()) = strip;
  }
};

}  // namespace detail

/// Runs the model once over `ids` as seen in `sequence` and keeps what `options` ask for. `also` is
/// a tap of yours, which sees each matrix after it was recorded.
/// Throws index_error for ids outside the vocabulary, shape_error for no ids.
/// Cost: the forward pass; memory (3 L + 1) * tokens * hidden and what is asked for.
template <class T, class Tap = NoTap>
  requires TapOf<Tap, T>
Trace<T> trace(const Decoder<T>& model, const TokenIds& ids, const Sequence& sequence,
               const TraceOptions& options = {}, Tap also = {}) {
  Trace<T> result{model.architecture(), ids, {}, {}, {}, {}, {}, {}};
  const detail::ResidualRecorder<T> residuals{result};
  if (options.attention) {
    const detail::AttentionRecorder<T> maps{result};
    result.final_norm = model.forward(ids, sequence, taps{residuals, maps, also});
  } else {
    result.final_norm = model.forward(ids, sequence, taps{residuals, also});
  }
  if (options.logits) result.logits = model.head(result.final_norm);
  return result;
}

/// The ids as one causal text.
template <class T, class Tap = NoTap>
  requires TapOf<Tap, T>
Trace<T> trace(const Decoder<T>& model, const TokenIds& ids, const TraceOptions& options = {},
               Tap also = {}) {
  return trace(model, ids, Sequence::causal(static_cast<Index>(ids.size())), options, also);
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Trace<float> trace(const Decoder<float>&, const TokenIds&, const Sequence&,
                                   const TraceOptions&, NoTap);
extern template Trace<double> trace(const Decoder<double>&, const TokenIds&, const Sequence&,
                                    const TraceOptions&, NoTap);
#endif

}  // namespace plumb
