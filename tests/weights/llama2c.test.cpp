#include "plumb/weights/llama2c.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "plumb/weights/checkpoint.hpp"
#include "support/temporary.hpp"

using plumb::Index;
using plumb::read_llama2c;
using plumb::test::TemporaryDirectory;

namespace {

/// dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len.
using Header = std::array<std::int32_t, 7>;

constexpr Header kHeader = {8, 5, 2, 2, 1, -3, 6};

/// Floats behind a header of kHeader's kind: the definition, read off export.py.
std::size_t floats(const Header& h) {
  const auto [dim, hidden, layers, heads, kv_heads, vocab, seq] = h;
  const int head = dim / heads, kv = head * kv_heads, tokens = vocab < 0 ? -vocab : vocab;
  const int layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim;
  const int head_matrix = vocab < 0 ? tokens * dim : 0;
  return static_cast<std::size_t>(tokens * dim + layers * layer + dim + seq * head + head_matrix);
}

/// Float i has the value i.
std::string file(const Header& header, std::size_t count) {
  std::string bytes(reinterpret_cast<const char*>(header.data()), sizeof(header));
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return bytes.append(reinterpret_cast<const char*>(values.data()), count * sizeof(float));
}

std::string fault(const std::string& bytes) {
  const TemporaryDirectory directory;
  return plumb::test::fault(directory.write("model.bin", bytes), read_llama2c);
}

/// What is wrong with a file in which one field of the header is another.
std::string field_fault(std::size_t field, std::int32_t value) {
  Header header = kHeader;
  header[field] = value;
  return fault(file(header, floats(kHeader)));
}

}  // namespace

TEST_CASE("llama2.c: tensors lie one behind the other, kind by kind") {
  const TemporaryDirectory directory;
  const auto path = directory.write("model.bin", file(kHeader, floats(kHeader)));
  const auto checkpoint = plumb::Checkpoint::open(path);
  CHECK_NOTHROW(checkpoint.validate());
  CHECK(checkpoint.path == path.string());
  const auto& a = checkpoint.architecture;
  CHECK(a.family == "llama2.c");
  CHECK(a.layers == 2);
  CHECK(a.head_dim == 4);
  CHECK(a.kv_heads == 1);
  CHECK(a.vocab_size == 3);
  CHECK(a.context_length == 6);
  CHECK_FALSE(a.tied_head);
  CHECK(a.norm_eps == 1e-5);
  CHECK(a.attention_scale == 0.5);
  CHECK(a.rotary_theta == 10000.0);
  CHECK(a.rotary_pairing == plumb::RotaryPairing::interleaved);
  CHECK(a.bos_token_id == 1);

  const auto first = [&](const std::string& name) {
    return plumb::read_rows<double>(checkpoint.tensor(name), 0, 1)(0, 0);
  };
  Index at = 0;
  const auto next = [&](const std::string& name, Index size) {
    CAPTURE(name);
    CHECK(first(name) == static_cast<double>(at));
    at += size;
  };
  next("model.embed_tokens.weight", 3 * 8);
  const auto layers = [&](const std::string& name, Index size) {
    for (const char* layer : {"0.", "1."}) next("model.layers." + std::string(layer) + name, size);
  };
  layers("input_layernorm.weight", 8);
  layers("self_attn.q_proj.weight", 8 * 8);
  layers("self_attn.k_proj.weight", 4 * 8);
  layers("self_attn.v_proj.weight", 4 * 8);
  layers("self_attn.o_proj.weight", 8 * 8);
  layers("post_attention_layernorm.weight", 8);
  layers("mlp.gate_proj.weight", 5 * 8);
  layers("mlp.down_proj.weight", 8 * 5);
  layers("mlp.up_proj.weight", 5 * 8);
  next("model.norm.weight", 8);
  at += 6 * 4;  // the rotary tables
  next("lm_head.weight", 3 * 8);
  CHECK(static_cast<std::size_t>(at) == floats(kHeader));
}

TEST_CASE("llama2.c: a positive vocab_size ties the head") {
  Header header = kHeader;
  header[5] = 3;
  const TemporaryDirectory directory;
  const auto path = directory.write("model.bin", file(header, floats(header)));
  const auto checkpoint = plumb::Checkpoint::open(path);
  CHECK(checkpoint.architecture.tied_head);
  CHECK_FALSE(checkpoint.tensors.contains("lm_head.weight"));
  CHECK_NOTHROW(checkpoint.validate());
}

TEST_CASE("llama2.c: a checkpoint may be saved as a folder") {
  const TemporaryDirectory directory;
  const auto path = directory.write("model.bin", file(kHeader, floats(kHeader)));
  const auto checkpoint = plumb::Checkpoint::open(path);
  checkpoint.save(directory.path() / "folder");
  const auto saved = plumb::Checkpoint::open(directory.path() / "folder");
  CHECK(saved.architecture.rotary_pairing == plumb::RotaryPairing::interleaved);
  CHECK(saved.tensors.size() == checkpoint.tensors.size());
  for (const auto& [name, tensor] : checkpoint.tensors) {
    CAPTURE(name);
    CHECK(plumb::read_matrix<float>(saved.tensor(name)) == plumb::read_matrix<float>(tensor));
  }
}

TEST_CASE("llama2.c: headers that cannot be are refused") {
  constexpr std::array<const char*, 7> kNames = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                                 "n_kv_heads", "vocab_size", "seq_len"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const std::string would = "is no checkpoint of llama2.c: its " + std::string(kNames[i]);
    CHECK(field_fault(i, 0) == would + " would be 0");
    if (i != 5) CHECK(field_fault(i, -4) == would + " would be -4");
    CHECK(field_fault(i, std::numeric_limits<std::int32_t>::max()) != "no load_error");
    CHECK(field_fault(i, std::numeric_limits<std::int32_t>::min()) != "no load_error");
  }
  CHECK(field_fault(0, 6).find("6 channels, 2 heads and 1 kv heads do not fit") !=
        std::string::npos);
  CHECK(field_fault(4, 3).find("do not fit each other") != std::string::npos);
  Header later = kHeader;
  later[0] = 0x616b3432;
  later[1] = 2;
  CHECK(fault(file(later, 100)) == "is of version 2 of llama2.c, expected version 0");
}

TEST_CASE("llama2.c: the size of the file is that of its tensors") {
  const std::string whole = file(kHeader, floats(kHeader));
  CHECK(fault(whole) == "no load_error");
  CHECK(fault("") == "truncated: 0 bytes cannot hold a header of llama2.c");
  CHECK(fault(whole.substr(0, 27)) == "truncated: 27 bytes cannot hold a header of llama2.c");
  const auto bytes = std::to_string(whole.size() - 29);
  CHECK(fault(whole.substr(0, whole.size() - 1)) ==
        "is truncated, or no checkpoint of llama2.c: lm_head.weight does not fit into the " +
            bytes + " bytes after the header");
  CHECK(fault(whole.substr(0, 28)).find("model.embed_tokens.weight does not fit") !=
        std::string::npos);
  CHECK(fault(whole + "x") == "1 bytes follow the last tensor");
  CHECK(fault(whole + std::string(400, 'x')) == "400 bytes follow the last tensor");
}

TEST_CASE("llama2.c: a missing file is named") {
  const TemporaryDirectory directory;
  const auto open = [](const std::filesystem::path& path) { return plumb::Checkpoint::open(path); };
  CHECK(plumb::test::fault(directory.path() / "none.bin", open) == "no such folder");
}
