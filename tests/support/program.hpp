#pragma once

#include <cstdlib>
#include <string>
#include <sys/wait.h>

#include "support/temporary.hpp"

/// Runs the program as a user does, through a shell.
struct Run {
  int status;
  std::string out;
  std::string err;
};

/// `arguments` are shell words, appended to the program's path.
inline Run run_program(const std::string& arguments) {
  const plumb::test::TemporaryDirectory folder;
  const auto out = folder.path() / "out";
  const auto err = folder.path() / "err";
  const auto command = std::string(PLUMB_PROGRAM) + " " + arguments + " >" + out.string() + " 2>" +
                       err.string() + " </dev/null";
  const int code = std::system(command.c_str());
  return {WIFEXITED(code) ? WEXITSTATUS(code) : -1, plumb::test::read_bytes(out),
          plumb::test::read_bytes(err)};
}
