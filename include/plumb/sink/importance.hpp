#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "plumb/core/array.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/trace/trace.hpp"

/// How much attention each key receives, and which heads park theirs on one token.
namespace plumb::sink {

/// Which queries count towards the importance of key k.
enum class Queries {
  self_and_later,  ///< t >= k: Gu et al., ICLR 2025 (arXiv 2410.10781)
  later            ///< t > k: the self pair left out
};

/// Gu et al. use 0.3 for a head to be a sink head.
inline constexpr double kSinkEpsilon = 0.3;

/// Below this many tokens even uniform attention gives the first token more than 0.3
/// (H_T / T > 0.3 for T <= 9), so a ratio says nothing.
inline constexpr Index kShortestSinkText = 10;

/// A single token sees itself alone: all attention goes there, and nothing follows.
inline constexpr const char* kOneToken = "a text of one token has no other to attend to";

/// The keys that count as local to a query: itself and the ones just before it.
inline constexpr Index kLocalKeys = 4;

/// Attention summed over queries, from which the importance of every key follows.
/// It is a tap: hand std::ref of it to a forward pass and no (T, T) map is ever held. Memory:
/// 16 bytes * layers * heads * tokens.
class AttentionReceived {
 public:
  /// Every head has rows of its own.
  static constexpr bool kConcurrentHeads = true;

  AttentionReceived(Index layers, Index heads, Index tokens)
      : total_(zeros(layers, heads, tokens)),
        self_(zeros(layers, heads, tokens)),
        local_(Matrix<double>::Zero(layers, heads)) {}

  Index layers() const { return static_cast<Index>(total_.shape(0)); }
  Index heads() const { return static_cast<Index>(total_.shape(1)); }
  Index tokens() const { return static_cast<Index>(total_.shape(2)); }

  /// Adds a strip of weights (queries first_query.., keys 0..) of one head.
  template <class T>
  void operator()(Index layer, site::weights at, Matrix<T>& strip) {
    add<T>(layer, at.head, at.first_query, strip);
  }

  template <class T>
  void add(Index layer, Index head, Index first_query, const MatrixRef<T>& strip) {
    require_head("AttentionReceived::add", layer, head);
    if (strip.cols() > tokens() || first_query + strip.rows() > tokens()) {
      throw shape_error("AttentionReceived::add: the strip exceeds the text");
    }
    Eigen::Map<RowVector<double>> sum(&total_(layer, head, 0), strip.cols());
    for (Index i = 0; i < strip.rows(); ++i) sum += strip.row(i).template cast<double>();
    for (Index i = 0; i < strip.rows(); ++i) {
      const Index t = first_query + i;
      if (t < strip.cols()) self_(layer, head, t) += static_cast<double>(strip(i, t));
      if (t < kFirstLocalQuery) continue;
      for (Index k = t - kLocalKeys + 1; k <= t && k < strip.cols(); ++k) {
        local_(layer, head) += static_cast<double>(strip(i, k));
      }
    }
  }

  /// alpha_k, k 0-based, T tokens: 1/(T-k) sum_{t>=k} A_tk, or 1/(T-k-1) sum_{t>k} A_tk.
  /// In [0, 1]. The last key has no later query: its alpha is then 0.
  double importance(Index layer, Index head, Index key, Queries queries) const {
    require_head("importance", layer, head);
    require_index("importance", "key", key, tokens());
    const Index from_self = tokens() - key;
    if (queries == Queries::self_and_later) {
      return total_(layer, head, key) / static_cast<double>(from_self);
    }
    if (from_self == 1) return 0;
    return (total_(layer, head, key) - self_(layer, head, key)) /
           static_cast<double>(from_self - 1);
  }

  /// Mean weight that a query gives the last kLocalKeys keys up to itself, over the queries
  /// t >= 2 kLocalKeys, of which uniform attention gives them less than half. In [0, 1]; 0 for a
  /// text without such queries.
  double local_share(Index layer, Index head) const {
    require_head("local_share", layer, head);
    const Index queries = tokens() - kFirstLocalQuery;
    return queries <= 0 ? 0 : local_(layer, head) / static_cast<double>(queries);
  }

 private:
  static constexpr Index kFirstLocalQuery = 2 * kLocalKeys;

  void require_head(const char* function, Index layer, Index head) const {
    require_index(function, "layer", layer, layers());
    require_index(function, "head", head, heads());
  }

  static Array<double, 3> zeros(Index layers, Index heads, Index tokens) {
    return xt::zeros<double>({static_cast<std::size_t>(layers), static_cast<std::size_t>(heads),
                              static_cast<std::size_t>(tokens)});
  }

  Array<double, 3> total_;  // (layer, head, key): sum over queries
  Array<double, 3> self_;   // (layer, head, key): the diagonal
  Matrix<double> local_;    // (layer, head): sum over queries and their local keys
};

/// From the maps that a trace kept. Throws shape_error when it kept none.
template <class T>
AttentionReceived attention_received(const Trace<T>& trace) {
  require_size("attention_received", "layers with attention maps",
               static_cast<Index>(trace.attention.size()), trace.layers());
  AttentionReceived received(trace.layers(), trace.architecture.heads, trace.tokens());
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    for (Index head = 0; head < trace.architecture.heads; ++head) {
      received.add<T>(layer, head, 0,
                      slice(trace.attention[static_cast<std::size_t>(layer)], head));
    }
  }
  return received;
}

/// How many heads are sink heads, by two rules.
struct SinkRatios {
  double epsilon = kSinkEpsilon;
  Queries queries = Queries::self_and_later;
  double first_token = 0;  ///< share of heads with alpha_0 > epsilon
  double first_half = 0;   ///< share of heads with alpha_k > epsilon for some k < T / 2
  Index heads = 0;         ///< heads counted: layers * heads
};

/// The key of the first half, k < T / 2, of largest importance. Throws index_error, and shape_error
/// when there are no tokens.
inline Index strongest_key(const AttentionReceived& received, Index layer, Index head,
                           Queries queries = Queries::self_and_later) {
  if (received.tokens() == 0) throw shape_error("strongest_key: there are no tokens");
  Index strongest = 0;
  double largest = received.importance(layer, head, 0, queries);
  for (Index key = 1; 2 * key < received.tokens(); ++key) {
    const double importance = received.importance(layer, head, key, queries);
    if (importance > largest) {
      largest = importance;
      strongest = key;
    }
  }
  return strongest;
}

/// Of the heads of some layers: those with a sliding window cannot see the first token from afar
/// and are counted apart. No layers give ratios of 0 over 0 heads.
/// Throws index_error for a layer that there is not, shape_error when there are no tokens.
inline SinkRatios sink_ratios_of(const AttentionReceived& received,
                                 const std::vector<Index>& layers, double epsilon = kSinkEpsilon,
                                 Queries queries = Queries::self_and_later) {
  if (received.tokens() == 0) throw shape_error("sink_ratios: there are no tokens");
  SinkRatios ratios{epsilon, queries, 0, 0, static_cast<Index>(layers.size()) * received.heads()};
  Index first_token = 0, first_half = 0;
  for (const Index layer : layers) {
    for (Index head = 0; head < received.heads(); ++head) {
      const auto is_sink = [&](Index key) {
        return received.importance(layer, head, key, queries) > epsilon;
      };
      first_token += is_sink(0) ? 1 : 0;
      first_half += is_sink(strongest_key(received, layer, head, queries)) ? 1 : 0;
    }
  }
  if (ratios.heads == 0) return ratios;
  ratios.first_token = static_cast<double>(first_token) / static_cast<double>(ratios.heads);
  ratios.first_half = static_cast<double>(first_half) / static_cast<double>(ratios.heads);
  return ratios;
}

/// Of all heads.
inline SinkRatios sink_ratios(const AttentionReceived& received, double epsilon = kSinkEpsilon,
                              Queries queries = Queries::self_and_later) {
  std::vector<Index> layers(static_cast<std::size_t>(received.layers()));
  std::iota(layers.begin(), layers.end(), Index{0});
  return sink_ratios_of(received, layers, epsilon, queries);
}

/// The key on which a layer's heads rest together: of largest importance by later queries, averaged
/// over heads (the dominant sink of arXiv 2608.12149). The last key has no later query.
/// Throws index_error, and shape_error when there are no tokens.
inline Index dominant_key(const AttentionReceived& received, Index layer) {
  if (received.tokens() == 0) throw shape_error("dominant_key: there are no tokens");
  Index dominant = 0;
  double largest = -1;
  for (Index key = 0; key < received.tokens(); ++key) {
    double sum = 0;
    for (Index head = 0; head < received.heads(); ++head) {
      sum += received.importance(layer, head, key, Queries::later);
    }
    if (sum > largest) {
      largest = sum;
      dominant = key;
    }
  }
  return dominant;
}

/// A mean over texts, and the standard deviation of a text from it: sqrt(sum (x - mean)^2 / (n-1)),
/// 0 for one text.
struct Spread {
  double mean = 0;
  double deviation = 0;
};

/// Throws shape_error when there are no values.
inline Spread spread(const std::vector<double>& values) {
  if (values.empty()) throw shape_error("spread: there are no values");
  const auto n = static_cast<double>(values.size());
  Spread s;
  for (const double value : values) s.mean += value / n;
  for (const double value : values) s.deviation += (value - s.mean) * (value - s.mean);
  s.deviation = n > 1 ? std::sqrt(s.deviation / (n - 1)) : 0;
  return s;
}

/// Sink heads over several texts by one definition.
struct SinkStatistics {
  double epsilon = kSinkEpsilon;
  Queries queries = Queries::self_and_later;
  std::size_t texts = 0;
  Index shortest = 0;  ///< tokens; importance falls with the length, so say it
  Index longest = 0;
  Matrix<double> importance;            ///< (layers, heads): mean of alpha_0
  Matrix<double> importance_deviation;  ///< (layers, heads)
  Spread first_token;                   ///< of the share of heads with alpha_0 > epsilon
  Spread first_half;  ///< of the share of heads with alpha_k > epsilon for some k < T / 2
  Spread attention;   ///< of the mean over heads of alpha_0

  bool too_short() const { return shortest < kShortestSinkText; }
};

/// Throws shape_error when there are no texts, or texts of models of another size.
inline SinkStatistics sink_statistics(const std::vector<AttentionReceived>& texts,
                                      double epsilon = kSinkEpsilon,
                                      Queries queries = Queries::self_and_later) {
  if (texts.empty()) throw shape_error("sink_statistics: there are no texts");
  const Index layers = texts[0].layers(), heads = texts[0].heads();
  SinkStatistics all{epsilon,
                     queries,
                     texts.size(),
                     texts[0].tokens(),
                     texts[0].tokens(),
                     Matrix<double>(layers, heads),
                     Matrix<double>(layers, heads),
                     {},
                     {},
                     {}};
  std::vector<double> first_token, first_half, attention;
  for (const auto& text : texts) {
    require_size("sink_statistics", "layers of a text", text.layers(), layers);
    require_size("sink_statistics", "heads of a text", text.heads(), heads);
    all.shortest = std::min(all.shortest, text.tokens());
    all.longest = std::max(all.longest, text.tokens());
    const auto ratios = sink_ratios(text, epsilon, queries);
    first_token.push_back(ratios.first_token);
    first_half.push_back(ratios.first_half);
  }
  const auto alpha = [&](const AttentionReceived& text, Index layer, Index head) {
    return text.importance(layer, head, 0, queries);
  };
  attention.assign(texts.size(), 0);
  for (Index layer = 0; layer < layers; ++layer) {
    for (Index head = 0; head < heads; ++head) {
      std::vector<double> values;
      for (const auto& text : texts) values.push_back(alpha(text, layer, head));
      const auto s = spread(values);
      all.importance(layer, head) = s.mean;
      all.importance_deviation(layer, head) = s.deviation;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        attention[i] += values[i] / static_cast<double>(layers * heads);
      }
    }
  }
  all.first_token = spread(first_token);
  all.first_half = spread(first_half);
  all.attention = spread(attention);
  return all;
}

}  // namespace plumb::sink
