// The exact split of one channel at one token: matrix-free, and with S_k formed. One thread.
#include "plumb/spike/split.hpp"

#include <benchmark/benchmark.h>

#include "peers.hpp"

namespace {

using namespace plumb::bench;
using plumb::Index;

constexpr Index kChannel = 3;

struct Terms {
  double rank_one, spectral, gating;
};

template <bool kFormed>
Terms terms(const plumb::FeedForward<float>& block, const plumb::spike::QuadraticForm<float>& form,
            const plumb::spike::Eigenpair& pair, const plumb::Vector<double>& x) {
  if constexpr (!kFormed) {
    const auto split = plumb::spike::split<float>(form, pair, x);
    return {split.rank_one, split.spectral, split.gating};
  }
  const Eigen::MatrixXd s = plumb::bench::form(block, kChannel).cast<double>();
  const double along = pair.direction.dot(x), rank_one = pair.lambda * along * along;
  const plumb::Matrix<float> mirrored = -x.transpose().cast<float>();
  return {rank_one, x.dot(s * x) - rank_one, -block.value(mirrored)(0, kChannel)};
}

template <bool kFormed>
void split(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::spike::FeedForwardView<float> view(block);
  const auto form = plumb::spike::quadratic_form(view, kChannel);
  plumb::spike::EigenpairOptions options;
  options.norms = false;
  const auto pair = plumb::spike::leading_eigenpair(form, options);
  const plumb::Vector<double> x = plumb::Vector<double>::Random(state.range(0));
  const Terms ours = terms<false>(block, form, pair, x),
              other = terms<kFormed>(block, form, pair, x);
  const double mass = plumb::spike::split<float>(form, pair, x).mass;
  if (std::abs(ours.spectral - other.spectral) > 1e-4 * mass ||
      std::abs(ours.gating - other.gating) > 1e-4 * mass) {
    state.SkipWithError("the two ways disagree");
    return;
  }
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(terms<kFormed>(block, form, pair, x));
  }
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"d", "f"})->Args({512, 1376})->Args({1024, 2816})->Unit(benchmark::kMillisecond);
}

BENCHMARK(split<false>)->Name("split/plumb")->Apply(sizes);
BENCHMARK(split<true>)->Name("split/formed")->Apply(sizes);

}  // namespace
