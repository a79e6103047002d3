// The program `plumb`. Tables go to standard output, faults to standard error in one line.
// Exit status: 0 done, 1 a claim is violated, 2 bad input.
#include <CLI/CLI.hpp>
#include <Eigen/Core>
#include <exception>
#include <iostream>

#include "options.hpp"
#include "plumb/core/parallel.hpp"

namespace {

constexpr int kBadInput = 2;

std::string version() {
  std::string built = Eigen::SimdInstructionSetsInUse();
#if !defined(__AVX2__) && (defined(__x86_64__) || defined(__i386__))
  built += "; a portable build, several times slower than one for this processor";
#endif
  return std::string("plumb ") + PLUMB_VERSION + " (" + built + ")";
}

/// An empty value is a variable that a script forgot to set, not a wish for the default.
std::string not_empty(const std::string& value) {
  return value.empty() ? "an empty value says nothing" : std::string();
}

void add_common(CLI::App& command, Options& options) {
  command
      .add_option("--model", options.model,
                  "folder with config.json and model.safetensors, or a llama2.c .bin file "
                  "(default: the bundled model)")
      ->check(not_empty);
  command.add_option("--threads", options.threads, "threads to use")
      ->check([](const std::string& value) {
        const bool number = !value.empty() && value.size() < 5 && value[0] != '0' &&
                            value.find_first_not_of("0123456789") == std::string::npos;
        return number ? std::string() : value + " is no number of threads";
      });
  command.add_flag("--quiet", options.quiet, "no progress on standard error");
}

void add_json(CLI::App& command, Options& options) {
  command.add_option("--json", options.json, "write the report as JSON (- for standard output)")
      ->check(not_empty);
}

void add_texts(CLI::App& command, Options& options) {
  const auto list = [&](const char* name, std::vector<std::string>& values, const char* help) {
    command.add_option(name, values, help)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  list("--text", options.texts, "a text; may be given several times, as the next two");
  list("--text-file", options.text_files, "a file that holds a text");
  list("--ids", options.id_files, "token ids: .npy (int32, int64) or integers as text");
  command.add_flag("--truncate", options.truncate, "cut texts that exceed the context");
  command.add_flag("--no-bos", options.no_bos, "do not prepend the model's start token");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Why a transformer does what it does: spikes and sinks of a checkpoint.", "plumb"};
  app.set_version_flag("--version", version());
  app.require_subcommand(1);

  auto* info = app.add_subcommand("info", "what a checkpoint is");
  add_common(*info, options);

  auto* anatomy = app.add_subcommand("anatomy", "the life of the spike, and where attention goes");
  add_common(*anatomy, options);
  add_texts(*anatomy, options);
  add_json(*anatomy, options);
  anatomy->add_option("--trace", options.trace, "write every activation as safetensors")
      ->check(not_empty);

  auto* directions =
      app.add_subcommand("directions", "what each channel of the feed-forward blocks amplifies");
  add_common(*directions, options);
  directions->add_option("--layer", options.layer, "one layer (default: all)");
  directions
      ->add_option(
          "--channels", options.channels,
          "all, or a list such as 3,61, of each layer (default: those of largest |lambda|)")
      ->check(not_empty);
  directions->add_option("--top", options.top, "channels to list (default: 20, or all asked for)");
  directions->add_flag("--vectors", options.vectors, "write the directions into the JSON");
  add_json(*directions, options);

  auto* census = app.add_subcommand("census", "every token of the vocabulary at position 0");
  add_common(*census, options);
  census->add_option("--absolute", options.absolute, "a token spikes above this (default: 100)");
  census->add_option("--relative", options.relative,
                     "and at this many times the median at least (default: 1000)");
  add_json(*census, options);

  auto* claims = app.add_subcommand("claims", "theorems with bounds, held against the checkpoint");
  add_common(*claims, options);
  add_texts(*claims, options);
  add_json(*claims, options);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::RequiredError&) {
    std::cerr << "plumb: " << (argc > 1 ? "no command " + std::string(argv[1]) : "no command")
              << "; there are info, anatomy, directions, census and claims (plumb --help)\n";
    return kBadInput;
  } catch (const CLI::ParseError& error) {
    std::cerr << "plumb: " << error.what() << " (plumb --help lists what there is)\n";
    return kBadInput;
  }

  try {
    if (options.threads > 0) plumb::set_threads(options.threads);
    const int status = info->parsed()         ? run_info(options)
                       : directions->parsed() ? run_directions(options)
                       : census->parsed()     ? run_census(options)
                       : claims->parsed()     ? run_claims(options)
                                              : run_anatomy(options);
    if (!std::cout.flush()) {
      std::cerr << "plumb: standard output cannot be written\n";
      return kBadInput;
    }
    return status;
  } catch (const std::exception& error) {
    std::cerr << "plumb: " << error.what() << '\n';
    return kBadInput;
  }
}
