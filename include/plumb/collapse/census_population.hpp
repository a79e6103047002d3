#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "plumb/collapse/population.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/census.hpp"
#include "plumb/trace/trace.hpp"

/// The tokens that spike at position 0 as a population: where a text has one spike token, its
/// first, a vocabulary may have thousands, of all sizes.
namespace plumb::collapse {

struct CensusSample {
  Index spikes = 64;  ///< tokens that spike, at most; evenly spread over their ids
  Index others = 256;
};

namespace detail {

/// At most `most` of a list, evenly spread, the first among them.
inline std::vector<Index> evenly(const std::vector<Index>& all, Index most) {
  const auto size = static_cast<Index>(all.size());
  if (size <= most) return all;
  std::vector<Index> some;
  for (Index i = 0; i < most; ++i) some.push_back(all[static_cast<std::size_t>(i * size / most)]);
  return some;
}

}  // namespace detail

/// Runs a sample of the vocabulary at position 0, each token by itself, and gathers what add does
/// of a text: those that spike where a layer reads by `census`, and others beside them.
/// Deterministic. Throws index_error when the census is of another vocabulary. Cost: a pass of that
/// many tokens; memory for the spike tokens, 2 layers * hidden doubles each.
template <class T>
Population census_population(const Decoder<T>& model, const spike::Census& census,
                             const CensusSample& sample = {}) {
  constexpr Index kBatch = 64;
  require_index("census_population", "tokens of the census", census.tokens() - 1,
                model.architecture().vocab_size);
  std::vector<Index> spiking, rest;
  const Index read = census.level.rows() - 1;  // points that a layer reads
  for (Index id = 0; id < census.tokens(); ++id) {
    Index at = 0;
    while (at < read && !census.spikes(at, static_cast<TokenId>(id))) ++at;
    (at < read ? spiking : rest).push_back(id);
  }
  spiking = detail::evenly(spiking, sample.spikes);
  rest = detail::evenly(rest, sample.others);

  std::vector<Index> tokens = spiking;
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  Population population;
  for (std::size_t first = 0; first < tokens.size(); first += kBatch) {
    const std::size_t last = std::min(tokens.size(), first + kBatch);
    TokenIds ids;
    spike::Outliers outliers;
    outliers.tier = census.tier;
    for (std::size_t i = first; i < last; ++i) {
      if (i < spiking.size()) outliers.positions.push_back(static_cast<Index>(i - first));
      ids.push_back(static_cast<TokenId>(tokens[i]));
    }
    for (Index n = 0; n < read; ++n) {
      for (const Index k : census.points[static_cast<std::size_t>(n)].channels) {
        spike::detail::insert_sorted(outliers.channels, k);
      }
    }
    add(population,
        trace(model, ids, Sequence::alone(static_cast<Index>(ids.size())),
              TraceOptions{.logits = false, .inputs = true, .keys = true}),
        outliers);
  }
  return population;
}

}  // namespace plumb::collapse
