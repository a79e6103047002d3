#include "plumb/spike/streamed_median.hpp"

#include <catch2/catch.hpp>

#include "plumb/spike/outliers.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::spike;
using namespace plumb::test;

namespace {

double streamed(const Matrix<double>& h) {
  StreamedMedian median;
  median.add<double>(h);
  return median.value();
}

}  // namespace

TEMPLATE_TEST_CASE("the streamed median is the median within its error", "", float, double) {
  using T = TestType;
  property("of batches of activations", [] {
    const Index channels = *size();
    const auto first = *activations<T>(*size(), channels), second = *activations<T>(1, channels);
    Matrix<T> all(first.rows() + 1, channels);
    all << first, second;
    StreamedMedian median;
    median.add<T>(first);
    median.add<T>(second);
    const double want = median_magnitude(all);
    RC_ASSERT(median.count() == static_cast<std::uint64_t>(all.size()));
    RC_ASSERT(mismatch(median.value(), want, StreamedMedian::kRelativeError * want) == "");
  });
}

TEST_CASE("numbers of few digits are met within half a bin, of either sign") {
  for (const double value : {1.0, -1.0, 1.5, 3e38, -1e-37}) {
    CHECK(mismatch(streamed(Matrix<double>::Constant(1, 3, value)), std::abs(value),
                   StreamedMedian::kRelativeError * std::abs(value)) == "");
  }
  CHECK(mismatch(streamed(RowVector<double>{{1, 3}}), 2, 4 * StreamedMedian::kRelativeError) == "");
}

TEST_CASE("a median of zero is zero, and one that overflows is infinite") {
  CHECK(streamed(Matrix<double>::Zero(2, 3)) == 0);
  CHECK(streamed(RowVector<double>{{0, 0, 5}}) == 0);
  CHECK(std::isinf(streamed(RowVector<double>{{1, 1e200, -1e200}})));
  CHECK(std::isinf(streamed(RowVector<double>{{1, std::nan(""), std::nan("")}})));
}

TEST_CASE("the median of nothing throws") {
  CHECK_THROWS_AS(StreamedMedian().value(), shape_error);
  CHECK_THROWS_AS(streamed(Matrix<double>(0, 3)), shape_error);
}
