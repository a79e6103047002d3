#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/neurons.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/trace/layer_run.hpp"

/// How near the quadratic form S_k of a channel is to rank one, and so which x make it large: those
/// in a cone about its leading eigenvector. The gain of the norm is folded into the rows g_j, u_j,
/// so that ||x||^2 <= d. Everything is ours but the rank-one form itself:
/// F_k(x) ~ lambda (s.x)^2 = lambda d cos^2(s, x). The paper's equation 19 prints sqrt(d) cos.
namespace plumb::claims {

/// A form at x beside its rank-one part along v.
template <class S>
struct RankOne {
  Neurons<S> neurons;
  Vector<S> v;  ///< unit
  Vector<S> x;
  S form{};                 ///< x' S x, as the library computes it
  S squares{};              ///< ||S||_F^2
  S second{};               ///< |lambda|_2, where a spectrum was made
  double error = 0;         ///< of `second`
  Objection obstacle = {};  ///< why there is no form, if there is none
};

namespace detail {

/// rho = v'Sv, e = Sv - rho v, a = v.x, q = ||x - a v||^2, and what S has beside rho v v'.
template <class S>
struct RankOneParts {
  S rho, residual, along, across, radicand;

  explicit RankOneParts(const RankOne<S>& in) {
    const Vector<S> product = form_times<S>(in.neurons, in.v);
    rho = dot<S>(in.v, product);
    residual = norm<S>(plus<S>(product, S(-rho), in.v));
    along = dot<S>(in.v, in.x);
    across = sum_of_squares<S>(plus<S>(in.x, S(-along), in.v));
    radicand = in.squares - rho * rho - S(2) * residual * residual;
  }

  /// sqrt(||S||_F^2 - rho^2 - 2 ||e||^2), the Frobenius norm of S on the complement of v.
  S rest() const {
    using std::sqrt;
    return sqrt(positive_part<S>(radicand));
  }
  /// sqrt(||S||_F^2 - rho^2)
  S blunt_rest() const {
    using std::sqrt;
    return sqrt(positive_part<S>(radicand + S(2) * residual * residual));
  }
};

/// The radicand is off by delta = 8 gamma_{2d+2f+8} M^2, M the mass: relative to the mass, because
/// neurons may cancel. So a root is off by sqrt(R + delta) - sqrt(R), or all of delta's.
inline double root_rounding(const RankOne<double>& in, double root) {
  const double m = mass(in.neurons), n = static_cast<double>(in.x.size() + in.neurons.down.size());
  const double delta = 8 * gamma(2 * n + 8) * m * m;
  return delta / std::max(root, std::sqrt(delta));
}

/// What the parts about any unit vector share.
struct RankOneClaim {
  static constexpr std::string_view id = "rank-one-certificate";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = RankOne<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (!fit(in.neurons, in.x) || in.v.size() != in.x.size()) return "the matrices do not fit";
    if (!is_unit(in.v)) return "v is not a unit vector";
    return {};
  }
};

/// Visits forms with v the bisector of the strongest neuron: no eigensolver.
template <class T, class Visit>
void visit_bisectors(const LayerRun<T>& run, const Visit& visit) {
  visit_forms<RankOne<double>>(run, Reads::writes, visit, [](const FormSite& site) {
    RankOne<double> in{site.neurons, {}, site.x()};
    in.v = bisector(in.neurons, in.x);
    in.form = in.x.dot(site.form.apply(in.x));
    const double size = spike::form_norms(site.form).form;
    in.squares = size * size;
    return in;
  });
}

/// Visits forms with v the leading eigenvector.
template <class T, class Visit>
void visit_leading(const LayerRun<T>& run, const Visit& visit) {
  visit_forms<RankOne<double>>(run, Reads::spectra, visit, [](const FormSite& site) {
    const Spectrum spectrum = site.spectrum();
    Vector<double> sizes = spectrum.values.cwiseAbs();
    Index leading = 0;
    sizes.maxCoeff(&leading);
    sizes[leading] = 0;
    RankOne<double> in{site.neurons, spectrum.vectors.col(leading), site.x()};
    in.form = in.x.dot(site.form.apply(in.x));
    in.squares = site.form.dense().squaredNorm();
    in.second = sizes.maxCoeff();
    in.error = spectrum.error;
    return in;
  });
}

}  // namespace detail

/// |x'Sx - rho a^2| <= 2 |a| ||e|| sqrt(q) + sqrt(||S||_F^2 - rho^2 - 2 ||e||^2) q, for every unit
/// v: rho = v'Sv, e = Sv - rho v, a = v.x, q = ||x||^2 - a^2   (claim 8; ours). No eigensolver.
/// Equal for x along v, and for a form of rank two at its second eigenvector.
struct RankOneCertificate : detail::RankOneClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const detail::RankOneParts<S> parts(in);
    return abs(in.form - parts.rho * parts.along * parts.along);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    const detail::RankOneParts<S> parts(in);
    return S(2) * abs(parts.along) * parts.residual * sqrt(parts.across) +
           parts.rest() * parts.across;
  }
  /// x'Sx, rho a^2 and 2 |a| ||e|| sqrt(q), with e off by twice a product; and the root, times q.
  static double allowance(const Input<double>& in) {
    const detail::RankOneParts<double> parts(in);
    return 8 * detail::form_rounding(in.neurons, in.x.squaredNorm()) +
           detail::root_rounding(in, parts.rest()) * parts.across;
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bisectors(run, visit);
    detail::visit_leading(run, visit);
  }
};

/// 2 |a| ||e|| sqrt(q) + sqrt(||S||_F^2 - rho^2 - 2 ||e||^2) q <= sqrt(||S||_F^2 - rho^2) ||x||^2:
/// the certificate above is never weaker than the one that is blind to where x points   (claim 8;
/// ours). Equal for a form of rank two on its second eigenvector.
struct RankOneSharper : detail::RankOneClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return RankOneCertificate::rhs<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::RankOneParts<S> parts(in);
    return parts.blunt_rest() * sum_of_squares<S>(in.x);
  }
  /// As in part a, on both sides.
  static double allowance(const Input<double>& in) {
    const detail::RankOneParts<double> parts(in);
    return 8 * detail::form_rounding(in.neurons, in.x.squaredNorm()) +
           2 * detail::root_rounding(in, parts.rest()) * in.x.squaredNorm();
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bisectors(run, visit);
  }
};

/// |lambda|_2 <= sqrt(||S||_F^2 - rho^2), for every unit v   (claim 8; ours). Equal for a form of
/// rank two along its leading eigenvector.
struct SecondEigenvalue : detail::RankOneClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.second;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::RankOneParts<S>(in).blunt_rest();
  }
  /// The spectrum as measured, and the root.
  static double allowance(const Input<double>& in) {
    const double root = detail::RankOneParts<double>(in).blunt_rest();
    return in.error + 4 * detail::form_rounding(in.neurons, 1) + detail::root_rounding(in, root);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_leading(run, visit);
  }
};

/// A form at x beside one of its eigenvectors, both with the sign that makes lambda the largest.
template <class S>
struct EigenPoint {
  Vector<S> x;
  Vector<S> v;  ///< the unit eigenvector of lambda
  S lambda{};
  S low{};                  ///< the least of the other eigenvalues
  S high{};                 ///< the largest of the other eigenvalues
  S form{};                 ///< x' S x, as the library computes it
  double error = 0;         ///< of each eigenvalue
  double rounding = 0;      ///< of `form`
  Objection obstacle = {};  ///< why there is no form, if there is none
};

namespace detail {

/// a = v.x and q = ||x - a v||^2.
template <class S>
std::pair<S, S> along_and_across(const EigenPoint<S>& in) {
  const S along = dot<S>(in.v, in.x);
  return {along, sum_of_squares<S>(plus<S>(in.x, S(-along), in.v))};
}

/// The rank-one part and the rest, where eigenvalues and the vector are off by the measured error:
/// S = S' + E with v an eigenvector of S' and ||E|| <= 2 error, so each term by a few of these.
inline double eigen_rounding(const EigenPoint<double>& in) {
  const double size = std::max({std::abs(in.lambda), std::abs(in.low), std::abs(in.high)});
  return in.rounding + (8 * in.error + 8 * gamma(in.x.size() + 8) * size) * in.x.squaredNorm();
}

/// The point of a spectrum at x: the end of the spectrum that x' S x has the sign of.
inline EigenPoint<double> eigen_point(const Spectrum& spectrum, const Vector<double>& x,
                                      double form, double rounding) {
  const Index d = x.size();
  const double sign = form < 0 ? -1 : 1;
  const auto value = [&](Index i) { return sign * spectrum.values[sign > 0 ? i : d - 1 - i]; };
  return {x,
          spectrum.vectors.col(sign > 0 ? d - 1 : 0),
          value(d - 1),
          value(0),
          value(d - 2),
          sign * form,
          spectrum.error,
          rounding,
          {}};
}

/// What claims about a form at an eigenvector share.
struct EigenPointClaim {
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = EigenPoint<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (in.x.size() < 2 || in.v.size() != in.x.size()) return "x and v do not fit, or d = 1";
    if (!is_unit(in.v)) return "v is not a unit vector";
    if (in.x.isZero(0)) return "x is zero";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_forms<EigenPoint<double>>(run, Reads::spectra, visit, [](const FormSite& site) {
      const Vector<double> x = site.x();
      return eigen_point(site.spectrum(), x, x.dot(site.form.apply(x)),
                         form_rounding(site.neurons, x.squaredNorm()));
    });
  }
};

}  // namespace detail

/// With an eigenvector v: x'Sx - lambda a^2 lies in [mu_min q, mu_max q], mu the other eigenvalues.
/// As a distance from the middle   (claim 8; ours). Equal on the extreme eigenvectors.
struct SpectralRemainder : detail::EigenPointClaim {
  static constexpr std::string_view id = "rank-one-certificate", part = "d";

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const auto [along, across] = detail::along_and_across<S>(in);
    return abs(in.form - in.lambda * along * along - (in.low + in.high) / S(2) * across);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const auto [along, across] = detail::along_and_across<S>(in);
    return (in.high - in.low) / S(2) * across;
  }
  static double allowance(const Input<double>& in) { return detail::eigen_rounding(in); }
};

namespace detail {

struct TriggerConeClaim : EigenPointClaim {
  static constexpr std::string_view id = "trigger-cone";
};

/// Both halves divide by the gap from lambda to another eigenvalue.
inline Objection no_cone(const EigenPoint<double>& in, double gap) {
  if (const auto objection = EigenPointClaim::assumptions(in)) return objection;
  if (!(gap > 4 * in.error)) return "the leading eigenvalue is not apart from the others";
  return {};
}

inline double cone_rounding(const EigenPoint<double>& in, double gap) {
  return 4 * eigen_rounding(in) / (gap * in.x.squaredNorm());
}

}  // namespace detail

/// x'Sx >= t only if cos^2(x, v) >= (t/||x||^2 - mu_max) / (lambda - mu_max), mu_max the largest of
/// the other eigenvalues   (claim 11; ours). Held at t = x'Sx, the strongest case. For negative
/// writes S and t are negated. Equal in the plane of v and the eigenvector of mu_max. Needs
/// ||x||^2, not d.
struct TriggerNecessary : detail::TriggerConeClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return (in.form / sum_of_squares<S>(in.x) - in.high) / (in.lambda - in.high);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const auto [along, across] = detail::along_and_across<S>(in);
    return along * along / sum_of_squares<S>(in.x);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::no_cone(in, in.lambda - in.high)) return objection;
    if (lhs<double>(in) <= 0) return "the threshold is not positive";
    return {};
  }
  static double allowance(const Input<double>& in) {
    return detail::cone_rounding(in, in.lambda - in.high);
  }
};

/// x'Sx >= t if cos^2(x, v) >= (t/||x||^2 - mu_min) / (lambda - mu_min), mu_min the least of the
/// other eigenvalues   (claim 11; ours). Held at t = x'Sx, where no larger cosine may occur. Equal
/// in the plane of v and the eigenvector of mu_min.
struct TriggerSufficient : detail::TriggerConeClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    const auto [along, across] = detail::along_and_across<S>(in);
    return along * along / sum_of_squares<S>(in.x);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return (in.form / sum_of_squares<S>(in.x) - in.low) / (in.lambda - in.low);
  }
  static Objection assumptions(const Input<double>& in) {
    return detail::no_cone(in, in.lambda - in.low);
  }
  static double allowance(const Input<double>& in) {
    return detail::cone_rounding(in, in.lambda - in.low);
  }
};

}  // namespace plumb::claims
