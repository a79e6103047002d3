#pragma once

#include <cmath>
#include <numbers>

#include "plumb/core/linalg.hpp"
#include "plumb/weights/architecture.hpp"

/// Activations, each a scalar function with its derivative: NAME(z) and NAME_derivative(z). Any
/// scalar with comparison will do that has exp, erf and tanh where they are used.
namespace plumb {

/// sigma(z) = 1 / (1 + e^-z), by the branch that keeps full relative accuracy for z << 0.
template <class T>
T sigmoid(const T& z) {
  using std::exp;
  if (z < T(0)) {
    const T e = exp(z);
    return e / (T(1) + e);
  }
  return T(1) / (T(1) + exp(-z));
}

/// sigma'(z) = sigma(z) sigma(-z)
template <class T>
T sigmoid_derivative(const T& z) {
  return sigmoid(z) * sigmoid(T(-z));
}

/// SiLU(z) = z sigma(z); equals 0 at 0, tends to z for z -> infinity, least value -0.2784645.
template <class T>
T silu(const T& z) {
  return z * sigmoid(z);
}

/// SiLU'(z) = sigma(z) (1 + z sigma(-z)), within [-0.0998394, 1.0998394].
template <class T>
T silu_derivative(const T& z) {
  return sigmoid(z) * (T(1) + z * sigmoid(T(-z)));
}

/// Phi(z) = (1 + erf(z / sqrt 2)) / 2, the normal distribution function. By erfc, so that the
/// relative error is at most (2 z^2 + 16) u, where u is the unit roundoff, for z << 0 too.
template <class T>
T normal_distribution(const T& z) {
  using std::erfc;
  return T(0.5) * erfc(T(-z * T(1 / std::numbers::sqrt2)));
}

/// GELU(z) = z Phi(z); equals 0 at 0, tends to z for z -> infinity, least value -0.1699712.
template <class T>
T gelu(const T& z) {
  return z * normal_distribution(z);
}

/// GELU'(z) = Phi(z) + z phi(z), phi(z) = e^(-z^2/2) / sqrt(2 pi); within [-0.1289042, 1.1289042].
template <class T>
T gelu_derivative(const T& z) {
  using std::exp;
  const T density = exp(T(-z * z / T(2))) * T(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return normal_distribution(z) + z * density;
}

/// 2 sqrt(2 / pi): GELU_tanh(z) = z sigma(kGeluSlope (z + kGeluCubic z^3)).
inline constexpr double kGeluSlope = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
inline constexpr double kGeluCubic = 0.044715;

/// z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) / 2, written with (1 + tanh(a)) / 2 = sigma(2 a),
/// so that the relative error is small for z << 0 too. Within 5e-4 of GELU.
template <class T>
T gelu_tanh(const T& z) {
  return z * sigmoid(T(z * T(kGeluSlope) * (T(1) + z * z * T(kGeluCubic))));
}

/// With a = kGeluSlope (z + kGeluCubic z^3): sigma(a) + z a' sigma'(a).
template <class T>
T gelu_tanh_derivative(const T& z) {
  const T a = z * T(kGeluSlope) * (T(1) + z * z * T(kGeluCubic));
  const T steepness = sigmoid_derivative(a);
  if (!(T(0) < steepness)) return sigmoid(a);  // a' may be infinite there
  return sigmoid(a) + z * T(kGeluSlope) * (T(1) + z * z * T(3 * kGeluCubic)) * steepness;
}

/// max(z, 0)
template <class T>
T relu(const T& z) {
  return z < T(0) ? T(0) : z;
}

/// 1 for z > 0, else 0; at 0, where there is none, 0.
template <class T>
T relu_derivative(const T& z) {
  return T(0) < z ? T(1) : T(0);
}

/// The activation of each entry.
template <class T>
Matrix<T> activate(Activation kind, const Matrix<T>& z) {
  switch (kind) {
    case Activation::silu: break;
    case Activation::gelu: return z.unaryExpr(&gelu<T>);
    case Activation::gelu_tanh: return z.unaryExpr(&gelu_tanh<T>);
    case Activation::relu: return z.unaryExpr(&relu<T>);
  }
  return z.unaryExpr(&silu<T>);
}

/// Its derivative at each entry.
template <class T>
Matrix<T> activation_slope(Activation kind, const Matrix<T>& z) {
  switch (kind) {
    case Activation::silu: break;
    case Activation::gelu: return z.unaryExpr(&gelu_derivative<T>);
    case Activation::gelu_tanh: return z.unaryExpr(&gelu_tanh_derivative<T>);
    case Activation::relu: return z.unaryExpr(&relu_derivative<T>);
  }
  return z.unaryExpr(&silu_derivative<T>);
}

}  // namespace plumb
