#include "plumb/spike/joint_direction.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "plumb/spike/eigenpair.hpp"
#include "support/close.hpp"
#include "support/forms.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

/// ||B(x)||, B_k(x) = x' S_k x, with dense forms.
double size_at(const Weights<double>& block, const Vector<double>& x) {
  double squares = 0;
  for (Index k = 0; k < block.down.rows(); ++k) {
    const double b = x.dot(form_twin(block, k) * x);
    squares += b * b;
  }
  return std::sqrt(squares);
}

/// S = diag(1, -1) in one channel: gate and up rows e_0, e_1, weights 1, -1.
Weights<double> saddle() {
  return {Matrix<double>::Identity(2, 2), Matrix<double>::Identity(2, 2),
          RowVector<double>{{1, -1}}, Vector<double>::Ones(2)};
}

}  // namespace

TEST_CASE("a planted amplifier of several channels is found, with the ratios of its column") {
  for (const double c : {0.9, -0.9}) {
    Engine engine(3);
    auto block = draw_weights<double>(engine, 24, 30, 5);
    block.gain.setOnes();
    block.down *= 1e-4;
    plant_neuron(block, 7, 4, c, 3);
    block.down.col(7) << 2, 0, -1, 0, 0.5;
    const auto joint = joint_direction(block.view());
    CHECK(joint.converged);
    const Vector<double> s = leading_eigenpair(block.form(0)).direction;
    CHECK(std::abs(joint.direction.dot(s)) > 1 - 1e-6);
    CHECK(mismatch(joint.writes[2] / joint.writes[0], -0.5, 1e-3) == "");
    CHECK(mismatch(joint.size, size_at(block, joint.direction), 1e-12 * joint.size) == "");
  }
}

TEST_CASE("the shift avoids the 2-cycle of diag(1, -1)") {
  const auto block = saddle();
  for (const double angle : {0.1, 0.5, 0.7, 0.7853, 1.0, 1.5}) {
    const Vector<double> start{{std::cos(angle), std::sin(angle)}};
    const auto joint = joint_direction(block.view(), start);
    INFO("angle " << angle);
    CHECK(joint.converged);
    CHECK(mismatch(joint.size, 1, 1e-12) == "");
  }
}

TEST_CASE("the size never falls below that of the start, and the end is stationary") {
  property("on Gaussian blocks", [] {
    const Index hidden = *size();
    const auto block = *some_weights<double>(hidden, *size(), 3);
    const Vector<double> start = *gaussian_vector<double>(hidden);
    RC_PRE(start.norm() > 0);
    const auto joint = joint_direction(block.view(), start);
    const double mass = mass_twin(block, 0) + mass_twin(block, 1) + mass_twin(block, 2);
    const double slack = 1e-9 * mass;
    RC_ASSERT(joint.size >= size_at(block, start.normalized()) - slack);
    RC_ASSERT(mismatch(joint.size, size_at(block, joint.direction), slack) == "");
    RC_ASSERT(mismatch(joint.direction.norm(), 1, 1e-13) == "");
    if (!joint.converged) return;
    // Along a circle through x the size is stationary: off by what the residual allows.
    const Vector<double> across =
        Vector<double>::Ones(hidden) - joint.direction.sum() * joint.direction;
    const double step = 1e-4;
    const Vector<double> there = (joint.direction + step * across).normalized();
    const Vector<double> back = (joint.direction - step * across).normalized();
    const double change = std::abs(size_at(block, there) - size_at(block, back));
    RC_ASSERT(change <= 1e-6 * mass * (1 + across.squaredNorm()));
  });
}

TEST_CASE("tiny-llama: the joint direction of layer 0 is that of channel 61") {
  const Decoder<double> model(Checkpoint::open(trained_checkpoints().front().string()));
  const auto layer = model.layer(0);
  const FeedForwardView view(layer);
  const auto joint = joint_direction(view);
  CHECK(joint.converged);
  Index channel = 0;
  joint.writes.cwiseAbs().maxCoeff(&channel);
  CHECK(channel == 61);
  const Vector<double> s = leading_eigenpair(quadratic_form(view, 61)).direction;
  CHECK(std::abs(joint.direction.dot(s)) > 0.999);
}

TEST_CASE("blocks of zero and starts that are none") {
  const Matrix<double> some = Matrix<double>::Ones(2, 2), zero = Matrix<double>::Zero(2, 2), none;
  for (const auto& joint : {joint_direction(FeedForwardView(some, some, zero)),
                            joint_direction(FeedForwardView(zero, some, some))}) {
    CHECK_FALSE(joint.converged);
    CHECK(joint.size == 0);
    CHECK(joint.direction.allFinite());
  }
  const FeedForwardView view(some, some, some);
  CHECK_THROWS_WITH(joint_direction(view, Vector<double>::Zero(2)),
                    "joint_direction: start is zero");
  CHECK_THROWS_WITH(joint_direction(view, Vector<double>::Ones(3)),
                    "joint_direction: start is 3, expected 2");
  CHECK_THROWS_WITH(joint_direction(FeedForwardView(none, some, some)),
                    "joint_direction: the feed-forward block has no gate");
}
