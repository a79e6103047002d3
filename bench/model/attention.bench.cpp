// The attention block: ours, and the textbook form that holds whole (T, T) maps in Eigen.
#include "plumb/model/attention.hpp"

#include <benchmark/benchmark.h>
#include <cmath>

namespace {

using plumb::Index;
using Matrix = plumb::Matrix<float>;

constexpr Index kHeads = 8;
constexpr Index kKvHeads = 2;
constexpr Index kHeadDim = 64;
constexpr Index kHidden = kHeads * kHeadDim;

plumb::Attention<float> block() {
  plumb::Attention<float> attention;
  attention.heads = kHeads;
  attention.kv_heads = kKvHeads;
  attention.head_dim = kHeadDim;
  attention.scale = 1 / std::sqrt(double{kHeadDim});
  attention.query = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.key = Matrix::Random(kKvHeads * kHeadDim, kHidden) * 0.05F;
  attention.values = Matrix::Random(kKvHeads * kHeadDim, kHidden) * 0.05F;
  attention.output = Matrix::Random(kHidden, kHidden) * 0.05F;
  attention.rotary = {kHeadDim, 1e4, plumb::RotaryPairing::half_split};
  return attention;
}

/// Whole maps, masked after the product.
Matrix textbook(const plumb::Attention<float>& a, const Matrix& x,
                const plumb::Sequence& sequence) {
  Matrix q = x * a.query.transpose();
  Matrix k = x * a.key.transpose();
  const Matrix v = x * a.values.transpose();
  a.rotary.apply(q, sequence.positions);
  a.rotary.apply(k, sequence.positions);
  Matrix mixed(x.rows(), kHidden);
  for (Index h = 0; h < kHeads; ++h) {
    const Index kv = a.kv_head(h);
    Matrix map = q.middleCols(h * kHeadDim, kHeadDim) *
                 k.middleCols(kv * kHeadDim, kHeadDim).transpose() * static_cast<float>(a.scale);
    for (Index t = 0; t < x.rows(); ++t) {
      auto row = map.row(t);
      row.tail(x.rows() - t - 1).setConstant(-1e30F);
      row.array() = (row.array() - row.maxCoeff()).exp();
      row /= row.sum();
    }
    mixed.middleCols(h * kHeadDim, kHeadDim).noalias() =
        map * v.middleCols(kv * kHeadDim, kHeadDim);
  }
  return mixed * a.output.transpose();
}

template <bool kOurs>
void attention(benchmark::State& state) {
  const auto a = block();
  const Matrix x = Matrix::Random(state.range(0), kHidden);
  const auto sequence = plumb::Sequence::causal(x.rows());
  const Matrix expected = textbook(a, x, sequence);
  if ((a.value(x, sequence) - expected).norm() > 1e-4F * expected.norm()) {
    state.SkipWithError("the two forms disagree");
    return;
  }
  for ([[maybe_unused]] auto turn : state) {
    Matrix y = kOurs ? a.value(x, sequence) : textbook(a, x, sequence);
    benchmark::DoNotOptimize(y.data());
  }
  state.SetItemsProcessed(state.iterations() * x.rows());
}

BENCHMARK(attention<true>)->Name("attention/plumb")->RangeMultiplier(4)->Range(64, 1024);
BENCHMARK(attention<false>)->Name("attention/textbook")->RangeMultiplier(4)->Range(64, 1024);

}  // namespace
