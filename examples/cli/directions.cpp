#include "plumb/report/directions.hpp"

#include <charconv>
#include <iostream>
#include <string>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/directions_json.hpp"
#include "plumb/report/directions_text.hpp"
#include "progress.hpp"

namespace {

/// `value` as an index below `size`; throws load_error naming the option.
plumb::Index within(const char* option, long value, plumb::Index size, const char* what) {
  if (value >= 0 && value < size) return value;
  throw plumb::load_error(option, std::to_string(value) + " is outside the " + what + " 0.." +
                                      std::to_string(size - 1) + " of the model");
}

std::vector<plumb::Index> parse_channels(const std::string& list, plumb::Index channels) {
  std::vector<plumb::Index> parsed;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    long value = 0;
    const char* last = list.data() + end;
    const auto [stop, error] = std::from_chars(list.data() + begin, last, value);
    if (error != std::errc{} || stop != last) {
      throw plumb::load_error("--channels",
                              "'" + list.substr(begin, end - begin) +
                                  "' is no channel; give all, or a list such as 3,61");
    }
    parsed.push_back(within("--channels", value, channels, "channels"));
    begin = end + 1;
  }
  return parsed;
}

}  // namespace

int run_directions(const Options& options) {
  const plumb::Decoder<float> model(plumb::Checkpoint::open(model_folder(options)));
  const auto& architecture = model.architecture();
  plumb::report::DirectionsOptions search;
  if (options.layer)
    search.layer = within("--layer", *options.layer, architecture.layers, "layers");
  if (options.channels == "all") {
    search.all_channels = true;
  } else if (!options.channels.empty()) {
    search.channels = parse_channels(options.channels, architecture.hidden_size);
  }
  if (options.top && *options.top < 1) throw plumb::load_error("--top", "must be at least 1");
  search.top = options.top;
  if (!options.json.empty() && options.json != "-") require_writable(options.json);

  plumb::report::Directions found;
  {
    Progress progress(options.quiet);
    search.progress = [&](plumb::Index layer, const char* step, plumb::Index done,
                          plumb::Index total) {
      progress.show("layer " + std::to_string(layer) + " of " +
                        std::to_string(architecture.layers) + ": " + step,
                    done, total);
    };
    found = plumb::report::find_directions(model, search);
  }
  if (options.json != "-") plumb::report::print(std::cout, found, model.checkpoint());
  write_json(options.json, plumb::report::to_json(found, model.checkpoint(), options.vectors));
  return 0;
}
