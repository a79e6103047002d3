// All claims over a run, compiled once.
#include "plumb/claims/all.hpp"

namespace plumb::claims {

template std::vector<Result> check_all(const Decoder<double>&, const Trace<double>&);

}  // namespace plumb::claims
