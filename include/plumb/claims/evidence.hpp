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
    Evidence{"rms-bounded", "property measured"},
};

/// The kinds of evidence for a claim of the library; empty for any other id.
constexpr std::string_view evidence_of(std::string_view id) {
  for (const auto& evidence : kEvidence) {
    if (evidence.id == id) return evidence.kinds;
  }
  return {};
}

}  // namespace plumb::claims
