#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>
#include <ostream>
#include <string>

#include "plumb/collapse/population.hpp"
#include "plumb/report/table.hpp"

/// Collapse of spike tokens and of their keys, for people and as the JSON fields "collapse" and
/// "keys".
namespace plumb::report {

namespace detail {

inline double degrees(double radians) { return radians * 180 / std::numbers::pi; }

constexpr const char* to_string(site::Stage stage) {
  switch (stage) {
    case site::Stage::projected: return "projected";
    case site::Stage::normalised: return "normalised";
    case site::Stage::rotated: return "rotated";
  }
  return "?";
}

/// A number, or null where it is absent or not finite.
inline nlohmann::ordered_json number_or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

/// `get` of a finding's value, or null.
template <class T, class Get>
nlohmann::ordered_json field(const Finding<T>& found, Get get) {
  return found ? number_or_null(get(*found)) : nlohmann::ordered_json();
}
template <class T, class Get>
nlohmann::ordered_json field(const std::optional<T>& found, Get get) {
  return found ? number_or_null(get(*found)) : nlohmann::ordered_json();
}

/// `get` of a finding's value in a table, or a dash.
template <class F, class Get>
std::string cell(const F& found, int decimals, Get get) {
  return found ? fixed(get(*found), decimals) : std::string("-");
}

inline nlohmann::ordered_json reason_or_null(const std::string& reason) {
  return reason.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(reason);
}

}  // namespace detail

/// One entry a block input. What does not apply is null, and "reason" says why.
inline nlohmann::ordered_json collapse_json(const collapse::Profile& profile) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& at : profile.blocks) {
    using collapse::MeanSparsity, collapse::NearConstancy, collapse::SpikeReads;
    using detail::field;
    const auto spike = [&](auto get) { return field(at.spike, get); };
    const auto close = [&](auto get) { return field(at.closeness, get); };
    const auto other = [&](auto get) { return field(at.other, get); };
    list.push_back(
        {{"layer", at.layer},
         {"block", to_string(at.block)},
         {"spike_positions", at.spikes},
         {"mean_cosine_before", spike([](const SpikeReads& s) { return s.cosine_before; })},
         {"mean_cosine_spike", spike([](const SpikeReads& s) { return s.cosine; })},
         {"mean_cosine_other", detail::number_or_null(at.cosine_other)},
         {"tau", close([](const NearConstancy& c) { return c.tau; })},
         {"theta", close([](const NearConstancy& c) { return c.theta; })},
         {"distance", close([](const NearConstancy& c) { return c.distance; })},
         {"distance_bound", close([](const NearConstancy& c) { return c.bound; })},
         {"largest_spike", spike([](const SpikeReads& s) { return s.mean.largest; })},
         {"largest_bound", spike([](const SpikeReads& s) { return s.bound.largest; })},
         {"hoyer_spike", spike([](const SpikeReads& s) { return s.mean.hoyer; })},
         {"hoyer_bound", spike([](const SpikeReads& s) { return s.bound.hoyer; })},
         {"hoyer_other", other([](const MeanSparsity& m) { return m.hoyer; })},
         {"participation_ratio_spike",
          spike([](const SpikeReads& s) { return s.mean.participation_ratio; })},
         {"participation_ratio_bound",
          spike([](const SpikeReads& s) { return s.bound.participation_ratio; })},
         {"participation_ratio_other",
          other([](const MeanSparsity& m) { return m.participation_ratio; })},
         {"near_zero_spike", spike([](const SpikeReads& s) { return s.mean.near_zero; })},
         {"near_zero_bound", spike([](const SpikeReads& s) { return s.bound.near_zero; })},
         {"near_zero_other", other([](const MeanSparsity& m) { return m.near_zero; })},
         {"reason", detail::reason_or_null(at.spike ? at.closeness.reason : at.spike.reason)}});
  }
  return list;
}

/// One entry a layer, kv head and stage.
inline nlohmann::ordered_json keys_json(const collapse::Profile& profile) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& at : profile.keys) {
    using collapse::KeyBounds, collapse::KeyCollapse;
    const auto keys = [&](auto get) { return detail::field(at.keys, get); };
    const auto bounds = [&](auto get) { return detail::field(at.bounds, get); };
    std::optional<double> smallest, largest;
    if (at.keys && at.keys->principal_angles.size() > 0) {
      smallest = detail::degrees(at.keys->principal_angles.minCoeff());
      largest = detail::degrees(at.keys->principal_angles.maxCoeff());
    }
    list.push_back(
        {{"layer", at.layer},
         {"kv_head", at.kv_head},
         {"stage", detail::to_string(at.stage)},
         {"before_rotary", at.stage != site::Stage::rotated},
         {"effective_rank_spike",
          keys([](const KeyCollapse& k) { return k.spike.effective_rank; })},
         {"effective_rank_other",
          keys([](const KeyCollapse& k) { return k.other.effective_rank; })},
         {"participation_ratio_spike",
          keys([](const KeyCollapse& k) { return k.spike.participation_ratio; })},
         {"participation_ratio_other",
          keys([](const KeyCollapse& k) { return k.other.participation_ratio; })},
         {"rank_99_spike",
          keys([](const KeyCollapse& k) { return static_cast<double>(k.spike.rank_99); })},
         {"rank_99_other",
          keys([](const KeyCollapse& k) { return static_cast<double>(k.other.rank_99); })},
         {"principal_angle_deg", detail::number_or_null(smallest)},
         {"principal_angle_largest_deg", detail::number_or_null(largest)},
         {"sigma_1", keys([](const KeyCollapse& k) { return k.spike.singular_values[0]; })},
         {"sigma_2", keys([](const KeyCollapse& k) { return k.spike.singular_values[1]; })},
         {"sigma_2_bound", bounds([](const KeyBounds& b) { return b.from_reads; })},
         {"sigma_2_bound_from_shape", bounds([](const KeyBounds& b) { return b.from_shape; })},
         {"distance", bounds([](const KeyBounds& b) { return b.distance; })},
         {"distance_bound", bounds([](const KeyBounds& b) { return b.ball; })},
         {"reason", detail::reason_or_null(at.keys ? at.bounds.reason : at.keys.reason)}});
  }
  return list;
}

/// What normalisation makes of spike tokens, block by block.
inline void print_collapse(std::ostream& out, const collapse::Profile& profile) {
  out << "\nCollapse: what blocks read of spike tokens, beside the rest\n";
  const auto applies = [](const auto& at) { return bool(at.spike); };
  if (std::none_of(profile.blocks.begin(), profile.blocks.end(), applies)) {
    out << "  not applicable: "
        << (profile.blocks.empty() ? "there are no blocks" : profile.blocks[0].spike.reason)
        << ".\n";
    return;
  }
  Table table({{"layer"},
               {"block", Table::Align::left},
               {"cosine"},
               {"others"},
               {"tau"},
               {"theta"},
               {"distance"},
               {"at most"},
               {"Hoyer"},
               {"at least"},
               {"others"},
               {"channels"},
               {"at most"}});
  std::string why;
  for (const auto& at : profile.blocks) {
    using detail::cell;
    const auto spike = [&](int decimals, auto get) { return cell(at.spike, decimals, get); };
    const auto close = [&](int decimals, auto get) { return cell(at.closeness, decimals, get); };
    table.add({std::to_string(at.layer), to_string(at.block),
               spike(3, [](const auto& s) { return s.cosine; }),
               cell(at.cosine_other, 3, [](double c) { return c; }),
               close(3, [](const auto& c) { return c.tau; }),
               close(3, [](const auto& c) { return c.theta; }),
               close(2, [](const auto& c) { return c.distance; }),
               close(2, [](const auto& c) { return c.bound; }),
               spike(2, [](const auto& s) { return s.mean.hoyer; }),
               spike(2, [](const auto& s) { return s.bound.hoyer; }),
               cell(at.other, 2, [](const auto& m) { return m.hoyer; }),
               spike(1, [](const auto& s) { return s.mean.participation_ratio; }),
               spike(1, [](const auto& s) { return s.bound.participation_ratio; })});
    if (why.empty() && !at.closeness) why = at.closeness.reason;
  }
  out << table
      << "  cosine: mean over pairs; channels: participation ratio; distance: the largest "
         "of a pair after the norm\n";
  if (!why.empty()) out << "  a dash: " << why << ".\n";
}

/// Keys of spike tokens, kv head by kv head.
inline void print_keys(std::ostream& out, const collapse::Profile& profile) {
  out << "\nKeys of spike tokens, beside the rest\n";
  const auto applies = [](const auto& at) { return bool(at.keys); };
  if (std::none_of(profile.keys.begin(), profile.keys.end(), applies)) {
    out << "  not applicable: "
        << (profile.keys.empty() ? "there are no keys" : profile.keys[0].keys.reason) << ".\n";
    return;
  }
  Table table({{"layer"},
               {"kv head"},
               {"stage", Table::Align::left},
               {"rank"},
               {"others"},
               {"angle"},
               {"sigma 1"},
               {"sigma 2"},
               {"at most"}});
  for (const auto& at : profile.keys) {
    const auto keys = [&](int decimals, auto get) { return detail::cell(at.keys, decimals, get); };
    const auto bounds = [&](auto get) { return detail::cell(at.bounds, 2, get); };
    const bool angled = at.keys && at.keys->principal_angles.size() > 0;
    table.add({std::to_string(at.layer), std::to_string(at.kv_head), detail::to_string(at.stage),
               keys(2, [](const auto& k) { return k.spike.effective_rank; }),
               keys(2, [](const auto& k) { return k.other.effective_rank; }),
               angled ? fixed(detail::degrees(at.keys->principal_angles.minCoeff()), 0)
                      : std::string("-"),
               keys(2, [](const auto& k) { return k.spike.singular_values[0]; }),
               at.keys && at.keys->spike.singular_values.size() > 1
                   ? fixed(at.keys->spike.singular_values[1], 2)
                   : std::string("-"),
               bounds([](const auto& b) { return b.from_reads; })});
  }
  out << table
      << "  rank: effective, by entropy; angle: the smallest principal one, in degrees, of "
         "the subspaces with 99 % of the energy\n";
}

}  // namespace plumb::report
