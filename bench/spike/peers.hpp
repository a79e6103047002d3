#pragma once

#include <Spectra/SymEigsSolver.h>
#include <algorithm>
#include <cmath>
#include <lapacke.h>
#include <random>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/feed_forward.hpp"

extern "C" void openblas_set_num_threads(int);

/// What others do with the same matrices. Everything runs in one thread.
namespace plumb::bench {

inline void single_thread() {
  set_threads(1);
  openblas_set_num_threads(1);
}

/// Gaussian weights of the size that keeps activations at theirs: a flat spectrum, the hardest one.
inline FeedForward<float> weights(Index hidden, Index neurons) {
  std::mt19937_64 engine(1);
  std::normal_distribution<float> normal;
  const auto draw = [&](Index rows, Index cols) {
    const float scale = 1 / std::sqrt(static_cast<float>(cols));
    return Matrix<float>(
        Matrix<float>::NullaryExpr(rows, cols, [&] { return scale * normal(engine); }));
  };
  FeedForward<float> block;
  block.gate = draw(neurons, hidden);
  block.up = draw(neurons, hidden);
  block.down = draw(hidden, neurons);
  return block;
}

/// S_k itself, by one matrix product.
inline Eigen::MatrixXf form(const FeedForward<float>& block, Index channel) {
  const Eigen::MatrixXf u =
      block.gate.transpose() * (block.down.row(channel).asDiagonal() * block.up);
  return (u + u.transpose()) / 2;
}

/// The eigenvalue of largest magnitude, from all of them and their vectors.
inline float by_ssyevd(Eigen::MatrixXf s) {
  const auto n = static_cast<lapack_int>(s.rows());
  Eigen::VectorXf values(n);
  LAPACKE_ssyevd(LAPACK_COL_MAJOR, 'V', 'L', n, s.data(), n, values.data());
  return -values[0] > values[n - 1] ? values[0] : values[n - 1];
}

/// The same from the two ends of the spectrum, with their vectors.
inline float by_ssyevr(const Eigen::MatrixXf& s) {
  const auto n = static_cast<lapack_int>(s.rows());
  const auto end = [&](lapack_int i) {
    Eigen::MatrixXf copy = s;
    Eigen::VectorXf values(n), vector(n);
    lapack_int found = 0, support[2];
    LAPACKE_ssyevr(LAPACK_COL_MAJOR, 'V', 'I', 'L', n, copy.data(), n, 0, 0, i, i, 0, &found,
                   values.data(), vector.data(), n, support);
    return values[0];
  };
  const float low = end(1), high = end(n);
  return -low > high ? low : high;
}

/// S_k as Spectra wants an operator: two passes over the weights.
struct Operator {
  using Scalar = float;
  const FeedForward<float>& block;
  Index channel;

  Index rows() const { return block.gate.cols(); }
  Index cols() const { return rows(); }
  void perform_op(const float* in, float* out) const {
    const Eigen::Map<const Vector<float>> x(in, rows());
    const Vector<float> w = block.down.row(channel).transpose() / 2;
    const Vector<float> z = w.cwiseProduct(block.up * x), y = w.cwiseProduct(block.gate * x);
    Eigen::Map<Vector<float>> product(out, rows());
    product.noalias() = block.gate.transpose() * z;
    product.noalias() += block.up.transpose() * y;
  }
};

inline float by_spectra(const FeedForward<float>& block, Index channel, float tolerance) {
  Operator op{block, channel};
  Spectra::SymEigsSolver<Operator> solver(op, 1, 24);
  solver.init();
  solver.compute(Spectra::SortRule::LargestMagn, 1000, tolerance);
  return solver.info() == Spectra::CompInfo::Successful ? solver.eigenvalues()[0] : 0.0F;
}

/// Both ends may tie, so sizes are compared.
inline bool agree(double a, double b, double tolerance) {
  return std::abs(std::abs(a) - std::abs(b)) <= tolerance * std::abs(b);
}

}  // namespace plumb::bench
