#include "plumb/claims/residual.hpp"

#include <catch2/catch.hpp>

#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Vector;

TEST_CASE("sandwich-write-bound: the joint budget", "[sandwich-write-bound][symbolic]") {
  const auto output = variables("o", 3), gain = variables("g", 3);
  const Symbolic eps = variable("eps"), root = sqrt(sum_of_squares<Symbolic>(output) / 3 + eps);
  const auto write = times<Symbolic>(gain, Vector<Symbolic>(output / root));
  check_symbolic<SandwichWriteJoint>({output, eps, gain, write});
}
