// The heavy analyses of models and traces, compiled once.
#include "plumb/collapse/population.hpp"
#include "plumb/report/amplifier.hpp"
#include "plumb/report/directions.hpp"
#include "plumb/report/write_budget.hpp"
#include "plumb/sink/alignment.hpp"
#include "plumb/sink/self_sink.hpp"
#include "plumb/spike/census.hpp"

namespace plumb {

template spike::Census spike::census(const Decoder<float>&, const CensusOptions&);
template spike::Census spike::census(const Decoder<double>&, const CensusOptions&);

template void collapse::add(Population&, const Trace<float>&, const spike::Outliers&);
template void collapse::add(Population&, const Trace<double>&, const spike::Outliers&);
template collapse::Profile collapse::measure(const Population&, const Decoder<float>&);
template collapse::Profile collapse::measure(const Population&, const Decoder<double>&);

template std::vector<sink::Alignment> sink::alignments(const Decoder<float>&, const Trace<float>&,
                                                       const spike::LifeCycle&);
template std::vector<sink::Alignment> sink::alignments(const Decoder<double>&, const Trace<double>&,
                                                       const spike::LifeCycle&);
template sink::SelfSinks sink::self_sinks(const Attention<float>&, const MatrixRef<float>&,
                                          std::vector<Index>);
template sink::SelfSinks sink::self_sinks(const Attention<double>&, const MatrixRef<double>&,
                                          std::vector<Index>);

template std::vector<report::Amplifier> report::amplifiers(const Decoder<float>&,
                                                           const Trace<float>&,
                                                           const spike::Outliers&,
                                                           const spike::LifeCycle&);
template std::vector<report::Amplifier> report::amplifiers(const Decoder<double>&,
                                                           const Trace<double>&,
                                                           const spike::Outliers&,
                                                           const spike::LifeCycle&);
template std::vector<report::BlockBudget> report::block_budgets(const Decoder<float>&,
                                                                const Trace<float>&,
                                                                const spike::Outliers&,
                                                                const spike::LifeCycle&);
template std::vector<report::BlockBudget> report::block_budgets(const Decoder<double>&,
                                                                const Trace<double>&,
                                                                const spike::Outliers&,
                                                                const spike::LifeCycle&);
template report::Directions report::find_directions(const Decoder<float>&,
                                                    const DirectionsOptions&);
template report::Directions report::find_directions(const Decoder<double>&,
                                                    const DirectionsOptions&);

}  // namespace plumb
