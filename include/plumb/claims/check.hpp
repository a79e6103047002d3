#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "plumb/claims/claim.hpp"
#include "plumb/claims/verdict.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb::claims {

/// A claim held against all its sites in one run of a model.
struct Result {
  std::string_view id;
  std::string_view part;  ///< of a claim with several parts, else empty
  Relation relation = Relation::at_most;
  Index holds = 0;  ///< sites with this verdict
  Index violated = 0;
  Index vacuous = 0;
  Index unresolved = 0;
  std::optional<Finding> tightest;  ///< of those that hold: the least slack beside the sides
  std::optional<Finding> worst;     ///< of those that are violated: the largest excess
  std::string reason;               ///< why sites were vacuous or unresolved: the first reason met

  /// The finding that says most: the worst violation, else the site with the least slack.
  const std::optional<Finding>& told() const { return worst ? worst : tightest; }

  /// Violated if one site is, else holds if one does, else unresolved if one is.
  Verdict verdict() const {
    if (violated > 0) return Verdict::violated;
    if (holds > 0) return Verdict::holds;
    return unresolved > 0 ? Verdict::unresolved : Verdict::vacuous;
  }
};

namespace detail {

/// How far lhs is up to rhs: 1 for equality. The error beside its allowance where both must be
/// equal.
inline double closeness(Relation relation, const Finding& finding) {
  if (relation == Relation::equal) {
    return finding.allowance > 0 ? std::abs(finding.slack()) / finding.allowance : 0;
  }
  if (finding.rhs > 0) return finding.lhs / finding.rhs;
  return -finding.slack();  // both sides negative or zero: the smaller the slack, the closer
}

inline double excess(const Finding& finding) { return std::abs(finding.slack()); }

inline void keep_tightest(Result& result, const Finding& finding) {
  if (!result.tightest ||
      closeness(result.relation, finding) > closeness(result.relation, *result.tightest)) {
    result.tightest = finding;
  }
}
inline void keep_worst(Result& result, const Finding& finding) {
  if (!result.worst || excess(finding) > excess(*result.worst)) result.worst = finding;
}

/// Adds up the findings of one claim.
template <Claim C>
class Tally {
 public:
  Tally() {
    result_.id = C::id;
    if constexpr (requires { C::part; }) result_.part = C::part;
    result_.relation = C::relation;
  }

  void add(const Finding& finding) {
    switch (finding.verdict) {
      case Verdict::holds: ++result_.holds; return keep_tightest(result_, finding);
      case Verdict::violated: ++result_.violated; return keep_worst(result_, finding);
      case Verdict::vacuous: ++result_.vacuous; break;
      case Verdict::unresolved: ++result_.unresolved; break;
    }
    if (result_.reason.empty()) result_.reason = finding.reason;
  }

  /// Visits the sites that a claim has in one layer, or in a whole run, if it has any there.
  template <class... Run>
  void visit_sites(const Run&... run) {
    const auto visit = [this](const typename C::template Input<double>& input, const Where& where) {
      add(judge<C>(input, where));
    };
    if constexpr (requires { C::sites(run..., visit); }) {
      if (!objected_) C::sites(run..., visit);
    }
  }

  void object(const Architecture& architecture) {
    if constexpr (requires { C::objection(architecture); }) {
      const Objection objection = C::objection(architecture);
      if (!objection) return;
      objected_ = true;
      result_.reason = *objection;
    }
  }

  Result result() const {
    Result result = result_;
    const bool nowhere = result.holds + result.violated + result.vacuous + result.unresolved == 0;
    if (nowhere && result.reason.empty()) result.reason = "no site in this run";
    return result;
  }

 private:
  Result result_;
  bool objected_ = false;
};

}  // namespace detail

/// The results of the same claims on another run, added to those in `all`.
/// Throws shape_error when the claims differ.
inline void merge(std::vector<Result>& all, const std::vector<Result>& more) {
  require_size("claims::merge", "claims", static_cast<Index>(more.size()),
               static_cast<Index>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].id != more[i].id || all[i].part != more[i].part) {
      throw shape_error("claims::merge: the claims differ");
    }
    all[i].holds += more[i].holds;
    all[i].violated += more[i].violated;
    all[i].vacuous += more[i].vacuous;
    all[i].unresolved += more[i].unresolved;
    if (more[i].tightest) detail::keep_tightest(all[i], *more[i].tightest);
    if (more[i].worst) detail::keep_worst(all[i], *more[i].worst);
    if (all[i].reason.empty()) all[i].reason = more[i].reason;
  }
}

/// Holds claims against one run of a model, a layer at a time. A claim says where it applies by
///   sites(const LayerRun<T>&, visit)                   within one layer, or
///   sites(const Decoder<T>&, const Trace<T>&, visit)   over the whole run;
/// `visit(input, where)` takes each input. Results come in the order of the claims.
/// Cost: each layer is run once more; memory as run_layer.
template <Claim... Claims, class T>
std::vector<Result> check(const Decoder<T>& model, const Trace<T>& trace) {
  std::tuple<detail::Tally<Claims>...> tallies;
  const auto each = [&](const auto& body) {
    std::apply([&](auto&... tally) { (body(tally), ...); }, tallies);
  };
  each([&](auto& tally) { tally.object(model.architecture()); });
  for (Index layer = 0; layer < trace.layers(); ++layer) {
    const LayerRun<T> run = run_layer(model, trace, layer);
    each([&](auto& tally) { tally.visit_sites(run); });
  }
  each([&](auto& tally) { tally.visit_sites(model, trace); });
  std::vector<Result> results;
  each([&](auto& tally) { results.push_back(tally.result()); });
  return results;
}

}  // namespace plumb::claims
