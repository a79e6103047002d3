#pragma once

#include <optional>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/neuron.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/spike/split.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb::report {

/// How a feed-forward block amplified one channel of one token: F_k(x), its exact split, and the
/// direction, neuron and certificate of the form behind it.
struct Amplifier {
  Index layer = 0;
  Index position = 0;
  Index channel = 0;
  spike::Obstacle obstacle = spike::Obstacle::none;  ///< if not none, all below is empty
  bool post_norm = false;                            ///< the block's write is this F_k after a norm
  spike::Split split;
  spike::Eigenpair pair;
  std::optional<spike::DominantNeuron> neuron;  ///< that writes most at x
  double neuron_cosine = 0;                     ///< cos(g, u) of it
  std::optional<spike::Certificate> certificate;
};

/// The feed-forward block of `layer` at one token of a trace. Throws index_error.
/// Cost: an eigenpair, and hidden^2 * f multiplications for its norms.
template <class T>
Amplifier amplifier(const Decoder<T>& model, const Trace<T>& trace, Index layer, Index position,
                    Index channel) {
  require_index("amplifier", "position", position, trace.tokens());
  require_index("amplifier", "channel", channel, trace.architecture.hidden_size);
  const auto block = model.layer(layer);
  const spike::FeedForwardView<T> view(block);
  Amplifier found;
  found.layer = layer;
  found.position = position;
  found.channel = channel;
  found.obstacle = view.obstacle;
  found.post_norm = block.feed_forward_post_norm.present();
  if (!view.applicable()) return found;

  const Matrix<double> h = trace.before_feed_forward(layer).row(position).template cast<double>();
  const Norm<double> norm = spike::ungained(block.feed_forward_pre_norm).template cast<double>();
  const Vector<double> x = norm.value(h).row(0).transpose();
  const auto form = spike::quadratic_form(view, channel);
  found.pair = spike::leading_eigenpair(form);
  found.split = spike::split<T>(form, found.pair, x);
  found.obstacle = found.split.obstacle;
  if (!found.pair.direction.isZero(0)) {
    found.certificate = spike::certificate<T>(form, *found.pair.norms, found.pair.direction, x);
  }
  found.neuron = spike::dominant_neuron<T>(form, x);
  if (found.neuron) found.neuron_cosine = spike::neuron(form, found.neuron->neuron).cosine;
  return found;
}

/// The blocks that made the spike: each feed-forward block among its step-ups, or else the one that
/// wrote most along the spike into its token and channel. Empty where nothing stands out.
template <class T>
std::vector<Amplifier> amplifiers(const Decoder<T>& model, const Trace<T>& trace,
                                  const spike::Outliers& outliers, const spike::LifeCycle& life) {
  std::vector<Amplifier> list;
  if (outliers.tier == spike::Tier::none) return list;
  for (const auto& step : life.step_up) {
    if (step.block != Block::feed_forward) continue;
    list.push_back(amplifier(model, trace, step.layer, step.position, step.channel));
  }
  if (!list.empty()) return list;

  const auto& top = outliers.top;
  const double sign = top.value < 0 ? -1 : 1;
  const auto write = [&](Index layer) {
    const auto& writes = trace.feed_forward_write[static_cast<std::size_t>(layer)];
    return sign * static_cast<double>(writes(top.position, top.channel));
  };
  Index strongest = 0;
  for (Index layer = 1; layer < trace.layers(); ++layer) {
    if (write(layer) > write(strongest)) strongest = layer;
  }
  list.push_back(amplifier(model, trace, strongest, top.position, top.channel));
  return list;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template std::vector<Amplifier> amplifiers(const Decoder<float>&, const Trace<float>&,
                                                  const spike::Outliers&, const spike::LifeCycle&);
extern template std::vector<Amplifier> amplifiers(const Decoder<double>&, const Trace<double>&,
                                                  const spike::Outliers&, const spike::LifeCycle&);
#endif

}  // namespace plumb::report
