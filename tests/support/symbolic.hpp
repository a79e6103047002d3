#pragma once

#include <Eigen/Core>
#include <catch2/catch.hpp>
#include <cln/cln.h>
#include <ginac/ginac.h>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "plumb/claims/arithmetic.hpp"
#include "plumb/claims/claim.hpp"
#include "plumb/core/linalg.hpp"

/// Identities, proven. Sides of claims are evaluated on symbols, and their difference is brought
/// into a normal form that is 0 if and only if it vanishes as a rational function.
///
/// What is not rational becomes a symbol with a relation: a root r with r^2 = a, an absolute value
/// with r^2 = a^2, an exponential whose inverse is exp(-a), sine and cosine with c^2 + s^2 = 1, and
/// tanh(a) = (exp(2a) - 1) / (exp(2a) + 1). So a proof holds wherever no denominator is 0, for
/// either sign of a root. An identity that needs more (the sign of a root, sqrt(a) sqrt(b) =
/// sqrt(ab)) is not proven: square the sides, or name the root in the variables.

template <>
struct Eigen::NumTraits<GiNaC::ex> : Eigen::GenericNumTraits<GiNaC::ex> {
  using Real = GiNaC::ex;
  using NonInteger = GiNaC::ex;
  using Nested = GiNaC::ex;
  using Literal = GiNaC::ex;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 10,
    AddCost = 100,
    MulCost = 1000
  };
};

/// A count is an exact number.
template <>
inline GiNaC::ex plumb::claims::count<GiNaC::ex>(Index n) {
  return GiNaC::ex(static_cast<long>(n));
}

namespace plumb::test {

using Symbolic = GiNaC::ex;

/// A real variable; each call makes another one, whatever the name.
inline GiNaC::realsymbol variable(const std::string& name) { return GiNaC::realsymbol(name); }

/// The variables stem0, stem1, ...
inline Vector<Symbolic> variables(const std::string& stem, Index size) {
  Vector<Symbolic> v(size);
  for (Index i = 0; i < size; ++i) v[i] = variable(stem + std::to_string(i));
  return v;
}

/// The variables stem0_0, stem0_1, ...
inline Matrix<Symbolic> variables(const std::string& stem, Index rows, Index cols) {
  Matrix<Symbolic> m(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    m.row(i) = variables(stem + std::to_string(i) + "_", cols).transpose();
  }
  return m;
}

/// d y_i / d x_j. The x_j are variables.
inline Matrix<Symbolic> derivative(const Vector<Symbolic>& y, const Vector<Symbolic>& x) {
  Matrix<Symbolic> j(y.size(), x.size());
  for (Index r = 0; r < y.size(); ++r) {
    for (Index c = 0; c < x.size(); ++c) j(r, c) = y[r].diff(GiNaC::ex_to<GiNaC::symbol>(x[c]));
  }
  return j;
}

namespace detail {

/// Brings expressions into normal form. It remembers the symbols that stand for what is not
/// rational, so that one of these is the same symbol in both sides.
class NormalForm : private GiNaC::map_function {
 public:
  /// A numerator, 0 when the expression vanishes.
  Symbolic operator()(const Symbolic& expression) override {
    if (depth_ > 0) return rewrite(expression);
    const Symbolic rational = rewrite(expression);
    return reduce(rational.normal().numer());
  }

 private:
  /// symbol^2 = square
  struct Relation {
    GiNaC::symbol symbol;
    Symbolic square;
  };
  struct Named {
    Symbolic argument;
    GiNaC::symbol symbol;
  };
  struct Circle {
    Symbolic angle;
    GiNaC::symbol cosine, sine;
  };

  /// Arguments first, so that GiNaC never takes a root of what stands in them: it would pull
  /// factors out of it and leave roots that are not named.
  Symbolic rewrite(const Symbolic& e) {
    if (GiNaC::is_a<GiNaC::numeric>(e)) return exact(GiNaC::ex_to<GiNaC::numeric>(e));
    if (GiNaC::is_a<GiNaC::power>(e)) return rewrite_power(rewrite(e.op(0)), rewrite(e.op(1)));
    if (GiNaC::is_a<GiNaC::function>(e) && e.nops() == 1) return rewrite_function(e);
    ++depth_;
    const Symbolic inner = e.map(*this);
    --depth_;
    return inner;
  }

  Symbolic rewrite_function(const Symbolic& e) {
    const Symbolic argument = rewrite(e.op(0));
    if (GiNaC::is_the_function<GiNaC::abs_SERIAL>(e)) return root(GiNaC::pow(argument, 2));
    if (GiNaC::is_the_function<GiNaC::exp_SERIAL>(e)) return exponential(argument);
    if (GiNaC::is_the_function<GiNaC::tanh_SERIAL>(e)) {
      const Symbolic square = exponential(2 * argument);
      return (square - 1) / (square + 1);
    }
    if (GiNaC::is_the_function<GiNaC::sin_SERIAL>(e)) return turn(argument).second;
    if (GiNaC::is_the_function<GiNaC::cos_SERIAL>(e)) return turn(argument).first;
    return e;
  }

  /// A double is a dyadic fraction.
  static Symbolic exact(const GiNaC::numeric& n) {
    if (n.is_rational() || !n.is_real()) return n;
    return GiNaC::numeric(cln::rational(cln::the<cln::cl_R>(n.to_cl_N())));
  }

  Symbolic rewrite_power(const Symbolic& base, const Symbolic& exponent) {
    if (!GiNaC::is_a<GiNaC::numeric>(exponent)) return GiNaC::pow(base, exponent);
    const auto twice = 2 * GiNaC::ex_to<GiNaC::numeric>(exponent);
    if (!twice.is_integer() || twice.is_even()) return GiNaC::pow(base, twice / 2);
    return GiNaC::pow(root(base), twice);
  }

  /// The symbol r of r^2 = square, or a rational multiple of the symbol that there is.
  Symbolic root(const Symbolic& square) {
    if (square.normal().is_zero()) return 0;
    for (const auto& known : relations_) {
      const Symbolic quotient = (square / known.square).normal();
      if (!GiNaC::is_a<GiNaC::numeric>(quotient)) continue;
      const Symbolic factor = GiNaC::sqrt(quotient);
      if (GiNaC::ex_to<GiNaC::numeric>(quotient).is_positive() &&
          GiNaC::is_a<GiNaC::numeric>(factor)) {
        return factor * known.symbol;
      }
    }
    relations_.push_back({GiNaC::symbol("root" + std::to_string(relations_.size())), square});
    return relations_.back().symbol;
  }

  /// exp(sum of n_i a_i) = product of exp(a_i)^n_i over whole n_i.
  Symbolic exponential(const Symbolic& argument) {
    Symbolic product = 1;
    for (const auto& [term, times] : whole_multiples(argument)) {
      product *= GiNaC::pow(named(exponentials_, "exp", term), times);
    }
    return product;
  }

  /// Cosine and sine of a sum of n_i a_i, n_i whole, by the addition theorems.
  std::pair<Symbolic, Symbolic> turn(const Symbolic& angle) {
    std::pair<Symbolic, Symbolic> at{1, 0};
    for (const auto& [term, times] : whole_multiples(angle)) {
      const auto [c, s] = circle(term);
      const bool negative = times.is_negative();
      const Symbolic sine = negative ? Symbolic(-s) : Symbolic(s);
      const int turns = GiNaC::abs(times).to_int();
      for (int i = 0; i < turns; ++i) {
        at = {at.first * c - at.second * sine, at.second * c + at.first * sine};
      }
    }
    return at;
  }

  std::pair<Symbolic, Symbolic> circle(const Symbolic& angle) {
    for (const auto& known : circles_) {
      if (equal(known.angle, angle)) return {known.cosine, known.sine};
    }
    const auto name = std::to_string(circles_.size());
    const Circle made{angle, GiNaC::symbol("cos" + name), GiNaC::symbol("sin" + name)};
    circles_.push_back(made);
    relations_.push_back({made.sine, 1 - GiNaC::pow(made.cosine, 2)});
    return {made.cosine, made.sine};
  }

  /// 3 a - b as {(a, 3), (b, -1)}; what has another factor in front is a term with factor 1.
  static std::vector<std::pair<Symbolic, GiNaC::numeric>> whole_multiples(const Symbolic& sum) {
    std::vector<std::pair<Symbolic, GiNaC::numeric>> terms;
    const Symbolic expanded = sum.expand();
    const auto add = [&](const Symbolic& term) {
      const Symbolic factor = term.is_zero() ? Symbolic(0) : term.integer_content();
      if (term.is_zero()) return;
      const Symbolic sign = leading_sign(term);
      const Symbolic times = factor * sign;
      if (GiNaC::ex_to<GiNaC::numeric>(times).is_integer()) {
        terms.emplace_back((term / times).expand(), GiNaC::ex_to<GiNaC::numeric>(times));
      } else {
        terms.emplace_back(sign * term, GiNaC::ex_to<GiNaC::numeric>(sign));
      }
    };
    if (GiNaC::is_a<GiNaC::add>(expanded)) {
      for (const auto& term : expanded) add(term);
    } else {
      add(expanded);
    }
    return terms;
  }

  static Symbolic leading_sign(const Symbolic& term) {
    if (GiNaC::is_a<GiNaC::numeric>(term)) {
      return GiNaC::ex_to<GiNaC::numeric>(term).is_negative() ? -1 : 1;
    }
    if (GiNaC::is_a<GiNaC::mul>(term)) return leading_sign(term.op(term.nops() - 1));
    return 1;
  }

  static Symbolic named(std::vector<Named>& table, const std::string& stem,
                        const Symbolic& argument) {
    for (const auto& known : table) {
      if (equal(known.argument, argument)) return known.symbol;
    }
    table.push_back({argument, GiNaC::symbol(stem + std::to_string(table.size()))});
    return table.back().symbol;
  }

  static bool equal(const Symbolic& a, const Symbolic& b) { return (a - b).normal().is_zero(); }

  /// Squares of symbols replaced by what they are, the latest first: a root may hold earlier ones.
  Symbolic reduce(Symbolic numerator) const {
    for (auto known = relations_.rbegin(); known != relations_.rend(); ++known) {
      numerator = numerator.expand();
      Symbolic reduced = 0;
      for (int n = numerator.ldegree(known->symbol); n <= numerator.degree(known->symbol); ++n) {
        const Symbolic coefficient = numerator.coeff(known->symbol, n);
        reduced += coefficient * GiNaC::pow(known->square, n / 2) *
                   (n % 2 == 0 ? Symbolic(1) : Symbolic(known->symbol));
      }
      numerator = reduced.normal().numer();
    }
    return numerator.expand();
  }

  std::vector<Relation> relations_;
  std::vector<Named> exponentials_;
  std::vector<Circle> circles_;
  int depth_ = 0;
};

}  // namespace detail

/// Empty when a = b is proven, else the numerator of a - b in normal form:
/// CHECK(unproven(a, b) == "").
inline std::string unproven(const Symbolic& a, const Symbolic& b) {
  const Symbolic rest = detail::NormalForm()(a - b);
  if (rest.is_zero()) return {};
  std::ostringstream text;
  text << rest << " is not 0";
  return text.str();
}

/// The same entry by entry.
inline std::string unproven(const Matrix<Symbolic>& a, const Matrix<Symbolic>& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return "the shapes differ";
  for (Index i = 0; i < a.size(); ++i) {
    if (auto rest = unproven(a.data()[i], b.data()[i]); !rest.empty()) return rest;
  }
  return {};
}

/// Symbolic evidence: the sides of the claim are one function of the variables in the input.
/// (The input is one of symbols, and what was observed in it is the formula of the model.)
template <class C>
void check_symbolic(const typename C::template Input<Symbolic>& input) {
  static_assert(C::relation == claims::Relation::equal, "only an identity is proven so");
  CHECK(unproven(C::template lhs<Symbolic>(input), C::template rhs<Symbolic>(input)) == "");
}

}  // namespace plumb::test
