#pragma once

#include <vector>

#include "plumb/claims/check.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb::claims {

/// Every claim of the library, held against one run, in the order of the index in docs/claims.
/// `check` does the same for claims of your own. Cost: each layer is run once more, and the claims.
template <class T>
std::vector<Result> check_all(const Decoder<T>& model, const Trace<T>& trace) {
  return check<RmsBoundedSquare, RmsBoundedEntry, RmsBoundedGain>(model, trace);
}

}  // namespace plumb::claims
