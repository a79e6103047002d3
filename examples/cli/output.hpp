#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

/// Writes a file whole or not at all: into a temporary file beside it, which is renamed when it is
/// complete and removed when anything goes wrong, Ctrl-C included. Throws plumb::load_error naming
/// the file when it cannot be written.
void write_file(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write);

/// Writes a report: into a file as write_file does, to standard output for "-", nowhere for "".
void write_json(const std::string& path, const nlohmann::ordered_json& report);

/// Throws plumb::load_error unless a file could be made at `path`: said before the work starts.
void require_writable(const std::filesystem::path& path);
