#include "plumb/weights/checkpoint.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <string>
#include <utility>
#include <vector>

#include "support/architectures.hpp"
#include "support/temporary.hpp"

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using plumb::Architecture;
using plumb::Checkpoint;
using plumb::Dtype;
using plumb::Index;
using plumb::Tensor;
using plumb::test::TemporaryDirectory;

namespace {

const fs::path kTinyLlama = fs::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama";
const fs::path kFixtures = fs::path(PLUMB_SOURCE_DIR) / "tests/fixtures";

/// Finite numbers in a dtype of floats, of either sign.
Tensor random_tensor(const std::string& name, Dtype dtype, std::vector<Index> shape,
                     std::mt19937& engine) {
  Tensor tensor{"memory", name, dtype, std::move(shape), {}, nullptr};
  const auto size = plumb::info(dtype).size;
  auto bytes =
      std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(tensor.size()) * size);
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    // The last byte holds sign and upper exponent: no exponent of ones.
    const auto random = engine() & 0xff;
    (*bytes)[i] = static_cast<std::byte>(i % size == size - 1 ? (random & 0x80) | 0x3b : random);
  }
  tensor.bytes = *bytes;
  tensor.owner = std::move(bytes);
  return tensor;
}

Checkpoint random_checkpoint(const Architecture& architecture, unsigned seed,
                             const std::vector<Dtype>& dtypes = {Dtype::f32}) {
  Checkpoint checkpoint{"memory", architecture, {}};
  std::mt19937 engine(seed);
  for (const auto& [name, shape] : plumb::tensor_shapes(architecture)) {
    checkpoint.replace(random_tensor(name, dtypes[engine() % dtypes.size()], shape, engine));
  }
  return checkpoint;
}

/// Something of every kind, and tied or not.
Architecture small(bool tied = false) {
  Architecture a;
  a.family = "plumb";
  a.layers = 2;
  a.hidden_size = 4;
  a.feed_forward_size = 6;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 2;
  a.vocab_size = 9;
  a.context_length = 8;
  a.pre_norm = plumb::NormKind::dynamic_tanh;
  a.post_norm = plumb::NormKind::rms_norm;
  a.norm_eps = 1e-5;
  a.qk_norm = plumb::QkNorm::all_heads;
  a.attention_gate = plumb::AttentionGate::head;
  a.attention_scale = 0.7;
  a.rotary_theta = 1e4;
  a.tied_head = tied;
  a.bos_token_id = 3;
  return a;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// What differs between two checkpoints, or nothing.
std::string difference(const Checkpoint& a, const Checkpoint& b) {
  if (plumb::to_config(a.architecture) != plumb::to_config(b.architecture)) return "architecture";
  if (a.tensors.size() != b.tensors.size()) return "number of tensors";
  for (const auto& [name, tensor] : a.tensors) {
    const auto& other = b.tensor(name);
    if (other.dtype != tensor.dtype) return name + ": dtype";
    if (other.shape != tensor.shape) return name + ": shape";
    if (!same_bytes(tensor, other)) return name + ": bytes";
  }
  return {};
}

std::string validation_fault(const Checkpoint& checkpoint) {
  try {
    checkpoint.validate();
  } catch (const plumb::load_error& error) {
    return error.what();
  }
  return "valid";
}

std::string open_fault(const fs::path& folder) {
  try {
    Checkpoint::open(folder);
  } catch (const plumb::load_error& error) {
    return error.what();
  }
  return "opened";
}

/// A folder of random tensors as another program may have written it.
void write_folder(const fs::path& folder, const Checkpoint& checkpoint) {
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << plumb::to_config(checkpoint.architecture).dump();
  std::vector<Tensor> list;
  for (const auto& [name, tensor] : checkpoint.tensors) list.push_back(tensor);
  std::ofstream weights(folder / "model.safetensors", std::ios::binary);
  plumb::write_safetensors(weights, list);
}

}  // namespace

// ---- Opening
// -------------------------------------------------------------------------------------

TEST_CASE("the bundled checkpoint opens, and its parameters are the sum over its tensors") {
  const auto checkpoint = Checkpoint::open(kTinyLlama);
  CHECK(checkpoint.path == kTinyLlama.string());
  CHECK(checkpoint.architecture.family == "llama");
  CHECK(checkpoint.architecture.layers == 6);
  Index total = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    CHECK(tensor.name == name);
    CHECK(tensor.file == (kTinyLlama / "model.safetensors").string());
    total += tensor.size();
  }
  CHECK(plumb::parameter_count(checkpoint.architecture) == total);
  CHECK(total == 2 * 512 * 64 + 6 * (4 * 64 * 64 + 3 * 64 * 176 + 2 * 64) + 64);
}

TEST_CASE("a folder that lacks something is refused with what it lacks") {
  const TemporaryDirectory folder;
  CHECK(open_fault(folder.path() / "none") ==
        (folder.path() / "none").string() + ": no such folder");
  const auto file = folder.write("file", "text");
  CHECK(open_fault(file) == file.string() + ": no such folder");
  CHECK_THAT(open_fault(folder.path()),
             StartsWith((folder.path() / "config.json").string() + ": No such file"));
  folder.write("config.json", plumb::to_config(small()).dump());
  CHECK_THAT(open_fault(folder.path()),
             StartsWith((folder.path() / "model.safetensors").string() + ": No such file"));
  folder.write("model.safetensors", "short");
  CHECK_THAT(open_fault(folder.path()),
             StartsWith((folder.path() / "model.safetensors").string() + ": truncated"));
  folder.write("config.json", "{}");
  CHECK(open_fault(folder.path()) ==
        (folder.path() / "config.json").string() + ": 'model_type' is missing");
}

TEST_CASE("a path that the system refuses is refused like any other") {
  CHECK_THAT(open_fault(std::string(300, 'x')), EndsWith(": no such folder"));
  CHECK(open_fault("") == ": no such folder");
}

TEST_CASE("a folder whose files do not fit each other is refused") {
  const TemporaryDirectory folder;
  auto checkpoint = random_checkpoint(small(), 1);
  write_folder(folder.path(), checkpoint);
  CHECK(open_fault(folder.path()) == "opened");
  const auto weights = (folder.path() / "model.safetensors").string();

  checkpoint.architecture.layers = 3;
  write_folder(folder.path(), checkpoint);
  CHECK_THAT(open_fault(folder.path()),
             StartsWith(weights + ": tensor 'model.layers.2.") && EndsWith("is missing"));
  checkpoint.architecture.layers = 1;
  write_folder(folder.path(), checkpoint);
  CHECK_THAT(open_fault(folder.path()), StartsWith(weights + ": tensor 'model.layers.1.") &&
                                            EndsWith("has no place in this architecture"));
}

TEST_CASE("a configuration of more layers than there are tensors is refused without counting") {
  // A list of what so many layers hold would take all memory.
  const TemporaryDirectory folder;
  auto checkpoint = random_checkpoint(small(), 1);
  checkpoint.architecture.layers = 200'000;
  write_folder(folder.path(), checkpoint);
  CHECK_THAT(open_fault(folder.path()), Contains("200000 layers"));
}

TEST_CASE("a checkpoint in shards opens as the same in one file") {
  const TemporaryDirectory folder;
  const auto whole = random_checkpoint(small(), 1);
  write_folder(folder.path(), whole);
  fs::remove(folder.path() / "model.safetensors");
  std::vector<Tensor> shards[2];
  nlohmann::json map;
  int i = 0;
  for (const auto& [name, tensor] : whole.tensors) {
    const int shard = i++ % 2;
    shards[shard].push_back(tensor);
    map[name] = "part-" + std::to_string(shard) + ".safetensors";
  }
  for (int shard = 0; shard < 2; ++shard) {
    std::ofstream out(folder.path() / ("part-" + std::to_string(shard) + ".safetensors"),
                      std::ios::binary);
    plumb::write_safetensors(out, shards[shard]);
  }
  folder.write("model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
  CHECK(difference(Checkpoint::open(folder.path()), whole) == "");
}

TEST_CASE("names without the prefix are given it, and stored masks are left out of account") {
  for (const auto layout :
       {plumb::TensorLayout::llama, plumb::TensorLayout::gpt2, plumb::TensorLayout::gpt_neox}) {
    auto architecture = small();
    architecture.tensors = layout;
    architecture.kv_heads = architecture.heads;
    const std::string prefix = plumb::layout_words(layout).prefix;
    const auto whole = random_checkpoint(architecture, 1);
    auto bare = whole;
    bare.tensors.clear();
    for (auto [name, tensor] : whole.tensors) {
      if (name.starts_with(prefix)) tensor.name = name.substr(prefix.size());
      bare.replace(tensor);
    }
    const TemporaryDirectory folder;
    write_folder(folder.path(), bare);
    const auto opened = Checkpoint::open(folder.path());
    CHECK(difference(opened, whole) == "");
    for (const auto& [name, tensor] : opened.tensors) CHECK(tensor.name == name);
    if (layout == plumb::TensorLayout::llama) continue;
    std::mt19937 engine(2);
    bare.replace(random_tensor(
        layout == plumb::TensorLayout::gpt2 ? "h.0.attn.bias" : "layers.0.attention.bias",
        Dtype::f32, {1, 1, 8, 8}, engine));
    write_folder(folder.path(), bare);
    CHECK(open_fault(folder.path()) == "opened");
  }
}

TEST_CASE("a tied checkpoint may store its embedding as the head alone") {
  const auto whole = random_checkpoint(small(true), 1);
  auto headed = whole;
  auto node = headed.tensors.extract("model.embed_tokens.weight");
  node.mapped().name = "lm_head.weight";
  headed.replace(node.mapped());
  const TemporaryDirectory folder;
  write_folder(folder.path(), headed);
  CHECK(difference(Checkpoint::open(folder.path()), whole) == "");
  // One that is not tied has two matrices.
  headed.architecture.tied_head = false;
  write_folder(folder.path(), headed);
  CHECK_THAT(open_fault(folder.path()), EndsWith("'model.embed_tokens.weight' is missing"));
}

// ---- Validation
// ----------------------------------------------------------------------------------

TEST_CASE("each tensor that is missing is named") {
  for (const bool tied : {false, true}) {
    const auto checkpoint = random_checkpoint(small(tied), 1);
    REQUIRE(validation_fault(checkpoint) == "valid");
    for (const auto& [name, tensor] : checkpoint.tensors) {
      auto lacking = checkpoint;
      lacking.tensors.erase(name);
      CHECK(validation_fault(lacking) == "memory: tensor '" + name + "' is missing");
    }
  }
  CHECK_THAT(validation_fault({"memory", small(), {}}), StartsWith("memory: "));
}

TEST_CASE("each tensor of another shape is named with both shapes") {
  const auto checkpoint = random_checkpoint(small(), 1);
  std::mt19937 engine(2);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    auto longer = tensor.shape, flat = std::vector<Index>{tensor.size()}, deeper = tensor.shape;
    ++longer.back();
    deeper.insert(deeper.begin(), 1);
    if (flat == tensor.shape) flat = {tensor.size(), 1};
    for (const auto& shape : {longer, flat, deeper, std::vector<Index>{}}) {
      auto misshapen = checkpoint;
      misshapen.replace(random_tensor(name, Dtype::f32, shape, engine));
      CHECK(validation_fault(misshapen) ==
            "memory: tensor '" + name + "' has shape " + plumb::to_string(shape) +
                ", the configuration needs " + plumb::to_string(tensor.shape));
    }
  }
}

TEST_CASE("each tensor of integers is named with its dtype, and floats of any width are valid") {
  const auto checkpoint = random_checkpoint(small(), 1);
  std::mt19937 engine(2);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    for (const auto dtype : {Dtype::i64, Dtype::i32, Dtype::f64, Dtype::f16, Dtype::bf16}) {
      auto other = checkpoint;
      other.replace(random_tensor(name, dtype, tensor.shape, engine));
      const auto spelled = std::string(plumb::info(dtype).name);
      CHECK(validation_fault(other) ==
            (plumb::is_floating(dtype)
                 ? "valid"
                 : "memory: tensor '" + name + "' has dtype " + spelled + ", expected floats"));
    }
  }
}

TEST_CASE("a tensor that would be ignored is named") {
  const auto checkpoint = random_checkpoint(small(), 1);
  std::mt19937 engine(2);
  for (const std::string name :
       {"extra", "", "model.layers.2.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.bias",
        "model.layers.0.self_attn.q_proj.bias", "model.norm.alpha", "lm_head.bias",
        "model.layers.0.self_attn.rotary_emb.inv_freq.weight"}) {
    auto more = checkpoint;
    more.replace(random_tensor(name, Dtype::f32, {2}, engine));
    CHECK(validation_fault(more) ==
          "memory: tensor '" + name + "' has no place in this architecture");
  }
}

TEST_CASE("a stored rotary table and a second copy of a tied head are no faults") {
  auto checkpoint = random_checkpoint(small(true), 1);
  std::mt19937 engine(2);
  checkpoint.replace(
      random_tensor("model.layers.1.self_attn.rotary_emb.inv_freq", Dtype::f32, {1}, engine));
  checkpoint.replace(random_tensor("lm_head.weight", Dtype::f32, {9, 4}, engine));
  CHECK(validation_fault(checkpoint) == "valid");
}

TEST_CASE("a fault names the file that the tensor came from") {
  auto checkpoint = Checkpoint::open(kTinyLlama);
  std::mt19937 engine(2);
  checkpoint.replace(random_tensor("model.norm.weight", Dtype::f32, {63}, engine));
  CHECK_THAT(validation_fault(checkpoint), StartsWith("memory: tensor 'model.norm.weight'"));
  checkpoint = Checkpoint::open(kTinyLlama);
  checkpoint.replace(random_tensor("model.extra", Dtype::f32, {63}, engine));
  CHECK_THAT(validation_fault(checkpoint), StartsWith("memory: tensor 'model.extra'"));
}

TEST_CASE("any architecture accepts its own tensors") {
  rc::prop("whatever it is made of", [] {
    using rc::gen::inRange;
    Architecture a = small();
    a.layers = *inRange(1, 4);
    a.kv_heads = *inRange(1, 3);
    a.heads = a.kv_heads * *inRange(1, 4);
    a.head_dim = 2 * *inRange(1, 4);
    a = plumb::test::some_architecture(a);
    const auto checkpoint = random_checkpoint(a, *inRange(0u, 1000u),
                                              {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16});
    RC_ASSERT(validation_fault(checkpoint) == "valid");

    const TemporaryDirectory folder;
    checkpoint.save(folder.path());
    RC_ASSERT(difference(Checkpoint::open(folder.path()), checkpoint) == "");
  });
}

// ---- A value that is edited
// ----------------------------------------------------------------------

TEST_CASE("a tensor is found by its name, or its absence is named") {
  const auto checkpoint = random_checkpoint(small(), 1);
  CHECK(checkpoint.tensor("model.norm.weight").name == "model.norm.weight");
  CHECK_THROWS_AS(checkpoint.tensor("model.norm"), plumb::load_error);
  CHECK_THROWS_WITH(checkpoint.tensor("model.norm"), "memory: no tensor 'model.norm'");
}

TEST_CASE("replacing a tensor changes one checkpoint, and the rest stays shared with its copy") {
  const auto original = random_checkpoint(small(), 1);
  auto edited = original;
  std::mt19937 engine(2);
  const auto gain = random_tensor("model.norm.weight", Dtype::f64, {4}, engine);
  edited.replace(gain);
  CHECK(edited.tensor("model.norm.weight").dtype == Dtype::f64);
  CHECK(edited.tensor("model.norm.weight").bytes.data() == gain.bytes.data());
  CHECK(original.tensor("model.norm.weight").dtype == Dtype::f32);
  CHECK(edited.tensors.size() == original.tensors.size());
  for (const auto& [name, tensor] : original.tensors) {
    if (name == "model.norm.weight") continue;
    CHECK(edited.tensor(name).bytes.data() == tensor.bytes.data());
  }
  edited.replace(random_tensor("new", Dtype::f32, {1}, engine));
  CHECK(edited.tensors.size() == original.tensors.size() + 1);
}

TEST_CASE("a weight that is a part of a tensor is replaced there") {
  auto architecture = small();
  architecture.tensors = plumb::TensorLayout::phi3;
  const auto original = random_checkpoint(architecture, 1);
  auto edited = original;
  const auto names = plumb::layer_names(architecture, 1);
  const auto read = [&](const Checkpoint& c, const plumb::StoredWeight& place) {
    return plumb::read_weight<float>(c.tensor(place.tensor), place);
  };
  const plumb::Matrix<float> key = plumb::Matrix<float>::Ones(4, 4);
  edited.replace(names.key, key);
  CHECK(validation_fault(edited) == "valid");
  CHECK(read(edited, names.key) == key);
  CHECK(read(edited, names.query) == read(original, names.query));
  CHECK(read(edited, names.value) == read(original, names.value));
  CHECK(read(original, names.key) != key);
}

// ---- Saving
// --------------------------------------------------------------------------------------

TEST_CASE("every fixture opens again as it was saved") {
  int saved = 0;
  for (const auto* family : {"plumb", "hf"}) {
    for (const auto& entry : fs::directory_iterator(kFixtures / family)) {
      if (!entry.is_directory()) continue;
      INFO(entry.path());
      const TemporaryDirectory folder;
      const auto checkpoint = Checkpoint::open(entry.path());
      checkpoint.save(folder.path());
      CHECK(difference(Checkpoint::open(folder.path()), checkpoint) == "");
      ++saved;
    }
  }
  CHECK(saved == 34);
}

TEST_CASE("saving makes the folders above, and keeps dtypes") {
  const TemporaryDirectory folder;
  const auto checkpoint = Checkpoint::open(kTinyLlama);
  const auto deep = folder.path() / "a" / "b";
  checkpoint.save(deep);
  const auto again = Checkpoint::open(deep);
  CHECK(difference(again, checkpoint) == "");
  CHECK(again.architecture.family == "plumb");
  CHECK(again.path == deep.string());
  CHECK(again.tensor("model.layers.0.self_attn.q_proj.weight").dtype == Dtype::bf16);
  CHECK(std::distance(fs::directory_iterator(deep), fs::directory_iterator()) == 2);
}

TEST_CASE("saving over an older checkpoint replaces it") {
  const TemporaryDirectory folder;
  random_checkpoint(small(), 1).save(folder.path());
  auto smaller = small(true);
  smaller.layers = 1;
  const auto checkpoint = random_checkpoint(smaller, 2);
  checkpoint.save(folder.path());
  CHECK(difference(Checkpoint::open(folder.path()), checkpoint) == "");
}

TEST_CASE("a checkpoint that was opened can be edited and saved where it came from") {
  const TemporaryDirectory folder;
  random_checkpoint(small(), 1).save(folder.path());
  auto checkpoint = Checkpoint::open(folder.path());
  std::mt19937 engine(2);
  checkpoint.replace(random_tensor("model.norm.weight", Dtype::f32, {4}, engine));
  checkpoint.save(folder.path());
  CHECK(difference(Checkpoint::open(folder.path()), checkpoint) == "");
  auto expected = random_checkpoint(small(), 1);
  expected.replace(checkpoint.tensor("model.norm.weight"));
  CHECK(difference(Checkpoint::open(folder.path()), expected) == "");
}

TEST_CASE("a place that cannot be written is refused by name") {
  const TemporaryDirectory folder;
  const auto checkpoint = random_checkpoint(small(), 1);
  const auto save_fault = [&](const fs::path& path) {
    try {
      checkpoint.save(path);
    } catch (const plumb::load_error& error) {
      return std::string(error.what());
    }
    return std::string("saved");
  };
  const auto file = folder.write("file", "text");
  CHECK_THAT(save_fault(file), StartsWith(file.string() + ": "));
  CHECK_THAT(save_fault(file / "below"), StartsWith((file / "below").string() + ": "));

  for (const auto* name : {"config.json", "model.safetensors"}) {
    const auto target = folder.path() / ("no-" + std::string(name));
    fs::create_directories(target / name / "occupied");
    CHECK(save_fault(target) == (target / name).string() + ": cannot be written");
  }
}
