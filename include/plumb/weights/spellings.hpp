#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "plumb/weights/architecture.hpp"

/// The words that configurations use for the options of an Architecture.
namespace plumb {

/// Where several words mean the same, the first is ours.
template <class Enum, std::size_t N>
using Spellings = std::array<std::pair<std::string_view, Enum>, N>;

inline constexpr Spellings<NormKind, 4> kNormKinds{{{"none", NormKind::none},
                                                    {"rms_norm", NormKind::rms_norm},
                                                    {"layer_norm", NormKind::layer_norm},
                                                    {"dynamic_tanh", NormKind::dynamic_tanh}}};
inline constexpr Spellings<StoredGain, 2> kStoredGains{
    {{"gain", StoredGain::gain}, {"gain_minus_one", StoredGain::gain_minus_one}}};
inline constexpr Spellings<QkNorm, 3> kQkNorms{
    {{"none", QkNorm::none}, {"per_head", QkNorm::per_head}, {"all_heads", QkNorm::all_heads}}};
inline constexpr Spellings<AttentionGate, 4> kAttentionGates{{{"none", AttentionGate::none},
                                                              {"channel", AttentionGate::channel},
                                                              {"head", AttentionGate::head},
                                                              {"token", AttentionGate::token}}};
inline constexpr Spellings<FeedForwardKind, 2> kFeedForwardKinds{
    {{"gated", FeedForwardKind::gated}, {"plain", FeedForwardKind::plain}}};
/// "gelu_fast" spells the constant of "gelu_new" with ten digits.
inline constexpr Spellings<Activation, 8> kActivations{
    {{"silu", Activation::silu},
     {"gelu", Activation::gelu},
     {"gelu_tanh", Activation::gelu_tanh},
     {"relu", Activation::relu},
     {"swish", Activation::silu},
     {"gelu_new", Activation::gelu_tanh},
     {"gelu_pytorch_tanh", Activation::gelu_tanh},
     {"gelu_fast", Activation::gelu_tanh}}};
inline constexpr Spellings<RotaryPairing, 2> kRotaryPairings{
    {{"half_split", RotaryPairing::half_split}, {"interleaved", RotaryPairing::interleaved}}};
inline constexpr Spellings<RotaryKind, 4> kRotaryKinds{{{"none", RotaryKind::none},
                                                        {"unscaled", RotaryKind::unscaled},
                                                        {"linear", RotaryKind::linear},
                                                        {"llama3", RotaryKind::llama3}}};
/// Hugging Face's words for the same.
inline constexpr Spellings<RotaryKind, 3> kRopeTypes{{{"default", RotaryKind::unscaled},
                                                      {"linear", RotaryKind::linear},
                                                      {"llama3", RotaryKind::llama3}}};
inline constexpr Spellings<TensorLayout, 4> kTensorLayouts{{{"llama", TensorLayout::llama},
                                                            {"phi3", TensorLayout::phi3},
                                                            {"gpt2", TensorLayout::gpt2},
                                                            {"gpt_neox", TensorLayout::gpt_neox}}};

template <class Enum, std::size_t N>
constexpr std::string_view spell(const Spellings<Enum, N>& table, Enum value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "?";
}

}  // namespace plumb
