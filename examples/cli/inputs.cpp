#include "inputs.hpp"

#include <filesystem>

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

std::optional<plumb::Tokenizer> naming_tokenizer(const plumb::Checkpoint& checkpoint) {
  const auto file = fs::path(checkpoint.path) / "tokenizer.json";
  if (!fs::exists(file)) return std::nullopt;
  try {
    return plumb::Tokenizer::open(file);
  } catch (const plumb::load_error&) {
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
  const auto tokenizer_file = fs::path(checkpoint.path) / "tokenizer.json";
  Inputs inputs;
  const bool given = !options.texts.empty() || !options.text_files.empty();
  const bool needs_tokenizer = given || options.id_files.empty();
  if (needs_tokenizer && !fs::exists(tokenizer_file)) {
    throw plumb::load_error(tokenizer_file.string(), "missing; give token ids with --ids");
  }
  if (needs_tokenizer) {
    inputs.tokenizer = plumb::Tokenizer::open(tokenizer_file);
  } else {
    inputs.tokenizer = naming_tokenizer(checkpoint);
  }

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
