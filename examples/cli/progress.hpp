#pragma once

#include <chrono>
#include <string>

/// One line on standard error that says how far a work is: only on a terminal, only once the work
/// has taken over a second, and gone when it is done.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line);

 private:
  bool shown_;
  bool printed_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};
