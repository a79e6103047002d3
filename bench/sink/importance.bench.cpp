// The attention that keys receive, summed as strips come by, beside attention alone: the time
// should not exceed 1.6 times that of the latter, nor the memory of both 200 MB at 8192 tokens.
#include "plumb/sink/importance.hpp"

#include <benchmark/benchmark.h>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <sys/resource.h>

#include "plumb/model/attention.hpp"

namespace {

using plumb::Index;
using Matrix = plumb::Matrix<float>;

constexpr Index kHeads = 8;
constexpr Index kHeadDim = 64;
constexpr Index kHidden = kHeads * kHeadDim;

plumb::Attention<float> block() {
  plumb::Attention<float> attention;
  attention.heads = attention.kv_heads = kHeads;
  attention.head_dim = kHeadDim;
  attention.scale = 1 / std::sqrt(double{kHeadDim});
  attention.query = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.key = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.values = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.output = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.rotary = {kHeadDim, 1e4, plumb::RotaryPairing::half_split};
  return attention;
}

/// The most memory that the process has held, in bytes.
double peak() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

template <bool kReceived>
void attention(benchmark::State& state) {
  const auto a = block();
  const Index tokens = state.range(0);
  const Matrix x = Matrix::Random(tokens, kHidden);
  const auto sequence = plumb::Sequence::causal(tokens);
  for ([[maybe_unused]] auto turn : state) {
    if constexpr (kReceived) {
      plumb::sink::AttentionReceived received(1, kHeads, tokens);
      Matrix y = a.value(x, sequence, std::ref(received));
      benchmark::DoNotOptimize(y.data());
      double ratio = plumb::sink::sink_ratios(received).first_token;
      benchmark::DoNotOptimize(ratio);
    } else {
      Matrix y = a.value(x, sequence);
      benchmark::DoNotOptimize(y.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * tokens);
  state.counters["peak"] =
      benchmark::Counter(peak(), benchmark::Counter::kDefaults, benchmark::Counter::OneK::kIs1000);
}

/// The long texts take minutes, so they run only when PLUMB_LONG is set.
void lengths(benchmark::internal::Benchmark* bench) {
  bench->Arg(1024)->Unit(benchmark::kMillisecond)->UseRealTime();
  if (std::getenv("PLUMB_LONG") != nullptr) bench->Arg(8192)->Arg(32768);
}

BENCHMARK(attention<false>)->Name("attention/alone")->Apply(lengths);
BENCHMARK(attention<true>)->Name("attention/received")->Apply(lengths);

}  // namespace
