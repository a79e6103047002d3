#include "plumb/report/collapse.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

using namespace plumb;

namespace {

collapse::Profile profile_of(const std::vector<double>& sizes, const TokenIds& ids) {
  planted::Plan plan;
  plan.spike_sizes = sizes;
  const Decoder<double> model(planted::make(plan).checkpoint);
  const auto trace = plumb::trace(model, ids, TraceOptions{.inputs = true, .keys = true});
  collapse::Population population;
  collapse::add(population, trace, spike::find_outliers(trace.residual));
  return collapse::measure(population, model);
}

const std::vector<double> kThree{3000, 1800, 1100};
const TokenIds kText{0, 5, 6, 1, 7, 8, 2, 9, 10};

std::string text_of(const collapse::Profile& profile) {
  std::ostringstream out;
  report::print_collapse(out, profile);
  report::print_keys(out, profile);
  return out.str();
}

bool says(const std::string& text, const char* words) {
  INFO(text);
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("the fields of collapse and keys") {
  const auto profile = profile_of(kThree, kText);
  const auto blocks = report::collapse_json(profile);
  REQUIRE(blocks.size() == 12);
  const auto& plateau = blocks[5];  // the feed-forward block of layer 2
  CHECK(plateau["layer"] == 2);
  CHECK(plateau["block"] == "feed_forward");
  CHECK(plateau["spike_positions"] == 3);
  for (const char* field :
       {"mean_cosine_spike", "mean_cosine_other", "tau", "theta", "distance", "distance_bound",
        "hoyer_spike", "hoyer_bound", "hoyer_other", "participation_ratio_spike",
        "participation_ratio_bound", "near_zero_spike", "near_zero_bound"}) {
    INFO(field);
    CHECK(plateau[field].is_number());
  }
  CHECK(plateau["mean_cosine_spike"].get<double>() > 0.999);
  CHECK(plateau["tau"] == profile.blocks[5].closeness->tau);
  CHECK(plateau["reason"].is_null());

  const auto keys = report::keys_json(profile);
  REQUIRE(keys.size() == 6 * 2 * 2);
  const auto& head = keys[8];  // layer 2, kv head 0, as projected
  CHECK(head["layer"] == 2);
  CHECK(head["kv_head"] == 0);
  CHECK(head["stage"] == "projected");
  CHECK(head["before_rotary"] == true);
  CHECK(head["effective_rank_spike"].get<double>() < 1.05);
  CHECK(head["sigma_2"].get<double>() <= head["sigma_2_bound"].get<double>() * (1 + 1e-9));
  CHECK(keys[9]["stage"] == "rotated");
  CHECK(keys[9]["before_rotary"] == false);
  CHECK(keys[9]["sigma_2"].is_number());
  CHECK(keys[9]["sigma_2_bound"].is_null());
}

TEST_CASE("what does not apply is null, with the reason, and the rest is there") {
  const auto profile = profile_of({3000, 1800}, {0, 5, 6, 7});
  const auto block = report::collapse_json(profile)[5];
  for (const char* field :
       {"mean_cosine_spike", "tau", "hoyer_spike", "participation_ratio_spike"}) {
    CHECK(block[field].is_null());
  }
  CHECK(block["mean_cosine_other"].is_number());
  CHECK(block["hoyer_other"].is_number());
  CHECK(block["reason"] == "one spike token");
  const auto keys = report::keys_json(profile)[0];
  CHECK(keys["effective_rank_spike"].is_null());
  CHECK(keys["reason"] == "one spike token");
}

TEST_CASE("the tables, or why there are none") {
  const auto text = text_of(profile_of(kThree, kText));
  CHECK(says(text, "Collapse: what blocks read of spike tokens"));
  CHECK(says(text, "feed_forward"));
  CHECK(says(text, "projected"));
  CHECK_FALSE(says(text, "not applicable"));
  const auto none = text_of(profile_of({3000, 1800}, {0, 5, 6, 7}));
  CHECK(says(none, "not applicable: one spike token."));
  CHECK(says(text_of(profile_of({3000}, {5, 6, 7})), "not applicable: no spike token."));
  CHECK(says(text_of({}), "not applicable"));
}
