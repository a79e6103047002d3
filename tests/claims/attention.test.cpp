#include "plumb/claims/attention.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "plumb/model/attention.hpp"
#include "support/evidence.hpp"
#include "support/head_rows.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// Rivals at 0, the sink at `logit`.
HeadRow<double> equal_rivals(double logit, Index n) {
  Vector<double> logits = Vector<double>::Zero(n);
  logits[0] = logit;
  auto row = head_row(logits, Matrix<double>::Identity(n, n));
  row.self = 0;
  return row;
}

/// As a head computes it that has one more logit in the denominator, which no key stands behind.
HeadRow<double> with_learned_sink(HeadRow<double> row) {
  Vector<double> logits(row.logits.size() + 1);
  logits << row.logits, 3.0;
  plumb::kernels::reference::softmax(logits.data(), logits.size());
  row.weights = logits.head(row.logits.size());
  row.output = row.values.transpose() * row.weights;
  return row;
}

/// As a head computes it whose logits are capped after they were recorded.
HeadRow<double> with_soft_cap(HeadRow<double> row, double cap) {
  const Vector<double> raw = row.logits;
  const Vector<double> capped = raw.unaryExpr([=](double l) { return cap * std::tanh(l / cap); });
  const Index self = row.self;
  row = head_row(capped, row.values, row.sink);
  row.self = self;
  row.logits = raw;
  return row;
}

/// A weight of the sink that no softmax makes of the logits.
HeadRow<double> with_weight(HeadRow<double> row, double target) {
  const double before = row.weights[row.sink];
  row.weights *= (1 - target) / (1 - before);
  row.weights[row.sink] = target;
  return row;
}

}  // namespace

// ---- 15 -------------------------------------------------------------------------------------

namespace {

plumb::Attention<double> draw_attention(Index d, bool gated) {
  const Index kv_heads = *rc::gen::inRange<Index>(1, 3), heads = kv_heads * 2, size = 4;
  plumb::Attention<double> a;
  a.heads = heads;
  a.kv_heads = kv_heads;
  a.head_dim = size;
  a.scale = 0.5;
  a.query = *weights<double>(heads * size, d);
  a.key = *weights<double>(kv_heads * size, d);
  a.values = *weights<double>(kv_heads * size, d);
  a.output = *weights<double>(d, heads * size);
  a.rotary = {size, 100, plumb::RotaryPairing::half_split};
  if (gated) a.gate.weight = *weights<double>(heads, d);
  return a;
}

/// The first row of a text, by the block itself.
FirstTokenWrite::Input<double> first_token(const plumb::Attention<double>& a,
                                           const Matrix<double>& x) {
  FirstTokenWrite::Input<double> in;
  in.x = x.row(0).transpose();
  in.values = a.values;
  in.output = a.output;
  if (a.gate.present()) {
    const Matrix<double> ones = Matrix<double>::Ones(1, a.output.cols());
    in.openings = a.gate.apply(a.gate.value(x.topRows(1)), ones).row(0).transpose();
  }
  in.head_dim = a.head_dim;
  in.write = a.value(x, plumb::Sequence::causal(x.rows())).row(0).transpose();
  return in;
}

}  // namespace

TEST_CASE("first-token-self-map: any block", "[first-token-self-map][property]") {
  check_property<FirstTokenOutput>("output", [] {
    const Matrix<double> values = *bounded_matrix<double>(1, *size());
    return head_row(*gaussian_vector<double>(1, 100), values);
  });
  check_property<FirstTokenWrite>("write", [] {
    const Index d = *size();
    const auto block = draw_attention(d, *rc::gen::arbitrary<bool>());
    auto in = first_token(block, *activations<double>(*size(), d));
    if (*rc::gen::arbitrary<bool>()) {
      const plumb::RmsNorm<double> post{*gaussian_vector<double>(d), 1e-3};
      in.write = post.value(in.write.transpose()).row(0).transpose();
      in.post_gain = post.gain;
      in.post_eps = post.eps;
    }
    return in;
  });
}

TEST_CASE("first-token-self-map: broken, vacuous", "[first-token-self-map][property]") {
  plumb::Architecture a;
  CHECK_FALSE(FirstTokenWrite::objection(a));
  a.post_norm = plumb::NormKind::layer_norm;
  CHECK(FirstTokenWrite::objection(a)->find("layer_norm") != std::string::npos);

  const Matrix<double> values = Matrix<double>::Identity(2, 3);
  check_needs_assumption<FirstTokenOutput>(head_row(Vector<double>::Zero(2), values), "several");
  auto scaled = head_row(Vector<double>::Zero(1), values.topRows(1));
  check_tight<FirstTokenOutput>(scaled);
  scaled.output *= 1 - 0x1p-52;  // as an off-by-one softmax, or a gate, would have it
  check_violated<FirstTokenOutput>(scaled);

  property("a write that knows another token", [] {
    const Index d = 6;
    const auto block = draw_attention(d, false);
    const Matrix<double> x = *gaussian<double>(3, d);
    auto in = first_token(block, x);
    RC_PRE(in.write.norm() > 1e-3);
    RC_ASSERT(judge<FirstTokenWrite>(in).verdict == Verdict::holds);
    in.write = block.value(x, plumb::Sequence::causal(3)).row(2).transpose();
    RC_PRE((in.write - FirstTokenWrite::predicted<double>(in)).norm() > 1e-6);
    RC_ASSERT(judge<FirstTokenWrite>(in).verdict == Verdict::violated);
    in.keys = 3;
    RC_ASSERT(FirstTokenWrite::assumptions(in)->find("sees 3 keys") != std::string::npos);
  });
}

TEST_CASE("first-token-self-map on models in float", "[first-token-self-map][measured]") {
  check_measured_in_float<FirstTokenOutput, FirstTokenWrite>();
}

TEST_CASE("first-token-self-map: row 0 of every depth is that of the token alone",
          "[first-token-self-map][measured]") {
  for (const auto& run : measured_runs()) {
    const auto alone = plumb::trace(run.model, plumb::TokenIds{run.trace.ids.front()});
    for (std::size_t n = 0; n < run.trace.residual.size(); ++n) {
      INFO(run.name << " point " << n);
      const auto want = alone.residual[n].row(0), got = run.trace.residual[n].row(0);
      // Products of one row and of many block differently; layers may enlarge that a little.
      CHECK((got - want).norm() <= 1e-11 * want.norm());
    }
  }
}

// ---- 16 -------------------------------------------------------------------------------------

TEST_CASE("self-sink-margin: any row", "[self-sink-margin][property]") {
  check_property<SelfSinkWeight>("weight", draw_head_row);
  check_property<SinkOutput>("output", draw_head_row);
}

TEST_CASE("self-sink-margin: tight, broken, vacuous", "[self-sink-margin][property]") {
  check_tight<SelfSinkWeight>(equal_rivals(2.5, 9), 1 - 1e-12);
  check_tight<SelfSinkWeight>(equal_rivals(-7, 2), 1 - 1e-12);
  check_tight<SinkOutput>(head_row(Vector<double>{{0.3, -1}}, Matrix<double>{{1, 2}, {0, -4}}),
                          1 - 1e-12);
  // The margin that a weight p takes: ln(n - 1) + ln(p / (1 - p)).
  const auto nine_of_ten = equal_rivals(std::log(8.0) + std::log(9.0), 9);
  CHECK(nine_of_ten.weights[0] == Approx(0.9).epsilon(1e-12));

  check_violated<SelfSinkWeight>(with_learned_sink(equal_rivals(2, 5)));
  check_violated<SelfSinkWeight>(with_soft_cap(equal_rivals(20, 5), 2));
  auto gated = head_row(Vector<double>{{30, 0}}, Matrix<double>{{1, 2}, {0, -4}});
  gated.output *= 0.5;
  check_violated<SinkOutput>(gated);

  check_vacuous<SelfSinkWeight>(equal_rivals(0, 1), "one key");
  check_vacuous<SelfSinkWeight>(equal_rivals(-800, 3), "underflows");
  check_vacuous<SinkOutput>(head_row(Vector<double>::Zero(2), Matrix<double>::Ones(2, 2)),
                            "all values are equal");
  auto unseen = equal_rivals(1, 3);
  unseen.sink = -2;  // a window that has moved past the first token
  check_vacuous<SinkOutput>(unseen, "does not see the sink");
}

TEST_CASE("self-sink-margin on models in float", "[self-sink-margin][measured]") {
  check_measured_in_float<SelfSinkWeight, SinkOutput>();
}

// ---- 17 -------------------------------------------------------------------------------------

namespace {

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

// ---- A7 -------------------------------------------------------------------------------------

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
