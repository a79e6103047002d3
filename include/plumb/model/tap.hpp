#pragma once

#include <concepts>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "plumb/core/linalg.hpp"

/// Taps: how a forward pass is watched and edited. The pass offers matrices at named sites; a tap
/// is any callable that takes (layer, site, matrix&) for the sites it cares about, and may change
/// the matrix. A site that the tap does not take compiles to nothing.
///
///     model.forward(ids, [](Index layer, site::attention_write, Matrix<float>& write) {
///       if (layer == 3) write.setZero();
///     });
namespace plumb {

/// The sites, in the order in which a layer reaches them. Shapes in brackets; T tokens.
namespace site {

/// The residual stream before `layer`, and after the last one (layer = L). (T, hidden)
struct residual {};
/// What the attention block reads: the residual after its pre-norm. (T, hidden)
struct attention_input {};

/// Query and key vectors come by in three stages.
enum class Stage { projected, normalised, rotated };
struct queries {
  Stage stage;
};  ///< (T, heads * head_dim)
struct keys {
  Stage stage;
};  ///< (T, kv_heads * head_dim)
struct values {};  ///< (T, kv_heads * head_dim)

/// A strip of one head's attention map, rows = queries from first_query on, columns = keys 0, 1,
/// ... up to the last that a row of the strip sees. Strips of a head come by in order; heads too,
/// unless the tap declares `static constexpr bool kConcurrentHeads = true;`, that is, that strips
/// of different heads may come at the same time because it keeps them apart. Logits are -infinity,
/// and weights 0, where the query does not see the key.
struct logits {
  Index head, first_query;
};
struct weights {
  Index head, first_query;
};

/// Values mixed by the weights, all heads side by side, before the gate. (T, heads * head_dim)
struct head_outputs {};
/// Gate values in (0, 1), where the architecture has a gate. (T, gates)
struct gate {};
/// What the attention block adds to the residual stream. (T, hidden)
struct attention_write {};

/// What the feed-forward block reads. (T, hidden)
struct feed_forward_input {};
/// act(z) .* y, one column a neuron. (T, feed_forward_size)
struct neurons {};
/// What the feed-forward block adds. (T, hidden)
struct feed_forward_write {};

/// The residual stream after the final norm. (T, hidden); layer = L
struct final_norm {};

}  // namespace site

/// The tap of a pass that nobody watches.
struct NoTap {};

namespace detail {

template <class Tap, class Site, class T>
inline constexpr bool taps_site = std::invocable<Tap&, Index, Site, Matrix<T>&>;

/// Does the tap take at least one site? If not, its signature has a slip somewhere.
template <class Tap, class T, class... Sites>
inline constexpr bool taps_any = (taps_site<Tap, Sites, T> || ...);

}  // namespace detail

/// A callable that is a tap of passes in T: it takes at least one site.
template <class Tap, class T>
concept TapOf =
    std::same_as<std::remove_cvref_t<Tap>, NoTap> ||
    detail::taps_any<Tap, T, site::residual, site::attention_input, site::queries, site::keys,
                     site::values, site::logits, site::weights, site::head_outputs, site::gate,
                     site::attention_write, site::feed_forward_input, site::neurons,
                     site::feed_forward_write, site::final_norm>;

/// Offers `matrix` at `site` of `layer` to the tap, if it takes that site.
template <class Tap, class Site, class T>
void offer(Tap& tap, Index layer, Site site, Matrix<T>& matrix) {
  if constexpr (detail::taps_site<Tap, Site, T>) tap(layer, site, matrix);
}

/// Several taps as one: each site goes to every part that takes it, in order. Parts are copied;
/// wrap a tap that keeps a state in std::ref.
template <class... Parts>
struct taps {
  std::tuple<Parts...> parts;

  explicit taps(Parts... list) : parts(std::move(list)...) {}

  template <class Site, class T>
    requires(detail::taps_site<Parts, Site, T> || ...)
  void operator()(Index layer, Site site, Matrix<T>& matrix) {
    std::apply([&](auto&... part) { (offer(part, layer, site, matrix), ...); }, parts);
  }
};

namespace detail {

/// May strips of different heads come to the tap at the same time? A tap that takes strips says so
/// with `static constexpr bool kConcurrentHeads = true;`, when what it keeps of one head is apart
/// from what it keeps of another.
template <class Tap, class T>
struct concurrent_heads
    : std::bool_constant<!taps_site<Tap, site::logits, T> && !taps_site<Tap, site::weights, T>> {};
template <class Tap, class T>
  requires(Tap::kConcurrentHeads)
struct concurrent_heads<Tap, T> : std::true_type {};
template <class Tap, class T>
struct concurrent_heads<std::reference_wrapper<Tap>, T> : concurrent_heads<Tap, T> {};
template <class... Parts, class T>
struct concurrent_heads<taps<Parts...>, T> : std::conjunction<concurrent_heads<Parts, T>...> {};

}  // namespace detail

}  // namespace plumb
