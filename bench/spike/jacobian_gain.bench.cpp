// The five largest singular triplets of the feed-forward Jacobian at one token: ours on the folded
// map, and J formed and given to LAPACK's sgesdd. One thread.
#include "plumb/spike/jacobian_gain.hpp"

#include <benchmark/benchmark.h>

#include "peers.hpp"

namespace {

using namespace plumb::bench;
using plumb::Index;
using Values = plumb::Vector<double>;

constexpr Index kCount = 5;

Values ours(const plumb::FeedForward<float>& block, const plumb::Vector<float>& x) {
  plumb::spike::SingularOptions options;
  options.count = kCount;
  return plumb::spike::high_gain_directions(plumb::spike::jacobian_map<float>(block, x), options)
      .values;
}

Values by_sgesdd(const plumb::FeedForward<float>& block, const plumb::Vector<float>& x) {
  Eigen::MatrixXf j = block.jacobian(x);
  const auto n = static_cast<lapack_int>(j.rows());
  Eigen::MatrixXf left(n, n), right(n, n);
  Eigen::VectorXf values(n);
  LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'S', n, n, j.data(), n, values.data(), left.data(), n,
                 right.data(), n);
  return values.head(kCount).cast<double>();
}

template <bool kOurs>
void jacobian(benchmark::State& state) {
  single_thread();
  const auto block = weights(state.range(0), state.range(1));
  const plumb::Vector<float> x = plumb::Vector<float>::Random(state.range(0));
  const Values got = kOurs ? ours(block, x) : by_sgesdd(block, x);
  const Values want = by_sgesdd(block, x);
  if (got.size() != kCount || (got - want).cwiseAbs().maxCoeff() > 1e-4 * want[0]) {
    state.SkipWithError("disagrees with sgesdd");
    return;
  }
  for ([[maybe_unused]] auto turn : state) {
    Values values = kOurs ? ours(block, x) : by_sgesdd(block, x);
    benchmark::DoNotOptimize(values.data());
  }
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"d", "f"})->Args({512, 1376})->Args({1024, 2816})->Unit(benchmark::kMillisecond);
}

BENCHMARK(jacobian<true>)->Name("jacobian_top_5/plumb")->Apply(sizes);
BENCHMARK(jacobian<false>)->Name("jacobian_top_5/form+sgesdd")->Apply(sizes);

}  // namespace
