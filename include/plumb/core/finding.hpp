#pragma once

#include <optional>
#include <string>
#include <utility>

namespace plumb {

/// A measure, or why it does not apply here: "one spike token", "no pre-norm". Reports print the
/// reason, and JSON carries null beside it, so that nobody takes a default for a number.
template <class T>
struct Finding {
  std::optional<T> value;
  std::string reason;  ///< empty when there is a value

  // Not explicit: a function returns its value, or none with a reason.
  Finding(T found) : value(std::move(found)) {}
  static Finding none(std::string why) { return Finding(std::nullopt, std::move(why)); }

  explicit operator bool() const { return value.has_value(); }
  const T& operator*() const { return *value; }
  const T* operator->() const { return &*value; }

 private:
  Finding(std::nullopt_t, std::string why) : reason(std::move(why)) {}
};

}  // namespace plumb
