// One fuzzer: libFuzzer calls the target whose name is PLUMB_FUZZ_TARGET. See run.sh.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const plumb::fuzz::MemoryFile file;
  file.write({reinterpret_cast<const char*>(data), size});
  for (const auto& target : plumb::fuzz::kTargets) {
    if (target.name == PLUMB_FUZZ_TARGET) plumb::fuzz::verdict(target, file.path());
  }
  return 0;
}
