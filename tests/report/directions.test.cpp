#include "plumb/report/directions.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"

using namespace plumb;
using namespace plumb::report;

namespace {

const planted::Model& planted_model() {
  static const auto model = planted::make();
  return model;
}

Directions of_planted(const DirectionsOptions& options) {
  return find_directions(Decoder<double>(planted_model().checkpoint), options);
}

}  // namespace

TEST_CASE("the spike channels of a planted step-up are listed first, along its direction") {
  DirectionsOptions options;
  options.layer = planted_model().plan.step_up_layer;
  options.top = 2;
  const auto found = of_planted(options);
  REQUIRE(found.channels.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& [layer, pair, cosine] = found.channels[i];
    CHECK(layer == planted_model().plan.step_up_layer);
    CHECK(pair.channel == planted_model().channels[i]);
    CHECK(std::abs(pair.direction.dot(planted_model().direction)) > 1 - 1e-6);
    CHECK(pair.neuron == planted_model().neuron);
    CHECK(cosine == Approx(1));
  }
  REQUIRE(found.layers.size() == 1);
  CHECK(found.layers[0].folded == spike::Folded::rms_gain);
  CHECK(found.layers[0].searched + found.layers[0].screened == 64);
}

TEST_CASE("screening lists the channels that a search of all lists") {
  DirectionsOptions screened, every;
  screened.top = every.top = 7;
  every.all_channels = true;
  const auto a = of_planted(screened), b = of_planted(every);
  REQUIRE(a.channels.size() == 7);
  REQUIRE(b.channels.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK(a.channels[i].layer == b.channels[i].layer);
    CHECK(a.channels[i].pair.channel == b.channels[i].pair.channel);
  }
  CHECK(b.layers[3].searched == 64);
}

TEST_CASE("channels asked for are all listed, ranked over layers, and progress is told") {
  DirectionsOptions options;
  options.channels = {5, 9};
  Index told = 0, norms_told = 0;
  options.progress = [&](Index layer, const std::string& step, Index done, Index total) {
    CHECK(layer < 6);
    CHECK(done <= total);
    if (step == "norms") {
      ++norms_told;
      return;
    }
    CHECK(step == "channels");
    CHECK(total == 2);
    ++told;
  };
  const auto found = of_planted(options);
  CHECK(found.layers.size() == 6);
  REQUIRE(found.channels.size() == 12);
  for (std::size_t i = 1; i < 12; ++i) {
    CHECK(std::abs(found.channels[i - 1].pair.lambda) >= std::abs(found.channels[i].pair.lambda));
  }
  CHECK(told >= 6);
  CHECK(norms_told >= 6);

  options.top = 3;
  CHECK(of_planted(options).channels.size() == 3);
  CHECK(of_planted({}).channels.size() == kTopDirections);
}

TEST_CASE("layers and channels that the model lacks throw") {
  DirectionsOptions options;
  options.layer = 6;
  CHECK_THROWS_AS(of_planted(options), index_error);
  options.layer = -1;
  CHECK_THROWS_AS(of_planted(options), index_error);
  options.layer.reset();
  options.channels = {64};
  CHECK_THROWS_AS(of_planted(options), index_error);
}
