#include "plumb/model/layer.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

/// The arrangements of norms and gates of the paper's ablations.
struct Arrangement {
  std::string name;
  NormKind pre_norm, post_norm;
  QkNorm qk_norm = QkNorm::none;
  Index openings = 0;  // of a gate
  bool parallel = false;
  bool plain = false;  // no gate in the feed-forward, GELU, and biases everywhere
};

const std::vector<Arrangement> kArrangements = {
    {"pre-norm", NormKind::rms_norm, NormKind::none},
    {"sandwich", NormKind::rms_norm, NormKind::rms_norm},
    {"output-norm", NormKind::none, NormKind::rms_norm, QkNorm::all_heads},
    {"dynamic tanh", NormKind::dynamic_tanh, NormKind::none},
    {"gate a channel", NormKind::rms_norm, NormKind::none, QkNorm::none, 8},
    {"gate a head", NormKind::rms_norm, NormKind::none, QkNorm::per_head, 4},
    {"gate a token", NormKind::rms_norm, NormKind::none, QkNorm::none, 1},
    {"no norm", NormKind::none, NormKind::none},
    {"layer norm, plain", NormKind::layer_norm, NormKind::none, QkNorm::none, 0, false, true},
    {"parallel", NormKind::layer_norm, NormKind::none, QkNorm::none, 0, true, true},
    {"parallel sandwich", NormKind::rms_norm, NormKind::layer_norm, QkNorm::none, 0, true},
};

constexpr Index kHidden = 5, kNeurons = 7, kHeads = 4, kKvHeads = 2, kHeadDim = 2;

Vector<double> draw_gain(Engine& engine, Index size) {
  // About 1, as gains of trained models are.
  return draw_gaussian<double>(engine, 1, size, 0.3).row(0).transpose().array() + 1;
}

Matrix<double> draw_weights(Engine& engine, Index out, Index in) {
  return draw_gaussian<double>(engine, out, in, 1 / std::sqrt(static_cast<double>(in)));
}

Norm<double> draw_norm(Engine& engine, NormKind kind) {
  switch (kind) {
    case NormKind::none: return {};
    case NormKind::rms_norm: return {RmsNorm<double>{draw_gain(engine, kHidden), 1e-5}};
    case NormKind::layer_norm: {
      const Vector<double> bias = draw_gaussian<double>(engine, kHidden, 1, 0.3);
      return {LayerNorm<double>{draw_gain(engine, kHidden), bias, 1e-5}};
    }
    case NormKind::dynamic_tanh: return {DynamicTanh<double>{draw_gain(engine, kHidden), 0.8}};
  }
  return {};
}

HeadNorm<double> draw_head_norm(Engine& engine, QkNorm kind, Index heads) {
  if (kind == QkNorm::none) return {};
  const Index size = kind == QkNorm::per_head ? kHeadDim : heads * kHeadDim;
  return {kind, {draw_gain(engine, size), 1e-5}};
}

Layer<double> draw_layer(Engine& engine, const Arrangement& a) {
  Layer<double> layer;
  layer.attention_pre_norm = draw_norm(engine, a.pre_norm);
  layer.attention_post_norm = draw_norm(engine, a.post_norm);
  layer.feed_forward_pre_norm = draw_norm(engine, a.pre_norm);
  layer.feed_forward_post_norm = draw_norm(engine, a.post_norm);
  layer.feed_forward = {draw_weights(engine, kNeurons, kHidden),
                        draw_weights(engine, kNeurons, kHidden),
                        draw_weights(engine, kHidden, kNeurons)};
  auto& attention = layer.attention;
  attention.heads = kHeads;
  attention.kv_heads = kKvHeads;
  attention.head_dim = kHeadDim;
  attention.scale = 1 / std::sqrt(static_cast<double>(kHeadDim));
  attention.query = draw_weights(engine, kHeads * kHeadDim, kHidden);
  attention.key = draw_weights(engine, kKvHeads * kHeadDim, kHidden);
  attention.values = draw_weights(engine, kKvHeads * kHeadDim, kHidden);
  attention.output = draw_weights(engine, kHidden, kHeads * kHeadDim);
  attention.query_norm = draw_head_norm(engine, a.qk_norm, kHeads);
  attention.key_norm = draw_head_norm(engine, a.qk_norm, kKvHeads);
  attention.rotary = {kHeadDim, 1e4, RotaryPairing::half_split};
  if (a.openings > 0) attention.gate = {draw_weights(engine, a.openings, kHidden)};
  layer.parallel = a.parallel;
  if (a.plain) {
    layer.feed_forward.gate = {};
    layer.feed_forward.activation = Activation::gelu;
    layer.feed_forward.up_bias = draw_gaussian<double>(engine, kNeurons, 1, 0.3);
    layer.feed_forward.down_bias = draw_gaussian<double>(engine, kHidden, 1, 0.3);
    attention.query_bias = draw_gaussian<double>(engine, kHeads * kHeadDim, 1, 0.3);
    attention.output_bias = draw_gaussian<double>(engine, kHidden, 1, 0.3);
  }
  return layer;
}

/// A text in which one token is cut off.
Sequence some_text(Index tokens) {
  auto sequence = Sequence::causal(tokens);
  if (tokens > 2) sequence.isolate(1);
  return sequence;
}

/// The layer as its docstring has it, from blocks that have tests of their own.
Matrix<double> composed(const Layer<double>& layer, const Matrix<double>& h,
                        const Sequence& sequence) {
  const Matrix<double> middle = h + layer.attention_post_norm.value(layer.attention.value(
                                        layer.attention_pre_norm.value(h), sequence));
  const Matrix<double>& at = layer.parallel ? h : middle;
  return middle + layer.feed_forward_post_norm.value(
                      layer.feed_forward.value(layer.feed_forward_pre_norm.value(at)));
}

/// The norm of J, from its columns: at most tokens * kHidden of them.
double jacobian_norm(const Layer<double>& layer, const Matrix<double>& h,
                     const Sequence& sequence) {
  double squares = 0;
  for (Index i = 0; i < h.size(); ++i) {
    Matrix<double> unit_vector = Matrix<double>::Zero(h.rows(), h.cols());
    unit_vector.data()[i] = 1;
    squares += automatic_jvp(layer, h, unit_vector, sequence).squaredNorm();
  }
  return std::sqrt(squares);
}

/// The error of J dx for a dx of norm 1. Some twenty operations in a row, each with sums of at most
/// kNeurons + tokens terms: 500 roundings. A rounding anywhere is amplified by no more than the
/// rest of the layer is, for which the Jacobian's Frobenius norm stands, once for what follows and
/// once for the change of the derivative; norms divide by rho, which must not be small: see
/// readings.
double allowance(double norm, double unit_roundoff = unit<double>) {
  return 500 * unit_roundoff * (1 + norm) * (1 + norm);
}

/// Rows of a residual stream of size 1, and directions short beside them: all poles (of norms,
/// gates, softmax and SiLU) are further than a step.
Matrix<double> draw_direction(Engine& engine, Index tokens) {
  const Matrix<double> d = draw_gaussian<double>(engine, tokens, kHidden);
  return d / (10 * d.norm());
}

/// Tells what comes by, in order, keeps it, and puts in what it was given for a site. The strips of
/// attention are left to the test of attention.
struct Watch {
  std::map<std::string, Matrix<double>> put;
  std::map<std::string, Matrix<double>> seen;
  std::string order;
  std::set<Index> layers;

  template <class Site>
  void operator()(Index layer, Site, Matrix<double>& m) {
    const std::string name = name_of<Site>();
    if (name.empty()) return;
    layers.insert(layer);
    order += name + " ";
    if (put.contains(name)) m = put[name];
    seen[name] = m;
  }

 private:
  template <class Site>
  static constexpr const char* name_of() {
    using std::is_same_v;
    if (is_same_v<Site, site::residual>) return "residual";
    if (is_same_v<Site, site::attention_input>) return "input";
    if (is_same_v<Site, site::values>) return "values";
    if (is_same_v<Site, site::head_outputs>) return "outputs";
    if (is_same_v<Site, site::gate>) return "gate";
    if (is_same_v<Site, site::attention_write>) return "write";
    if (is_same_v<Site, site::feed_forward_input>) return "input2";
    if (is_same_v<Site, site::neurons>) return "neurons";
    if (is_same_v<Site, site::feed_forward_write>) return "write2";
    if (is_same_v<Site, site::final_norm>) return "final_norm";
    return "";
  }
};

}  // namespace

TEST_CASE("a layer adds its blocks' writes, between the norms it has") {
  Engine engine(1);
  for (const auto& arrangement : kArrangements) {
    INFO(arrangement.name);
    const auto layer = draw_layer(engine, arrangement);
    for (const Index tokens : {1, 4, 140}) {
      const auto h = draw_spiked<double>(engine, tokens, kHidden);
      const auto sequence = some_text(tokens);
      CHECK(difference(layer.value(h, sequence), composed(layer, h, sequence)) == "");
    }
  }
}

TEST_CASE("the derivatives of a layer obey the laws in every arrangement") {
  Engine engine(2);
  for (const auto& arrangement : kArrangements) {
    const auto layer = draw_layer(engine, arrangement);
    for (const Index tokens : {1, 2, 5}) {
      INFO(arrangement.name << ", " << tokens << " tokens");
      const auto h = draw_gaussian<double>(engine, tokens, kHidden);
      const auto dh = draw_direction(engine, tokens);
      const auto dout = draw_gaussian<double>(engine, tokens, kHidden);
      const auto sequence = some_text(tokens);
      const double norm = jacobian_norm(layer, h, sequence);
      CHECK(broken_derivative(layer, h, dh, dout, allowance(norm), sequence) == "");
    }
  }
}

TEST_CASE("the derivatives of a layer obey the laws at special rows") {
  Engine engine(3);
  for (const auto& arrangement : kArrangements) {
    if (arrangement.pre_norm == NormKind::none) continue;  // 1e8 would overflow every softmax
    const auto layer = draw_layer(engine, arrangement);
    for (const auto& [name, row] : special_rows<double>(kHidden)) {
      // Next to 0 the norm is steep, 1 / sqrt(eps), and only a short direction is straight.
      // To LayerNorm a constant row is next to 0.
      const bool tiny = name == "zero" || name == "1e-8" || name == "subnormal" ||
                        (name == "constant" && arrangement.pre_norm == NormKind::layer_norm);
      INFO(arrangement.name << ", " << name);
      Matrix<double> h = draw_gaussian<double>(engine, 3, kHidden);
      h.row(1) = row;
      Matrix<double> dh = draw_direction(engine, 3);
      if (tiny) dh *= 1e-3;
      const auto dout = draw_gaussian<double>(engine, 3, kHidden);
      const auto sequence = Sequence::causal(3);
      const double norm = jacobian_norm(layer, h, sequence);
      CHECK(broken_derivative(layer, h, dh, dout, allowance(norm) + unit<double> * h.norm(),
                              sequence) == "");
    }
  }
}

TEST_CASE("a layer in float has the value and the derivatives of the layer in double") {
  Engine engine(4);
  for (const auto& arrangement : kArrangements) {
    INFO(arrangement.name);
    const auto narrow = draw_layer(engine, arrangement).cast<float>();
    const auto layer = narrow.cast<double>();
    const auto h = draw_gaussian<float>(engine, 4, kHidden),
               d = draw_gaussian<float>(engine, 4, kHidden);
    const Matrix<double> wide_h = h.cast<double>(), wide_d = d.cast<double>();
    const auto sequence = some_text(4);
    const double at = allowance(jacobian_norm(layer, wide_h, sequence), unit<float>);
    CHECK(mismatch(narrow.value(h, sequence), layer.value(wide_h, sequence), at * wide_h.norm()) ==
          "");
    CHECK(mismatch(narrow.jvp(h, d, sequence), layer.jvp(wide_h, wide_d, sequence),
                   at * wide_d.norm()) == "");
    CHECK(mismatch(narrow.vjp(h, d, sequence), layer.vjp(wide_h, wide_d, sequence),
                   at * wide_d.norm()) == "");
  }
}

TEST_CASE("in a layer a row does not change, to the last bit, with tokens that it does not see") {
  Engine engine(5);
  const auto layer = draw_layer(engine, kArrangements[1]);
  const auto h = draw_gaussian<double>(engine, 200, kHidden);
  const auto sequence = Sequence::causal(200);
  const auto before = layer.value(h, sequence);
  auto other = h;
  other.bottomRows(60).array() -= 2;
  const auto after = layer.value(other, sequence);
  CHECK(difference(after.topRows(140), before.topRows(140)) == "");
  CHECK(difference(after.row(140), before.row(140)) != "");
}

TEST_CASE("the sites of a layer come by in the order in which they are declared") {
  Engine engine(6);
  const auto layer = draw_layer(engine, kArrangements[5]);
  const auto h = draw_gaussian<double>(engine, 3, kHidden);
  Watch watch;
  CHECK(difference(layer.value(h, Sequence::causal(3), watch, 9),
                   layer.value(h, Sequence::causal(3))) == "");
  CHECK(watch.order == "residual input values outputs gate write input2 neurons write2 ");
  CHECK(watch.layers == std::set<Index>{9});
  for (const auto& [name, m] : watch.seen) {
    INFO(name);
    CHECK(m.rows() == 3);
    CHECK(m.cols() == (name == "values"    ? kKvHeads * kHeadDim
                       : name == "outputs" ? kHeads * kHeadDim
                       : name == "gate"    ? kHeads
                       : name == "neurons" ? kNeurons
                                           : kHidden));
  }
}

TEST_CASE("a layer offers its residual, what blocks read and what they add, after the norms") {
  Engine engine(7);
  for (const auto& arrangement : kArrangements) {
    INFO(arrangement.name);
    const auto layer = draw_layer(engine, arrangement);
    const auto h = draw_gaussian<double>(engine, 4, kHidden);
    const auto sequence = some_text(4);
    Watch watch;
    const auto out = layer.value(h, sequence, watch);
    auto& seen = watch.seen;
    CHECK(difference(seen["residual"], h) == "");
    CHECK(difference(seen["input"], layer.attention_pre_norm.value(h)) == "");
    CHECK(difference(seen["write"], layer.attention_post_norm.value(
                                        layer.attention.value(seen["input"], sequence))) == "");
    const Matrix<double> middle = h + seen["write"];
    CHECK(difference(seen["input2"],
                     layer.feed_forward_pre_norm.value(layer.parallel ? h : middle)) == "");
    CHECK(difference(seen["write2"], layer.feed_forward_post_norm.value(
                                         layer.feed_forward.value(seen["input2"]))) == "");
    CHECK(difference(out, middle + seen["write2"]) == "");
  }
}

TEST_CASE("in a parallel layer an edited attention write does not reach the feed-forward") {
  Engine engine(10);
  for (const auto& arrangement : kArrangements) {
    const auto layer = draw_layer(engine, arrangement);
    const auto h = draw_gaussian<double>(engine, 4, kHidden);
    const auto other = draw_gaussian<double>(engine, 4, kHidden);
    Watch plain, edited;
    edited.put["write"] = other;
    layer.value(h, some_text(4), plain);
    layer.value(h, some_text(4), edited);
    INFO(arrangement.name);
    CHECK((difference(plain.seen["write2"], edited.seen["write2"]) == "") == layer.parallel);
  }
}

TEST_CASE("what a tap makes of a site is what the layer goes on with") {
  Engine engine(8);
  const auto layer = draw_layer(engine, kArrangements[1]);
  const auto h = draw_gaussian<double>(engine, 4, kHidden);
  const auto other = draw_gaussian<double>(engine, 4, kHidden);
  const auto sequence = some_text(4);
  const auto attention_of = [&](const Matrix<double>& read) {
    return layer.attention_post_norm.value(layer.attention.value(read, sequence));
  };
  const auto feed_forward_of = [&](const Matrix<double>& read) {
    return layer.feed_forward_post_norm.value(layer.feed_forward.value(read));
  };
  const auto rest_of = [&](const Matrix<double>& middle) -> Matrix<double> {
    return middle + feed_forward_of(layer.feed_forward_pre_norm.value(middle));
  };
  const auto check = [&](const std::string& where, const Matrix<double>& want) {
    INFO(where);
    Watch watch;
    watch.put[where] = other;
    CHECK(difference(layer.value(h, sequence, watch), want) == "");
  };
  const Matrix<double> middle = h + attention_of(layer.attention_pre_norm.value(h));

  check("residual", layer.value(other, sequence));
  check("input", rest_of(h + attention_of(other)));
  check("write", rest_of(h + other));
  check("input2", middle + feed_forward_of(other));
  check("write2", middle + other);
}

TEST_CASE("a layer throws when shapes do not fit and only then") {
  Engine engine(9);
  for (const auto& arrangement : kArrangements) {
    INFO(arrangement.name);
    const auto layer = draw_layer(engine, arrangement);
    const Matrix<double> h = Matrix<double>::Ones(3, kHidden);
    const auto sequence = Sequence::causal(3);
    CHECK_NOTHROW(layer.value(h, sequence));
    CHECK_NOTHROW(layer.jvp(h, h, sequence));
    CHECK_NOTHROW(layer.vjp(h, h, sequence));
    for (const auto& wrong : {Matrix<double>(2, kHidden), Matrix<double>(3, kHidden - 1),
                              Matrix<double>(3, kHidden + 1)}) {
      CHECK_THROWS_AS(layer.value(wrong, sequence), shape_error);
      CHECK_THROWS_AS(layer.jvp(wrong, wrong, sequence), shape_error);
      CHECK_THROWS_AS(layer.vjp(wrong, wrong, sequence), shape_error);
      CHECK_THROWS_AS(layer.jvp(h, wrong, sequence), shape_error);
      CHECK_THROWS_AS(layer.vjp(h, wrong, sequence), shape_error);
    }
    CHECK_THROWS_AS(layer.value(h, Sequence::causal(4)), shape_error);
  }
}
