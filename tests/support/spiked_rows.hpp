#pragma once

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "support/generators.hpp"

namespace plumb::test {

/// Rows that share spike channels, as residual rows of spike tokens do.
struct SpikedRows {
  Matrix<double> rows;
  std::vector<Index> channels;
  double eps;
};

/// d in 2..24 channels, 1 <= c < d of them with a spike, whose size is uniform in its logarithm
/// from 0.3 to 3000, and whose channels have fixed ratios up to a deviation of any size; rest
/// Gaussian; eps 0, usual, or as large as the row.
inline SpikedRows draw_spiked_rows(Engine& engine, Index tokens) {
  const auto below = [&](Index n) {
    return std::uniform_int_distribution<Index>(0, n - 1)(engine);
  };
  const Index d = 2 + below(23), c = 1 + below(std::min<Index>(d - 1, 4));
  std::vector<Index> order(static_cast<std::size_t>(d));
  std::iota(order.begin(), order.end(), Index{0});
  std::shuffle(order.begin(), order.end(), engine);

  SpikedRows drawn;
  drawn.channels.assign(order.begin(), order.begin() + c);
  const double choices[] = {0, 1e-6, 1e-2, 10};
  drawn.eps = choices[below(4)];
  drawn.rows = draw_gaussian<double>(engine, tokens, d);
  const Vector<double> ratios = draw_gaussian<double>(engine, c, 1).col(0);
  const double deviation = draw_magnitude(engine, 1e-4, 1.0);
  for (Index t = 0; t < tokens; ++t) {
    const double size = draw_magnitude(engine, 0.3, 3e3);
    const Vector<double> spike =
        size * (ratios + deviation * draw_gaussian<double>(engine, c, 1).col(0));
    for (Index i = 0; i < c; ++i)
      drawn.rows(t, drawn.channels[static_cast<std::size_t>(i)]) = spike[i];
  }
  return drawn;
}

/// u = h / sqrt(mean(h^2) + eps), row by row: the definition.
inline Matrix<double> rms_normalised(const Matrix<double>& h, double eps) {
  Matrix<double> u = h;
  for (Index t = 0; t < h.rows(); ++t) {
    double sum = 0;
    for (Index i = 0; i < h.cols(); ++i) sum += h(t, i) * h(t, i);
    u.row(t) /= std::sqrt(sum / static_cast<double>(h.cols()) + eps);
  }
  return u;
}

}  // namespace plumb::test
