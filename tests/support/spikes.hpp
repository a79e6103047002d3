#pragma once

#include <numeric>
#include <vector>

#include "plumb/model/norm.hpp"
#include "support/generators.hpp"

/// Rows with spikes, and what an RMSNorm makes of them.
namespace plumb::test {

using Channels = std::vector<Index>;

inline Vector<double> read(const Vector<double>& h, double eps, const Vector<double>& gain) {
  return RmsNorm<double>{gain, eps}.value(h.transpose()).row(0).transpose();
}

inline Vector<double> read(const Vector<double>& h, double eps) {
  return read(h, eps, Vector<double>::Ones(h.size()));
}

/// Between one channel and all but one.
inline Channels draw_channels(Index d) {
  Channels channels(static_cast<std::size_t>(*rc::gen::inRange<Index>(1, d)));
  std::iota(channels.begin(), channels.end(), 0);
  return channels;
}

/// A row of any size, with a spike of any size beside the rest.
inline Vector<double> draw_row(Index d, const Channels& channels) {
  Vector<double> h = *gaussian_vector<double>(d);
  const double size = *magnitude<double>(1e-2, 1e4);
  for (const Index k : channels) h[k] *= size;
  return h * *magnitude<double>(1e-3, 1e3);
}

inline double draw_eps() { return *rc::gen::element(0.0, 1e-6, 1.0); }

}  // namespace plumb::test
