#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/model/layer.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/stored_weight.hpp"
#include "plumb/weights/tensor_names.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb {

/// A checkpoint as a function: token ids -> residual stream -> logits. T is float or double.
/// Holds no widened weights: a layer is widened when it is used and dropped afterwards, so a
/// forward pass needs memory for one layer, whatever the size of the checkpoint.
template <class T>
class Decoder {
 public:
  /// Throws load_error when the tensors are not those of the architecture.
  explicit Decoder(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {
    checkpoint_.validate();
  }

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const Architecture& architecture() const { return checkpoint_.architecture; }

  /// Layer `index` with its weights widened to T. Throws index_error, and load_error when a weight
  /// is NaN or infinite.
  Layer<T> layer(Index index) const;

  Norm<T> final_norm() const {
    return norm(architecture().final_norm, model_names(architecture()).final_norm);
  }

  /// Where the residual stream begins, (tokens, hidden): embedding_scale times a row of the
  /// embedding matrix for each id and, with learned positions, the vector of its position.
  /// Throws index_error for ids that are outside the vocabulary and, with learned positions, for
  /// positions outside the context; shape_error when there are no ids or other positions.
  Matrix<T> embed(const TokenIds& ids, const Sequence& sequence) const;

  /// The ids as one causal text.
  Matrix<T> embed(const TokenIds& ids) const {
    return embed(ids, Sequence::causal(static_cast<Index>(ids.size())));
  }

  /// Logits over the vocabulary, (tokens, vocab_size), of rows after the final norm; with a soft
  /// cap c, c tanh(l / c). The head is widened a block of rows at a time.
  Matrix<T> head(const MatrixRef<T>& normed) const;

  /// One pass over all layers: the residual stream after the final norm, (tokens, hidden).
  template <class Tap = NoTap>
    requires TapOf<Tap, T>
  Matrix<T> forward(const TokenIds& ids, const Sequence& sequence, Tap&& tap = {}) const {
    Matrix<T> h = embed(ids, sequence);
    const Index layers = architecture().layers;
    for (Index l = 0; l < layers; ++l) h = layer(l).value(h, sequence, tap, l);
    offer(tap, layers, site::residual{}, h);
    Matrix<T> normed = final_norm().value(h);
    offer(tap, layers, site::final_norm{}, normed);
    return normed;
  }

  /// The ids as one causal text.
  template <class Tap = NoTap>
    requires TapOf<Tap, T>
  Matrix<T> forward(const TokenIds& ids, Tap&& tap = {}) const {
    return forward(ids, Sequence::causal(static_cast<Index>(ids.size())), tap);
  }

 private:
  /// A weight, widened; empty where the architecture has none.
  Matrix<T> matrix(const StoredWeight& place) const {
    if (!place.present()) return {};
    return read_weight<T>(checkpoint_.tensor(place.tensor), place);
  }
  Vector<T> bias(const StoredWeight& place) const {
    if (!place.present()) return {};
    return read_weight<T>(checkpoint_.tensor(place.tensor), place).col(0);
  }
  Vector<T> gain(const std::string& stem) const {
    Vector<T> g = read_vector<T>(checkpoint_.tensor(stem + ".weight"));
    if (architecture().stored_gain == StoredGain::gain_minus_one) g.array() += T(1);
    return g;
  }
  Norm<T> norm(NormKind kind, const std::string& stem) const;
  Attention<T> attention(Index layer, const LayerNames& names) const;
  FeedForward<T> feed_forward(const LayerNames& names) const;

  Checkpoint checkpoint_;
};

template <class T>
Norm<T> Decoder<T>::norm(NormKind kind, const std::string& stem) const {
  switch (kind) {
    case NormKind::none: break;
    case NormKind::rms_norm: return {RmsNorm<T>{gain(stem), architecture().norm_eps}};
    case NormKind::layer_norm:
      return {LayerNorm<T>{gain(stem), read_vector<T>(checkpoint_.tensor(stem + ".bias")),
                           architecture().norm_eps}};
    case NormKind::dynamic_tanh:
      return {DynamicTanh<T>{gain(stem), read_vector<T>(checkpoint_.tensor(stem + ".alpha"))[0]}};
  }
  return {};
}

template <class T>
Attention<T> Decoder<T>::attention(Index layer, const LayerNames& names) const {
  const auto& a = architecture();
  Attention<T> block;
  block.heads = a.heads;
  block.kv_heads = a.kv_heads;
  block.head_dim = a.head_dim;
  block.scale = a.attention_scale;
  block.query = matrix(names.query);
  block.key = matrix(names.key);
  block.values = matrix(names.value);
  block.output = matrix(names.output);
  if (a.qk_norm != QkNorm::none) {
    block.query_norm = {a.qk_norm, {gain(names.query_norm), a.norm_eps}};
    block.key_norm = {a.qk_norm, {gain(names.key_norm), a.norm_eps}};
  }
  block.rotary = {a.head_dim,         a.rotary_theta,   a.rotary_pairing,
                  a.rotary_of(layer), a.rotary_scaling, a.rotary_dim};
  block.gate = {matrix(names.attention_gate)};
  block.query_bias = bias(names.query_bias);
  block.key_bias = bias(names.key_bias);
  block.value_bias = bias(names.value_bias);
  block.output_bias = bias(names.output_bias);
  block.soft_cap = a.attention_soft_cap;
  block.window = a.window_of(layer);
  return block;
}

template <class T>
FeedForward<T> Decoder<T>::feed_forward(const LayerNames& names) const {
  return {matrix(names.gate),        matrix(names.up),      matrix(names.down),
          architecture().activation, bias(names.gate_bias), bias(names.up_bias),
          bias(names.down_bias)};
}

template <class T>
Layer<T> Decoder<T>::layer(Index index) const {
  const auto& a = architecture();
  require_index("Decoder::layer", "layer", index, a.layers);
  const auto names = layer_names(a, index);
  return {norm(a.pre_norm, names.attention_pre_norm),
          attention(index, names),
          norm(a.post_norm, names.attention_post_norm),
          norm(a.pre_norm, names.feed_forward_pre_norm),
          feed_forward(names),
          norm(a.post_norm, names.feed_forward_post_norm),
          a.parallel_residual};
}

template <class T>
Matrix<T> Decoder<T>::embed(const TokenIds& ids, const Sequence& sequence) const {
  if (ids.empty()) throw shape_error("Decoder::embed: there are no token ids");
  const auto& a = architecture();
  const auto names = model_names(a);
  const auto& table = checkpoint_.tensor(names.embedding);
  Matrix<T> h(static_cast<Index>(ids.size()), a.hidden_size);
  require_size("Decoder::embed", "positions", sequence.size(), h.rows());
  for (Index t = 0; t < h.rows(); ++t) {
    const Index id = ids[static_cast<std::size_t>(t)];
    require_index("Decoder::embed", "token id", id, a.vocab_size);
    h.row(t) = read_rows<T>(table, id, 1);
    if (a.embedding_scale != 1) h.row(t) *= static_cast<T>(a.embedding_scale);
    if (!a.learned_positions) continue;
    const Index position = sequence.positions[static_cast<std::size_t>(t)];
    require_index("Decoder::embed", "position", position, a.context_length);
    h.row(t) += read_rows<T>(checkpoint_.tensor(names.positions), position, 1);
  }
  return h;
}

template <class T>
Matrix<T> Decoder<T>::head(const MatrixRef<T>& normed) const {
  constexpr Index kBlock = 4096;  // vocabulary entries that are widened at a time
  const auto& a = architecture();
  const auto names = model_names(a);
  const auto& table = checkpoint_.tensor(a.tied_head ? names.embedding : names.head);
  Matrix<T> logits(normed.rows(), a.vocab_size);
  for (Index first = 0; first < a.vocab_size; first += kBlock) {
    const Index count = std::min(kBlock, a.vocab_size - first);
    logits.middleCols(first, count) =
        kernels::backend_t<T>::template product<T>(normed, read_rows<T>(table, first, count));
  }
  if (a.logit_soft_cap) {
    const T cap = static_cast<T>(*a.logit_soft_cap);
    logits = cap * (logits.array() / cap).tanh();
  }
  return logits;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template class Decoder<float>;
extern template class Decoder<double>;
#endif

}  // namespace plumb
