#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/quadratic_form.hpp"

/// Leading eigenpairs of many channels of one block at once.
namespace plumb::spike {

struct ScanOptions {
  EigenpairOptions pair;
  std::size_t memory = std::size_t{256} << 20;  ///< bytes for Krylov bases, about
  Progress progress;                            ///< told of the channels that are done
  Progress norms_progress;                      ///< told of the norms, which come first
};

/// What a search for the channels of largest |lambda| found.
struct TopChannels {
  std::vector<Eigenpair> pairs;  ///< largest |lambda| first
  Index searched = 0;            ///< channels whose eigenpair was computed
  Index screened = 0;            ///< channels left out because ||S_k||_F is below the last |lambda|
};

namespace detail {

/// Lanczos for many channels in step: row r of one matrix belongs to the channel in slot r, so an
/// application of all forms is four matrix products. A channel that is done leaves its slot to the
/// next one. Searches in S, measures in double.
template <class S, class T>
class Scan {
 public:
  Scan(const FeedForwardView<T>& view, const ScanOptions& options, std::size_t most_slots)
      : view_(view), options_(options), most_slots_(most_slots), rows_(neuron_rows(view)) {
    options_.pair.second = false;
  }

  /// Runs the channels that take() gives, until it gives none, and hands each pair to keep().
  template <class Take, class Keep>
  void run(const Take& take, const Keep& keep) {
    const std::size_t width = slots();
    std::vector<Eigenpair> found;
    for (bool more = true; more || !slots_.empty();) {
      while (more && slots_.size() < width) {
        const std::optional<Index> channel = take();
        more = channel.has_value();
        if (more) slots_.push_back(start(*channel));
      }
      if (!slots_.empty()) step();
      harvest(found);
      // As many as there are slots are measured together; fewer would waste the products.
      if (found.size() < width && !slots_.empty()) continue;
      measure(found);
      for (auto& pair : found) keep(std::move(pair));
      found.clear();
    }
  }

 private:
  struct Slot {
    Index channel;
    Search<S> search;
  };

  /// A basis rarely grows to all steps; half of them is what a slot is taken to need.
  std::size_t slots() const {
    const auto steps = static_cast<std::size_t>(std::min(options_.pair.steps, view_.hidden()));
    const auto basis = (steps / 2 + 1) * static_cast<std::size_t>(view_.hidden()) * sizeof(S);
    return std::clamp<std::size_t>(options_.memory / basis, 16, most_slots_);
  }

  Slot start(Index channel) const {
    const QuadraticForm<T> form{view_, channel};
    return {channel,
            {start_vector(form, rows_, options_.pair.seed).template cast<S>(), options_.pair,
             tolerance<T>(options_.pair)}};
  }

  void step() {
    const auto count = static_cast<Index>(slots_.size());
    std::vector<Index> channels(slots_.size());
    Matrix<S> vectors(count, view_.hidden());
    for (Index r = 0; r < count; ++r) {
      const auto& slot = slots_[static_cast<std::size_t>(r)];
      channels[static_cast<std::size_t>(r)] = slot.channel;
      vectors.row(r) = slot.search.next().transpose();
    }
    const Matrix<S> products = apply_each(view_, channels, vectors, [](auto&&...) {});
    parallel_for(count, [&](Index r) {
      slots_[static_cast<std::size_t>(r)].search.advance(products.row(r).transpose());
    });
  }

  void harvest(std::vector<Eigenpair>& found) {
    const auto done = std::stable_partition(slots_.begin(), slots_.end(),
                                            [](const Slot& slot) { return !slot.search.done(); });
    for (auto slot = done; slot != slots_.end(); ++slot) {
      found.push_back(slot->search.result(slot->channel));
    }
    slots_.erase(done, slots_.end());
  }

  /// One application in double completes the pairs. Those that the search in S could not bring to
  /// the tolerance are searched for again in double, one by one.
  void measure(std::vector<Eigenpair>& found) const {
    std::vector<Index> channels;
    Matrix<double> vectors(static_cast<Index>(found.size()), view_.hidden());
    std::vector<Strongest> strongest(found.size());
    for (const auto& pair : found) {
      vectors.row(static_cast<Index>(channels.size())) = pair.direction.transpose();
      channels.push_back(pair.channel);
    }
    const auto observe = [&](Index first, const Matrix<double>& z, const Matrix<double>& y) {
      parallel_for(z.rows(), [&](Index r) {
        const auto at = static_cast<std::size_t>(r);
        const double sign = found[at].lambda < 0 ? -1 : 1;
        for (Index j = 0; j < z.cols(); ++j) {
          const auto w = static_cast<double>(view_.down(channels[at], first + j));
          strongest[at].offer(first + j, z(r, j), sign * w * z(r, j) * y(r, j));
        }
      });
    };
    const Matrix<double> products = apply_each(view_, channels, vectors, observe);
    const double accuracy = tolerance<T>(options_.pair);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Vector<double> product = products.row(static_cast<Index>(i)).transpose();
      complete(found[i], product, strongest[i], accuracy);
      const bool failed =
          found[i].status == PairStatus::not_converged || found[i].status == PairStatus::not_finite;
      if (std::is_same_v<S, double> || !failed) continue;
      const QuadraticForm<T> form{view_, channels[i]};
      const Index spent = found[i].applications;
      found[i] = search_in<double>(form, rows_, options_.pair);
      found[i].applications += spent;
    }
  }

  const FeedForwardView<T>& view_;
  ScanOptions options_;
  std::size_t most_slots_;
  NeuronRows rows_;
  std::vector<Slot> slots_;
};

/// Searches in T if that can reach the tolerance, otherwise in double.
template <class T, class Take, class Keep>
void scan(const FeedForwardView<T>& view, const ScanOptions& options, std::size_t most_slots,
          const Take& take, const Keep& keep) {
  if (tolerance<T>(options.pair) < 1e-5) {
    Scan<double, T>(view, options, most_slots).run(take, keep);
  } else {
    Scan<T, T>(view, options, most_slots).run(take, keep);
  }
}

}  // namespace detail

/// The leading eigenpairs of the given channels, in their order, as leading_eigenpair finds them
/// one by one with options.second off: batched Lanczos, with matrix products for all channels that
/// are still searched.
/// Throws index_error for a channel outside the block, shape_error when it has no quadratic form.
/// Cost: 4 * hidden * f multiplications an application and channel. Memory beside the result:
/// options.memory for bases, and with norms 256 * (4 hidden + 2 channels) numbers.
template <class T>
std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<T>& view,
                                          const std::vector<Index>& channels,
                                          const ScanOptions& options = {}) {
  detail::require_form("leading_eigenpairs", view);
  for (const Index k : channels) {
    require_index("leading_eigenpairs", "channel", k, view.channels());
  }
  std::vector<std::vector<std::size_t>> places(static_cast<std::size_t>(view.channels()));
  for (std::size_t i = 0; i < channels.size(); ++i) {
    places[static_cast<std::size_t>(channels[i])].push_back(i);
  }
  std::vector<FormNorms> norms;
  if (options.pair.norms) norms = form_norms(view, options.norms_progress);
  std::vector<Eigenpair> pairs(channels.size());
  std::size_t taken = 0;
  Index done = 0;
  const auto take = [&]() -> std::optional<Index> {
    while (taken < channels.size()) {
      const Index k = channels[taken++];
      if (places[static_cast<std::size_t>(k)].front() == taken - 1) return k;  // else: again
    }
    return std::nullopt;
  };
  const auto keep = [&](Eigenpair pair) {
    const auto k = static_cast<std::size_t>(pair.channel);
    if (options.pair.norms) pair.norms = norms[k];
    for (const std::size_t place : places[k]) pairs[place] = pair;
    done += static_cast<Index>(places[k].size());
    if (options.progress) options.progress(done, static_cast<Index>(channels.size()));
  };
  detail::scan(view, options, 1024, take, keep);
  return pairs;
}

/// The leading eigenpairs of all channels, in order.
template <class T>
std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<T>& view,
                                          const ScanOptions& options = {}) {
  std::vector<Index> channels(static_cast<std::size_t>(view.channels()));
  std::iota(channels.begin(), channels.end(), Index{0});
  return leading_eigenpairs(view, channels, options);
}

/// The `count` channels of largest |lambda|. Channels are searched in the order of ||S_k||_F, which
/// bounds |lambda|, until the next one's is below the last |lambda| that would be listed. So none
/// is missed, up to searches that did not converge: their |lambda| may be too small.
/// Throws and costs as leading_eigenpairs for the channels searched, and form_norms for all.
template <class T>
TopChannels top_channels(const FeedForwardView<T>& view, Index count,
                         const ScanOptions& options = {}) {
  detail::require_form("top_channels", view);
  const std::vector<FormNorms> norms = form_norms(view, options.norms_progress);
  std::vector<Index> order(norms.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto bound = [&](Index k) { return norms[static_cast<std::size_t>(k)].remainder(0, 0); };
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return bound(a) > bound(b); });
  const auto wanted = static_cast<std::size_t>(std::clamp<Index>(count, 0, view.channels()));
  const auto larger = [](const Eigenpair& a, const Eigenpair& b) {
    return std::abs(a.lambda) > std::abs(b.lambda);
  };
  TopChannels top;
  auto& pairs = top.pairs;
  std::size_t taken = 0;
  const auto take = [&]() -> std::optional<Index> {
    const bool full = pairs.size() == wanted;
    if (taken == order.size() || wanted == 0) return std::nullopt;
    if (full && bound(order[taken]) < std::abs(pairs.back().lambda)) return std::nullopt;
    return order[taken++];
  };
  const auto keep = [&](Eigenpair pair) {
    pair.norms = norms[static_cast<std::size_t>(pair.channel)];
    pairs.insert(std::upper_bound(pairs.begin(), pairs.end(), pair, larger), std::move(pair));
    if (pairs.size() > wanted) pairs.pop_back();
    ++top.searched;
    if (options.progress) options.progress(top.searched, view.channels());
  };
  // Few at a time: the sooner the first are known, the more of the rest can be left out.
  detail::scan(view, options, std::max<std::size_t>(wanted, 64), take, keep);
  top.screened = view.channels() - top.searched;
  return top;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<float>&,
                                                          const std::vector<Index>&,
                                                          const ScanOptions&);
extern template std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<double>&,
                                                          const std::vector<Index>&,
                                                          const ScanOptions&);
extern template TopChannels top_channels(const FeedForwardView<float>&, Index, const ScanOptions&);
extern template TopChannels top_channels(const FeedForwardView<double>&, Index, const ScanOptions&);
#endif

}  // namespace plumb::spike
