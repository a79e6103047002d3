#include "plumb/spike/jacobian_gain.hpp"

#include <Eigen/SVD>
#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

FeedForward<double> some_block(Index hidden, Index neurons) {
  return {*weights<double>(neurons, hidden), *weights<double>(neurons, hidden),
          *weights<double>(hidden, neurons)};
}

Norm<double> some_norm(Index hidden) {
  const Vector<double> gain = *gaussian_vector<double>(hidden);
  switch (*rc::gen::inRange(0, 3)) {
    case 0: return {NoNorm<double>{}};
    case 1: return {RmsNorm<double>{gain, 1e-3}};
    default: return {DynamicTanh<double>{gain, 0.7}};
  }
}

/// Rounding of J v: two products, of a J in which nothing cancels.
double allowance(const FeedForward<double>& block, const Vector<double>& x) {
  const double n = 3 * (roundings(x.size()) + roundings(block.neurons())) + 60;
  const double gate = block.gate.norm(), up = block.up.norm();
  return gamma<double>(n) * 2.1 * block.down.norm() * gate * up * x.norm() * (1 + gate * x.norm());
}

}  // namespace

TEST_CASE("the folded map is the Jacobian of the block, and its transpose") {
  property("at any point", [] {
    const Index hidden = *size(), neurons = *size();
    const auto block = some_block(hidden, neurons);
    const auto x = *gaussian_vector<double>(hidden), v = *gaussian_vector<double>(hidden);
    const auto map = jacobian_map<double>(block, x);
    const Matrix<double> j = block.jacobian(x);
    const double allowed = allowance(block, x) * v.norm();
    RC_ASSERT(mismatch(map.apply(v), j * v, allowed) == "");
    RC_ASSERT(mismatch(map.transposed(v), j.transpose() * v, allowed) == "");
    RC_ASSERT(
        mismatch(map.apply(v), block.jvp(x.transpose(), v.transpose()).transpose(), allowed) == "");
  });
}

TEST_CASE("with a norm in front it is the Jacobian of both") {
  property("for every kind of norm", [] {
    const Index hidden = *size(), neurons = *size();
    const auto block = some_block(hidden, neurons);
    const auto norm = some_norm(hidden);
    const auto h = *gaussian_vector<double>(hidden), v = *gaussian_vector<double>(hidden);
    const auto map = jacobian_map<double>(norm, block, h);
    const Matrix<double> row = h.transpose();
    const Vector<double> x = norm.value(row).row(0).transpose();
    const Matrix<double> inner = norm.jacobian(h);
    const Vector<double> want = block.jacobian(x) * (inner * v);
    const double allowed = 4 * allowance(block, x) * (1 + inner.norm()) * (v.norm() + 1) + 1e-300;
    RC_ASSERT(mismatch(map.apply(v), want, allowed) == "");
    RC_ASSERT(mismatch(map.transposed(v), inner.transpose() * (block.jacobian(x).transpose() * v),
                       allowed) == "");
  });
}

TEST_CASE("high-gain directions are the singular vectors of the dense Jacobian") {
  Engine engine(3);
  const Index hidden = 40, neurons = 90;
  const FeedForward<double> block{draw_gaussian<double>(engine, neurons, hidden, 0.3),
                                  draw_gaussian<double>(engine, neurons, hidden, 0.3),
                                  draw_gaussian<double>(engine, hidden, neurons, 0.3)};
  const Vector<double> x = draw_gaussian<double>(engine, hidden, 1);
  SingularOptions options;
  options.count = 5;
  const auto found = high_gain_directions(jacobian_map<double>(block, x), options);
  const Eigen::JacobiSVD<Eigen::MatrixXd> dense(block.jacobian(x), Eigen::ComputeFullV);
  CHECK(found.status == SingularStatus::converged);
  for (Index i = 0; i < 5; ++i) {
    const double sigma = dense.singularValues()[i];
    CHECK(mismatch(found.values[i], sigma, found.residual[i] + 1e-13 * sigma) == "");
    CHECK(alignment(found.right.row(i).transpose(), dense.matrixV().col(i)) > 1 - 1e-10);
  }

  const FeedForward<float> narrow = block.cast<float>();
  const Vector<float> narrow_x = x.cast<float>();
  const auto single = high_gain_directions(jacobian_map<float>(narrow, narrow_x), options);
  CHECK(single.status == SingularStatus::converged);
  CHECK(mismatch(single.values, found.values, 2e-5 * found.values[0]) == "");
}

TEST_CASE("the symmetric part's ends are those of a dense solver") {
  property("for any block", [] {
    const Index hidden = *size();
    const auto block = some_block(hidden, *size());
    const auto x = *gaussian_vector<double>(hidden);
    const auto gain = symmetric_gain(jacobian_map<double>(block, x));
    const Matrix<double> j = block.jacobian(x);
    const Eigen::SelfAdjointEigenSolver<Matrix<double>> dense((j + j.transpose()) / 2);
    RC_ASSERT(gain.status == SingularStatus::converged);
    const double rounding = allowance(block, x) + gamma<double>(100) * j.norm();
    const auto& values = dense.eigenvalues();
    RC_ASSERT(mismatch(gain.high.value, values[hidden - 1], gain.high.residual + rounding) == "");
    RC_ASSERT(mismatch(gain.low.value, values[0], gain.low.residual + rounding) == "");
    RC_ASSERT(gain.leading().value == gain.high.value || gain.leading().value == gain.low.value);
    RC_ASSERT(std::abs(gain.leading().value) >= std::abs(gain.high.value));
  });
}

TEST_CASE("on a planted spike token the right vector is s and the left one the channel ratios") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  const auto layer = model.layer(planted.plan.step_up_layer);
  const auto pass = trace(model, {0, 5, 6}, TraceOptions{.attention = false});
  const Vector<double> h = pass.middle(planted.plan.step_up_layer).row(0).transpose();
  const Matrix<double> row = h.transpose();

  const Vector<double> x = layer.feed_forward_pre_norm.value(row).row(0).transpose();
  const auto found = high_gain_directions(jacobian_map<double>(layer.feed_forward, x));
  const auto& gain = std::get<RmsNorm<double>>(layer.feed_forward_pre_norm.kind).gain;
  const Vector<double> read =
      planted.direction.cwiseQuotient(gain);  // s, as the raw weights see it
  CHECK(alignment(found.right.row(0).transpose(), read) > 1 - 1e-6);
  Vector<double> pattern = Vector<double>::Zero(h.size());
  for (std::size_t c = 0; c < planted.channels.size(); ++c) {
    pattern[planted.channels[c]] = planted.plan.channel_ratios[c];
  }
  CHECK(alignment(found.left.row(0).transpose(), pattern) > 1 - 1e-6);

  // Of norm and block together: s without its part along h, because the norm divides by |h|.
  const auto& norm = layer.feed_forward_pre_norm;
  const auto both = high_gain_directions(jacobian_map<double>(norm, layer.feed_forward, h));
  const Vector<double> s = planted.direction - h * h.dot(planted.direction) / h.squaredNorm();
  CHECK(alignment(both.right.row(0).transpose(), s) > 1 - 1e-4);
}

TEST_CASE("weights of zero have no gain, and shapes that do not fit throw") {
  const FeedForward<double> zero{Matrix<double>::Zero(4, 3), Matrix<double>::Zero(4, 3),
                                 Matrix<double>::Zero(3, 4)};
  const Vector<double> x = Vector<double>::Ones(3);
  const auto map = jacobian_map<double>(zero, x);
  CHECK(high_gain_directions(map).values[0] == 0);
  const auto gain = symmetric_gain(map);
  CHECK(gain.status == SingularStatus::converged);
  CHECK(gain.leading().value == 0);

  CHECK_THROWS_AS(jacobian_map<double>(zero, Vector<double>::Ones(4)), shape_error);
  CHECK_THROWS_AS(map.apply(Vector<double>::Ones(4)), shape_error);
  CHECK_THROWS_AS(map.transposed(Vector<double>::Ones(2)), shape_error);
  FeedForward<double> narrow = zero;
  narrow.down = Matrix<double>::Zero(2, 4);
  CHECK_THROWS_AS(symmetric_gain(jacobian_map<double>(narrow, x)), shape_error);

  FeedForward<double> broken = zero;
  broken.down.setOnes();
  broken.up.setOnes();
  broken.gate(1, 1) = std::nan("");
  CHECK(symmetric_gain(jacobian_map<double>(broken, x)).status == SingularStatus::not_finite);
}

TEST_CASE("alignment is the cosine without its sign") {
  CHECK(alignment(Vector<double>{{1, 0}}, Vector<double>{{-3, 0}}) == 1);
  CHECK(alignment(Vector<double>{{1, 0}}, Vector<double>{{0, 2}}) == 0);
  CHECK(alignment(Vector<double>{{1, 1}}, Vector<double>{{2, 0}}) == Approx(std::sqrt(0.5)));
  CHECK(alignment(Vector<double>{{0, 0}}, Vector<double>{{0, 2}}) == 0);
  CHECK_THROWS_AS(alignment(Vector<double>::Ones(2), Vector<double>::Ones(3)), shape_error);
}
