#include "plumb/claims/rotary_self_pair.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "plumb/model/attention.hpp"
#include "support/evidence.hpp"
#include "support/rotaries.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::QkNorm;
using plumb::RotaryPairing;
using plumb::Vector;

namespace {

TurnedPair<double> turned_pair(const Vector<double>& query, const Vector<double>& key,
                               const plumb::Rotary& rotary, Index p, Index other,
                               double scale = 1) {
  Matrix<double> rows(2, key.size());
  rows.row(0) = query.transpose();
  rows.row(1) = key.transpose();
  rotary.apply(rows, {p, other});
  TurnedPair<double> in;
  in.query = query;
  in.key = key;
  in.turned_query = rows.row(0).transpose();
  in.turned_key = rows.row(1).transpose();
  in.planes = rotary.planes();
  in.pairing = rotary.pairing;
  in.scale = scale;
  in.logit = scale * dot<double>(in.turned_query, in.turned_key);
  in.one_position = p == other;
  return in;
}

/// The logits that a norm on each head, or on all heads of a token, leaves one head.
NormedLogits<double> normed_logits(const Matrix<double>& query, const Matrix<double>& key,
                                   const Vector<double>& query_gain, const Vector<double>& key_gain,
                                   QkNorm kind, Index head_dim, double scale = 1) {
  const Index heads = query.cols() / head_dim, kv_heads = key.cols() / head_dim;
  const plumb::HeadNorm<double> q{kind, {query_gain, 0}}, k{kind, {key_gain, 0}};
  const Vector<double> normed_q = q.value(query).row(0).head(head_dim).transpose();
  const Vector<double> normed_k = k.value(key).row(0).head(head_dim).transpose();
  NormedLogits<double> in;
  in.kind = kind;
  in.query_gain = query_gain.head(head_dim);
  in.key_gain = key_gain.head(head_dim);
  in.heads = heads;
  in.kv_heads = kv_heads;
  in.planes = head_dim / 2;
  in.scale = scale;
  // At the relative position that suits the logit best, plane by plane: the ceiling of claim 21b.
  const TurnedPair<double> pair{normed_q, normed_k, normed_q, normed_k, in.planes};
  in.largest = scale * plumb::claims::detail::planewise<double>(pair);
  return in;
}

NormedLogits<double> draw_normed_logits(QkNorm kind) {
  const Index head_dim = 2 * *size(4);
  const Index kv_heads = *size(3), heads = kv_heads * *size(2);
  const bool together = kind == QkNorm::all_heads;
  return normed_logits(*gaussian<double>(1, heads * head_dim),
                       *gaussian<double>(1, kv_heads * head_dim),
                       *gaussian_vector<double>(together ? heads * head_dim : head_dim),
                       *gaussian_vector<double>(together ? kv_heads * head_dim : head_dim), kind,
                       head_dim, *magnitude<double>(0.05, 2));
}

}  // namespace

TEST_CASE("rotary-self-pair: any pair", "[rotary-self-pair][property]") {
  const auto draw = [](bool one_position) {
    const auto rotary = draw_rotary();
    const Index p = *rc::gen::inRange<Index>(0, 100000);
    const Index other = one_position ? p : *rc::gen::inRange<Index>(0, 100000);
    return turned_pair(*gaussian_vector<double>(rotary.head_dim),
                       *gaussian_vector<double>(rotary.head_dim), rotary, p, other,
                       *magnitude<double>(0.05, 2));
  };
  check_property<RotarySelfPair>("self", [&] { return draw(true); });
  check_property<RotaryLogitCeiling>("ceiling", [&] { return draw(false); });
  check_property<LogitCapPerHead>("per head", [] { return draw_normed_logits(QkNorm::per_head); });
  check_property<LogitCapAllHeads>("all heads",
                                   [] { return draw_normed_logits(QkNorm::all_heads); });
  property("the cap by planes is at most that by the largest gains", [] {
    const auto in = draw_normed_logits(QkNorm::per_head);
    RC_ASSERT(LogitCapPerHead::rhs<double>(in) <= in.scale * count<double>(in.key_gain.size()) *
                                                      max_abs<double>(in.query_gain) *
                                                      max_abs<double>(in.key_gain) * (1 + 1e-12));
  });
}

TEST_CASE("rotary-self-pair: tight, broken, needs", "[rotary-self-pair][property]") {
  const plumb::Rotary rotary{4, 100, RotaryPairing::interleaved};
  const Vector<double> q{{1, -2, 0.5, 3}}, k{{0.3, 1, 2, -1}};
  check_tight<RotarySelfPair>(turned_pair(q, k, rotary, 100000, 100000));
  check_tight<RotaryLogitCeiling>(turned_pair(q, 2 * q, rotary, 9, 9, 0.5), 1 - 1e-12);

  check_needs_assumption<RotarySelfPair>(turned_pair(q, k, rotary, 5, 6), "different positions");
  auto tables = turned_pair(q, k, rotary, 5, 6);  // one table each, for one token
  tables.one_position = true;
  check_violated<RotarySelfPair>(tables);
  auto hot = turned_pair(q, 2 * q, rotary, 9, 9, 0.5);
  hot.logit *= 1.21;  // YaRN's factor, squared
  check_violated<RotaryLogitCeiling>(hot);
  check_vacuous<RotaryLogitCeiling>(turned_pair(q, Vector<double>::Zero(4), rotary, 1, 2), "zero");
  check_vacuous<RotarySelfPair>(turned_pair(q, Vector<double>::Zero(4), rotary, 2, 2), "zero");

  // All energy in one plane, where the gains are the largest.
  const Matrix<double> plane{{0, 3, 0, 1}};
  const Vector<double> gains{{1, 2, 0.5, 2}};
  check_tight<LogitCapPerHead>(normed_logits(plane, plane, gains, gains, QkNorm::per_head, 4),
                               1 - 1e-12);
  // Four heads, one kv head, all energy in the first head.
  Matrix<double> first = Matrix<double>::Zero(1, 16);
  first.leftCols(4) = plane;
  const Vector<double> all = gains.replicate(4, 1);
  auto one_head = normed_logits(first, plane, all, gains, QkNorm::all_heads, 4);
  check_tight<LogitCapAllHeads>(one_head, 1 - 1e-12);
  check_needs_assumption<LogitCapPerHead>(one_head, "head by head");
  one_head.largest *= 1.1;
  check_violated<LogitCapAllHeads>(one_head);
  one_head.kind = QkNorm::per_head;
  check_violated<LogitCapPerHead>(one_head);
  one_head.kind = QkNorm::none;
  check_needs_assumption<LogitCapAllHeads>(one_head, "over all heads");
  check_vacuous<LogitCapPerHead>(
      normed_logits(plane, plane, Vector<double>::Zero(4), gains, QkNorm::per_head, 4), "zero");
}
