(** * self-sink-margin

    A token that keeps its own weight needs only a moderate margin of logits over its strongest
    rival, and then writes nearly its own value. For n >= 2 visible keys,

    (a) 1 / (1 + (n - 1) e^-m) <= A_t with m = l_t - max_{j <> t} l_j, so a weight of at least p
        needs no more margin than ln(n - 1) + ln(p / (1 - p));
    (b) ||o - v_s|| <= (1 - A_s) max_j ||v_j - v_s|| for any key s.

    (a) is an equality when all rivals are equal, and both are for n = 2.
    See docs/claims/self-sink-margin.md. *)

Require Import Softmax.

Section Margin.
Variables (d n : nat) (l : row) (v : matrix).
Hypothesis two_keys : (2 <= n)%nat.

Definition margin (t : nat) (m : R) : Prop :=
  is_max (fun j => (j < n)%nat /\ rival t j = true) l (l t - m).

Lemma rivals_pos : 0 < INR n - 1.
Proof. apply le_INR in two_keys. simpl in two_keys. lra. Qed.

(** The weight of t by its margins: 1 / A_t = 1 + Σ_{j <> t} e^(l_j - l_t). *)
Lemma weight_by_margins t :
  (t < n)%nat -> weight n l t = 1 / (1 + Σ (j < n | rival t j) exp (l j - l t)).
Proof.
  intros Ht. rewrite weight_rivals by assumption. pose proof (exp_pos (l t)).
  pose proof (rival_partition_pos n l t two_keys).
  replace (Σ (j < n | rival t j) exp (l j - l t)) with (rival_partition n l t / exp (l t)).
  - field; lra.
  - unfold rival_partition, Rdiv. rewrite <- sum_if_scale_r. apply sum_if_ext; intros j _ _.
    unfold Rminus. now rewrite exp_plus, exp_Ropp.
Qed.

Lemma rivals_by_margin t m :
  (t < n)%nat -> margin t m -> Σ (j < n | rival t j) exp (l j - l t) <= (INR n - 1) * exp (- m).
Proof.
  intros Ht [Hm _]. rewrite <- (count_rivals n t Ht), <- sum_if_scale_r.
  apply sum_if_le; intros j Hj E. rewrite Rmult_1_l.
  assert (H : l j - l t <= - m) by (specialize (Hm j (conj Hj E)); lra).
  destruct H as [H| ->]; [left; now apply exp_increasing|lra].
Qed.

Lemma self_weight t m :
  (t < n)%nat -> margin t m -> 1 / (1 + (INR n - 1) * exp (- m)) <= weight n l t.
Proof.
  intros Ht Hm. rewrite weight_by_margins by assumption.
  pose proof (rivals_by_margin t m Ht Hm). pose proof rivals_pos. pose proof (exp_pos (- m)).
  assert (0 <= Σ (j < n | rival t j) exp (l j - l t))
    by (apply sum_if_nonneg; intros; left; apply exp_pos).
  unfold Rdiv. rewrite !Rmult_1_l. apply Rinv_le_contravar; lra.
Qed.

(** The margin that a weight of p needs. *)
Definition margin_for (p : R) : R := ln (INR n - 1) + ln (p / (1 - p)).

Lemma enough_margin t m p :
  (t < n)%nat -> margin t m -> 0 < p < 1 -> margin_for p <= m -> p <= weight n l t.
Proof.
  intros Ht Hm Hp H.
  apply Rle_trans with (1 / (1 + (INR n - 1) * exp (- m))); [|now apply self_weight].
  pose proof rivals_pos. pose proof (exp_pos (- m)).
  assert (Hodds : 0 < p / (1 - p)) by (apply Rdiv_lt_0_compat; lra).
  assert (He : exp (- m) <= / ((INR n - 1) * (p / (1 - p)))).
  { rewrite exp_Ropp. apply Rinv_le_contravar; [now apply Rmult_lt_0_compat|].
    unfold margin_for in H. rewrite <- ln_mult in H by assumption.
    rewrite <- (exp_ln ((INR n - 1) * (p / (1 - p)))) by now apply Rmult_lt_0_compat.
    destruct H as [H| ->]; [left; now apply exp_increasing|lra]. }
  apply Rmult_le_compat_l with (r := INR n - 1) in He; [|lra].
  replace ((INR n - 1) * / ((INR n - 1) * (p / (1 - p)))) with ((1 - p) / p) in He by (field; lra).
  replace p with (1 / (1 + (1 - p) / p)) at 1 by (field; lra).
  unfold Rdiv at 1 3. rewrite !Rmult_1_l. apply Rinv_le_contravar; [nra|lra].
Qed.

(** ** (b) *)

Definition away (s : nat) : row := fun c => output n l v c - v s c.

(** Weights add up to 1, so o - v_s is the mixture of the v_j - v_s, where j = s adds nothing. *)
Lemma away_is_mixture s c :
  (s < n)%nat -> away s c = Σ (j < n | rival s j) (weight n l j * (v j c - v s c)).
Proof.
  intros Hs. unfold away, output.
  replace (v s c) with (Σ (j < n) (weight n l j * v s c)) at 1
    by (rewrite sum_scale_r, weights_sum_to_1 by lia; ring).
  rewrite <- sum_sub, (sum_pick n s) by assumption.
  rewrite <- Rmult_minus_distr_l, Rminus_diag_eq, Rmult_0_r, Rplus_0_l by reflexivity.
  apply sum_if_ext; intros; ring.
Qed.

Lemma near_the_sink s M :
  (s < n)%nat -> is_max (fun j => (j < n)%nat) (fun j => norm d (fun c => v j c - v s c)) M ->
  norm d (away s) <= (1 - weight n l s) * M.
Proof.
  intros Hs [HM _].
  rewrite (norm_ext d _ (fun c => Σ (j < n | rival s j) (weight n l j * (v j c - v s c))))
    by (intros; now apply away_is_mixture).
  eapply Rle_trans; [apply (norm_mix_if d n (rival s) _ (fun j c => v j c - v s c))|].
  - intros; left; apply weight_pos; lia.
  - rewrite <- other_weights, <- sum_if_scale_r by assumption.
    apply sum_if_le; intros j Hj _. apply Rmult_le_compat_l; [left; apply weight_pos; lia|].
    exact (HM j Hj).
Qed.

Theorem self_sink_margin :
  (* a *) (forall t m, (t < n)%nat -> margin t m ->
             1 / (1 + (INR n - 1) * exp (- m)) <= weight n l t) /\
          (forall t m p, (t < n)%nat -> margin t m -> 0 < p < 1 -> margin_for p <= m ->
             p <= weight n l t) /\
  (* b *) (forall s M, (s < n)%nat ->
             is_max (fun j => (j < n)%nat) (fun j => norm d (fun c => v j c - v s c)) M ->
             norm d (fun c => output n l v c - v s c) <= (1 - weight n l s) * M).
Proof. repeat split; [exact self_weight|exact enough_margin|exact near_the_sink]. Qed.

(** Equal rivals reach (a). *)
Theorem self_sink_margin_tight t m :
  (t < n)%nat -> (forall j, (j < n)%nat -> rival t j = true -> l j = l t - m) ->
  1 / (1 + (INR n - 1) * exp (- m)) = weight n l t.
Proof.
  intros Ht H. rewrite weight_by_margins by assumption. do 2 f_equal.
  rewrite <- (count_rivals n t Ht), <- sum_if_scale_r. apply sum_if_ext; intros j Hj E.
  rewrite H by assumption. rewrite Rmult_1_l. f_equal. ring.
Qed.

End Margin.

Print Assumptions self_sink_margin.
Print Assumptions self_sink_margin_tight.
