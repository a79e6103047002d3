#include <iostream>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/model.hpp"

int run_info(const Options& options) {
  const auto checkpoint = plumb::Checkpoint::open(model_folder(options));
  plumb::report::print_info(std::cout, checkpoint);
  return 0;
}
