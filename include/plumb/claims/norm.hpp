#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What RMS normalisation does to a row h of d entries: u = h / rho, rho = sqrt(||h||^2/d + eps).
/// Bounds with eps go through the lift (ours): u is the sphere map of H = (h, sqrt(d eps)) in
/// R^(d+1), without its last coordinate, and dropping a coordinate brings points closer.
namespace plumb::claims {

namespace detail {

/// What claims about an RMSNorm in front of blocks share.
struct RmsNormClaim {
  static Objection objection(const Architecture& a) { return reads_no_rms_norm(a); }
};

}  // namespace detail

/// A row, and what a norm made of it. A claim compares what was observed with what must be.
template <class S>
struct NormedRow {
  Vector<S> h;
  S eps{};
  Vector<S> u;     ///< the norm's output without the gain
  Vector<S> gain;  ///< g
};

namespace detail {

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

/// What the parts of rms-bounded share.
struct NormedRowClaim : RmsNormClaim {
  static constexpr std::string_view id = "rms-bounded";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormedRow<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.h.size() == 0 || in.u.size() != in.h.size()) return "h and u differ in size";
    if (in.h.isZero(0) && in.eps == 0) return "h and eps are zero";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_normed_rows(run, visit);
  }
};

}  // namespace detail

/// ||u||^2 = d ||h||^2 / (||h||^2 + d eps)   (claim 1a; paper eq. 23 has eps = 0)
struct RmsBoundedSquare : detail::NormedRowClaim {
  static constexpr std::string_view part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S lhs(const Input<S>& in) {
    return sum_of_squares<S>(in.u);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S d = count<S>(in.h.size()), energy = sum_of_squares<S>(in.h);
    return d * energy / (energy + d * in.eps);
  }
  /// Relative: an entry of u gamma_{d/2+5}, its square twice that, the sum d more; rhs 2 d + 6.
  static double allowance(const Input<double>& in) {
    return gamma(4 * in.h.size() + 20) * rhs<double>(in);
  }
};

/// max_i |u_i| <= sqrt(d)   (claim 1b). Equal for one-hot h and eps = 0.
struct RmsBoundedEntry : detail::NormedRowClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return max_abs<S>(in.u);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::sqrt;
    return sqrt(count<S>(in.h.size()));
  }
  static double allowance(const Input<double>& in) {
    return gamma(in.h.size() + 6) * rhs<double>(in);
  }
};

/// ||g .* u|| <= sqrt(d) max|g|   (claim 1c). Equal for constant |g| and eps = 0.
struct RmsBoundedGain : detail::NormedRowClaim {
  static constexpr std::string_view part = "c";

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
    return NormedRowClaim::assumptions(in);
  }
  static double allowance(const Input<double>& in) {
    return gamma(2 * in.h.size() + 10) * rhs<double>(in);
  }
};

/// A norm's derivative at h along dx as observed, J dx, and a direction to look at it from.
template <class S>
struct NormDerivative {
  Vector<S> h;
  S eps{};
  Vector<S> gain;
  Vector<S> dx;
  Vector<S> dy;        ///< J dx, observed
  Vector<S> observer;  ///< any vector
};

namespace detail {

/// rho = sqrt(||h||^2/d + eps)
template <class S>
S root_mean_square(const Vector<S>& h, const S& eps) {
  using std::sqrt;
  return sqrt(sum_of_squares<S>(h) / count<S>(h.size()) + eps);
}

inline Objection has_no_root(const Vector<double>& h, double eps) {
  if (h.size() == 0) return "there are no channels";
  if (h.isZero(0) && eps == 0) return "h and eps are zero";
  return {};
}

/// Every so many rows, so that at most sixteen of them are looked at; the first is one of them.
inline Index row_stride(Index rows) { return (rows + 15) / 16; }

/// Some vector with no zeros and no symmetry.
inline Vector<double> observer(Index size) {
  return Vector<double>::NullaryExpr(size,
                                     [](Index i) { return std::cos(1 + static_cast<double>(i)); });
}

/// The write of a layer's block in double.
template <class T>
Matrix<double> write_of(const LayerRun<T>& run, Block block) {
  const auto& write = block == Block::attention ? run.attention_write : run.feed_forward_write;
  return write.template cast<double>();
}

/// Visits the derivative of each RMSNorm of the layer along what its block goes on to write, at a
/// sample of rows.
template <class T, class Visit>
void visit_rms_derivatives(const LayerRun<T>& run, const Visit& visit) {
  for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
    const Matrix<double> h = rows.template cast<double>(), dx = write_of(run, block);
    const auto exact = norm.template cast<double>();
    const Matrix<double> dy = exact.jvp(h, dx);
    for (Index t = 0; t < h.rows(); t += row_stride(h.rows())) {
      visit(
          NormDerivative<double>{h.row(t).transpose(), norm.eps, exact.gain, dx.row(t).transpose(),
                                 dy.row(t).transpose(), observer(h.cols())},
          Where{.layer = run.layer, .block = block, .position = t});
    }
  });
}

/// What the parts about one direction share.
struct NormDerivativeClaim : RmsNormClaim {
  static constexpr std::string_view id = "jacobian-rms-norm";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = NormDerivative<S>;

  static Objection assumptions(const Input<double>& in) {
    for (const auto* v : {&in.gain, &in.dx, &in.dy, &in.observer}) {
      if (v->size() != in.h.size()) return "the vectors differ in size";
    }
    return has_no_root(in.h, in.eps);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_rms_derivatives(run, visit);
  }
};

}  // namespace detail

/// v.(J dx) = v.(g .* (dx - u (u.dx)/d))/rho, for any v   (claim 27a; ours for eps > 0)
struct JacobianRmsNormValue : detail::NormDerivativeClaim {
  static constexpr std::string_view part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S lhs(const Input<S>& in) {
    return dot<S>(in.observer, in.dy);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S rho = detail::root_mean_square<S>(in.h, in.eps);
    const S along = dot<S>(in.h, in.dx) / (count<S>(in.h.size()) * rho * rho);
    const Vector<S> seen = times<S>(in.observer, in.gain);
    return (dot<S>(seen, in.dx) - dot<S>(seen, in.h) * along) / rho;
  }
  /// Relative to the terms before they cancel: two dot products, rho and the products, twice.
  static double allowance(const Input<double>& in) {
    const double rho = detail::root_mean_square<double>(in.h, in.eps);
    const Vector<double> seen = times<double>(in.observer, in.gain).cwiseAbs();
    const double u_dx = in.h.cwiseAbs().dot(in.dx.cwiseAbs()) / rho;
    const double terms = seen.dot(in.dx.cwiseAbs()) + seen.dot(in.h.cwiseAbs()) * u_dx /
                                                          (static_cast<double>(in.h.size()) * rho);
    return gamma(6 * in.h.size() + 40) * terms / rho;
  }
};

/// ||J dx|| <= max|g| ||dx|| / rho   (claim 27b; ours). Equal for constant |g| and dx across h.
struct JacobianRmsNormBound : detail::NormDerivativeClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.dy);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return max_abs<S>(in.gain) * norm<S>(in.dx) / detail::root_mean_square<S>(in.h, in.eps);
  }
  /// An entry of J dx is off by gamma_{2d+20} max|g| (|dx_i| + |u_i| ||dx||/sqrt(d)) / rho.
  static double allowance(const Input<double>& in) {
    return 2 * gamma(3 * in.h.size() + 30) * rhs<double>(in);
  }
};

/// Without the gain, ||J||_F^2 = (d-1)/rho^2 + eps^2/rho^6: the eigenvalues are 1/rho (d-1 times)
/// and eps/rho^3 along h   (claim 27c; ours)
struct JacobianRmsNormSpectrum : detail::RmsNormClaim {
  static constexpr std::string_view id = "jacobian-rms-norm", part = "c";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> h;
    S eps{};
    Matrix<S> jacobian;  ///< observed, for a gain of ones
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    S sum(0);
    for (Index i = 0; i < in.jacobian.size(); ++i) sum += square<S>(in.jacobian.data()[i]);
    return sum;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S rho = detail::root_mean_square<S>(in.h, in.eps), flat = S(1) / (rho * rho);
    return count<S>(in.h.size() - 1) * flat + square<S>(in.eps * flat) * flat;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.h.size() < 2) return "there is one channel only";
    if (in.jacobian.rows() != in.h.size() || in.jacobian.cols() != in.h.size()) {
      return "the Jacobian has another shape";
    }
    return detail::has_no_root(in.h, in.eps);
  }
  /// An entry is off by gamma_{d+15} (I + |u||u|'/d)_ij / rho, whose norm is at most 2 sqrt(d)/rho.
  static double allowance(const Input<double>& in) {
    const double d = static_cast<double>(in.h.size());
    const double rho = detail::root_mean_square<double>(in.h, in.eps);
    return 4 * gamma(2 * d + 30) * d / (rho * rho) + gamma(d * d) * rhs<double>(in);
  }
  /// At the first row of each norm: d^2 numbers.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    for_each_rms_norm(run, [&](const RmsNorm<T>& norm, const Matrix<T>& rows, Block block) {
      const Vector<double> h = rows.row(0).transpose().template cast<double>();
      const RmsNorm<double> plain{Vector<double>::Ones(h.size()), norm.eps};
      visit(Input<double>{h, norm.eps, plain.jacobian(h)},
            Where{.layer = run.layer, .block = block, .position = 0});
    });
  }
};

}  // namespace plumb::claims
