#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <unsupported/Eigen/NonLinearOptimization>
#include <vector>

#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/feed_forward.hpp"

/// The law F(h) = lambda (s'h)^2 (paper eq. 19) from samples only: the block is a black box.
namespace plumb::spike {

/// Whether samples tell what s is. Up to its sign: (s'h)^2 does not see it.
enum class FitStatus {
  converged,
  not_converged,  ///< Levenberg-Marquardt stopped early; the numbers are its last
  too_few,        ///< below 2 d - 1 samples, several s fit alike (Balan, Casazza, Edidin 2006)
  collinear,      ///< the h span less than all directions: s is the part of it that they see
  unidentified,   ///< s can move without the fit getting worse: too few samples with F != 0
  zero,           ///< all F or all h are zero
  constant,       ///< all F are the same number
  not_finite      ///< a sample is NaN or infinite
};

constexpr const char* to_string(FitStatus status) {
  switch (status) {
    case FitStatus::converged: return "converged";
    case FitStatus::not_converged: return "not converged";
    case FitStatus::too_few: return "too few samples";
    case FitStatus::collinear: return "collinear samples";
    case FitStatus::unidentified: return "not identified";
    case FitStatus::zero: return "zero";
    case FitStatus::constant: return "constant";
    case FitStatus::not_finite: return "not finite";
  }
  return "?";
}

/// A fitted law. With `too_few`, `zero`, `constant` and `not_finite` there is none: lambda is 0 and
/// direction empty. Errors are those of least squares: one standard deviation, with the noise taken
/// from the residual, in first order; absent unless converged with more samples than channels.
struct QuadraticFit {
  FitStatus status = FitStatus::zero;
  double lambda = 0;
  Vector<double> direction;               ///< s, unit; its largest entry is positive
  double r_squared = 0;                   ///< uncentred: 1 - sum (F - fit)^2 / sum F^2
  std::optional<double> lambda_error;     ///< standard error
  std::optional<double> direction_error;  ///< standard error of s, in radians
  std::optional<double> degree;           ///< see log_log_degree
  Index evaluations = 0;                  ///< of the fit, by Levenberg-Marquardt
};

namespace detail {

/// sign (w'g)^2 - F for each sample, as MINPACK wants it.
struct FitResidual {
  const Eigen::MatrixXd& g;  // (samples, rank)
  const Eigen::VectorXd& f;
  double sign;

  int inputs() const { return static_cast<int>(g.cols()); }
  int values() const { return static_cast<int>(g.rows()); }
  int operator()(const Eigen::VectorXd& w, Eigen::VectorXd& residual) const {
    residual = sign * (g * w).cwiseAbs2() - f;
    return 0;
  }
  int df(const Eigen::VectorXd& w, Eigen::MatrixXd& jacobian) const {
    jacobian = (2 * sign * (g * w)).asDiagonal() * g;
    return 0;
  }
};

/// Samples seen in coordinates in which their second moment is the identity: h = back^-1 g on the
/// directions that they span.
struct Whitened {
  Eigen::MatrixXd g;     // (samples, rank)
  Eigen::MatrixXd back;  // (channels, rank): w in h is back w in g
};

/// Directions of variance below rank * u of the largest are rounding.
inline Whitened whiten(const Eigen::MatrixXd& h) {
  const auto n = static_cast<double>(h.rows());
  const auto [variance, directions] = symmetric_eigen<double>(h.transpose() * h / n);
  const double noise = static_cast<double>(std::max(h.rows(), h.cols())) *
                       std::numeric_limits<double>::epsilon() * variance[variance.size() - 1];
  const Index rank = (variance.array() > noise).count();
  const Eigen::MatrixXd back =
      directions.rightCols(rank) * variance.tail(rank).cwiseSqrt().cwiseInverse().asDiagonal();
  return {h * back, back};
}

/// Where to start: for Gaussian g, E F (g g' - I) = 2 lambda s s', so the leading eigenvectors of
/// either end of that sum; and of sum F g g', which is surer where few samples carry F.
inline std::vector<Eigen::VectorXd> spectral_starts(const Eigen::MatrixXd& g,
                                                    const Eigen::VectorXd& f) {
  std::vector<Eigen::VectorXd> starts;
  Eigen::MatrixXd moment = g.transpose() * f.asDiagonal() * g / static_cast<double>(g.rows());
  const auto add_ends = [&] {
    const Matrix<double> ends = symmetric_eigen<double>(moment).vectors;
    starts.push_back(ends.rightCols(1));
    if (g.cols() > 1) starts.push_back(ends.leftCols(1));
  };
  add_ends();
  moment.diagonal().array() -= f.mean();
  add_ends();
  return starts;
}

/// The best lambda (v'g)^2 along a direction v: lambda, and how much of sum F^2 it explains.
struct Along {
  double lambda, explained;
};
inline Along best_along(const Eigen::MatrixXd& g, const Eigen::VectorXd& f,
                        const Eigen::VectorXd& v) {
  const Eigen::VectorXd square = (g * v).cwiseAbs2();
  const double lambda = square.dot(f) / square.squaredNorm();
  return {lambda, lambda * square.dot(f)};
}

/// w with lambda (s'h)^2 = sign (w'g)^2, by Levenberg-Marquardt from the best start.
struct Solution {
  Eigen::VectorXd w;
  double sign;
  bool converged;
  Index evaluations;
};
inline Solution solve(const Eigen::MatrixXd& g, const Eigen::VectorXd& f) {
  Along best{0, -1};
  Eigen::VectorXd start;
  for (const auto& v : spectral_starts(g, f)) {
    const Along along = best_along(g, f, v);
    if (along.explained <= best.explained) continue;
    best = along;
    start = v;
  }
  Solution solution{std::sqrt(std::abs(best.lambda)) * start, best.lambda < 0 ? -1.0 : 1.0, false,
                    0};
  FitResidual residual{g, f, solution.sign};
  Eigen::LevenbergMarquardt<FitResidual> solver(residual);
  constexpr double kRounding = 4 * std::numeric_limits<double>::epsilon();
  solver.parameters.ftol = solver.parameters.xtol = kRounding;
  solver.parameters.gtol = 0;
  solver.parameters.maxfev = 400;
  const int info = static_cast<int>(solver.minimize(solution.w));
  // 1 to 4: it has converged in f, x or both, or the residual is orthogonal; 6 to 8: to rounding.
  solution.converged = (info >= 1 && info <= 4) || (info >= 6 && info <= 8);
  solution.evaluations = solver.nfev;
  return solution;
}

/// What the samples say before any fit.
inline std::optional<FitStatus> unfit(const MatrixRef<double>& h, const VectorRef<double>& f) {
  if (!h.allFinite() || !f.allFinite()) return FitStatus::not_finite;
  if (h.isZero(0) || f.isZero(0)) return FitStatus::zero;
  if (h.rows() < 2 * h.cols() - 1) return FitStatus::too_few;
  const double spread = f.maxCoeff() - f.minCoeff();
  const double rounding = 4 * std::numeric_limits<double>::epsilon() * f.cwiseAbs().maxCoeff();
  if (h.rows() > 1 && spread <= rounding) return FitStatus::constant;
  return std::nullopt;
}

/// Fills in the errors from the covariance (J'J)^-1 rss / (n - d) of w; false when J is singular.
inline bool estimate_errors(QuadraticFit& fit, const Eigen::MatrixXd& h, const Eigen::VectorXd& f) {
  const Eigen::VectorXd along = h * fit.direction;
  const double size = std::sqrt(std::abs(fit.lambda));
  // In units of w: the law is (w'h)^2 with w = sqrt(lambda) s, so its rows are 2 sqrt(lambda) (s'h)
  // h.
  const Eigen::MatrixXd j = (2 * size * along).asDiagonal() * h;
  const auto [curvature, directions] = symmetric_eigen<double>(j.transpose() * j);
  const double noise = static_cast<double>(h.rows()) * std::numeric_limits<double>::epsilon() *
                       curvature[curvature.size() - 1];
  if (!(curvature[0] > noise)) return false;
  const Index spare = h.rows() - h.cols();
  if (spare <= 0) return true;
  const double variance =
      (fit.lambda * along.cwiseAbs2() - f).squaredNorm() / static_cast<double>(spare);
  const Eigen::MatrixXd covariance =
      directions * curvature.cwiseInverse().asDiagonal() * directions.transpose() * variance;
  const double radial = fit.direction.dot(covariance * fit.direction);
  fit.lambda_error = 2 * size * std::sqrt(std::max(0.0, radial));
  fit.direction_error = std::sqrt(std::max(0.0, covariance.trace() - radial)) / size;
  return true;
}

}  // namespace detail

/// The slope of log|F| against log|a|, a = s'h: the degree of F along s, 2 for the law. Samples
/// weigh F^2, as noise of one size in F asks for. Absent unless two |a| differ where F != 0.
inline std::optional<double> log_log_degree(const VectorRef<double>& a,
                                            const VectorRef<double>& f) {
  require_size("log_log_degree", "samples of F", f.size(), a.size());
  double weight = 0, x = 0, y = 0, xx = 0, xy = 0;
  const double scale = f.size() == 0 ? 0 : f.cwiseAbs().maxCoeff();
  for (Index i = 0; i < a.size(); ++i) {
    if (a[i] == 0 || f[i] == 0) continue;
    const double w = (f[i] / scale) * (f[i] / scale);
    const double log_a = std::log(std::abs(a[i])), log_f = std::log(std::abs(f[i]));
    // Running means, so that the variance does not come from a difference.
    weight += w;
    const double dx = log_a - x, dy = log_f - y;
    x += w / weight * dx;
    y += w / weight * dy;
    xx += w * dx * (log_a - x);
    xy += w * dx * (log_f - y);
  }
  if (!(xx > 0) || !std::isfinite(xy / xx)) return std::nullopt;
  return xy / xx;
}

/// <F, J x> / <F, F>: the degree with which the block grows along x, 2 for a quadratic form and
/// 2 + z sigma(-z), so at most 2.278465, for one SwiGLU neuron with z >= 0. Several neurons of
/// either sign may leave that range. Absent where F(x) = 0. Source: ours.
template <class T>
std::optional<double> local_degree(const FeedForward<T>& block, const VectorRef<T>& x) {
  const Matrix<T> row = x.transpose();
  const Matrix<double> f = block.value(row).template cast<double>();
  const Matrix<double> jx = block.jvp(row, row).template cast<double>();
  const double size = f.squaredNorm();
  if (!(size > 0)) return std::nullopt;
  return f.cwiseProduct(jx).sum() / size;
}

/// Fits lambda (s'h)^2 to samples: rows of h (samples, channels) and F of each. A spectral start
/// in coordinates in which the samples are white, then Levenberg-Marquardt on both lambda and s.
/// Throws shape_error when sizes differ or there are no samples.
/// Cost: samples * channels^2 a step, and three symmetric eigenproblems of size channels.
/// Source: ours.
inline QuadraticFit quadratic_fit(const MatrixRef<double>& h, const VectorRef<double>& f) {
  require_size("quadratic_fit", "samples of F", f.size(), h.rows());
  if (h.size() == 0) throw shape_error("quadratic_fit: there are no samples");
  QuadraticFit fit;
  if (const auto reason = detail::unfit(h, f)) {
    fit.status = *reason;
    return fit;
  }
  // Scaled to one, so that squares neither overflow nor vanish.
  const double h_scale = h.cwiseAbs().maxCoeff(), f_scale = f.cwiseAbs().maxCoeff();
  const Eigen::MatrixXd samples = h / h_scale;
  const Eigen::VectorXd target = f / f_scale;
  const auto white = detail::whiten(samples);
  const auto solution = detail::solve(white.g, target);

  const Eigen::VectorXd w = white.back * solution.w;
  fit.evaluations = solution.evaluations;
  fit.lambda = solution.sign * w.squaredNorm();
  if (!(w.norm() > 0)) {
    fit.status = FitStatus::unidentified;
    fit.lambda = 0;
    return fit;
  }
  fit.direction = w.normalized();
  Index largest = 0;
  fit.direction.cwiseAbs().maxCoeff(&largest);
  if (fit.direction[largest] < 0) fit.direction = -fit.direction;

  const Eigen::VectorXd along = samples * fit.direction;
  fit.r_squared =
      1 - (fit.lambda * along.cwiseAbs2() - target).squaredNorm() / target.squaredNorm();
  fit.degree = log_log_degree(along, target);
  if (white.g.cols() < h.cols()) {
    fit.status = FitStatus::collinear;
  } else if (!detail::estimate_errors(fit, samples, target)) {
    fit.status = FitStatus::unidentified;
  } else {
    fit.status = solution.converged ? FitStatus::converged : FitStatus::not_converged;
  }
  const double unscale = f_scale / (h_scale * h_scale);
  fit.lambda *= unscale;
  if (fit.lambda_error) *fit.lambda_error *= unscale;
  return fit;
}

}  // namespace plumb::spike
