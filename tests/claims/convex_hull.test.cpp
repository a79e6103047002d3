#include "plumb/claims/convex_hull.hpp"

#include <catch2/catch.hpp>

#include "support/evidence.hpp"
#include "support/head_rows.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;

namespace {

/// Values on one side of the origin, so that no mixture is small.
HeadRow<double> draw_one_sided_row() {
  auto row = draw_head_row();
  row.values.col(0).array() += *magnitude(0.5, 3.0) * (1 + row.values.cwiseAbs().maxCoeff());
  return head_row(row.logits, row.values, row.sink);
}

ConvexHull::Input<double> hull(const HeadRow<double>& row) {
  return {row, min_norm_point(row.values).point};
}

}  // namespace

TEST_CASE("convex-hull: any row", "[convex-hull][property]") {
  check_property<ConvexHull>("nearest point", [] { return hull(draw_one_sided_row()); });
  check_property<ConvexHull>("any direction", [] {
    const auto row = draw_one_sided_row();
    return ConvexHull::Input<double>{row, Vector<double>::Unit(row.values.cols(), 0)};
  });
}

TEST_CASE("convex-hull: tight, broken, vacuous", "[convex-hull][property]") {
  const Matrix<double> same = Matrix<double>{{3, 4}}.replicate(3, 1);
  check_tight<ConvexHull>(hull(head_row(Vector<double>{{1, 2, 3}}, same)), 1 - 1e-12);
  // A mixture that is itself the nearest point.
  check_tight<ConvexHull>(hull(head_row(Vector<double>::Zero(2), Matrix<double>{{1, 1}, {1, -1}})),
                          1 - 1e-12);

  auto gated_output = hull(head_row(Vector<double>{{1, 2, 3}}, same));
  gated_output.row.output *= 0.3;
  check_violated<ConvexHull>(gated_output);
  gated_output.gated = true;
  check_needs_assumption<ConvexHull>(gated_output, "gated");
  check_vacuous<ConvexHull>(
      hull(head_row(Vector<double>::Zero(3), Matrix<double>{{1, 0}, {-1, 1}, {-1, -1}})),
      "surround the origin");
}

namespace {

SilenceNeedsSink::Input<double> silence(const HeadRow<double>& row) {
  return {row, plumb::claims::detail::evicted(row),
          min_norm_point(without_row<double>(row.values, row.sink)).point};
}

}  // namespace

TEST_CASE("silence-needs-sink: rivals on one side", "[silence-needs-sink][property]") {
  check_property<SilenceNeedsSink>("silent", [] {
    auto row = draw_one_sided_row();
    row.values.row(row.sink).setZero();
    row.logits[row.sink] += 14;
    return silence(head_row(row.logits, row.values, row.sink));
  });
}

TEST_CASE("silence-needs-sink: tight, broken, vacuous", "[silence-needs-sink][property]") {
  const Matrix<double> values{{0, 0}, {1, 2}};
  check_tight<SilenceNeedsSink>(silence(head_row(Vector<double>{{4, 0}}, values)), 1 - 1e-12);
  auto wrong = silence(head_row(Vector<double>{{4, 0}}, values));
  wrong.without *= 0.5;  // no mixture of the others
  check_violated<SilenceNeedsSink>(wrong);
  check_vacuous<SilenceNeedsSink>(
      silence(head_row(Vector<double>{{4, 0, 0}}, Matrix<double>{{0, 0}, {1, 0}, {-1, 0}})),
      "surround the origin");
  check_vacuous<SilenceNeedsSink>(
      silence(head_row(Vector<double>{{4, 0}}, Matrix<double>{{5, 0}, {1, 0}})),
      "as near to the origin");
}
