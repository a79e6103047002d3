// The heavy templates, compiled once for the program, the examples, the tests and the benches.
#include "plumb/model/decoder.hpp"
#include "plumb/report/amplifier.hpp"
#include "plumb/report/directions.hpp"
#include "plumb/spike/census.hpp"
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

template spike::Census spike::census(const Decoder<float>&, const CensusOptions&);
template spike::Census spike::census(const Decoder<double>&, const CensusOptions&);

template std::vector<report::Amplifier> report::amplifiers(const Decoder<float>&,
                                                           const Trace<float>&,
                                                           const spike::Outliers&,
                                                           const spike::LifeCycle&);
template std::vector<report::Amplifier> report::amplifiers(const Decoder<double>&,
                                                           const Trace<double>&,
                                                           const spike::Outliers&,
                                                           const spike::LifeCycle&);
template report::Directions report::find_directions(const Decoder<float>&,
                                                    const DirectionsOptions&);
template report::Directions report::find_directions(const Decoder<double>&,
                                                    const DirectionsOptions&);

}  // namespace plumb
