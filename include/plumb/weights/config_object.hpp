#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/spellings.hpp"

/// A configuration is read key by key: a key that is known with its type and range checked; a key
/// that is not may change the mathematics, so it is refused by name.
namespace plumb {

/// One JSON object, read key by key. Remembers which keys were asked for, so that `finish` can
/// refuse the others. null counts as absent. Every member throws load_error naming the key.
class ConfigObject {
 public:
  ConfigObject(std::string file, std::string prefix, const nlohmann::json& object)
      : file_(std::move(file)), prefix_(std::move(prefix)), object_(object) {
    if (object_.is_object()) return;
    const auto name =
        prefix_.empty() ? "the file" : "'" + prefix_.substr(0, prefix_.size() - 1) + "'";
    throw load_error(file_, name + " is no JSON object");
  }

  /// Is the key there, if only with null?
  bool given(const std::string& key) const { return object_.contains(key); }

  bool has(const std::string& key) {
    known_.insert(key);
    return object_.contains(key) && !object_[key].is_null();
  }

  std::string text(const std::string& key) {
    if (!require(key).is_string()) refuse(key, "is no string");
    return object_[key].get<std::string>();
  }

  /// A whole number from `least` up to 2^31 - 1.
  Index count(const std::string& key, Index least = 1) {
    const auto& value = require(key);
    if (!is_count(value, least)) {
      refuse(key, "is " + value.dump() + ", expected a whole number of at least " +
                      std::to_string(least));
    }
    return value.get<Index>();
  }
  Index count_or(const std::string& key, Index fallback) {
    return has(key) ? count(key) : fallback;
  }

  /// A list of `size` whole numbers from `least` up to 2^31 - 1.
  std::vector<Index> counts(const std::string& key, Index size, Index least) {
    std::vector<Index> list;
    for (const auto& entry : entries(key, size)) {
      if (!is_count(entry, least)) {
        refuse(key, "holds " + entry.dump() + ", expected whole numbers of at least " +
                        std::to_string(least));
      }
      list.push_back(entry.get<Index>());
    }
    return list;
  }

  /// A finite number above zero.
  double positive(const std::string& key) {
    const auto& value = require(key);
    const double number = value.is_number() ? value.get<double>() : -1.0;
    if (!std::isfinite(number) || number <= 0) {
      refuse(key, "is " + value.dump() + ", expected a number above zero");
    }
    return number;
  }
  double positive_or(const std::string& key, double fallback) {
    return has(key) ? positive(key) : fallback;
  }

  bool flag_or(const std::string& key, bool fallback) {
    if (!has(key)) return fallback;
    if (!object_[key].is_boolean()) refuse(key, "is " + object_[key].dump() + ", expected a flag");
    return object_[key].get<bool>();
  }

  template <class Enum, std::size_t N>
  Enum choice_or(const std::string& key, const Spellings<Enum, N>& table, Enum fallback) {
    return has(key) ? choice(key, text(key), "is", table) : fallback;
  }

  /// A list of `size` choices.
  template <class Enum, std::size_t N>
  std::vector<Enum> choices(const std::string& key, const Spellings<Enum, N>& table, Index size) {
    std::vector<Enum> list;
    for (const auto& entry : entries(key, size)) {
      if (!entry.is_string()) refuse(key, "holds " + entry.dump() + ", expected strings");
      list.push_back(choice(key, entry.get<std::string>(), "holds", table));
    }
    return list;
  }

  /// Accepts a flag only when it is `value`, or absent.
  void insist(const std::string& key, bool value) {
    if (flag_or(key, value) == value) return;
    lacks(key, std::string("is ") + (value ? "false" : "true") + ", which plumb does not support");
  }

  /// The object under `key`.
  ConfigObject object(const std::string& key) { return {file_, prefix_ + key + ".", require(key)}; }

  /// Accepts keys that say nothing about the forward pass.
  void ignore(std::initializer_list<const char*> keys) { known_.insert(keys.begin(), keys.end()); }

  /// Refuses what was not asked for.
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key) && !value.is_null()) {
        lacks(key, "is not known to plumb, and it may change the mathematics");
      }
    }
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& fault) const {
    throw load_error(file_, "'" + prefix_ + key + "' " + fault);
  }

  /// Refuses what is well-formed, but no part of plumb.
  [[noreturn]] void lacks(const std::string& key, const std::string& fault) const {
    throw unsupported_error(file_, "'" + prefix_ + key + "' " + fault);
  }

 private:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();

  static bool is_count(const nlohmann::json& value, Index least) {
    return value.is_number_integer() && value.get<std::uint64_t>() <= kMost &&
           value.get<Index>() >= least;
  }

  /// The list under `key`, which must have `size` entries.
  const nlohmann::json& entries(const std::string& key, Index size) {
    const auto& list = require(key);
    if (!list.is_array() || static_cast<Index>(list.size()) != size) {
      refuse(key, "is no list of " + std::to_string(size) + " entries");
    }
    return list;
  }

  template <class Enum, std::size_t N>
  Enum choice(const std::string& key, const std::string& value, const std::string& verb,
              const Spellings<Enum, N>& table) const {
    std::string names;
    for (const auto& [name, entry] : table) {
      if (name == value) return entry;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    lacks(key, verb + " '" + value + "', expected one of: " + names);
  }

  const nlohmann::json& require(const std::string& key) {
    if (!has(key)) refuse(key, "is missing");
    return object_[key];
  }

  std::string file_;
  std::string prefix_;
  const nlohmann::json& object_;
  std::set<std::string> known_;
};

}  // namespace plumb
