#include "plumb/claims/keys.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "plumb/model/planted.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::QkNorm;
using plumb::RotaryPairing;
using plumb::Vector;

namespace {

Matrix<double> read(const Matrix<double>& h, const Vector<double>& gain, double eps) {
  return plumb::RmsNorm<double>{gain, eps}.value(h);
}

Matrix<double> keys_of(const Matrix<double>& x, const Matrix<double>& weight) {
  return plumb::kernels::reference::product<double>(x, weight);
}

KeyPair<double> key_pair(const Matrix<double>& x, const Matrix<double>& weight) {
  const Matrix<double> keys = keys_of(x, weight);
  return {x.row(0).transpose(), x.row(1).transpose(), keys.row(0).transpose(),
          keys.row(1).transpose(), plumb::collapse::spectral_norm(weight)};
}

KeyBallOfSpikes::Input<double> spike_pair(const Matrix<double>& h, const Vector<double>& gain,
                                          const Matrix<double>& weight,
                                          const std::vector<Index>& channels, double eps) {
  auto pair = key_pair(read(h, gain, eps), weight);
  pair.weight_norm = plumb::collapse::spectral_norm(Matrix<double>(weight * gain.asDiagonal()));
  return {pair, h.row(0).transpose(), h.row(1).transpose(), channels, eps};
}

KeyBallNormalised::Input<double> normed_pair(const Matrix<double>& keys, const Vector<double>& gain,
                                             double eps) {
  const Matrix<double> normed = read(keys, gain, eps);
  return {keys.row(0).transpose(),
          keys.row(1).transpose(),
          normed.row(0).transpose(),
          normed.row(1).transpose(),
          gain,
          eps};
}

}  // namespace

// ---- 18 -------------------------------------------------------------------------------------

TEST_CASE("key-ball: any pair", "[key-ball][property]") {
  check_property<KeyBall>("ball", [] {
    const Index d = *size();
    return key_pair(*activations<double>(2, d), *weights<double>(*size(), d));
  });
  check_property<KeyBallOfSpikes>("spikes", [] {
    const Index d = *size() + 2;
    Matrix<double> h = *gaussian<double>(2, d);
    h.col(0) *= *magnitude<double>(1, 1e4);
    return spike_pair(h, *gaussian_vector<double>(d), *weights<double>(*size(), d), {0, 1},
                      *magnitude<double>(1e-8, 1));
  });
  check_property<KeyBallNormalised>("normalised", [] {
    const Index n = *size();
    const Matrix<double> keys = *gaussian<double>(2, n) * *magnitude<double>(1e-3, 1e3);
    return normed_pair(keys, *gaussian_vector<double>(n), *magnitude<double>(1e-8, 1));
  });
}

TEST_CASE("key-ball: tight, broken, needs", "[key-ball][property]") {
  // The difference is along the top right singular vector of diag(3, 1).
  const Matrix<double> weight{{3, 0}, {0, 1}};
  check_tight<KeyBall>(key_pair(Matrix<double>{{1, 2}, {-4, 2}}, weight), 1 - 1e-12);
  // Antiparallel rests on one spike direction, and a key that reads what they differ in.
  const Vector<double> ones = Vector<double>::Ones(3);
  const Matrix<double> h{{10, 1, 0}, {10, -1, 0}}, rest{{0, 1, 0}};
  check_tight<KeyBallOfSpikes>(spike_pair(h, ones, rest, {0}, 0), 1 - 1e-12);
  // Equal rho: RMSNorm is a scale.
  check_tight<KeyBallNormalised>(
      normed_pair(Matrix<double>{{3, 1}, {1, 3}}, Vector<double>::Constant(2, -2), 0.5), 1 - 1e-12);

  auto turned = key_pair(Matrix<double>{{1, 2}, {1 + 1e-3, 2}}, weight);
  turned.key_b *= -1;  // as rotary turns it, at another position
  check_violated<KeyBall>(turned);
  auto unfolded = spike_pair(h, Vector<double>::Constant(3, 5), rest, {0}, 0);
  unfolded.pair.weight_norm = 1;  // the gain forgotten
  check_violated<KeyBallOfSpikes>(unfolded);
  auto raw = normed_pair(Matrix<double>{{300, 100}, {100, 300}}, Vector<double>::Ones(2), 0);
  raw.normed_a = raw.key_a;  // a norm that was left out
  raw.normed_b = raw.key_b;
  check_violated<KeyBallNormalised>(raw);

  check_vacuous<KeyBall>(key_pair(Matrix<double>::Ones(2, 2), weight), "read as one");
  check_vacuous<KeyBallOfSpikes>(spike_pair(h, ones, rest, {2}, 0), "zero on the spike channels");
  check_vacuous<KeyBallOfSpikes>(spike_pair(h, ones, rest, {0, 1, 2}, 0), "no others");
  check_vacuous<KeyBallNormalised>(
      normed_pair(Matrix<double>{{1, 1}, {1, 1}}, Vector<double>::Ones(2), 0.1), "equal");
  auto zero = normed_pair(Matrix<double>{{1, 1}, {0, 1}}, Vector<double>::Ones(2), 0);
  zero.key_b.setZero();
  check_vacuous<KeyBallNormalised>(zero, "a key is zero");

  plumb::Architecture a;
  a.qk_norm = QkNorm::per_head;
  CHECK(KeyBall::objection(a)->find("normalised") != std::string::npos);
  CHECK_FALSE(KeyBallNormalised::objection(a));
  a.qk_norm = QkNorm::none;
  CHECK_FALSE(KeyBall::objection(a));
  CHECK(KeyBallNormalised::objection(a)->find("not normalised") != std::string::npos);
  a.pre_norm = plumb::NormKind::dynamic_tanh;
  CHECK(KeyBallOfSpikes::objection(a)->find("dynamic_tanh") != std::string::npos);
}

// ---- 19 -------------------------------------------------------------------------------------

namespace {

KeyRows<double> key_rows(const Matrix<double>& x, Matrix<double> weight,
                         std::vector<Index> channels = {0}) {
  KeyRows<double> in;
  in.rows = x;
  in.keys = keys_of(x, weight);
  in.weight_norm = plumb::collapse::spectral_norm(weight);
  in.direction = x.row(0).transpose();
  for (const Index k : channels) weight.col(k).setZero();
  in.rest_norm = plumb::collapse::spectral_norm(weight);
  in.channels = std::move(channels);
  return in;
}

/// Tokens of one spike, some of them exactly so.
KeyRows<double> draw_key_rows() {
  const Index m = *size(6) + 1, d = *size() + 2, head = *size(8) + 1;
  Matrix<double> x = *gaussian<double>(m, d);
  x.col(0).array() += *bounded<double>(50);
  return key_rows(x, *weights<double>(head, d));
}

}  // namespace

TEST_CASE("key-second-singular-value: any rows", "[key-second-singular-value][property]") {
  check_property<KeySingularValue>("every i", [] {
    auto in = draw_key_rows();
    const Index last = std::min({in.keys.rows(), in.keys.cols(), in.rows.cols()});
    in.index = *rc::gen::inRange<Index>(1, last + 1);
    return in;
  });
  check_property<KeySecondByDirection>("any direction", [] {
    auto in = draw_key_rows();
    in.direction += *magnitude<double>(1e-3, 1) * *gaussian_vector<double>(in.direction.size());
    return in;
  });
  check_property<KeySingularValueOffSpikes>("off the spike", draw_key_rows);
  property("the norms off C are at most those of all", [] {
    const auto in = draw_key_rows();
    const Matrix<double> rest = KeySingularValueOffSpikes::rest<double>(in);
    RC_ASSERT(KeySingularValueOffSpikes::rhs<double>(in) <=
              in.weight_norm * rest.norm() * (1 + 1e-12));
    // The direction's bound on sigma_2(X) without W_K.
    auto plain = in;
    plain.weight_norm = 1;
    RC_ASSERT(plumb::claims::detail::singular_value(in.rows, 2) <=
              KeySecondByDirection::rhs<double>(plain) * (1 + 1e-12));
  });
}

TEST_CASE("key-second-singular-value: a bias on keys is subtracted",
          "[key-second-singular-value][property]") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto trace = plumb::trace(model, plumb::TokenIds{0, 5, 1, 7, 8});
  auto run = plumb::run_layer(model, trace, 2);
  const auto judged = [&] {
    std::vector<double> sides;
    KeySingularValue::sites(run, [&](const KeyRows<double>& in, const Where& where) {
      const auto finding = judge<KeySingularValue>(in, where);
      INFO(describe(finding));
      CHECK(finding.verdict == Verdict::holds);
      sides.push_back(finding.lhs);
    });
    return sides;
  };
  const auto plain = judged();
  const Vector<double> bias = 100 * Vector<double>::Ones(run.weights.attention.key.rows());
  run.weights.attention.key_bias = bias;
  run.keys[0].rowwise() += bias.transpose();
  const auto biased = judged();
  REQUIRE(biased.size() == plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(biased[i] == Approx(plain[i]).margin(1e-12));
  }
}

TEST_CASE("key-second-singular-value: tight, broken, vacuous",
          "[key-second-singular-value][property]") {
  const Matrix<double> identity = Matrix<double>::Identity(3, 3);
  const Matrix<double> spikes{{50, 1, 0}, {50, -1, 0}, {50, 1, 0}, {50, -1, 0}};
  auto isometry = key_rows(spikes, identity);
  isometry.direction = Vector<double>::Unit(3, 0);
  check_tight<KeySingularValue>(isometry, 1 - 1e-12);
  check_tight<KeySecondByDirection>(isometry, 1 - 1e-6);
  check_tight<KeySingularValueOffSpikes>(isometry, 1 - 1e-6);

  // A norm on keys makes little differences large; so do keys of several heads taken together with
  // the norm of one.
  auto normed = key_rows(Matrix<double>{{1e-3, 0, 0}, {0, 1e-3, 0}}, identity);
  normed.keys = read(normed.keys, Vector<double>::Ones(3), 0);
  check_violated<KeySingularValue>(normed);
  check_violated<KeySecondByDirection>(normed);
  auto biased = key_rows(spikes, identity);
  biased.keys.topRows(2).col(2).array() += 30;  // a bias on some tokens: what rotary does to one
  check_violated<KeySingularValueOffSpikes>(biased);

  check_vacuous<KeySingularValue>(key_rows(Matrix<double>::Ones(1, 3), identity), "fewer than two");
  check_vacuous<KeySingularValue>(key_rows(Matrix<double>::Ones(3, 3), identity), "no more");
  check_vacuous<KeySecondByDirection>(key_rows(Matrix<double>::Ones(3, 3), identity), "along");
  check_vacuous<KeySingularValueOffSpikes>(key_rows(spikes, identity, {}), "no spike channels");
  check_vacuous<KeySingularValueOffSpikes>(key_rows(Matrix<double>{{1, 0, 0}, {2, 0, 0}}, identity),
                                           "nothing is left");
  check_vacuous<KeySecondByDirection>(key_rows(spikes.leftCols(1), Matrix<double>{{2}}, {}),
                                      "no such singular value");
  plumb::Architecture a;
  a.qk_norm = QkNorm::all_heads;
  CHECK(KeySingularValue::objection(a)->find("normalised") != std::string::npos);
}

// ---- 20 -------------------------------------------------------------------------------------

namespace {

/// A key at p and p', and a query, as Rotary turns them in T.
template <class T = double>
TurnedKey<double> turned_key(const Vector<double>& key, const Vector<double>& query,
                             const plumb::Rotary& rotary, Index p, Index other, double scale = 1) {
  Matrix<T> rows(2, key.size());
  rows.row(0) = rows.row(1) = key.transpose().template cast<T>();
  rotary.apply(rows, {p, other});
  TurnedKey<double> in;
  in.key = key;
  in.turned = rows.row(0).transpose().template cast<double>();
  in.other_turned = rows.row(1).transpose().template cast<double>();
  in.angles.resize(turning_planes(rotary));
  in.other_angles.resize(in.planes());
  for (Index j = 0; j < in.planes(); ++j) {
    in.angles[j] = static_cast<double>(p) * rotary.frequency(j);
    in.other_angles[j] = static_cast<double>(other) * rotary.frequency(j);
  }
  in.pairing = rotary.pairing;
  in.query = query;
  in.scale = scale;
  in.logit = scale * dot<double>(query, in.turned);
  in.other_logit = scale * dot<double>(query, in.other_turned);
  in.unit = unit_of<T>;
  return in;
}

plumb::Rotary draw_rotary() {
  const bool split = *rc::gen::arbitrary<bool>();
  return {2 * *size(8), *magnitude<double>(10, 1e6),
          split ? RotaryPairing::half_split : RotaryPairing::interleaved};
}

/// Positions up to 1e5, in double or float; keys that float holds exactly.
TurnedKey<double> draw_turned_key() {
  const auto rotary = draw_rotary();
  const auto vector = [&] {
    const Vector<float> drawn = *gaussian_vector<float>(rotary.head_dim);
    return Vector<double>(drawn.cast<double>());
  };
  const auto key = vector(), query = vector();
  const Index p = *rc::gen::inRange<Index>(0, 100000), q = *rc::gen::inRange<Index>(0, 100000);
  const double scale = *magnitude<double>(0.05, 2);
  if (*rc::gen::arbitrary<bool>()) return turned_key<float>(key, query, rotary, p, q, scale);
  return turned_key<double>(key, query, rotary, p, q, scale);
}

}  // namespace

TEST_CASE("rotary-isometry: any key", "[rotary-isometry][property]") {
  check_property<RotaryNorm>("norm", draw_turned_key);
  check_property<RotaryDistance>("distance", draw_turned_key);
  check_property<RotaryLogit>("logit", draw_turned_key);
}

TEST_CASE("rotary-isometry: tight, broken, needs", "[rotary-isometry][property]") {
  const plumb::Rotary rotary{4, 100, RotaryPairing::half_split};
  const Vector<double> key{{1, -2, 0.5, 3}};
  const auto in = turned_key(key, key, rotary, 3, 8);
  check_tight<RotaryNorm>(in);
  check_tight<RotaryDistance>(in);
  // A query along the change of the key in every plane, here the only one.
  const plumb::Rotary one{2, 100, RotaryPairing::half_split};
  const auto change = turned_key(Vector<double>{{1, -2}}, Vector<double>::Zero(2), one, 3, 8);
  const Vector<double> along = change.turned - change.other_turned;
  check_tight<RotaryLogit>(turned_key(Vector<double>{{1, -2}}, along, one, 3, 8), 1 - 1e-12);

  auto other_pairs = in;
  other_pairs.pairing = RotaryPairing::interleaved;
  check_violated<RotaryDistance>(other_pairs);
  auto scaled = in;
  for (auto* part : {&scaled.turned, &scaled.other_turned}) *part *= 1.1;  // YaRN
  check_violated<RotaryNorm>(scaled);
  scaled.factor = 1.1;
  check_needs_assumption<RotaryNorm>(scaled, "attention factor");
  check_needs_assumption<RotaryDistance>(scaled, "attention factor");
  auto aligned = turned_key(Vector<double>{{1, -2}}, along, one, 3, 8);
  aligned.logit *= 1.1;
  aligned.other_logit *= 1.1;
  check_violated<RotaryLogit>(aligned);
  aligned.factor = 1.1;
  check_needs_assumption<RotaryLogit>(aligned, "attention factor");
  check_vacuous<RotaryLogit>(turned_key(key, Vector<double>::Zero(4), rotary, 3, 8), "zero");
  check_vacuous<RotaryDistance>(turned_key(key, key, rotary, 3, 3), "positions are equal");
}

TEST_CASE("rotary-isometry: float at positions beyond 1e5", "[rotary-isometry][property]") {
  const plumb::Rotary rotary{8, 1e4, RotaryPairing::half_split};
  const Vector<double> key{{1, -2, 0.5, 3, 1, 1, -1, 0.25}};
  for (const Index p : {100000, 199999}) {
    const auto in = turned_key<float>(key, key, rotary, p, 1);
    for (const auto& finding : {judge<RotaryNorm>(in), judge<RotaryDistance>(in)}) {
      INFO(describe(finding));
      CHECK(finding.verdict == Verdict::holds);
    }
  }
}

// ---- 21 -------------------------------------------------------------------------------------

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
  in.planes = turning_planes(rotary);
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
