#include "plumb/report/directions_json.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "plumb/model/planted.hpp"

using namespace plumb;
using namespace plumb::report;

namespace {

/// Made up, with one layer that has no form.
Directions sample() {
  Directions directions;
  directions.layers.push_back({0, spike::Obstacle::none, spike::Folded::rms_gain, 3, 61});
  directions.layers.push_back({1, spike::Obstacle::no_gate, spike::Folded::nothing, 0, 0});
  spike::Eigenpair pair;
  pair.channel = 7;
  pair.status = spike::PairStatus::tied;
  pair.lambda = -2;
  pair.opposite = 2;
  pair.direction = Vector<double>{{0.6, -0.8}};
  pair.residual = 1e-9;
  pair.neuron = 4;
  pair.applications = 12;
  directions.channels.push_back({0, pair, -0.5});
  return directions;
}

}  // namespace

TEST_CASE("directions have the fields of their schema, and null for what is unknown") {
  const auto checkpoint = planted::make().checkpoint;
  const auto json = to_json(sample(), checkpoint);
  CHECK(json["schema"] == "plumb.directions/1");
  CHECK(json["model"]["layers"] == 6);
  CHECK(json["layers"][0]["obstacle"].is_null());
  CHECK(json["layers"][0]["screened"] == 61);
  CHECK(json["layers"][1]["obstacle"] == "the feed-forward block has no gate");
  const auto& channel = json["channels"][0];
  CHECK(channel["layer"] == 0);
  CHECK(channel["channel"] == 7);
  CHECK(channel["lambda1"] == -2);
  CHECK(channel["lambda2_abs_bound"].is_null());
  CHECK(channel["frobenius"].is_null());
  CHECK(channel["energy_share"].is_null());
  CHECK(channel["residual"] == 1e-9);
  CHECK(channel["applications"] == 12);
  CHECK(channel["status"] == "tied");
  CHECK(channel["neuron"] == 4);
  CHECK(channel["neuron_cosine"] == -0.5);
  CHECK_FALSE(channel.contains("direction"));
  CHECK(to_json(sample(), checkpoint, true)["channels"][0]["direction"] ==
        std::vector<double>{0.6, -0.8});
}
