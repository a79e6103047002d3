#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "plumb/core/linalg.hpp"
#include "plumb/trace/ledger.hpp"

/// A claim is a theorem as an object: two sides that any scalar can evaluate, the assumptions under
/// which the relation between them holds, and the rounding that the evaluation may add.
///
///     struct NormOfSum {
///       static constexpr std::string_view id = "norm-of-sum";
///       static constexpr auto relation = Relation::at_most;
///       template <class S>
///       struct Input { Vector<S> a, b; };
///       template <class S> static S lhs(const Input<S>& in) { return (in.a + in.b).norm(); }
///       template <class S> static S rhs(const Input<S>& in) { return in.a.norm() + in.b.norm(); }
///       static Objection assumptions(const Input<double>&) { return {}; }
///       static double allowance(const Input<double>& in) { ... }
///       template <class Visit>
///       static void sites(const LayerRun<double>& run, Visit&& visit) { visit(input, where); }
///     };
///
/// The sides are free of branches, so that doubles, intervals and symbols evaluate one formula.
/// A claim with several parts is several such structs with one id and different `part`s. What they
/// have in common, an empty struct holds that they inherit.
namespace plumb::claims {

enum class Relation { at_most, equal };

/// Why a claim does not apply; absent when it does.
using Objection = std::optional<std::string>;

/// Where in a model an input came from.
struct Where {
  std::optional<Index> layer = {};
  std::optional<Block> block = {};
  std::optional<Index> head = {};
  std::optional<Index> channel = {};
  std::optional<Index> position = {};
};

/// "layer 3 attention, head 1, position 7"
inline std::string to_string(const Where& where) {
  std::string text;
  const auto add = [&](const char* name, const std::optional<Index>& index) {
    if (index) text += (text.empty() ? "" : ", ") + std::string(name) + std::to_string(*index);
  };
  add("layer ", where.layer);
  if (where.block) text += std::string(text.empty() ? "" : " ") + plumb::to_string(*where.block);
  add("head ", where.head);
  add("channel ", where.channel);
  add("position ", where.position);
  return text;
}

/// What the machinery needs of a claim beside its sites. Optional: `part`, which tells the parts of
/// one claim apart, and `objection(architecture)`, which says why no site of a model qualifies.
template <class C>
concept Claim = requires(const typename C::template Input<double>& input) {
  { C::id } -> std::convertible_to<std::string_view>;
  { C::relation } -> std::convertible_to<Relation>;
  { C::template lhs<double>(input) } -> std::convertible_to<double>;
  { C::template rhs<double>(input) } -> std::convertible_to<double>;
  { C::assumptions(input) } -> std::convertible_to<Objection>;
  { C::allowance(input) } -> std::convertible_to<double>;
};

/// "rms-bounded (b)", or the id alone for a claim of one part.
template <Claim C>
std::string name_of() {
  if constexpr (requires { C::part; }) {
    return std::string(C::id) + " (" + std::string(C::part) + ")";
  } else {
    return std::string(C::id);
  }
}

}  // namespace plumb::claims
