#pragma once

#include "plumb/claims/attention.hpp"
#include "plumb/kernels/reference.hpp"
#include "support/generators.hpp"

/// Queries of a head, for claims about what it does: weights by the library's softmax, outputs as
/// mixtures by them.
namespace plumb::test {

inline claims::HeadRow<double> head_row(const Vector<double>& logits, const Matrix<double>& values,
                                        Index sink = 0) {
  claims::HeadRow<double> row;
  row.logits = row.weights = logits;
  kernels::backend_t<double>::softmax(row.weights.data(), row.weights.size());
  row.values = values;
  row.output = values.transpose() * row.weights;
  row.sink = sink;
  row.self = logits.size() - 1;
  return row;
}

/// Two keys or more, logits within 12 of another, values of any size; ties and zeros included.
inline claims::HeadRow<double> draw_head_row() {
  const Index n = *size(9) + 1, channels = *size(9);
  const Vector<double> logits = *bounded_vector<double>(n, 6);
  const Matrix<double> values = *bounded_matrix<double>(n, channels) * *magnitude(1e-3, 1e3);
  return head_row(logits, values, *rc::gen::inRange<Index>(0, n));
}

}  // namespace plumb::test
