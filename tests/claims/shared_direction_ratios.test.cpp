#include "plumb/claims/shared_direction_ratios.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/neurons.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// Writes of one strong neuron and a few weak ones into some channels.
SharedNeuron<double> draw_shared() {
  const Index channels = *size(6) + 1, f = *size(6);
  const Matrix<double> down = *gaussian<double>(channels, f);
  Vector<double> neurons = *gaussian_vector<double>(f);
  neurons[0] *= 30;
  SharedNeuron<double> in{down * neurons, down.col(0), {}, {}, {}};
  in.rounding = gamma(f + 4) * (down.cwiseAbs() * neurons.cwiseAbs());
  neurons[0] = 0;
  in.others = down * neurons;
  return in;
}

}  // namespace

TEST_CASE("shared-direction-ratios: any writes", "[shared-direction-ratios][property]") {
  check_property<SharedRatio>("ratio", draw_shared);
  check_property<SharedAngle>("angle", draw_shared);
}

TEST_CASE("shared-direction-ratios: tight, broken, vacuous",
          "[shared-direction-ratios][property]") {
  // F = 10 W + e with e of opposite sign, and orthogonal to W.
  const Vector<double> column = vec({1, 0.5}), others = vec({0.5, -1});
  const SharedNeuron<double> in{
      10 * column + others, column, others, Vector<double>::Constant(2, 1e-14), {}};
  check_tight<SharedRatio>(in, 1 - 1e-12);
  check_tight<SharedAngle>(in, 1 - 1e-12);
  auto wrong = in;  // another channel's column
  wrong.column = vec({1, -0.5});
  check_violated<SharedRatio>(wrong);
  check_violated<SharedAngle>(wrong);
  auto weak = in;
  weak.column.setZero();
  weak.others.setConstant(std::nan(""));
  check_needs_assumption<SharedRatio>(weak, "none of the channels");
  check_needs_assumption<SharedAngle>(weak, "none of the channels");
  auto overruled = in;
  overruled.others *= 100;
  CHECK(judge<SharedRatio>(overruled).reason == "the other neurons write as much");
  CHECK(judge<SharedAngle>(overruled).reason == "the other neurons write as much");
}
