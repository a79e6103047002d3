#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/layer.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/weights/checkpoint.hpp"
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

  Norm<T> final_norm() const { return norm(NormKind::rms_norm, kFinalNormName); }

  /// Rows of the embedding matrix, (tokens, hidden). Throws index_error for ids that are outside
  /// the vocabulary, shape_error when there are none.
  Matrix<T> embed(const TokenIds& ids) const;

  /// Logits over the vocabulary, (tokens, vocab_size), of rows after the final norm. The head is
  /// widened a block of rows at a time.
  Matrix<T> head(const MatrixRef<T>& normed) const;

  /// One pass over all layers: the residual stream after the final norm, (tokens, hidden).
  template <class Tap = NoTap>
    requires TapOf<Tap, T>
  Matrix<T> forward(const TokenIds& ids, const Sequence& sequence, Tap&& tap = {}) const {
    Matrix<T> h = embed(ids);
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
  Matrix<T> matrix(const std::string& name) const {
    return read_matrix<T>(checkpoint_.tensor(name));
  }
  RmsNorm<T> rms_norm(const std::string& stem) const {
    return {read_vector<T>(checkpoint_.tensor(stem + ".weight")), architecture().norm_eps};
  }
  Norm<T> norm(NormKind kind, const std::string& stem) const;
  Attention<T> attention(const LayerNames& names) const;

  Checkpoint checkpoint_;
};

template <class T>
Norm<T> Decoder<T>::norm(NormKind kind, const std::string& stem) const {
  switch (kind) {
    case NormKind::none: break;
    case NormKind::rms_norm: return {rms_norm(stem)};
    case NormKind::dynamic_tanh:
      return {DynamicTanh<T>{read_vector<T>(checkpoint_.tensor(stem + ".weight")),
                             read_vector<T>(checkpoint_.tensor(stem + ".alpha"))[0]}};
  }
  return {};
}

template <class T>
Attention<T> Decoder<T>::attention(const LayerNames& names) const {
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
    block.query_norm = {a.qk_norm, rms_norm(names.query_norm)};
    block.key_norm = {a.qk_norm, rms_norm(names.key_norm)};
  }
  block.rotary = {a.head_dim, a.rotary_theta, a.rotary_pairing};
  if (a.attention_gate != AttentionGate::none) block.gate = {matrix(names.attention_gate)};
  return block;
}

template <class T>
Layer<T> Decoder<T>::layer(Index index) const {
  const auto& a = architecture();
  require_index("Decoder::layer", "layer", index, a.layers);
  const auto names = layer_names(a, index);
  return {norm(a.pre_norm, names.attention_pre_norm),
          attention(names),
          norm(a.post_norm, names.attention_post_norm),
          norm(a.pre_norm, names.feed_forward_pre_norm),
          {matrix(names.gate), matrix(names.up), matrix(names.down)},
          norm(a.post_norm, names.feed_forward_post_norm)};
}

template <class T>
Matrix<T> Decoder<T>::embed(const TokenIds& ids) const {
  if (ids.empty()) throw shape_error("Decoder::embed: there are no token ids");
  const auto& table = checkpoint_.tensor(kEmbeddingName);
  Matrix<T> h(static_cast<Index>(ids.size()), architecture().hidden_size);
  for (Index t = 0; t < h.rows(); ++t) {
    const Index id = ids[static_cast<std::size_t>(t)];
    require_index("Decoder::embed", "token id", id, architecture().vocab_size);
    h.row(t) = read_rows<T>(table, id, 1);
  }
  return h;
}

template <class T>
Matrix<T> Decoder<T>::head(const MatrixRef<T>& normed) const {
  constexpr Index kBlock = 4096;  // vocabulary entries that are widened at a time
  const auto& table = checkpoint_.tensor(architecture().tied_head ? kEmbeddingName : kHeadName);
  const Index vocabulary = architecture().vocab_size;
  Matrix<T> logits(normed.rows(), vocabulary);
  for (Index first = 0; first < vocabulary; first += kBlock) {
    const Index count = std::min(kBlock, vocabulary - first);
    logits.middleCols(first, count) =
        kernels::backend_t<T>::template product<T>(normed, read_rows<T>(table, first, count));
  }
  return logits;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template class Decoder<float>;
extern template class Decoder<double>;
#endif

}  // namespace plumb
