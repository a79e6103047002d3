#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"

/// What RMS normalisation does to a row h of d entries: u = h / rho, rho = sqrt(||h||^2/d + eps).
/// Bounds with eps go through the lift (ours): u is the sphere map of H = (h, sqrt(d eps)) in
/// R^(d+1), without its last coordinate, and dropping a coordinate brings points closer.
namespace plumb::claims {

/// A row, and what a norm made of it. A claim compares what was observed with what must be.
template <class S>
struct NormedRow {
  Vector<S> h;
  S eps{};
  Vector<S> u;     ///< the norm's output without the gain
  Vector<S> gain;  ///< g
};

namespace detail {

inline Objection is_no_normed_row(const NormedRow<double>& in) {
  if (in.h.size() == 0 || in.u.size() != in.h.size()) return "h and u differ in size";
  if (in.h.isZero(0) && in.eps == 0) return "h and eps are zero";
  return {};
}

/// Visits each row that an RMSNorm of the layer reads.
template <class T, class Visit>
void visit_normed_rows(const LayerRun<T>& run, const Visit& visit) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>();
    const RmsNorm<double> plain{Vector<double>::Ones(h.cols()), norm.eps};
    const Matrix<double> u = plain.value(h);
    for (Index t = 0; t < h.rows(); ++t) {
      visit(NormedRow<double>{h.row(t).transpose(), norm.eps, u.row(t).transpose(),
                              norm.gain.template cast<double>()},
            Where{.layer = run.layer, .block = block, .position = t});
    }
  });
}

}  // namespace detail

/// ||u||^2 = d ||h||^2 / (||h||^2 + d eps)   (claim 1a; paper eq. 23 has eps = 0)
struct RmsBoundedSquare {
  static constexpr std::string_view id = "rms-bounded", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = NormedRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return sum_of_squares<S>(in.u);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S d = count<S>(in.h.size()), energy = sum_of_squares<S>(in.h);
    return d * energy / (energy + d * in.eps);
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_normed_row(in); }
  /// Relative: an entry of u gamma_{d/2+5}, its square twice that, the sum d more; rhs 2 d + 6.
  static double allowance(const Input<double>& in) {
    return gamma(4 * in.h.size() + 20) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_rows(run, visit);
  }
};

/// max_i |u_i| <= sqrt(d)   (claim 1b). Equal for one-hot h and eps = 0.
struct RmsBoundedEntry {
  static constexpr std::string_view id = "rms-bounded", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return max_abs<S>(in.u);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return sqrt(count<S>(in.h.size()));
  }
  static Objection assumptions(const Input<double>& in) { return detail::is_no_normed_row(in); }
  static double allowance(const Input<double>& in) {
    return gamma(in.h.size() + 6) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_rows(run, visit);
  }
};

/// ||g .* u|| <= sqrt(d) max|g|   (claim 1c). Equal for constant |g| and eps = 0.
struct RmsBoundedGain {
  static constexpr std::string_view id = "rms-bounded", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(times<S>(in.gain, in.u));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return sqrt(count<S>(in.h.size())) * max_abs<S>(in.gain);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.gain.size() != in.h.size()) return "the gain and h differ in size";
    return detail::is_no_normed_row(in);
  }
  static double allowance(const Input<double>& in) {
    return gamma(2 * in.h.size() + 10) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_rows(run, visit);
  }
};

}  // namespace plumb::claims
