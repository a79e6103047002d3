#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "plumb/trace/trace.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/tensor.hpp"

namespace plumb {

/// The tensors of a trace file, all float32 but input_ids (int64):
///   input_ids (T), residual.0 .. residual.L (T, hidden), attention_write.l and
///   feed_forward_write.l (T, hidden), attention.l (heads, T, T), final_norm (T, hidden),
///   logits (T, vocab_size); what the trace did not keep is left out.
template <class T>
std::vector<Tensor> trace_tensors(const Trace<T>& trace) {
  std::vector<Tensor> tensors;
  const auto add = [&](const std::string& name, std::vector<Index> shape, const T* data,
                       Index size) {
    const Vector<float> narrowed = Eigen::Map<const Vector<T>>(data, size).template cast<float>();
    tensors.push_back(make_tensor<float>(name, std::move(shape),
                                         {narrowed.data(), static_cast<std::size_t>(size)}));
  };
  const auto add_matrix = [&](const std::string& name, const Matrix<T>& m) {
    if (m.size() > 0) add(name, {m.rows(), m.cols()}, m.data(), m.size());
  };
  const auto add_layers = [&](const std::string& name, const std::vector<Matrix<T>>& layers) {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      add_matrix(name + "." + std::to_string(l), layers[l]);
    }
  };

  const std::vector<std::int64_t> ids(trace.ids.begin(), trace.ids.end());
  tensors.push_back(make_tensor<std::int64_t>("input_ids", {trace.tokens()}, ids));
  add_layers("residual", trace.residual);
  add_layers("attention_write", trace.attention_write);
  add_layers("feed_forward_write", trace.feed_forward_write);
  for (std::size_t l = 0; l < trace.attention.size(); ++l) {
    const auto& maps = trace.attention[l];
    add("attention." + std::to_string(l),
        {static_cast<Index>(maps.shape(0)), static_cast<Index>(maps.shape(1)),
         static_cast<Index>(maps.shape(2))},
        maps.data(), static_cast<Index>(maps.size()));
  }
  add_matrix("final_norm", trace.final_norm);
  add_matrix("logits", trace.logits);
  return tensors;
}

/// Writes a trace as safetensors. The stream's state tells of failures.
template <class T>
void write_trace(std::ostream& out, const Trace<T>& trace) {
  write_safetensors(out, trace_tensors(trace), {{"schema", "plumb.trace/1"}});
}

}  // namespace plumb
