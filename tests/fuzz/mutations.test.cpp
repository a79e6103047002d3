// 100 000 broken files: no crash, no second, no allocation beyond the file's size and 64 MB.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "fuzz/targets.hpp"
#include "support/temporary.hpp"

namespace {

/// Bytes that are allocated by operator new now, and the most since `peak` was last set.
std::atomic<std::size_t> live{0}, peak{0};

constexpr std::size_t kPrefix = alignof(std::max_align_t);  ///< room for an allocation's size

}  // namespace

void* operator new(std::size_t size) {
  auto* const memory = static_cast<std::byte*>(std::malloc(size + kPrefix));
  if (memory == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(memory) = size;
  const std::size_t now = live += size;
  std::size_t most = peak;
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
  return memory + kPrefix;
}

// libstdc++'s calls the one above; that of the address sanitizer does not.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  auto* const memory = static_cast<std::byte*>(pointer) - kPrefix;
  live -= *reinterpret_cast<std::size_t*>(memory);
  std::free(memory);
}

void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFiles = 100'000;
constexpr std::size_t kAllowance = 64'000'000;
constexpr double kSeconds = 1;

using Random = std::mt19937_64;

/// Uniform over 0..n-1 but for what a modulus leaves; the same everywhere, as std's is not.
std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

/// A run of digits becomes a number that is hard to take.
void replace_number(std::string& bytes, Random& random) {
  static const std::vector<std::string> kNumbers = {"0",
                                                    "-1",
                                                    "1e400",
                                                    "0.5",
                                                    "2147483648",
                                                    "4294967295",
                                                    "18446744073709551615",
                                                    "18446744073709551616",
                                                    "-9223372036854775808",
                                                    "9007199254740993",
                                                    "null",
                                                    "\"\""};
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return std::isdigit(static_cast<unsigned char>(bytes[at])) != 0;
    };
    if (digit(i) && (i == 0 || !digit(i - 1))) starts.push_back(i);
  }
  if (starts.empty()) return;
  const std::size_t at = starts[below(random, starts.size())];
  const std::size_t end = std::min(bytes.find_first_not_of("0123456789", at), bytes.size());
  bytes.replace(at, end - at, kNumbers[below(random, kNumbers.size())]);
}

/// One change of one kind.
void mutate(std::string& bytes, const std::string& other, Random& random) {
  static const std::vector<std::string> kPieces = {std::string(4, '\xff'),
                                                   std::string(8, '\0'),
                                                   "\x7f",
                                                   "\n",
                                                   "\"",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "\xe2\x96\x81",
                                                   "\xed\xa0\x80",
                                                   "\\u0000",
                                                   "\\ud800",
                                                   std::string(70, '[')};
  const std::size_t size = bytes.size();
  const std::size_t at = below(random, size + 1);
  const std::size_t count = 1 + below(random, 16);
  switch (below(random, 9)) {
    case 0:
      if (at < size) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(random, 8));
      break;
    case 1:
      if (at < size) bytes[at] = static_cast<char>(random());
      break;
    case 2: bytes.erase(at, count); break;
    case 3: bytes.resize(at); break;
    case 4: bytes.insert(at, bytes.substr(below(random, size + 1), count)); break;
    case 5: bytes.insert(at, kPieces[below(random, kPieces.size())]); break;
    case 6: {
      const std::string& piece = kPieces[below(random, kPieces.size())];
      bytes.replace(at, piece.size(), piece);
      break;
    }
    case 7: bytes = bytes.substr(0, at) + other.substr(below(random, other.size() + 1)); break;
    default: replace_number(bytes, random);
  }
}

std::vector<std::string> seeds(std::string_view target) {
  std::vector<fs::path> paths;
  for (const auto& entry :
       fs::directory_iterator(fs::path(PLUMB_SOURCE_DIR) / "tests/fuzz/corpus" / target)) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> list;
  for (const auto& path : paths) list.push_back(plumb::test::read_bytes(path));
  return list;
}

/// Seconds that this thread has computed.
double computed() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

TEST_CASE("allocations are counted") {
  const std::size_t before = live;
  peak = before;
  {
    const std::vector<char> megabyte(1'000'000);
  }
  CHECK(live == before);
  CHECK(peak >= before + 1'000'000);
  CHECK(peak < before + 1'100'000);
}

TEST_CASE("broken files are refused or used, at little cost") {
  const plumb::fuzz::MemoryFile file;
  std::size_t files = 0;
  for (const auto& target : plumb::fuzz::kTargets) {
    const auto list = seeds(target.name);
    REQUIRE_FALSE(list.empty());
    Random random(20261);
    std::size_t used = 0;
    for (std::size_t i = 0; i < kFiles / plumb::fuzz::kTargets.size(); ++i, ++files) {
      std::string bytes = list[i % list.size()];
      for (std::size_t edits = 1 + below(random, 2) * below(random, 4); edits > 0; --edits) {
        mutate(bytes, list[below(random, list.size())], random);
      }
      file.write(bytes);
      const std::size_t before = live;
      peak = before;
      const double start = computed();
      std::string verdict, fault;
      try {
        verdict = plumb::fuzz::verdict(target, file.path());
      } catch (const std::exception& error) {
        fault = error.what();
      }
      const double seconds = computed() - start;
      const std::size_t allocated = peak - before;
      used += verdict.empty();
      if (fault.empty() && seconds < kSeconds && allocated < bytes.size() + kAllowance) continue;
      UNSCOPED_INFO(target.name << " file " << i << ": " << fault << ", " << seconds << " s, "
                                << allocated << " bytes allocated");
      FAIL_CHECK();
    }
    // Mutations that break everything, or nothing, would test little.
    CAPTURE(std::string(target.name), used);
    CHECK(used > 50);
    CHECK(used < kFiles / plumb::fuzz::kTargets.size() / 2);
  }
  CHECK(files == kFiles);
}
