#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/spike/lanczos.hpp"

namespace plumb::spike {

enum class SingularStatus {
  converged,
  not_converged,  ///< the steps were used up; the triplets are the best that were found
  not_finite      ///< the map gave NaN or infinity; there are no triplets
};

constexpr const char* to_string(SingularStatus status) {
  switch (status) {
    case SingularStatus::converged: return "converged";
    case SingularStatus::not_converged: return "not converged";
    case SingularStatus::not_finite: return "not finite";
  }
  return "?";
}

struct SingularOptions {
  Index count = 1;  ///< triplets wanted
  /// Residuals at most this times the largest singular value. Default: 1e-8, in float 1e-5.
  std::optional<double> tolerance;
  Index steps = 192;       ///< applications of A, and of A', at most
  std::uint64_t seed = 1;  ///< of the start vector
};

/// The largest singular values of A, descending, with their vectors: A v_i = sigma_i u_i.
struct SingularTriplets {
  SingularStatus status = SingularStatus::not_converged;
  Vector<double> values;    ///< sigma
  Matrix<double> left;      ///< row i is u_i, unit; zero where sigma is
  Matrix<double> right;     ///< row i is v_i, unit
  Vector<double> residual;  ///< max(|A v - sigma u|, |A' u - sigma v|), measured: some singular
                            ///< value lies within it of sigma
  Index applications = 0;   ///< of A and of A' together

  Index count() const { return values.size(); }
};

namespace detail {

/// Golub-Kahan bidiagonalisation with full reorthogonalisation, for A with rows >= cols:
///   A V = U B,  A' U = V B' + beta_k v_{k+1} e_k',  B upper bidiagonal of alpha and beta.
/// Where an alpha or beta vanishes a random orthogonal vector takes the place of the next one, so
/// that multiple singular values are found as often as they occur.
template <class S, class Forward, class Backward>
class Bidiagonal {
 public:
  Bidiagonal(Index rows, Index cols, const Forward& forward, const Backward& backward,
             const SingularOptions& options)
      : forward_(forward),
        backward_(backward),
        most_(std::min(options.steps, cols)),
        seed_(options.seed) {
    const Index reserved = std::min<Index>(most_ + 1, 32);
    left_.resize(reserved, rows);
    right_.resize(reserved, cols);
    place(right_, 0, Vector<S>::Zero(cols), 0);
  }

  Index steps() const { return static_cast<Index>(alpha_.size()); }
  bool exhausted() const { return steps() == most_ || !finite_; }
  bool finite() const { return finite_; }

  void advance() {
    const Index k = steps();
    Vector<S> image = forward_(Vector<S>(right_.row(k).transpose()));
    require_size("singular_triplets", "size of A v", image.size(), left_.cols());
    if (k > 0) image -= static_cast<S>(beta_.back()) * left_.row(k - 1).transpose();
    alpha_.push_back(place(left_, k, std::move(image), k));
    image = backward_(Vector<S>(left_.row(k).transpose()));
    require_size("singular_triplets", "size of A' u", image.size(), right_.cols());
    image -= static_cast<S>(alpha_.back()) * right_.row(k).transpose();
    beta_.push_back(k + 1 < right_.cols() ? place(right_, k + 1, std::move(image), k + 1) : 0);
  }

  /// Singular values and vectors of B, descending: columns x of `left`, y of `right`. From B'B,
  /// which is tridiagonal: enough for the largest, to u sigma_1^2 / sigma.
  struct Small {
    Vector<double> values;
    Eigen::MatrixXd left, right;
    Vector<double> bound;  // |A' u - sigma v|
  };
  Small solve(Index count) const {
    const Index k = steps();
    // Scaled to one, so that squares neither overflow nor vanish.
    const double scale = scale_ > 0 ? scale_ : 1;
    const Eigen::VectorXd alpha = Eigen::Map<const Eigen::VectorXd>(alpha_.data(), k) / scale;
    const Eigen::VectorXd beta = Eigen::Map<const Eigen::VectorXd>(beta_.data(), k) / scale;
    Eigen::VectorXd diagonal = alpha.cwiseAbs2();
    diagonal.tail(k - 1) += beta.head(k - 1).cwiseAbs2();
    const Eigen::VectorXd side = alpha.cwiseProduct(beta).head(k - 1);
    const auto squares = tridiagonal_eigen<double>(diagonal, side);

    const Index found = std::min(count, k);
    Small small{Vector<double>(found), Eigen::MatrixXd(k, found),
                squares.vectors.rightCols(found).rowwise().reverse(), Vector<double>(found)};
    for (Index i = 0; i < found; ++i) {
      Eigen::VectorXd x = alpha.cwiseProduct(small.right.col(i));  // B y
      x.head(k - 1) += beta.head(k - 1).cwiseProduct(small.right.col(i).tail(k - 1));
      const double sigma = x.norm();
      const double rounding = 16 * static_cast<double>(k) * std::numeric_limits<S>::epsilon();
      small.left.col(i).setZero();
      if (sigma > rounding) small.left.col(i) = x / sigma;
      small.values[i] = scale * sigma;
      small.bound[i] = scale * beta[k - 1] * std::abs(small.left(k - 1, i));
    }
    return small;
  }

  Vector<double> left(const Eigen::VectorXd& x) const { return combine(left_, x); }
  Vector<double> right(const Eigen::VectorXd& y) const { return combine(right_, y); }

 private:
  static Vector<double> combine(const Matrix<S>& basis, const Eigen::VectorXd& x) {
    const Vector<double> v = basis.topRows(x.size()).template cast<double>().transpose() * x;
    return v.norm() > 0 ? Vector<double>(v.normalized()) : v;
  }

  /// Makes `v` orthogonal to the first `count` rows, and its direction row `count`. Returns its
  /// length, or 0 where nothing but rounding was left and a random vector stepped in.
  double place(Matrix<S>& basis, Index count, Vector<S> v, Index k) {
    if (count == basis.rows()) {
      basis.conservativeResize(std::min(2 * count, most_ + 1), Eigen::NoChange);
    }
    const double before = static_cast<double>(v.stableNorm());
    finite_ = finite_ && std::isfinite(before);
    scale_ = std::max(scale_, before);
    double length = orthogonalise(basis, count, v);
    constexpr double kRounding = 16 * std::numeric_limits<S>::epsilon();
    const bool vanished = !(length > kRounding * scale_);
    for (std::uint64_t attempt = 0; finite_ && !(length > kRounding * scale_); ++attempt) {
      // The image has vanished; twice is enough unless the random vector itself lies in the span.
      v = random_vector(v.size(), seed_ + 7919 * static_cast<std::uint64_t>(k) + attempt)
              .template cast<S>();
      v.normalize();
      length = orthogonalise(basis, count, v);
      if (length > kRounding) break;
    }
    basis.row(count) = v.transpose() / static_cast<S>(length);
    return vanished ? 0 : length;
  }

  static double orthogonalise(const Matrix<S>& basis, Index count, Vector<S>& v) {
    const auto rows = basis.topRows(count);
    double length = static_cast<double>(v.norm());
    for (int pass = 0; count > 0 && pass < 3; ++pass) {
      const double before = length;
      const Vector<S> overlap = rows * v;
      v.noalias() -= rows.transpose() * overlap;
      length = static_cast<double>(v.norm());
      if (length > before / 2) break;
    }
    return length;
  }

  const Forward& forward_;
  const Backward& backward_;
  Index most_;
  std::uint64_t seed_;
  bool finite_ = true;
  double scale_ = 0;
  Matrix<S> left_, right_;            // rows u_i, v_i
  std::vector<double> alpha_, beta_;  // of B; the last beta couples to the step not yet taken
};

template <class S, class Forward, class Backward>
SingularTriplets tall_triplets(Index rows, Index cols, const Forward& forward,
                               const Backward& backward, const SingularOptions& options) {
  Bidiagonal<S, Forward, Backward> search(rows, cols, forward, backward, options);
  const Index wanted = std::min(options.count, cols);
  const double tolerance = options.tolerance.value_or(std::is_same_v<S, float> ? 1e-5 : 1e-8);
  SingularTriplets result;
  typename Bidiagonal<S, Forward, Backward>::Small small;
  const auto enough = [&] {
    return small.values.size() == wanted &&
           (small.bound.array() <= tolerance * small.values[0]).all();
  };
  Index look_at = wanted + 2;
  while (!search.exhausted()) {
    search.advance();
    if (!search.finite()) {
      result.status = SingularStatus::not_finite;
      return result;
    }
    if (search.steps() < look_at && !search.exhausted()) continue;
    look_at = search.steps() + 1 + search.steps() / 6;
    small = search.solve(wanted);
    if (enough()) break;
  }
  const Index found = small.values.size();
  result.applications = 2 * (search.steps() + found);
  result.values.resize(found);
  result.residual.resize(found);
  result.left.resize(found, rows);
  result.right.resize(found, cols);
  for (Index i = 0; i < found; ++i) {
    const Vector<double> u = search.left(small.left.col(i)), v = search.right(small.right.col(i));
    const Vector<double> image = forward(Vector<S>(v.template cast<S>())).template cast<double>();
    const Vector<double> back = backward(Vector<S>(u.template cast<S>())).template cast<double>();
    const double sigma = u.dot(image);
    result.values[i] = sigma;
    result.residual[i] = std::max((image - sigma * u).norm(), (back - sigma * v).norm());
    result.left.row(i) = u.transpose();
    result.right.row(i) = v.transpose();
  }
  const double allowed = 2 * tolerance * result.values[0];
  if (found == wanted && (result.residual.array() <= allowed).all()) {
    result.status = SingularStatus::converged;
  }
  return result;
}

}  // namespace detail

/// The `count` largest singular triplets of a linear map A (rows, cols), given as two functions:
///   forward(v) = A v,  backward(u) = A' u,  both on Vector<S>
/// By Golub-Kahan bidiagonalisation with full reorthogonalisation; it stops on residual bounds,
/// never on the values alone. Computes in S; residuals are measured with the same functions.
/// That no larger value was missed is as sure as that a random start has a part along its vector.
/// Throws shape_error for an empty map or count < 1, and when a function returns a wrong size.
/// Cost: two applications and 4 steps (rows + cols) multiplications a step.
template <class S, class Forward, class Backward>
SingularTriplets singular_triplets(Index rows, Index cols, const Forward& forward,
                                   const Backward& backward, const SingularOptions& options = {}) {
  if (rows < 1 || cols < 1) throw shape_error("singular_triplets: the map is empty");
  if (options.count < 1 || options.steps < options.count) {
    throw shape_error("singular_triplets: count must be within 1..steps");
  }
  if (rows >= cols) return detail::tall_triplets<S>(rows, cols, forward, backward, options);
  auto result = detail::tall_triplets<S>(cols, rows, backward, forward, options);
  std::swap(result.left, result.right);
  return result;
}

}  // namespace plumb::spike
