#pragma once

#include <cmath>
#include <optional>

#include "plumb/core/linalg.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb {

/// Mean cross-entropy in nats of each next token: -1/(T-1) sum_t log softmax(logits_t)[id_{t+1}],
/// t = 0..T-2. Absent when there is no next token. Summed in accumulator_t<T>.
/// Throws shape_error when rows and ids do not fit, index_error for ids outside the vocabulary.
template <class T>
std::optional<double> next_token_loss(const MatrixRef<T>& logits, const TokenIds& ids) {
  require_size("next_token_loss", "rows of logits", logits.rows(), static_cast<Index>(ids.size()));
  if (logits.rows() < 2) return std::nullopt;
  using A = accumulator_t<T>;
  A total(0);
  for (Index t = 0; t + 1 < logits.rows(); ++t) {
    const Index next = ids[static_cast<std::size_t>(t) + 1];
    require_index("next_token_loss", "token id", next, logits.cols());
    const auto row = logits.row(t).template cast<A>();
    const A greatest = row.maxCoeff();
    total += greatest + std::log((row.array() - greatest).exp().sum()) - row[next];
  }
  return static_cast<double>(total / static_cast<A>(logits.rows() - 1));
}

}  // namespace plumb
