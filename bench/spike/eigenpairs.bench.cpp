// The leading eigenpairs of all channels of a block with Gaussian weights: ours in step, and each
// S_k formed and given to LAPACK, which takes minutes: its time is that of a few channels, scaled
// to all of them. One thread.
#include "plumb/spike/eigenpairs.hpp"

#include <benchmark/benchmark.h>
#include <chrono>
#include <string>

#include "peers.hpp"

namespace {

using namespace plumb::bench;
using plumb::Index;

constexpr Index kSample = 4;  // channels that LAPACK is given

/// Channels spread over the block.
Index sampled(Index i, Index channels) { return i * (channels / kSample); }

template <bool kNorms>
void scan(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::spike::FeedForwardView<float> view(block);
  plumb::spike::ScanOptions options;
  options.pair.norms = kNorms;
  std::vector<plumb::spike::Eigenpair> pairs;
  for ([[maybe_unused]] auto turn : state) {
    pairs = plumb::spike::leading_eigenpairs(view, options);
    benchmark::DoNotOptimize(pairs.data());
  }
  // Afterwards, because a scan takes seconds.
  for (Index i = 0; i < kSample; ++i) {
    const Index k = sampled(i, block.down.rows());
    const double lambda = pairs[static_cast<std::size_t>(k)].lambda;
    if (!agree(lambda, by_ssyevd(form(block, k)), 1e-4))
      state.SkipWithError("disagrees with ssyevd");
  }
  state.SetItemsProcessed(state.iterations() * block.down.rows());
}

void form_and_ssyevd(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const Index channels = block.down.rows();
  for ([[maybe_unused]] auto turn : state) {
    const auto start = std::chrono::steady_clock::now();
    for (Index i = 0; i < kSample; ++i) {
      benchmark::DoNotOptimize(by_ssyevd(form(block, sampled(i, channels))));
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(spent.count() * static_cast<double>(channels) / kSample);
  }
  state.SetLabel("extrapolated from " + std::to_string(kSample) + " of " +
                 std::to_string(channels) + " channels");
  state.counters["channels_timed"] = kSample;
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"d", "f"})
      ->Args({512, 1376})
      ->Args({1024, 2816})
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
}

BENCHMARK(scan<false>)->Name("all_channels/plumb")->Apply(sizes);
BENCHMARK(scan<true>)->Name("all_channels/plumb_with_norms")->Apply(sizes);
BENCHMARK(form_and_ssyevd)->Name("all_channels/form+ssyevd")->Apply(sizes)->UseManualTime();

}  // namespace
