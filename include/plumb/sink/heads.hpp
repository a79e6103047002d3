#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/finding.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/sink/certificate.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/weights/architecture.hpp"

/// What a head does with its attention, and why it must.
namespace plumb::sink {

enum class HeadClass { sink, local, mixed };

constexpr const char* to_string(HeadClass kind) {
  switch (kind) {
    case HeadClass::sink: return "sink";
    case HeadClass::local: return "local";
    case HeadClass::mixed: return "mixed";
  }
  return "?";
}

/// A head is local if it gives the last kLocalKeys keys more than this (ours).
inline constexpr double kLocalShare = 0.5;

/// sink: an importance exceeds epsilon for a key of the first half. local: otherwise, and
/// local_share exceeds kLocalShare. mixed: otherwise. No finding for texts below kShortestSinkText.
/// Throws index_error.
inline Finding<HeadClass> classify(const AttentionReceived& received, Index layer, Index head,
                                   double epsilon = kSinkEpsilon,
                                   Queries queries = Queries::self_and_later) {
  if (received.tokens() < kShortestSinkText) {
    return Finding<HeadClass>::none("a text of " + std::to_string(received.tokens()) +
                                    " tokens, and " + std::to_string(kShortestSinkText) +
                                    " are needed");
  }
  const Index key = strongest_key(received, layer, head, queries);
  if (received.importance(layer, head, key, queries) > epsilon) return HeadClass::sink;
  return received.local_share(layer, head) > kLocalShare ? HeadClass::local : HeadClass::mixed;
}

/// Which key to explain in each head, (layers, heads): the strongest of a sink head, 0 elsewhere.
inline Matrix<Index> keys_to_explain(const AttentionReceived& received,
                                     double epsilon = kSinkEpsilon,
                                     Queries queries = Queries::self_and_later) {
  Matrix<Index> keys = Matrix<Index>::Zero(received.layers(), received.heads());
  for (Index layer = 0; layer < keys.rows(); ++layer) {
    for (Index head = 0; head < keys.cols(); ++head) {
      const Index key = strongest_key(received, layer, head, queries);
      if (received.importance(layer, head, key, queries) > epsilon) keys(layer, head) = key;
    }
  }
  return keys;
}

/// What the certificates say of the importance of a key.
enum class Proof { sink, no_sink, open };

/// Why a head rests on one key, or does not: means over the queries t >= key, to which those that
/// do not see the key add nothing. So `weight` is the importance by Queries::self_and_later, and
/// lower <= weight <= upper <= upper_mean.
struct HeadExplanation {
  Index key = 0;
  double weight = 0;
  double lower = 0;
  double upper = 0;
  double upper_mean = 0;
  double forecast = 0;
  double margin_to_max = 0;     ///< mean over the queries that see the key and a rival
  double margin_to_mean = 0;    ///< likewise; 0 when there are none
  double value_norm = 0;        ///< ||v_key||: how empty the parking place is
  double other_value_norm = 0;  ///< median of ||v_j|| over the other tokens
  std::optional<double> gate;   ///< mean opening of the queries after the key

  Proof proof(double epsilon = kSinkEpsilon) const {
    if (lower > epsilon) return Proof::sink;
    return upper <= epsilon ? Proof::no_sink : Proof::open;
  }
};

/// Where the class of a head and what explains it part: empty where they agree. The explanation
/// must be about the head's strongest key (keys_to_explain): of another it proves nothing.
inline std::string disagreement(const HeadExplanation& why, HeadClass kind,
                                double epsilon = kSinkEpsilon) {
  const bool is_sink = kind == HeadClass::sink;
  const auto proof = why.proof(epsilon);
  if (proof == Proof::open) {
    return is_sink == (why.forecast > epsilon) ? "" : "forecast says otherwise, no proof";
  }
  return is_sink == (proof == Proof::sink) ? "" : "proven otherwise";
}

/// Collects the explanations of all heads: a tap. `keys` (layers, heads) says which key to explain
/// in each head, such as the strongest of an earlier pass, or 0.
/// Memory: O(layers * heads + tokens * kv_heads).
class HeadExplainer {
 public:
  static constexpr bool kConcurrentHeads = true;

  /// Throws shape_error when `keys` has another shape than layers and heads.
  HeadExplainer(const Architecture& architecture, const Matrix<Index>& keys)
      : architecture_(architecture), heads_(static_cast<std::size_t>(keys.size())) {
    require_size("HeadExplainer", "layers of keys", keys.rows(), architecture.layers);
    require_size("HeadExplainer", "heads of keys", keys.cols(), architecture.heads);
    for (Index i = 0; i < keys.size(); ++i)
      heads_[static_cast<std::size_t>(i)].why.key = keys.data()[i];
  }

  /// Explains the first token in every head.
  explicit HeadExplainer(const Architecture& architecture)
      : HeadExplainer(architecture, Matrix<Index>::Zero(architecture.layers, architecture.heads)) {}

  template <class T>
  void operator()(Index layer, site::values, Matrix<T>& values) {
    tokens_ = values.rows();
    const Index head_dim = architecture_.head_dim;
    for (Index head = 0; head < architecture_.heads; ++head) {
      const Vector<double> norms =
          values.middleCols(architecture_.kv_head(head) * head_dim, head_dim)
              .template cast<double>()
              .rowwise()
              .norm();
      add_values(at(layer, head), norms);
    }
  }

  template <class T>
  void operator()(Index layer, site::logits where, Matrix<T>& strip) {
    auto& sums = at(layer, where.head);
    for (Index i = 0; i < strip.rows(); ++i) add_query(sums, where.first_query + i, strip.row(i));
  }

  template <class T>
  void operator()(Index layer, site::gate, Matrix<T>& openings) {
    const Index width = std::max<Index>(1, openings.cols() / architecture_.heads);
    for (Index head = 0; head < architecture_.heads; ++head) {
      auto& why = at(layer, head).why;
      const Index first = openings.cols() < architecture_.heads ? 0 : head * width;
      const Index after = openings.rows() - why.key - 1;
      if (after <= 0) continue;
      why.gate = openings.block(why.key + 1, first, after, width).template cast<double>().mean();
    }
  }

  /// Of one head, once the pass is over. Throws index_error.
  HeadExplanation explanation(Index layer, Index head) const {
    require_index("HeadExplainer", "layer", layer, architecture_.layers);
    require_index("HeadExplainer", "head", head, architecture_.heads);
    const auto& sums = heads_[static_cast<std::size_t>(layer * architecture_.heads + head)];
    HeadExplanation why = sums.why;
    const auto queries = static_cast<double>(std::max<Index>(1, tokens_ - why.key));
    for (double* mean : {&why.weight, &why.lower, &why.upper, &why.upper_mean, &why.forecast}) {
      *mean /= queries;
    }
    const double contested = std::max(1.0, sums.contested);
    why.margin_to_max /= contested;
    why.margin_to_mean /= contested;
    return why;
  }

 private:
  struct Sums {
    HeadExplanation why;
    double contested = 0;  // queries that see the key and a rival
  };

  Sums& at(Index layer, Index head) {
    return heads_[static_cast<std::size_t>(layer * architecture_.heads + head)];
  }

  static void add_values(Sums& sums, const Vector<double>& norms) {
    if (sums.why.key >= norms.size()) return;
    std::vector<double> others(norms.begin(), norms.end());
    others.erase(others.begin() + sums.why.key);
    sums.why.value_norm = norms[sums.why.key];
    if (others.empty()) return;
    const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
    std::nth_element(others.begin(), middle, others.end());
    sums.why.other_value_norm = *middle;
  }

  /// Logits of keys that the query does not see are -infinity; those that it sees are a run.
  template <class Row>
  static void add_query(Sums& sums, Index query, const Row& row) {
    const Index key = sums.why.key;
    if (query < key || key >= row.size() || std::isinf(static_cast<double>(row[key]))) return;
    Index first = key, last = key + 1;
    while (first > 0 && !std::isinf(static_cast<double>(row[first - 1]))) --first;
    while (last < row.size() && !std::isinf(static_cast<double>(row[last]))) ++last;
    const Vector<double> seen =
        row.segment(first, last - first).template cast<double>().transpose();
    const auto c = certificate(seen, key - first);
    auto& why = sums.why;
    why.weight += c.weight;
    why.lower += c.lower;
    why.upper += c.upper;
    why.upper_mean += c.upper_mean;
    why.forecast += c.forecast;
    if (seen.size() == 1) return;
    sums.contested += 1;
    why.margin_to_max += c.margin_to_max;
    why.margin_to_mean += c.margin_to_mean;
  }

  Architecture architecture_;
  std::vector<Sums> heads_;
  Index tokens_ = 0;
};

}  // namespace plumb::sink
