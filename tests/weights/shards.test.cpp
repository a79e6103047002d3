#include "plumb/weights/shards.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temporary.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using plumb::test::TemporaryDirectory;

namespace {

void write_shard(const fs::path& path, const std::vector<std::string>& names) {
  std::vector<plumb::Tensor> tensors;
  for (const auto& name : names) {
    const std::vector<float> values(2, static_cast<float>(name.size()));
    tensors.push_back(plumb::make_tensor<float>(name, {2}, values));
  }
  std::ofstream out(path, std::ios::binary);
  plumb::write_safetensors(out, tensors);
}

/// Two shards: a, bb in one.safetensors, ccc in two.safetensors, and their index.
struct Folder {
  TemporaryDirectory folder;
  json map = {{"a", "one.safetensors"}, {"bb", "one.safetensors"}, {"ccc", "two.safetensors"}};

  Folder() {
    write_shard(folder.path() / "one.safetensors", {"bb", "a"});
    write_shard(folder.path() / "two.safetensors", {"ccc"});
  }
  fs::path write_index(const json& weight_map) const {
    return folder.write(
        plumb::kIndexName,
        json{{"metadata", {{"total_size", 24}}}, {"weight_map", weight_map}}.dump());
  }
  /// What the load_error says, or "read".
  std::string fault(const json& weight_map) const {
    try {
      plumb::read_shards(write_index(weight_map));
    } catch (const plumb::load_error& error) {
      return error.what();
    }
    return "read";
  }
  std::string path(const char* name) const { return (folder.path() / name).string(); }
};

}  // namespace

TEST_CASE("the tensors of all shards are read, in any order, and know their file") {
  const Folder folder;
  const auto tensors = plumb::read_shards(folder.write_index(folder.map));
  REQUIRE(tensors.size() == 3);
  for (const auto& [name, tensor] : tensors) {
    CHECK(tensor.name == name);
    CHECK(plumb::read_vector<float>(tensor)[1] == static_cast<float>(name.size()));
    CHECK(tensor.file == folder.path(name == "ccc" ? "two.safetensors" : "one.safetensors"));
  }
}

TEST_CASE("a shard that is missing is named before any is read") {
  const Folder folder;
  auto map = folder.map;
  map["dddd"] = "three.safetensors";
  folder.folder.write("one.safetensors", "broken");
  CHECK(folder.fault(map) ==
        folder.path(plumb::kIndexName) + ": shard 'three.safetensors' is missing");
}

TEST_CASE("a tensor that is not where the index has it is named") {
  const Folder folder;
  auto elsewhere = folder.map;
  elsewhere["bb"] = "two.safetensors";
  CHECK(folder.fault(elsewhere) == folder.path("one.safetensors") +
                                       ": holds tensor 'bb', which the index does not list in it");
  auto more = folder.map;
  more["a2"] = "one.safetensors";
  CHECK(folder.fault(more) ==
        folder.path("one.safetensors") + ": lacks tensor 'a2', which the index lists in it");
  auto fewer = folder.map;
  fewer.erase("a");
  CHECK(folder.fault(fewer) ==
        folder.path("one.safetensors") + ": holds tensor 'a', which the index does not list in it");
  // The same name in two shards.
  write_shard(folder.folder.path() / "two.safetensors", {"ccc", "a"});
  CHECK(folder.fault(folder.map) ==
        folder.path("two.safetensors") + ": holds tensor 'a', which the index does not list in it");
}

TEST_CASE("an index that is malformed is refused, and leads nowhere else") {
  const Folder folder;
  const auto index = folder.path(plumb::kIndexName);
  for (const auto* text : {"[]", "{}", R"({"weight_map": 1})", R"({"weight_map": ["a"]})"}) {
    const auto path = folder.folder.write(plumb::kIndexName, text);
    CHECK_THROWS_WITH(plumb::read_shards(path), index + ": has no weight_map");
  }
  CHECK(folder.fault(json::object()) == index + ": has an empty weight_map");
  CHECK(folder.fault({{"a", 1}}) == index + ": names no file for tensor 'a'");
  for (const std::string name : {"", ".", "..", "/etc/passwd", "../one.safetensors", "a/b"}) {
    CHECK(folder.fault({{"a", name}}) ==
          index + ": tensor 'a' is in '" + name + "', which is no file name");
  }
}

TEST_CASE("a folder's weights are the one file if it is there, or else the shards") {
  const Folder folder;
  CHECK_THROWS_WITH(plumb::read_weights(folder.folder.path()),
                    Catch::Matchers::StartsWith(folder.path(plumb::kWeightsName)));
  folder.write_index(folder.map);
  CHECK(plumb::read_weights(folder.folder.path()).size() == 3);
  write_shard(folder.folder.path() / plumb::kWeightsName, {"alone"});
  CHECK(plumb::read_weights(folder.folder.path()).size() == 1);
}
