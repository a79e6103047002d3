#pragma once

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"

namespace plumb::report {

/// `value` with `digits` significant digits.
inline std::string number(double value, int digits = 4) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

/// `value` with `decimals` digits after the point.
inline std::string fixed(double value, int decimals) {
  char text[400];  // the largest double has 309 digits before its point
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

/// `bytes` in double quotes on one line: control characters escaped, bytes that are no UTF-8
/// replaced by "?".
inline std::string quote(std::string_view bytes) {
  std::string text = "\"";
  for (std::size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : 4;
    bool valid = (byte < 0x80 || (byte >= 0xc2 && byte < 0xf5)) && i + length <= bytes.size();
    for (std::size_t k = 1; valid && k < length; ++k) valid = (bytes[i + k] & 0xc0) == 0x80;
    if (!valid) {
      text += '?';
      ++i;
      continue;
    }
    if (byte == '\n') {
      text += "\\n";
    } else if (byte == '\t') {
      text += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      text += '?';
    } else {
      text += bytes.substr(i, length);
    }
    i += length;
  }
  return text + "\"";
}

/// Columns of text, each as wide as its widest cell. Numbers are aligned right, words left.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Throws shape_error unless there is one cell a column.
  void add(std::vector<std::string> cells) {
    require_size("Table::add", "cells", static_cast<Index>(cells.size()),
                 static_cast<Index>(columns_.size()));
    rows_.push_back(std::move(cells));
  }

  friend std::ostream& operator<<(std::ostream& out, const Table& table) {
    std::vector<std::string> titles;
    for (const auto& column : table.columns_) titles.push_back(column.title);
    table.print_row(out, titles);
    for (const auto& row : table.rows_) table.print_row(out, row);
    return out;
  }

 private:
  /// Characters, not bytes: UTF-8 continuation bytes take no room.
  static std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }

  void print_row(std::ostream& out, const std::vector<std::string>& cells) const {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      std::size_t widest = width(columns_[c].title);
      for (const auto& row : rows_) widest = std::max(widest, width(row[c]));
      const std::string padding(widest - width(cells[c]), ' ');
      const bool right = columns_[c].align == Align::right;
      line += "  " + (right ? padding + cells[c] : cells[c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace plumb::report
