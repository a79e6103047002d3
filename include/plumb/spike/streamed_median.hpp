#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::spike {

/// The median of |h| over more entries than memory holds: they are counted by their leading ten
/// bits after the first one, and the median is the middle of the bin in which it lies.
/// Relative error at most kRelativeError for entries between 2^-126 and 2^127. Memory 2 MiB.
class StreamedMedian {
 public:
  /// Half a bin, and the rounding of an entry to float.
  static constexpr double kRelativeError = 0x1p-11 + 0x1p-23;

  /// Counts all entries of h. Cost: one pass.
  template <class T>
  void add(const MatrixRef<T>& h) {
    for (Index t = 0; t < h.rows(); ++t) {
      for (Index k = 0; k < h.cols(); ++k) ++counts_[bin(static_cast<float>(h(t, k)))];
    }
    count_ += static_cast<std::uint64_t>(h.size());
  }

  std::uint64_t count() const { return count_; }

  /// The mean of the middle two for an even count. 0 only if it is; infinite if it overflows float
  /// or is NaN. Throws shape_error when nothing was added.
  double value() const {
    if (count_ == 0) throw shape_error("StreamedMedian: nothing was added");
    const double upper = at(count_ / 2);
    return count_ % 2 == 1 ? upper : (at(count_ / 2 - 1) + upper) / 2;
  }

 private:
  static constexpr int kDropped = 13;  // of the 23 bits after the first
  static constexpr std::uint32_t kInfinity = 0x7f800000U >> kDropped;

  static std::uint32_t bin(float entry) {
    return std::bit_cast<std::uint32_t>(std::abs(entry)) >> kDropped;
  }

  /// The entry of this rank, counted from the smallest.
  double at(std::uint64_t rank) const {
    std::uint32_t i = 0;
    for (std::uint64_t below = counts_[0]; below <= rank; below += counts_[i]) ++i;
    if (i >= kInfinity) return std::numeric_limits<double>::infinity();
    const auto edge = [](std::uint32_t b) {
      return static_cast<double>(std::bit_cast<float>(b << kDropped));
    };
    return i == 0 ? 0 : (edge(i) + (i + 1 == kInfinity ? 0x1p128 : edge(i + 1))) / 2;
  }

  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(std::size_t{1} << 18);
};

}  // namespace plumb::spike
