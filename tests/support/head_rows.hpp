#pragma once

#include <cmath>

#include "plumb/claims/head_row.hpp"
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

/// Rivals at 0, the sink at `logit`.
inline claims::HeadRow<double> equal_rivals(double logit, Index n) {
  Vector<double> logits = Vector<double>::Zero(n);
  logits[0] = logit;
  auto row = head_row(logits, Matrix<double>::Identity(n, n));
  row.self = 0;
  return row;
}

/// As a head computes it that has one more logit in the denominator, which no key stands behind.
inline claims::HeadRow<double> with_learned_sink(claims::HeadRow<double> row) {
  Vector<double> logits(row.logits.size() + 1);
  logits << row.logits, 3.0;
  kernels::reference::softmax(logits.data(), logits.size());
  row.weights = logits.head(row.logits.size());
  row.output = row.values.transpose() * row.weights;
  return row;
}

/// As a head computes it whose logits are capped after they were recorded.
inline claims::HeadRow<double> with_soft_cap(claims::HeadRow<double> row, double cap) {
  const Vector<double> raw = row.logits;
  const Vector<double> capped = raw.unaryExpr([=](double l) { return cap * std::tanh(l / cap); });
  const Index self = row.self;
  row = head_row(capped, row.values, row.sink);
  row.self = self;
  row.logits = raw;
  return row;
}

}  // namespace plumb::test
