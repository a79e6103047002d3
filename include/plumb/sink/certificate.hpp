#pragma once

#include <cmath>
#include <limits>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

/// Why a query rests on a key: the logit of that key against the logits of its rivals.
namespace plumb::sink {

/// Rivals of the query itself and of the four keys before it stand alone in the grouped bound, the
/// rest by its mean: local attention is what a plain mean misses most.
inline constexpr Index kSingledRivals = 5;

/// What the logits of one query say of its weight on one key s. Rivals are the other keys that the
/// query sees, n keys with s; sigma is the logistic function. In [0, 1], but for the margins.
struct SinkCertificate {
  double weight;          ///< A_s = sigma(l_s - LSE of the rivals), exactly
  double lower;           ///< sigma(l_s - max - ln(n-1)) <= A_s
  double upper_mean;      ///< A_s <= sigma(l_s - mean - ln(n-1)), by Jensen: one dot product
  double upper;           ///< A_s <= sigma(l_s - LSE over groups of (mean + ln size)): the last
                          ///< kSingledRivals rivals alone, the rest as one group
  double forecast;        ///< sigma(l_s - ln(n-1) - mean - variance/2): rivals as if Gaussian. An
                          ///< estimate, never a bound
  double margin_to_max;   ///< l_s - max of the rivals; infinite without rivals
  double margin_to_mean;  ///< l_s - mean of the rivals; infinite without rivals
};

namespace detail {

/// sigma(x) without overflow.
inline double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

/// ln sum exp, -infinity of nothing.
inline double log_sum_exp(const VectorRef<double>& logits) {
  if (logits.size() == 0) return -std::numeric_limits<double>::infinity();
  const double greatest = logits.maxCoeff();
  return greatest + std::log((logits.array() - greatest).exp().sum());
}

/// ln(e^a + e^b), of which one may be -infinity.
inline double log_add(double a, double b) {
  const double greatest = std::max(a, b);
  if (std::isinf(greatest)) return greatest;
  return greatest + std::log1p(std::exp(-std::abs(a - b)));
}

}  // namespace detail

/// `logits` are those of the keys that the query sees, in order, so the last is its own; `sink` is
/// the index of s among them. A query that sees s alone gives it all its weight. Sources:
/// mathematics of softmax, ours. Throws index_error, and shape_error when there are no logits.
inline SinkCertificate certificate(const VectorRef<double>& logits, Index sink) {
  const Index n = logits.size();
  if (n == 0) throw shape_error("certificate: there are no logits");
  require_index("certificate", "sink", sink, n);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (n == 1) return {1, 1, 1, 1, 1, kInfinity, kInfinity};

  Vector<double> rivals(n - 1);
  rivals << logits.head(sink), logits.tail(n - sink - 1);
  const double level = logits[sink], count = std::log(static_cast<double>(n - 1));
  const double greatest = rivals.maxCoeff(), mean = rivals.mean();
  const double variance = (rivals.array() - mean).square().mean();
  const Index singled = std::min(kSingledRivals, n - 1), rest = n - 1 - singled;
  double grouped = detail::log_sum_exp(rivals.tail(singled));
  if (rest > 0) {
    grouped =
        detail::log_add(grouped, rivals.head(rest).mean() + std::log(static_cast<double>(rest)));
  }
  return {detail::logistic(level - detail::log_sum_exp(rivals)),
          detail::logistic(level - greatest - count),
          detail::logistic(level - mean - count),
          detail::logistic(level - grouped),
          detail::logistic(level - count - mean - variance / 2),
          level - greatest,
          level - mean};
}

/// The margin of l_s over each of n - 1 rivals that guarantees it a weight p:
/// ln(n-1) + ln(p / (1-p)). -infinity for n = 1. Throws shape_error for n < 1, p outside (0, 1).
inline double required_margin(double keys, double weight) {
  if (!(keys >= 1) || !(weight > 0 && weight < 1)) {
    throw shape_error("required_margin: needs keys >= 1 and a weight between 0 and 1");
  }
  return std::log(keys - 1) + std::log(weight / (1 - weight));
}

/// The most keys at which a margin over every rival guarantees a weight p: 1 + e^margin (1-p)/p.
inline double guaranteed_keys(double margin, double weight) {
  if (!(weight > 0 && weight < 1)) {
    throw shape_error("guaranteed_keys: needs a weight between 0 and 1");
  }
  return 1 + std::exp(margin) * (1 - weight) / weight;
}

}  // namespace plumb::sink
