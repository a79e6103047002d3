#include "plumb/claims/head_row.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "plumb/model/decoder.hpp"
#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"
#include "support/evidence.hpp"
#include "support/head_rows.hpp"
#include "support/measured.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;
namespace details = plumb::claims::detail;

TEST_CASE("the error of a softmax in float is within what its logits say") {
  property("each weight, and the sum of errors", [] {
    const Vector<float> logits = *bounded_vector<float>(*size(40), 30);
    Vector<float> weights = logits;
    plumb::kernels::reference::softmax(weights.data(), weights.size());
    const Vector<double> exact = logits.cast<double>();
    Vector<double> want = exact;
    plumb::kernels::reference::softmax(want.data(), want.size());
    double sum = 0;
    for (Index j = 0; j < want.size(); ++j) {
      if (want[j] < details::least_normal(unit_of<float>)) continue;
      const double error = std::abs(static_cast<double>(weights[j]) - want[j]) / want[j];
      RC_ASSERT(error <= softmax_error(exact, j, unit_of<float>));
      RC_ASSERT(error <= worst_softmax_error(exact, unit_of<float>));
      sum += want[j] * error;
    }
    RC_ASSERT(sum <= mean_softmax_error(exact, unit_of<float>));
  });
}

TEST_CASE("the weight beside a key, and how far values are from its own") {
  CHECK(weight_beside<double>(Vector<double>{{0.5, 0.25, 0.125}}, 1) == 0.625);
  CHECK(reach<double>(Matrix<double>{{0, 0}, {3, 4}, {0, 1}}, 0) == 5);
  CHECK(reach<double>(Matrix<double>{{3, 4}}, 0) == 0);
}

TEST_CASE("the output without the sink makes up the output with it") {
  property("o = A_s v_s + (1 - A_s) o'", [] {
    const auto row = draw_head_row();
    const Vector<double> sink = row.values.row(row.sink).transpose();
    const Vector<double> want =
        row.weights[row.sink] * sink +
        weight_beside<double>(row.weights, row.sink) * details::evicted(row);
    RC_ASSERT((row.output - want).norm() <= 1e-13 * longest<double>(row.values));
  });
}

TEST_CASE("a row has the keys that its query sees, in a window too") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto trace = plumb::trace(model, {0, 5, 6, 7, 1, 8});
  auto sequence = plumb::Sequence::causal(6);
  for (auto& keys : sequence.visible) keys.first = std::max<Index>(0, keys.last - 3);
  const auto run = plumb::run_layer(model, trace, sequence, 1);
  for (Index t = 0; t < 6; ++t) {
    const auto row = details::head_row(run, 0, t);
    const Index seen = std::min<Index>(3, t + 1);
    CHECK(row.logits.size() == seen);
    CHECK(row.values.rows() == seen);
    CHECK(row.self == seen - 1);
    CHECK(row.sink == seen - 1 - t);
    CHECK(row.weights.sum() == Approx(1));
    CHECK((row.values.transpose() * row.weights - row.output).norm() < 1e-13);
    CHECK(details::is_no_head_row(row, row.sink).has_value() == (t == 0 || t > 2));
  }
}

TEST_CASE("queries are spread over a text, none of them the first") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto run = plumb::run_layer(model, plumb::trace(model, {0, 5, 6, 7, 1, 8}), 0);
  Index visited = 0;
  details::for_each_query(run, 2, [&](Index head, Index t) {
    CHECK(head == visited / 2);
    CHECK(t == (visited % 2 == 0 ? 2 : 5));
    ++visited;
  });
  CHECK(visited == 2 * model.architecture().heads);
}

TEST_CASE("self-sink-margin: any row", "[self-sink-margin][property]") {
  check_property<SelfSinkWeight>("weight", draw_head_row);
  check_property<SinkOutput>("output", draw_head_row);
}

TEST_CASE("self-sink-margin: tight, broken, vacuous", "[self-sink-margin][property]") {
  check_tight<SelfSinkWeight>(equal_rivals(2.5, 9), 1 - 1e-12);
  check_tight<SelfSinkWeight>(equal_rivals(-7, 2), 1 - 1e-12);
  check_tight<SinkOutput>(head_row(Vector<double>{{0.3, -1}}, Matrix<double>{{1, 2}, {0, -4}}),
                          1 - 1e-12);
  // The margin that a weight p takes: ln(n - 1) + ln(p / (1 - p)).
  const auto nine_of_ten = equal_rivals(std::log(8.0) + std::log(9.0), 9);
  CHECK(nine_of_ten.weights[0] == Approx(0.9).epsilon(1e-12));

  check_violated<SelfSinkWeight>(with_learned_sink(equal_rivals(2, 5)));
  check_violated<SelfSinkWeight>(with_soft_cap(equal_rivals(20, 5), 2));
  auto gated = head_row(Vector<double>{{30, 0}}, Matrix<double>{{1, 2}, {0, -4}});
  gated.output *= 0.5;
  check_violated<SinkOutput>(gated);

  check_vacuous<SelfSinkWeight>(equal_rivals(0, 1), "one key");
  check_vacuous<SelfSinkWeight>(equal_rivals(-800, 3), "underflows");
  check_vacuous<SinkOutput>(head_row(Vector<double>::Zero(2), Matrix<double>::Ones(2, 2)),
                            "all values are equal");
  auto unseen = equal_rivals(1, 3);
  unseen.sink = -2;  // a window that has moved past the first token
  check_vacuous<SinkOutput>(unseen, "does not see the sink");
}

TEST_CASE("self-sink-margin on models in float", "[self-sink-margin][measured]") {
  check_measured_in_float<SelfSinkWeight, SinkOutput>();
}
