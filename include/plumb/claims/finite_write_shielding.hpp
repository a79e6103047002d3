#pragma once

#include <cmath>
#include <string_view>
#include <variant>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"

/// What a write of any size does to what an RMSNorm behind it reads: the larger the row, the less.
namespace plumb::claims {

/// A row before and after a write, and what a norm made of both.
template <class S>
struct NormedWrite {
  Vector<S> before, after;  ///< h, h'
  S eps{};
  Vector<S> u_before, u_after;  ///< without the gain
  Vector<S> gain;
  Vector<S> y_before, y_after;  ///< with the gain
};

namespace detail {

/// A write w = h' - h beside the two roots.
template <class S>
struct RootsOfWrite {
  S write;  ///< ||w||
  S before, after;
  S step;  ///< rho' - rho = w.(h + h') / (d (rho + rho')), which does not cancel

  explicit RootsOfWrite(const NormedWrite<S>& in) {
    const Vector<S> w = minus<S>(in.after, in.before);
    write = norm<S>(w);
    before = root_mean_square<S>(in.before, in.eps);
    after = root_mean_square<S>(in.after, in.eps);
    step = dot<S>(w, plus<S>(in.after, in.before)) / (count<S>(w.size()) * (before + after));
  }
};

/// Visits the writes of the layer, read by the norm in front of its feed-forward block, at a sample
/// of rows.
template <class T, class Visit>
void visit_normed_writes(const LayerRun<T>& run, const Visit& visit) {
  const auto* found = std::get_if<RmsNorm<T>>(&run.weights.feed_forward_pre_norm.kind);
  if (!found) return;
  const auto gained = found->template cast<double>();
  const RmsNorm<double> plain{Vector<double>::Ones(gained.gain.size()), gained.eps};
  Matrix<double> before = run.residual.template cast<double>();
  for (const Block block : {Block::attention, Block::feed_forward}) {
    const Matrix<double> after = before + write_of(run, block);
    const Matrix<double> u = plain.value(before), u_after = plain.value(after);
    const Matrix<double> y = gained.value(before), y_after = gained.value(after);
    for (Index t = 0; t < before.rows(); t += row_stride(before.rows())) {
      visit(NormedWrite<double>{before.row(t).transpose(), after.row(t).transpose(), gained.eps,
                                u.row(t).transpose(), u_after.row(t).transpose(), gained.gain,
                                y.row(t).transpose(), y_after.row(t).transpose()},
            Where{.layer = run.layer, .block = block, .position = t});
    }
    before = after;
  }
}

/// What all parts share.
struct NormedWriteClaim : RmsNormClaim {
  static constexpr std::string_view id = "finite-write-shielding";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedWrite<S>;

  static Objection assumptions(const Input<double>& in) {
    for (const auto* v :
         {&in.after, &in.u_before, &in.u_after, &in.gain, &in.y_before, &in.y_after}) {
      if (v->size() != in.before.size()) return "the vectors differ in size";
    }
    if (in.after == in.before) return "the write is zero";
    if (const auto objection = has_no_root(in.before, in.eps)) return objection;
    return has_no_root(in.after, in.eps);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_normed_writes(run, visit);
  }
};

}  // namespace detail

/// ||u' - u||^2 + d eps (1/rho - 1/rho')^2 + d (rho' - rho)^2/(rho rho') = ||w||^2/(rho rho')
/// for w = h' - h of any size   (claim A1a; ours)
struct FiniteWriteIdentity : detail::NormedWriteClaim {
  static constexpr std::string_view part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S lhs(const Input<S>& in) {
    const detail::RootsOfWrite<S> roots(in);
    const S product = roots.before * roots.after, step = roots.step * roots.step;
    const S turned = sum_of_squares<S>(minus<S>(in.u_after, in.u_before));
    return turned + count<S>(in.before.size()) * step * (in.eps / product + S(1)) / product;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::RootsOfWrite<S> roots(in);
    return square<S>(roots.write) / (roots.before * roots.after);
  }
  /// u' - u is off by gamma_{d+12} (||u|| + ||u'||); the other terms are at most rhs, and relative.
  static double allowance(const Input<double>& in) {
    const double d = static_cast<double>(in.before.size()), right = rhs<double>(in);
    const double off = 2 * gamma(d + 12) * std::sqrt(d);
    return gamma(8 * d + 60) * right + 2 * off * std::sqrt(right) + off * off;
  }
};

/// ||u' - u|| <= ||w||/sqrt(rho rho')   (claim A1b; ours). Equal for writes that keep rho.
struct FiniteWriteShielding : detail::NormedWriteClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.u_after, in.u_before));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    const detail::RootsOfWrite<S> roots(in);
    return roots.write / sqrt(roots.before * roots.after);
  }
  static double allowance(const Input<double>& in) {
    const double d = static_cast<double>(in.before.size());
    return gamma(2 * d + 30) * (2 * std::sqrt(d) + rhs<double>(in));
  }
};

/// ||g .* (u' - u)|| <= max|g| ||w||/sqrt(rho rho')   (claim A1c; ours)
struct FiniteWriteShieldingGain : detail::NormedWriteClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(minus<S>(in.y_after, in.y_before));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return max_abs<S>(in.gain) * FiniteWriteShielding::rhs<S>(in);
  }
  static double allowance(const Input<double>& in) {
    return max_abs<double>(in.gain) * FiniteWriteShielding::allowance(in);
  }
};

}  // namespace plumb::claims
