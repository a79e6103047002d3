#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/spike/streamed_median.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/token_ids.hpp"

/// The whole vocabulary at position 0 (paper Table 2). The first token of a text sees itself only,
/// and a softmax over one key is 1: attention adds sum_h W_O^h W_V^kv(h) x, whatever the queries,
/// keys and positions (paper eq. 22). So its residual stream is a function of its id, and V passes
/// of length one are all that can happen there. No data is needed.
namespace plumb::spike {

struct CensusOptions {
  Criterion criterion;
  Index memory = Index{1} << 28;  ///< bytes of activations that a pass may take, about
  std::function<void(Index done, Index tokens)> progress;  ///< called after each batch, if given
};

/// What one point of the residual stream holds, over all tokens. Point 0 holds the embeddings,
/// point n the residual after layer n - 1.
struct CensusPoint {
  TokenId token = 0;  ///< of the largest entry
  Index channel = 0;  ///< likewise
  double value = 0;
  double median = 0;            ///< of |h| over vocabulary and channels, to StreamedMedian's error
  double share = 0;             ///< of the vocabulary that spikes here
  std::vector<Index> channels;  ///< in which some token spikes here, ascending

  double magnitude() const { return std::abs(value); }
  double ratio() const { return value == 0 ? 0 : magnitude() / median; }
};

/// A token spikes at a point if an entry of it meets the rule of `tier`:
///   massive   |h| > absolute, and |h| >= relative * median of the point
///   outlier   |h| > outlier * median
/// A token spikes if it does at some point that a layer reads, which the last is not: what the last
/// layer writes only the head reads. The tier is the strongest that a token reaches at such a
/// point; with none, nothing spikes.
struct Census {
  Criterion criterion;
  Tier tier = Tier::none;
  std::vector<CensusPoint> points;  ///< L + 1
  Matrix<double> level;             ///< (L + 1, vocabulary), the largest |h| of each token
  double share = 0;                 ///< of the vocabulary that spikes where a layer reads
  bool exceptions_spike = true;     ///< exceptions are the tokens that spike, or those that do not
  std::vector<TokenId> exceptions;  ///< the smaller side, ascending; empty when all are alike
  std::vector<std::string> notes;   ///< what stands between this model and eq. 22

  Index tokens() const { return level.cols(); }

  /// Does the token spike at the point? Throws index_error.
  bool spikes(Index point, TokenId token) const;
};

/// Does a magnitude meet the rule of the tier beside this median?
inline bool meets(Tier tier, double size, double median, const Criterion& criterion) {
  switch (tier) {
    case Tier::massive: return size > criterion.absolute && size >= criterion.relative * median;
    case Tier::outlier: return size > criterion.outlier * median;
    case Tier::none: break;
  }
  return false;
}

inline bool Census::spikes(Index point, TokenId token) const {
  require_index("Census::spikes", "point", point, level.rows());
  require_index("Census::spikes", "token", token, level.cols());
  return meets(tier, level(point, token), points[static_cast<std::size_t>(point)].median,
               criterion);
}

/// What a model adds to eq. 22 at position 0. The census is exact all the same, because it runs the
/// layers as they are; only the linear form of attention is not the whole of it.
inline std::vector<std::string> position_zero_notes(const Architecture& architecture) {
  std::vector<std::string> notes;
  if (architecture.biases.value || architecture.biases.output) {
    notes.push_back("biases of values or of the output add a constant");
  }
  if (architecture.attention_gate != AttentionGate::none) {
    notes.push_back("the attention gate depends on the token, so attention is not linear");
  }
  if (architecture.post_norm != NormKind::none) {
    notes.push_back("block outputs are normalised, so attention is not linear");
  }
  return notes;
}

/// Tokens a pass takes, so that its activations fit in `memory` bytes. Not more than 1024, because
/// the strips of attention grow with the pass.
inline Index census_batch(const Architecture& a, Index memory, Index scalar_size) {
  constexpr Index kLargest = 1024;
  const Index numbers = 8 * a.hidden_size + 4 * a.query_size() + 4 * a.feed_forward_size;
  return std::clamp(memory / (numbers * scalar_size), Index{1}, std::min(kLargest, a.vocab_size));
}

namespace detail {

/// The tap that fills a census. Rows of a pass are the tokens from `first` on.
template <class T>
struct CensusTaker {
  Census& census;
  std::vector<StreamedMedian> medians;
  Matrix<double> channel_level;  // (L + 1, channels), the largest |h| of each channel
  Index first = 0;

  CensusTaker(Census& result, Index points, Index channels)
      : census(result),
        medians(static_cast<std::size_t>(points)),
        channel_level(Matrix<double>::Zero(points, channels)) {}

  void operator()(Index layer, site::residual, Matrix<T>& h) {
    auto& point = census.points[static_cast<std::size_t>(layer)];
    medians[static_cast<std::size_t>(layer)].template add<T>(h);
    for (Index t = 0; t < h.rows(); ++t) {
      double largest = 0;
      for (Index k = 0; k < h.cols(); ++k) {
        const double value = finite(static_cast<double>(h(t, k)));
        const double size = std::abs(value);
        largest = std::max(largest, size);
        channel_level(layer, k) = std::max(channel_level(layer, k), size);
        if (size <= point.magnitude()) continue;
        point.token = static_cast<TokenId>(first + t);
        point.channel = k;
        point.value = value;
      }
      census.level(layer, first + t) = largest;
    }
  }

  /// An entry that overflowed to NaN counts as infinite: it must not pass unseen.
  static double finite(double value) {
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  }
};

/// From levels and medians: the tier, who spikes where, and who is the exception.
inline void judge(Census& census, const Matrix<double>& channel_level) {
  const Index read = census.level.rows() - 1;  // points that a layer reads
  for (const Tier tier : {Tier::outlier, Tier::massive}) {
    for (Index n = 0; n < read; ++n) {
      const auto& point = census.points[static_cast<std::size_t>(n)];
      if (meets(tier, point.magnitude(), point.median, census.criterion)) census.tier = tier;
    }
  }
  const Index vocabulary = census.tokens();
  std::vector<bool> spiking(static_cast<std::size_t>(vocabulary));
  for (Index n = 0; n < census.level.rows(); ++n) {
    auto& point = census.points[static_cast<std::size_t>(n)];
    Index here = 0;
    for (Index id = 0; id < vocabulary; ++id) {
      if (!census.spikes(n, static_cast<TokenId>(id))) continue;
      if (n < read) spiking[static_cast<std::size_t>(id)] = true;
      ++here;
    }
    point.share = static_cast<double>(here) / static_cast<double>(vocabulary);
    for (Index k = 0; k < channel_level.cols(); ++k) {
      if (meets(census.tier, channel_level(n, k), point.median, census.criterion)) {
        point.channels.push_back(k);
      }
    }
  }
  const auto count = std::count(spiking.begin(), spiking.end(), true);
  census.share = static_cast<double>(count) / static_cast<double>(vocabulary);
  census.exceptions_spike = census.share <= 0.5;
  for (Index id = 0; id < vocabulary; ++id) {
    if (spiking[static_cast<std::size_t>(id)] == census.exceptions_spike) {
      census.exceptions.push_back(static_cast<TokenId>(id));
    }
  }
}

}  // namespace detail

/// Runs every token of the vocabulary at position 0, in batches of bounded memory, and says which
/// of them spike where. Exact: a row of a batch is the pass of length one, up to rounding.
/// Throws load_error when a weight is NaN or infinite.
/// Cost: V forward passes of length one; memory `options.memory`, one layer, and
/// 8 (L + 1) V bytes. Layers are widened once a batch.
template <class T>
Census census(const Decoder<T>& model, const CensusOptions& options = {}) {
  const auto& a = model.architecture();
  const Index points = a.layers + 1;
  Census result;
  result.criterion = options.criterion;
  result.points.resize(static_cast<std::size_t>(points));
  result.level.resize(points, a.vocab_size);
  result.notes = position_zero_notes(a);

  detail::CensusTaker<T> taker(result, points, a.hidden_size);
  const Index batch = census_batch(a, options.memory, sizeof(T));
  while (taker.first < a.vocab_size) {
    const Index count = std::min(batch, a.vocab_size - taker.first);
    TokenIds ids(static_cast<std::size_t>(count));
    std::iota(ids.begin(), ids.end(), static_cast<TokenId>(taker.first));
    model.forward(ids, Sequence::alone(count), taker);
    taker.first += count;
    if (options.progress) options.progress(taker.first, a.vocab_size);
  }
  for (std::size_t n = 0; n < result.points.size(); ++n) {
    result.points[n].median = taker.medians[n].value();
  }
  detail::judge(result, taker.channel_level);
  return result;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Census census(const Decoder<float>&, const CensusOptions&);
extern template Census census(const Decoder<double>&, const CensusOptions&);
#endif

}  // namespace plumb::spike
