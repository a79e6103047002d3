#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "plumb/collapse/angle.hpp"
#include "plumb/collapse/key_subspace.hpp"
#include "plumb/collapse/near_constancy.hpp"
#include "plumb/collapse/sparsity.hpp"
#include "plumb/collapse/spectrum.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/finding.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

/// Spike tokens and the rest at every block input, gathered from one or several passes: texts, or a
/// table of tokens that see themselves only (Sequence::alone).
namespace plumb::collapse {

/// Means over rows.
struct MeanSparsity {
  double largest = 0;
  double hoyer = 0;
  double participation_ratio = 0;
  double near_zero = 0;
};

/// Sums over rows that are read and forgotten.
class RowSums {
 public:
  /// Rows that are zero have no direction and no sparsity; they are left out.
  void add(const VectorRef<double>& row) {
    const auto s = sparsity(row);
    if (!s.participation_ratio) return;
    if (direction_.size() == 0) direction_ = Vector<double>::Zero(row.size());
    direction_ += row.stableNormalized();
    sum_.largest += s.largest;
    sum_.hoyer += s.hoyer.value_or(0);
    sum_.participation_ratio += *s.participation_ratio;
    sum_.near_zero += s.near_zero;
    ++rows_;
  }

  Index rows() const { return rows_; }

  /// Absent without rows.
  std::optional<MeanSparsity> sparsity_mean() const {
    if (rows_ == 0) return std::nullopt;
    const auto n = static_cast<double>(rows_);
    return MeanSparsity{sum_.largest / n, sum_.hoyer / n, sum_.participation_ratio / n,
                        sum_.near_zero / n};
  }

  /// Mean cosine over all pairs of rows; absent for fewer than two.
  std::optional<double> mean_cosine() const {
    if (rows_ < 2) return std::nullopt;
    const auto n = static_cast<double>(rows_);
    return (direction_.squaredNorm() - n) / (n * (n - 1));
  }

 private:
  Vector<double> direction_;
  MeanSparsity sum_;
  Index rows_ = 0;
};

/// What one block shows of the spike tokens and of the rest.
struct BlockPopulation {
  Index layer;
  Block block;
  Matrix<double> residual;  ///< (spike tokens, hidden), before the block's norm
  Matrix<double> reads;     ///< (spike tokens, hidden), what the block reads
  RowSums other;            ///< of what the block reads elsewhere
};

/// The keys of one kv head in one stage.
struct KeyPopulation {
  Index layer;
  Index kv_head;
  site::Stage stage;
  Matrix<double> spikes;      ///< (spike tokens, head_dim)
  Matrix<double> other_gram;  ///< (head_dim, head_dim), sum of k'k
};

struct Population {
  std::vector<Index> channels;  ///< spike channels of all passes, ascending
  std::vector<double> sizes;    ///< the largest |h| of each spike token over all depths
  std::vector<BlockPopulation> blocks;
  std::vector<KeyPopulation> keys;

  /// Why statements about spike tokens do not apply; empty if they do.
  std::string too_few() const { return too_few_spikes(sizes); }
};

namespace detail {

/// Appends the rows of `m` at `positions`.
template <class M>
void append_rows(Matrix<double>& rows, const M& m, const std::vector<Index>& positions) {
  Index next = rows.rows();
  rows.conservativeResize(next + static_cast<Index>(positions.size()), m.cols());
  for (const Index t : positions) rows.row(next++) = m.row(t).template cast<double>();
}

/// `m` with zeros in the rows at `positions`.
template <class M>
Matrix<double> without_rows(const M& m, const std::vector<Index>& positions) {
  Matrix<double> rest = m.template cast<double>();
  for (const Index t : positions) rest.row(t).setZero();
  return rest;
}

}  // namespace detail

/// Adds a pass. `outliers` is find_outliers(trace.residual), whose positions are the spike tokens.
/// Throws shape_error unless the trace kept residual, inputs and keys, or when an earlier pass was
/// of another model.
template <class T>
void add(Population& population, const Trace<T>& trace, const spike::Outliers& outliers) {
  const auto& a = trace.architecture;
  const auto layers = static_cast<std::size_t>(trace.layers());
  require_size("collapse::add", "points of the residual stream",
               static_cast<Index>(trace.residual.size()), trace.layers() + 1);
  require_size("collapse::add", "inputs", static_cast<Index>(trace.feed_forward_input.size()),
               trace.layers());
  require_size("collapse::add", "keys", static_cast<Index>(trace.keys.size()), trace.layers());
  if (population.blocks.empty()) {
    for (Index layer = 0; layer < trace.layers(); ++layer) {
      for (const Block block : {Block::attention, Block::feed_forward}) {
        population.blocks.push_back({layer, block, {}, {}, {}});
      }
      for (Index head = 0; head < a.kv_heads; ++head) {
        using enum site::Stage;
        for (const auto stage : {projected, normalised, rotated}) {
          if (stage == normalised && a.qk_norm == QkNorm::none) continue;
          population.keys.push_back(
              {layer, head, stage, {}, Matrix<double>::Zero(a.head_dim, a.head_dim)});
        }
      }
    }
  }
  require_size("collapse::add", "blocks of the pass", static_cast<Index>(2 * layers),
               static_cast<Index>(population.blocks.size()));

  for (const Index k : outliers.channels) spike::detail::insert_sorted(population.channels, k);
  for (const Index t : outliers.positions) {
    double size = 0;
    for (const auto& h : trace.residual) {
      size = std::max(size, static_cast<double>(h.row(t).cwiseAbs().maxCoeff()));
    }
    population.sizes.push_back(size);
  }
  const auto& spikes = outliers.positions;
  for (auto& at : population.blocks) {
    const auto l = static_cast<std::size_t>(at.layer);
    const bool attention = at.block == Block::attention;
    const Matrix<T> h = attention ? trace.residual[l] : trace.before_feed_forward(at.layer);
    const auto& x = attention ? trace.attention_input[l] : trace.feed_forward_input[l];
    detail::append_rows(at.residual, h, spikes);
    detail::append_rows(at.reads, x, spikes);
    const Matrix<double> rest = detail::without_rows(x, spikes);
    for (Index t = 0; t < rest.rows(); ++t) at.other.add(rest.row(t).transpose());
  }
  for (auto& at : population.keys) {
    const auto& stages = trace.keys[static_cast<std::size_t>(at.layer)];
    const auto& all = at.stage == site::Stage::projected    ? stages.projected
                      : at.stage == site::Stage::normalised ? stages.normalised
                                                            : stages.rotated;
    const Matrix<T> keys = all.middleCols(at.kv_head * a.head_dim, a.head_dim);
    detail::append_rows(at.spikes, keys, spikes);
    const Matrix<double> rest = detail::without_rows(keys, spikes);
    at.other_gram += rest.transpose() * rest;
  }
}

// ---- What a population shows ----------------------------------------------------------------

/// Spike tokens at one block input.
struct SpikeReads {
  double cosine_before;  ///< mean over pairs, of the residual
  double cosine;         ///< mean over pairs, of what the block reads
  MeanSparsity mean;     ///< of what the block reads
  MeanSparsity bound;    ///< means of what the spikes' share of the energy allows: `hoyer` and
                       ///< `near_zero` at least, `participation_ratio` at most; `largest` is what a
                       ///< norm allows at most, 0 where there is none
};

struct BlockCollapse {
  Index layer;
  Block block;
  Index spikes;                       ///< tokens
  Finding<SpikeReads> spike;          ///< null for fewer than kSpikeTokens of differing size
  Finding<NearConstancy> closeness;   ///< likewise, and where the norm does not divide by the size
  std::optional<MeanSparsity> other;  ///< absent when every token is a spike token
  std::optional<double> cosine_other;
};

struct HeadCollapse {
  Index layer;
  Index kv_head;
  site::Stage stage;
  Finding<KeyCollapse> keys;  ///< null for fewer than kSpikeTokens of differing size
  Finding<KeyBounds> bounds;  ///< of projected keys behind RMSNorm only
};

struct Profile {
  std::vector<BlockCollapse> blocks;
  std::vector<HeadCollapse> keys;
};

namespace detail {

/// Why near-constancy follows from no bound behind this norm; empty behind RMSNorm.
template <class T>
std::string why_no_bound(const Norm<T>& norm) {
  if (!norm.present()) return "no norm: the block reads the residual as it is";
  if (std::holds_alternative<RmsNorm<T>>(norm.kind)) return {};
  if (std::holds_alternative<DynamicTanh<T>>(norm.kind)) {
    return "DynamicTanh bounds a spike but does not divide by it: other channels keep their size";
  }
  return "no bound is known for this norm";
}

/// The most that a norm lets a channel be: sqrt(d) max|g|, max|g|, or 0 for no limit.
template <class T>
double ceiling(const Norm<T>& norm, Index channels) {
  if (const auto* rms = std::get_if<RmsNorm<T>>(&norm.kind)) {
    return std::sqrt(static_cast<double>(channels)) *
           static_cast<double>(rms->gain.cwiseAbs().maxCoeff());
  }
  if (const auto* tanh = std::get_if<DynamicTanh<T>>(&norm.kind)) {
    return static_cast<double>(tanh->gain.cwiseAbs().maxCoeff());
  }
  return 0;
}

inline Finding<SpikeReads> spike_reads(const BlockPopulation& at,
                                       const std::vector<Index>& channels, double largest) {
  using Result = Finding<SpikeReads>;
  const auto before = mean_pairwise_cosine(at.residual), after = mean_pairwise_cosine(at.reads);
  RowSums sums;
  MeanSparsity bound;
  for (Index t = 0; t < at.reads.rows(); ++t) {
    const Vector<double> row = at.reads.row(t).transpose();
    const auto bounds = concentration_bounds(row, channels);
    if (!bounds) return Result::none("a spike token is zero on the spike channels here");
    sums.add(row);
    const auto n = static_cast<double>(at.reads.rows());
    bound.hoyer += bounds->hoyer / n;
    bound.participation_ratio += bounds->participation_ratio / n;
    bound.near_zero += bounds->near_zero / n;
  }
  bound.largest = largest;
  if (!before || !after) return Result::none("spike tokens are zero here");
  return SpikeReads{*before, *after, *sums.sparsity_mean(), bound};
}

template <class T>
BlockCollapse measure_block(const BlockPopulation& at, const Population& population,
                            const Norm<T>& norm, const std::string& too_few) {
  const Index channels = at.reads.cols();
  auto reason = too_few.empty() ? why_no_bound(norm) : too_few;
  BlockCollapse found{at.layer,
                      at.block,
                      at.reads.rows(),
                      too_few.empty()
                          ? spike_reads(at, population.channels, ceiling(norm, channels))
                          : Finding<SpikeReads>::none(too_few),
                      Finding<NearConstancy>::none(reason),
                      at.other.sparsity_mean(),
                      at.other.mean_cosine()};
  if (reason.empty()) {
    const auto& rms = std::get<RmsNorm<T>>(norm.kind);
    found.closeness = near_constancy(at.residual, population.channels, rms.eps);
  }
  return found;
}

template <class T>
HeadCollapse measure_keys(const KeyPopulation& at, const Population& population,
                          const Layer<T>& layer, const std::string& too_few) {
  HeadCollapse found{at.layer, at.kv_head, at.stage, Finding<KeyCollapse>::none(too_few),
                     Finding<KeyBounds>::none(too_few)};
  if (!too_few.empty()) return found;
  found.keys = key_collapse(at.spikes, at.other_gram);
  found.bounds.reason = at.stage == site::Stage::projected
                            ? why_no_bound(layer.attention_pre_norm)
                            : "the bounds are about keys before qk-norm and rotary";
  if (found.bounds.reason.empty() && layer.attention.key_bias.size() > 0) {
    found.bounds.reason = "a key bias adds the same vector to every key";
  }
  if (!found.bounds.reason.empty()) return found;
  const auto& rms = std::get<RmsNorm<T>>(layer.attention_pre_norm.kind);
  const Index head_dim = layer.attention.head_dim;
  const Matrix<double> weight =
      layer.attention.key.middleRows(at.kv_head * head_dim, head_dim).template cast<double>() *
      rms.gain.template cast<double>().asDiagonal();
  const auto& block = population.blocks[static_cast<std::size_t>(2 * at.layer)];
  found.bounds = key_bounds(block.residual, population.channels, rms.eps, weight);
  return found;
}

}  // namespace detail

/// Every block input and every kv head of the model that made the population's passes.
/// Throws shape_error when it has another number of layers. Cost: one widening of the weights.
template <class T>
Profile measure(const Population& population, const Decoder<T>& model) {
  require_size("collapse::measure", "blocks", static_cast<Index>(population.blocks.size()),
               2 * model.architecture().layers);
  const auto too_few = population.too_few();
  Profile profile;
  std::size_t key = 0;
  for (Index l = 0; l < model.architecture().layers; ++l) {
    const auto layer = model.layer(l);
    const auto b = static_cast<std::size_t>(2 * l);
    profile.blocks.push_back(
        detail::measure_block(population.blocks[b], population, layer.attention_pre_norm, too_few));
    profile.blocks.push_back(detail::measure_block(population.blocks[b + 1], population,
                                                   layer.feed_forward_pre_norm, too_few));
    for (; key < population.keys.size() && population.keys[key].layer == l; ++key) {
      profile.keys.push_back(
          detail::measure_keys(population.keys[key], population, layer, too_few));
    }
  }
  return profile;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Profile measure(const Population&, const Decoder<float>&);
extern template Profile measure(const Population&, const Decoder<double>&);
extern template void add(Population&, const Trace<float>&, const spike::Outliers&);
extern template void add(Population&, const Trace<double>&, const spike::Outliers&);
#endif

}  // namespace plumb::collapse
