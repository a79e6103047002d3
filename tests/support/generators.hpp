#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <rapidcheck/catch.h>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "plumb/core/linalg.hpp"

/// What properties are tried on: finite numbers and matrices of the sizes and shapes that
/// activations and weights have. All shrink: towards 0 and 1, few digits and few non-zeros, and
/// orthogonal matrices towards the identity. (rc::gen::arbitrary<double> makes numbers up to 8e18.)
namespace plumb::test {

using Engine = std::mt19937_64;

/// A section that draws from the generators, a hundred times. It is rc::prop, which is long to
/// compile for each lambda anew, compiled once.
inline void property(const std::string& description, const std::function<void()>& holds) {
  rc::prop(description, holds);
}

namespace detail {

/// The generator of draw(engine), whose values shrink to those of simpler(value).
template <class Draw, class Simpler>
auto generator(Draw draw, Simpler simpler) {
  using Value = std::invoke_result_t<Draw, Engine&>;
  return rc::Gen<Value>([=](const rc::Random& random, int) -> rc::Shrinkable<Value> {
    Engine engine(rc::Random(random).next());
    return rc::shrinkable::shrinkRecur(draw(engine), simpler);
  });
}

/// Simpler numbers, the simplest first: 0, 1, without the sign, whole, half as large, fewer digits.
template <class T>
std::vector<T> simpler_numbers(T value) {
  if (value == T(0)) return {};
  std::vector<T> simpler{T(0)};
  const auto add = [&](T candidate) {
    if (candidate != value && candidate != T(0)) simpler.push_back(candidate);
  };
  if (value == T(1)) return simpler;
  add(T(1));
  if (value < T(0)) add(-value);
  add(std::trunc(value));
  if (std::trunc(value) == value) {
    add(std::trunc(value / 2));
  } else {
    int exponent = 0;
    const T mantissa = std::frexp(value, &exponent);
    add(std::ldexp(std::trunc(mantissa * 16) / 16, exponent));
  }
  return simpler;
}

template <class T>
rc::Seq<T> simpler_number(T value) {
  return rc::seq::fromContainer(simpler_numbers(value));
}

/// Runs of non-zeros set to 0, long runs first; then single entries made simpler.
template <class M>
rc::Seq<M> simpler_matrix(const M& m) {
  using T = typename M::Scalar;
  std::vector<std::pair<Index, Index>> runs;
  for (Index length = m.size(); length > 0; length /= 2) {
    for (Index first = 0; first < m.size(); first += length) {
      const Index count = std::min(length, m.size() - first);
      const Eigen::Map<const Vector<T>> run(m.data() + first, count);
      if ((run.array() != T(0)).any()) runs.emplace_back(first, count);
    }
  }
  auto cleared = rc::seq::map(
      rc::seq::fromContainer(std::move(runs)), [m](const std::pair<Index, Index>& run) {
        M simpler = m;
        Eigen::Map<Vector<T>>(simpler.data() + run.first, run.second).setZero();
        return simpler;
      });
  auto simplified = rc::seq::mapcat(rc::seq::range(Index{0}, m.size()), [m](Index i) {
    auto numbers = simpler_numbers(m.data()[i]);
    if (!numbers.empty()) numbers.erase(numbers.begin());  // 0 was tried above
    return rc::seq::map(rc::seq::fromContainer(std::move(numbers)), [m, i](T number) {
      M simpler = m;
      simpler.data()[i] = number;
      return simpler;
    });
  });
  return rc::seq::concat(std::move(cleared), std::move(simplified));
}

inline bool one_in(Engine& engine, int n) {
  return std::uniform_int_distribution<int>(1, n)(engine) == 1;
}

}  // namespace detail

// ---- Draws, for tests with a seed of their own ----------------------------------------------

/// Uniform in [-bound, bound]; one in eight is 0, one in sixteen 1.
template <class T>
T draw_bounded(Engine& engine, T bound) {
  if (detail::one_in(engine, 8)) return T(0);
  if (detail::one_in(engine, 16)) return std::min(T(1), bound);
  return std::uniform_real_distribution<T>(-bound, bound)(engine);
}

/// A magnitude in [least, greatest], uniform in its logarithm.
template <class T>
T draw_magnitude(Engine& engine, T least, T greatest) {
  const std::uniform_real_distribution<double>::param_type range(std::log(least),
                                                                 std::log(greatest));
  const auto drawn =
      static_cast<T>(std::exp(std::uniform_real_distribution<double>(range)(engine)));
  return std::min(std::max(drawn, least), greatest);
}

template <class T>
Matrix<T> draw_gaussian(Engine& engine, Index rows, Index cols, double sigma = 1) {
  std::normal_distribution<double> normal(0, sigma);
  return Matrix<T>::NullaryExpr(rows, cols, [&] { return static_cast<T>(normal(engine)); });
}

/// Gaussian rows, each with up to three entries made 10^2 to 10^5 times larger.
template <class T>
Matrix<T> draw_spiked(Engine& engine, Index rows, Index cols) {
  const Matrix<T> plain = draw_gaussian<T>(engine, rows, cols);
  Matrix<T> m = plain;
  std::uniform_int_distribution<Index> channel(0, cols - 1);
  for (Index t = 0; t < rows; ++t) {
    const int spikes = std::uniform_int_distribution<int>(1, 3)(engine);
    for (int i = 0; i < spikes; ++i) {
      const Index c = channel(engine);
      m(t, c) = plain(t, c) * draw_magnitude(engine, T(1e2), T(1e5));
    }
  }
  return m;
}

// ---- Generators -----------------------------------------------------------------------------

/// A number in [-bound, bound], often exactly 0 or 1.
template <class T>
rc::Gen<T> bounded(T bound = T(10)) {
  return detail::generator([=](Engine& engine) { return draw_bounded(engine, bound); },
                           &detail::simpler_number<T>);
}

/// A number of either sign with a magnitude in [least, greatest], uniform in its logarithm.
template <class T>
rc::Gen<T> log_uniform(T least, T greatest) {
  return detail::generator(
      [=](Engine& engine) {
        const T size = draw_magnitude(engine, least, greatest);
        return detail::one_in(engine, 2) ? size : -size;
      },
      [=](T value) {
        auto numbers = detail::simpler_numbers(value);
        std::erase_if(numbers, [=](T n) { return std::abs(n) < least || std::abs(n) > greatest; });
        return rc::seq::fromContainer(std::move(numbers));
      });
}

/// A positive number in [least, greatest], uniform in its logarithm: an eps, a theta, a scale.
template <class T>
rc::Gen<T> magnitude(T least, T greatest) {
  return rc::gen::map(log_uniform(least, greatest), [](T value) { return std::abs(value); });
}

/// A number of either kind: bounded by 10, or of any size from 1e-8 to 1e8.
template <class T>
rc::Gen<T> number() {
  return rc::gen::oneOf(bounded<T>(), log_uniform<T>(T(1e-8), T(1e8)));
}

/// At least one, most often small; sizes about a SIMD width and its remainders are frequent.
inline rc::Gen<Index> size(Index greatest = 17) {
  return rc::gen::map(rc::gen::oneOf(rc::gen::inRange(1, 9), rc::gen::element(3, 7, 16, 17)),
                      [=](int n) { return std::min<Index>(n, greatest); });
}

template <class T>
rc::Gen<Matrix<T>> bounded_matrix(Index rows, Index cols, T bound = T(10)) {
  return detail::generator(
      [=](Engine& engine) {
        return Matrix<T>(
            Matrix<T>::NullaryExpr(rows, cols, [&] { return draw_bounded(engine, bound); }));
      },
      &detail::simpler_matrix<Matrix<T>>);
}

template <class T>
rc::Gen<Matrix<T>> gaussian(Index rows, Index cols, double sigma = 1) {
  return detail::generator(
      [=](Engine& engine) { return draw_gaussian<T>(engine, rows, cols, sigma); },
      &detail::simpler_matrix<Matrix<T>>);
}

template <class T>
rc::Gen<Matrix<T>> spiked(Index rows, Index cols) {
  return detail::generator([=](Engine& engine) { return draw_spiked<T>(engine, rows, cols); },
                           &detail::simpler_matrix<Matrix<T>>);
}

/// Weights of a layer: Gaussian of the size that keeps activations at theirs.
template <class T>
rc::Gen<Matrix<T>> weights(Index out, Index in) {
  return gaussian<T>(out, in, 1 / std::sqrt(static_cast<double>(in)));
}

/// Rows of a residual stream: bounded, Gaussian or with spikes.
template <class T>
rc::Gen<Matrix<T>> activations(Index tokens, Index channels) {
  return rc::gen::oneOf(bounded_matrix<T>(tokens, channels), gaussian<T>(tokens, channels),
                        spiked<T>(tokens, channels));
}

template <class T>
rc::Gen<Vector<T>> bounded_vector(Index size, T bound = T(10)) {
  return rc::gen::map(bounded_matrix<T>(1, size, bound),
                      [](const Matrix<T>& row) { return Vector<T>(row.row(0).transpose()); });
}

template <class T>
rc::Gen<Vector<T>> gaussian_vector(Index size, double sigma = 1) {
  return rc::gen::map(gaussian<T>(1, size, sigma),
                      [](const Matrix<T>& row) { return Vector<T>(row.row(0).transpose()); });
}

/// A product of `size` Householder reflections of Gaussian vectors, so in any direction alike.
/// Shrinking zeroes vectors, whose reflections are then left out: it ends at the identity.
template <class T>
rc::Gen<Matrix<T>> orthogonal(Index size) {
  return rc::gen::map(gaussian<double>(size, size), [=](const Matrix<double>& mirrors) {
    Matrix<double> q = Matrix<double>::Identity(size, size);
    for (Index i = 0; i < size; ++i) {
      const Vector<double> v = mirrors.row(i).transpose();
      if (v.isZero(0)) continue;
      const RowVector<double> along = v.transpose() * q;
      q -= v * along * (2 / v.squaredNorm());
    }
    return Matrix<T>(q.cast<T>());
  });
}

// ---- Rows that are special ------------------------------------------------------------------

template <class T>
struct SpecialRow {
  std::string name;
  Matrix<T> row;  // (1, channels)
};

/// 0, one-hot, constant, tiny, huge and subnormal rows.
template <class T>
std::vector<SpecialRow<T>> special_rows(Index channels) {
  Matrix<T> one_hot = Matrix<T>::Zero(1, channels);
  one_hot(0, channels / 2) = T(-3);
  const auto constant = [=](T value) { return Matrix<T>(Matrix<T>::Constant(1, channels, value)); };
  Matrix<T> mixed = constant(T(1));
  for (Index c = 0; c < channels; c += 2) mixed(0, c) = T(-0.5);
  return {{"zero", constant(T(0))},
          {"one-hot", one_hot},
          {"constant", constant(T(2))},
          {"1e-8", mixed * T(1e-8)},
          {"1e8", mixed * T(1e8)},
          {"subnormal", mixed * (std::numeric_limits<T>::denorm_min() * T(64))}};
}

}  // namespace plumb::test
