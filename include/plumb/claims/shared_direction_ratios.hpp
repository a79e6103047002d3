#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/trace/layer_run.hpp"

/// Channels that one neuron writes into: their writes stand to each other as its W_down column.
namespace plumb::claims {

/// Writes into channels C, F_C = a W_down[C, i] + e, beside what all neurons but i write.
template <class S>
struct SharedNeuron {
  Vector<S> write;          ///< F_C(x), as the block computed it, without the bias of W_down
  Vector<S> column;         ///< W_down[C, i]
  Vector<S> others;         ///< e, the sum over neurons j != i
  Vector<double> rounding;  ///< of each write, and of each e
  Objection obstacle = {};
};

namespace detail {

/// What both parts share.
struct SharedNeuronClaim {
  static constexpr std::string_view id = "shared-direction-ratios";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = SharedNeuron<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    const Index c = in.write.size();
    if (c < 2 || in.column.size() != c || in.others.size() != c || in.rounding.size() != c) {
      return "fewer than two channels, or sizes that differ";
    }
    if (in.column.isZero(0)) return "the neuron writes into none of the channels";
    return {};
  }
};

/// The channels with the largest writes at each notable position, and the neuron that writes most
/// into the first of them.
template <class T, class Visit>
void visit_shared(const LayerRun<T>& run, Index channels, const Visit& visit) {
  const FeedForwardRows rows = feed_forward_rows(run);
  for (std::size_t p = 0; p < rows.positions.size(); ++p) {
    const auto i = static_cast<Index>(p);
    const auto chosen = largest_channels(rows.write.row(i), channels);
    const RowVector<double> neurons = rows.neurons.row(i);
    Index strongest = 0;
    rows.block.down.row(chosen.front()).cwiseProduct(neurons).cwiseAbs().maxCoeff(&strongest);
    const auto count = static_cast<Index>(chosen.size());
    SharedNeuron<double> in{Vector<double>(count),
                            Vector<double>(count),
                            Vector<double>(count),
                            Vector<double>(count),
                            {}};
    for (Index c = 0; c < count; ++c) {
      const Index k = chosen[static_cast<std::size_t>(c)];
      RowVector<double> parts = rows.block.down.row(k).cwiseProduct(neurons);
      in.rounding[c] = gamma(parts.size() + 4) * parts.cwiseAbs().sum();
      parts[strongest] = 0;
      in.write[c] = rows.write(i, k);
      in.column[c] = rows.block.down(k, strongest);
      in.others[c] = parts.sum();
    }
    visit(in, Where{.layer = run.layer,
                    .block = Block::feed_forward,
                    .channel = chosen.front(),
                    .position = rows.positions[p]});
  }
}

}  // namespace detail

/// |F_k w_k'i - F_k' w_ki| <= |w_k'i| |e_k| + |w_ki| |e_k'|, the first two channels of C   (claim
/// 10; ours): as far as neuron i rules both, the ratio of the writes is that of its W_down column.
/// Equal for remainders of opposite sign.
struct SharedRatio : detail::SharedNeuronClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write[0] * in.column[1] - in.write[1] * in.column[0]);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return abs(in.column[1]) * abs(in.others[0]) + abs(in.column[0]) * abs(in.others[1]);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = SharedNeuronClaim::assumptions(in)) return objection;
    const double all = std::abs(in.write[0] * in.column[1]) + std::abs(in.write[1] * in.column[0]);
    if (all <= rhs<double>(in) && lhs<double>(in) <= all) {
      return "the other neurons write as much";
    }
    return {};
  }
  /// Each write and each remainder by its rounding, times the other entry of the column.
  static double allowance(const Input<double>& in) {
    return 3 * (std::abs(in.column[1]) * in.rounding[0] + std::abs(in.column[0]) * in.rounding[1]) +
           4 * kUnit * (lhs<double>(in) + rhs<double>(in));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_shared(run, 2, visit);
  }
};

/// ||F_C - proj F_C|| <= ||e_C||, proj onto W_down[C, i]: sin angle(F_C, W_down[C, i]) times
/// ||F_C|| (claim 10; ours). No quotient of small numbers. Equal for e_C orthogonal to the column.
struct SharedAngle : detail::SharedNeuronClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    const S along = dot<S>(in.write, in.column) / sum_of_squares<S>(in.column);
    return norm<S>(plus<S>(in.write, S(-along), in.column));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.others);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = SharedNeuronClaim::assumptions(in)) return objection;
    if (in.others.norm() >= in.write.norm() && lhs<double>(in) <= in.write.norm()) {
      return "the other neurons write as much";
    }
    return {};
  }
  /// A projection brings errors no further apart.
  static double allowance(const Input<double>& in) {
    return 3 * in.rounding.norm() + gamma(3 * in.write.size() + 8) * in.write.norm();
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_shared(run, 4, visit);
  }
};

}  // namespace plumb::claims
