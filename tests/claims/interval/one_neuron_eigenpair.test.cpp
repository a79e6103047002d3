#include "plumb/claims/one_neuron_eigenpair.hpp"

#include <catch2/catch.hpp>

#include "support/interval.hpp"

using namespace plumb::test;

namespace {

/// (1 + c)^2 / (2 (1 + c^2)), c = |cos(g, u)|: the share of a neuron's leading eigenvalue in its
/// squared Frobenius norm.
template <class S>
S share(const S& c) {
  return (S(1) + c) * (S(1) + c) / (S(2) * (S(1) + c * c));
}

}  // namespace

TEST_CASE("one-neuron-eigenpair: the share is in [1/2, 1]", "[one-neuron-eigenpair][interval]") {
  const auto at = [](const auto& x) { return share(x[0]); };
  CHECK(unproven_at_most<1>(at, {{{0, 1}}}, 1 + 1e-12) == "");
  CHECK(unproven_at_least<1>(at, {{{0, 1}}}, 0.5 - 1e-12) == "");
  // It grows with c: at 0.8 it exceeds 0.987 and stays above.
  CHECK(unproven_at_least<1>(at, {{{0.8, 1}}}, 0.987) == "");
  CHECK(unproven_at_most<1>(at, {{{0, 0.5}}}, 0.9 + 1e-9) == "");
}
