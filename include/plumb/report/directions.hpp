#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/eigenpairs.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/neuron.hpp"
#include "plumb/spike/quadratic_form.hpp"

namespace plumb::report {

/// What to look for. Without channels: the `top` channels of largest |lambda|, screened by
/// ||S_k||_F, so that not every channel is searched and none is missed.
struct DirectionsOptions {
  std::optional<Index> layer;                  ///< absent: all layers
  std::optional<std::vector<Index>> channels;  ///< of each layer; absent: screening decides
  bool all_channels = false;                   ///< instead of a list
  std::optional<Index> top;                    ///< listed at most; absent: 20 if screened, else all
  /// Told of the steps of each layer: "norms" in tiles, then "channels".
  std::function<void(Index layer, const char* step, Index done, Index total)> progress;
};

inline constexpr Index kTopDirections = 20;

/// What was done to one layer.
struct LayerDirections {
  Index layer = 0;
  spike::Obstacle obstacle = spike::Obstacle::none;  ///< why there are no directions, or why they
                                                     ///< are not those of F_k
  spike::Folded folded = spike::Folded::nothing;
  Index searched = 0;  ///< channels whose eigenpair was computed
  Index screened = 0;  ///< channels that a bound left out
};

struct ChannelDirection {
  Index layer = 0;
  spike::Eigenpair pair;
  double neuron_cosine = 0;  ///< cos(g, u) of pair.neuron
};

struct Directions {
  std::vector<LayerDirections> layers;
  std::vector<ChannelDirection> channels;  ///< largest |lambda| first
};

namespace detail {

template <class T>
std::vector<spike::Eigenpair> search_layer(const spike::FeedForwardView<T>& view,
                                           const DirectionsOptions& options,
                                           LayerDirections& summary) {
  spike::ScanOptions scan;
  if (options.progress) {
    const auto tell = [&options, layer = summary.layer](const char* step) {
      return [&options, layer, step](Index done, Index total) {
        options.progress(layer, step, done, total);
      };
    };
    scan.norms_progress = tell("norms");
    scan.progress = tell("channels");
  }
  if (options.channels || options.all_channels) {
    auto pairs = options.channels ? spike::leading_eigenpairs(view, *options.channels, scan)
                                  : spike::leading_eigenpairs(view, scan);
    summary.searched = static_cast<Index>(pairs.size());
    return pairs;
  }
  auto found = spike::top_channels(view, options.top.value_or(kTopDirections), scan);
  summary.searched = found.searched;
  summary.screened = found.screened;
  return std::move(found.pairs);
}

}  // namespace detail

/// Leading eigenpairs of the layers asked for, one layer in memory at a time, ranked together.
/// Throws index_error for a layer or channel that the model does not have, before any work.
template <class T>
Directions find_directions(const Decoder<T>& model, const DirectionsOptions& options = {}) {
  const auto& a = model.architecture();
  if (options.layer) require_index("find_directions", "layer", *options.layer, a.layers);
  for (const Index k : options.channels.value_or(std::vector<Index>{})) {
    require_index("find_directions", "channel", k, a.hidden_size);
  }
  Directions found;
  const Index first = options.layer.value_or(0);
  const Index last = options.layer ? first + 1 : a.layers;
  for (Index l = first; l < last; ++l) {
    const auto layer = model.layer(l);
    const spike::FeedForwardView<T> view(layer);
    LayerDirections summary{l, view.obstacle, view.folded};
    if (view.has_form()) {
      for (auto& pair : detail::search_layer(view, options, summary)) {
        const auto form = spike::quadratic_form(view, pair.channel);
        const double cosine = spike::neuron(form, pair.neuron).cosine;
        found.channels.push_back({l, std::move(pair), cosine});
      }
    }
    found.layers.push_back(summary);
  }
  std::stable_sort(found.channels.begin(), found.channels.end(),
                   [](const ChannelDirection& x, const ChannelDirection& y) {
                     return std::abs(x.pair.lambda) > std::abs(y.pair.lambda);
                   });
  const bool screened = !options.channels && !options.all_channels;
  const auto most = options.top ? *options.top : screened ? kTopDirections : -1;
  if (most >= 0 && static_cast<Index>(found.channels.size()) > most) {
    found.channels.resize(static_cast<std::size_t>(most));
  }
  return found;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Directions find_directions(const Decoder<float>&, const DirectionsOptions&);
extern template Directions find_directions(const Decoder<double>&, const DirectionsOptions&);
#endif

}  // namespace plumb::report
