#pragma once

#ifdef PLUMB_HAS_SENTENCEPIECE
#include <filesystem>
#include <memory>
#include <optional>
#include <sentencepiece_processor.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/weights/byte_level.hpp"
#include "plumb/weights/mapped_file.hpp"
#include "plumb/weights/normalizer.hpp"
#include "plumb/weights/token_ids.hpp"

namespace plumb::detail {

/// A tokenizer.model of SentencePiece, read and run by libsentencepiece; see Tokenizer for what its
/// members promise. Copies share the model.
class SentencePiece {
 public:
  /// Throws load_error.
  static SentencePiece open(const std::filesystem::path& path) {
    const MappedFile mapped(path);
    auto processor = std::make_shared<sentencepiece::SentencePieceProcessor>();
    const auto status = processor->LoadFromSerializedProto(std::string_view(
        reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()));
    if (!status.ok() || processor->GetPieceSize() <= 0) {
      throw load_error(path.string(), "is no model that SentencePiece reads");
    }
    return SentencePiece(std::move(processor));
  }

  TokenIds encode(std::string_view text) const {
    TokenIds ids;
    require(processor_->Encode(text, &ids));
    return ids;
  }

  std::string decode(const TokenIds& ids) const {
    std::string bytes;
    for (const TokenId id : ids) bytes += text(id);
    if (strip_space_ && bytes.starts_with(' ')) bytes.erase(0, 1);
    return bytes;
  }

  std::string text(TokenId id) const {
    const std::string& piece = processor_->IdToPiece(id);
    const auto byte = processor_->IsByte(id) ? fallback_byte(piece) : std::nullopt;
    return byte ? std::string(1, static_cast<char>(*byte))
                : taken(Replace{std::string(kMetaspace), " "}, piece);
  }

  TokenId size() const { return processor_->GetPieceSize(); }

  std::optional<TokenId> find(std::string_view text) const {
    const std::string piece = taken(Replace{" ", std::string(kMetaspace)}, text);
    if (const auto id = find_piece(piece)) return id;
    if (text.size() != 1) return std::nullopt;
    return find_piece(fallback_spelling(static_cast<unsigned char>(text[0])));
  }

 private:
  explicit SentencePiece(std::shared_ptr<const sentencepiece::SentencePieceProcessor> processor)
      : processor_(std::move(processor)) {
    std::vector<std::string> pieces;
    require(processor_->Encode("a", &pieces));
    strip_space_ = !pieces.empty() && pieces[0].starts_with(kMetaspace);
  }

  static void require(const sentencepiece::util::Status& status) {
    if (!status.ok()) throw std::runtime_error("SentencePiece failed: " + status.ToString());
  }

  /// SentencePiece answers with the unknown token for what it does not know.
  std::optional<TokenId> find_piece(const std::string& piece) const {
    const TokenId id = processor_->PieceToId(piece);
    if (processor_->IdToPiece(id) != piece) return std::nullopt;
    return id;
  }

  std::shared_ptr<const sentencepiece::SentencePieceProcessor> processor_;
  bool strip_space_ = false;  ///< a text begins with a space of the tokenizer's own
};

}  // namespace plumb::detail
#endif
