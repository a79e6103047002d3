#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "plumb/core/array.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/layer.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb {

/// One layer at work on one text: its weights, and all that its blocks read, computed and wrote.
/// T tokens; shapes as at the sites of the same names (model/tap.hpp).
template <class T>
struct LayerRun {
  Architecture architecture;
  Sequence sequence;
  Index layer = 0;
  Layer<T> weights;

  Matrix<T> residual;  ///< what the layer begins with
  Matrix<T> attention_input;
  std::array<Matrix<T>, 3> queries;  ///< by site::Stage
  std::array<Matrix<T>, 3> keys;     ///< by site::Stage
  Matrix<T> values;
  Array<T, 3> logits;     ///< (head, query, key); -infinity where the query does not see the key
  Array<T, 3> attention;  ///< (head, query, key)
  Matrix<T> head_outputs;
  Matrix<T> gate;  ///< empty where there is no gate
  Matrix<T> attention_write;
  Matrix<T> feed_forward_input;
  Matrix<T> neurons;
  Matrix<T> feed_forward_write;

  Index tokens() const { return residual.rows(); }
  Matrix<T> middle() const { return residual + attention_write; }
  /// What the feed-forward's norm reads: `middle`, or the residual if the blocks are parallel.
  Matrix<T> before_feed_forward() const { return weights.parallel ? residual : middle(); }

  const Matrix<T>& queries_at(site::Stage stage) const {
    return queries[static_cast<std::size_t>(stage)];
  }
  const Matrix<T>& keys_at(site::Stage stage) const {
    return keys[static_cast<std::size_t>(stage)];
  }
};

namespace detail {

/// The tap that fills a LayerRun.
template <class T>
struct LayerRecorder {
  LayerRun<T>& run;

  void operator()(Index, site::attention_input, Matrix<T>& x) const { run.attention_input = x; }
  void operator()(Index, site::queries at, Matrix<T>& q) const {
    run.queries[static_cast<std::size_t>(at.stage)] = q;
  }
  void operator()(Index, site::keys at, Matrix<T>& k) const {
    run.keys[static_cast<std::size_t>(at.stage)] = k;
  }
  void operator()(Index, site::values, Matrix<T>& v) const { run.values = v; }
  void operator()(Index, site::logits at, Matrix<T>& strip) const {
    put(run.logits, at.head, at.first_query, strip);
  }
  void operator()(Index, site::weights at, Matrix<T>& strip) const {
    put(run.attention, at.head, at.first_query, strip);
  }
  void operator()(Index, site::head_outputs, Matrix<T>& mixed) const { run.head_outputs = mixed; }
  void operator()(Index, site::gate, Matrix<T>& openings) const { run.gate = openings; }
  void operator()(Index, site::attention_write, Matrix<T>& write) const {
    run.attention_write = write;
  }
  void operator()(Index, site::feed_forward_input, Matrix<T>& x) const {
    run.feed_forward_input = x;
  }
  void operator()(Index, site::neurons, Matrix<T>& neurons) const { run.neurons = neurons; }
  void operator()(Index, site::feed_forward_write, Matrix<T>& write) const {
    run.feed_forward_write = write;
  }

 private:
  static void put(Array<T, 3>& maps, Index head, Index first_query, const Matrix<T>& strip) {
    slice(maps, head).block(first_query, 0, strip.rows(), strip.cols()) = strip;
  }
};

}  // namespace detail

/// Runs layer `layer` once more on the residual that the trace kept before it.
/// Throws index_error. Cost: the layer; memory 2 * heads * tokens^2 numbers beside the activations.
template <class T>
LayerRun<T> run_layer(const Decoder<T>& model, const Trace<T>& trace, const Sequence& sequence,
                      Index layer) {
  require_index("run_layer", "layer", layer, trace.layers());
  const auto heads = static_cast<std::size_t>(model.architecture().heads);
  const auto tokens = trace.ids.size();
  LayerRun<T> run;
  run.architecture = model.architecture();
  run.sequence = sequence;
  run.layer = layer;
  run.weights = model.layer(layer);
  run.residual = trace.residual[static_cast<std::size_t>(layer)];
  run.logits = Array<T, 3>({heads, tokens, tokens});
  run.logits.fill(-std::numeric_limits<T>::infinity());
  run.attention = xt::zeros<T>({heads, tokens, tokens});
  run.weights.value(run.residual, sequence, detail::LayerRecorder<T>{run}, layer);
  return run;
}

template <class T>
LayerRun<T> run_layer(const Decoder<T>& model, const Trace<T>& trace, Index layer) {
  return run_layer(model, trace, Sequence::causal(trace.tokens()), layer);
}

}  // namespace plumb
