// The searches for eigenpairs and what they stand on, compiled once.
#include "plumb/spike/eigenpairs.hpp"
#include "plumb/spike/split.hpp"

namespace plumb::spike {

template FormNorms form_norms(const QuadraticForm<float>&);
template FormNorms form_norms(const QuadraticForm<double>&);
template std::vector<FormNorms> form_norms(const FeedForwardView<float>&, const Progress&);
template std::vector<FormNorms> form_norms(const FeedForwardView<double>&, const Progress&);

template Eigenpair leading_eigenpair(const QuadraticForm<float>&, const EigenpairOptions&);
template Eigenpair leading_eigenpair(const QuadraticForm<double>&, const EigenpairOptions&);
template std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<float>&,
                                                   const std::vector<Index>&, const ScanOptions&);
template std::vector<Eigenpair> leading_eigenpairs(const FeedForwardView<double>&,
                                                   const std::vector<Index>&, const ScanOptions&);
template TopChannels top_channels(const FeedForwardView<float>&, Index, const ScanOptions&);
template TopChannels top_channels(const FeedForwardView<double>&, Index, const ScanOptions&);

template Split split(const QuadraticForm<float>&, const Eigenpair&, const VectorRef<double>&);
template Split split(const QuadraticForm<double>&, const Eigenpair&, const VectorRef<double>&);

}  // namespace plumb::spike
