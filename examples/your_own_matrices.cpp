// plumb without a checkpoint: a feed-forward block of your own three matrices, its value and its
// derivatives, and what the norm in front of it does to a spike.
#include <cstdio>

#include "plumb/model/feed_forward.hpp"
#include "plumb/model/norm.hpp"

int main() {
  using plumb::Matrix;
  // One neuron that reads the direction (1, 1, 0, 0) and writes into the last channel.
  plumb::FeedForward<double> block{Matrix<double>(1, 4), Matrix<double>(1, 4),
                                   Matrix<double>(4, 1)};
  block.gate << 3, 3, 0, 0;
  block.up << 3, 3, 0, 0;
  block.down << 0, 0, 0, 2;

  // Twice the input, four times the output: the block is a quadratic amplifier.
  Matrix<double> x(3, 4);
  x << 1, 1, 0, 0,  //
      2, 2, 0, 0,   //
      -1, -1, 0, 0;
  const Matrix<double> write = block.value(x);
  std::printf("F(x) = %.2f, F(2x) = %.2f, F(-x) = %.4f\n", write(0, 3), write(1, 3), write(2, 3));

  // Its Jacobian at x, times x itself, is twice F: the degree is two.
  const Matrix<double> along = block.jvp(x, x);
  std::printf("degree at 2x: %.4f\n", along(1, 3) / write(1, 3));

  // After RMSNorm a spike is sqrt(d) at most, whatever its size.
  const plumb::RmsNorm<double> norm{plumb::Vector<double>::Ones(4), 1e-6};
  Matrix<double> spikes(2, 4);
  spikes << 1, -1, 1, 100,  //
      1, -1, 1, 10000;
  const Matrix<double> read = norm.value(spikes);
  std::printf("normalised spikes of 100 and 10000: %.4f and %.4f\n", read(0, 3), read(1, 3));
}
