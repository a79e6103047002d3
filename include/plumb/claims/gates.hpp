#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/kernels/reference.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/gate.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/weights/architecture.hpp"

/// What gates on the outputs of heads can do, and what mixtures of values can do without them:
/// gates silence a head, a softmax hardly; and gates that do not look at the input do nothing new.
namespace plumb::claims {

/// ||eta .* o|| <= max eta ||o||   (claim 24a; ours). Equal for one gate a head.
struct GatedNorm {
  static constexpr std::string_view id = "gate-silence", part = "a";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    Vector<S> output;    ///< o
    Vector<S> openings;  ///< eta of each channel, in (0, 1)
    Vector<S> gated;     ///< observed
    double unit = kUnit;
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.gated);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return max_abs<S>(in.openings) * norm<S>(in.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.openings.size() != in.output.size() || in.gated.size() != in.output.size()) {
      return "output and gates differ in size";
    }
    if (in.output.isZero(0)) return "the output is zero";
    return {};
  }
  static double allowance(const Input<double>& in) {
    return (gamma(Index{2}, in.unit) + gamma(2 * in.output.size() + 8)) * rhs<double>(in);
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate == AttentionGate::none) return "attention has no gate";
    return {};
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& gate = run.weights.attention.gate;
    if (!gate.present()) return;
    const Matrix<T> gated = gate.apply(run.gate, run.head_outputs);
    const Matrix<T> ones = Matrix<T>::Ones(run.tokens(), run.head_outputs.cols());
    const Matrix<T> openings = gate.apply(run.gate, ones);
    detail::for_each_query(run, detail::kQueriesPerHead, [&](Index head, Index t) {
      const auto part = [&](const Matrix<T>& rows) {
        return detail::head_part(rows, t, head, run.weights.attention.head_dim);
      };
      visit(Input<double>{part(run.head_outputs), part(openings), part(gated), unit_of<T>},
            detail::at_query(run, head, t));
    });
  }
};

/// eta = 1 / (1 + e^-(w.x)); so eta <= e if and only if w.x <= -ln(1/e - 1)
/// (claim 24b; ours). An equality.
struct GateThreshold {
  static constexpr std::string_view id = "gate-silence", part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Vector<S> x;  ///< what the block reads
    Vector<S> w;  ///< row of W_g
    S opening{};  ///< observed
    double unit = kUnit;
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.opening;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::exp;
    return S(1) / (S(1) + exp(-dot<S>(in.w, in.x)));
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.w.size() != in.x.size()) return "x and the gate differ in size";
    const double most = in.unit > kUnit ? 80 : 700;
    if (!(std::abs(dot<double>(in.w, in.x)) < most)) return "e^-(w.x) overflows";
    return {};
  }
  /// sigma: relative (1.5 E + 4) u, on both sides; the logit gamma_d |w|.|x|, times the slope
  /// eta (1 - eta) <= eta.
  static double allowance(const Input<double>& in) {
    const double logit = in.w.cwiseAbs().dot(in.x.cwiseAbs());
    return rhs<double>(in) * 1.01 *
           ((1.5 * kExpError + 4) * (in.unit + kUnit) +
            2 * gamma(in.x.size() + 1, in.unit) * logit);
  }
  static Objection objection(const Architecture& a) { return GatedNorm::objection(a); }
  /// The least open gate of a token.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& gate = run.weights.attention.gate;
    if (!gate.present()) return;
    for (Index t = 0; t < run.tokens(); t += 8) {
      Index least = 0;
      run.gate.row(t).minCoeff(&least);
      visit(Input<double>{run.attention_input.row(t).transpose().template cast<double>(),
                          gate.weight.row(least).transpose().template cast<double>(),
                          static_cast<double>(run.gate(t, least)), unit_of<T>},
            {.layer = run.layer, .block = Block::attention, .channel = least, .position = t});
    }
  }
};

namespace detail {

/// What the parts about mixtures share.
struct SilentMixtureClaim : HeadRowClaim {
  static constexpr std::string_view id = "gate-silence";

  /// A_s ||v_s||
  template <class S>
  static S sink_length(const Input<S>& in) {
    return in.weights[in.sink] * norm<S>(row<S>(in.values, in.sink));
  }
  /// (1 - A_s) max_{j != s} ||v_j||
  template <class S>
  static S other_lengths(const Input<S>& in) {
    return weight_beside<S>(in.weights, in.sink) * longest<S>(without_row<S>(in.values, in.sink));
  }
};

}  // namespace detail

/// A_s ||v_s|| - (1 - A_s) max_{j != s} ||v_j|| <= ||o||   (claim 24c; ours). So silence with
/// A_s -> 1 forces ||v_s|| <= (||o|| + (1 - A_s) max ||v_j||) / A_s. Equal for one rival whose
/// value points the other way.
struct SinkOutputLeast : detail::SilentMixtureClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S lhs(const Input<S>& in) {
    return sink_length<S>(in) - other_lengths<S>(in);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(in.output);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = HeadRowClaim::assumptions(in)) return objection;
    if (lhs<double>(in) <= 0) return "the other values can cancel the sink's";
    return {};
  }
};

/// ||o|| <= A_s ||v_s|| + (1 - A_s) max_{j != s} ||v_j||   (claim 24d; ours). Equal for one rival
/// whose value is parallel.
struct SinkOutputMost : detail::SilentMixtureClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  static S lhs(const Input<S>& in) {
    return norm<S>(in.output);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sink_length<S>(in) + other_lengths<S>(in);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = HeadRowClaim::assumptions(in)) return objection;
    if (in.values.isZero(0)) return "all values are zero";
    return {};
  }
};

/// W_O (eta .* o) = (W_O diag(eta)) o for every token, eta the same for all (claim 26, and its
/// inverse by diag(1/eta); ours). So unconditional gates of a channel, a head or a
/// scalar express nothing new; training them may still differ. An equality.
struct UnconditionalGate {
  static constexpr std::string_view id = "unconditional-gate-is-reparametrisation";
  static constexpr auto relation = Relation::equal;

  template <class S>
  struct Input {
    Matrix<S> weight;    ///< W_O (d, channels)
    Matrix<S> openings;  ///< eta of each token (tokens, channels)
    Matrix<S> outputs;   ///< o (tokens, channels)
    Matrix<S> writes;    ///< of the gated model, observed (tokens, d)
    double unit = kUnit;
  };

  /// o (W_O diag(eta))', without any gate.
  template <class S>
  static Matrix<S> folded(const Input<S>& in) {
    const Matrix<S> weight = in.weight * row<S>(in.openings, 0).asDiagonal();
    return in.outputs * weight.transpose();
  }

  template <class S>
  static S lhs(const Input<S>& in) {
    const Vector<S> got = in.writes.reshaped(), want = folded<S>(in).reshaped();
    return norm_with_error<S>(got, want);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return norm<S>(folded<S>(in).reshaped());
  }
  static Objection assumptions(const Input<double>& in) {
    const Index tokens = in.outputs.rows(), channels = in.outputs.cols();
    if (tokens < 1 || in.openings.rows() != tokens || in.openings.cols() != channels ||
        in.weight.cols() != channels || in.writes.rows() != tokens ||
        in.writes.cols() != in.weight.rows()) {
      return "weight, gates, outputs and writes differ in size";
    }
    for (Index t = 1; t < tokens; ++t) {
      if (in.openings.row(t) != in.openings.row(0)) return "the gates depend on the token";
    }
    if (!in.openings.allFinite() || in.openings.minCoeff() <= 0) return "a gate is shut for good";
    return {};
  }
  /// Two products of `channels` terms with a gate each.
  static double allowance(const Input<double>& in) {
    auto sizes = in;
    for (auto* part : {&sizes.weight, &sizes.openings, &sizes.outputs}) {
      *part = part->cwiseAbs().eval();
    }
    return 2 * gamma(in.outputs.cols() + 6, in.unit) * folded<double>(sizes).norm();
  }
  static Objection objection(const Architecture& a) {
    if (a.attention_gate != AttentionGate::none) return "the gates depend on the token";
    return {};
  }
  /// Gates sigma(sin c), made up for channel c: the model has none, and any would do.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    const auto& attention = run.weights.attention;
    const Index tokens = std::min<Index>(run.tokens(), 4), channels = run.head_outputs.cols();
    Matrix<T> openings(tokens, channels);
    for (Index c = 0; c < channels; ++c) {
      openings.col(c).setConstant(sigmoid(static_cast<T>(std::sin(static_cast<double>(c)))));
    }
    const Matrix<T> outputs = run.head_outputs.topRows(tokens);
    const Gate<T> gate{Matrix<T>::Zero(channels, attention.query.cols())};
    const Matrix<T> writes =
        kernels::backend_t<T>::template product<T>(gate.apply(openings, outputs), attention.output);
    visit(
        Input<double>{attention.output.template cast<double>(), openings.template cast<double>(),
                      outputs.template cast<double>(), writes.template cast<double>(), unit_of<T>},
        {.layer = run.layer, .block = Block::attention});
  }
};

}  // namespace plumb::claims
