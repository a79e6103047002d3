#pragma once

#include <array>
#include <string_view>

namespace plumb::claims {

/// How a claim was shown to be true. The words are those of the tags on the tests.
///   property   random and adversarial inputs that meet the assumptions (RapidCheck)
///   measured   runs of the bundled, planted and fixture models
///   symbolic   an identity of symbols (GiNaC)
///   interval   a bound proven by interval arithmetic with outward rounding (MPFI)
struct Evidence {
  std::string_view id;
  std::string_view kinds;  ///< separated by spaces
};

/// One line a claim. tests/claims/evidence.test.cpp holds it to the tags of the tests, to the pages
/// in docs/claims and to the index there.
inline constexpr std::array kEvidence = {
    Evidence{"rms-bounded", "property measured symbolic interval"},
    Evidence{"jacobian-rms-norm", "property measured symbolic"},
    Evidence{"finite-write-shielding", "property measured symbolic"},
    Evidence{"rms-sparsifies", "property measured symbolic interval"},
    Evidence{"rms-near-constant", "property measured symbolic interval"},
    Evidence{"spike-scale-law", "property measured symbolic"},
    Evidence{"plateau-persistence", "property measured"},
    Evidence{"sandwich-write-bound", "property measured symbolic"},
    Evidence{"dynamic-tanh-bounded-but-not-constant", "property measured symbolic interval"},
    Evidence{"jacobian-dynamic-tanh", "property measured symbolic"},
    Evidence{"silu-relu-gap", "property measured symbolic interval"},
    Evidence{"gelu-relu-gap", "property measured interval"},
    Evidence{"mirror-identity", "property measured symbolic"},
    Evidence{"quadratic-split", "property measured symbolic"},
    Evidence{"jacobian-swiglu", "property measured symbolic interval"},
    Evidence{"rank-one-certificate", "property measured symbolic"},
    Evidence{"one-neuron-eigenpair", "property measured symbolic interval"},
    Evidence{"shared-direction-ratios", "property measured symbolic"},
    Evidence{"trigger-cone", "property measured"},
    Evidence{"write-budget-feed-forward", "property measured"},
    Evidence{"signed-majorants", "property measured symbolic"},
    Evidence{"write-budget-attention", "property measured"},
    Evidence{"first-token-self-map", "property measured"},
    Evidence{"self-sink-margin", "property measured"},
    Evidence{"sink-weight-bounds", "property measured"},
    Evidence{"sink-margin-lipschitz", "property measured"},
    Evidence{"gate-silence", "property measured symbolic"},
    Evidence{"convex-hull", "property measured symbolic"},
    Evidence{"unconditional-gate-is-reparametrisation", "property measured symbolic"},
    Evidence{"sink-removal-identity", "property measured symbolic"},
    Evidence{"sink-as-off-by-one", "property measured symbolic"},
    Evidence{"sink-head-low-rank", "property measured"},
    Evidence{"silence-needs-sink", "property measured"},
    Evidence{"key-ball", "property measured"},
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
