#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <set>
#include <string>

#include "plumb/report/table.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/config.hpp"
#include "plumb/weights/outline.hpp"
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

namespace detail {

/// How many tensors, of which dtypes, and how large.
inline std::string stored_text(const Tensors& tensors) {
  std::set<std::string> dtypes;
  std::size_t bytes = 0;
  for (const auto& entry : tensors) {
    dtypes.insert(std::string(info(entry.second.dtype).name));
    bytes += entry.second.bytes.size();
  }
  std::string names;
  for (const auto& dtype : dtypes) names += (names.empty() ? "" : ", ") + dtype;
  return std::to_string(tensors.size()) + " tensors, " + names + ", " +
         number(static_cast<double>(bytes) / 1e6, 4) + " MB";
}

inline std::string rotary_text(const Architecture& a) {
  if (a.rotary == RotaryKind::none && a.layer_rotary.empty()) return "none";
  std::string text = "theta " + number(a.rotary_theta, 6) + ", " +
                     std::string(spell(kRotaryPairings, a.rotary_pairing));
  if (a.rotary_dim != 0) text += ", " + std::to_string(a.rotary_dim) + " of a head";
  if (a.rotary == RotaryKind::linear || a.rotary == RotaryKind::llama3) {
    text += ", " + std::string(spell(kRotaryKinds, a.rotary)) + " scaling by " +
            number(a.rotary_scaling.factor);
  }
  const auto without = std::count(a.layer_rotary.begin(), a.layer_rotary.end(), RotaryKind::none);
  if (without > 0) text += ", none in " + std::to_string(without) + " layers";
  return text;
}

inline std::string window_text(const Architecture& a) {
  const auto without = std::count(a.windows.begin(), a.windows.end(), 0);
  const auto with = static_cast<std::ptrdiff_t>(a.windows.size()) - without;
  if (with == 0) return "none";
  return std::to_string(*std::max_element(a.windows.begin(), a.windows.end())) + " tokens in " +
         std::to_string(with) + " layers";
}

inline std::string bias_text(const Biases& b) {
  std::string text;
  const auto add = [&](bool there, const char* name) {
    if (there) text += (text.empty() ? "" : ", ") + std::string(name);
  };
  add(b.query, "query");
  add(b.key, "key");
  add(b.value, "value");
  add(b.output, "output");
  add(b.gate, "gate");
  add(b.up, "up");
  add(b.down, "down");
  return text.empty() ? "none" : text;
}

inline std::string cap_text(const std::optional<double>& cap) {
  return cap ? number(*cap) : "none";
}

}  // namespace detail

/// Everything that the architecture says, one line each.
inline void print_info(std::ostream& out, const Checkpoint& checkpoint) {
  const auto& a = checkpoint.architecture;
  using Align = Table::Align;
  Table table({{"checkpoint", Align::left}, {checkpoint.path, Align::left}});
  const auto count = [](Index n) { return std::to_string(n); };

  table.add({"family", a.family});
  table.add({"layers", count(a.layers)});
  table.add({"hidden size", count(a.hidden_size)});
  table.add({"feed-forward", count(a.feed_forward_size) + " neurons, " +
                                 std::string(spell(kFeedForwardKinds, a.feed_forward)) + " " +
                                 std::string(spell(kActivations, a.activation))});
  table.add({"heads", count(a.heads) + " of " + count(a.head_dim) + ", " + count(a.kv_heads) +
                          " kv heads, logit scale " + number(a.attention_scale)});
  table.add({"norm before blocks", std::string(spell(kNormKinds, a.pre_norm))});
  table.add({"norm on block outputs", std::string(spell(kNormKinds, a.post_norm))});
  table.add({"norm on queries, keys", std::string(spell(kQkNorms, a.qk_norm))});
  table.add({"norm at the end", std::string(spell(kNormKinds, a.final_norm))});
  table.add({"norm eps", number(a.norm_eps)});
  table.add({"attention gate", std::string(spell(kAttentionGates, a.attention_gate))});
  table.add({"blocks", a.parallel_residual ? "side by side" : "one after the other"});
  table.add({"biases", detail::bias_text(a.biases)});
  table.add({"windows", detail::window_text(a)});
  table.add({"soft cap of attention", detail::cap_text(a.attention_soft_cap)});
  table.add({"soft cap of logits", detail::cap_text(a.logit_soft_cap)});
  table.add({"rotary", detail::rotary_text(a)});
  table.add({"learned positions", a.learned_positions ? "yes" : "no"});
  table.add({"embedding scale", number(a.embedding_scale)});
  table.add({"context", count(a.context_length) + " tokens"});
  table.add({"vocabulary", count(a.vocab_size) + (a.tied_head ? ", head tied" : ", head apart")});
  table.add({"start token", a.bos_token_id ? count(*a.bos_token_id) : "none"});
  table.add({"parameters", count(parameter_count(a))});
  table.add({"stored", detail::stored_text(checkpoint.tensors)});
  out << table;
}

/// What is known of a checkpoint that plumb does not run, and why it does not.
inline void print_info(std::ostream& out, const Outline& outline) {
  using Align = Table::Align;
  Table table({{"checkpoint", Align::left}, {outline.path, Align::left}});
  const auto add = [&](const char* name, const std::optional<Index>& size) {
    if (size) table.add({name, std::to_string(*size)});
  };
  table.add({"family", outline.family});
  add("layers", outline.layers);
  add("hidden size", outline.hidden_size);
  add("feed-forward", outline.feed_forward_size);
  add("heads", outline.heads);
  add("kv heads", outline.kv_heads);
  add("context", outline.context_length);
  add("vocabulary", outline.vocab_size);
  if (outline.tensors.empty()) {
    table.add({"stored", outline.no_tensors});
  } else {
    Index parameters = 0;
    for (const auto& entry : outline.tensors) parameters += entry.second.size();
    table.add({"numbers stored", std::to_string(parameters)});
    table.add({"stored", detail::stored_text(outline.tensors)});
  }
  table.add({"not run", outline.missing});
  out << table;
}

}  // namespace plumb::report
