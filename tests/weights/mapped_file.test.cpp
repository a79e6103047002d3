#include "plumb/weights/mapped_file.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <type_traits>
#include <unistd.h>

#include "support/temporary.hpp"

namespace fs = std::filesystem;
using plumb::MappedFile;
using plumb::test::TemporaryDirectory;

namespace {

std::string contents(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string open_fault(const fs::path& path) {
  return plumb::test::fault(path, [](const fs::path& p) { return MappedFile(p).bytes().size(); });
}

std::ptrdiff_t open_descriptors() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

}  // namespace

TEST_CASE("a mapped file holds the file's bytes, also about the end of a page") {
  const TemporaryDirectory folder;
  for (const std::size_t size : {1u, 2u, 4095u, 4096u, 4097u, 20000u}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * i + i / 256);
    INFO(size);
    CHECK(contents(MappedFile(folder.write("file", text))) == text);
  }
}

TEST_CASE("an empty file is mapped to no bytes") {
  const TemporaryDirectory folder;
  const MappedFile file(folder.write("empty", ""));
  CHECK(file.bytes().empty());
}

TEST_CASE("what is no readable regular file is refused by name") {
  const TemporaryDirectory folder;
  CHECK(open_fault(folder.path() / "missing") == std::strerror(ENOENT));
  CHECK(open_fault(folder.path()) == "not a regular file");
  CHECK(open_fault("/dev/null") == "not a regular file");
  CHECK(open_fault(folder.write("file", "text") / "below") == std::strerror(ENOTDIR));
}

TEST_CASE("a pipe is refused at once, though nobody writes to it") {
  const TemporaryDirectory folder;
  const auto pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);

  // If opening waits for a writer, one comes after two seconds, so that the test ends.
  std::atomic<bool> done = false, rescued = false;
  std::thread writer([&] {
    for (int i = 0; i < 200 && !done; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (done) return;
    rescued = true;
    ::close(::open(pipe.c_str(), O_WRONLY));
  });
  const auto fault = open_fault(pipe);
  done = true;
  writer.join();
  CHECK(fault == "not a regular file");
  CHECK_FALSE(rescued);
}

TEST_CASE("a mapping survives the removal of its file") {
  const TemporaryDirectory folder;
  const auto path = folder.write("file", "text");
  const MappedFile file(path);
  fs::remove(path);
  CHECK(contents(file) == "text");
}

TEST_CASE("neither descriptors nor pages are kept") {
  const TemporaryDirectory folder;
  const auto path = folder.write("file", "text");
  const auto before = open_descriptors();
  std::optional<MappedFile> file(path);
  CHECK(open_descriptors() == before);
  open_fault(folder.path());
  open_fault(folder.write("empty", ""));
  CHECK(open_descriptors() == before);

  // msync fails with ENOMEM on a page that is not mapped.
  void* const page = const_cast<std::byte*>(file->bytes().data());
  CHECK(::msync(page, 1, MS_ASYNC) == 0);
  file.reset();
  errno = 0;
  CHECK(::msync(page, 1, MS_ASYNC) == -1);
  CHECK(errno == ENOMEM);
}

TEST_CASE("a mapping has one owner") {
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<MappedFile>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<MappedFile>);
}
