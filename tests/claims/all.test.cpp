#include "plumb/claims/all.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "plumb/claims/evidence.hpp"
#include "support/evidence.hpp"

TEST_CASE("all claims are held against a model, each one that is listed") {
  const plumb::Decoder<double> model(plumb::Checkpoint::open(plumb::test::bundled_golden().model));
  const auto ids = plumb::read_ids(model.checkpoint().path + "/ids.npy");
  const auto results = plumb::claims::check_all(model, plumb::trace(model, ids));
  std::set<std::string> ids_checked, ids_listed;
  for (const auto& result : results) {
    INFO(result.id << " " << result.part << ": "
                   << (result.worst ? plumb::test::describe(*result.worst) : result.reason));
    CHECK(result.violated == 0);
    CHECK(result.unresolved == 0);
    if (result.verdict() == plumb::claims::Verdict::vacuous) CHECK_FALSE(result.reason.empty());
    ids_checked.insert(std::string(result.id));
  }
  for (const auto& evidence : plumb::claims::kEvidence) {
    ids_listed.insert(std::string(evidence.id));
  }
  CHECK(ids_checked == ids_listed);
}
