#include "plumb/claims/rank_one.hpp"

#include <catch2/catch.hpp>

#include "support/evidence.hpp"
#include "support/neurons.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;
namespace details = plumb::claims::detail;

namespace {

RankOne<double> rank_one(const Neurons<double>& n, const Vector<double>& v,
                         const Vector<double>& x) {
  const Matrix<double> form = dense(n);
  const Spectrum spectrum = spectrum_of(form, formed(n));
  Vector<double> sizes = spectrum.values.cwiseAbs();
  Index leading = 0;
  sizes.maxCoeff(&leading);
  sizes[leading] = 0;
  return {n, v, x, x.dot(form * x), form.squaredNorm(), sizes.maxCoeff(), spectrum.error, {}};
}

RankOne<double> draw_rank_one() {
  const auto n = draw_neurons();
  const auto x = draw_x(n);
  const Vector<double> v = *rc::gen::arbitrary<bool>() ? normed(*gaussian_vector<double>(x.size()))
                                                       : details::bisector(n, x);
  return rank_one(n, v, x);
}

}  // namespace

TEST_CASE("rank-one-certificate: any form", "[rank-one-certificate][property]") {
  check_property<RankOneCertificate>("certificate", draw_rank_one);
  check_property<RankOneSharper>("sharper than the blunt one", draw_rank_one);
  check_property<SecondEigenvalue>("second eigenvalue", draw_rank_one);
  check_property<SpectralRemainder>("with an eigenvector", [] {
    const auto n = draw_neurons();
    return eigen_point(n, draw_x(n));
  });
}

TEST_CASE("rank-one-certificate: tight, broken, vacuous", "[rank-one-certificate][property]") {
  const auto two = rank_two();
  check_tight<RankOneCertificate>(rank_one(two, axis(3, 0), 2 * axis(3, 1)), 1 - 1e-12);
  check_tight<RankOneSharper>(rank_one(two, axis(3, 0), 2 * axis(3, 1)), 1 - 1e-12);
  check_tight<SecondEigenvalue>(rank_one(two, axis(3, 0), axis(3, 1)), 1 - 1e-12);
  const auto three = rank_three();
  check_tight<SpectralRemainder>(eigen_point(three, vec({0.5, 3, 0})), 1 - 1e-12);

  auto wrong = rank_one(two, axis(3, 0), 2 * axis(3, 1));
  wrong.form = 5;  // another x' S x: the gain was applied twice
  check_violated<RankOneCertificate>(wrong);
  auto sunken = rank_one(three, normed(vec({1, 1, 0})), axis(3, 0));
  sunken.squares = 4;  // a norm that lost all but rho^2, as if it were formed in float
  check_violated<RankOneSharper>(sunken);
  wrong = rank_one(two, axis(3, 0), axis(3, 1));
  wrong.second = 3;
  check_violated<SecondEigenvalue>(wrong);
  auto other = eigen_point(three, vec({0.5, 3, 0}));
  other.high = 0;  // an eigenvalue that the solver missed
  check_violated<SpectralRemainder>(other);

  const Vector<double> shorter = 0.5 * axis(3, 0), longer = 1.5 * axis(3, 0);
  check_needs_assumption<RankOneCertificate>(rank_one(two, shorter, axis(3, 0)), "unit");
  check_needs_assumption<RankOneSharper>(rank_one(two, longer, axis(3, 0)), "unit");
  check_needs_assumption<SecondEigenvalue>(rank_one(two, longer, axis(3, 0)), "unit");
  auto shrunk = eigen_point(three, vec({0.5, 3, 0}));
  shrunk.v *= 0.1;
  check_needs_assumption<SpectralRemainder>(shrunk, "unit");
  // x along v: nothing is left to bound, and rounding decides.
  CHECK(judge<RankOneCertificate>(rank_one(two, axis(3, 0), axis(3, 0))).verdict ==
        Verdict::unresolved);
}

TEST_CASE("trigger-cone: any form", "[trigger-cone][property]") {
  const auto draw = [] {
    const auto n = draw_neurons();
    return eigen_point(n, draw_x(n));
  };
  check_property<TriggerNecessary>("necessary", [] {
    // Near the leading end, where a threshold is positive.
    const auto n = draw_neurons();
    const Spectrum spectrum = spectrum_of(dense(n), 0);
    const Index d = n.gate.cols();
    const Index end = spectrum.values[d - 1] >= -spectrum.values[0] ? d - 1 : 0;
    const Vector<double> x = *gaussian_vector<double>(d);
    return eigen_point(n, 0.3 * x + 3 * spectrum.vectors.col(end));
  });
  check_property<TriggerSufficient>("sufficient", draw);
}

TEST_CASE("trigger-cone: tight, broken, vacuous", "[trigger-cone][property]") {
  const auto three = rank_three();
  // x in the plane of v and the next eigenvector, shorter than sqrt(d).
  const auto plane = eigen_point(three, vec({1.2, 0.4, 0}));
  check_tight<TriggerNecessary>(plane, 1 - 1e-12);
  const auto low = eigen_point(three, vec({1.2, 0, 0.4}));
  check_tight<TriggerSufficient>(low, 1 - 1e-12);
  // A negative write: S and t are negated.
  auto negated = three;
  negated.down = -three.down;
  check_tight<TriggerNecessary>(eigen_point(negated, vec({1.2, 0.4, 0})), 1 - 1e-12);

  auto strong = plane;  // d = 3 in place of ||x||^2
  strong.form *= 3 / plane.x.squaredNorm();
  check_violated<TriggerNecessary>(strong);
  auto weak = low;
  weak.form *= 0.8;
  check_violated<TriggerSufficient>(weak);

  auto longer = low;
  longer.v *= 2;
  check_needs_assumption<TriggerSufficient>(longer, "unit");
  auto shorter = plane;
  shorter.v /= 2;
  check_needs_assumption<TriggerNecessary>(shorter, "unit");
  CHECK(judge<TriggerNecessary>(eigen_point(three, vec({0.1, 1, 0.1}))).verdict ==
        Verdict::vacuous);
  auto tied = plane;
  tied.high = tied.lambda;
  CHECK(judge<TriggerNecessary>(tied).reason ==
        "the leading eigenvalue is not apart from the others");
}
