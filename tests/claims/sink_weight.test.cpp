#include "plumb/claims/sink_weight.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "support/evidence.hpp"
#include "support/head_rows.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// A weight of the sink that no softmax makes of the logits.
HeadRow<double> with_weight(HeadRow<double> row, double target) {
  const double before = row.weights[row.sink];
  row.weights *= (1 - target) / (1 - before);
  row.weights[row.sink] = target;
  return row;
}

SinkWeightByGroups::Input<double> grouped(const HeadRow<double>& row, std::vector<Index> group) {
  return {row, std::move(group)};
}

SinkWeightByGroups::Input<double> draw_grouped() {
  auto row = draw_head_row();
  const auto n = static_cast<std::size_t>(row.logits.size());
  return {row, *rc::gen::container<std::vector<Index>>(n, rc::gen::inRange<Index>(0, 4))};
}

std::vector<Index> one_each(Index n) {
  std::vector<Index> group(static_cast<std::size_t>(n));
  std::iota(group.begin(), group.end(), Index{0});
  return group;
}

}  // namespace

TEST_CASE("sink-weight-bounds: any row", "[sink-weight-bounds][property]") {
  check_property<SinkWeightLeast>("least", draw_head_row);
  check_property<SinkWeightByMax>("max", draw_head_row);
  check_property<SinkWeightByMean>("mean", draw_head_row);
  check_property<SinkWeightByGroups>("groups", draw_grouped);
  property("groups of one are exact, one group is the mean, finer groups are tighter", [] {
    const auto row = draw_head_row();
    const Index n = row.logits.size();
    const auto bound = [&](const std::vector<Index>& group) {
      return SinkWeightByGroups::rhs<double>(grouped(row, group));
    };
    const double weight = row.weights[row.sink];
    const double mean = SinkWeightByMean::rhs<double>(row);
    RC_ASSERT(std::abs(bound(one_each(n)) - weight) <= 1e-12 * weight);
    RC_ASSERT(std::abs(bound(std::vector<Index>(one_each(n).size(), 0)) - mean) <= 1e-12 * mean);
    auto coarse =
        *rc::gen::container<std::vector<Index>>(one_each(n).size(), rc::gen::inRange<Index>(0, 2));
    auto fine = coarse;
    for (std::size_t j = 0; j < fine.size(); ++j) {
      fine[j] = 2 * fine[j] + *rc::gen::inRange<Index>(0, 2);
    }
    RC_ASSERT(bound(fine) <= bound(coarse) * (1 + 1e-12));
  });
  property("Jensen's slack in logit units is KL(uniform || softmax of the rivals)", [] {
    const auto row = draw_head_row();
    const Vector<double> rivals = without_entry<double>(row.logits, row.sink);
    const double n = static_cast<double>(rivals.size()), lse = log_sum_exp<double>(rivals);
    double divergence = 0;
    for (const double l : rivals) divergence += (std::log(1 / n) - (l - lse)) / n;
    const double slack = lse - rivals.mean() - std::log(n);
    RC_ASSERT(std::abs(slack - divergence) <= 1e-12);
  });
}

TEST_CASE("sink-weight-bounds: tight, broken, vacuous", "[sink-weight-bounds][property]") {
  const auto many = equal_rivals(3, 12), two = equal_rivals(-5, 2);
  check_tight<SinkWeightLeast>(many, 1 - 1e-12);
  check_tight<SinkWeightByMean>(many, 1 - 1e-12);
  check_tight<SinkWeightByMax>(two, 1 - 1e-12);
  check_tight<SinkWeightByMean>(two, 1 - 1e-12);
  const auto any = head_row(Vector<double>{{1, -2, 4, 0.5}}, Matrix<double>::Identity(4, 4), 2);
  check_tight<SinkWeightByGroups>(grouped(any, {0, 1, 0, 2}), 1 - 1e-12);

  check_violated<SinkWeightLeast>(with_learned_sink(many));
  check_violated<SinkWeightLeast>(with_soft_cap(many, 1));
  check_violated<SinkWeightByMax>(with_weight(two, 0.5));
  check_violated<SinkWeightByMean>(with_weight(many, 0.9));
  check_violated<SinkWeightByGroups>(grouped(with_weight(any, 0.99), {0, 1, 0, 2}));
  // Rivals that the query does not see must not count.
  auto windowed = equal_rivals(3, 4);
  windowed.logits.conservativeResize(9);
  windowed.weights.conservativeResize(9);
  windowed.logits.tail(5).setZero();
  windowed.weights.tail(5).setZero();
  windowed.values = Matrix<double>::Identity(9, 4);
  check_violated<SinkWeightByMean>(windowed);

  check_vacuous<SinkWeightLeast>(equal_rivals(1, 1), "one key");
  check_vacuous<SinkWeightByMax>(equal_rivals(-800, 3), "underflows");
  check_vacuous<SinkWeightByGroups>(grouped(any, {0, 1, 0}), "no group");
}

TEST_CASE("sink-weight-bounds: a window that the first token has left",
          "[sink-weight-bounds][property]") {
  const auto& planted = measured_runs().back();
  auto sequence = plumb::Sequence::causal(planted.trace.tokens());
  for (auto& keys : sequence.visible) keys.first = std::max<Index>(0, keys.last - 4);
  const auto run = plumb::run_layer(planted.model, planted.trace, sequence, 2);
  SinkWeightLeast::sites(run, [](const HeadRow<double>& in, const Where& where) {
    const auto finding = judge<SinkWeightLeast>(in, where);
    INFO(describe(finding));
    CHECK(in.logits.size() == std::min<Index>(4, *where.position + 1));
    CHECK(finding.verdict == (*where.position < 4 ? Verdict::holds : Verdict::vacuous));
  });
}

TEST_CASE("sink-weight-bounds on models in float", "[sink-weight-bounds][measured]") {
  check_measured_in_float<SinkWeightLeast, SinkWeightByMax, SinkWeightByMean, SinkWeightByGroups>();
}

namespace {

TwoQueries<double> two_queries(const Vector<double>& q, const Vector<double>& other,
                               const Matrix<double>& keys, double scale, Index sink = 0) {
  const Matrix<double> none = Matrix<double>::Zero(keys.rows(), 1);
  const auto first = head_row(scale * keys * q, none),
             second = head_row(scale * keys * other, none);
  return {first.logits,
          second.logits,
          first.weights,
          second.weights,
          q,
          other,
          keys,
          scale,
          sink,
          kUnit,
          worst_softmax_error(first.logits, kUnit) + worst_softmax_error(second.logits, kUnit)};
}

TwoQueries<double> draw_two_queries() {
  const Index n = *size(9) + 1, channels = *size(9);
  return two_queries(*gaussian_vector<double>(channels), *gaussian_vector<double>(channels),
                     *gaussian<double>(n, channels), *magnitude(0.1, 2.0),
                     *rc::gen::inRange<Index>(0, n));
}

}  // namespace

TEST_CASE("sink-margin-lipschitz: any two queries", "[sink-margin-lipschitz][property]") {
  check_property<SinkMarginChange>("change", draw_two_queries);
  check_property<SinkMarginRadius>("radius", draw_two_queries);
}

TEST_CASE("sink-margin-lipschitz: tight, broken, vacuous", "[sink-margin-lipschitz][property]") {
  // The second query shifts the sink's logit alone, so all margins by the same.
  const Matrix<double> keys{{1, 0}, {0, 1}, {0, -1}, {0, 0.5}};
  const auto shifted = two_queries(Vector<double>{{1, 0.7}}, Vector<double>{{-2, 0.7}}, keys, 0.5);
  check_tight<SinkMarginChange>(shifted, 1 - 1e-12);
  const Matrix<double> pair{{1, 2}, {-1, 1}};
  const Vector<double> along = (pair.row(1) - pair.row(0)).transpose();
  const auto parallel =
      two_queries(Vector<double>{{0.2, 0.1}}, Vector<double>{{0.2, 0.1}} + 3 * along, pair, 0.5);
  check_tight<SinkMarginRadius>(parallel, 1 - 1e-12);
  check_tight<SinkMarginChange>(parallel, 1 - 1e-12);

  auto wrong = shifted;
  wrong.other_weights[0] *= 0.5;
  check_violated<SinkMarginChange>(wrong);
  auto unscaled = parallel;
  unscaled.logits *= 2;
  unscaled.other_logits *= 2;
  check_violated<SinkMarginRadius>(unscaled);

  check_vacuous<SinkMarginChange>(
      two_queries(Vector<double>::Ones(2), Vector<double>::Ones(2), keys, 1), "are equal");
  check_vacuous<SinkMarginRadius>(
      two_queries(Vector<double>::Ones(2), Vector<double>::Zero(2), Matrix<double>::Ones(3, 2), 1),
      "all keys are equal");
  // Capped logits: where the cap is flat, margins shrink though the query moves along the sink.
  const Matrix<double> near{{1, 0}, {1, 0.01}};
  auto capped = two_queries(Vector<double>{{0, 100}}, Vector<double>{{10, 100}}, near, 1);
  for (auto* logits : {&capped.logits, &capped.other_logits}) {
    for (double& l : *logits) l = 5 * std::tanh(l / 5);
  }
  check_violated<SinkMarginRadius>(capped);
  plumb::Architecture a;
  CHECK_FALSE(SinkMarginRadius::objection(a));
  a.attention_soft_cap = 5;
  CHECK(SinkMarginRadius::objection(a)->find("soft cap") != std::string::npos);
  // Queries on other keys: as far apart as one likes.
  auto other = shifted;
  other.keys = Matrix<double>::Zero(3, 2);
  check_vacuous<SinkMarginRadius>(other, "same keys");
}
