#pragma once

#include <cmath>
#include <type_traits>
#include <utility>
#include <variant>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/core/scalar.hpp"
#include "plumb/kernels/reference.hpp"

/// Row-wise normalisations, as functions with derivatives. Each has, on rows (tokens, channels):
///   value(x)      y = f(x)
///   jvp(x, dx)    J(x) dx, the derivative of f along dx
///   vjp(x, dy)    J(x)' dy, the gradient of <dy, f(x)>
///   jacobian(h)   J at one row, (out, in)
/// Shapes that do not fit throw shape_error. Cost: O(tokens * channels).
namespace plumb {

namespace detail {
template <class T>
void require_same_shape(const char* function, const MatrixRef<T>& x, const MatrixRef<T>& d) {
  require_size(function, "rows of the direction", d.rows(), x.rows());
  require_size(function, "channels of the direction", d.cols(), x.cols());
}
}  // namespace detail

/// y = g .* u, u = h / rho, rho = sqrt(mean(h^2) + eps)   (paper eq. 5, with eps and gain)
/// The gain g is the effective one: families that store g - 1 add the one when they are read.
template <class T>
struct RmsNorm {
  Vector<T> gain;  ///< (channels)
  double eps = 0;

  Matrix<T> value(const MatrixRef<T>& x) const {
    require_size("RmsNorm::value", "channels of x", x.cols(), gain.size());
    Matrix<T> y(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      y.row(t) = gain.transpose().cwiseProduct(x.row(t) / rho(x, t));
    }
    return y;
  }

  /// dy = g .* (dx / rho - h (h.dx) / (d rho^3))
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    require_fit("RmsNorm::jvp", x, dx);
    Matrix<T> dy(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      dy.row(t) = gain.transpose().cwiseProduct(symmetric_part(x, t, dx.row(t)));
    }
    return dy;
  }

  /// dx = (g .* dy) / rho - h (h.(g .* dy)) / (d rho^3); J without the gain is symmetric.
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dy) const {
    require_fit("RmsNorm::vjp", x, dy);
    Matrix<T> dx(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      dx.row(t) = symmetric_part(x, t, gain.transpose().cwiseProduct(dy.row(t)));
    }
    return dx;
  }

  /// J = diag(g) (I - u u'/d) / rho
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    require_size("RmsNorm::jacobian", "channels", h.size(), gain.size());
    const Matrix<T> row = h.transpose();
    const T root = rho(row, 0);
    const Vector<T> u = h / root;
    Matrix<T> j = Matrix<T>::Identity(h.size(), h.size());
    j -= u * u.transpose() / static_cast<T>(static_cast<double>(h.size()));
    return gain.asDiagonal() * (j / root);
  }

  template <class S>
  RmsNorm<S> cast() const {
    return {gain.template cast<S>(), eps};
  }

 private:
  void require_fit(const char* function, const MatrixRef<T>& x, const MatrixRef<T>& d) const {
    require_size(function, "channels of x", x.cols(), gain.size());
    detail::require_same_shape<T>(function, x, d);
  }

  /// Divided by, never inverted: the inverse of a subnormal rho overflows.
  T rho(const MatrixRef<T>& x, Index row) const {
    return static_cast<T>(
        kernels::backend_t<T>::template root_mean_square<T>(x.row(row).transpose(), eps));
  }

  /// (I - u u'/d) v / rho at row `row` of x.
  RowVector<T> symmetric_part(const MatrixRef<T>& x, Index row, const RowVector<T>& v) const {
    const T root = rho(x, row);
    const RowVector<T> u = x.row(row) / root;
    const T along = u.dot(v) / static_cast<T>(static_cast<double>(x.cols()));
    return (v - u * along) / root;
  }
};

/// y = g .* u + b, u = (h - mean(h)) / sigma, sigma = sqrt(mean((h - mean(h))^2) + eps)
/// (arXiv 1607.06450). The gain is the effective one, as in RmsNorm. With c = h - mean(h), sigma is
/// the rho of c, and u that of RmsNorm at c.
template <class T>
struct LayerNorm {
  Vector<T> gain;  ///< (channels)
  Vector<T> bias;  ///< (channels)
  double eps = 0;

  Matrix<T> value(const MatrixRef<T>& x) const {
    require_fit("LayerNorm::value", x);
    Matrix<T> y(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      const RowVector<T> c = centred(x.row(t));
      y.row(t) = gain.transpose().cwiseProduct(c / sigma(c)) + bias.transpose();
    }
    return y;
  }

  /// dy = g .* P(dx), P(v) = (v - mean(v) - u (u.v) / d) / sigma
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    require_fit("LayerNorm::jvp", x);
    detail::require_same_shape<T>("LayerNorm::jvp", x, dx);
    Matrix<T> dy(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      dy.row(t) = gain.transpose().cwiseProduct(symmetric_part(x.row(t), dx.row(t)));
    }
    return dy;
  }

  /// dx = P(g .* dy); P is symmetric.
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dy) const {
    require_fit("LayerNorm::vjp", x);
    detail::require_same_shape<T>("LayerNorm::vjp", x, dy);
    Matrix<T> dx(x.rows(), x.cols());
    for (Index t = 0; t < x.rows(); ++t) {
      dx.row(t) = symmetric_part(x.row(t), gain.transpose().cwiseProduct(dy.row(t)));
    }
    return dx;
  }

  /// J = diag(g) (I - 1 1'/d - u u'/d) / sigma
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    require_size("LayerNorm::jacobian", "channels", h.size(), gain.size());
    const RowVector<T> c = centred(h.transpose());
    const T root = sigma(c);
    const RowVector<T> u = c / root;
    const T share = T(1) / channels();
    Matrix<T> j = Matrix<T>::Identity(h.size(), h.size());
    j.array() -= share;
    j -= u.transpose() * u * share;
    return gain.asDiagonal() * (j / root);
  }

  template <class S>
  LayerNorm<S> cast() const {
    return {gain.template cast<S>(), bias.template cast<S>(), eps};
  }

 private:
  void require_fit(const char* function, const MatrixRef<T>& x) const {
    require_size(function, "channels of x", x.cols(), gain.size());
    require_size(function, "channels of the bias", bias.size(), gain.size());
  }

  T channels() const { return static_cast<T>(static_cast<double>(gain.size())); }

  /// h without its mean, which is summed in accumulator_t<T>.
  RowVector<T> centred(const RowVector<T>& h) const {
    using A = accumulator_t<T>;
    A sum(0);
    for (Index i = 0; i < h.size(); ++i) sum += static_cast<A>(h[i]);
    const A mean = sum / static_cast<A>(static_cast<double>(h.size()));
    RowVector<T> c(h.size());
    for (Index i = 0; i < h.size(); ++i) c[i] = static_cast<T>(static_cast<A>(h[i]) - mean);
    return c;
  }

  /// Divided by, never inverted, as rho of RmsNorm.
  T sigma(const RowVector<T>& c) const {
    return static_cast<T>(kernels::backend_t<T>::template root_mean_square<T>(c.transpose(), eps));
  }

  RowVector<T> symmetric_part(const RowVector<T>& h, const RowVector<T>& v) const {
    const RowVector<T> c = centred(h);
    const T root = sigma(c);
    const RowVector<T> u = c / root;
    const T along = u.dot(v) / channels();
    return (centred(v) - u * along) / root;
  }
};

/// y = g .* tanh(alpha h)   (DynamicTanh, arXiv 2503.10622, without its bias)
template <class T>
struct DynamicTanh {
  Vector<T> gain;  ///< (channels)
  T alpha{};

  Matrix<T> value(const MatrixRef<T>& x) const {
    require_size("DynamicTanh::value", "channels of x", x.cols(), gain.size());
    const auto squash = [](const T& z) -> T {
      using std::tanh;
      return tanh(z);
    };
    const Matrix<T> squashed = (x * alpha).unaryExpr(squash);
    return squashed * gain.asDiagonal();
  }

  /// J is diagonal: g alpha (1 - tanh^2(alpha h)).
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    detail::require_same_shape<T>("DynamicTanh::jvp", x, dx);
    return dx.cwiseProduct(slope(x));
  }

  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dy) const { return jvp(x, dy); }

  Matrix<T> jacobian(const VectorRef<T>& h) const {
    const Matrix<T> row = h.transpose();
    return Matrix<T>(slope(row).row(0).asDiagonal());
  }

  template <class S>
  DynamicTanh<S> cast() const {
    return {gain.template cast<S>(), static_cast<S>(alpha)};
  }

 private:
  Matrix<T> slope(const MatrixRef<T>& x) const {
    require_size("DynamicTanh", "channels of x", x.cols(), gain.size());
    const auto derivative = [](const T& z) -> T {
      using std::tanh;
      const T y = tanh(z);
      return T(1) - y * y;
    };
    const Matrix<T> sech_squared = (x * alpha).unaryExpr(derivative);
    return sech_squared * (gain * alpha).asDiagonal();
  }
};

/// y = h, where an architecture has no norm.
template <class T>
struct NoNorm {
  Matrix<T> value(const MatrixRef<T>& x) const { return x; }
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    detail::require_same_shape<T>("NoNorm", x, dx);
    return dx;
  }
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dy) const { return jvp(x, dy); }
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    return Matrix<T>::Identity(h.size(), h.size());
  }
  template <class S>
  NoNorm<S> cast() const {
    return {};
  }
};

/// Whichever norm an architecture has at one place.
template <class T>
struct Norm {
  std::variant<NoNorm<T>, RmsNorm<T>, DynamicTanh<T>, LayerNorm<T>> kind;

  bool present() const { return kind.index() != 0; }

  Matrix<T> value(const MatrixRef<T>& x) const {
    return std::visit([&](const auto& norm) -> Matrix<T> { return norm.value(x); }, kind);
  }
  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx) const {
    return std::visit([&](const auto& norm) -> Matrix<T> { return norm.jvp(x, dx); }, kind);
  }
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dy) const {
    return std::visit([&](const auto& norm) -> Matrix<T> { return norm.vjp(x, dy); }, kind);
  }
  Matrix<T> jacobian(const VectorRef<T>& h) const {
    return std::visit([&](const auto& norm) -> Matrix<T> { return norm.jacobian(h); }, kind);
  }
  template <class S>
  Norm<S> cast() const {
    return std::visit([](const auto& norm) -> Norm<S> { return {norm.template cast<S>()}; }, kind);
  }
};

}  // namespace plumb
