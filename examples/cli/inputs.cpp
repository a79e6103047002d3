#include "inputs.hpp"

#include <filesystem>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "plumb/core/errors.hpp"
#include "plumb/weights/mapped_file.hpp"

namespace fs = std::filesystem;

namespace {

/// The bundled checkpoint: beside an installed program, or where this one was built.
fs::path bundled_model() {
  std::error_code code;
  const auto program = fs::read_symlink("/proc/self/exe", code);
  const auto installed = program.parent_path().parent_path() / "share/plumb/models/tiny-llama";
  return !code && fs::is_directory(installed, code) ? installed : fs::path(PLUMB_DEFAULT_MODEL);
}

std::string read_text(const fs::path& path) {
  const plumb::MappedFile file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Checks one text against the model: `name` is what the message calls it.
plumb::TokenIds admit(plumb::TokenIds ids, const std::string& name, const Options& options,
                      const plumb::Architecture& architecture) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < architecture.vocab_size) continue;
    throw plumb::load_error(name, "token id " + std::to_string(ids[i]) + " at index " +
                                      std::to_string(i) + " is outside the vocabulary of " +
                                      std::to_string(architecture.vocab_size));
  }
  const auto context = static_cast<std::size_t>(architecture.context_length);
  if (ids.size() > context) {
    if (!options.truncate) {
      throw plumb::load_error(name, std::to_string(ids.size()) + " tokens, but the context is " +
                                        std::to_string(context) + "; --truncate cuts it");
    }
    ids.resize(context);
  }
  return ids;
}

}  // namespace

std::string model_folder(const Options& options) {
  return options.model.empty() ? bundled_model().string() : options.model;
}

std::optional<plumb::Tokenizer> open_tokenizer(const plumb::Checkpoint& checkpoint, bool needed,
                                               bool quiet) {
  const fs::path model = checkpoint.path;
  const auto file = plumb::find_tokenizer(model, checkpoint.architecture.vocab_size);
  if (!file && needed) {
    const auto expected =
        fs::is_directory(model) ? model / "tokenizer.json" : model.parent_path() / "tokenizer.bin";
    throw plumb::load_error(expected.string(), "missing; give token ids with --ids");
  }
  if (!file) return std::nullopt;
  try {
    return plumb::Tokenizer::open(*file);
  } catch (const plumb::load_error& error) {
    if (needed) throw std::runtime_error(std::string(error.what()) + "; give token ids with --ids");
    if (!quiet) std::cerr << "plumb: " << error.what() << "; tokens go without their texts\n";
    return std::nullopt;
  }
}

std::vector<std::string> Inputs::token_texts(const plumb::TokenIds& ids) const {
  std::vector<std::string> list;
  if (!tokenizer) return list;
  for (const auto id : ids) {
    list.push_back(id < tokenizer->size() ? tokenizer->text(id) : "?");
  }
  return list;
}

Inputs read_inputs(const Options& options, const plumb::Checkpoint& checkpoint) {
  const auto& architecture = checkpoint.architecture;
  Inputs inputs;
  const bool given = !options.texts.empty() || !options.text_files.empty();
  const bool needs_tokenizer = given || options.id_files.empty();
  inputs.tokenizer = open_tokenizer(checkpoint, needs_tokenizer, options.quiet);

  const bool prepend = needs_tokenizer && !options.no_bos && architecture.bos_token_id.has_value();
  const auto encode = [&](const std::string& text, const std::string& name) {
    if (text.empty()) throw plumb::load_error(name, "the text is empty");
    auto ids = inputs.tokenizer->encode(text);
    if (prepend) {
      ids.insert(ids.begin(), static_cast<plumb::TokenId>(*architecture.bos_token_id));
    }
    inputs.texts.push_back(admit(std::move(ids), name, options, architecture));
    inputs.bos_prepended = prepend;
  };
  for (const auto& text : options.texts) encode(text, "--text");
  for (const auto& file : options.text_files) encode(read_text(file), file);
  for (const auto& file : options.id_files) {
    inputs.texts.push_back(admit(plumb::read_ids(file), file, options, architecture));
  }
  if (inputs.texts.empty()) {
    const auto prompt = bundled_model() / "prompt.txt";
    encode(read_text(prompt), prompt.string());
  }
  return inputs;
}
