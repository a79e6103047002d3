// The leading eigenpair of one channel: ours, Spectra on the same operator, and S_k formed and
// given to LAPACK. One thread.
#include "plumb/spike/eigenpair.hpp"

#include <benchmark/benchmark.h>

#include "peers.hpp"

namespace {

using namespace plumb::bench;
using plumb::Index;

enum class By { plumb, spectra, ssyevr, ssyevd };

double lambda(By by, const plumb::spike::QuadraticForm<float>& form,
              const plumb::FeedForward<float>& block) {
  plumb::spike::EigenpairOptions options;
  options.norms = options.second = false;
  switch (by) {
    case By::plumb: return plumb::spike::leading_eigenpair(form, options).lambda;
    case By::spectra: return by_spectra(block, form.channel, 1e-5F);
    case By::ssyevr: return by_ssyevr(plumb::bench::form(block, form.channel));
    case By::ssyevd: return by_ssyevd(plumb::bench::form(block, form.channel));
  }
  return 0;
}

template <By kBy>
void eigenpair(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::spike::FeedForwardView<float> view(block);
  const auto form = plumb::spike::quadratic_form(view, 3);
  if (!agree(lambda(kBy, form, block), by_ssyevd(plumb::bench::form(block, 3)), 1e-4)) {
    state.SkipWithError("disagrees with ssyevd");
    return;
  }
  for ([[maybe_unused]] auto turn : state) benchmark::DoNotOptimize(lambda(kBy, form, block));
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"d", "f"})->Args({512, 1376})->Args({1024, 2816})->Unit(benchmark::kMillisecond);
}

BENCHMARK(eigenpair<By::plumb>)->Name("eigenpair/plumb")->Apply(sizes);
BENCHMARK(eigenpair<By::spectra>)->Name("eigenpair/spectra")->Apply(sizes);
BENCHMARK(eigenpair<By::ssyevr>)->Name("eigenpair/form+ssyevr")->Apply(sizes);
BENCHMARK(eigenpair<By::ssyevd>)->Name("eigenpair/form+ssyevd")->Apply(sizes);

}  // namespace
