#include "plumb/sink/alignment.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "plumb/model/planted.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::sink;

namespace {

template <class T>
std::vector<Alignment> alignments_of(const Decoder<T>& model, const TokenIds& ids) {
  const auto trace = plumb::trace(model, ids);
  const auto life = spike::life_cycle(trace, spike::find_outliers(trace.residual));
  return alignments(model, trace, life);
}

}  // namespace

TEST_CASE("a planted amplifier: its direction, and cosines of 0.81 and 0.81 times the size") {
  planted::Plan plan;
  plan.noise = 0;
  const auto planted = planted::make(plan);
  const Decoder<double> model(planted.checkpoint);
  const auto found = alignments_of(model, {0, 5, 1, 6, 7, 8});
  REQUIRE(found.size() == 1);
  const auto& a = found[0];
  CHECK(a.layer == plan.step_up_layer);
  CHECK(a.channel == planted.channels[0]);
  CHECK(std::abs(a.pair.direction.dot(planted.direction)) == Approx(1).epsilon(1e-9));
  REQUIRE(a.cosine_squared.size() == 6);
  // The embedding's cosine with s is 0.9 for the largest spike, and as the root of its size else.
  const double largest = planted::kLargestCosine * planted::kLargestCosine;
  CHECK(a.cosine_squared[0] == Approx(largest).epsilon(1e-6));
  CHECK(a.cosine_squared[2] == Approx(largest * 1800 / 3000).epsilon(1e-6));
  CHECK(a.cosine_squared[1] < 1e-12);
  CHECK(a.rank_one[0] == Approx(a.write[0]).epsilon(1e-5));
  CHECK(a.write[0] == Approx(3000).epsilon(1e-5));
}

TEST_CASE("tiny-llama: cos^2 0.915 of the start token in layer 0, channel 61") {
  const auto one = test::bundled_golden();
  const Decoder<float> model(Checkpoint::open(one.model));
  const auto found = alignments_of(model, test::read_golden(one.golden, model.architecture()).ids);
  REQUIRE(found.size() == 1);
  CHECK(found[0].layer == 0);
  CHECK(found[0].channel == 61);
  CHECK(found[0].pair.lambda == Approx(0.9154).margin(0.0001));
  CHECK(found[0].cosine_squared[0] == Approx(0.915).margin(0.0005));
  CHECK(found[0].rank_one[0] == Approx(53.63).margin(0.01));
  CHECK(found[0].write[0] == Approx(52.87).margin(0.01));
}

TEST_CASE("a text without a spike has no amplifier, and traces that do not fit throw") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  CHECK(alignments_of(model, {5, 6, 7, 8}).empty());
  const auto bare = plumb::trace(model, {0, 5, 6}, TraceOptions{.residual = false});
  const auto full = plumb::trace(model, {0, 5, 6});
  const auto life = spike::life_cycle(full, spike::find_outliers(full.residual));
  CHECK_THROWS_AS(alignments(model, bare, life), shape_error);
  auto plan = planted.plan;
  plan.layers = 5;
  CHECK_THROWS_AS(alignments(Decoder<double>(planted::make(plan).checkpoint), full, life),
                  shape_error);
}
