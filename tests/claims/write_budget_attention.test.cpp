#include "plumb/claims/write_budget_attention.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

enum class Gate { none, token, head, channel };

/// One query of an attention block with weights of its own: what the bounds need, and the write.
struct Drawn {
  AttentionWrite<double> by_head;
  ChannelwiseWrite<double> by_channel;
};

/// x rows are what the block reads; `attention` has a row a head, each summing to 1.
Drawn attend(const Matrix<double>& x, const Matrix<double>& attention, const Vector<double>& output,
             const Matrix<double>& values, const Vector<double>& openings, double bias) {
  const Index heads = attention.rows(), width = output.size() / heads, d = x.cols();
  Drawn drawn{{Matrix<double>(heads, d), std::abs(bias), bias, x.rows(), 0},
              {output, values, std::abs(bias), 0, x.rows()}};
  for (Index h = 0; h < heads; ++h) {
    const Vector<double> mixed = x.transpose() * attention.row(h).transpose();
    drawn.by_head.rows.row(h) =
        output.segment(h * width, width).transpose() * values.middleRows(h * width, width);
    for (Index c = h * width; c < (h + 1) * width; ++c) {
      drawn.by_head.mass += std::abs(output[c]) * values.row(c).norm();
      drawn.by_head.write += openings[c] * output[c] * values.row(c).dot(mixed);
    }
  }
  drawn.by_channel.write = drawn.by_head.write;
  return drawn;
}

Vector<double> draw_openings(Gate gate, Index heads, Index width) {
  Vector<double> openings = Vector<double>::Ones(heads * width);
  const auto opening = [] { return (*bounded<double>(1) + 1) / 2; };
  const double one = opening();
  for (Index h = 0; h < heads; ++h) {
    const double of_head = opening();
    for (Index c = h * width; c < (h + 1) * width; ++c) {
      if (gate == Gate::token) openings[c] = one;
      if (gate == Gate::head) openings[c] = of_head;
      if (gate == Gate::channel) openings[c] = opening();
    }
  }
  return openings;
}

/// Rows of norm sqrt(d), or of entries in [-1, 1] after a DynamicTanh; any weights of attention.
Drawn draw(Gate gate, bool tanh = false, Index most_tokens = 5) {
  const Index heads = *size(3), width = *size(3), d = *size(6);
  const Index tokens = *size(most_tokens);
  Matrix<double> x = *gaussian<double>(tokens, d);
  for (Index t = 0; t < tokens; ++t) {
    if (tanh) {
      x.row(t) = (3 * x.row(t)).array().tanh().matrix();
    } else if (!x.row(t).isZero(0)) {
      x.row(t) *= std::sqrt(static_cast<double>(d)) / x.row(t).norm();
    }
  }
  Matrix<double> attention = (*gaussian<double>(heads, tokens, 3)).array().exp().matrix();
  for (Index h = 0; h < heads; ++h) attention.row(h) /= attention.row(h).sum();
  return attend(x, attention, *gaussian_vector<double>(heads * width),
                *gaussian<double>(heads * width, d), draw_openings(gate, heads, width),
                *bounded<double>(2));
}

/// W_O row (1, -1), equal rows v in W_V and channel gates (1, 0): the heads' rows cancel, the gated
/// ones do not.
Drawn cancelling() {
  const Matrix<double> x = Matrix<double>::Ones(1, 2);
  const Vector<double> output = Eigen::Vector2d(1, -1), openings = Eigen::Vector2d(1, 0);
  return attend(x, Matrix<double>::Ones(1, 1), output, Matrix<double>::Ones(2, 2), openings, 0);
}

/// One token, one head of one channel, x along the row.
Drawn aligned(const Matrix<double>& x) {
  return attend(x, Matrix<double>::Ones(1, 1), Vector<double>::Constant(1, -2),
                Matrix<double>::Constant(1, x.cols(), 0.5), Vector<double>::Ones(1), 0);
}

}  // namespace

TEST_CASE("write-budget-attention: any block", "[write-budget-attention][property]") {
  check_property<AttentionBudget>("ungated", [] { return draw(Gate::none).by_head; });
  check_property<AttentionBudget>("gate per token", [] { return draw(Gate::token).by_head; });
  check_property<AttentionBudget>("gate per head", [] { return draw(Gate::head).by_head; });
  check_property<AttentionBudgetChannelwise>("gate per channel",
                                             [] { return draw(Gate::channel).by_channel; });
  check_property<AttentionBudget>("DynamicTanh", [] { return draw(Gate::head, true).by_head; });
  check_property<AttentionBudgetTanh>("DynamicTanh, absolute sums",
                                      [] { return draw(Gate::head, true).by_head; });
  check_property<AttentionBudgetAlone>("one key",
                                       [] { return draw(Gate::none, false, 1).by_head; });
}

TEST_CASE("write-budget-attention: tight, broken, vacuous", "[write-budget-attention][property]") {
  const auto in = aligned(Matrix<double>::Ones(1, 4));
  check_tight<AttentionBudget>(in.by_head, 1 - 1e-14);
  check_tight<AttentionBudgetChannelwise>(in.by_channel, 1 - 1e-14);
  check_tight<AttentionBudgetTanh>(in.by_head, 1 - 1e-14);
  check_tight<AttentionBudgetAlone>(in.by_head, 1 - 1e-14);

  // No norm in front: x is longer than sqrt(d).
  const auto unbounded = aligned(Matrix<double>::Constant(1, 4, 1.01));
  check_violated<AttentionBudget>(unbounded.by_head);
  check_violated<AttentionBudgetChannelwise>(unbounded.by_channel);
  check_violated<AttentionBudgetTanh>(unbounded.by_head);
  check_violated<AttentionBudgetAlone>(unbounded.by_head);

  // A gate per channel breaks the bound by heads, which is 0 here; that by channels holds.
  check_violated<AttentionBudget>(cancelling().by_head);
  CHECK(judge<AttentionBudgetChannelwise>(cancelling().by_channel).verdict == Verdict::holds);
  // A gate per head breaks the merged bound for one key: two heads that cancel, one of them shut.
  const Vector<double> output = Eigen::Vector2d(1, -1), openings = Eigen::Vector2d(1, 0);
  check_violated<AttentionBudgetAlone>(attend(Matrix<double>::Ones(1, 2),
                                              Matrix<double>::Ones(2, 1), output,
                                              Matrix<double>::Ones(2, 2), openings, 0)
                                           .by_head);
  // A bias that is not counted.
  auto biased = in;
  biased.by_head.write -= 1;
  check_violated<AttentionBudget>(biased.by_head);
  biased.by_head.bias = 1;
  check_tight<AttentionBudget>(biased.by_head, 1 - 1e-14);

  CHECK(judge<AttentionBudget>({}).verdict == Verdict::vacuous);
  CHECK(judge<AttentionBudgetTanh>({}).verdict == Verdict::vacuous);
  CHECK(judge<AttentionBudgetAlone>({}).verdict == Verdict::vacuous);
  CHECK(judge<AttentionBudgetChannelwise>({}).verdict == Verdict::vacuous);
}

TEST_CASE("write-budget-attention: which architectures", "[write-budget-attention][property]") {
  plumb::Architecture a;
  CHECK_FALSE(AttentionBudget::objection(a));
  CHECK(AttentionBudgetTanh::objection(a)->find("rms_norm, not dynamic_tanh") != std::string::npos);
  a.pre_norm = plumb::NormKind::dynamic_tanh;
  CHECK_FALSE(AttentionBudgetTanh::objection(a));
  a.attention_gate = plumb::AttentionGate::channel;
  CHECK(AttentionBudget::objection(a) == "the attention is gated per channel");
  CHECK(AttentionBudgetTanh::objection(a) == "the attention is gated per channel");
  CHECK_FALSE(AttentionBudgetChannelwise::objection(a));
  a.attention_gate = plumb::AttentionGate::head;
  CHECK_FALSE(AttentionBudget::objection(a));
  CHECK(AttentionBudgetAlone::objection(a) == "the attention is gated");
  a.pre_norm = plumb::NormKind::none;
  CHECK(AttentionBudget::objection(a)->find("not bounded") != std::string::npos);
  CHECK(AttentionBudgetChannelwise::objection(a)->find("not bounded") != std::string::npos);
}
