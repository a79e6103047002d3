#pragma once

#include "plumb/core/linalg.hpp"
#include "plumb/model/attention.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/model/sequence.hpp"
#include "plumb/model/tap.hpp"

namespace plumb {

/// One layer of the residual stream (paper eq. 4, with an optional norm on each block's output):
///   h += post_norm(attention(pre_norm(h)));  h += post_norm(feed_forward(pre_norm(h)))
/// A parallel layer lets both blocks read the same h, each behind its own norms:
///   h += post_norm(attention(pre_norm(h))) + post_norm(feed_forward(pre_norm(h)))
///   value(h, sequence)      the residual after the layer, (tokens, hidden)
///   jvp, vjp                of the whole layer
template <class T>
struct Layer {
  Norm<T> attention_pre_norm;
  Attention<T> attention;
  Norm<T> attention_post_norm;
  Norm<T> feed_forward_pre_norm;
  FeedForward<T> feed_forward;
  Norm<T> feed_forward_post_norm;
  bool parallel = false;

  template <class Tap = NoTap>
  Matrix<T> value(const MatrixRef<T>& residual, const Sequence& sequence, Tap&& tap = {},
                  Index layer = 0) const {
    Matrix<T> h = residual;
    offer(tap, layer, site::residual{}, h);

    Matrix<T> read = attention_pre_norm.value(h);
    offer(tap, layer, site::attention_input{}, read);
    Matrix<T> write = attention_post_norm.value(attention.value(read, sequence, tap, layer));
    offer(tap, layer, site::attention_write{}, write);
    if (parallel) read = feed_forward_pre_norm.value(h);
    h += write;

    if (!parallel) read = feed_forward_pre_norm.value(h);
    offer(tap, layer, site::feed_forward_input{}, read);
    write = feed_forward_post_norm.value(feed_forward.value(read, tap, layer));
    offer(tap, layer, site::feed_forward_write{}, write);
    h += write;
    return h;
  }

  /// The derivative along dh.
  Matrix<T> jvp(const MatrixRef<T>& h, const MatrixRef<T>& dh, const Sequence& sequence) const {
    const Matrix<T> read = attention_pre_norm.value(h);
    const Matrix<T> output = attention.value(read, sequence);
    Matrix<T> d = attention_pre_norm.jvp(h, dh);
    d = attention_post_norm.jvp(output, attention.jvp(read, d, sequence));
    const Matrix<T> dmiddle = dh + d;

    const Matrix<T> at = feed_forward_reads(h, output);
    const Matrix<T> read2 = feed_forward_pre_norm.value(at);
    d = feed_forward_pre_norm.jvp(at, parallel ? Matrix<T>(dh) : dmiddle);
    d = feed_forward_post_norm.jvp(feed_forward.value(read2), feed_forward.jvp(read2, d));
    return dmiddle + d;
  }

  /// The gradient in h of <dout, value(h)>.
  Matrix<T> vjp(const MatrixRef<T>& h, const MatrixRef<T>& dout, const Sequence& sequence) const {
    const Matrix<T> read = attention_pre_norm.value(h);
    const Matrix<T> output = attention.value(read, sequence);

    const Matrix<T> at = feed_forward_reads(h, output);
    const Matrix<T> read2 = feed_forward_pre_norm.value(at);
    Matrix<T> d = feed_forward_post_norm.vjp(feed_forward.value(read2), dout);
    d = feed_forward_pre_norm.vjp(at, feed_forward.vjp(read2, d));
    const Matrix<T> dmiddle = dout + d;

    d = attention_post_norm.vjp(output, parallel ? Matrix<T>(dout) : dmiddle);
    d = attention_pre_norm.vjp(h, attention.vjp(read, d, sequence));
    return dmiddle + d;
  }

  template <class S>
  Layer<S> cast() const {
    return {attention_pre_norm.template cast<S>(),
            attention.template cast<S>(),
            attention_post_norm.template cast<S>(),
            feed_forward_pre_norm.template cast<S>(),
            feed_forward.template cast<S>(),
            feed_forward_post_norm.template cast<S>(),
            parallel};
  }

 private:
  /// The residual in front of the feed-forward's norm, after an attention block of this output.
  Matrix<T> feed_forward_reads(const MatrixRef<T>& h, const Matrix<T>& output) const {
    return parallel ? Matrix<T>(h) : Matrix<T>(h + attention_post_norm.value(output));
  }
};

}  // namespace plumb
