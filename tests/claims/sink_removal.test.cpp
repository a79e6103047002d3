#include "plumb/claims/sink_removal.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/head_rows.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::RowVector;
using plumb::Vector;

namespace {

Eviction<double> eviction(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row)};
}

Eviction<double> draw_eviction() { return eviction(draw_head_row()); }

}  // namespace

TEST_CASE("sink-removal-identity: any row", "[sink-removal-identity][property]") {
  check_property<SinkRemoval>("output", draw_eviction);
  check_property<SinkRemovalDistance>("distance", draw_eviction);
  check_property<SinkRemovalOdds>("odds", draw_eviction);
}

TEST_CASE("sink-removal-identity: tight, broken, vacuous", "[sink-removal-identity][property]") {
  const auto row = head_row(Vector<double>{{3, 0, 1}}, Matrix<double>{{5, 1}, {0, 2}, {-1, 0}});
  check_tight<SinkRemoval>(eviction(row));
  check_tight<SinkRemovalDistance>(eviction(row));
  check_tight<SinkRemovalOdds>(eviction(row));

  // Without the sink's value, but with the weights as they were.
  auto zeroed = eviction(row);
  zeroed.without = row.output - row.weights[0] * row.values.row(0).transpose();
  check_violated<SinkRemoval>(zeroed);
  check_violated<SinkRemovalDistance>(zeroed);
  check_violated<SinkRemovalOdds>(zeroed);
  // Another key removed.
  auto other = row;
  other.sink = 1;
  check_violated<SinkRemoval>({row, plumb::claims::detail::evicted(other)});

  check_vacuous<SinkRemoval>(
      {head_row(Vector<double>::Zero(1), Matrix<double>::Ones(1, 2)), Vector<double>::Ones(2)},
      "one key");
  check_vacuous<SinkRemoval>(
      eviction(head_row(Vector<double>{{900, 0}}, Matrix<double>{{1, 0}, {0, 1}})),
      "takes all the weight");
  check_vacuous<SinkRemovalOdds>(
      eviction(head_row(Vector<double>{{1, 0}}, Matrix<double>::Ones(2, 2))),
      "all values are equal");
}

TEST_CASE("sink-removal-identity: a sink without weight moves nothing",
          "[sink-removal-identity][property]") {
  const auto weak = eviction(head_row(Vector<double>{{-35, 0}}, Matrix<double>{{1, 0}, {0, 1}}));
  check_tight<SinkRemoval>(weak);
  check_vacuous<SinkRemovalDistance>(weak, "no more than rounding");
  check_vacuous<SinkRemovalOdds>(weak, "no more than rounding");
}

TEST_CASE("sink-removal-identity on models in float", "[sink-removal-identity][measured]") {
  check_measured_in_float<SinkRemoval, SinkRemovalDistance, SinkRemovalOdds>();
}

namespace {

OffByOne<double> off_by_one_of(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row), plumb::claims::detail::off_by_one(row)};
}

OffByOne<double> draw_off_by_one() { return off_by_one_of(draw_head_row()); }

}  // namespace

TEST_CASE("sink-as-off-by-one: any row", "[sink-as-off-by-one][property]") {
  check_property<SinkAsOffByOne>("sigmas", draw_off_by_one);
  check_property<SinkAsOffByOneByLogit>("logit", draw_off_by_one);
  property("o_1 = (1 - sigma(-L)) o'", [] {
    const auto in = draw_off_by_one();
    const double rivals = log_sum_exp<double>(without_entry<double>(in.row.logits, in.row.sink));
    const Vector<double> want = plumb::sigmoid(rivals) * in.without;
    RC_ASSERT(distance<double>(in.extra, want) <= 1e-13 * longest<double>(in.row.values));
  });
}

TEST_CASE("sink-as-off-by-one: tight, broken, vacuous", "[sink-as-off-by-one][property]") {
  // A zero key gives logit 0, and with a zero value the sink is the extra 1.
  const auto zero =
      off_by_one_of(head_row(Vector<double>{{0, 1, -2}}, Matrix<double>{{0, 0}, {1, 2}, {-3, 0}}));
  CHECK(SinkAsOffByOne::lhs<double>(zero) <= 1e-15);
  CHECK(SinkAsOffByOne::rhs<double>(zero) <= 1e-15);
  // No rivals to speak of: o is the sink's value, o_1 is zero.
  check_tight<SinkAsOffByOne>(
      off_by_one_of(head_row(Vector<double>{{0, 1}}, Matrix<double>{{3, 1}, {0, 0}})));
  // sigma' is 1/4 about L = 0.
  check_tight<SinkAsOffByOneByLogit>(
      off_by_one_of(head_row(Vector<double>{{1e-3, 0}}, Matrix<double>{{0, 0}, {1, 2}})));

  auto wrong = off_by_one_of(
      head_row(Vector<double>{{0.1, 1, -2}}, Matrix<double>{{0, 0.1}, {1, 2}, {-3, 0}}));
  wrong.extra = wrong.without;  // the rivals alone, without the 1
  check_violated<SinkAsOffByOne>(wrong);
  check_violated<SinkAsOffByOneByLogit>(wrong);
  check_vacuous<SinkAsOffByOne>(
      off_by_one_of(head_row(Vector<double>::Zero(2), Matrix<double>::Zero(2, 2))), "zero");
  auto unseen = wrong;
  unseen.row.sink = -1;
  check_vacuous<SinkAsOffByOneByLogit>(unseen, "does not see the sink");
}

namespace {

/// A head on a causal text, by the library's softmax.
SinkHeadLowRank::Input<double> causal_head(const Matrix<double>& logits,
                                           const Matrix<double>& values) {
  const Index n = values.rows();
  Matrix<double> weights = Matrix<double>::Zero(n, n);
  for (Index t = 0; t < n; ++t) {
    weights.row(t).head(t + 1) =
        head_row(logits.row(t).head(t + 1).transpose(), values.topRows(t + 1)).weights.transpose();
  }
  return {weights * values, weights, values, 0};
}

}  // namespace

TEST_CASE("sink-head-low-rank: any head", "[sink-head-low-rank][property]") {
  check_property<SinkHeadLowRank>("head", [] {
    const Index n = *size(9) + 1, channels = *size(8) + 1;
    Matrix<double> logits = *bounded_matrix<double>(n, n, 3.0);
    logits.col(0).array() += *bounded<double>(5);
    return causal_head(logits, *gaussian<double>(n, channels));
  });
}

TEST_CASE("sink-head-low-rank: tight, broken, vacuous", "[sink-head-low-rank][property]") {
  // Two rivals on either side of a large value of the sink; rows take one or the other.
  SinkHeadLowRank::Input<double> in;
  in.values = Matrix<double>{{1e3, 0}, {1e3, 1}, {1e3, -1}};
  in.weights = Matrix<double>{{0.9, 0.1, 0}, {0.9, 0, 0.1}, {0.9, 0.1, 0}, {0.9, 0, 0.1}};
  in.outputs = in.weights * in.values;
  check_tight<SinkHeadLowRank>(in, 1 - 1e-6);

  auto wrong = in;
  wrong.outputs(1, 1) += 1;
  check_violated<SinkHeadLowRank>(wrong);
  auto unseen = in;
  unseen.weights.row(2) = RowVector<double>{{0, 1, 0}};
  unseen.outputs = unseen.weights * unseen.values;
  check_vacuous<SinkHeadLowRank>(unseen, "does not see the sink");
  auto all = in;
  all.weights = Matrix<double>{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}};
  check_vacuous<SinkHeadLowRank>(all, "one vector");
  check_vacuous<SinkHeadLowRank>(
      causal_head(Matrix<double>::Zero(1, 1), Matrix<double>::Ones(1, 2)),
      "no second singular value");
}
