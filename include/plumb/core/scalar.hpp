#pragma once

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ == 1)
#error "plumb needs IEEE arithmetic: its bounds and NaN checks are void under -ffast-math."
#endif

namespace plumb {

namespace detail {
template <class T>
struct accumulator {
  using type = T;
};
template <>
struct accumulator<float> {
  using type = double;
};
}  // namespace detail

/// The scalar in which row statistics, softmax sums and reported measures of T are summed:
/// double for float, otherwise T itself (so automatic differentiation passes through).
/// Matrix products accumulate in T; only they are too hot for the wider type.
template <class T>
using accumulator_t = typename detail::accumulator<T>::type;

}  // namespace plumb
