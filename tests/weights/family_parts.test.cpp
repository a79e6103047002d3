#include "plumb/weights/family_parts.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

/// The parts by themselves. What families make of them is for families.test.cpp and
/// config.test.cpp to see.

using namespace plumb;
using namespace plumb::detail;
using nlohmann::json;

namespace {

/// What `part(config, a)` makes of an architecture of 24 channels, 4 heads and 3 layers.
template <class Part>
Architecture with(const char* text, const Part& part) {
  const auto object = json::parse(text);
  ConfigObject config("file", "", object);
  Architecture a;
  a.hidden_size = 24;
  a.heads = a.kv_heads = 4;
  a.layers = 3;
  a.head_dim = 6;
  part(config, a);
  return a;
}

const auto head_dim = [](auto& config, auto& a) { read_head_dim(config, a); };
const auto kv_heads = [](auto& config, auto& a) { read_kv_heads(config, a); };
const auto rotary = [](auto& config, auto& a) { read_rotary(config, a); };
const auto windows = [](auto& config, auto& a) {
  read_windows(config, a, 5, [](Index layer) { return layer == 1; });
};

}  // namespace

TEST_CASE("a head has its share of the channels unless it states another size") {
  CHECK(with("{}", head_dim).head_dim == 6);
  CHECK(with(R"({"head_dim": 16})", head_dim).head_dim == 16);
  CHECK(with(R"({"head_dim": 16})", head_dim).attention_scale == 0.25);
  CHECK(with("{}", kv_heads).kv_heads == 4);
  CHECK(with(R"({"num_key_value_heads": 2})", kv_heads).kv_heads == 2);
  CHECK_THROWS_WITH(with(R"({"num_key_value_heads": 3})", kv_heads),
                    "file: 'num_key_value_heads' does not divide num_attention_heads");
}

TEST_CASE("rotary is the same in both spellings") {
  const auto old =
      with(R"({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2}})", rotary);
  const auto now = with(
      R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "linear", "factor": 2}})", rotary);
  CHECK(old.rotary_theta == 5e5);
  CHECK(old.rotary == RotaryKind::linear);
  CHECK(old.rotary_scaling.factor == 2);
  CHECK(now.rotary_theta == old.rotary_theta);
  CHECK(now.rotary == old.rotary);
  CHECK(now.rotary_scaling.factor == old.rotary_scaling.factor);
  CHECK(with("{}", rotary).rotary_theta == 10000);
}

TEST_CASE("windows are where the list says, or else where the family has them") {
  CHECK(with("{}", windows).windows == std::vector<Index>{0, 5, 0});
  const char* all_full =
      R"({"layer_types": ["full_attention", "full_attention", "full_attention"]})";
  CHECK(with(all_full, windows).windows.empty());
  const char* last =
      R"({"layer_types": ["full_attention", "full_attention", "sliding_attention"]})";
  CHECK(with(last, windows).windows == std::vector<Index>{0, 0, 5});
  const auto none = [](auto& config, auto& a) {
    read_windows(config, a, 0, [](Index) { return true; });
  };
  CHECK(with("{}", none).windows.empty());
  CHECK_THROWS_WITH(with(last, none), Catch::Matchers::Contains("there is no window"));
}

TEST_CASE("a window that is null is none, and one that is absent is the family's") {
  const auto window = [](const char* text) {
    const auto object = json::parse(text);
    ConfigObject config("file", "", object);
    return read_window(config, 4096);
  };
  CHECK(window("{}") == 4096);
  CHECK(window(R"({"sliding_window": null})") == 0);
  CHECK(window(R"({"sliding_window": 7})") == 7);
}
