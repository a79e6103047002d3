#include <iostream>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/report/model.hpp"
#include "plumb/weights/outline.hpp"

int run_info(const Options& options) {
  const auto folder = model_folder(options);
  try {
    plumb::report::print_info(std::cout, plumb::Checkpoint::open(folder));
  } catch (const plumb::unsupported_error&) {
    plumb::report::print_info(std::cout, plumb::outline(folder));
  }
  return 0;
}
