#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "plumb/report/model.hpp"
#include "plumb/report/table.hpp"
#include "plumb/spike/census.hpp"
#include "plumb/weights/checkpoint.hpp"

namespace plumb::report {

namespace detail {

/// The token's id, with its text where there is a tokenizer.
inline std::string token_name(TokenId token, const std::vector<std::string>& texts) {
  const auto name = std::to_string(token);
  return texts.empty() ? name : name + " " + quote(texts[static_cast<std::size_t>(token)]);
}

/// The first few of a list, and how many more there are.
inline std::string first_few(const std::vector<std::string>& list, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(list.size(), most); ++i) {
    text += (i == 0 ? "" : ", ") + list[i];
  }
  if (list.size() > most) text += " and " + std::to_string(list.size() - most) + " more";
  return text;
}

inline std::string percent(double share) { return number(100 * share, 3) + " %"; }

inline void print_rule(std::ostream& out, const spike::Census& census) {
  const auto& rule = census.criterion;
  const auto massive = "|h| > " + number(rule.absolute) + " and " + number(rule.relative) +
                       " times the median of its point";
  const auto outlier = number(rule.outlier) + " times the median";
  switch (census.tier) {
    case spike::Tier::massive: out << "A token spikes where " << massive << ".\n"; break;
    case spike::Tier::outlier:
      out << "No token is massive: " << massive << ".\nHere a token spikes where |h| > " << outlier
          << ".\n";
      break;
    case spike::Tier::none: out << "No token spikes: none exceeds " << outlier << ".\n"; break;
  }
}

inline void print_exceptions(std::ostream& out, const spike::Census& census,
                             const std::vector<std::string>& texts) {
  constexpr std::size_t kListed = 20;
  if (census.tier == spike::Tier::none) return;
  const auto spiking = std::lround(census.share * static_cast<double>(census.tokens()));
  out << "\nOf " << census.tokens() << " tokens " << spiking << " spike where a layer reads";
  if (census.exceptions.empty()) {
    out << ".\n";
    return;
  }
  std::vector<std::string> names;
  for (const TokenId token : census.exceptions) names.push_back(token_name(token, texts));
  out << (census.exceptions_spike ? ":\n  " : "; all but:\n  ") << first_few(names, kListed)
      << '\n';
}

}  // namespace detail

/// The census that people read. `token_texts` as for to_json.
inline void print(std::ostream& out, const spike::Census& census, const Checkpoint& checkpoint,
                  const std::vector<std::string>& token_texts) {
  out << model_line(checkpoint) << '\n'
      << "The vocabulary of " << census.tokens()
      << " tokens at position 0, where a token sees itself only.\n";
  for (const auto& note : census.notes) out << "Note: " << note << ".\n";
  detail::print_rule(out, census);

  using Align = Table::Align;
  Table table({{"after", Align::left},
               {"largest"},
               {"token", Align::left},
               {"channel"},
               {"median |h|"},
               {"ratio"},
               {"spike"},
               {"in channels", Align::left}});
  for (std::size_t n = 0; n < census.points.size(); ++n) {
    const auto& point = census.points[n];
    std::vector<std::string> channels;
    for (const Index k : point.channels) channels.push_back(std::to_string(k));
    table.add({n == 0 ? "embedding" : "layer " + std::to_string(n - 1), fixed(point.value, 2),
               detail::token_name(point.token, token_texts), std::to_string(point.channel),
               number(point.median, 3), number(point.ratio(), 3), detail::percent(point.share),
               detail::first_few(channels, 6)});
  }
  out << '\n' << table;
  detail::print_exceptions(out, census, token_texts);
}

}  // namespace plumb::report
