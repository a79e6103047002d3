#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/report/collapse.hpp"
#include "plumb/report/table.hpp"
#include "plumb/sink/alignment.hpp"
#include "plumb/sink/chain.hpp"

/// The causal chain of a text's first token and delimiters, for people and as the JSON field
/// "chain".
namespace plumb::report {

/// Is a token's text punctuation that separates, or a line break? Spaces around it do not matter.
inline bool is_delimiter(std::string_view text) {
  const auto separates = [](char c) {
    return std::string_view(".,;:!?\n\r").find(c) != std::string_view::npos;
  };
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  return std::any_of(text.begin(), text.end(), separates) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return separates(c) || blank(c); });
}

/// Positions worth a chain: the first token, and the first `most` delimiters after it. Without
/// `texts` of the tokens the first token alone.
inline std::vector<Index> chain_positions(const std::vector<std::string>& texts,
                                          std::size_t most = 8) {
  std::vector<Index> positions{0};
  for (std::size_t t = 1; t < texts.size() && positions.size() <= most; ++t) {
    if (is_delimiter(texts[t])) positions.push_back(static_cast<Index>(t));
  }
  return positions;
}

namespace detail {

inline double largest_received(const sink::ChainLink& link) {
  return link.received.empty() ? 0 : *std::max_element(link.received.begin(), link.received.end());
}

/// The layer in which some head gives the token most.
inline const sink::ChainLink& strongest_link(const sink::Chain& chain) {
  return *std::max_element(
      chain.links.begin(), chain.links.end(),
      [](const auto& a, const auto& b) { return largest_received(a) < largest_received(b); });
}

/// Of the first amplifier, or a dash where there is none.
inline std::string alignment(const std::vector<sink::Alignment>& alignments,
                             const sink::Chain& chain) {
  if (alignments.empty()) return "-";
  return fixed(alignments[0].cosine_squared[static_cast<std::size_t>(chain.position)], 3);
}

}  // namespace detail

/// One entry a chain. `alignments` are those of the same pass, or none.
inline nlohmann::ordered_json chains_json(const std::vector<sink::Chain>& chains,
                                          const std::vector<sink::Alignment>& alignments) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& chain : chains) {
    auto amplified = nlohmann::ordered_json::array();
    for (const auto& a : alignments) {
      const auto t = static_cast<std::size_t>(chain.position);
      amplified.push_back({{"layer", a.layer},
                           {"channel", a.channel},
                           {"lambda", a.pair.lambda},
                           {"status", to_string(a.pair.status)},
                           {"alignment", a.cosine_squared[t]},
                           {"rank_one", a.rank_one[t]},
                           {"write", a.write[t]}});
    }
    auto links = nlohmann::ordered_json::array();
    for (const auto& link : chain.links) {
      auto keys = nlohmann::ordered_json::array();
      for (const auto& cosine : link.key_cosine) keys.push_back(detail::number_or_null(cosine));
      links.push_back(
          {{"layer", link.layer},
           {"size", link.size},
           {"channel", link.channel},
           {"ratio", detail::number_or_null(link.ratio)},
           {"hoyer", detail::number_or_null(link.read.hoyer)},
           {"participation_ratio", detail::number_or_null(link.read.participation_ratio)},
           {"near_zero", link.read.near_zero},
           {"read_cosine", detail::number_or_null(link.read_cosine)},
           {"key_cosine", keys},
           {"received", link.received}});
    }
    list.push_back({{"position", chain.position},
                    {"token", chain.id},
                    {"embedding_norm", chain.embedding_norm},
                    {"amplifier", amplified},
                    {"layers", links}});
  }
  return list;
}

/// One line a token, in the layer in which some head gives it most. `names` are what tokens are
/// called, one a chain.
inline void print_chains(std::ostream& out, const std::vector<sink::Chain>& chains,
                         const std::vector<sink::Alignment>& alignments,
                         const std::vector<std::string>& names) {
  require_size("print_chains", "names", static_cast<Index>(names.size()),
               static_cast<Index>(chains.size()));
  if (chains.empty() || chains[0].links.empty()) return;
  out << "\nChain of causes: first token and delimiters, where a head gives them most\n";
  Table table({{"token", Table::Align::left},
               {"|embedding|"},
               {"cos^2"},
               {"layer"},
               {"|h|"},
               {"x median"},
               {"Hoyer"},
               {"read cos"},
               {"key cos"},
               {"received"},
               {"head"}});
  for (std::size_t i = 0; i < chains.size(); ++i) {
    const auto& link = detail::strongest_link(chains[i]);
    const auto head =
        std::max_element(link.received.begin(), link.received.end()) - link.received.begin();
    const auto heads = static_cast<std::ptrdiff_t>(link.received.size());
    const auto kv_heads = static_cast<std::ptrdiff_t>(link.key_cosine.size());
    const auto& key_cosine = link.key_cosine[static_cast<std::size_t>(head * kv_heads / heads)];
    const auto itself = [](double cosine) { return cosine; };
    table.add({names[i], number(chains[i].embedding_norm, 3),
               detail::alignment(alignments, chains[i]), std::to_string(link.layer),
               number(link.size, 4), number(link.ratio, 3),
               detail::cell(link.read.hoyer, 2, itself), detail::cell(link.read_cosine, 2, itself),
               detail::cell(key_cosine, 2, itself),
               fixed(link.received[static_cast<std::size_t>(head)], 3), std::to_string(head)});
  }
  out << table
      << "  cos^2: alignment of what the first step-up block reads with the direction that it "
         "amplifies;\n  read cos, key cos: cosine of what attention reads, and of the key before "
         "rotary, to the first token's;\n  received: mean weight from later queries, 0 where there "
         "are none\n";
}

}  // namespace plumb::report
