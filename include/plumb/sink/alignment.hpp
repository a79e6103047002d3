#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/trace/trace.hpp"

/// The second link of the chain of causes: how well what the step-up block reads of a token is
/// aligned with the direction that the block amplifies (paper eq. 19).
namespace plumb::sink {

/// The block that makes the spike, and its leading direction in the spike's channel.
struct Alignment {
  Index layer;
  Index channel;
  spike::Eigenpair pair;               ///< of S_k; its status says what it is worth
  std::vector<double> cosine_squared;  ///< a token: cos^2 of x and the direction, 0..1; 0 for x = 0
  std::vector<double> rank_one;        ///< a token: lambda (s.x)^2, of the write below
  std::vector<double> write;           ///< a token: what the block added to the channel
};

/// One for each feed-forward step-up of the life cycle that has a quadratic form; tokens are all of
/// the trace. x is what the block reads, without the gain, which is folded into the direction's
/// form. Throws shape_error when the trace kept no residual stream, or is of another model.
/// Cost: an eigenpair of one channel a step-up.
template <class T>
std::vector<Alignment> alignments(const Decoder<T>& model, const Trace<T>& trace,
                                  const spike::LifeCycle& life) {
  require_size("alignments", "layers of the trace", trace.layers(), model.architecture().layers);
  std::vector<Alignment> found;
  for (const auto& step : life.step_up) {
    if (step.block != Block::feed_forward) continue;
    const auto layer = model.layer(step.layer);
    const spike::FeedForwardView<T> view(layer);
    if (!view.has_form()) continue;
    Alignment one{step.layer,
                  step.channel,
                  spike::leading_eigenpair(spike::quadratic_form(view, step.channel)),
                  {},
                  {},
                  {}};
    const auto norm = spike::ungained(layer.feed_forward_pre_norm);
    const Matrix<T> reads = norm.value(trace.before_feed_forward(step.layer));
    const auto& writes = trace.feed_forward_write[static_cast<std::size_t>(step.layer)];
    for (Index t = 0; t < reads.rows(); ++t) {
      const Vector<double> x = reads.row(t).template cast<double>().transpose();
      const double along = one.pair.direction.dot(x), size = x.squaredNorm();
      one.cosine_squared.push_back(size == 0 ? 0 : std::min(1.0, along * along / size));
      one.rank_one.push_back(one.pair.lambda * along * along);
      one.write.push_back(static_cast<double>(writes(t, step.channel)));
    }
    found.push_back(std::move(one));
  }
  return found;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template std::vector<Alignment> alignments(const Decoder<float>&, const Trace<float>&,
                                                  const spike::LifeCycle&);
extern template std::vector<Alignment> alignments(const Decoder<double>&, const Trace<double>&,
                                                  const spike::LifeCycle&);
#endif

}  // namespace plumb::sink
