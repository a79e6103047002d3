#pragma once

#include <cmath>

#include "plumb/core/linalg.hpp"

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

}  // namespace plumb
