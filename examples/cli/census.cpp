#include "plumb/spike/census.hpp"

#include <cmath>
#include <iostream>
#include <numeric>
#include <string>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/collapse/census_population.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/census_json.hpp"
#include "plumb/report/census_text.hpp"
#include "plumb/report/collapse.hpp"
#include "progress.hpp"

namespace {

void set_threshold(double& threshold, const char* option, const std::optional<double>& given) {
  if (!given) return;
  if (!std::isfinite(*given) || *given < 0) {
    throw plumb::load_error(option, "must be a number that is not negative");
  }
  threshold = *given;
}

}  // namespace

int run_census(const Options& options) {
  const plumb::Decoder<float> model(plumb::Checkpoint::open(model_folder(options)));
  plumb::spike::CensusOptions settings;
  set_threshold(settings.criterion.absolute, "--absolute", options.absolute);
  set_threshold(settings.criterion.relative, "--relative", options.relative);
  if (!options.json.empty() && options.json != "-") require_writable(options.json);

  plumb::spike::Census found;
  {
    Progress progress(options.quiet);
    settings.progress = [&](plumb::Index done, plumb::Index tokens) {
      progress.show("tokens", done, tokens);
    };
    found = plumb::spike::census(model, settings);
  }
  plumb::TokenIds vocabulary(static_cast<std::size_t>(found.tokens()));
  std::iota(vocabulary.begin(), vocabulary.end(), 0);
  Inputs names;
  names.tokenizer = open_tokenizer(model.checkpoint(), false, options.quiet);
  const auto texts = names.token_texts(vocabulary);
  const auto profile =
      plumb::collapse::measure(plumb::collapse::census_population(model, found), model);
  if (options.json != "-") {
    plumb::report::print(std::cout, found, model.checkpoint(), texts);
    plumb::report::print_collapse(std::cout, profile);
    plumb::report::print_keys(std::cout, profile);
  }
  auto json = plumb::report::to_json(found, model.checkpoint(), texts);
  json["collapse"] = plumb::report::collapse_json(profile);
  json["keys"] = plumb::report::keys_json(profile);
  write_json(options.json, json);
  return 0;
}
