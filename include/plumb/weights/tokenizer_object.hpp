#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/npy.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb::detail {

/// The number, or what the value is instead.
inline std::string shown(const nlohmann::json& value) {
  return value.is_number() ? value.dump() : "of type " + std::string(value.type_name());
}

/// One JSON object of the file, read key by key. Remembers which keys were asked for, so that
/// `finish` can refuse the others. null counts as absent. Throws load_error naming the key.
class TokenizerObject {
 public:
  using Json = nlohmann::json;

  /// `prefix` stands before the keys in messages: "model.".
  TokenizerObject(const std::string& file, std::string prefix, const Json& object)
      : file_(file), prefix_(std::move(prefix)), object_(object) {
    if (!object.is_object()) {
      throw load_error(file_, prefix_.empty() ? "holds no JSON object"
                                              : "'" + prefix_.substr(0, prefix_.size() - 1) +
                                                    "' is no JSON object");
    }
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& fault) const {
    throw load_error(file_, "'" + prefix_ + key + "' " + fault);
  }

  /// The value under the key, or nullptr if it is absent or null.
  const Json* find(const std::string& key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  const Json& require(const std::string& key) {
    const Json* const value = find(key);
    if (value == nullptr) refuse(key, "is missing");
    return *value;
  }

  TokenizerObject object(const std::string& key) {
    return {file_, prefix_ + key + ".", require(key)};
  }

  /// Calls visit(element) for each element of the array under the key, if there is one.
  template <class Visit>
  void for_each(const std::string& key, const Visit& visit) {
    const Json* const array = find(key);
    if (array == nullptr) return;
    if (!array->is_array()) refuse(key, "is no array");
    for (std::size_t i = 0; i < array->size(); ++i) {
      visit(TokenizerObject(file_, prefix_ + key + "[" + std::to_string(i) + "].", (*array)[i]));
    }
  }

  /// Calls visit(step, type) for the object under the key, if there is one, or for the steps that
  /// it lists under `list` if its type is Sequence. Refuses keys that visit did not ask for.
  template <class Visit>
  void for_each_step(const std::string& key, const std::string& list, const Visit& visit) {
    if (find(key) != nullptr) object(key).visit_steps(list, visit);
  }

  const Json& json() const { return object_; }

  std::string text(const std::string& key) {
    const Json& value = require(key);
    if (!value.is_string()) refuse(key, "is no string");
    return value.get<std::string>();
  }

  bool flag_or(const std::string& key, bool fallback) {
    const Json* const value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) refuse(key, "is neither true nor false");
    return value->get<bool>();
  }

  /// Absent, null or false.
  void require_off(const std::string& key) {
    if (flag_or(key, false)) refuse(key, "is true, which is not supported");
  }

  /// Absent, null or an empty string.
  void require_no_text(const std::string& key) {
    if (find(key) == nullptr) return;
    const std::string value = text(key);
    if (!value.empty()) refuse(key, "is " + in_quotes(value) + ", which is not supported");
  }

  /// Refuses the text under the key, naming those that would do.
  [[noreturn]] void refuse_text(const std::string& key,
                                std::initializer_list<std::string_view> supported) {
    std::string names;
    for (const std::string_view name : supported) {
      names += (names.empty() ? "" : " or ") + std::string(name);
    }
    refuse(key, "is " + in_quotes(text(key)) + ", which is not supported (" + names + " is)");
  }

  /// Absent or null.
  void require_absent(const std::string& key) {
    if (find(key) != nullptr) refuse(key, "is not supported (null is)");
  }

  /// The value as a whole number below `end`.
  TokenId id(const std::string& key, const Json& value, std::size_t end) const {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() < end) return value.get<TokenId>();
    refuse(key, "has the id " + shown(value) + ", expected a whole number below " +
                    std::to_string(end) + ", the number of tokens");
  }

  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) {
        refuse(in_quotes(key), "is not known to plumb, and it may change the ids");
      }
    }
  }

 private:
  template <class Visit>
  void visit_steps(const std::string& list, const Visit& visit) {
    const std::string type = text("type");
    if (type == "Sequence") {
      require(list);
      for_each(list, [&](TokenizerObject step) { step.visit_steps(list, visit); });
    } else {
      visit(*this, type);
    }
    finish();
  }

  const std::string& file_;
  std::string prefix_;
  const Json& object_;
  std::set<std::string> known_;
};

}  // namespace plumb::detail
