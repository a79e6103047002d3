#include "plumb/claims/activation.hpp"

#include <catch2/catch.hpp>

#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;

TEST_CASE("silu-relu-gap: |z| sigma(-|z|) on either side", "[silu-relu-gap][symbolic]") {
  const Symbolic t = variable("t");  // |z|
  CHECK(unproven(t - t * logistic<Symbolic>(t), t * logistic<Symbolic>(-t)) == "");
  CHECK(unproven(0 - (-t) * logistic<Symbolic>(-t), t * logistic<Symbolic>(-t)) == "");
}

TEST_CASE("silu-relu-gap: SiLU(z) = z/2 + (z/2) tanh(z/2)", "[silu-relu-gap][symbolic]") {
  const Symbolic z = variable("z");
  CHECK(unproven(2 * z * logistic<Symbolic>(2 * z), z + z * tanh(z)) == "");
}

TEST_CASE("silu-relu-gap: SiLU'(z) = sigma(z) (1 + z sigma(-z))", "[silu-relu-gap][symbolic]") {
  const GiNaC::realsymbol z("z");
  const Symbolic silu = z * logistic<Symbolic>(z);
  const Symbolic slope = logistic<Symbolic>(z) * (1 + z * logistic<Symbolic>(-z));
  CHECK(unproven(silu.diff(z), slope) == "");
  // SiLU'(z) - 1/2 is odd, so its range is symmetric about 1/2.
  const Symbolic mirrored = logistic<Symbolic>(-z) * (1 - z * logistic<Symbolic>(z));
  CHECK(unproven(slope + mirrored, 1) == "");
}
