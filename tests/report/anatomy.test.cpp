#include "plumb/report/anatomy.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"

namespace {

plumb::report::TextAnatomy anatomy_of(const plumb::Decoder<double>& model,
                                      const plumb::TokenIds& ids) {
  const auto trace = plumb::trace(model, ids);
  return plumb::report::dissect(trace, plumb::sink::attention_received(trace));
}

/// Token 0 and then `ordinary` others, the ids of which are no spike tokens of the default plan.
plumb::TokenIds text(int ordinary) {
  plumb::TokenIds ids{0};
  for (int i = 0; i < ordinary; ++i) ids.push_back(2 + (7 * i) % 60);
  return ids;
}

}  // namespace

TEST_CASE("a text is dissected into what its parts say") {
  const auto planted = plumb::planted::make();
  const plumb::Decoder<double> model(planted.checkpoint);
  const auto ids = text(40);
  const auto trace = plumb::trace(model, ids);
  const auto received = plumb::sink::attention_received(trace);
  const auto found = plumb::report::dissect(trace, received);
  CHECK(found.ids == ids);
  CHECK(found.loss == plumb::next_token_loss<double>(trace.logits, ids));
  CHECK(found.outliers.tier == plumb::spike::Tier::massive);
  REQUIRE(found.life.step_up.size() == 1);
  CHECK(found.life.step_up[0].layer == planted.plan.step_up_layer);
  REQUIRE(found.account);
  CHECK(found.account->entries.size() == 12);
  CHECK(found.importance(2, 0) ==
        received.importance(2, 0, 0, plumb::sink::Queries::self_and_later));
  CHECK(found.ratios.first_token * 24 == Approx(2));
}

TEST_CASE("several texts are averaged, and the one that stands out most is shown") {
  const auto planted = plumb::planted::make();
  const plumb::Decoder<double> model(planted.checkpoint);
  auto quiet_ids = text(20);
  quiet_ids.erase(quiet_ids.begin());  // no spike token
  const auto quiet = anatomy_of(model, quiet_ids);
  const auto loud = anatomy_of(model, text(40));
  const auto all = plumb::report::combine({quiet, loud});
  CHECK(all.texts == 2);
  CHECK(all.text_index == 1);
  CHECK(all.shown.ids == loud.ids);
  CHECK(all.shortest == 20);
  CHECK(all.longest == 41);
  CHECK(*all.loss == Approx((*quiet.loss + *loud.loss) / 2));
  CHECK(all.importance(2, 0) == Approx((quiet.importance(2, 0) + loud.importance(2, 0)) / 2));
  CHECK(all.ratio_first_token == Approx((quiet.ratios.first_token + loud.ratios.first_token) / 2));
  CHECK_THROWS_AS(plumb::report::combine({}), plumb::shape_error);
}
