#include "plumb/core/parallel.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>
#include <vector>

using namespace plumb;

TEST_CASE("every index is visited exactly once, with any number of threads") {
  const int threads = GENERATE(1, 2, 5);
  set_threads(threads);
  for (const Index count : {-1, 0, 1, 3, 7, 16, 17, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(std::max<Index>(count, 0)));
    std::atomic<int> strays = 0;
    parallel_for(count, [&](Index i) {
      if (i < 0 || i >= count) {
        ++strays;
      } else {
        ++visits[static_cast<std::size_t>(i)];
      }
    });
    INFO(count << " indices, " << threads << " threads");
    CHECK(strays == 0);
    for (const auto& n : visits) REQUIRE(n == 1);
  }
}

TEST_CASE("results do not depend on the number of threads") {
  const auto harmonic = [](int threads) {
    set_threads(threads);
    std::vector<double> sums(200);
    parallel_for(200, [&](Index i) {
      double sum = 0;
      for (int n = 1; n <= 50 * i; ++n) sum += std::sin(n) / n;
      sums[static_cast<std::size_t>(i)] = sum;
    });
    return sums;
  };
  const auto alone = harmonic(1);
  CHECK(harmonic(2) == alone);
  CHECK(harmonic(3) == alone);
}

TEST_CASE("an exception of a body is thrown again when all bodies are done") {
  const int threads = GENERATE(1, 4);
  set_threads(threads);
  std::atomic<int> done = 0;
  const auto body = [&](Index i) {
    if (i == 7) throw std::domain_error("seven");
    ++done;
  };
  CHECK_THROWS_AS(parallel_for(100, body), std::domain_error);
  CHECK(done == 99);
}

TEST_CASE("of several exceptions one is thrown, and with one thread it is the first") {
  std::atomic<int> thrown = 0;
  const auto body = [&](Index i) {
    ++thrown;
    throw i;
  };
  set_threads(3);
  try {
    parallel_for(20, body);
    FAIL("nothing was thrown");
  } catch (Index i) {
    CHECK((0 <= i && i < 20));
  }
  CHECK(thrown == 20);

  set_threads(1);
  try {
    parallel_for(20, body);
    FAIL("nothing was thrown");
  } catch (Index i) {
    CHECK(i == 0);
  }
}
