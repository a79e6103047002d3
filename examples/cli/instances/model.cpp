// The heavy templates, compiled once for the program, the examples, the tests and the benches.
#include "plumb/model/decoder.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb {

template class Decoder<float>;
template class Decoder<double>;
template struct Attention<float>;
template struct Attention<double>;

template Trace<float> trace(const Decoder<float>&, const TokenIds&, const Sequence&,
                            const TraceOptions&, NoTap);
template Trace<double> trace(const Decoder<double>&, const TokenIds&, const Sequence&,
                             const TraceOptions&, NoTap);

}  // namespace plumb
