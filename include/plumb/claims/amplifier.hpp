#pragma once

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/feed_forward.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/spike/trigger_cone.hpp"
#include "plumb/trace/layer_run.hpp"

/// What the quadratic form S_k of a channel says of its writes, with the gain of the norm folded
/// into the rows g_j, u_j, so that ||x||^2 <= d. Everything is ours but the rank-one form itself:
/// F_k(x) ~ lambda (s.x)^2 = lambda d cos^2(s, x). The paper's equation 19 prints sqrt(d) cos.
namespace plumb::claims {

/// sum_j |w_j| ||g_j|| ||u_j||, which bounds ||S_k||_F and |F_k(x)| / ||x||^2.
template <class S>
S mass(const Neurons<S>& neurons) {
  using std::abs;
  S sum(0);
  for (Index j = 0; j < neurons.down.size(); ++j) {
    sum += abs(neurons.down[j]) * norm<S>(row<S>(neurons.gate, j)) * norm<S>(row<S>(neurons.up, j));
  }
  return sum;
}

/// ||S_k||_F^2 without S_k: sum_ij w_i w_j [(g_i.g_j)(u_i.u_j) + (g_i.u_j)(u_i.g_j)] / 2.
template <class S>
S form_squares(const Neurons<S>& neurons) {
  S sum(0);
  for (Index i = 0; i < neurons.down.size(); ++i) {
    const Vector<S> gi = row<S>(neurons.gate, i), ui = row<S>(neurons.up, i);
    const Vector<S> gg = product<S>(neurons.gate, gi), gu = product<S>(neurons.gate, ui);
    const Vector<S> ug = product<S>(neurons.up, gi), uu = product<S>(neurons.up, ui);
    for (Index j = 0; j < gg.size(); ++j) {
      sum += neurons.down[i] * neurons.down[j] * (gg[j] * uu[j] + ug[j] * gu[j]);
    }
  }
  return sum / S(2);
}

/// All eigenvalues of a symmetric matrix, ascending, with their vectors as columns, and a bound of
/// the error of each eigenvalue, measured: never the word of the solver.
struct Spectrum {
  Vector<double> values;
  Matrix<double> vectors;
  double error = 0;
};

/// `formed`: what the matrix itself is off by, in norm. The error adds ||S V - V L||_F and
/// ||V'V - 1||_F ||L||, with the rounding of these products. Cost: O(d^3).
inline Spectrum spectrum_of(const Matrix<double>& form, double formed) {
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(form);
  Spectrum spectrum{solver.eigenvalues(), solver.eigenvectors(), 0};
  const auto& [values, vectors, error] = spectrum;
  const double size = values.cwiseAbs().maxCoeff();
  const Matrix<double> rest = form * vectors - vectors * values.asDiagonal();
  const Matrix<double> skew =
      vectors.transpose() * vectors - Matrix<double>::Identity(form.rows(), form.rows());
  spectrum.error = formed + 1.1 * (rest.norm() + skew.norm() * size) +
                   4 * gamma(form.rows() * form.rows()) * size;
  return spectrum;
}

namespace detail {

/// Wider models are visited by the parts that need no spectrum.
inline constexpr Index kWidestSpectrum = 256;
inline constexpr Index kVisitedForms = 2;  ///< channels a notable position

/// gamma of the roundings in x' S_k x or ||S_k v||, times what they are relative to.
inline double form_rounding(const Neurons<double>& neurons, double squared_norm) {
  return gamma(2 * (neurons.gate.cols() + neurons.down.size()) + 16) * mass(neurons) * squared_norm;
}

inline bool is_unit(const Vector<double>& v) {
  return std::abs(v.norm() - 1) <= gamma(v.size() + 8);
}

inline bool fit(const Neurons<double>& neurons, const Vector<double>& x) {
  const Index f = neurons.down.size(), d = x.size();
  return d > 0 && neurons.gate.rows() == f && neurons.up.rows() == f && neurons.gate.cols() == d &&
         neurons.up.cols() == d;
}

/// One channel of one layer at a notable position.
struct FormSite {
  const FeedForwardRows& rows;
  const spike::QuadraticForm<double>& form;
  const Neurons<double>& neurons;  ///< gain folded in
  Index row;
  Index channel;
  Where where;

  Vector<double> x() const { return rows.ungained.row(row).transpose(); }
  double write() const { return rows.write(row, channel); }
  double formed() const { return gamma(neurons.down.size() + 8) * mass(neurons); }
  Spectrum spectrum() const { return spectrum_of(form.dense(), formed()); }
};

/// What is looked at: any channel, or those of which a spectrum is made, which costs O(d^3).
enum class Reads { writes, spectra };

/// Calls body(site) for the channels with the largest writes at the notable positions of a layer,
/// the largest alone where a spectrum is made, and refuse(reason, where) once where the block has
/// no such form.
template <class T, class Body, class Refuse>
void for_each_form(const LayerRun<T>& run, Reads reads, const Body& body, const Refuse& refuse) {
  const bool spectra = reads == Reads::spectra;
  if (spectra && run.weights.feed_forward.up.cols() > kWidestSpectrum) return;
  const FeedForwardRows rows = feed_forward_rows(run);
  const Where block{.layer = run.layer, .block = Block::feed_forward};
  if (rows.obstacle) return refuse(*rows.obstacle, block);
  const spike::FeedForwardView<double> view(rows.block, rows.gain);
  Neurons<double> neurons{
      rows.block.gate * rows.gain.asDiagonal(), rows.block.up * rows.gain.asDiagonal(), {}};
  for (std::size_t p = 0; p < rows.positions.size(); ++p) {
    const auto i = static_cast<Index>(p);
    for (const Index k : largest_channels(rows.write.row(i), spectra ? 1 : kVisitedForms)) {
      const auto form = spike::quadratic_form(view, k);
      neurons.down = rows.block.down.row(k);
      Where where = block;
      where.channel = k;
      where.position = rows.positions[p];
      body(FormSite{rows, form, neurons, i, k, where});
    }
  }
}

}  // namespace detail

// ---- Claim 8: the certificate ------------------------------------------------------------------

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

inline Objection no_rank_one(const RankOne<double>& in) {
  if (in.obstacle) return in.obstacle;
  if (!fit(in.neurons, in.x) || in.v.size() != in.x.size()) return "the matrices do not fit";
  if (!is_unit(in.v)) return "v is not a unit vector";
  return {};
}

/// Visits forms with v the bisector of the strongest neuron: no eigensolver.
template <class T, class Visit>
void visit_bisectors(const LayerRun<T>& run, const Visit& visit) {
  RankOne<double> in;
  for_each_form(
      run, Reads::writes,
      [&](const FormSite& site) {
        in.neurons = site.neurons;
        in.x = site.x();
        in.v = bisector(in.neurons, in.x);
        in.form = in.x.dot(site.form.apply(in.x));
        const double size = spike::form_norms(site.form).form;
        in.squares = size * size;
        visit(in, site.where);
      },
      [&](const std::string& reason, const Where& where) {
        in.obstacle = reason;
        visit(in, where);
      });
}

/// Visits forms with v the leading eigenvector.
template <class T, class Visit>
void visit_leading(const LayerRun<T>& run, const Visit& visit) {
  RankOne<double> in;
  for_each_form(
      run, Reads::spectra,
      [&](const FormSite& site) {
        const Spectrum spectrum = site.spectrum();
        Vector<double> sizes = spectrum.values.cwiseAbs();
        Index leading = 0;
        sizes.maxCoeff(&leading);
        sizes[leading] = 0;
        in.neurons = site.neurons;
        in.x = site.x();
        in.v = spectrum.vectors.col(leading);
        in.form = in.x.dot(site.form.apply(in.x));
        in.squares = site.form.dense().squaredNorm();
        in.second = sizes.maxCoeff();
        in.error = spectrum.error;
        visit(in, site.where);
      },
      [&](const std::string& reason, const Where& where) {
        in.obstacle = reason;
        visit(in, where);
      });
}

}  // namespace detail

/// |x'Sx - rho a^2| <= 2 |a| ||e|| sqrt(q) + sqrt(||S||_F^2 - rho^2 - 2 ||e||^2) q, for every unit
/// v: rho = v'Sv, e = Sv - rho v, a = v.x, q = ||x||^2 - a^2   (claim 8; ours). No eigensolver.
/// Equal for x along v, and for a form of rank two at its second eigenvector.
struct RankOneCertificate {
  static constexpr std::string_view id = "rank-one-certificate", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = RankOne<S>;

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
  static Objection assumptions(const Input<double>& in) { return detail::no_rank_one(in); }
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
struct RankOneSharper {
  static constexpr std::string_view id = "rank-one-certificate", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = RankOne<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return RankOneCertificate::rhs<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const detail::RankOneParts<S> parts(in);
    return parts.blunt_rest() * sum_of_squares<S>(in.x);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_rank_one(in); }
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
struct SecondEigenvalue {
  static constexpr std::string_view id = "rank-one-certificate", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = RankOne<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.second;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return detail::RankOneParts<S>(in).blunt_rest();
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_rank_one(in); }
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

inline Objection no_eigen_point(const EigenPoint<double>& in) {
  if (in.obstacle) return in.obstacle;
  if (in.x.size() < 2 || in.v.size() != in.x.size()) return "x and v do not fit, or d = 1";
  if (!is_unit(in.v)) return "v is not a unit vector";
  if (in.x.isZero(0)) return "x is zero";
  return {};
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

template <class T, class Visit>
void visit_eigen_points(const LayerRun<T>& run, const Visit& visit) {
  for_each_form(
      run, Reads::spectra,
      [&](const FormSite& site) {
        const Vector<double> x = site.x();
        if (x.size() < 2) return;
        visit(eigen_point(site.spectrum(), x, x.dot(site.form.apply(x)),
                          form_rounding(site.neurons, x.squaredNorm())),
              site.where);
      },
      [&](const std::string& reason, const Where& where) {
        EigenPoint<double> in;
        in.obstacle = reason;
        visit(in, where);
      });
}

}  // namespace detail

/// With an eigenvector v: x'Sx - lambda a^2 lies in [mu_min q, mu_max q], mu the other eigenvalues.
/// As a distance from the middle   (claim 8; ours). Equal on the extreme eigenvectors.
struct SpectralRemainder {
  static constexpr std::string_view id = "rank-one-certificate", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = EigenPoint<S>;

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
  static Objection assumptions(const Input<double>& in) { return detail::no_eigen_point(in); }
  static double allowance(const Input<double>& in) { return detail::eigen_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_eigen_points(run, visit);
  }
};

// ---- Claim 9: one neuron, and many
// ---------------------------------------------------------------

/// A = w (g u' + u g') / 2, beside what an eigensolver says of it.
template <class S>
struct OneNeuron {
  Vector<S> g;
  Vector<S> u;
  S w{};
  S high{};             ///< largest eigenvalue
  S low{};              ///< least eigenvalue
  Vector<S> direction;  ///< unit eigenvector of the one that is larger in size
  double error = 0;     ///< of each eigenvalue
};

namespace detail {

inline Objection no_neuron(const OneNeuron<double>& in) {
  if (in.g.size() < 2 || in.u.size() != in.g.size()) return "g and u do not fit, or d = 1";
  if (in.g.isZero(0) || in.u.isZero(0) || in.w == 0) return "the neuron is zero";
  return {};
}

/// w ||g|| ||u|| without the sign of w.
inline double reach(const Vector<double>& g, const Vector<double>& u, double w) {
  return std::abs(w) * g.norm() * u.norm();
}

inline double neuron_rounding(const OneNeuron<double>& in) {
  return in.error + 4 * gamma(in.g.size() + 8) * reach(in.g, in.u, in.w);
}

/// g^ + sign(g.u) u^, the bisector that the neuron amplifies.
template <class S>
Vector<S> dominant_bisector(const Vector<S>& g, const Vector<S>& u) {
  using std::abs;
  const S product = dot<S>(g, u), sign = product / abs(product);
  const S by_g = S(1) / norm<S>(g);
  Vector<S> scaled(g.size());
  for (Index i = 0; i < g.size(); ++i) scaled[i] = by_g * g[i];
  return plus<S>(scaled, S(sign / norm<S>(u)), u);
}

/// The neuron j of a channel, with the spectrum of its own form.
inline OneNeuron<double> one_neuron(const Neurons<double>& neurons, Index j) {
  OneNeuron<double> in{neurons.gate.row(j), neurons.up.row(j), neurons.down[j], 0, 0, {}, 0};
  const Matrix<double> form = in.w / 2 * (in.g * in.u.transpose() + in.u * in.g.transpose());
  const Spectrum spectrum = spectrum_of(form, 4 * kUnit * reach(in.g, in.u, in.w));
  const Index last = in.g.size() - 1;
  in.high = spectrum.values[last];
  in.low = spectrum.values[0];
  in.direction = spectrum.vectors.col(std::abs(in.high) >= std::abs(in.low) ? last : 0);
  in.error = spectrum.error;
  return in;
}

/// The neuron that writes most into a channel at x.
inline Index strongest(const Neurons<double>& neurons, const Vector<double>& x) {
  Index j = 0;
  const Vector<double> z = neurons.gate * x, y = neurons.up * x;
  neurons.down.cwiseProduct(z).cwiseProduct(y).cwiseAbs().maxCoeff(&j);
  return j;
}

template <class T, class Visit>
void visit_neurons(const LayerRun<T>& run, const Visit& visit) {
  for_each_form(
      run, Reads::spectra,
      [&](const FormSite& site) {
        visit(one_neuron(site.neurons, strongest(site.neurons, site.x())), site.where);
      },
      [](const std::string&, const Where&) {});
}

}  // namespace detail

/// The largest eigenvalue of w (g u' + u g') / 2 is (w g.u + |w| ||g|| ||u||) / 2; all but two of
/// them are 0   (claim 9; ours).
struct NeuronHigh {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = OneNeuron<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.high;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return (in.w * dot<S>(in.g, in.u) + abs(in.w) * norm<S>(in.g) * norm<S>(in.u)) / S(2);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_neuron(in); }
  static double allowance(const Input<double>& in) { return detail::neuron_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_neurons(run, visit);
  }
};

/// The least eigenvalue of w (g u' + u g') / 2 is (w g.u - |w| ||g|| ||u||) / 2; all but two of
/// them are 0   (claim 9; ours).
struct NeuronLow {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = OneNeuron<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.low;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return (in.w * dot<S>(in.g, in.u) - abs(in.w) * norm<S>(in.g) * norm<S>(in.u)) / S(2);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_neuron(in); }
  static double allowance(const Input<double>& in) { return detail::neuron_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_neurons(run, visit);
  }
};

/// Its eigenvector of the eigenvalue that is larger in size is b = g^ + sign(c) u^, c = cos(g, u):
/// (direction.b)^2 = b.b   (claim 9; ours). That eigenvalue has the sign of w c, and a share
/// (1 + |c|)^2 / (2 (1 + c^2)) of the squared norm. c = 0 is a tie: no direction.
struct NeuronDirection {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "c";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = OneNeuron<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    const S along = dot<S>(in.direction, detail::dominant_bisector<S>(in.g, in.u));
    return along * along;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(detail::dominant_bisector<S>(in.g, in.u));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::no_neuron(in)) return objection;
    if (std::abs(in.g.dot(in.u)) <= 1e-9 * in.g.norm() * in.u.norm()) {
      return "the gate and up rows are orthogonal: both ends of the spectrum tie";
    }
    return {};
  }
  /// The vector is off by 2 error / gap, gap >= |w| ||g|| ||u|| / 2, squared in the cosine.
  static double allowance(const Input<double>& in) {
    const double angle = 4 * in.error / detail::reach(in.g, in.u, in.w);
    return 4 * (angle * angle + gamma(4 * in.g.size() + 24));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_neurons(run, visit);
  }
};

/// The form S of a channel beside that of one of its neurons, A.
template <class S>
struct AmongNeurons {
  Neurons<S> neurons;
  Index neuron = 0;
  Vector<S> spectrum;   ///< eigenvalues of S, ascending
  Vector<S> direction;  ///< unit eigenvector of S at the end where A has its larger eigenvalue
  S rest{};             ///< ||S - A||_2
  Vector<S> v;          ///< any unit vector
  double error = 0;     ///< of each eigenvalue, and of `rest`
};

namespace detail {

inline Objection no_neurons(const AmongNeurons<double>& in) {
  if (in.v.size() < 2 || !fit(in.neurons, in.v) || in.spectrum.size() != in.v.size()) {
    return "the matrices do not fit, or d = 1";
  }
  return {};
}

/// Distance of the larger eigenvalue of A from the next at its end.
inline double neuron_gap(const AmongNeurons<double>& in) {
  const Vector<double> g = in.neurons.gate.row(in.neuron), u = in.neurons.up.row(in.neuron);
  const double w = std::abs(in.neurons.down[in.neuron]);
  const double whole = w * g.norm() * u.norm();
  return g.size() == 2 ? whole : (whole + w * std::abs(g.dot(u))) / 2;
}

inline AmongNeurons<double> among_neurons(const Neurons<double>& neurons, Index j,
                                          const Vector<double>& v) {
  const Matrix<double> product = neurons.gate.transpose() * neurons.down.asDiagonal() * neurons.up;
  const Matrix<double> form = (product + product.transpose()) / 2;
  const Vector<double> g = neurons.gate.row(j), u = neurons.up.row(j);
  const Matrix<double> alone = neurons.down[j] / 2 * (g * u.transpose() + u * g.transpose());
  const double formed = gamma(neurons.down.size() + 8) * mass(neurons);
  const Spectrum whole = spectrum_of(form, formed), others = spectrum_of(form - alone, 2 * formed);
  const bool top = neurons.down[j] * g.dot(u) > 0;
  return {neurons,
          j,
          whole.values,
          whole.vectors.col(top ? v.size() - 1 : 0),
          others.values.cwiseAbs().maxCoeff(),
          v,
          whole.error + others.error};
}

template <class T, class Visit>
void visit_among_neurons(const LayerRun<T>& run, const Visit& visit) {
  for_each_form(
      run, Reads::spectra,
      [&](const FormSite& site) {
        const Vector<double> x = site.x();
        if (x.size() < 2) return;
        visit(among_neurons(site.neurons, strongest(site.neurons, x), bisector(site.neurons, x)),
              site.where);
      },
      [](const std::string&, const Where&) {});
}

}  // namespace detail

/// |mu_i(S) - mu_i(A)| <= ||S - A||_2 for all eigenvalues in ascending order, A the form of one
/// neuron (claim 9; Weyl). Equal when the other neurons add a multiple of A.
struct NeuronWeyl {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = AmongNeurons<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const Vector<S> g = row<S>(in.neurons.gate, in.neuron), u = row<S>(in.neurons.up, in.neuron);
    const S w = in.neurons.down[in.neuron], product = w * dot<S>(g, u);
    const S lengths = abs(w) * norm<S>(g) * norm<S>(u);
    const Index last = in.spectrum.size() - 1;
    Vector<S> apart = in.spectrum;
    apart[0] -= (product - lengths) / S(2);
    apart[last] -= (product + lengths) / S(2);
    return max_abs<S>(apart);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.rest;
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_neurons(in); }
  /// Both spectra, and the closed form.
  static double allowance(const Input<double>& in) {
    return in.error + 4 * gamma(in.v.size() + 8) * mass(in.neurons);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_among_neurons(run, visit);
  }
};

/// sin angle(s, b) <= 2 ||S - A||_2 / gap: s the eigenvector of S, b that of A at the same end, gap
/// the distance to the next eigenvalue of A there: (1 + |c|) |w| ||g|| ||u|| / 2 for d >= 3,
/// without the factor for d = 2   (claim 9; Davis and Kahan).
struct NeuronDavisKahan {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "e";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = AmongNeurons<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> b = detail::dominant_bisector<S>(row<S>(in.neurons.gate, in.neuron),
                                                     row<S>(in.neurons.up, in.neuron));
    const S along = dot<S>(in.direction, b) / sum_of_squares<S>(b);
    return norm<S>(plus<S>(in.direction, S(-along), b));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    const Vector<S> g = row<S>(in.neurons.gate, in.neuron), u = row<S>(in.neurons.up, in.neuron);
    const S w = abs(in.neurons.down[in.neuron]), whole = w * norm<S>(g) * norm<S>(u);
    const S gap = g.size() == 2 ? whole : S((whole + w * abs(dot<S>(g, u))) / S(2));
    return S(2) * in.rest / gap;
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::no_neurons(in)) return objection;
    if (!(in.neurons.gate.row(in.neuron).dot(in.neurons.up.row(in.neuron)) != 0)) {
      return "the gate and up rows are orthogonal: both ends of the spectrum tie";
    }
    if (!(2 * in.rest + 4 * in.error < detail::neuron_gap(in))) {
      return "the other neurons outweigh the gap";
    }
    return {};
  }
  /// The direction is off by 2 error / (gap - 2 rest), since S keeps that gap; rest / gap by
  /// 2 error / gap.
  static double allowance(const Input<double>& in) {
    const double gap = detail::neuron_gap(in);
    return 4 * in.error / (gap - 2 * in.rest) + 2 * in.error / gap + gamma(6 * in.v.size() + 24);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_among_neurons(run, visit);
  }
};

/// The eigenvalue of S nearest to rho = v'Sv is within ||Sv - rho v||, for every unit v   (claim
/// 9). Equal in the middle between two eigenvectors.
struct RayleighResidual {
  static constexpr std::string_view id = "one-neuron-eigenpair", part = "f";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = AmongNeurons<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const S rho = form_value<S>(in.neurons, in.v);
    S least = abs(in.spectrum[0] - rho);
    for (Index i = 1; i < in.spectrum.size(); ++i) {
      const S apart = abs(in.spectrum[i] - rho);
      if (apart < least) least = apart;
    }
    return least;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const Vector<S> product = form_times<S>(in.neurons, in.v);
    return norm<S>(plus<S>(product, S(-form_value<S>(in.neurons, in.v)), in.v));
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::no_neurons(in)) return objection;
    if (!detail::is_unit(in.v)) return "v is not a unit vector";
    return {};
  }
  /// The spectrum, rho twice, and S v.
  static double allowance(const Input<double>& in) {
    return in.error + 4 * detail::form_rounding(in.neurons, 1);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_among_neurons(run, visit);
  }
};

// ---- Claim 10: channels that one neuron writes into
// ----------------------------------------------

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

inline Objection no_shared(const SharedNeuron<double>& in) {
  if (in.obstacle) return in.obstacle;
  const Index c = in.write.size();
  if (c < 2 || in.column.size() != c || in.others.size() != c || in.rounding.size() != c) {
    return "fewer than two channels, or sizes that differ";
  }
  if (in.column.isZero(0)) return "the neuron writes into none of the channels";
  return {};
}

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
struct SharedRatio {
  static constexpr std::string_view id = "shared-direction-ratios", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = SharedNeuron<S>;

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
    if (const auto objection = detail::no_shared(in)) return objection;
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
struct SharedAngle {
  static constexpr std::string_view id = "shared-direction-ratios", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = SharedNeuron<S>;

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
    if (const auto objection = detail::no_shared(in)) return objection;
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

// ---- Claim 11: the trigger cone
// -------------------------------------------------------------------

namespace detail {

/// Both halves divide by the distance from lambda to another eigenvalue.
inline double cone_rounding(const EigenPoint<double>& in, double gap) {
  return 4 * eigen_rounding(in) / (gap * in.x.squaredNorm());
}

inline Objection no_cone(const EigenPoint<double>& in, double gap) {
  if (const auto objection = no_eigen_point(in)) return objection;
  if (!(gap > 4 * in.error)) return "the leading eigenvalue is not apart from the others";
  return {};
}

}  // namespace detail

/// x'Sx >= t only if cos^2(x, v) >= (t/||x||^2 - mu_max) / (lambda - mu_max), mu_max the largest of
/// the other eigenvalues   (claim 11; ours). Held at t = x'Sx, the strongest case. For negative
/// writes S and t are negated. Equal in the plane of v and the eigenvector of mu_max. Needs
/// ||x||^2, not d.
struct TriggerNecessary {
  static constexpr std::string_view id = "trigger-cone", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = EigenPoint<S>;

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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_eigen_points(run, visit);
  }
};

/// x'Sx >= t if cos^2(x, v) >= (t/||x||^2 - mu_min) / (lambda - mu_min), mu_min the least of the
/// other eigenvalues   (claim 11; ours). Held at t = x'Sx, where no larger cosine may occur. Equal
/// in the plane of v and the eigenvector of mu_min.
struct TriggerSufficient {
  static constexpr std::string_view id = "trigger-cone", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = EigenPoint<S>;

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
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_eigen_points(run, visit);
  }
};

// ---- Claims 14 and A3: bounds of the write itself
// -------------------------------------------------

/// A write beside what the weights allow.
template <class S>
struct BoundedWrite {
  Neurons<S> neurons;
  Vector<S> x;
  S write{};                ///< F_k(x), without the bias of W_down
  S mirrored{};             ///< F_k(-x), likewise
  S rise{};                 ///< largest eigenvalue of P_k
  S fall{};                 ///< largest eigenvalue of N_k
  double error = 0;         ///< of the two eigenvalues, from above
  Objection obstacle = {};  ///< a bias in gate or up, or no gate
};

/// x' P_k x for sign = 1, x' N_k x for sign = -1, without either matrix:
///   1/4 sum_j [|w_j| (z_j^2 ||u_j|| / ||g_j|| + y_j^2 ||g_j|| / ||u_j||) + sign 2 w_j z_j y_j],
/// which is 1/4 sum_j |w_j| ||g_j|| ||u_j|| ((g^_j + sign s_j u^_j).x)^2, s_j the sign of w_j.
template <class S>
S majorant_value(const Neurons<S>& neurons, const Vector<S>& x, int sign) {
  using std::abs;
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  S sum(0);
  for (Index j = 0; j < z.size(); ++j) {
    const S ratio = norm<S>(row<S>(neurons.gate, j)) / norm<S>(row<S>(neurons.up, j));
    sum += abs(neurons.down[j]) * (z[j] * z[j] / ratio + y[j] * y[j] * ratio) +
           S(2 * sign) * neurons.down[j] * z[j] * y[j];
  }
  return sum / S(4);
}

namespace detail {

inline Objection no_bounded_write(const BoundedWrite<double>& in) {
  if (in.obstacle) return in.obstacle;
  if (!fit(in.neurons, in.x)) return "the matrices do not fit";
  return {};
}

/// Majorants divide by the lengths of rows; a neuron with a zero row writes nothing.
inline Objection no_majorant(const BoundedWrite<double>& in) {
  if (const auto objection = no_bounded_write(in)) return objection;
  for (Index j = 0; j < in.neurons.down.size(); ++j) {
    if (in.neurons.gate.row(j).isZero(0) || in.neurons.up.row(j).isZero(0)) {
      return "a neuron has a zero row";
    }
  }
  return {};
}

/// A write, and a bound of the size of mass ||x||^2.
inline double bounded_rounding(const BoundedWrite<double>& in) {
  return 2 * write_rounding(in.neurons, in.x) + in.error * in.x.squaredNorm() +
         4 * form_rounding(in.neurons, in.x.squaredNorm());
}

/// Visits writes with or without the ceilings, which take four runs of Lanczos each.
template <class T, class Visit>
void visit_bounded(const LayerRun<T>& run, bool ceilings, const Visit& visit) {
  BoundedWrite<double> in;
  for_each_form(
      run, Reads::writes,
      [&](const FormSite& site) {
        in.neurons = site.neurons;
        in.x = site.x();
        in.write = site.write();
        in.mirrored = site.rows.mirrored(site.row, site.channel);
        if (ceilings) {
          const auto ceiling = spike::write_ceiling(site.form, 1);
          in.rise = ceiling.up;
          in.fall = ceiling.down;
          in.obstacle = ceiling.converged ? Objection{} : "an eigenvalue did not converge";
        }
        visit(in, site.where);
      },
      [&](const std::string& reason, const Where& where) {
        in.obstacle = reason;
        visit(in, where);
      });
}

}  // namespace detail

/// F_k(x) <= ||x||^2 lambda_max(P_k), for every act with act(z)/z in [0, 1]   (claim 14; ours): a
/// ceiling from weights alone. Reached by one neuron, x on its bisector, for z -> infinity.
struct WriteRise {
  static constexpr std::string_view id = "write-budget-feed-forward", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * in.rise;
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_bounded_write(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, true, visit);
  }
};

/// -F_k(x) <= ||x||^2 lambda_max(N_k), for every act with act(z)/z in [0, 1]   (claim 14; ours): a
/// ceiling from weights alone. Reached by one neuron, x on its bisector, for z -> infinity.
struct WriteFall {
  static constexpr std::string_view id = "write-budget-feed-forward", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return -in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * in.fall;
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_bounded_write(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, true, visit);
  }
};

/// |F_k(x)| <= ||x||^2 sum_j |w_kj| (||g_j|| ||u_j|| + |g_j.u_j|) / 2   (claim 14; ours): no
/// eigensolver. Reached as part a.
struct WriteRows {
  static constexpr std::string_view id = "write-budget-feed-forward", part = "c";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    S sum(0);
    for (Index j = 0; j < in.neurons.down.size(); ++j) {
      const Vector<S> g = row<S>(in.neurons.gate, j), u = row<S>(in.neurons.up, j);
      sum += abs(in.neurons.down[j]) * (norm<S>(g) * norm<S>(u) + abs(dot<S>(g, u)));
    }
    return sum_of_squares<S>(in.x) * sum / S(2);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_bounded_write(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, false, visit);
  }
};

/// |F_k(x)| <= ||x||^2 sum_j |w_kj| ||g_j|| ||u_j||   (claim 14; ours). Reached by one neuron with
/// parallel rows, for z -> infinity.
struct WriteMass {
  static constexpr std::string_view id = "write-budget-feed-forward", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * mass<S>(in.neurons);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_bounded_write(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, false, visit);
  }
};

/// F_k(x) <= x' P_k x, for every act with act(z)/z in [0, 1]   (claim A3; ours): the true write, no
/// quadratic approximation. Equal, for z -> infinity, where x is on the bisectors of the neurons.
struct MajorantAbove {
  static constexpr std::string_view id = "signed-majorants", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, 1);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_majorant(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, false, visit);
  }
};

/// -F_k(x) <= x' N_k x, for every act with act(z)/z in [0, 1]   (claim A3; ours): the true write,
/// no quadratic approximation. Equal, for z -> infinity, where x is on the bisectors of the
/// neurons.
struct MajorantBelow {
  static constexpr std::string_view id = "signed-majorants", part = "b";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return -in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, -1);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_majorant(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, false, visit);
  }
};

/// F_k(x) + F_k(-x) = x' P_k x - x' N_k x, that is S_k = P_k - N_k   (claim A3; ours).
struct MajorantDifference {
  static constexpr std::string_view id = "signed-majorants", part = "c";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = BoundedWrite<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write + in.mirrored;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, 1) - majorant_value<S>(in.neurons, in.x, -1);
  }
  static Objection assumptions(const Input<double>& in) { return detail::no_majorant(in); }
  static double allowance(const Input<double>& in) { return detail::bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_bounded(run, false, visit);
  }
};

/// A write beside the two largest eigenvalues of the majorant on its side.
template <class S>
struct MajorantPoint {
  Vector<S> x;
  S write{};    ///< |F_k(x)|, its side being that of the majorant
  Vector<S> p;  ///< unit eigenvector of the largest eigenvalue
  S largest{};
  S second{};
  double error = 0;     ///< of the eigenvalues, from above, and of p as a residual
  double rounding = 0;  ///< of the write
  Objection obstacle = {};
};

/// F_k(x) >= t only if cos^2(x, p) >= (t/||x||^2 - pi_2) / (pi_1 - pi_2), pi the two largest
/// eigenvalues of P_k (or of N_k, for negative writes) and p the first eigenvector   (claim A3;
/// ours): a cone for the true write, from weights alone. Held at t = F_k(x).
struct WriteCone {
  static constexpr std::string_view id = "signed-majorants", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = MajorantPoint<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return (in.write / sum_of_squares<S>(in.x) - in.second) / (in.largest - in.second);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S along = dot<S>(in.p, in.x);
    return along * along / sum_of_squares<S>(in.x);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (in.x.isZero(0) || in.p.size() != in.x.size()) return "x is zero, or p does not fit";
    if (!detail::is_unit(in.p)) return "p is not a unit vector";
    if (!(in.largest - in.second > 4 * in.error)) return "no direction leads the majorant";
    if (lhs<double>(in) <= 0) return "the write is below what the second direction allows";
    return {};
  }
  /// As for the trigger cone: 8 errors of the eigenvalues, divided by their distance.
  static double allowance(const Input<double>& in) {
    const double n = in.x.squaredNorm();
    const double terms = (8 * in.error + 8 * gamma(in.x.size() + 8) * in.largest) * n;
    return 4 * (in.rounding + terms) / ((in.largest - in.second) * n);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::for_each_form(
        run, detail::Reads::writes,
        [&](const detail::FormSite& site) {
          const auto side = site.write() < 0 ? spike::Side::negative : spike::Side::positive;
          const auto pair = spike::leading_eigenpair(spike::signed_majorant(site.form, side));
          const Vector<double> x = site.x();
          visit(
              MajorantPoint<double>{
                  x, std::abs(site.write()), pair.direction, pair.largest, pair.second,
                  pair.residual + 4 * detail::form_rounding(site.neurons, 1),
                  write_rounding(site.neurons, x),
                  pair.converged ? Objection{} : "an eigenvalue did not converge"},
              site.where);
        },
        [&](const std::string& reason, const Where& where) {
          MajorantPoint<double> in;
          in.obstacle = reason;
          visit(in, where);
        });
  }
};

}  // namespace plumb::claims
