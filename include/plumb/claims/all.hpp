#pragma once

#include <vector>

#include "plumb/claims/activation.hpp"
#include "plumb/claims/bounded_write.hpp"
#include "plumb/claims/check.hpp"
#include "plumb/claims/convex_hull.hpp"
#include "plumb/claims/dynamic_tanh.hpp"
#include "plumb/claims/feed_forward.hpp"
#include "plumb/claims/finite_write_shielding.hpp"
#include "plumb/claims/first_token_self_map.hpp"
#include "plumb/claims/gates.hpp"
#include "plumb/claims/head_row.hpp"
#include "plumb/claims/key_ball.hpp"
#include "plumb/claims/key_second_singular_value.hpp"
#include "plumb/claims/norm.hpp"
#include "plumb/claims/normed_spike.hpp"
#include "plumb/claims/one_neuron_eigenpair.hpp"
#include "plumb/claims/rank_one.hpp"
#include "plumb/claims/residual.hpp"
#include "plumb/claims/rms_near_constant.hpp"
#include "plumb/claims/rotary_isometry.hpp"
#include "plumb/claims/rotary_self_pair.hpp"
#include "plumb/claims/shared_direction_ratios.hpp"
#include "plumb/claims/sink_removal.hpp"
#include "plumb/claims/sink_weight.hpp"
#include "plumb/claims/write_budget_attention.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/trace/trace.hpp"

namespace plumb::claims {

/// Every claim of the library, held against one run, in the order of the index in docs/claims.
/// `check` does the same for claims of your own. Cost: each layer is run once more, and the claims.
template <class T>
std::vector<Result> check_all(const Decoder<T>& model, const Trace<T>& trace) {
  return check<
      // what RMS normalisation does to a row
      RmsBoundedSquare, RmsBoundedEntry, RmsBoundedGain, JacobianRmsNormValue, JacobianRmsNormBound,
      JacobianRmsNormSpectrum, FiniteWriteIdentity, FiniteWriteShielding, FiniteWriteShieldingGain,
      // what it makes of a spike
      RmsSparsifiesEntry, RmsSparsifiesRest, RmsSparsifiesParticipation, RmsSparsifiesHoyer,
      RmsNearConstant, RmsNearConstantTriangle, RmsNearConstantLinear, RmsNearConstantGain,
      SpikeScaleLaw, SpikeScaleBound,
      // sums of writes
      PlateauPersistence, SandwichWriteChannel, SandwichWriteJoint, SandwichWriteCount,
      SandwichWriteSum,
      // DynamicTanh in its place
      DynamicTanhBounded, DynamicTanhApart, DynamicTanhSaturates, JacobianDynamicTanh,
      // activations near ReLU
      SiluReluGap, SiluReluGapExact, SiluLeast, SiluSlope, GeluReluGap, GeluTanhReluGap,
      // the feed-forward block
      MirrorIdentity, MirrorJacobian, QuadraticSplit, ActiveSet, ActiveSetConstant, JacobianSwiglu,
      JacobianSwigluEuler,
      // its quadratic form
      RankOneCertificate, RankOneSharper, SecondEigenvalue, SpectralRemainder, NeuronHigh,
      NeuronLow, NeuronDirection, NeuronWeyl, NeuronDavisKahan, RayleighResidual, SharedRatio,
      SharedAngle, TriggerNecessary, TriggerSufficient, WriteRise, WriteFall, WriteRows, WriteMass,
      MajorantAbove, MajorantBelow, MajorantDifference, WriteCone,
      // what attention can write
      AttentionBudget, AttentionBudgetChannelwise, AttentionBudgetTanh, AttentionBudgetAlone,
      // sink weights
      FirstTokenOutput, FirstTokenWrite, SelfSinkWeight, SinkOutput, SinkWeightLeast,
      SinkWeightByMax, SinkWeightByMean, SinkWeightByGroups, SinkMarginChange, SinkMarginRadius,
      // outputs of heads
      GatedNorm, GateThreshold, SinkOutputLeast, SinkOutputMost, ConvexHull, UnconditionalGate,
      SinkRemoval, SinkRemovalDistance, SinkRemovalOdds, SinkAsOffByOne, SinkAsOffByOneByLogit,
      SinkHeadLowRank, SilenceNeedsSink,
      // keys and rotary positions
      KeyBall, KeyBallOfSpikes, KeyBallNormalised, KeySingularValue, KeySecondByDirection,
      KeySingularValueOffSpikes, RotaryNorm, RotaryDistance, RotaryLogit, RotarySelfPair,
      RotaryLogitCeiling, LogitCapPerHead, LogitCapAllHeads>(model, trace);
}

#ifdef PLUMB_EXTERN_TEMPLATES
extern template std::vector<Result> check_all(const Decoder<double>&, const Trace<double>&);
#endif

}  // namespace plumb::claims
