#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/attention.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/sink/certificate.hpp"
#include "plumb/weights/token_ids.hpp"

/// Self-sinking (paper section 3.1): a token whose logit on itself beats all others rests on itself
/// and lives like a first token. Rotary leaves the self pair alone, because query and key turn by
/// the same angle, so the self logit is the same at every position, and weights alone decide it.
namespace plumb::sink {

/// Self logits beside the strongest rivals that could stand before them, each (tokens, heads). The
/// bounds hold at any distance: scale * sum over rotary planes of ||q_plane|| ||k_plane||.
struct SelfSinks {
  std::vector<Index> tokens;  ///< the rows that ask
  Matrix<double> self;        ///< l_tt, at every position
  Matrix<double> rival;       ///< what no other row can exceed; -infinity when there is no other
  Matrix<double> repeat;      ///< what the same row cannot exceed when it stands there once more

  /// By how much the self logit beats every other row. See guaranteed_keys for what it is worth.
  double margin(Index row, Index head) const { return self(row, head) - rival(row, head); }
};

namespace detail {

/// Norms of the rotary planes of one head, and of what does not turn, (rows, planes + 1).
template <class T>
Matrix<double> plane_norms(const Matrix<T>& vectors, Index head, const Rotary& rotary) {
  const Index planes = rotary.planes(), first = head * rotary.head_dim;
  const bool split = rotary.pairing == RotaryPairing::half_split;
  Matrix<double> norms(vectors.rows(), planes + 1);
  norms.col(planes) = vectors.middleCols(first + 2 * planes, rotary.head_dim - 2 * planes)
                          .template cast<double>()
                          .rowwise()
                          .norm();
  for (Index t = 0; t < vectors.rows(); ++t) {
    for (Index j = 0; j < planes; ++j) {
      norms(t, j) =
          std::hypot(static_cast<double>(vectors(t, first + (split ? j : 2 * j))),
                     static_cast<double>(vectors(t, first + (split ? j + planes : 2 * j + 1))));
    }
  }
  return norms;
}

}  // namespace detail

/// x (rows, hidden) is what the block reads, one row a token of the vocabulary; `tokens` are the
/// rows that ask, all if it is empty. Logits are those of the block, with its qk-norm. Throws
/// shape_error, index_error. Cost: the projections, and asking rows * rows * heads * head_dim / 2
/// for the rivals.
template <class T>
SelfSinks self_sinks(const Attention<T>& block, const MatrixRef<T>& x,
                     std::vector<Index> tokens = {}) {
  if (tokens.empty()) {
    tokens.resize(static_cast<std::size_t>(x.rows()));
    std::iota(tokens.begin(), tokens.end(), Index{0});
  }
  for (const Index t : tokens) require_index("self_sinks", "row", t, x.rows());

  // Rows that see themselves only, a few at a time: their one logit is the self logit.
  constexpr Index kBatch = 512;
  Matrix<T> queries(x.rows(), block.heads * block.head_dim);
  Matrix<T> keys(x.rows(), block.kv_heads * block.head_dim);
  Matrix<double> self(x.rows(), block.heads);
  for (Index begin = 0; begin < x.rows(); begin += kBatch) {
    const Index count = std::min(kBatch, x.rows() - begin);
    struct Recorder {
      Index begin;
      Matrix<T>&queries, &keys;
      Matrix<double>& self;
      void operator()(Index, site::queries at, Matrix<T>& q) const {
        if (at.stage == site::Stage::normalised) queries.middleRows(begin, q.rows()) = q;
      }
      void operator()(Index, site::keys at, Matrix<T>& k) const {
        if (at.stage == site::Stage::normalised) keys.middleRows(begin, k.rows()) = k;
      }
      void operator()(Index, site::logits at, Matrix<T>& strip) const {
        for (Index i = 0; i < strip.rows(); ++i) {
          self(begin + at.first_query + i, at.head) =
              static_cast<double>(strip(i, at.first_query + i));
        }
      }
    };
    block.value(x.middleRows(begin, count), Sequence::alone(count),
                Recorder{begin, queries, keys, self});
  }

  const auto asked = static_cast<Index>(tokens.size());
  SelfSinks found{std::move(tokens), Matrix<double>(asked, block.heads),
                  Matrix<double>(asked, block.heads), Matrix<double>(asked, block.heads)};
  parallel_for(block.heads, [&](Index head) {
    const auto q = detail::plane_norms(queries, head, block.rotary);
    const auto k = detail::plane_norms(keys, block.kv_head(head), block.rotary);
    for (Index row = 0; row < asked; ++row) {
      const Index t = found.tokens[static_cast<std::size_t>(row)];
      Vector<double> bound = block.scale * (k * q.row(t).transpose());
      found.self(row, head) = self(t, head);
      found.repeat(row, head) = bound[t];
      bound[t] = -std::numeric_limits<double>::infinity();
      found.rival(row, head) = bound.maxCoeff();
    }
  });
  return found;
}

/// For all tokens of a model's vocabulary in one layer. Layer 0 reads embeddings, so its logits are
/// those of the token in any text; a later layer reads what a token that sees itself only has
/// become. `tokens` are the ids that ask, all if it is empty. Throws index_error,
/// and shape_error for a model with learned positions.
template <class T>
SelfSinks self_sinks(const Decoder<T>& model, Index layer, std::vector<Index> tokens = {}) {
  if (model.architecture().learned_positions) {
    throw shape_error("self_sinks: the model adds learned positions, so logits depend on them");
  }
  require_index("self_sinks", "layer", layer, model.architecture().layers);
  TokenIds ids(static_cast<std::size_t>(model.architecture().vocab_size));
  std::iota(ids.begin(), ids.end(), TokenId{0});
  Matrix<T> h = model.embed(ids);
  const auto sequence = Sequence::alone(h.rows());
  for (Index l = 0; l < layer; ++l) h = model.layer(l).value(h, sequence);
  const auto block = model.layer(layer);
  return self_sinks<T>(block.attention, block.attention_pre_norm.value(h), std::move(tokens));
}

/// How a gain g amplifies a normalised row u: along it most (paper section 3.1, "collinear").
struct GainCollinearity {
  double cosine;     ///< of |u| and |g|, 0..1: signs do not matter
  double energy;     ///< ||g .* u||^2
  double flat;       ///< the energy if |u| were constant, of the same norm: ||u||^2 mean(g^2)
  double collinear;  ///< the energy if |u| were proportional to |g|: ||u||^2 ||g||_4^4 / ||g||_2^2,
                     ///< at least `flat`, and equal only if |g| is constant
  double ceiling;    ///< the energy if u had one channel, of the largest gain: ||u||^2 max g^2
};

/// Absent when u or g is zero. Throws shape_error when sizes differ.
inline std::optional<GainCollinearity> gain_collinearity(const VectorRef<double>& u,
                                                         const VectorRef<double>& gain) {
  require_size("gain_collinearity", "size of the gain", gain.size(), u.size());
  if (u.isZero(0) || gain.isZero(0)) return std::nullopt;
  const double norm = u.squaredNorm();
  const Vector<double> squares = gain.cwiseAbs2();
  return GainCollinearity{u.cwiseAbs().normalized().dot(gain.cwiseAbs().normalized()),
                          gain.cwiseProduct(u).squaredNorm(), norm * squares.mean(),
                          norm * squares.squaredNorm() / squares.sum(), norm * squares.maxCoeff()};
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template SelfSinks self_sinks(const Attention<float>&, const MatrixRef<float>&,
                                     std::vector<Index>);
extern template SelfSinks self_sinks(const Attention<double>&, const MatrixRef<double>&,
                                     std::vector<Index>);
#endif

}  // namespace plumb::sink
