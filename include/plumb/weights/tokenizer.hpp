#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/weights/bpe_tokenizer.hpp"
#include "plumb/weights/llama2c_tokenizer.hpp"
#include "plumb/weights/sentence_piece.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer_file.hpp"

/// Needs PCRE2: link plumb::tokenizer, which adds SentencePiece and utf8proc where they are found.
namespace plumb {

/// Text to token ids and back, as a model's tokenizer file describes it. Const members may be
/// called from several threads.
class Tokenizer {
 public:
  /// Reads one of these files, known by its ending, or the first of these in a folder:
  ///   tokenizer.json    of Hugging Face: BPE over bytes (GPT-2, Llama 3, Qwen) or over characters
  ///                     with spaces spelled as U+2581 (Llama 2, Mistral, Gemma). The vocabulary
  ///                     numbers its tokens from 0 without a gap. What may change the ids and is
  ///                     not supported is refused by name.
  ///   tokenizer.model   of SentencePiece, if plumb was compiled with it
  ///   tokenizer.bin     of llama2.c
  /// Throws load_error naming the file and the fault.
  static Tokenizer open(const std::filesystem::path& path);

  /// The tokens of a text, the same as Hugging Face's with add_special_tokens = false: a start
  /// token that the post_processor would add is for the caller to add. Added tokens (<s>) in the
  /// text are found, special or not; the other two kinds of file have none. A byte that is part of
  /// no valid UTF-8 is a token by itself, or what the file has for unknown characters.
  /// Letters newer than the Unicode tables of PCRE2 (14.0 in PCRE2 10.42) may be cut differently.
  /// Time O(n log n) for n bytes.
  TokenIds encode(std::string_view text) const {
    return std::visit([&](const auto& engine) { return engine.encode(text); }, engine_);
  }

  /// The bytes that the tokens stand for, one after the other, less the space at the beginning if
  /// the tokenizer puts one there: decode(encode(text)) == text for any bytes, unless the tokenizer
  /// cannot tell some texts apart: it composes characters (NFC), has characters without a token,
  /// spells spaces by a character of the text (U+2581), strips white space beside added tokens (or
  /// puts some there), or puts a space in front only of text without one. Ids that cut a character
  /// give invalid UTF-8. Throws index_error.
  std::string decode(const TokenIds& ids) const {
    for (const TokenId id : ids) require_index("Tokenizer::decode", "token id", id, size());
    return std::visit([&](const auto& engine) { return engine.decode(ids); }, engine_);
  }

  /// The bytes that one token stands for. Throws index_error unless 0 <= id < size().
  std::string text(TokenId id) const {
    require_index("Tokenizer::text", "token id", id, size());
    return std::visit([&](const auto& engine) { return std::string(engine.text(id)); }, engine_);
  }

  /// Number of tokens, added ones included.
  TokenId size() const {
    return std::visit([](const auto& engine) { return engine.size(); }, engine_);
  }

  /// The token that stands for exactly these bytes: find("<s>"), find(" the"). An added token comes
  /// before one of the vocabulary.
  std::optional<TokenId> find(std::string_view text) const {
    return std::visit([&](const auto& engine) { return engine.find(text); }, engine_);
  }

 private:
#ifdef PLUMB_HAS_SENTENCEPIECE
  using Engine = std::variant<detail::BpeTokenizer, detail::SentencePiece>;
#else
  using Engine = std::variant<detail::BpeTokenizer>;
#endif

  explicit Tokenizer(Engine engine) : engine_(std::move(engine)) {}

  Engine engine_;
};

/// The tokenizer file of a model, or nothing: in the model's folder tokenizer.json, tokenizer.model
/// or tokenizer.bin; for a checkpoint of llama2.c the file beside it, tok512.bin for a vocabulary
/// of 512, or else as in a folder.
inline std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& model,
                                                           Index vocab_size) {
  std::error_code code;
  const bool is_folder = std::filesystem::is_directory(model, code);
  const auto folder = is_folder ? model : model.parent_path();
  for (const std::string& name :
       {"tok" + std::to_string(vocab_size) + ".bin", std::string("tokenizer.json"),
        std::string("tokenizer.model"), std::string("tokenizer.bin")}) {
    if (is_folder && name.starts_with("tok" + std::to_string(vocab_size))) continue;
    if (std::filesystem::exists(folder / name, code)) return folder / name;
  }
  return std::nullopt;
}

inline Tokenizer Tokenizer::open(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    if (const auto file = find_tokenizer(path, 0)) return open(*file);
    throw load_error(path.string(), "holds no tokenizer.json, tokenizer.model or tokenizer.bin");
  }
  if (path.extension() == ".model") {
#ifdef PLUMB_HAS_SENTENCEPIECE
    return Tokenizer(detail::SentencePiece::open(path));
#else
    throw load_error(path.string(), "cannot be read: plumb was compiled without SentencePiece");
#endif
  }
  const bool llama2c = path.extension() == ".bin";
  return Tokenizer(detail::BpeTokenizer(llama2c ? detail::read_llama2c_tokenizer(path)
                                                : detail::read_tokenizer(path)));
}

}  // namespace plumb
