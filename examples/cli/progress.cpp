#include "progress.hpp"

#include <iostream>
#include <unistd.h>

Progress::Progress(bool quiet) : shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (printed_) std::cerr << "\r\033[K";
}

void Progress::show(const std::string& line) {
  if (!shown_ || std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
  std::cerr << "\r\033[K" << line << std::flush;
  printed_ = true;
}
