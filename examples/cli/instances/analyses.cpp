// The heavy analyses, compiled once.
#include "plumb/report/amplifier.hpp"
#include "plumb/report/directions.hpp"
#include "plumb/spike/census.hpp"

namespace plumb {

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
