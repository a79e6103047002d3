#pragma once

#include <cmath>
#include <limits>
#include <string_view>
#include <variant>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/sites.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/trace/layer_run.hpp"
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/trace.hpp"

/// What a sum of writes can be: how long a level stays, and how high it can rise when a norm stands
/// behind each block.
namespace plumb::claims {

// ---- Plateau ----------------------------------------------------------------------------------

/// |h_i| - sum of max(0, -sign(h_i) w_b) <= sign(h_i) h_j, the w_b the writes from point i to point
/// j on one channel   (claim 12; ours, from paper eq. 14). Equal when all writes are opposite to
/// h_i.
struct PlateauPersistence {
  static constexpr std::string_view id = "plateau-persistence";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  struct Input {
    S opening{};          ///< h_i
    Vector<S> writes;     ///< w_b
    Vector<S> balances;   ///< observed: the residual after each of these writes, h_j at last
    double unit = kUnit;  ///< unit roundoff in which the model added
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    const S sign = in.opening / abs(in.opening);
    S level = abs(in.opening);
    for (Index b = 0; b < in.writes.size(); ++b) {
      const S along = sign * in.writes[b];
      level -= (abs(along) - along) / S(2);  // max(0, -along)
    }
    return level;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    return in.opening / abs(in.opening) * in.balances[in.balances.size() - 1];
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.opening == 0) return "there is no level";
    if (in.writes.size() == 0) return "there are no writes";
    if (in.balances.size() != in.writes.size()) return "writes and balances differ in size";
    if (lhs<double>(in) <= 0) return "opposite writes add up to the level";
    return {};
  }
  /// Each balance is rounded once in the model's numbers; the sum here, in double.
  static double allowance(const Input<double>& in) {
    return in.unit * in.balances.cwiseAbs().sum() +
           gamma(in.writes.size() + 2) * (std::abs(in.opening) + in.writes.cwiseAbs().sum());
  }
  /// From each point on, at the token and channel of the largest entry of the run, to each later
  /// point. `layer` is the one that follows point i, and `position` and `channel` say where.
  template <class T, class Visit>
  static void sites(const Decoder<T>&, const Trace<T>& trace, const Visit& visit) {
    constexpr double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    Index token = 0, channel = 0;
    T largest{};
    for (const auto& h : trace.residual) {
      Index t = 0, k = 0;
      const T size = h.cwiseAbs().maxCoeff(&t, &k);
      if (size > largest) largest = size, token = t, channel = k;
    }
    const auto account = ledger(trace, token, channel);
    const auto blocks = static_cast<Index>(account.entries.size());
    Vector<double> writes(blocks), balances(blocks);
    for (Index b = 0; b < blocks; ++b) {
      writes[b] = account.entries[static_cast<std::size_t>(b)].write;
      balances[b] = account.entries[static_cast<std::size_t>(b)].balance;
    }
    for (Index i = 0; i < blocks; i += 2) {
      const double opening = i == 0 ? account.opening : balances[i - 1];
      for (Index j = i + 2; j <= blocks; j += 2) {
        visit(Input<double>{opening, writes.segment(i, j - i), balances.segment(i, j - i), unit},
              Where{.layer = i / 2, .channel = channel, .position = token});
      }
    }
  }
};

// ---- A norm behind the blocks -----------------------------------------------------------------

/// What a block computed, and what an RMSNorm behind it made of that: the block's write.
template <class S>
struct NormedOutput {
  Vector<S> output;  ///< o
  S eps{};
  Vector<S> gain;   ///< g'
  Vector<S> write;  ///< observed
};

namespace detail {

/// What all parts share.
struct SandwichClaim {
  static constexpr std::string_view id = "sandwich-write-bound";
  static constexpr auto relation = Relation::at_most;

  static Objection objection(const Architecture& a) { return writes_without_rms_norm(a); }
};

inline Objection is_no_normed_output(const NormedOutput<double>& in) {
  if (in.output.size() == 0) return "there are no channels";
  if (in.gain.size() != in.output.size() || in.write.size() != in.output.size()) {
    return "the vectors differ in size";
  }
  if (in.output.isZero(0) && in.eps == 0) return "o and eps are zero";
  return {};
}

/// Visits each write of the layer that went through an RMSNorm. The blocks run once more, because
/// a run keeps what they wrote and not what they computed.
template <class T, class Visit>
void visit_normed_outputs(const LayerRun<T>& run, const Visit& visit) {
  const auto look = [&](const Norm<T>& behind, const auto& compute, Block block) {
    const auto* found = std::get_if<RmsNorm<T>>(&behind.kind);
    if (!found) return;
    const auto norm = found->template cast<double>();
    const Matrix<double> output = Matrix<T>(compute()).template cast<double>();
    const Matrix<double> write = norm.value(output);
    for (Index t = 0; t < output.rows(); ++t) {
      visit(NormedOutput<double>{output.row(t).transpose(), norm.eps, norm.gain,
                                 write.row(t).transpose()},
            Where{.layer = run.layer, .block = block, .position = t});
    }
  };
  const auto& w = run.weights;
  look(
      w.attention_post_norm, [&] { return w.attention.value(run.attention_input, run.sequence); },
      Block::attention);
  look(
      w.feed_forward_post_norm, [&] { return w.feed_forward.value(run.feed_forward_input); },
      Block::feed_forward);
}

}  // namespace detail

/// |write_k| <= sqrt(d) |g'_k|   (claim 22a; ours). Equal for a one-hot output and eps = 0.
struct SandwichWriteChannel : detail::SandwichClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  struct Input {
    Index size = 0;  ///< d
    S gain{};        ///< g'_k
    S write{};       ///< observed
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    return sqrt(count<S>(in.size)) * abs(in.gain);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.size < 1) return "there are no channels";
    return {};
  }
  static double allowance(const Input<double>& in) { return gamma(in.size + 10) * rhs<double>(in); }
  /// At each row, the channel that comes closest to its bound.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_outputs(run, [&](const NormedOutput<double>& in, Where where) {
      const double d = static_cast<double>(in.gain.size());
      Index k = 0;
      (in.write.cwiseAbs() - std::sqrt(d) * in.gain.cwiseAbs()).maxCoeff(&k);
      where.channel = k;
      visit(Input<double>{in.gain.size(), in.gain[k], in.write[k]}, where);
    });
  }
};

/// sum_k (write_k / g'_k)^2 = d ||o||^2 / (||o||^2 + d eps) <= d   (claim 22b; ours): the channels
/// share one budget.
struct SandwichWriteJoint : detail::SandwichClaim {
  static constexpr std::string_view part = "b";
  static constexpr auto relation = Relation::equal;

  template <class S>
  using Input = NormedOutput<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    S sum(0);
    for (Index k = 0; k < in.write.size(); ++k) sum += square<S>(in.write[k] / in.gain[k]);
    return sum;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S d = count<S>(in.output.size()), energy = sum_of_squares<S>(in.output);
    return d * energy / (energy + d * in.eps);
  }
  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = detail::is_no_normed_output(in)) return objection;
    if ((in.gain.array() == 0).any()) return "a gain is zero";
    return {};
  }
  /// Relative: an entry gamma_{d/2+7}, squared and summed; rhs 2 d + 6.
  static double allowance(const Input<double>& in) {
    return gamma(4 * in.output.size() + 30) * rhs<double>(in);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_outputs(run, visit);
  }
};

/// The number of channels with |write_k| >= m is at most d max g'^2 / m^2   (claim 22c; ours).
/// Equal for writes of one size in m^2/max g'^2 channels and eps = 0.
struct SandwichWriteCount : detail::SandwichClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  struct Input {
    NormedOutput<S> row;
    S least{};  ///< m
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    Index large = 0;
    for (Index k = 0; k < in.row.write.size(); ++k) {
      if (!(abs(in.row.write[k]) < in.least)) ++large;
    }
    return count<S>(large);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S d = count<S>(in.row.gain.size());
    return d * square<S>(max_abs<S>(in.row.gain) / in.least);
  }
  static Objection assumptions(const Input<double>& in) {
    if (!(in.least > 0)) return "the size that counts as large is zero";
    return detail::is_no_normed_output(in.row);
  }
  static double allowance(const Input<double>& in) {
    return gamma(2 * in.row.write.size() + 20) * rhs<double>(in);
  }
  /// What counts as large is half the largest write of the row.
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_normed_outputs(run, [&](const NormedOutput<double>& in, const Where& where) {
      visit(Input<double>{in, max_abs<double>(in.write) / 2}, where);
    });
  }
};

/// |h_k| <= |e_k| + sqrt(d) sum_b |g'_bk| after any number of blocks, e the embedding   (claim 22d;
/// ours). Equal when every block writes its channel k alone, with one sign, and eps = 0.
struct SandwichWriteSum : detail::SandwichClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  struct Input {
    Index size = 0;       ///< d
    S opening{};          ///< e_k
    Vector<S> gains;      ///< g'_bk, block by block
    S level{};            ///< h_k, observed
    double unit = kUnit;  ///< unit roundoff of the model's numbers
  };

  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.level);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    using std::sqrt;
    S sum(0);
    for (Index b = 0; b < in.gains.size(); ++b) sum += abs(in.gains[b]);
    return abs(in.opening) + sqrt(count<S>(in.size)) * sum;
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.size < 1) return "there are no channels";
    return {};
  }
  /// A write is off by gamma_{d/2+5} and each sum by one unit more, all of it within rhs.
  static double allowance(const Input<double>& in) {
    return (gamma(in.gains.size() + 2, in.unit) + gamma(in.size + 10, in.unit)) * rhs<double>(in);
  }
  /// At the largest entry after each layer. Widens each layer once.
  template <class T, class Visit>
  static void sites(const Decoder<T>& model, const Trace<T>& trace, const Visit& visit) {
    constexpr double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    const Index d = trace.architecture.hidden_size;
    Matrix<double> gains(0, d);  // a row a block
    const auto append = [&](const Norm<T>& norm) {
      const auto& behind = std::get<RmsNorm<T>>(norm.kind);
      gains.conservativeResize(gains.rows() + 1, Eigen::NoChange);
      gains.row(gains.rows() - 1) = behind.gain.transpose().template cast<double>();
    };
    for (Index layer = 0; layer < trace.layers(); ++layer) {
      const auto weights = model.layer(layer);
      append(weights.attention_post_norm);
      append(weights.feed_forward_post_norm);
      const auto& h = trace.residual[static_cast<std::size_t>(layer) + 1];
      Index t = 0, k = 0;
      h.cwiseAbs().maxCoeff(&t, &k);
      visit(Input<double>{d, static_cast<double>(trace.residual.front()(t, k)), gains.col(k),
                          static_cast<double>(h(t, k)), unit},
            Where{.layer = layer, .channel = k, .position = t});
    }
  }
};

}  // namespace plumb::claims
