#include "output.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>

#include "plumb/core/errors.hpp"
#include "plumb/report/anatomy_json.hpp"

namespace {

// What a signal handler may touch: the name of the file that is being written, or null.
std::atomic<const char*> unfinished{nullptr};

void remove_unfinished(int signal) {
  if (const char* name = unfinished.load()) ::unlink(name);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// Removes the temporary file unless it was renamed.
class Unfinished {
 public:
  explicit Unfinished(const std::string& name) : name_(name) {
    unfinished = name_.c_str();
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, remove_unfinished);
  }
  ~Unfinished() {
    unfinished = nullptr;
    ::unlink(name_.c_str());  // fails, as it should, once the file has its final name
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

 private:
  const std::string& name_;
};

std::string temporary_name(const std::filesystem::path& path) {
  return path.string() + "." + std::to_string(::getpid()) + ".part";
}

[[noreturn]] void refuse(const std::filesystem::path& path) {
  throw plumb::load_error(path.string(), "cannot be written: " + std::string(std::strerror(errno)));
}

}  // namespace

void require_writable(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    throw plumb::load_error(path.string(), "cannot be written: it is a folder");
  }
  const auto name = temporary_name(path);
  const int descriptor = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor < 0) refuse(path);
  ::close(descriptor);
  ::unlink(name.c_str());
}

void write_file(const std::filesystem::path& path,
                const std::function<void(std::ostream&)>& write) {
  const auto name = temporary_name(path);
  const Unfinished guard(name);
  std::ofstream out(name, std::ios::binary);
  if (!out) refuse(path);
  write(out);
  out.close();
  if (!out || std::rename(name.c_str(), path.c_str()) != 0) refuse(path);
}

void write_json(const std::string& path, const nlohmann::ordered_json& report) {
  if (path.empty()) return;
  const auto text = plumb::report::dump(report);
  if (path == "-") {
    std::cout << text;
  } else {
    write_file(path, [&](std::ostream& out) { out << text; });
  }
}
