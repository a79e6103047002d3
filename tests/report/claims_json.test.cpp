#include "plumb/report/claims_json.hpp"

#include <catch2/catch.hpp>

#include "plumb/model/planted.hpp"

using namespace plumb;

TEST_CASE("the fields that others rely on are there") {
  claims::Result holds;
  holds.id = "rms-bounded";
  holds.part = "b";
  holds.holds = 12;
  holds.tightest =
      claims::Finding{claims::Verdict::holds,
                      7.5,
                      8,
                      1e-12,
                      false,
                      {},
                      claims::Where{.layer = 2, .block = Block::attention, .position = 0}};
  claims::Result vacuous;
  vacuous.id = "my-own-claim";
  vacuous.relation = claims::Relation::equal;
  vacuous.reason = "there is a gate";
  const auto json = report::to_json(std::vector{holds, vacuous}, planted::make().checkpoint);

  CHECK(json["schema"] == "plumb.claims/1");
  CHECK(json["model"]["layers"] == 6);
  const auto& first = json["claims"][0];
  CHECK(first["id"] == "rms-bounded");
  CHECK(first["part"] == "b");
  CHECK(first["verdict"] == "holds");
  CHECK(first["relation"] == "<=");
  CHECK(first["lhs"] == 7.5);
  CHECK(first["rhs"] == 8);
  CHECK(first["slack"] == 0.5);
  CHECK(first["where"]["layer"] == 2);
  CHECK(first["where"]["block"] == "attention");
  CHECK(first["where"]["head"].is_null());
  CHECK(first["where"]["channel"].is_null());
  CHECK(first["where"]["position"] == 0);
  CHECK(first["sites"]["holds"] == 12);
  CHECK(first["evidence"].size() >= 2);
  CHECK(first["evidence"][0] == "property");

  const auto& second = json["claims"][1];
  CHECK(second["part"].is_null());
  CHECK(second["verdict"] == "vacuous");
  CHECK(second["relation"] == "=");
  CHECK(second["lhs"].is_null());
  CHECK(second["where"].is_null());
  CHECK(second["reason"] == "there is a gate");
  CHECK(second["evidence"].empty());
}
