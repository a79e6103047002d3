#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>

#include "plumb/report/table.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/config.hpp"
#include "plumb/weights/tensor_names.hpp"

/// What a checkpoint is, before it is run.
namespace plumb::report {

/// The field "model" of every JSON report.
inline nlohmann::ordered_json model_json(const Checkpoint& checkpoint) {
  const auto& a = checkpoint.architecture;
  return {{"path", checkpoint.path},
          {"family", a.family},
          {"layers", a.layers},
          {"hidden_size", a.hidden_size},
          {"heads", a.heads},
          {"kv_heads", a.kv_heads},
          {"head_dim", a.head_dim},
          {"vocab_size", a.vocab_size},
          {"parameters", parameter_count(a)}};
}

/// One line: path, family, sizes.
inline std::string model_line(const Checkpoint& checkpoint) {
  const auto& a = checkpoint.architecture;
  return checkpoint.path + ": " + a.family + ", " + std::to_string(a.layers) + " layers, hidden " +
         std::to_string(a.hidden_size) + ", " + std::to_string(a.heads) + " heads of " +
         std::to_string(a.head_dim) + " (" + std::to_string(a.kv_heads) + " kv), vocabulary " +
         std::to_string(a.vocab_size) + ", " +
         number(static_cast<double>(parameter_count(a)) / 1e6, 3) + " M parameters";
}

/// Everything that the architecture says, one line each.
inline void print_info(std::ostream& out, const Checkpoint& checkpoint) {
  const auto& a = checkpoint.architecture;
  using Align = Table::Align;
  Table table({{"checkpoint", Align::left}, {checkpoint.path, Align::left}});
  const auto count = [](Index n) { return std::to_string(n); };
  std::set<std::string> dtypes;
  std::size_t bytes = 0;
  for (const auto& entry : checkpoint.tensors) {
    dtypes.insert(std::string(info(entry.second.dtype).name));
    bytes += entry.second.bytes.size();
  }
  std::string stored;
  for (const auto& dtype : dtypes) stored += (stored.empty() ? "" : ", ") + dtype;

  table.add({"family", a.family});
  table.add({"layers", count(a.layers)});
  table.add({"hidden size", count(a.hidden_size)});
  table.add({"feed-forward", count(a.feed_forward_size) + " neurons, gated " +
                                 std::string(spell(kActivations, a.activation))});
  table.add({"heads", count(a.heads) + " of " + count(a.head_dim) + ", " + count(a.kv_heads) +
                          " kv heads, logit scale " + number(a.attention_scale)});
  table.add({"norm before blocks", std::string(spell(kNormKinds, a.pre_norm))});
  table.add({"norm on block outputs", std::string(spell(kNormKinds, a.post_norm))});
  table.add({"norm on queries, keys", std::string(spell(kQkNorms, a.qk_norm))});
  table.add({"norm eps", number(a.norm_eps)});
  table.add({"attention gate", std::string(spell(kAttentionGates, a.attention_gate))});
  table.add({"rotary", "theta " + number(a.rotary_theta, 6) + ", " +
                           std::string(spell(kRotaryPairings, a.rotary_pairing))});
  table.add({"context", count(a.context_length) + " tokens"});
  table.add({"vocabulary", count(a.vocab_size) + (a.tied_head ? ", head tied" : ", head apart")});
  table.add({"start token", a.bos_token_id ? count(*a.bos_token_id) : "none"});
  table.add({"parameters", count(parameter_count(a))});
  table.add({"stored", count(static_cast<Index>(checkpoint.tensors.size())) + " tensors, " +
                           stored + ", " + number(static_cast<double>(bytes) / 1e6, 4) + " MB"});
  out << table;
}

}  // namespace plumb::report
