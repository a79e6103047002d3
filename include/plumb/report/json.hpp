#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace plumb::report {

/// As text; bytes that are no UTF-8 (a token may end inside a character) become U+FFFD.
inline std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

namespace detail {

/// JSON has no infinity: what is not finite becomes null, and so does what is absent.
inline nlohmann::ordered_json finite(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}
inline nlohmann::ordered_json finite(const std::optional<double>& value) {
  return value ? finite(*value) : nlohmann::ordered_json();
}

}  // namespace detail

}  // namespace plumb::report
