#include "plumb/claims/neurons.hpp"

#include <catch2/catch.hpp>

#include "plumb/claims/bounded_write.hpp"
#include "support/symbolic.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

Neurons<Symbolic> neurons(Index f, Index d) {
  return {variables("g", f, d), variables("u", f, d), variables("w", f)};
}

/// S, entry by entry.
Matrix<Symbolic> dense(const Neurons<Symbolic>& n) {
  const Index d = n.gate.cols();
  Matrix<Symbolic> form(d, d);
  for (Index a = 0; a < d; ++a) {
    for (Index b = 0; b < d; ++b) {
      form(a, b) = 0;
      for (Index j = 0; j < n.down.size(); ++j) {
        form(a, b) +=
            n.down[j] * (n.gate(j, a) * n.up(j, b) + n.up(j, a) * n.gate(j, b)) / Symbolic(2);
      }
    }
  }
  return form;
}

Symbolic squares(const Matrix<Symbolic>& m) {
  Symbolic sum = 0;
  for (Index i = 0; i < m.size(); ++i) sum += m.data()[i] * m.data()[i];
  return sum;
}

/// S + a v v' + b (e v' + v e')
Matrix<Symbolic> plus_ranks(const Matrix<Symbolic>& form, const Symbolic& a, const Symbolic& b,
                            const Vector<Symbolic>& v, const Vector<Symbolic>& e) {
  Matrix<Symbolic> sum = form;
  for (Index i = 0; i < form.rows(); ++i) {
    for (Index j = 0; j < form.cols(); ++j) {
      sum(i, j) += a * v[i] * v[j] + b * (e[i] * v[j] + v[i] * e[j]);
    }
  }
  return sum;
}

/// A unit vector of the plane, and all of them but one.
Vector<Symbolic> unit() {
  const Symbolic t = variable("t");
  Vector<Symbolic> v(2);
  v << (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t);
  return v;
}

}  // namespace

TEST_CASE("rank-one-certificate: ||S||_F^2 without S", "[rank-one-certificate][symbolic]") {
  const auto n = neurons(2, 2);
  CHECK(unproven(form_squares<Symbolic>(n), squares(dense(n))) == "");
}

TEST_CASE("rank-one-certificate: what is left beside rank one",
          "[rank-one-certificate][symbolic]") {
  // Any symmetric S of the plane, any unit v.
  const auto entries = variables("s", 3);
  Matrix<Symbolic> form(2, 2);
  form << entries[0], entries[1], entries[1], entries[2];
  const auto v = unit();
  const Vector<Symbolic> image = product<Symbolic>(form, v);
  const Symbolic rho = dot<Symbolic>(v, image);
  const Vector<Symbolic> e = plus<Symbolic>(image, -rho, v);
  CHECK(unproven(squares(plus_ranks(form, -rho, 0, v, e)), squares(form) - rho * rho) == "");
  CHECK(unproven(squares(plus_ranks(form, -rho, -1, v, e)),
                 squares(form) - rho * rho - 2 * sum_of_squares<Symbolic>(e)) == "");
  // The second is S on the complement of v: it sends v to 0.
  const Vector<Symbolic> sent = product<Symbolic>(plus_ranks(form, -rho, -1, v, e), v);
  CHECK(unproven(Matrix<Symbolic>(sent), Matrix<Symbolic>(Vector<Symbolic>::Zero(2))) == "");
  // So x'Sx = rho a^2 + 2 a (e.x) + x'(S on the complement)x.
  const auto x = variables("x", 2);
  const Symbolic along = dot<Symbolic>(v, x);
  const Symbolic rest = dot<Symbolic>(x, product<Symbolic>(plus_ranks(form, -rho, -1, v, e), x));
  CHECK(unproven(dot<Symbolic>(x, product<Symbolic>(form, x)),
                 rho * along * along + 2 * along * dot<Symbolic>(e, x) + rest) == "");
}

TEST_CASE("one-neuron-eigenpair: the two eigenpairs", "[one-neuron-eigenpair][symbolic]") {
  const auto n = neurons(1, 3);
  const auto g = row<Symbolic>(n.gate, 0), u = row<Symbolic>(n.up, 0);
  const Symbolic lengths = norm<Symbolic>(g) * norm<Symbolic>(u);
  for (const int sign : {1, -1}) {
    // ||u|| g + sign ||g|| u, the bisector times ||g|| ||u||.
    Vector<Symbolic> b(3);
    for (Index i = 0; i < 3; ++i) b[i] = norm<Symbolic>(u) * g[i] + sign * norm<Symbolic>(g) * u[i];
    const Symbolic lambda = n.down[0] * (dot<Symbolic>(g, u) + sign * lengths) / 2;
    const Vector<Symbolic> image = form_times<Symbolic>(n, b);
    for (Index i = 0; i < 3; ++i) CHECK(unproven(image[i], lambda * b[i]) == "");
  }
  // The squares of both make up the form: the other eigenvalues are 0.
  const Symbolic w = n.down[0], product = dot<Symbolic>(g, u);
  const Symbolic high = w * (product + lengths) / 2, low = w * (product - lengths) / 2;
  CHECK(unproven(form_squares<Symbolic>(n), high * high + low * low) == "");
}

TEST_CASE("one-neuron-eigenpair: the share of the leading eigenvalue",
          "[one-neuron-eigenpair][symbolic]") {
  const Symbolic c = variable("c");  // |cos(g, u)|, and w ||g|| ||u|| = 2
  const Symbolic high = 1 + c, low = c - 1;
  CHECK(unproven(high * high / (high * high + low * low), (1 + c) * (1 + c) / (2 * (1 + c * c))) ==
        "");
}

TEST_CASE("shared-direction-ratios: the mismatch is that of the others",
          "[shared-direction-ratios][symbolic]") {
  const auto column = variables("w", 2), others = variables("e", 2);
  const Symbolic a = variable("a");
  const Symbolic first = a * column[0] + others[0], second = a * column[1] + others[1];
  CHECK(unproven(first * column[1] - second * column[0],
                 others[0] * column[1] - others[1] * column[0]) == "");
}

TEST_CASE("signed-majorants: S = P - N", "[signed-majorants][symbolic]") {
  BoundedWrite<Symbolic> in;
  in.neurons = neurons(2, 2);
  in.x = variables("x", 2);
  in.write = form_value<Symbolic>(in.neurons, in.x);  // F(x) + F(-x), by the mirror identity
  check_symbolic<MajorantDifference>(in);
}

TEST_CASE("signed-majorants: what is dropped is a square", "[signed-majorants][symbolic]") {
  // w z y act(z)/z = x'Px - x'Nx of one neuron, times phi in [0, 1]; P and N are squares.
  const auto n = neurons(1, 2);
  const auto x = variables("x", 2);
  const auto g = row<Symbolic>(n.gate, 0), u = row<Symbolic>(n.up, 0);
  const Symbolic lengths = norm<Symbolic>(g) * norm<Symbolic>(u);
  for (const int sign : {1, -1}) {
    // 4 ||g|| ||u|| x'Px = |w| (||u|| z + s ||g|| y)^2, s = w / |w|
    const Symbolic s = sign * n.down[0] / abs(n.down[0]);
    const Symbolic root =
        norm<Symbolic>(u) * dot<Symbolic>(g, x) + s * norm<Symbolic>(g) * dot<Symbolic>(u, x);
    CHECK(unproven(4 * lengths * majorant_value<Symbolic>(n, x, sign),
                   abs(n.down[0]) * root * root) == "");
  }
}
