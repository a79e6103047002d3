#pragma once

#include <cmath>
#include <string_view>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/claims/neurons.hpp"
#include "plumb/spike/trigger_cone.hpp"
#include "plumb/trace/layer_run.hpp"

/// What the weights of a gated feed-forward block allow it to write into a channel, for every act
/// with act(z)/z in [0, 1]: ceilings for all x, and the signed majorants P_k and N_k at one x. The
/// gain of the norm in front is folded into the rows g_j, u_j, so that ||x||^2 <= d.
namespace plumb::claims {

/// A write beside what the weights allow.
template <class S>
struct BoundedWrite {
  Neurons<S> neurons;
  Vector<S> x;
  S write{};                ///< F_k(x), without the bias of W_down
  S mirrored{};             ///< F_k(-x), likewise
  S rise{};                 ///< largest eigenvalue of P_k
  S fall{};                 ///< largest eigenvalue of N_k
  double error = 0;         ///< of the two eigenvalues, from above
  Objection obstacle = {};  ///< a bias in gate or up, or no gate
};

/// x' P_k x for sign = 1, x' N_k x for sign = -1, without either matrix:
///   1/4 sum_j [|w_j| (z_j^2 ||u_j|| / ||g_j|| + y_j^2 ||g_j|| / ||u_j||) + sign 2 w_j z_j y_j],
/// which is 1/4 sum_j |w_j| ||g_j|| ||u_j|| ((g^_j + sign s_j u^_j).x)^2, s_j the sign of w_j.
template <class S>
S majorant_value(const Neurons<S>& neurons, const Vector<S>& x, int sign) {
  using std::abs;
  const Vector<S> z = product<S>(neurons.gate, x), y = product<S>(neurons.up, x);
  S sum(0);
  for (Index j = 0; j < z.size(); ++j) {
    const S ratio = norm<S>(row<S>(neurons.gate, j)) / norm<S>(row<S>(neurons.up, j));
    sum += abs(neurons.down[j]) * (z[j] * z[j] / ratio + y[j] * y[j] * ratio) +
           S(2 * sign) * neurons.down[j] * z[j] * y[j];
  }
  return sum / S(4);
}

namespace detail {

/// A write, and a bound of the size of mass ||x||^2.
inline double bounded_rounding(const BoundedWrite<double>& in) {
  return 2 * write_rounding(in.neurons, in.x) + in.error * in.x.squaredNorm() +
         4 * form_rounding(in.neurons, in.x.squaredNorm());
}

/// Visits writes with or without the ceilings, which take four runs of Lanczos each.
template <class T, class Visit>
void visit_bounded(const LayerRun<T>& run, bool ceilings, const Visit& visit) {
  visit_forms<BoundedWrite<double>>(run, Reads::writes, visit, [&](const FormSite& site) {
    BoundedWrite<double> in{site.neurons, site.x(), site.write(),
                            site.rows.mirrored(site.row, site.channel)};
    if (ceilings) {
      const auto ceiling = spike::write_ceiling(site.form, 1);
      in.rise = ceiling.up;
      in.fall = ceiling.down;
      if (!ceiling.converged) in.obstacle = "an eigenvalue did not converge";
    }
    return in;
  });
}

/// What claims about a write beside its bounds share.
struct BoundedWriteClaim {
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = BoundedWrite<S>;

  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (!fit(in.neurons, in.x)) return "the matrices do not fit";
    return {};
  }
  static double allowance(const Input<double>& in) { return bounded_rounding(in); }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_bounded(run, false, visit);
  }
};

struct WriteBudgetClaim : BoundedWriteClaim {
  static constexpr std::string_view id = "write-budget-feed-forward";
};

/// Those that need the ceilings.
struct CeilingClaim : WriteBudgetClaim {
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    visit_bounded(run, true, visit);
  }
};

/// Those about |F_k(x)|.
struct WriteSizeClaim : WriteBudgetClaim {
  template <class S>
  static S lhs(const Input<S>& in) {
    using std::abs;
    return abs(in.write);
  }
};

}  // namespace detail

/// F_k(x) <= ||x||^2 lambda_max(P_k), for every act with act(z)/z in [0, 1]   (claim 14; ours): a
/// ceiling from weights alone. Reached by one neuron, x on its bisector, for z -> infinity.
struct WriteRise : detail::CeilingClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * in.rise;
  }
};

/// -F_k(x) <= ||x||^2 lambda_max(N_k), for every act with act(z)/z in [0, 1]   (claim 14; ours): a
/// ceiling from weights alone. Reached by one neuron, x on its bisector, for z -> infinity.
struct WriteFall : detail::CeilingClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return -in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * in.fall;
  }
};

/// |F_k(x)| <= ||x||^2 sum_j |w_kj| (||g_j|| ||u_j|| + |g_j.u_j|) / 2   (claim 14; ours): no
/// eigensolver. Reached as part a.
struct WriteRows : detail::WriteSizeClaim {
  static constexpr std::string_view part = "c";

  template <class S>
  static S rhs(const Input<S>& in) {
    using std::abs;
    S sum(0);
    for (Index j = 0; j < in.neurons.down.size(); ++j) {
      const Vector<S> g = row<S>(in.neurons.gate, j), u = row<S>(in.neurons.up, j);
      sum += abs(in.neurons.down[j]) * (norm<S>(g) * norm<S>(u) + abs(dot<S>(g, u)));
    }
    return sum_of_squares<S>(in.x) * sum / S(2);
  }
};

/// |F_k(x)| <= ||x||^2 sum_j |w_kj| ||g_j|| ||u_j||   (claim 14; ours). Reached by one neuron with
/// parallel rows, for z -> infinity.
struct WriteMass : detail::WriteSizeClaim {
  static constexpr std::string_view part = "d";

  template <class S>
  static S rhs(const Input<S>& in) {
    return sum_of_squares<S>(in.x) * mass<S>(in.neurons);
  }
};

namespace detail {

/// Majorants divide by the lengths of rows; a neuron with a zero row writes nothing.
struct MajorantClaim : BoundedWriteClaim {
  static constexpr std::string_view id = "signed-majorants";

  static Objection assumptions(const Input<double>& in) {
    if (const auto objection = BoundedWriteClaim::assumptions(in)) return objection;
    for (Index j = 0; j < in.neurons.down.size(); ++j) {
      if (in.neurons.gate.row(j).isZero(0) || in.neurons.up.row(j).isZero(0)) {
        return "a neuron has a zero row";
      }
    }
    return {};
  }
};

}  // namespace detail

/// F_k(x) <= x' P_k x, for every act with act(z)/z in [0, 1]   (claim A3; ours): the true write, no
/// quadratic approximation. Equal, for z -> infinity, where x is on the bisectors of the neurons.
struct MajorantAbove : detail::MajorantClaim {
  static constexpr std::string_view part = "a";

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, 1);
  }
};

/// -F_k(x) <= x' N_k x, for every act with act(z)/z in [0, 1]   (claim A3; ours): the true write,
/// no quadratic approximation. Equal, for z -> infinity, where x is on the bisectors of the
/// neurons.
struct MajorantBelow : detail::MajorantClaim {
  static constexpr std::string_view part = "b";

  template <class S>
  static S lhs(const Input<S>& in) {
    return -in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, -1);
  }
};

/// F_k(x) + F_k(-x) = x' P_k x - x' N_k x, that is S_k = P_k - N_k   (claim A3; ours).
struct MajorantDifference : detail::MajorantClaim {
  static constexpr std::string_view part = "c";
  static constexpr auto relation = Relation::equal;

  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write + in.mirrored;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return majorant_value<S>(in.neurons, in.x, 1) - majorant_value<S>(in.neurons, in.x, -1);
  }
};

/// A write beside the two largest eigenvalues of the majorant on its side.
template <class S>
struct MajorantPoint {
  Vector<S> x;
  S write{};    ///< |F_k(x)|, its side being that of the majorant
  Vector<S> p;  ///< unit eigenvector of the largest eigenvalue
  S largest{};
  S second{};
  double error = 0;     ///< of the eigenvalues, from above, and of p as a residual
  double rounding = 0;  ///< of the write
  Objection obstacle = {};
};

/// F_k(x) >= t only if cos^2(x, p) >= (t/||x||^2 - pi_2) / (pi_1 - pi_2), pi the two largest
/// eigenvalues of P_k (or of N_k, for negative writes) and p the first eigenvector   (claim A3;
/// ours): a cone for the true write, from weights alone. Held at t = F_k(x).
struct WriteCone {
  static constexpr std::string_view id = "signed-majorants", part = "d";
  static constexpr auto relation = Relation::at_most;

  template <class S>
  using Input = MajorantPoint<S>;

  template <class S>
  static S lhs(const Input<S>& in) {
    return (in.write / sum_of_squares<S>(in.x) - in.second) / (in.largest - in.second);
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    const S along = dot<S>(in.p, in.x);
    return along * along / sum_of_squares<S>(in.x);
  }
  static Objection assumptions(const Input<double>& in) {
    if (in.obstacle) return in.obstacle;
    if (in.x.isZero(0) || in.p.size() != in.x.size()) return "x is zero, or p does not fit";
    if (!detail::is_unit(in.p)) return "p is not a unit vector";
    if (!(in.largest - in.second > 4 * in.error)) return "no direction leads the majorant";
    if (lhs<double>(in) <= 0) return "the write is below what the second direction allows";
    return {};
  }
  /// As for the trigger cone: 8 errors of the eigenvalues, divided by their distance.
  static double allowance(const Input<double>& in) {
    const double n = in.x.squaredNorm();
    const double terms = (8 * in.error + 8 * gamma(in.x.size() + 8) * in.largest) * n;
    return 4 * (in.rounding + terms) / ((in.largest - in.second) * n);
  }
  template <class T, class Visit>
  static void sites(const LayerRun<T>& run, const Visit& visit) {
    detail::visit_forms<Input<double>>(
        run, detail::Reads::writes, visit, [](const detail::FormSite& site) -> Input<double> {
          const auto side = site.write() < 0 ? spike::Side::negative : spike::Side::positive;
          const auto pair = spike::leading_eigenpair(spike::signed_majorant(site.form, side));
          const Vector<double> x = site.x();
          return {x,
                  std::abs(site.write()),
                  pair.direction,
                  pair.largest,
                  pair.second,
                  pair.residual + 4 * detail::form_rounding(site.neurons, 1),
                  write_rounding(site.neurons, x),
                  pair.converged ? Objection{} : "an eigenvalue did not converge"};
        });
  }
};

}  // namespace plumb::claims
