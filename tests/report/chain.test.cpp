#include "plumb/report/chain.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "plumb/model/planted.hpp"

using namespace plumb;

TEST_CASE("delimiters are punctuation that separates, and line breaks") {
  for (const char* text : {".", ",", "\n", " .", ";", ":", "!?", "\n\n", ".\n"}) {
    CHECK(report::is_delimiter(text));
  }
  for (const char* text : {"", " ", "a", "a.", "'", "-", "<s>"}) {
    CHECK_FALSE(report::is_delimiter(text));
  }
  CHECK(report::chain_positions({"<s>", "A", ".", "b", "\n"}) == std::vector<Index>{0, 2, 4});
  CHECK(report::chain_positions({"<s>", ".", ".", "."}, 2) == std::vector<Index>{0, 1, 2});
  CHECK(report::chain_positions({}) == std::vector<Index>{0});
}

TEST_CASE("chains as fields and as a table") {
  const auto planted = planted::make();
  const Decoder<double> model(planted.checkpoint);
  TokenIds ids{0};
  for (int i = 1; i < 30; ++i) ids.push_back(static_cast<TokenId>(2 + (7 * i) % 60));
  ids[12] = 1;
  const auto trace = plumb::trace(model, ids, TraceOptions{.inputs = true, .keys = true});
  const auto chains = sink::chains(trace, sink::attention_received(trace), {0, 12});

  const auto life = spike::life_cycle(trace, spike::find_outliers(trace.residual));
  const auto alignments = sink::alignments(model, trace, life);

  const auto json = report::chains_json(chains, alignments);
  REQUIRE(json.size() == 2);
  CHECK(json[1]["position"] == 12);
  CHECK(json[1]["token"] == 1);
  CHECK(json[1]["embedding_norm"].is_number());
  REQUIRE(json[1]["amplifier"].size() == 1);
  CHECK(json[1]["amplifier"][0]["layer"] == 1);
  CHECK(json[1]["amplifier"][0]["alignment"] == alignments[0].cosine_squared[12]);
  REQUIRE(json[1]["layers"].size() == 6);
  const auto link = json[1]["layers"][2];
  CHECK(link["ratio"].get<double>() > 1000);
  CHECK(link["read_cosine"].get<double>() > 0.999);
  CHECK(link["key_cosine"].size() == 2);
  CHECK(link["received"].size() == 4);
  for (const char* field : {"size", "channel", "hoyer", "participation_ratio", "near_zero"}) {
    CHECK(link[field].is_number());
  }

  std::ostringstream out;
  report::print_chains(out, chains, alignments, {"0 \"<s>\"", "12 \".\""});
  CHECK(out.str().find("12 \".\"") != std::string::npos);
  CHECK_THROWS_AS(report::print_chains(out, chains, alignments, {"one name"}), shape_error);
  std::ostringstream nothing;
  report::print_chains(nothing, {}, {}, {});
  CHECK(nothing.str().empty());
}
