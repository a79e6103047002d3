#pragma once

#include <array>
#include <string_view>

namespace plumb::claims {

/// How a claim was shown to be true. All words but the last are tags on the tests.
///   property   random and adversarial inputs that meet the assumptions (RapidCheck)
///   measured   runs of the bundled, planted and fixture models
///   symbolic   an identity of symbols (GiNaC)
///   interval   a bound proven by interval arithmetic with outward rounding (MPFI)
///   proof      a proof that Coq checks, a file in docs/proofs
struct Evidence {
  std::string_view id;
  std::string_view kinds;  ///< separated by spaces
};

/// One line a claim. tests/claims/evidence.test.cpp holds it to the tags of the tests, to the
/// files in docs/proofs, to the pages in docs/claims and to the index there.
inline constexpr std::array kEvidence = {
    Evidence{"rms-bounded", "property measured symbolic interval proof"},
    Evidence{"jacobian-rms-norm", "property measured symbolic"},
    Evidence{"finite-write-shielding", "property measured symbolic proof"},
    Evidence{"rms-sparsifies", "property measured symbolic interval proof"},
    Evidence{"rms-near-constant", "property measured symbolic interval proof"},
    Evidence{"spike-scale-law", "property measured symbolic proof"},
    Evidence{"plateau-persistence", "property measured proof"},
    Evidence{"sandwich-write-bound", "property measured symbolic proof"},
    Evidence{"dynamic-tanh-bounded-but-not-constant", "property measured symbolic interval proof"},
    Evidence{"jacobian-dynamic-tanh", "property measured symbolic"},
    Evidence{"silu-relu-gap", "property measured symbolic interval proof"},
    Evidence{"gelu-relu-gap", "property measured interval"},
    Evidence{"mirror-identity", "property measured symbolic proof"},
    Evidence{"quadratic-split", "property measured symbolic proof"},
    Evidence{"jacobian-swiglu", "property measured symbolic interval"},
    Evidence{"rank-one-certificate", "property measured symbolic proof"},
    Evidence{"one-neuron-eigenpair", "property measured symbolic interval proof"},
    Evidence{"shared-direction-ratios", "property measured symbolic proof"},
    Evidence{"trigger-cone", "property measured proof"},
    Evidence{"write-budget-feed-forward", "property measured"},
    Evidence{"signed-majorants", "property measured symbolic"},
    Evidence{"write-budget-attention", "property measured proof"},
    Evidence{"first-token-self-map", "property measured proof"},
    Evidence{"self-sink-margin", "property measured proof"},
    Evidence{"sink-weight-bounds", "property measured proof"},
    Evidence{"sink-margin-lipschitz", "property measured proof"},
    Evidence{"gate-silence", "property measured symbolic proof"},
    Evidence{"convex-hull", "property measured symbolic proof"},
    Evidence{"unconditional-gate-is-reparametrisation", "property measured symbolic proof"},
    Evidence{"sink-removal-identity", "property measured symbolic proof"},
    Evidence{"sink-as-off-by-one", "property measured symbolic proof"},
    Evidence{"sink-head-low-rank", "property measured"},
    Evidence{"silence-needs-sink", "property measured proof"},
    Evidence{"key-ball", "property measured proof"},
    Evidence{"key-second-singular-value", "property measured"},
    Evidence{"rotary-isometry", "property measured symbolic"},
    Evidence{"rotary-self-pair", "property measured symbolic"},
};

/// The kinds of evidence for a claim of the library; empty for any other id.
constexpr std::string_view evidence_of(std::string_view id) {
  for (const auto& evidence : kEvidence) {
    if (evidence.id == id) return evidence.kinds;
  }
  return {};
}

}  // namespace plumb::claims
