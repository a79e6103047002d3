#include "plumb/report/amplifier.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"
#include "plumb/report/anatomy.hpp"

using namespace plumb;
using namespace plumb::report;

namespace {

struct Pass {
  planted::Model planted;
  Decoder<double> model;
  Trace<double> trace;
  spike::Outliers outliers;
  spike::LifeCycle life;

  explicit Pass(const planted::Plan& plan, const TokenIds& ids = {0, 5, 6, 7})
      : planted(planted::make(plan)),
        model(planted.checkpoint),
        trace(plumb::trace(model, ids, TraceOptions{.attention = false})),
        outliers(spike::find_outliers(trace.residual)),
        life(spike::life_cycle(trace, outliers)) {}

  std::vector<Amplifier> found() const { return amplifiers(model, trace, outliers, life); }
};

}  // namespace

TEST_CASE("the planted step-up is the amplifier: its neuron, its direction, its write") {
  const Pass pass{{}};
  const auto list = pass.found();
  REQUIRE(list.size() == 1);
  const auto& found = list[0];
  CHECK(found.layer == pass.planted.plan.step_up_layer);
  CHECK(found.position == 0);
  CHECK(found.channel == pass.planted.channels[0]);
  CHECK(found.obstacle == spike::Obstacle::none);
  CHECK_FALSE(found.post_norm);
  const auto layer = static_cast<std::size_t>(found.layer);
  const double write = pass.trace.feed_forward_write[layer](0, found.channel);
  CHECK(found.split.value == Approx(write).epsilon(1e-12));
  CHECK(found.split.discrepancy() <= 1e-12 * found.split.mass);
  CHECK(found.split.rank_one == Approx(write).epsilon(1e-3));
  CHECK(std::abs(found.pair.direction.dot(pass.planted.direction)) > 1 - 1e-6);
  REQUIRE(found.neuron);
  CHECK(found.neuron->neuron == pass.planted.neuron);
  CHECK(found.neuron_cosine == Approx(1));
  REQUIRE(found.certificate);
  CHECK(std::abs(found.certificate->remainder) <= found.certificate->aligned);
}

TEST_CASE("without a step-up the strongest feed-forward write stands in") {
  Pass pass{{}};
  pass.life.step_up.clear();
  const auto list = pass.found();
  REQUIRE(list.size() == 1);
  CHECK(list[0].layer == pass.planted.plan.step_up_layer);
  CHECK(list[0].channel == pass.outliers.top.channel);
}

TEST_CASE("where nothing stands out there is no amplifier") {
  planted::Plan plan;
  const Pass pass(plan, {5, 6, 7, 8});
  CHECK(pass.outliers.tier == spike::Tier::none);
  CHECK(pass.found().empty());
}

TEST_CASE("positions, channels and layers out of range throw") {
  const Pass pass{{}};
  CHECK_THROWS_AS(amplifier(pass.model, pass.trace, 6, 0, 0), index_error);
  CHECK_THROWS_AS(amplifier(pass.model, pass.trace, 0, 4, 0), index_error);
  CHECK_THROWS_AS(amplifier(pass.model, pass.trace, 0, 0, 64), index_error);
}
