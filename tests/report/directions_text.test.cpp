#include "plumb/report/directions_text.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

using namespace plumb;
using namespace plumb::report;

namespace {

std::string text_of(const Directions& directions) {
  std::ostringstream out;
  print(out, directions, planted::make().checkpoint);
  return out.str();
}

bool says(const std::string& text, const char* words) {
  INFO(text);
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("directions are a table, with what was left out") {
  Directions directions;
  directions.layers.push_back({0, spike::Obstacle::none, spike::Folded::rms_gain, 3, 61});
  spike::Eigenpair pair;
  pair.channel = 7;
  pair.lambda = -2.5;
  pair.neuron = 4;
  pair.status = spike::PairStatus::converged;
  pair.norms = spike::FormNorms{0, 3, 3, 5};
  directions.channels.push_back({0, pair, -0.5});
  const auto text = text_of(directions);
  CHECK(says(text, "the gain of RMSNorm is folded"));
  CHECK(says(text, "3 channels searched, 61 left out because ||S||_F is too small"));
  CHECK(says(text, "0        7    -2.5"));
  CHECK(says(text, "0.694"));  // 2.5^2 / 3^2
  CHECK(says(text, "converged"));
}

TEST_CASE("a layer without a form is said to have none") {
  Directions directions;
  directions.layers.push_back({2, spike::Obstacle::no_gate, spike::Folded::nothing, 0, 0});
  const auto text = text_of(directions);
  CHECK(says(text, "Layer 2: the feed-forward block has no gate."));
  CHECK_FALSE(says(text, "energy share"));
  directions.layers[0] = {2, spike::Obstacle::input_bias, spike::Folded::nothing, 5, 0};
  CHECK(says(text_of(directions), "has a bias, so S is not the even part of F."));
}
