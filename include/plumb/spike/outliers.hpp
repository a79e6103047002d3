#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::spike {

/// When an entry of the residual stream stands out. The defaults of `absolute` and `relative` are
/// those of Massive Activations (arXiv 2402.17762); `outlier` is ours.
struct Criterion {
  double absolute = 100;   ///< massive: |h| above this, and
  double relative = 1000;  ///< |h| at least this many times the median |h| of its depth
  double outlier = 20;     ///< outlier: the largest |h| exceeds this many times the median
};

/// Nothing is called massive that does not meet both numbers of the rule.
enum class Tier { none, outlier, massive };

constexpr const char* to_string(Tier tier) {
  switch (tier) {
    case Tier::none: return "none";
    case Tier::outlier: return "outlier";
    case Tier::massive: return "massive";
  }
  return "?";
}

/// One entry of the residual stream at one depth. Point 0 holds the embeddings, point n the
/// residual after layer n - 1.
struct Entry {
  Index point = 0;
  Index position = 0;
  Index channel = 0;
  double value = 0;
  double median = 0;  ///< of |h| over all tokens and channels at this point

  double magnitude() const { return std::abs(value); }
  /// |h| / median; infinite where more than half of the entries are zero, and 0 for a zero entry.
  double ratio() const { return value == 0 ? 0 : magnitude() / median; }
};

/// Median of |h| over all entries; the mean of the middle two for an even count.
/// Throws shape_error for an empty matrix.
template <class T>
double median_magnitude(const Matrix<T>& h) {
  if (h.size() == 0) throw shape_error("median_magnitude: h is empty");
  std::vector<T> sizes(static_cast<std::size_t>(h.size()));
  Eigen::Map<Vector<T>>(sizes.data(), h.size()) =
      Eigen::Map<const Vector<T>>(h.data(), h.size()).cwiseAbs();
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  const double upper = static_cast<double>(*middle);
  if (sizes.size() % 2 == 1) return upper;
  return (static_cast<double>(*std::max_element(sizes.begin(), middle)) + upper) / 2;
}

/// The entry of largest magnitude at each point of the residual stream.
template <class T>
std::vector<Entry> residual_profile(const std::vector<Matrix<T>>& residual) {
  std::vector<Entry> profile;
  for (const auto& h : residual) {
    Entry top{static_cast<Index>(profile.size()), 0, 0, 0, median_magnitude(h)};
    h.cwiseAbs().maxCoeff(&top.position, &top.channel);
    top.value = static_cast<double>(h(top.position, top.channel));
    profile.push_back(top);
  }
  return profile;
}

/// Which tokens and channels stand out, and the entry that stands out most.
struct Outliers {
  Criterion criterion;
  Tier tier = Tier::none;
  Entry top;                     ///< massive: of largest |h|; otherwise: of largest ratio
  std::vector<Index> positions;  ///< ascending; of all massive entries, or of the one outlier
  std::vector<Index> channels;   ///< likewise
};

namespace detail {

inline void insert_sorted(std::vector<Index>& list, Index value) {
  const auto place = std::lower_bound(list.begin(), list.end(), value);
  if (place == list.end() || *place != value) list.insert(place, value);
}

}  // namespace detail

/// Sorts the entries of a residual stream (points 0..L, each (tokens, channels)) into tiers.
/// Throws shape_error when there is no point. Cost: one pass and a median a point.
template <class T>
Outliers find_outliers(const std::vector<Matrix<T>>& residual, const Criterion& criterion = {}) {
  if (residual.empty()) throw shape_error("find_outliers: residual is empty");
  const auto profile = residual_profile(residual);
  Outliers found;
  found.criterion = criterion;
  for (const auto& largest : profile) {
    const auto massive = [&](double size) {
      return size > criterion.absolute && size >= criterion.relative * largest.median;
    };
    if (!massive(largest.magnitude())) continue;
    if (found.tier == Tier::none || largest.magnitude() > found.top.magnitude()) {
      found.top = largest;
    }
    found.tier = Tier::massive;
    const auto& h = residual[static_cast<std::size_t>(largest.point)];
    for (Index t = 0; t < h.rows(); ++t) {
      for (Index k = 0; k < h.cols(); ++k) {
        if (!massive(std::abs(static_cast<double>(h(t, k))))) continue;
        detail::insert_sorted(found.positions, t);
        detail::insert_sorted(found.channels, k);
      }
    }
  }
  if (found.tier == Tier::massive) return found;

  found.top = *std::max_element(profile.begin(), profile.end(), [](const Entry& a, const Entry& b) {
    return a.ratio() < b.ratio();
  });
  if (found.top.ratio() > criterion.outlier) {
    found.tier = Tier::outlier;
    found.positions = {found.top.position};
    found.channels = {found.top.channel};
  }
  return found;
}

}  // namespace plumb::spike
