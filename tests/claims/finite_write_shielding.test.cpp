#include "plumb/claims/finite_write_shielding.hpp"

#include <catch2/catch.hpp>

#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

NormedWrite<double> written(const Vector<double>& before, const Vector<double>& after, double eps,
                            const Vector<double>& gain) {
  const plumb::RmsNorm<double> plain{Vector<double>::Ones(before.size()), eps}, gained{gain, eps};
  const auto read = [](const plumb::RmsNorm<double>& norm, const Vector<double>& h) {
    return Vector<double>(norm.value(h.transpose()).row(0).transpose());
  };
  return {before,
          after,
          eps,
          read(plain, before),
          read(plain, after),
          gain,
          read(gained, before),
          read(gained, after)};
}

NormedWrite<double> draw_write() {
  const Index d = *size();
  const Vector<double> before = *gaussian_vector<double>(d) * *magnitude<double>(1e-3, 1e3);
  const Vector<double> write = *gaussian_vector<double>(d) * *magnitude<double>(1e-3, 1e3);
  return written(before, before + write, *magnitude<double>(1e-8, 1),
                 *bounded_vector<double>(d, 3.0));
}

}  // namespace

TEST_CASE("finite-write-shielding: any write", "[finite-write-shielding][property]") {
  check_property<FiniteWriteIdentity>("identity", draw_write);
  check_property<FiniteWriteShielding>("bound", draw_write);
  check_property<FiniteWriteShieldingGain>("bound with gain", draw_write);
}

TEST_CASE("finite-write-shielding: tight, broken, vacuous", "[finite-write-shielding][property]") {
  // A write that keeps rho: the entries change places. eps = 1 beside a small row.
  const Vector<double> before = Vector<double>::LinSpaced(6, -0.2, 0.3);
  const auto kept = written(before, before.reverse(), 1, Vector<double>::Constant(6, -2));
  check_tight<FiniteWriteIdentity>(kept);
  check_tight<FiniteWriteShielding>(kept);
  check_tight<FiniteWriteShieldingGain>(kept);

  // A reader that sees the row before the write.
  auto stale = kept;
  stale.u_after = stale.u_before;
  check_violated<FiniteWriteIdentity>(stale);
  // No division by the row's own rho: the spike does not shield.
  const Vector<double> spike = 50 * Vector<double>::Unit(6, 0);
  auto divided = written(spike, spike + before, 0, Vector<double>::Ones(6));
  divided.u_before = divided.y_before = divided.before;
  divided.u_after = divided.y_after = divided.after;
  check_violated<FiniteWriteIdentity>(divided);
  check_violated<FiniteWriteShielding>(divided);
  check_violated<FiniteWriteShieldingGain>(divided);

  check_needs_assumption<FiniteWriteIdentity>(written(before, before, 1, before), "zero");
  auto nothing = kept;
  nothing.before.setZero();
  nothing.eps = 0;
  check_needs_assumption<FiniteWriteIdentity>(nothing, "zero");
  check_needs_assumption<FiniteWriteShielding>(nothing, "zero");
  check_needs_assumption<FiniteWriteShieldingGain>(nothing, "zero");
}
