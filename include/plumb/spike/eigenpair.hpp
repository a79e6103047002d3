#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "plumb/core/linalg.hpp"
#include "plumb/spike/lanczos.hpp"
#include "plumb/spike/quadratic_form.hpp"

namespace plumb::spike {

/// What became of the search for a leading eigenpair.
enum class PairStatus {
  converged,
  tied,           ///< converged, but the two ends of the spectrum are equal in size: which end
                  ///< leads is not decided, so the channel has no one direction
  not_converged,  ///< the steps were used up; lambda is the best that was found
  zero,           ///< S_k is 0: no direction
  not_finite,     ///< overflow on the way; lambda and direction are 0
};

constexpr const char* to_string(PairStatus status) {
  switch (status) {
    case PairStatus::converged: return "converged";
    case PairStatus::tied: return "tied";
    case PairStatus::not_converged: return "not converged";
    case PairStatus::zero: return "zero";
    case PairStatus::not_finite: return "not finite";
  }
  return "?";
}

/// Ends that differ by less than this, relative to the larger, are a tie.
inline constexpr double kTie = 1e-6;

/// A second eigenvalue is known when its residual is at most this times |lambda|.
inline constexpr double kSecond = 1e-3;

struct EigenpairOptions {
  /// |S s - lambda s| at most this times |lambda|. Default: 1e-7, and 1e-4 for float weights, where
  /// the search runs in float and its result is checked in double. Below 1e-5 all is in double.
  std::optional<double> tolerance = {};
  Index steps = 192;       ///< applications at most
  bool second = true;      ///< go on until |lambda|_2 is known, too; scans of many channels do not
  bool norms = true;       ///< compute ||S_k||_F too; for one channel it costs more than the search
  std::uint64_t seed = 1;  ///< of the start vector
};

/// The eigenvalue of S_k of largest magnitude, with its unit eigenvector.
struct Eigenpair {
  Index channel = 0;
  PairStatus status = PairStatus::not_converged;
  double lambda = 0;         ///< s' S_k s, in double
  Vector<double> direction;  ///< s; s.g_i > 0 for the neuron i below, which opens its gate
  double residual = 0;       ///< |S_k s - lambda s|, in double: an eigenvalue is that near
  double opposite = 0;       ///< the eigenvalue at the other end, as Lanczos sees it
  double next = 0;           ///< the second at the same end, as Lanczos sees it
  Index neuron = 0;          ///< the one that adds most to lambda in the direction s
  Index applications = 0;    ///< of S_k
  std::optional<FormNorms> norms;

  /// Size of the other end relative to lambda, in 0 .. 1; 1 is a tie. 0 for a semidefinite form.
  double tie() const {
    return lambda * opposite < 0 ? std::min(1.0, std::abs(opposite / lambda)) : 0;
  }

  /// |lambda|_2 as Lanczos sees it, from below: an eigenvalue that is exactly multiple looks
  /// simple.
  double second_estimate() const { return std::max(std::abs(opposite), std::abs(next)); }

  /// |lambda|_2 is at most sqrt(||S||_F^2 - lambda^2 - 2 |S s - lambda s|^2), rounding included.
  std::optional<double> second_bound() const {
    if (!norms) return std::nullopt;
    return norms->remainder(lambda, residual);
  }

  /// lambda^2 / ||S||_F^2, in 0 .. 1; absent without norms and for S = 0.
  std::optional<double> energy_share() const {
    if (!norms || norms->form == 0) return std::nullopt;
    return std::min(1.0, lambda * lambda / (norms->form * norms->form));
  }

  /// Provably the eigenvalue of largest magnitude, and simple.
  bool certified() const { return norms && *second_bound() < std::abs(lambda) - residual; }
};

namespace detail {

template <class T>
double tolerance(const EigenpairOptions& options) {
  return options.tolerance.value_or(std::is_same_v<T, float> ? 1e-4 : 1e-7);
}

/// The leading end of a spectrum, the one next to it, and the other end.
struct Leading {
  const RitzPair& lead;
  const RitzPair& next;
  const RitzPair& other;

  explicit Leading(const SpectrumEnds& ends)
      : Leading(ends, std::abs(ends.high.value) >= std::abs(ends.low.value)) {}

  /// Both ends are known well enough: the leading one to the tolerance, with a margin for rounding;
  /// the other as well, or it is the smaller one even if it is off by its bound.
  bool decided(double tolerance) const {
    const double size = std::abs(lead.value), enough = 0.8 * tolerance * size;
    if (!(lead.bound <= enough)) return false;
    return other.bound <= enough || std::abs(other.value) + other.bound <= size;
  }

  /// The second in size, whichever of the two it is, is known.
  bool second_known() const {
    return std::max(next.bound, other.bound) <= kSecond * std::abs(lead.value);
  }

 private:
  Leading(const SpectrumEnds& ends, bool high)
      : lead(high ? ends.high : ends.low),
        next(high ? ends.second_high : ends.second_low),
        other(high ? ends.low : ends.high) {}
};

/// One search: a Lanczos run, and when to look at it next. Looking costs steps^2, so it is done
/// after every twelfth of the steps taken.
template <class S>
class Search {
 public:
  Search(Vector<S> start, const EigenpairOptions& options, double tolerance)
      : lanczos_(start, options.steps), tolerance_(tolerance), second_(options.second) {}

  bool done() const { return done_; }
  Vector<S> next() const { return lanczos_.next(); }

  void advance(Vector<S> product) {
    lanczos_.advance(std::move(product));
    if (!lanczos_.finite()) {
      done_ = true;
      return;
    }
    if (!lanczos_.exhausted() && lanczos_.steps() < look_at_) return;
    look_at_ = lanczos_.steps() + 1 + lanczos_.steps() / 12;
    ends_ = lanczos_.ends();
    const Leading leading(ends_);
    done_ = lanczos_.exhausted() ||
            (leading.decided(tolerance_) && (!second_ || leading.second_known()));
  }

  /// What was found, but for what is then measured: lambda, residual, neuron. `direction` is unit.
  Eigenpair result(Index channel) const {
    Eigenpair pair;
    pair.channel = channel;
    pair.applications = lanczos_.steps();
    pair.direction = Vector<double>::Zero(lanczos_.size());
    if (!lanczos_.finite()) {
      pair.status = PairStatus::not_finite;
      return pair;
    }
    const Leading leading(ends_);
    pair.direction = lanczos_.vector(leading.lead);
    pair.lambda = leading.lead.value;
    if (lanczos_.steps() > 1) {  // otherwise there is no other
      pair.opposite = leading.other.value;
      pair.next = leading.next.value;
    }
    const bool decided =
        lanczos_.invariant() || leading.decided(tolerance_) || lanczos_.steps() == lanczos_.size();
    pair.status = decided ? PairStatus::converged : PairStatus::not_converged;
    return pair;
  }

 private:
  Lanczos<S> lanczos_;
  double tolerance_;
  bool second_;
  Index look_at_ = 2;
  bool done_ = false;
  SpectrumEnds ends_;
};

/// The neuron that adds most to lambda = sum_j w_kj (g_j.s) (u_j.s), along the sign of lambda.
struct Strongest {
  Index neuron = 0;
  double gate = 0;  ///< g_j.s
  double share = -std::numeric_limits<double>::infinity();

  void offer(Index j, double z, double signed_write) {
    if (signed_write > share) *this = {j, z, signed_write};
  }
};

/// Takes S s, computed in double, and completes the pair: Rayleigh quotient, residual, sign of s,
/// status.
inline void complete(Eigenpair& pair, const Vector<double>& product, const Strongest& strongest,
                     double tolerance) {
  if (pair.status == PairStatus::not_finite) return;
  pair.lambda = pair.direction.dot(product);
  pair.residual = (product - pair.lambda * pair.direction).norm();
  pair.neuron = strongest.neuron;
  ++pair.applications;
  if (strongest.gate < 0) pair.direction = -pair.direction;
  if (!std::isfinite(pair.lambda) || !std::isfinite(pair.residual)) {
    const Index size = pair.direction.size();
    pair = {};
    pair.status = PairStatus::not_finite;
    pair.direction = Vector<double>::Zero(size);
  } else if (pair.lambda == 0 && pair.residual == 0) {
    pair.status = PairStatus::zero;
    pair.direction.setZero();
  } else if (pair.residual > tolerance * std::abs(pair.lambda)) {
    pair.status = PairStatus::not_converged;
  } else if (pair.status == PairStatus::converged && pair.tie() >= 1 - kTie) {
    pair.status = PairStatus::tied;
  }
}

/// A start that is random, so that no eigenvector is missed, and leans towards the plane in which
/// the heaviest neuron reads.
template <class T>
Vector<double> start_vector(const QuadraticForm<T>& form, const NeuronRows& rows,
                            std::uint64_t seed) {
  const auto& view = form.view;
  Vector<double> start =
      random_vector(form.size(), seed + static_cast<std::uint64_t>(form.channel));
  start.normalize();
  Index j = 0;
  const Vector<double> lengths = rows.gate.cwiseProduct(rows.up);
  form.weights().transpose().cwiseAbs().cwiseProduct(lengths).maxCoeff(&j);
  if (!(lengths[j] > 0)) return start;
  const Vector<double> gain = view.gain.template cast<double>();
  const Vector<double> g = view.gate.row(j).transpose().template cast<double>();
  const Vector<double> u = view.up.row(j).transpose().template cast<double>();
  const double sign = rows.product[j] < 0 ? -1 : 1;
  return start + gain.cwiseProduct(g / rows.gate[j] + sign * u / rows.up[j]).stableNormalized();
}

/// Searches in S, and measures what was found in double.
template <class S, class T>
Eigenpair search_in(const QuadraticForm<T>& form, const NeuronRows& rows,
                    const EigenpairOptions& options) {
  const double accuracy = tolerance<T>(options);
  Search<S> search(start_vector(form, rows, options.seed).template cast<S>(), options, accuracy);
  while (!search.done()) search.advance(form.apply(search.next()));
  Eigenpair pair = search.result(form.channel);
  Strongest strongest;
  const double sign = pair.lambda < 0 ? -1 : 1;
  const Vector<double> w = form.weights().transpose();
  const Vector<double> product =
      through_neurons(form.view, pair.direction, [&](Index first, auto& z, auto& y) {
        for (Index j = 0; j < z.size(); ++j) {
          const double weight = w[first + j];
          strongest.offer(first + j, z[j], sign * weight * z[j] * y[j]);
          std::swap(z[j], y[j]);
          z[j] *= weight / 2;
          y[j] *= weight / 2;
        }
      });
  complete(pair, product, strongest, accuracy);
  return pair;
}

/// In T if that reaches the tolerance, otherwise in double.
template <class T>
Eigenpair search(const QuadraticForm<T>& form, const NeuronRows& rows,
                 const EigenpairOptions& options) {
  if (tolerance<T>(options) < 1e-5) return search_in<double>(form, rows, options);
  Eigenpair pair = search_in<T>(form, rows, options);
  const bool failed =
      pair.status == PairStatus::not_converged || pair.status == PairStatus::not_finite;
  if (std::is_same_v<T, double> || !failed) return pair;
  const Index spent = pair.applications;
  pair = search_in<double>(form, rows, options);
  pair.applications += spent;
  return pair;
}

}  // namespace detail

/// The leading eigenpair of S_k by Lanczos with full reorthogonalisation. It stops on residual
/// bounds at both ends of the spectrum, never on the value alone: the two ends are often close in
/// size. Lambda and residual are measured afterwards with one application in double.
/// The value is within residual^2 / gap of an eigenvalue, the direction within residual / gap.
/// That the end is the leading one is proven only when certified().
/// Cost: 4 * hidden * f multiplications an application, each weight read once.
template <class T>
Eigenpair leading_eigenpair(const QuadraticForm<T>& form, const EigenpairOptions& options = {}) {
  Eigenpair pair = detail::search(form, neuron_rows(form.view), options);
  if (options.norms) pair.norms = form_norms(form);
  return pair;
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template Eigenpair leading_eigenpair(const QuadraticForm<float>&, const EigenpairOptions&);
extern template Eigenpair leading_eigenpair(const QuadraticForm<double>&, const EigenpairOptions&);
#endif

}  // namespace plumb::spike
