// S_k as an operator, beside the same products in two passes over the weights; and ||S_k||_F of all
// channels by Gram matrices, beside forming S_k of each. One thread.
#include "plumb/spike/quadratic_form.hpp"

#include <benchmark/benchmark.h>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "peers.hpp"

namespace {

using namespace plumb::bench;
using plumb::Index;
using Vector = plumb::Vector<float>;

template <bool kOurs>
void apply(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::spike::FeedForwardView<float> view(block);
  const auto form = plumb::spike::quadratic_form(view, 3);
  const Operator peer{block, 3};
  const Vector x = Vector::Random(state.range(0));
  Vector product(x.size());
  peer.perform_op(x.data(), product.data());
  if ((form.apply<float>(x) - product).norm() > 1e-4F * product.norm()) {
    state.SkipWithError("the two products disagree");
    return;
  }
  for ([[maybe_unused]] auto turn : state) {
    if constexpr (kOurs) {
      product = form.apply<float>(x);
    } else {
      peer.perform_op(x.data(), product.data());
    }
    benchmark::DoNotOptimize(product.data());
  }
  // Both weights once; the peer reads them twice, which does not count.
  state.SetBytesProcessed(state.iterations() * 2 * state.range(0) * state.range(1) *
                          static_cast<Index>(sizeof(float)));
}

void norms(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::spike::FeedForwardView<float> view(block);
  std::vector<plumb::spike::FormNorms> found;
  for ([[maybe_unused]] auto turn : state) {
    const auto start = std::chrono::steady_clock::now();
    found = plumb::spike::form_norms(view);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(spent.count());
  }
  const double dense = form(block, 3).cast<double>().norm();
  if (std::abs(found[3].form - dense) > 1e-4 * dense) {
    state.SkipWithError("the two norms disagree");
  }
}

/// The time of one channel, scaled to all of them.
void form_each(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  for ([[maybe_unused]] auto turn : state) {
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(form(block, 3).norm());
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(spent.count() * static_cast<double>(block.down.rows()));
  }
  state.SetLabel("extrapolated from 1 of " + std::to_string(block.down.rows()) + " channels");
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"d", "f"})->Args({512, 1376})->Args({1024, 2816})->Unit(benchmark::kMillisecond);
}

BENCHMARK(apply<true>)->Name("apply/plumb")->Apply(sizes);
BENCHMARK(apply<false>)->Name("apply/two_passes")->Apply(sizes);
BENCHMARK(norms)->Name("all_norms/plumb")->Apply(sizes)->UseManualTime();
BENCHMARK(form_each)->Name("all_norms/form")->Apply(sizes)->UseManualTime();

}  // namespace
