#include "plumb/claims/first_token_self_map.hpp"

#include <catch2/catch.hpp>
#include <string>

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
