#pragma once

#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/min_norm_point.hpp"
#include "plumb/trace/layer_run.hpp"

/// A mixture stays in the hull of its values, so no output is shorter than the hull is far from the
/// origin; and where that of the other values is far, only the sink can silence the head.
namespace plumb::claims {

namespace detail {

/// min_j v_j.e / ||e||: no mixture of the rows is shorter.
template <class S>
S least_along(const Matrix<S>& values, const Vector<S>& direction) {
  S least = dot<S>(row<S>(values, 0), direction);
  for (Index j = 1; j < values.rows(); ++j) {
    const S along = dot<S>(row<S>(values, j), direction);
    if (along < least) least = along;
  }
  return least / norm<S>(direction);
}

/// Queries of a head for which the nearest point of a hull is sought: the search is the cost.
inline constexpr Index kHullQueries = 4;

}  // namespace detail

/// min_j v_j.e <= ||o||, for any unit e   (claim 25; ours). The largest left side over
/// e is dist(0, conv{v_j}), which sites approach by Wolfe's algorithm. Equal when all values are.
struct ConvexHull {
  static constexpr std::string_view id = "convex-hull";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    HeadRow<S> row;
    Vector<S> direction;  ///< e, of any length
    bool gated = false;   ///< whether the output is one after the gate
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::least_along<S>(in.row.values, in.direction);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.row.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.row.values.rows() < 1 || in.row.output.size() != in.row.values.cols() ||
        in.direction.size() != in.row.values.cols()) {
      return "values, output and direction differ in size";
    }
    if (in.gated) return "the output is gated";
    if (in.direction.isZero(0) || lhs<double>(in) <= 0) return "the values surround the origin";
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in.row); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_query(run, detail::kHullQueries, [&](Index head, Index t) {
      const auto in = detail::head_row(run, head, t);
      visit(Input<double>{in, min_norm_point(in.values).point}, detail::at_query(run, head, t));
    });
  }
};

/// min_{j != s} v_j.e <= ||o'|| for every mixture o' of the values other than the sink's. So where
/// the left side exceeds ||o||, no weights on the other keys give an output as small: the sink is
/// necessary for that silence   (claim A8; ours). Sites find e by Wolfe's algorithm and hold o',
/// the output without the sink, against it; the certificate is the plain inequality, whatever found
/// e. Equal for one rival.
struct SilenceNeedsSink {
  static constexpr std::string_view id = "silence-needs-sink";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    HeadRow<S> row;
    Vector<S> without;    ///< o', observed
    Vector<S> direction;  ///< e, of any length
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return detail::least_along<S>(without_row<S>(in.row.values, in.row.sink), in.direction);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.without);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_head_row(in.row, in.row.sink)) return objection;
    if (in.without.size() != in.row.output.size() || in.direction.size() != in.row.output.size()) {
      return "outputs and direction differ in size";
    }
    if (in.direction.isZero(0) || lhs<double>(in) <= 0) return "the values surround the origin";
    if (lhs<double>(in) <= norm<double>(in.row.output)) {
      return "the other values reach as near to the origin as the output";
    }
    return {};
  }
  static double allowance(const Input<double>& in) { return mixture_allowance(in.row); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_query(run, detail::kHullQueries, [&](Index head, Index t) {
      const auto in = detail::head_row(run, head, t);
      if (detail::is_no_head_row(in, in.sink)) return;
      const auto rivals = without_row<double>(in.values, in.sink);
      visit(Input<double>{in, detail::evicted(in), min_norm_point(rivals).point},
            detail::at_query(run, head, t));
    });
  }
};

}  // namespace plumb::claims
