#pragma once

#include <string>
#include <variant>

#include "plumb/claims/claim.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// Where claims of one kind find their inputs, and why a model has none.
namespace plumb::claims {

inline Objection reads_no_rms_norm(const Architecture& a) {
  if (a.pre_norm == NormKind::rms_norm) return {};
  return "the norm before blocks is " + std::string(spell(kNormKinds, a.pre_norm)) +
         ", not rms_norm";
}

/// Calls body(norm, rows, block) for the RMSNorm in front of each block of the layer.
template <class T, class Body>
void for_each_rms_norm(const LayerRun<T>& run, const Body& body) {
  if (const auto* norm = std::get_if<RmsNorm<T>>(&run.weights.attention_pre_norm.kind)) {
    body(*norm, run.residual, Block::attention);
  }
  if (const auto* norm = std::get_if<RmsNorm<T>>(&run.weights.feed_forward_pre_norm.kind)) {
    body(*norm, run.middle(), Block::feed_forward);
  }
}

}  // namespace plumb::claims
