// The census of a vocabulary: in batches, and one pass of length one a token. One thread.
#include "plumb/spike/census.hpp"

#include <benchmark/benchmark.h>

#include "peers.hpp"
#include "plumb/model/planted.hpp"

namespace {

using plumb::Index;

plumb::planted::Plan plan() {
  plumb::planted::Plan plan;
  plan.hidden_size = 256;
  plan.feed_forward_size = 688;
  plan.vocab_size = 512;
  return plan;
}

template <bool kBatches>
void census(benchmark::State& state) {
  plumb::bench::single_thread();
  const plumb::Decoder<float> model(plumb::planted::make(plan()).checkpoint);
  plumb::spike::CensusOptions options;
  if (!kBatches) options.memory = 1;
  const auto found = plumb::spike::census(model, options);
  if (found.exceptions != plumb::TokenIds{0, 1}) {
    state.SkipWithError("does not find the planted tokens");
    return;
  }
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(plumb::spike::census(model, options).share);
  }
  state.SetItemsProcessed(state.iterations() * found.tokens());
}

BENCHMARK(census<true>)->Name("census/batches")->Unit(benchmark::kMillisecond);
BENCHMARK(census<false>)->Name("census/token_by_token")->Unit(benchmark::kMillisecond);

}  // namespace
