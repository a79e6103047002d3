#include "plumb/model/attention.hpp"

#include <catch2/catch.hpp>
#include <complex>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/laws.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

using Long = long double;

// ---- Blocks and sequences to try ------------------------------------------------------------

enum class GateKind { none, channel, head, token };
enum class SequenceKind { causal, alone, isolated, ranges, everything };

struct Options {
  Index heads = 2, kv_heads = 2, head_dim = 4, hidden = 6;
  QkNorm qk_norm = QkNorm::none;
  GateKind gate = GateKind::none;
  RotaryPairing pairing = RotaryPairing::half_split;
  bool biases = false;
  std::optional<double> soft_cap = std::nullopt;
  Index window = 0;
  RotaryKind rotary = RotaryKind::unscaled;
  Index rotary_dim = 0;

  Index openings() const {
    switch (gate) {
      case GateKind::none: return 0;
      case GateKind::channel: return heads * head_dim;
      case GateKind::head: return heads;
      case GateKind::token: return 1;
    }
    return 0;
  }
};

template <class T>
Matrix<T> draw_weights(Engine& engine, Index out, Index in) {
  return draw_gaussian<T>(engine, out, in, 1 / std::sqrt(static_cast<double>(in)));
}

template <class T>
HeadNorm<T> draw_head_norm(Engine& engine, const Options& o, Index heads) {
  if (o.qk_norm == QkNorm::none) return {};
  const Index size = o.qk_norm == QkNorm::per_head ? o.head_dim : heads * o.head_dim;
  return {o.qk_norm, {draw_gaussian<T>(engine, 1, size).row(0).transpose(), 1e-3}};
}

template <class T>
Attention<T> draw_attention(Engine& engine, const Options& o) {
  Attention<T> block;
  block.heads = o.heads;
  block.kv_heads = o.kv_heads;
  block.head_dim = o.head_dim;
  block.scale = 0.75;
  block.query = draw_weights<T>(engine, o.heads * o.head_dim, o.hidden);
  block.key = draw_weights<T>(engine, o.kv_heads * o.head_dim, o.hidden);
  block.values = draw_weights<T>(engine, o.kv_heads * o.head_dim, o.hidden);
  block.output = draw_weights<T>(engine, o.hidden, o.heads * o.head_dim);
  block.query_norm = draw_head_norm<T>(engine, o, o.heads);
  block.key_norm = draw_head_norm<T>(engine, o, o.kv_heads);
  block.rotary = {o.head_dim, 100, o.pairing, o.rotary, {.factor = 4}, o.rotary_dim};
  if (o.gate != GateKind::none) block.gate = {draw_weights<T>(engine, o.openings(), o.hidden)};
  if (o.biases) {
    const auto draw_bias = [&](const Matrix<T>& weight) {
      return Vector<T>(draw_gaussian<T>(engine, weight.rows(), 1));
    };
    block.query_bias = draw_bias(block.query);
    block.key_bias = draw_bias(block.key);
    block.value_bias = draw_bias(block.values);
    block.output_bias = draw_bias(block.output);
  }
  block.soft_cap = o.soft_cap;
  block.window = o.window;
  return block;
}

Sequence draw_sequence(Engine& engine, SequenceKind kind, Index tokens) {
  const auto below = [&](Index bound) {
    return std::uniform_int_distribution<Index>(0, bound - 1)(engine);
  };
  auto sequence = kind == SequenceKind::alone ? Sequence::alone(tokens) : Sequence::causal(tokens);
  switch (kind) {
    case SequenceKind::causal:
    case SequenceKind::alone: break;
    case SequenceKind::isolated: sequence.isolate(below(tokens)); break;
    case SequenceKind::everything:
      for (auto& range : sequence.visible) range = {0, tokens};
      break;
    case SequenceKind::ranges:
      for (auto& range : sequence.visible) {
        const Index first = below(tokens);
        range = {first, first + 1 + below(tokens - first)};
      }
      for (auto& position : sequence.positions) position = below(50);
      break;
  }
  return sequence;
}

const std::vector<std::pair<Index, Index>> kGroups = {{1, 1}, {2, 2}, {4, 2}, {6, 3}, {4, 1}};

Options some_options() {
  Options o;
  std::tie(o.heads, o.kv_heads) = *rc::gen::elementOf(kGroups);
  o.head_dim = 2 * *rc::gen::inRange<Index>(1, 4);
  o.hidden = *size(9);
  o.qk_norm = *rc::gen::element(QkNorm::none, QkNorm::per_head, QkNorm::all_heads);
  o.gate = *rc::gen::element(GateKind::none, GateKind::channel, GateKind::head, GateKind::token);
  o.pairing = *rc::gen::element(RotaryPairing::half_split, RotaryPairing::interleaved);
  o.biases = *rc::gen::element(false, true);
  if (*rc::gen::element(false, true)) o.soft_cap = *rc::gen::element(0.75, 2.0, 50.0);
  o.window = *rc::gen::element<Index>(0, 0, 1, 3);
  o.rotary = *rc::gen::element(RotaryKind::none, RotaryKind::unscaled, RotaryKind::linear);
  if (*rc::gen::element(false, true)) o.rotary_dim = 2;
  return o;
}

/// What rows see through a window, by its definition; rows that would see nothing see themselves.
Sequence through_window(Sequence sequence, Index window) {
  if (window == 0) return sequence;
  for (Index t = 0; t < sequence.size(); ++t) {
    auto& range = sequence.visible[static_cast<std::size_t>(t)];
    if (range.last <= t - window + 1) range = {t, t + 1};
    while (range.first <= t - window) ++range.first;
  }
  return sequence;
}

/// Any sequence in which the block's window leaves each row a key.
Sequence some_sequence(Index tokens, Index window = 0) {
  Engine engine(*rc::gen::inRange<std::uint64_t>(0, 1000));
  const auto kind =
      *rc::gen::element(SequenceKind::causal, SequenceKind::alone, SequenceKind::isolated,
                        SequenceKind::ranges, SequenceKind::everything);
  auto sequence = draw_sequence(engine, kind, tokens);
  if (window == 0) return sequence;
  const auto narrowed = through_window(sequence, window);
  for (std::size_t t = 0; t < sequence.visible.size(); ++t) {
    if (sequence.visible[t].last < narrowed.visible[t].last)
      sequence.visible[t] = narrowed.visible[t];
  }
  return sequence;
}

template <class T>
Attention<T> some_attention() {
  const auto options = some_options();
  Engine engine(*rc::gen::inRange<std::uint64_t>(0, 1000));
  return draw_attention<T>(engine, options);
}

// ---- The naive twin -------------------------------------------------------------------------

/// What is true, in long double, and how far rounding in T may have gone from it: each step adds
/// its own to what it is handed.
struct Exact {
  Matrix<Long> value;
  Matrix<double> error;

  Exact(Index rows, Index cols)
      : value(Matrix<Long>::Zero(rows, cols)), error(Matrix<double>::Zero(rows, cols)) {}
  double size(Index i, Index j) const {
    return std::abs(static_cast<double>(value(i, j))) + error(i, j);
  }
};

template <class T>
Exact exactly(const Matrix<T>& x) {
  Exact exact(x.rows(), x.cols());
  exact.value = x.template cast<Long>();
  return exact;
}

template <class T>
Exact project(const Exact& x, const Matrix<T>& weight, const Vector<T>& bias = {}) {
  Exact y(x.value.rows(), weight.rows());
  for (Index t = 0; t < y.value.rows(); ++t) {
    for (Index o = 0; o < weight.rows(); ++o) {
      double size = 0;
      for (Index c = 0; c < weight.cols(); ++c) {
        const double w = std::abs(static_cast<double>(weight(o, c)));
        y.value(t, o) += Long(weight(o, c)) * x.value(t, c);
        y.error(t, o) += w * x.error(t, c);
        size += w * x.size(t, c);
      }
      y.error(t, o) += gamma<T>(static_cast<double>(weight.cols())) * size;
      if (bias.size() == 0) continue;
      y.value(t, o) += Long(bias[o]);
      y.error(t, o) += unit<T> * y.size(t, o);
    }
  }
  return y;
}

/// rho moves by at most |error| / sqrt(d), and y = g x / rho by |g| / rho of the error and of that.
template <class T>
Exact normalise(const HeadNorm<T>& norm, Index head_dim, const Exact& x) {
  if (norm.kind == QkNorm::none) return x;
  const Index width = norm.kind == QkNorm::per_head ? head_dim : x.value.cols();
  const auto d = static_cast<double>(width);
  Exact y(x.value.rows(), x.value.cols());
  for (Index t = 0; t < x.value.rows(); ++t) {
    for (Index first = 0; first < x.value.cols(); first += width) {
      Long sum = 0;
      double moved = 0;
      for (Index c = first; c < first + width; ++c) {
        sum += x.value(t, c) * x.value(t, c);
        moved += x.error(t, c) * x.error(t, c);
      }
      const Long rho = std::sqrt(sum / Long(width) + Long(norm.norm.eps));
      const double drho = std::sqrt(moved / d), least = static_cast<double>(rho) - drho;
      for (Index c = first; c < first + width; ++c) {
        const T gain = norm.norm.gain[c - first];
        const double g = std::abs(static_cast<double>(gain));
        y.value(t, c) = Long(gain) * x.value(t, c) / rho;
        y.error(t, c) = g / least * (x.error(t, c) + x.size(t, c) * drho / least);
        y.error(t, c) += (d / 2 + 5) * unit<T> * y.size(t, c);
      }
    }
  }
  return y;
}

/// Each plane as a complex number; 6 roundings in T, and 20 in double on the angle.
template <class T>
Exact rotate(const Rotary& rotary, const Sequence& sequence, const Exact& x) {
  Exact y = x;
  const Index turning = rotary.kind == RotaryKind::none ? 0
                        : rotary.dim == 0               ? rotary.head_dim
                                                        : rotary.dim;
  const Index half = turning / 2;
  const bool split = rotary.pairing == RotaryPairing::half_split;
  const Long slowed = rotary.kind == RotaryKind::linear ? Long(rotary.scaling.factor) : 1;
  for (Index t = 0; t < x.value.rows(); ++t) {
    for (Index head = 0; head < x.value.cols(); head += rotary.head_dim) {
      for (Index j = 0; j < half; ++j) {
        const Index a = head + (split ? j : 2 * j), b = head + (split ? j + half : 2 * j + 1);
        const Long angle = Long(sequence.positions[static_cast<std::size_t>(t)]) *
                           std::pow(Long(rotary.theta), -2 * Long(j) / Long(turning)) / slowed;
        const auto turned =
            std::complex<Long>(x.value(t, a), x.value(t, b)) * std::polar(1.0L, angle);
        y.value(t, a) = turned.real();
        y.value(t, b) = turned.imag();
        const double rounding =
            6 * unit<T> + 20 * unit<double> * std::abs(static_cast<double>(angle));
        y.error(t, a) = y.error(t, b) =
            x.error(t, a) + x.error(t, b) + rounding * (x.size(t, a) + x.size(t, b));
      }
    }
  }
  return y;
}

/// softmax(scale q.k), or of cap tanh(scale q.k / cap), over the keys that a query sees, 0
/// elsewhere; for head h against kv head h / (heads / kv_heads). The cap does not magnify an error;
/// its argument has a rounding and its value seven, of which tanh has four.
template <class T>
Exact weigh(const Attention<T>& block, const Sequence& sequence, const Exact& q, const Exact& k,
            Index head) {
  const Index d = block.head_dim, kv = head / (block.heads / block.kv_heads);
  Exact p(q.value.rows(), k.value.rows());
  for (Index t = 0; t < q.value.rows(); ++t) {
    const auto [first, last] = sequence.visible[static_cast<std::size_t>(t)];
    Vector<Long> logits(last - first);
    double moved = 0;  // the largest error of a logit
    for (Index s = first; s < last; ++s) {
      Long dot = 0;
      double error = 0, size = 0;
      for (Index c = 0; c < d; ++c) {
        const Index a = head * d + c, b = kv * d + c;
        dot += q.value(t, a) * k.value(s, b);
        error += q.error(t, a) * k.size(s, b) + q.size(t, a) * k.error(s, b);
        size += q.size(t, a) * k.size(s, b);
      }
      Long& logit = logits[s - first];
      logit = Long(block.scale) * dot;
      error = std::abs(block.scale) * (error + gamma<T>(static_cast<double>(d + 2)) * size);
      if (block.soft_cap) {
        error += 8 * unit<T> * (std::abs(static_cast<double>(logit)) + error);
        logit = Long(*block.soft_cap) * std::tanh(logit / Long(*block.soft_cap));
      }
      moved = std::max(moved, error);
    }
    const Long greatest = logits.maxCoeff();
    const auto widest = static_cast<double>(greatest - logits.minCoeff());
    const Vector<Long> powers = logits.unaryExpr([&](Long l) { return std::exp(l - greatest); });
    for (Index s = first; s < last; ++s) {
      p.value(t, s) = powers[s - first] / powers.sum();
      const double relative = std::expm1(2 * moved) +
                              (2 * widest + 7) * unit<T> * (1 + std::expm1(2 * moved)) +
                              gamma<double>(static_cast<double>(last - first));
      p.error(t, s) = 1.01 * relative * static_cast<double>(p.value(t, s)) +
                      static_cast<double>(std::numeric_limits<T>::min());
    }
  }
  return p;
}

template <class T>
struct Twin {
  Exact q, k, v, outputs, write;
  std::vector<Exact> weights;

  Twin(const Attention<T>& block, const Matrix<T>& x, const Sequence& visible)
      : q(rotate<T>(block.rotary, visible,
                    normalise(block.query_norm, block.head_dim,
                              project(exactly(x), block.query, block.query_bias)))),
        k(rotate<T>(block.rotary, visible,
                    normalise(block.key_norm, block.head_dim,
                              project(exactly(x), block.key, block.key_bias)))),
        v(project(exactly(x), block.values, block.value_bias)),
        outputs(x.rows(), block.heads * block.head_dim),
        write(0, 0) {
    const Index d = block.head_dim;
    const Sequence sequence = through_window(visible, block.window);
    for (Index head = 0; head < block.heads; ++head) {
      weights.push_back(weigh(block, sequence, q, k, head));
      const Exact& p = weights.back();
      const Index kv = head / (block.heads / block.kv_heads);
      for (Index t = 0; t < x.rows(); ++t) {
        const auto [first, last] = sequence.visible[static_cast<std::size_t>(t)];
        for (Index c = 0; c < d; ++c) {
          double error = 0, size = 0;
          for (Index s = first; s < last; ++s) {
            outputs.value(t, head * d + c) += p.value(t, s) * v.value(s, kv * d + c);
            error += p.error(t, s) * v.size(s, kv * d + c) + p.size(t, s) * v.error(s, kv * d + c);
            size += p.size(t, s) * v.size(s, kv * d + c);
          }
          outputs.error(t, head * d + c) = error + gamma<T>(static_cast<double>(x.rows())) * size;
        }
      }
    }
    write = project(gated(block, exactly(x)), block.output, block.output_bias);
  }

 private:
  /// Times sigma(x W_g'): sigma moves by at most z's error / 4, and has 7 roundings.
  Exact gated(const Attention<T>& block, const Exact& x) const {
    const Index openings = block.gate.weight.rows();
    if (openings == 0) return outputs;
    const Exact z = project(x, block.gate.weight);
    const Index width = outputs.value.cols() / openings;
    Exact y = outputs;
    for (Index t = 0; t < y.value.rows(); ++t) {
      for (Index c = 0; c < y.value.cols(); ++c) {
        const Long opening = 1 / (1 + std::exp(-z.value(t, c / width)));
        y.value(t, c) = outputs.value(t, c) * opening;
        y.error(t, c) =
            outputs.error(t, c) + (z.error(t, c / width) / 4 + 8 * unit<T>)*outputs.size(t, c);
      }
    }
    return y;
  }
};

// ---- Derivatives ----------------------------------------------------------------------------

/// How much a derivative can be, when nothing cancels: bounds from Frobenius norms.
struct Sizes {
  double logits;  // |dlogit| <= logits |dx|
  double write;   // |dwrite| <= write |dx|
  double rounding;
};

Matrix<double> product(const Matrix<double>& x, const Matrix<double>& weight) {
  return kernels::reference::product<double>(x, weight);
}

struct Projections {
  Matrix<double> q, k, v;
};

Projections projections(const Attention<double>& block, const Matrix<double>& x) {
  const auto of = [&](const Matrix<double>& weight, const Vector<double>& bias) {
    Matrix<double> y = product(x, weight);
    if (bias.size() > 0) y.rowwise() += bias.transpose();
    return y;
  };
  return {of(block.query, block.query_bias), of(block.key, block.key_bias),
          of(block.values, block.value_bias)};
}

double norm_slope(const HeadNorm<double>& norm, const Matrix<double>& projected, Index head_dim) {
  if (norm.kind == QkNorm::none) return 1;
  const Index width = norm.kind == QkNorm::per_head ? head_dim : projected.cols();
  double least = std::numeric_limits<double>::infinity();
  for (Index t = 0; t < projected.rows(); ++t) {
    for (Index c = 0; c < projected.cols(); c += width) {
      const double squares = projected.row(t).segment(c, width).squaredNorm();
      least = std::min(least, std::sqrt(squares / static_cast<double>(width) + norm.norm.eps));
    }
  }
  return norm.norm.gain.cwiseAbs().maxCoeff() / least;
}

Sizes sizes(const Attention<double>& block, const Matrix<double>& x) {
  const auto [q, k, v] = projections(block, x);
  const double q_slope = norm_slope(block.query_norm, q, block.head_dim);
  const double k_slope = norm_slope(block.key_norm, k, block.head_dim);
  const double dq = q_slope * block.query.norm(), dk = k_slope * block.key.norm();
  const double q_size = q_slope * q.rowwise().norm().maxCoeff();
  const double k_size = k_slope * k.rowwise().norm().maxCoeff();
  const double v_size = v.rowwise().norm().maxCoeff();
  const double dlogit = std::abs(block.scale) * (dq * k_size + q_size * dk);
  // Rows of d softmax sum to at most 2 |dlogit| in magnitude; dx reaches each row and head.
  const double rows = std::sqrt(static_cast<double>(x.rows() * block.heads));
  const double mixed = rows * (2 * dlogit * v_size + block.values.norm());
  const double gate = block.gate.weight.norm() / 4 * rows * v_size;
  const double logit = std::abs(block.scale) * q_size * k_size;
  // Rounding: of each sum on the way, 6 of which are as long as the longest; those of the logits
  // count by their size, and those before a norm by its slope.
  const auto longest = static_cast<double>(std::max({x.cols(), x.rows(), q.cols()}));
  const double steps = 12 * (longest + 10);
  const double steepness = (1 + logit) * (1 + q_slope) * (1 + k_slope) * (1 + 4 * gate);
  return {dlogit, block.output.norm() * (mixed + gate), gamma<double>(steps) * steepness};
}

/// A direction in which logits move by at most 1/2 a step, and q, k and gates by little.
Matrix<double> direction(Engine& engine, const Attention<double>& block, const Matrix<double>& x) {
  const Matrix<double> dx = draw_gaussian<double>(engine, x.rows(), x.cols());
  const auto [q, k, v] = projections(block, x);
  const double steepest = 2 * sizes(block, x).logits + block.gate.weight.norm() +
                          2 * norm_slope(block.query_norm, q, block.head_dim) * block.query.norm() +
                          2 * norm_slope(block.key_norm, k, block.head_dim) * block.key.norm();
  return dx / (dx.norm() * std::max(1.0, steepest));
}

std::string broken_law(Engine& engine, const Attention<double>& block, const Matrix<double>& x,
                       const Sequence& sequence) {
  const auto [logits, write, rounding] = sizes(block, x);
  const Matrix<double> dy = draw_gaussian<double>(engine, x.rows(), block.output.rows());
  return broken_derivative(block, x, direction(engine, block, x), dy, rounding * write, sequence);
}

// ---- Taps -----------------------------------------------------------------------------------

using Site = std::variant<site::queries, site::keys, site::values, site::logits, site::weights,
                          site::head_outputs, site::gate>;

/// A tap of one type, whatever it does: the pass is compiled once for all of them.
struct Tap {
  std::function<void(const Site&, Matrix<double>&)> act;
  Index layer = 0;  // what it expects to be told

  template <class At>
  void operator()(Index told, At where, Matrix<double>& matrix) const {
    CHECK(told == layer);
    act(where, matrix);
  }
};

Matrix<double> tapped(const Attention<double>& block, const Matrix<double>& x,
                      const Sequence& sequence, const Tap& tap) {
  return block.value(x, sequence, tap, tap.layer);
}

std::string name(const Site& where) {
  const auto stage = [](site::Stage s) {
    return s == site::Stage::projected    ? "projected"
           : s == site::Stage::normalised ? "normalised"
                                          : "rotated";
  };
  const auto strip = [](Index head, Index first) {
    return std::to_string(head) + "_" + std::to_string(first);
  };
  struct Names {
    decltype(stage) stage_name;
    decltype(strip) strip_name;
    std::string operator()(site::queries q) const {
      return "q_" + std::string(stage_name(q.stage));
    }
    std::string operator()(site::keys k) const { return "k_" + std::string(stage_name(k.stage)); }
    std::string operator()(site::values) const { return "v"; }
    std::string operator()(site::logits l) const {
      return "logits_" + strip_name(l.head, l.first_query);
    }
    std::string operator()(site::weights w) const {
      return "weights_" + strip_name(w.head, w.first_query);
    }
    std::string operator()(site::head_outputs) const { return "outputs"; }
    std::string operator()(site::gate) const { return "gate"; }
  };
  return std::visit(Names{stage, strip}, where);
}

/// A tap of the sites of one name.
Tap at(const std::string& wanted, std::function<void(Matrix<double>&)> edit) {
  return {[=](const Site& where, Matrix<double>& matrix) {
    if (name(where) == wanted) edit(matrix);
  }};
}

/// Two taps, one after the other.
Tap both(const Tap& first, const Tap& second) {
  return {[=](const Site& where, Matrix<double>& matrix) {
    first.act(where, matrix);
    second.act(where, matrix);
  }};
}

Tap keep(const std::string& wanted, Matrix<double>& seen) {
  return at(wanted, [&seen](Matrix<double>& matrix) { seen = matrix; });
}

Matrix<double> seen_at(const std::string& wanted, const Attention<double>& block,
                       const Matrix<double>& x, const Sequence& sequence) {
  Matrix<double> seen;
  tapped(block, x, sequence, keep(wanted, seen));
  return seen;
}

constexpr double kNone = -std::numeric_limits<double>::infinity();

}  // namespace

// ---- Values ---------------------------------------------------------------------------------

TEST_CASE("head h reads kv head floor(h K / H)") {
  const auto read_by = [](Index heads, Index kv_heads) {
    Attention<double> block;
    block.heads = heads;
    block.kv_heads = kv_heads;
    std::vector<Index> read;
    for (Index head = 0; head < heads; ++head) read.push_back(block.kv_head(head));
    return read;
  };
  CHECK(read_by(4, 4) == std::vector<Index>{0, 1, 2, 3});
  CHECK(read_by(4, 2) == std::vector<Index>{0, 0, 1, 1});
  CHECK(read_by(6, 3) == std::vector<Index>{0, 0, 1, 1, 2, 2});
  CHECK(read_by(4, 1) == std::vector<Index>{0, 0, 0, 0});
}

TEMPLATE_TEST_CASE("attention equals a naive loop over heads, queries, keys and channels", "",
                   float, double) {
  using T = TestType;
  property("for any grouping, qk-norm, gate, rotary pairing and visible keys", [] {
    const auto block = some_attention<T>();
    const Index tokens = *size();
    const auto sequence = some_sequence(tokens, block.window);
    const auto x = *rc::gen::oneOf(bounded_matrix<T>(tokens, block.query.cols(), T(2)),
                                   gaussian<T>(tokens, block.query.cols()));
    const Twin<T> twin(block, x, sequence);
    RC_ASSERT(mismatch(block.value(x, sequence), twin.write.value, twin.write.error) == "");
  });
}

TEMPLATE_TEST_CASE("attention equals the naive loop in every combination of options", "", float,
                   double) {
  using T = TestType;
  Engine engine(1);
  Options o;
  for (const auto& [heads, kv_heads] : kGroups) {
    o.heads = heads;
    o.kv_heads = kv_heads;
    for (const auto qk_norm : {QkNorm::none, QkNorm::per_head, QkNorm::all_heads}) {
      o.qk_norm = qk_norm;
      for (const auto gate : {GateKind::none, GateKind::channel, GateKind::head, GateKind::token}) {
        o.gate = gate;
        for (const auto pairing : {RotaryPairing::half_split, RotaryPairing::interleaved}) {
          o.pairing = pairing;
          INFO(heads << " heads, " << kv_heads << " kv heads, qk-norm " << int(qk_norm) << ", gate "
                     << int(gate) << ", pairing " << int(pairing));
          const auto block = draw_attention<T>(engine, o);
          const auto sequence = draw_sequence(engine, SequenceKind::ranges, 6);
          const auto x = draw_gaussian<T>(engine, 6, o.hidden);
          const Twin<T> twin(block, x, sequence);
          CHECK(mismatch(block.value(x, sequence), twin.write.value, twin.write.error) == "");
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("attention over several strips of queries equals the naive loop", "", float,
                   double) {
  using T = TestType;
  const Index tokens = GENERATE(kStripQueries - 1, kStripQueries, kStripQueries + 1, Index{300});
  const auto kind = GENERATE(SequenceKind::causal, SequenceKind::ranges, SequenceKind::everything);
  Engine engine(2);
  const auto block = draw_attention<T>(engine, {.heads = 2, .kv_heads = 1, .hidden = 5});
  const auto sequence = draw_sequence(engine, kind, tokens);
  const auto x = draw_gaussian<T>(engine, tokens, 5);
  const Twin<T> twin(block, x, sequence);
  INFO(tokens << " tokens, sequence " << int(kind));
  CHECK(mismatch(block.value(x, sequence), twin.write.value, twin.write.error) == "");
}

TEMPLATE_TEST_CASE("attention reads tokens with spikes as the naive loop does", "", float, double) {
  using T = TestType;
  property("with qk-norm, where logits stay small whatever the spike", [] {
    auto options = some_options();
    if (options.qk_norm == QkNorm::none) options.qk_norm = QkNorm::per_head;
    Engine engine(*rc::gen::inRange<std::uint64_t>(0, 1000));
    const auto block = draw_attention<T>(engine, options);
    const Index tokens = *size();
    const auto sequence = some_sequence(tokens, block.window);
    const auto x = *spiked<T>(tokens, options.hidden);
    const Twin<T> twin(block, x, sequence);
    RC_ASSERT(mismatch(block.value(x, sequence), twin.write.value, twin.write.error) == "");
  });
}

TEMPLATE_TEST_CASE("a row that sees one key outputs that key's value, to the last bit", "", float,
                   double) {
  using T = TestType;
  Engine engine(3);
  for (const auto& [heads, kv_heads] : kGroups) {
    auto block = draw_attention<T>(engine, {.heads = heads, .kv_heads = kv_heads});
    block.output = Matrix<T>::Identity(4 * heads, 4 * heads);  // writes the head outputs
    const Index tokens = 140;
    const auto x = draw_gaussian<T>(engine, tokens, 6);
    auto sequence = Sequence::causal(tokens);
    sequence.isolate(70);
    sequence.visible[135] = {3, 4};
    const auto values = kernels::reference::product<T>(x, block.values);
    const auto outputs = block.value(x, sequence);
    for (Index head = 0; head < heads; ++head) {
      INFO("head " << head << " of " << heads << ", " << kv_heads << " kv heads");
      const Matrix<T> output = outputs.middleCols(4 * head, 4);
      const Matrix<T> value = values.middleCols(4 * (head * kv_heads / heads), 4);
      CHECK(difference(output.row(0), value.row(0)) == "");
      CHECK(difference(output.row(70), value.row(70)) == "");
      CHECK(difference(output.row(135), value.row(3)) == "");
      CHECK(difference(output.row(71), value.row(71)) != "");
    }
  }
}

TEMPLATE_TEST_CASE("a row does not change, to the last bit, with tokens that it does not see", "",
                   float, double) {
  using T = TestType;
  const auto kind = GENERATE(SequenceKind::causal, SequenceKind::ranges, SequenceKind::isolated);
  const Index tokens = GENERATE(Index{6}, Index{200});
  Engine engine(4);
  const auto block =
      draw_attention<T>(engine, {.heads = 4, .qk_norm = QkNorm::per_head, .gate = GateKind::head});
  const auto sequence = draw_sequence(engine, kind, tokens);
  const auto x = draw_gaussian<T>(engine, tokens, 6);
  const auto before = block.value(x, sequence);
  for (const Index changed : {Index{0}, tokens / 2, tokens - 1}) {
    auto other = x;
    other.row(changed).array() += T(3);
    const auto after = block.value(other, sequence);
    for (Index t = 0; t < tokens; ++t) {
      const auto [first, last] = sequence.keys(t);
      if (t == changed || (first <= changed && changed < last)) continue;
      INFO("row " << t << " when token " << changed << " changes");
      CHECK(difference(after.row(t), before.row(t)) == "");
    }
    CHECK(difference(after.row(changed), before.row(changed)) != "");
  }
}

TEST_CASE("a row of a causal text is that of the text cut off after it") {
  Engine engine(5);
  const auto block = draw_attention<double>(engine, {.qk_norm = QkNorm::all_heads});
  const auto x = draw_gaussian<double>(engine, 150, 6);
  const auto whole = block.value(x, Sequence::causal(150));
  const Twin<double> twin(block, x, Sequence::causal(150));
  for (const Index tokens : {1, 7, 130}) {
    const auto start = block.value(x.topRows(tokens), Sequence::causal(tokens));
    CHECK(mismatch(start, whole.topRows(tokens), 2 * twin.write.error.topRows(tokens)) == "");
  }
}

TEST_CASE("tokens that are alone write what each would write by itself, at any position") {
  property("for any options", [] {
    const auto block = some_attention<double>();
    const Index tokens = *size();
    const auto x = *gaussian<double>(tokens, block.query.cols());
    auto sequence = Sequence::alone(tokens);
    for (auto& position : sequence.positions) position = *rc::gen::inRange<Index>(0, 1000);
    const auto together = block.value(x, sequence);
    const Twin<double> twin(block, x, Sequence::alone(tokens));
    for (Index t = 0; t < tokens; ++t) {
      const auto by_itself = block.value(x.row(t), Sequence::alone(1));
      RC_ASSERT(mismatch(together.row(t), by_itself, 2 * twin.write.error.row(t)) == "");
    }
  });
}

TEST_CASE("tokens that see each other and stand at one position write the same in any order") {
  property("for any options without a window", [] {
    auto block = some_attention<double>();
    block.window = 0;
    const Index tokens = *size();
    const auto x = *gaussian<double>(tokens, block.query.cols());
    auto sequence = Sequence::alone(tokens);
    for (auto& range : sequence.visible) range = {0, tokens};
    const Twin<double> twin(block, x, sequence);
    const Matrix<double> reversed = x.colwise().reverse();
    const Matrix<double> errors = twin.write.error.colwise().reverse();
    const Matrix<double> want = block.value(x, sequence).colwise().reverse();
    RC_ASSERT(mismatch(block.value(reversed, sequence), want, 2 * errors) == "");
  });
}

TEST_CASE("attention depends on differences of positions only") {
  property("for any options and visible keys", [] {
    const auto block = some_attention<double>();
    const Index tokens = *size();
    const auto sequence = some_sequence(tokens, block.window);
    const auto x = *gaussian<double>(tokens, block.query.cols());
    auto later = sequence;
    for (auto& position : later.positions) position += 1000;
    const Twin<double> near(block, x, sequence), far(block, x, later);
    RC_ASSERT(mismatch(block.value(x, later), block.value(x, sequence),
                       near.write.error + far.write.error) == "");
  });
}

// ---- Derivatives ----------------------------------------------------------------------------

TEST_CASE("the derivatives of attention obey the laws") {
  property("for any options and visible keys", [] {
    const auto block = some_attention<double>();
    const Index tokens = *size(6);
    const auto sequence = some_sequence(tokens, block.window);
    const auto x = *gaussian<double>(tokens, block.query.cols());
    Engine engine(*rc::gen::inRange<std::uint64_t>(0, 1000));
    RC_ASSERT(broken_law(engine, block, x, sequence) == "");
  });
}

TEST_CASE("the derivatives of attention obey the laws over several strips of queries") {
  Engine engine(6);
  for (const auto kind : {SequenceKind::causal, SequenceKind::ranges}) {
    const auto block = draw_attention<double>(engine, {.heads = 2,
                                                       .kv_heads = 1,
                                                       .head_dim = 2,
                                                       .hidden = 3,
                                                       .qk_norm = QkNorm::per_head,
                                                       .gate = GateKind::channel});
    const Index tokens = 2 * kStripQueries + 3;
    const auto sequence = draw_sequence(engine, kind, tokens);
    const auto x = draw_gaussian<double>(engine, tokens, 3);
    CHECK(broken_law(engine, block, x, sequence) == "");
  }
}

TEST_CASE("the derivatives of attention obey the laws at special rows") {
  Engine engine(7);
  for (const auto qk_norm : {QkNorm::none, QkNorm::per_head}) {
    const auto block =
        draw_attention<double>(engine, {.hidden = 7, .qk_norm = qk_norm, .gate = GateKind::token});
    for (const auto& [name, row] : special_rows<double>(7)) {
      if (name == "1e8" && qk_norm == QkNorm::none) continue;  // logits of 1e16: no derivative left
      INFO(name << ", qk-norm " << int(qk_norm));
      Matrix<double> x = draw_gaussian<double>(engine, 3, 7);
      x.row(1) = row;
      CHECK(broken_law(engine, block, x, Sequence::causal(3)) == "");
    }
  }
}

// ---- Taps -----------------------------------------------------------------------------------

TEST_CASE("sites come by in their order, strips of heads in order") {
  Engine engine(8);
  const std::string before =
      "q_projected k_projected v q_normalised k_normalised q_rotated k_rotated ";
  const auto journal = [&](const Attention<double>& block, Index tokens) {
    std::string text;
    tapped(block, draw_gaussian<double>(engine, tokens, 6), Sequence::causal(tokens),
           Tap{[&](const Site& where, Matrix<double>&) { text += name(where) + " "; }});
    return text;
  };
  CHECK(journal(draw_attention<double>(engine, {}), 2) ==
        before + "logits_0_0 weights_0_0 logits_1_0 weights_1_0 outputs ");
  const Options gated{.heads = 1, .kv_heads = 1, .gate = GateKind::token};
  CHECK(journal(draw_attention<double>(engine, gated), 257) ==
        before +
            "logits_0_0 weights_0_0 logits_0_128 weights_0_128 logits_0_256 weights_0_256 outputs "
            "gate ");
}

TEST_CASE("a tap that only looks changes nothing, and is told the layer") {
  Engine engine(9);
  const auto block = draw_attention<double>(engine, {.heads = 4, .gate = GateKind::head});
  const auto x = draw_gaussian<double>(engine, 140, 6);
  const auto sequence = draw_sequence(engine, SequenceKind::ranges, 140);
  int sites = 0;
  const Tap look{[&](const Site&, Matrix<double>&) { ++sites; }, 11};
  CHECK(difference(tapped(block, x, sequence, look), block.value(x, sequence)) == "");
  CHECK(sites == 7 + 4 * 2 * 2 + 2);
}

namespace {

/// Strips as they should come by: of the keys up to the last that one of its rows sees, logits of
/// -infinity and weights of 0 where a row does not see the key, logits scale q.k and weights those
/// of the twin where it does, and weights that sum to 1.
class Strips {
 public:
  Strips(const Attention<double>& block, const Sequence& sequence, const Matrix<double>& x)
      : block_(block), sequence_(sequence), twin_(block, x, sequence) {}

  std::string fault;  // the first
  Index rows_seen = 0;

  void look(const Site& where, const Matrix<double>& strip) {
    if (const auto* l = std::get_if<site::logits>(&where)) compare(strip, *l, kNone);
    if (const auto* w = std::get_if<site::weights>(&where)) {
      compare(strip, *w, 0);
      rows_seen += strip.rows();
    }
  }

 private:
  template <class Where>
  void compare(const Matrix<double>& strip, Where where, double unseen) {
    Matrix<double> want = Matrix<double>::Constant(strip.rows(), strip.cols(), unseen);
    Matrix<double> errors = Matrix<double>::Zero(strip.rows(), strip.cols());
    const Exact& weights = twin_.weights[static_cast<std::size_t>(where.head)];
    Index keys = 0;
    for (Index i = 0; i < strip.rows(); ++i) {
      const Index t = where.first_query + i;
      const auto [first, last] = sequence_.keys(t);
      keys = std::max(keys, last);
      for (Index s = first; s < std::min(last, strip.cols()); ++s) {
        if (unseen == 0) {
          want(i, s) = static_cast<double>(weights.value(t, s));
          errors(i, s) = weights.error(t, s);
        } else {
          std::tie(want(i, s), errors(i, s)) = logit(where.head, t, s);
        }
      }
      if (unseen == 0) note(mismatch(strip.row(i).sum(), 1, gamma<double>(double(keys))));
    }
    if (strip.cols() != keys) note("a strip of another width");
    note(mismatch(strip, want, errors));
  }

  /// scale q.k of what the twin holds, and its error.
  std::pair<double, double> logit(Index head, Index t, Index s) const {
    const Index d = block_.head_dim, kv = head / (block_.heads / block_.kv_heads);
    Long dot = 0;
    double error = 0;
    for (Index c = 0; c < d; ++c) {
      const Index a = head * d + c, b = kv * d + c;
      dot += twin_.q.value(t, a) * twin_.k.value(s, b);
      error += twin_.q.error(t, a) * twin_.k.size(s, b) + twin_.q.size(t, a) * twin_.k.error(s, b) +
               gamma<double>(roundings(d)) * twin_.q.size(t, a) * twin_.k.size(s, b);
    }
    return {static_cast<double>(dot * block_.scale), error * block_.scale};
  }

  void note(const std::string& wrong) {
    if (fault.empty()) fault = wrong;
  }

  const Attention<double>& block_;
  const Sequence& sequence_;
  Twin<double> twin_;
};

}  // namespace

TEST_CASE("strips of logits and weights are those of the naive loop") {
  Engine engine(10);
  const auto block = draw_attention<double>(engine, {.heads = 4});
  for (const auto kind : {SequenceKind::causal, SequenceKind::ranges}) {
    const Index tokens = 150;
    const auto sequence = draw_sequence(engine, kind, tokens);
    const auto x = draw_gaussian<double>(engine, tokens, 6);
    Strips strips(block, sequence, x);
    tapped(block, x, sequence,
           Tap{[&](const Site& where, Matrix<double>& strip) { strips.look(where, strip); }});
    CHECK(strips.fault == "");
    CHECK(strips.rows_seen == 4 * tokens);
  }
}

TEST_CASE("queries and keys are offered as projected, normalised and rotated") {
  Engine engine(11);
  const auto block = draw_attention<double>(
      engine, {.heads = 4, .qk_norm = QkNorm::per_head, .pairing = RotaryPairing::interleaved});
  const auto x = draw_gaussian<double>(engine, 5, 6);
  const auto sequence = draw_sequence(engine, SequenceKind::ranges, 5);
  const auto check = [&](const std::string& which, const Matrix<double>& weight,
                         const HeadNorm<double>& norm) {
    const auto projected = seen_at(which + "_projected", block, x, sequence);
    const auto want = project(exactly(x), weight);
    CHECK(mismatch(projected, want.value, want.error) == "");
    const auto normalised = seen_at(which + "_normalised", block, x, sequence);
    CHECK(difference(normalised, norm.value(projected)) == "");
    auto rotated = normalised;
    block.rotary.apply(rotated, sequence.positions);
    CHECK(difference(seen_at(which + "_rotated", block, x, sequence), rotated) == "");
  };
  check("q", block.query, block.query_norm);
  check("k", block.key, block.key_norm);
}

TEST_CASE("what a tap makes of queries and keys is what the next stage starts from") {
  Engine engine(12);
  const auto block = draw_attention<double>(engine, {.qk_norm = QkNorm::all_heads});
  const auto x = draw_gaussian<double>(engine, 5, 6);
  const auto sequence = Sequence::causal(5);
  const auto other = draw_gaussian<double>(engine, 5, 8);
  auto rotated = other;
  block.rotary.apply(rotated, sequence.positions);
  for (const std::string which : {"q", "k"}) {
    const auto& norm = which == "q" ? block.query_norm : block.key_norm;
    const auto put_at = [&](const std::string& stage) {
      return at(which + stage, [&](Matrix<double>& m) { m = other; });
    };
    Matrix<double> seen;
    tapped(block, x, sequence, both(put_at("_projected"), keep(which + "_normalised", seen)));
    CHECK(difference(seen, norm.value(other)) == "");
    tapped(block, x, sequence, both(put_at("_normalised"), keep(which + "_rotated", seen)));
    CHECK(difference(seen, rotated) == "");

    // Queries or keys of 0, at whichever stage, make all visible keys weigh the same.
    for (const std::string stage : {"_projected", "_normalised", "_rotated"}) {
      INFO(which << stage);
      const auto zero = at(which + stage, [](Matrix<double>& m) { m.setZero(); });
      for (const std::string head : {"0", "1"}) {
        tapped(block, x, sequence, both(zero, keep("weights_" + head + "_0", seen)));
        for (Index t = 0; t < 5; ++t) {
          const RowVector<double> uniform = RowVector<double>::Constant(t + 1, 1 / double(t + 1));
          CHECK(mismatch(seen.row(t).head(t + 1), uniform, unit<double>) == "");
        }
      }
    }
  }
}

TEST_CASE("edited values, logits and weights are what is mixed") {
  Engine engine(13);
  const auto block = draw_attention<double>(engine, {.heads = 4});
  const auto x = draw_gaussian<double>(engine, 6, 6);
  const auto sequence = Sequence::causal(6);
  const auto value = block.value(x, sequence);
  const auto values = seen_at("v", block, x, sequence);
  const auto outputs = seen_at("outputs", block, x, sequence);
  const auto outputs_with = [&](const Tap& tap) {
    Matrix<double> changed;
    tapped(block, x, sequence, both(tap, keep("outputs", changed)));
    return changed;
  };

  const auto doubled = at("v", [](Matrix<double>& m) { m *= 2; });
  CHECK(difference(tapped(block, x, sequence, doubled), 2 * value) == "");

  // All weight of head 1 on key 2: it outputs value 2, and the others what they did.
  const auto picked = outputs_with(at("weights_1_0", [](Matrix<double>& a) {
    a.setZero();
    a.col(2).setOnes();
  }));
  for (Index t = 0; t < 6; ++t) {
    CHECK(difference(picked.row(t).segment(4, 4), values.row(2).segment(0, 4)) == "");
  }
  CHECK(difference(picked.leftCols(4), outputs.leftCols(4)) == "");
  CHECK(difference(picked.rightCols(8), outputs.rightCols(8)) == "");

  // Without key 0, the others' weights grow by 1 / (1 - A_0): o' = (o - A_0 v_0) / (1 - A_0).
  for (Index head = 0; head < 4; ++head) {
    const auto evicted =
        outputs_with(at("logits_" + std::to_string(head) + "_0",
                        [](Matrix<double>& a) { a.col(0).tail(a.rows() - 1).setConstant(kNone); }));
    const auto weights = seen_at("weights_" + std::to_string(head) + "_0", block, x, sequence);
    const RowVector<double> first = values.row(0).segment(4 * (head / 2), 4);
    CHECK(difference(evicted.row(0), outputs.row(0)) == "");
    for (Index t = 1; t < 6; ++t) {
      const double rest = 1 - weights(t, 0);
      const RowVector<double> o = outputs.row(t).segment(4 * head, 4);
      const RowVector<double> want = (o - weights(t, 0) * first) / rest;
      // Sums of six weights times values, twice; the difference is divided by what rest there is.
      const double allowance = gamma<double>(60) * values.cwiseAbs().maxCoeff() / rest;
      CHECK(mismatch(evicted.row(t).segment(4 * head, 4), want, allowance) == "");
    }
  }

  // Logits of keys that a query does not see stay without effect.
  const Tap future{[](const Site& where, Matrix<double>& a) {
    if (!std::holds_alternative<site::logits>(where)) return;
    for (Index t = 0; t < a.rows(); ++t) a.row(t).tail(a.cols() - t - 1).setConstant(100);
  }};
  CHECK(difference(tapped(block, x, sequence, future), value) == "");
}

TEST_CASE("edited gates and head outputs are what is written") {
  Engine engine(14);
  for (const auto kind : {GateKind::channel, GateKind::head, GateKind::token}) {
    const Options options{.heads = 4, .gate = kind};
    const auto block = draw_attention<double>(engine, options);
    auto ungated = block;
    ungated.gate = {};
    const auto x = draw_gaussian<double>(engine, 5, 6);
    const auto sequence = Sequence::causal(5);
    INFO("gate " << int(kind));

    const auto openings = seen_at("gate", block, x, sequence);
    CHECK(openings.cols() == options.openings());
    CHECK(difference(openings, block.gate.value(x)) == "");
    const auto open = at("gate", [](Matrix<double>& g) { g.setOnes(); });
    CHECK(difference(tapped(block, x, sequence, open), ungated.value(x, sequence)) == "");
    const auto shut = at("gate", [](Matrix<double>& g) { g.setZero(); });
    CHECK(difference(tapped(block, x, sequence, shut), Matrix<double>::Zero(5, 6)) == "");

    const auto other = draw_gaussian<double>(engine, 5, 16);
    const auto swapped = at("outputs", [&](Matrix<double>& m) { m = other; });
    CHECK(difference(tapped(block, x, sequence, swapped),
                     product(block.gate.apply(openings, other), block.output)) == "");
    CHECK(difference(tapped(ungated, x, sequence, swapped), product(other, block.output)) == "");
  }
}

// ---- Soft cap and window ------------------------------------------------------------------------

TEST_CASE("no logit exceeds the soft cap, and small ones hardly feel it") {
  Engine engine(17);
  auto block = draw_attention<double>(engine, {.hidden = 6});
  const auto x = draw_gaussian<double>(engine, 5, 6);
  const auto sequence = Sequence::causal(5);
  const auto logits = seen_at("logits_0_0", block, x, sequence);
  block.soft_cap = 0.25;
  const auto capped = seen_at("logits_0_0", block, x, sequence);
  for (Index t = 0; t < 5; ++t) {
    for (Index s = 0; s <= t; ++s) {
      CHECK(std::abs(capped(t, s)) <= 0.25);
      CHECK(mismatch(capped(t, s), 0.25 * std::tanh(logits(t, s) / 0.25), 1e-15) == "");
    }
    CHECK(capped.row(t).tail(4 - t) == logits.row(t).tail(4 - t));  // -infinity
  }
  // tanh(l / c) c is off by l^3 / 3 c^2 at most.
  block.soft_cap = 0x1p20;
  CHECK(mismatch(seen_at("logits_0_0", block, x, sequence).row(4), logits.row(4),
                 std::pow(logits.row(4).cwiseAbs().maxCoeff(), 3) * 0x1p-41 + 1e-14) == "");
}

TEST_CASE("a window is what the sequence would be if it were narrower") {
  Engine engine(18);
  for (const Index window : {1, 2, 5, 130, 1000}) {
    INFO("window " << window);
    const auto open = draw_attention<double>(engine, {.heads = 2, .kv_heads = 1, .biases = true});
    auto windowed = open;
    windowed.window = window;
    const auto x = draw_gaussian<double>(engine, 140, 6);
    const auto d = draw_gaussian<double>(engine, 140, 6);
    const auto sequence = draw_sequence(engine, SequenceKind::isolated, 140);
    const auto narrow = through_window(sequence, window);
    CHECK(difference(windowed.value(x, sequence), open.value(x, narrow)) == "");
    CHECK(difference(windowed.jvp(x, d, sequence), open.jvp(x, d, narrow)) == "");
    CHECK(difference(windowed.vjp(x, d, sequence), open.vjp(x, d, narrow)) == "");
    CHECK((difference(windowed.value(x, sequence), open.value(x, sequence)) == "") ==
          (window > 140));
  }
  auto blind = draw_attention<double>(engine, {.window = 1});
  auto sequence = Sequence::causal(3);
  sequence.visible[2] = {0, 1};
  CHECK_THROWS_AS(blind.value(Matrix<double>::Ones(3, 6), sequence), shape_error);
}

// ---- Contracts ------------------------------------------------------------------------------

TEST_CASE("attention throws when shapes do not fit and only then") {
  Engine engine(15);
  const auto block = draw_attention<double>(engine, {.hidden = 5, .gate = GateKind::head});
  const Matrix<double> x = Matrix<double>::Ones(3, 5);
  const auto sequence = Sequence::causal(3);
  CHECK_NOTHROW(block.value(x, sequence));
  CHECK_NOTHROW(block.jvp(x, x, sequence));
  CHECK_NOTHROW(block.vjp(x, x, sequence));
  CHECK(block.value(Matrix<double>(0, 5), Sequence::causal(0)).rows() == 0);

  for (const auto& wrong : {Sequence::causal(2), Sequence::causal(4), Sequence{}}) {
    CHECK_THROWS_AS(block.value(x, wrong), shape_error);
    CHECK_THROWS_AS(block.jvp(x, x, wrong), shape_error);
    CHECK_THROWS_AS(block.vjp(x, x, wrong), shape_error);
  }
  auto blind = sequence;
  blind.visible[1] = {1, 1};
  CHECK_THROWS_AS(block.value(x, blind), shape_error);
  CHECK_THROWS_AS(block.jvp(x, x, blind), shape_error);
  CHECK_THROWS_AS(block.vjp(x, x, blind), shape_error);

  for (const auto& wrong : {Matrix<double>(3, 4), Matrix<double>(3, 6)}) {
    CHECK_THROWS_AS(block.value(wrong, sequence), shape_error);
    CHECK_THROWS_AS(block.jvp(wrong, wrong, sequence), shape_error);
    CHECK_THROWS_AS(block.vjp(wrong, x, sequence), shape_error);
  }
  for (const auto& wrong : {Matrix<double>(3, 4), Matrix<double>(3, 6), Matrix<double>(2, 5)}) {
    CHECK_THROWS_AS(block.jvp(x, wrong, sequence), shape_error);
    CHECK_THROWS_AS(block.vjp(x, wrong, sequence), shape_error);
  }
  const auto biased = draw_attention<double>(engine, {.hidden = 5, .biases = true});
  for (auto bias : {&Attention<double>::query_bias, &Attention<double>::key_bias,
                    &Attention<double>::value_bias, &Attention<double>::output_bias}) {
    auto misfit = biased;
    misfit.*bias = Vector<double>::Ones(3);
    CHECK_NOTHROW(biased.value(x, sequence));
    CHECK_THROWS_AS(misfit.value(x, sequence), shape_error);
  }
  auto uneven = block;
  uneven.gate = {Matrix<double>::Ones(3, 5)};  // 8 columns for 3 openings
  CHECK_THROWS_AS(uneven.value(x, sequence), shape_error);
}

TEST_CASE("attention does not depend on the number of threads") {
  Engine engine(16);
  const auto block = draw_attention<float>(engine, {.heads = 6, .kv_heads = 3, .head_dim = 8});
  const auto x = draw_gaussian<float>(engine, 200, 6);
  set_threads(1);
  const auto alone = block.value(x, Sequence::causal(200));
  set_threads(3);
  CHECK(difference(block.value(x, Sequence::causal(200)), alone) == "");
}
