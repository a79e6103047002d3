(** * sink-margin-lipschitz

    A sink's weight can change only as fast as its margins do, and those only as fast as the query
    moves. For two queries q, q' on the same n >= 2 keys, with logit A = ln(A / (1 - A)):

    (a) |logit A_s - logit A_s'| <= max_{j <> s} |(l_j - l_s) - (l_j' - l_s')|
    (b) max_{j <> s} |(l_j - l_s) - (l_j' - l_s')| <= scale ||q - q'|| max_j ||k_j - k_s||
        for l_j = scale q.k_j.

    See docs/claims/sink-margin-lipschitz.md. *)

Require Export Softmax.

Definition logit (A : R) : R := ln (A / (1 - A)).

Section Queries.
Variables (n : nat) (s : nat).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat).

Definition among_rivals (j : nat) : Prop := (j < n)%nat /\ rival s j = true.

Definition margins (l : row) : row := fun j => l j - l s.

(** logit A_s = -LSE_{j <> s}(l_j - l_s) *)
Lemma logit_weight l : logit (weight n l s) = - LSE n (margins l) s.
Proof.
  pose proof (rival_partition_pos n l s two_keys) as HR. pose proof (exp_pos (l s)) as He.
  assert (Hm : rival_partition n (margins l) s = rival_partition n l s / exp (l s)).
  { unfold rival_partition, Rdiv. rewrite <- sum_if_scale_r. apply sum_if_ext; intros j _ _.
    unfold margins, Rminus. now rewrite exp_plus, exp_Ropp. }
  unfold logit, LSE. rewrite Hm, <- ln_Rinv by now apply Rdiv_lt_0_compat. f_equal.
  rewrite weight_rivals by assumption. field. repeat split; lra.
Qed.

(** Arguments that grow by at most D make LSE grow by at most D. *)
Lemma LSE_grows l l' D :
  (forall j, among_rivals j -> l j <= l' j + D) -> LSE n l s <= LSE n l' s + D.
Proof.
  intros H. pose proof (rival_partition_pos n l s two_keys) as HR.
  pose proof (rival_partition_pos n l' s two_keys) as HR'. pose proof (exp_pos D).
  unfold LSE. rewrite <- (ln_exp D) at 1. rewrite <- ln_mult by assumption.
  assert (Hle : rival_partition n l s <= rival_partition n l' s * exp D).
  { unfold rival_partition. rewrite <- sum_if_scale_r. apply sum_if_le; intros j Hj E.
    rewrite <- exp_plus. destruct (H j (conj Hj E)) as [Hlt| ->];
      [left; now apply exp_increasing|lra]. }
  destruct Hle as [Hle| ->]; [left; now apply ln_increasing|lra].
Qed.

Lemma logit_moves l l' M :
  is_max among_rivals (fun j => Rabs ((l j - l s) - (l' j - l' s))) M ->
  Rabs (logit (weight n l s) - logit (weight n l' s)) <= M.
Proof.
  intros [HM _]. rewrite !logit_weight.
  assert (H1 : LSE n (margins l) s <= LSE n (margins l') s + M).
  { apply LSE_grows; intros j Hj. pose proof (abs_range _ _ (HM j Hj)). unfold margins. lra. }
  assert (H2 : LSE n (margins l') s <= LSE n (margins l) s + M).
  { apply LSE_grows; intros j Hj. pose proof (abs_range _ _ (HM j Hj)). unfold margins. lra. }
  apply Rabs_le. lra.
Qed.

(** ** Dot products *)

Variables (d : nat) (scale : R) (k : matrix).
Hypothesis scale_pos : 0 <= scale.

Definition logits (q : row) : row := fun j => scale * dot d q (k j).

Lemma margin_moves q q' M K :
  is_max among_rivals
    (fun j => Rabs ((logits q j - logits q s) - (logits q' j - logits q' s))) M ->
  is_max (fun j => (j < n)%nat) (fun j => norm d (fun c => k j c - k s c)) K ->
  M <= scale * norm d (fun c => q c - q' c) * K.
Proof.
  intros [_ (j & [Hj E] & <-)] [HK _].
  replace (logits q j - logits q s - (logits q' j - logits q' s))
    with (scale * dot d (fun c => q c - q' c) (fun c => k j c - k s c))
    by (unfold logits; rewrite dot_sub_l, !dot_sub_r; ring).
  rewrite Rabs_mult, Rabs_pos_eq, Rmult_assoc by assumption.
  apply Rmult_le_compat_l; [assumption|].
  eapply Rle_trans; [apply cauchy_schwarz|].
  apply Rmult_le_compat_l; [apply norm_nonneg|now apply HK].
Qed.

Theorem sink_margin_lipschitz :
  (* a *) (forall l l' M,
             is_max among_rivals (fun j => Rabs ((l j - l s) - (l' j - l' s))) M ->
             Rabs (logit (weight n l s) - logit (weight n l' s)) <= M) /\
  (* b *) (forall q q' M K,
             is_max among_rivals
               (fun j => Rabs ((logits q j - logits q s) - (logits q' j - logits q' s))) M ->
             is_max (fun j => (j < n)%nat) (fun j => norm d (fun c => k j c - k s c)) K ->
             M <= scale * norm d (fun c => q c - q' c) * K).
Proof. split; [exact logit_moves|exact margin_moves]. Qed.

End Queries.

Print Assumptions sink_margin_lipschitz.
