#include "plumb/report/write_budget.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

using namespace plumb;
using report::BlockBudget;

namespace {

std::vector<BlockBudget> budgets_of(const Checkpoint& checkpoint, const TokenIds& ids) {
  const Decoder<double> model(checkpoint);
  const auto trace = plumb::trace(model, ids);
  const auto outliers = spike::find_outliers(trace.residual);
  return report::block_budgets(model, trace, outliers, spike::life_cycle(trace, outliers));
}

}  // namespace

TEST_CASE("every block of a planted model wrote at most what its weights allow") {
  const auto planted = planted::make({});
  const auto budgets = budgets_of(planted.checkpoint, {0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  REQUIRE(budgets.size() == 12);
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    CHECK(budgets[i].layer == static_cast<Index>(i / 2));
    CHECK(budgets[i].block == (i % 2 == 0 ? Block::attention : Block::feed_forward));
    CHECK(budgets[i].written <= budgets[i].allowed * (1 + 1e-12));
  }
  // Layer 1 steps up and layer 4 down: no other block may write as much, on any text.
  const double step = std::min(budgets[3].written, budgets[9].written);
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    if (i != 3 && i != 9) CHECK(budgets[i].allowed < step);
  }
  CHECK(budgets[3].allowed < 2 * budgets[3].written);
}

TEST_CASE("where nothing stands out there is nothing to budget") {
  const auto planted = planted::make({});
  CHECK(budgets_of(planted.checkpoint, {5, 6, 7, 8}).empty());
  std::ostringstream out;
  report::print_block_budgets(out, {}, 0);
  CHECK(out.str().empty());
  CHECK(report::block_budgets_json({}, 0).empty());
}

TEST_CASE("a line a layer, and null in JSON where nothing bounds a write") {
  const double infinite = std::numeric_limits<double>::infinity();
  const std::vector<BlockBudget> budgets{
      {0, Block::attention, 1.5, infinite, spike::WriteRule::none},
      {0, Block::feed_forward, 52.87, 60.25, spike::WriteRule::feed_forward}};
  std::ostringstream out;
  report::print_block_budgets(out, budgets, 61);
  CHECK(out.str() ==
        "\nWrite budget, channel 61: the largest |write| of each block, and what its weights allow "
        "on any text\n"
        "  layer  attention   allowed  feed_forward  allowed\n"
        "      0        1.5  no bound          52.9     60.2\n"
        "  a feed_forward block that stepped up is bounded by its signed majorants, which is "
        "sharper\n");
  const auto json = report::block_budgets_json(budgets, 61);
  CHECK(json[0]["allowed"].is_null());
  CHECK(json[1] == nlohmann::ordered_json({{"layer", 0},
                                           {"block", "feed_forward"},
                                           {"channel", 61},
                                           {"written", 52.87},
                                           {"allowed", 60.25},
                                           {"rule", "feed-forward"}}));
}
