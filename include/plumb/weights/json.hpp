#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/mapped_file.hpp"

namespace plumb {

/// Deepest nesting that is accepted; our files need five, and the parser's stack has limits.
inline constexpr int kJsonDepthLimit = 64;

/// Parses `text`, which came from `file`. Refuses duplicate keys (readers disagree on which one
/// counts) and nesting deeper than kJsonDepthLimit. Throws load_error with the byte offset.
inline nlohmann::json parse_json(const std::string& file, std::string_view text) {
  std::vector<std::set<std::string>> keys;
  using Event = nlohmann::json::parse_event_t;
  const auto check = [&](int depth, Event event, nlohmann::json& parsed) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kJsonDepthLimit) throw load_error(file, "JSON is nested too deeply");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw load_error(file, "JSON key " + parsed.dump() + " appears twice");
    }
    return true;
  };
  // The parser takes a zero byte for the end of the text.
  if (const auto zero = text.find('\0'); zero != text.npos) {
    throw load_error(file, "not valid JSON at byte " + std::to_string(zero + 1) + ": a zero byte");
  }
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::parse_error& error) {
    throw load_error(file, "not valid JSON at byte " + std::to_string(error.byte) + ": " +
                               std::string(error.what()));
  } catch (const nlohmann::json::exception& error) {
    throw load_error(file, "not valid JSON: " + std::string(error.what()));
  }
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return parse_json(path.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace plumb
