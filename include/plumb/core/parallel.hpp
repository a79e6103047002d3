#pragma once

#include <exception>

#include "plumb/core/linalg.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace plumb {

/// Threads that parallel loops and matrix products may use. Without OpenMP there is one.
inline void set_threads([[maybe_unused]] int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
}

/// Calls body(i) for i in [0, count), each exactly once, in parallel where OpenMP is present.
/// Bodies write to disjoint places; the result then does not depend on the number of threads.
/// The first exception thrown by a body is thrown again when all are done.
template <class Body>
void parallel_for(Index count, Body&& body) {
  std::exception_ptr failure;
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
  for (Index i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#ifdef _OPENMP
#pragma omp critical(plumb_parallel_for)
#endif
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace plumb
