#include "plumb/claims/rotary_isometry.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/evidence.hpp"
#include "support/rotaries.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::RotaryPairing;
using plumb::Vector;

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
  in.angles.resize(rotary.planes());
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
