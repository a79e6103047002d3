#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <variant>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"
#include "plumb/weights/config.hpp"

/// The first token reads itself: what attention makes of it is a function of that token alone.
namespace plumb::claims {

/// o = v_0, to the bit, for a query that sees one key   (claim 15a; paper eq. 22)
/// Exact in floating point: the softmax of one logit is e^0 / 1, and the others add zeros.
struct FirstTokenOutput {
  static constexpr std::string_view id = "first-token-self-map", part = "a";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = HeadRow<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> difference = in.output - row<S>(in.values, 0);
    return max_abs<S>(difference);
  }
  template <class S>
  static S rhs(const Input<S>&) {
    return S(0);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.values.rows() < 1 || in.output.size() != in.values.cols()) {
      return "values and output differ in size";
    }
    if (in.values.rows() > 1) return "the query sees several keys";
    return {};
  }
  static double allowance(const Input<double>&) { return 0; }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    for (Index head = 0; head < run.architecture.heads; ++head) {
      visit(detail::head_row(run, head, 0), detail::at_query(run, head, 0));
    }
  }
};

/// The write of attention for a token that sees only itself: a function of that token alone,
///   write = post_norm(sum_h W_O^h (eta .* (W_V^{kv(h)} x + b_V)) + b_O)
/// (claim 15b; paper eq. 22)
/// With gates eta of the same token; affine in x where there is no gate. An equality.
struct FirstTokenWrite {
  static constexpr std::string_view id = "first-token-self-map", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> x;                        ///< what the block reads (d)
    Matrix<S> values;                   ///< W_V (kv_heads * head_dim, d)
    Matrix<S> output;                   ///< W_O (d, heads * head_dim)
    Vector<S> value_bias, output_bias;  ///< b_V, b_O; empty where there is none
    Vector<S> openings;   ///< eta, one for each column of W_O; empty where there is no gate
    Vector<S> post_gain;  ///< g of an RMSNorm on the write; empty where there is none
    S post_eps{};
    Index head_dim = 1;
    Index keys = 1;   ///< that the token sees
    Vector<S> write;  ///< observed (d)
    double unit = kUnit;
  };

  /// W_O (eta .* v), v the values of x, repeated for heads that share them.
  template <class S>
  static Vector<S> mapped(const Input<S>& in) {
    Vector<S> v = in.values * in.x;
    if (in.value_bias.size() > 0) v += in.value_bias;
    const Index heads = in.output.cols() / in.head_dim;
    const Index kv_heads = in.values.rows() / in.head_dim;
    Vector<S> mixed(in.output.cols());
    for (Index c = 0; c < mixed.size(); ++c) {
      const Index kv = (c / in.head_dim) * kv_heads / heads;
      mixed[c] = v[kv * in.head_dim + c % in.head_dim];
    }
    if (in.openings.size() > 0) mixed = times<S>(in.openings, mixed);
    Vector<S> write = in.output * mixed;
    if (in.output_bias.size() > 0) write += in.output_bias;
    return write;
  }
  /// sqrt(mean(write^2) + eps) of the write before its norm.
  template <class S>
  static S post_root(const Input<S>& in, const Vector<S>& write) {
    using std::sqrt;
    return sqrt(sum_of_squares<S>(write) / count<S>(write.size()) + in.post_eps);
  }
  template <class S>
  static Vector<S> predicted(const Input<S>& in) {
    const Vector<S> write = mapped<S>(in);
    if (in.post_gain.size() == 0) return write;
    return times<S>(in.post_gain, write) / post_root<S>(in, write);
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm_with_error<S>(in.write, predicted<S>(in));
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(predicted<S>(in));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.keys != 1) return "the token sees " + std::to_string(in.keys) + " keys";
    if (in.values.cols() != in.x.size() || in.output.rows() != in.write.size() ||
        (in.value_bias.size() > 0 && in.value_bias.size() != in.values.rows()) ||
        (in.output_bias.size() > 0 && in.output_bias.size() != in.write.size()) ||
        (in.openings.size() > 0 && in.openings.size() != in.output.cols()) ||
        (in.post_gain.size() > 0 && in.post_gain.size() != in.write.size())) {
      return "weights, gates and vectors differ in size";
    }
    return {};
  }
  /// Two chains of dot products, of d and of heads * head_dim, on either side, the gate between:
  /// gamma_{d + heads head_dim + 4} |W_O| |eta .* W_V| |x|, twice. The post-norm's Jacobian
  /// stretches that by at most max|g| / rho (claim 27), and adds gamma_{d+8} of its own.
  static double allowance(const Input<double>& in) {
    auto sizes = in;
    for (auto* weight : {&sizes.values, &sizes.output}) *weight = weight->cwiseAbs().eval();
    for (auto* vector : {&sizes.x, &sizes.openings, &sizes.value_bias, &sizes.output_bias})
      *vector = vector->cwiseAbs().eval();
    const Index d = in.x.size(), chain = d + in.output.cols() + 8;
    const double plain = 2 * gamma(chain, in.unit) * mapped<double>(sizes).norm();
    if (in.post_gain.size() == 0) return plain;
    const double root = post_root<double>(in, mapped<double>(in));
    return plain * max_abs<double>(in.post_gain) / root + gamma(d + 8, in.unit) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) {
    if (a.post_norm == NormKind::none || a.post_norm == NormKind::rms_norm) return {};
    return "the norm on the write is " + std::string(spell(kNormKinds, a.post_norm));
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& attention = run.weights.attention;
    Input<double> in;
    in.x = run.attention_input.row(0).transpose().template cast<double>();
    in.values = attention.values.template cast<double>();
    in.output = attention.output.template cast<double>();
    in.value_bias = attention.value_bias.template cast<double>();
    in.output_bias = attention.output_bias.template cast<double>();
    if (attention.gate.present()) {
      const Matrix<T> ones = Matrix<T>::Ones(1, in.output.cols());
      const Matrix<T> openings = attention.gate.apply(run.gate.topRows(1), ones);
      in.openings = openings.row(0).transpose().template cast<double>();
    }
    if (const auto* post = std::get_if<RmsNorm<T>>(&run.weights.attention_post_norm.kind)) {
      in.post_gain = post->gain.template cast<double>();
      in.post_eps = post->eps;
    }
    in.head_dim = attention.head_dim;
    in.keys = detail::head_row(run, 0, 0).logits.size();
    in.write = run.attention_write.row(0).transpose().template cast<double>();
    in.unit = unit_of<T>;
    visit(in, {.layer = run.layer, .block = Block::attention, .position = 0});
  }
};

}  // namespace plumb::claims
