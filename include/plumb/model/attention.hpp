#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/affine.hpp"
#include "plumb/model/gate.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/model/rotary.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"
#include "plumb/weights/architecture.hpp"

namespace plumb {

/// Queries whose logits are held at a time: memory is O(kStripQueries * tokens) a head.
inline constexpr Index kStripQueries = 128;

/// Normalisation of query or key vectors before rotary: per head or over all heads of a token.
template <class T>
struct HeadNorm {
  QkNorm kind = QkNorm::none;
  RmsNorm<T> norm;  ///< gain of head_dim, or of all heads together

  Matrix<T> value(const Matrix<T>& x) const {
    if (kind == QkNorm::none) return x;
    return like(x, norm.value(vectors(x)));
  }
  Matrix<T> jvp(const Matrix<T>& x, const Matrix<T>& dx) const {
    if (kind == QkNorm::none) return dx;
    return like(x, norm.jvp(vectors(x), vectors(dx)));
  }
  Matrix<T> vjp(const Matrix<T>& x, const Matrix<T>& dy) const {
    if (kind == QkNorm::none) return dy;
    return like(x, norm.vjp(vectors(x), vectors(dy)));
  }
  template <class S>
  HeadNorm<S> cast() const {
    return {kind, norm.template cast<S>()};
  }

 private:
  /// x with one row for each vector that is normalised.
  Eigen::Map<const Matrix<T>> vectors(const Matrix<T>& x) const {
    const Index size = norm.gain.size();
    require_size("HeadNorm", "columns modulo the gain", x.cols() % size, 0);
    return {x.data(), x.size() / size, size};
  }
  static Matrix<T> like(const Matrix<T>& x, const Matrix<T>& flat) {
    return Eigen::Map<const Matrix<T>>(flat.data(), x.rows(), x.cols());
  }
};

/// Grouped-query attention with rotary positions, optional biases, qk-norm, soft cap, window, gate.
///   q, k, v = x W_Q' + b_Q, x W_K' + b_K, x W_V' + b_V; q, k normalised, then rotated
///   l = scale q_h k_kv(h)'; with a soft cap c: l = c tanh(scale q_h k_kv(h)' / c)
///   A = softmax(l) over the keys that the sequence lets a query see; with a window, over those
///       among them that stand in rows (t - window, t]
///   write = (gate .* [A_h v_kv(h)]_h) W_O' + b_O   kv(h) = floor(h kv_heads / heads)
/// x (tokens, hidden) is what the block reads, after its norm.
///   value(x, sequence)       the write
///   jvp(x, dx, sequence)     its derivative along dx
///   vjp(x, dwrite, sequence) the gradient of <dwrite, write> in x
/// Throws shape_error. Cost: the products, and tokens^2 * heads * head_dim for logits and mixture;
/// memory beyond the activations O(kStripQueries * tokens) a thread.
template <class T>
struct Attention {
  Index heads = 0;
  Index kv_heads = 0;
  Index head_dim = 0;
  double scale = 0;
  Matrix<T> query;   ///< W_Q (heads * head_dim, hidden)
  Matrix<T> key;     ///< W_K (kv_heads * head_dim, hidden)
  Matrix<T> values;  ///< W_V (kv_heads * head_dim, hidden)
  Matrix<T> output;  ///< W_O (hidden, heads * head_dim)
  HeadNorm<T> query_norm;
  HeadNorm<T> key_norm;
  Rotary rotary;
  Gate<T> gate;
  Vector<T> query_bias;   ///< b_Q (heads * head_dim); empty where there is none, as the next three
  Vector<T> key_bias;     ///< b_K (kv_heads * head_dim)
  Vector<T> value_bias;   ///< b_V (kv_heads * head_dim)
  Vector<T> output_bias;  ///< b_O (hidden)
  std::optional<double> soft_cap;  ///< > 0
  Index window = 0;                ///< 0: none

  Index kv_head(Index head) const { return head * kv_heads / heads; }

  template <class Tap = NoTap>
  Matrix<T> value(const MatrixRef<T>& x, const Sequence& sequence, Tap&& tap = {},
                  Index layer = 0) const {
    require_size("Attention::value", "channels of x", x.cols(), query.cols());
    const Sequence seen = visible(sequence, x.rows());
    const auto read = project(x, seen, tap, layer);
    Matrix<T> mixed = mix(read, seen, tap, layer);
    offer(tap, layer, site::head_outputs{}, mixed);
    if (gate.present()) {
      Matrix<T> openings = gate.value(x);
      offer(tap, layer, site::gate{}, openings);
      mixed = gate.apply(openings, mixed);
    }
    return affine<T>("Attention: output", mixed, output, output_bias);
  }

  Matrix<T> jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx, const Sequence& sequence) const;
  Matrix<T> vjp(const MatrixRef<T>& x, const MatrixRef<T>& dwrite, const Sequence& sequence) const;

  template <class S>
  Attention<S> cast() const {
    return {heads,
            kv_heads,
            head_dim,
            scale,
            query.template cast<S>(),
            key.template cast<S>(),
            values.template cast<S>(),
            output.template cast<S>(),
            query_norm.template cast<S>(),
            key_norm.template cast<S>(),
            rotary,
            gate.template cast<S>(),
            query_bias.template cast<S>(),
            key_bias.template cast<S>(),
            value_bias.template cast<S>(),
            output_bias.template cast<S>(),
            soft_cap,
            window};
  }

 private:
  using Kernels = kernels::backend_t<T>;

  /// Queries, keys and values of all heads, ready for the logits.
  struct Read {
    Matrix<T> q;  // (tokens, heads * head_dim)
    Matrix<T> k;  // (tokens, kv_heads * head_dim)
    Matrix<T> v;  // (tokens, kv_heads * head_dim)
  };

  /// A_h for queries [first, first + rows): (rows, keys), keys up to the last one seen.
  struct Strip {
    Index head, first, rows, keys;
  };

  template <class Tap>
  static constexpr bool taps_maps =
      detail::taps_site<Tap, site::logits, T> || detail::taps_site<Tap, site::weights, T>;

  /// What the rows see of the sequence.
  Sequence visible(const Sequence& sequence, Index rows) const {
    sequence.validate(rows);
    return window > 0 ? sequence.within(window) : sequence;
  }

  Matrix<T> queries(const MatrixRef<T>& x) const {
    return affine("Attention: queries", x, query, query_bias);
  }
  Matrix<T> keys(const MatrixRef<T>& x) const {
    return affine("Attention: keys", x, key, key_bias);
  }

  auto head_columns(const Matrix<T>& m, Index head) const {
    return m.middleCols(head * head_dim, head_dim);
  }
  auto head_columns(Matrix<T>& m, Index head) const {
    return m.middleCols(head * head_dim, head_dim);
  }

  template <class Tap>
  Read project(const MatrixRef<T>& x, const Sequence& sequence, Tap& tap, Index layer) const {
    using enum site::Stage;
    Read read{queries(x), keys(x), affine("Attention: values", x, values, value_bias)};
    offer(tap, layer, site::queries{projected}, read.q);
    offer(tap, layer, site::keys{projected}, read.k);
    offer(tap, layer, site::values{}, read.v);
    read.q = query_norm.value(read.q);
    read.k = key_norm.value(read.k);
    offer(tap, layer, site::queries{normalised}, read.q);
    offer(tap, layer, site::keys{normalised}, read.k);
    rotary.apply(read.q, sequence.positions);
    rotary.apply(read.k, sequence.positions);
    offer(tap, layer, site::queries{rotated}, read.q);
    offer(tap, layer, site::keys{rotated}, read.k);
    return read;
  }

  /// Calls body(strip) for all strips of one head, in order of queries.
  template <class Body>
  static void for_each_strip(Index head, const Sequence& sequence, Body&& body) {
    for (Index first = 0; first < sequence.size(); first += kStripQueries) {
      const Index rows = std::min(kStripQueries, sequence.size() - first);
      Index keys = 0;
      for (Index t = first; t < first + rows; ++t) keys = std::max(keys, sequence.keys(t).last);
      body(Strip{head, first, rows, keys});
    }
  }

  /// Logits of one strip, capped, also where a query does not see the key.
  Matrix<T> logits(const Read& read, const Strip& strip) const {
    Matrix<T> l(strip.rows, strip.keys);
    l.noalias() = head_columns(read.q, strip.head).middleRows(strip.first, strip.rows) *
                  head_columns(read.k, kv_head(strip.head)).topRows(strip.keys).transpose();
    l *= static_cast<T>(scale);
    if (soft_cap) {
      const T cap = static_cast<T>(*soft_cap);
      l = l.unaryExpr([cap](const T& logit) -> T {
        using std::tanh;
        return cap * tanh(T(logit / cap));
      });
    }
    return l;
  }

  /// d logits / d (scale q k'), in place: times 1 - (l / cap)^2 of the capped logits l.
  void multiply_cap_slope(Matrix<T>& d, const Matrix<T>& l) const {
    if (!soft_cap) return;
    const T cap = static_cast<T>(*soft_cap);
    d.array() *= T(1) - (l.array() / cap).square();
  }

  template <class Tap>
  Matrix<T> weights(Matrix<T> a, const Strip& strip, const Sequence& sequence, Tap& tap,
                    Index layer) const {
    cover(a, strip, sequence, T(-std::numeric_limits<double>::infinity()));
    offer(tap, layer, site::logits{strip.head, strip.first}, a);
    for (Index i = 0; i < strip.rows; ++i) {
      const auto& seen = sequence.keys(strip.first + i);
      Kernels::softmax(a.data() + i * strip.keys + seen.first, seen.last - seen.first);
    }
    cover(a, strip, sequence, T(0));
    offer(tap, layer, site::weights{strip.head, strip.first}, a);
    return a;
  }

  /// Sets what a query does not see to `blank`.
  static void cover(Matrix<T>& a, const Strip& strip, const Sequence& sequence, const T& blank) {
    for (Index i = 0; i < strip.rows; ++i) {
      const auto& seen = sequence.keys(strip.first + i);
      a.row(i).head(seen.first).setConstant(blank);
      a.row(i).tail(strip.keys - seen.last).setConstant(blank);
    }
  }

  template <class Tap>
  Matrix<T> mix(const Read& read, const Sequence& sequence, Tap& tap, Index layer) const {
    Matrix<T> mixed(read.q.rows(), read.q.cols());
    const auto one_head = [&](Index head) {
      for_each_strip(head, sequence, [&](const Strip& strip) {
        const Matrix<T> a = weights(logits(read, strip), strip, sequence, tap, layer);
        head_columns(mixed, head).middleRows(strip.first, strip.rows).noalias() =
            a * head_columns(read.v, kv_head(head)).topRows(strip.keys);
      });
    };
    if constexpr (taps_maps<Tap>) {
      // A tap sees the strips of heads in order. Still in a parallel loop, so that each product
      // runs in one thread, as it does without the tap, and the numbers are the same to the bit.
      parallel_for(1, [&](Index) {
        for (Index head = 0; head < heads; ++head) one_head(head);
      });
    } else {
      parallel_for(heads, one_head);
    }
    return mixed;
  }

  /// d softmax: A .* (dL - <A, dL>) row by row, in place of dL.
  static void softmax_derivative(const Matrix<T>& a, Matrix<T>& dl) {
    for (Index i = 0; i < a.rows(); ++i) {
      const T mean = a.row(i).dot(dl.row(i));
      dl.row(i) = a.row(i).cwiseProduct(dl.row(i) - RowVector<T>::Constant(a.cols(), mean));
    }
  }
};

template <class T>
Matrix<T> Attention<T>::jvp(const MatrixRef<T>& x, const MatrixRef<T>& dx,
                            const Sequence& sequence) const {
  require_size("Attention::jvp", "rows", dx.rows(), x.rows());
  require_size("Attention::jvp", "channels of x", x.cols(), query.cols());
  require_size("Attention::jvp", "channels of dx", dx.cols(), query.cols());
  const Sequence seen = visible(sequence, x.rows());
  NoTap no_tap;
  const Read read = project(x, seen, no_tap, 0);
  Read d{query_norm.jvp(queries(x), Kernels::template product<T>(dx, query)),
         key_norm.jvp(keys(x), Kernels::template product<T>(dx, key)),
         Kernels::template product<T>(dx, values)};
  rotary.apply(d.q, sequence.positions);
  rotary.apply(d.k, sequence.positions);

  Matrix<T> mixed(x.rows(), heads * head_dim);
  Matrix<T> dmixed(x.rows(), heads * head_dim);
  parallel_for(heads, [&](Index head) {
    const Index kv = kv_head(head);
    for_each_strip(head, seen, [&](const Strip& strip) {
      const auto queries_of = [&](const Matrix<T>& m) {
        return head_columns(m, head).middleRows(strip.first, strip.rows);
      };
      const auto keys_of = [&](const Matrix<T>& m) {
        return head_columns(m, kv).topRows(strip.keys);
      };
      const Matrix<T> l = logits(read, strip);
      const Matrix<T> a = weights(l, strip, seen, no_tap, 0);
      Matrix<T> dl = queries_of(d.q) * keys_of(read.k).transpose();
      dl += queries_of(read.q) * keys_of(d.k).transpose();
      dl *= static_cast<T>(scale);
      multiply_cap_slope(dl, l);
      softmax_derivative(a, dl);
      head_columns(mixed, head).middleRows(strip.first, strip.rows) = a * keys_of(read.v);
      head_columns(dmixed, head).middleRows(strip.first, strip.rows) =
          dl * keys_of(read.v) + a * keys_of(d.v);
    });
  });
  if (gate.present()) {
    dmixed = gate.apply(gate.value(x), dmixed) + gate.apply(gate.jvp(x, dx), mixed);
  }
  return Kernels::template product<T>(dmixed, output);
}

template <class T>
Matrix<T> Attention<T>::vjp(const MatrixRef<T>& x, const MatrixRef<T>& dwrite,
                            const Sequence& sequence) const {
  require_size("Attention::vjp", "rows", dwrite.rows(), x.rows());
  require_size("Attention::vjp", "channels of x", x.cols(), query.cols());
  require_size("Attention::vjp", "channels of dwrite", dwrite.cols(), output.rows());
  const Sequence seen = visible(sequence, x.rows());
  NoTap no_tap;
  const Read read = project(x, seen, no_tap, 0);
  const Matrix<T> dgated = Kernels::template transposed_product<T>(dwrite, output);
  Matrix<T> dx = Matrix<T>::Zero(x.rows(), x.cols());
  Matrix<T> dmixed = dgated;
  if (gate.present()) {
    const Matrix<T> mixed = mix(read, seen, no_tap, 0);
    dx += gate.vjp(x, gate.gather(dgated.cwiseProduct(mixed)));
    dmixed = gate.apply(gate.value(x), dgated);
  }

  Read d{Matrix<T>::Zero(read.q.rows(), read.q.cols()),
         Matrix<T>::Zero(read.k.rows(), read.k.cols()),
         Matrix<T>::Zero(read.v.rows(), read.v.cols())};
  // In order: heads that share a kv head add to the same columns of d.k and d.v.
  for (Index head = 0; head < heads; ++head) {
    const Index kv = kv_head(head);
    for_each_strip(head, seen, [&](const Strip& strip) {
      const auto rows_of = [&](auto& m) {
        return head_columns(m, head).middleRows(strip.first, strip.rows);
      };
      const auto keys_of = [&](auto& m) { return head_columns(m, kv).topRows(strip.keys); };
      const Matrix<T> l = logits(read, strip);
      const Matrix<T> a = weights(l, strip, seen, no_tap, 0);
      Matrix<T> dl = rows_of(dmixed) * keys_of(read.v).transpose();
      softmax_derivative(a, dl);
      multiply_cap_slope(dl, l);
      dl *= static_cast<T>(scale);
      rows_of(d.q) = dl * keys_of(read.k);
      keys_of(d.k) += dl.transpose() * rows_of(read.q);
      keys_of(d.v) += a.transpose() * rows_of(dmixed);
    });
  }
  rotary.apply_transposed(d.q, sequence.positions);
  rotary.apply_transposed(d.k, sequence.positions);
  d.q = query_norm.vjp(queries(x), d.q);
  d.k = key_norm.vjp(keys(x), d.k);
  dx += Kernels::template transposed_product<T>(d.q, query);
  dx += Kernels::template transposed_product<T>(d.k, key);
  dx += Kernels::template transposed_product<T>(d.v, values);
  return dx;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template struct Attention<float>;
extern template struct Attention<double>;
#endif

}  // namespace plumb
