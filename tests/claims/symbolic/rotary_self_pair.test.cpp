#include "plumb/claims/rotary_self_pair.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/rotary_isometry.hpp"
#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::RotaryPairing;
using plumb::Vector;

namespace {

constexpr Index kPlanes = 2;

/// v with plane j turned by angles_j: what model/rotary.hpp computes, on symbols. Coordinates
/// beyond the planes stay.
Vector<Symbolic> rotated(const Vector<Symbolic>& v, const Vector<Symbolic>& angles,
                         RotaryPairing pairing) {
  Vector<Symbolic> turned = v;
  for (Index j = 0; j < angles.size(); ++j) {
    const auto [a, b] = plane_coordinates(j, angles.size(), pairing);
    const Symbolic cosine = GiNaC::cos(angles[j]), sine = GiNaC::sin(angles[j]);
    turned[a] = v[a] * cosine - v[b] * sine;
    turned[b] = v[a] * sine + v[b] * cosine;
  }
  return turned;
}

/// A key of five coordinates, one of which does not turn, at angles 2a and 2b: halves of them
/// stand in claim 20b.
TurnedKey<Symbolic> turned_key(RotaryPairing pairing) {
  TurnedKey<Symbolic> in;
  in.key = variables("k", 2 * kPlanes + 1);
  in.angles = Symbolic(2) * variables("a", kPlanes);
  in.other_angles = Symbolic(2) * variables("b", kPlanes);
  in.turned = rotated(in.key, in.angles, pairing);
  in.other_turned = rotated(in.key, in.other_angles, pairing);
  in.pairing = pairing;
  return in;
}

Symbolic squared(const Symbolic& root) { return GiNaC::pow(root, 2); }

}  // namespace

TEST_CASE("rotary-isometry: both identities, squared", "[rotary-isometry][symbolic]") {
  for (const auto pairing : {RotaryPairing::half_split, RotaryPairing::interleaved}) {
    const auto in = turned_key(pairing);
    CHECK(unproven(squared(RotaryNorm::lhs<Symbolic>(in)),
                   squared(RotaryNorm::rhs<Symbolic>(in))) == "");
    CHECK(unproven(squared(RotaryDistance::lhs<Symbolic>(in)),
                   squared(RotaryDistance::rhs<Symbolic>(in))) == "");
  }
}

TEST_CASE("rotary-isometry: a factor, or the other pairing, is no isometry",
          "[rotary-isometry][symbolic]") {
  auto in = turned_key(RotaryPairing::half_split);
  in.turned *= Symbolic(2);
  CHECK(unproven(squared(RotaryNorm::lhs<Symbolic>(in)), squared(RotaryNorm::rhs<Symbolic>(in))) !=
        "");
  in = turned_key(RotaryPairing::half_split);
  in.pairing = RotaryPairing::interleaved;
  CHECK(unproven(squared(RotaryDistance::lhs<Symbolic>(in)),
                 squared(RotaryDistance::rhs<Symbolic>(in))) != "");
}

TEST_CASE("rotary-isometry: the logit's bound is Cauchy-Schwarz plane by plane",
          "[rotary-isometry][symbolic]") {
  // q.(R_p k - R_p' k) within a plane, squared, is (2 sin)^2 ||q||^2 ||k||^2 less a square.
  const auto in = turned_key(RotaryPairing::interleaved);
  const Vector<Symbolic> q = variables("q", 2), change = (in.turned - in.other_turned).head(2);
  const Symbolic across = q[0] * change[1] - q[1] * change[0];
  const Symbolic chord =
      4 * squared(GiNaC::sin(in.half_angle(0))) * (squared(in.key[0]) + squared(in.key[1]));
  CHECK(unproven(squared(dot<Symbolic>(q, change)) + squared(across),
                 sum_of_squares<Symbolic>(q) * chord) == "");
}

TEST_CASE("rotary-self-pair: the logit of one position", "[rotary-self-pair][symbolic]") {
  for (const auto pairing : {RotaryPairing::half_split, RotaryPairing::interleaved}) {
    TurnedPair<Symbolic> in;
    in.query = variables("q", 2 * kPlanes + 1);
    in.key = variables("k", 2 * kPlanes + 1);
    const Vector<Symbolic> angles = variables("a", kPlanes);
    in.turned_query = rotated(in.query, angles, pairing);
    in.turned_key = rotated(in.key, angles, pairing);
    check_symbolic<RotarySelfPair>(in);
    // Two tables: not so.
    in.turned_key = rotated(in.key, variables("b", kPlanes), pairing);
    CHECK(unproven(RotarySelfPair::lhs<Symbolic>(in), RotarySelfPair::rhs<Symbolic>(in)) != "");
  }
}

TEST_CASE("rotary-self-pair: the ceiling of a plane is Cauchy-Schwarz after both are turned",
          "[rotary-self-pair][symbolic]") {
  const Vector<Symbolic> q = variables("q", 2), k = variables("k", 2);
  const Vector<Symbolic> turned_q = rotated(q, variables("a", 1), RotaryPairing::interleaved);
  const Vector<Symbolic> turned_k = rotated(k, variables("b", 1), RotaryPairing::interleaved);
  const Symbolic across = turned_q[0] * turned_k[1] - turned_q[1] * turned_k[0];
  CHECK(unproven(squared(dot<Symbolic>(turned_q, turned_k)) + squared(across),
                 sum_of_squares<Symbolic>(q) * sum_of_squares<Symbolic>(k)) == "");
}
