#pragma once

#include <chrono>
#include <string>

#include "plumb/core/linalg.hpp"

/// One line on standard error that says how far a work is and about how long the rest takes: only
/// on a terminal, only once the work has taken over a second, and gone when it is done.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `work` is what is being done, such as "layer 3 of 16: channels"; `done` of `total` steps of it
  /// are over.
  void show(const std::string& work, plumb::Index done, plumb::Index total);

 private:
  using Clock = std::chrono::steady_clock;

  bool shown_;
  bool printed_ = false;
  std::string work_;
  Clock::time_point start_ = Clock::now();  // of everything
  Clock::time_point work_start_ = start_;   // of this work
};
