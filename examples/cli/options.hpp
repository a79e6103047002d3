#pragma once

#include <string>
#include <vector>

/// What the command line says.
struct Options {
  std::string model;
  std::vector<std::string> texts;       ///< --text
  std::vector<std::string> text_files;  ///< --text-file
  std::vector<std::string> id_files;    ///< --ids
  bool truncate = false;
  bool no_bos = false;
  bool quiet = false;
  int threads = 0;    ///< 0: what OpenMP chooses
  std::string json;   ///< a file, "-" for standard output, or empty
  std::string trace;  ///< a file, or empty
};

/// The subcommands. They throw on bad input and return the exit status otherwise.
int run_info(const Options& options);
int run_anatomy(const Options& options);
int run_claims(const Options& options);  ///< 1 when a claim is violated
