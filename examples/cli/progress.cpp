#include "progress.hpp"

#include <iostream>
#include <unistd.h>

namespace {

/// "[######..............]"
std::string bar(plumb::Index done, plumb::Index total) {
  constexpr plumb::Index kWidth = 20;
  std::string bar(kWidth, '.');
  for (plumb::Index i = 0; i < kWidth * done / total; ++i) bar[static_cast<std::size_t>(i)] = '#';
  return '[' + bar + ']';
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string((whole + 30) / 60) + " min";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

}  // namespace

Progress::Progress(bool quiet) : shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (printed_) std::cerr << "\r\033[K";
}

void Progress::show(const std::string& work, plumb::Index done, plumb::Index total) {
  if (!shown_ || total <= 0) return;
  const auto now = Clock::now();
  if (work != work_) {
    work_ = work;
    work_start_ = now;
  }
  if (now - start_ < std::chrono::seconds(1)) return;
  std::cerr << "\r\033[K" << work << ' ' << bar(done, total) << ' ' << done << " of " << total;
  const std::chrono::duration<double> spent = now - work_start_;
  if (done > 0 && done < total && spent.count() > 1) {
    const double left = static_cast<double>(total - done) / static_cast<double>(done);
    std::cerr << ", about " << duration(left * spent.count()) << " left";
  }
  std::cerr << std::flush;
  printed_ = true;
}
