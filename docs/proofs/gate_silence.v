(** * gate-silence

    A gate silences a head by one number that is nearly 0. Without a gate the head writes a mixture
    of values; if the sink takes nearly all the weight, silence needs a sink with a small value.

    (a) ||η .* o|| <= max_c η_c ||o||
    (b) for η = σ(t), t = w.x, and 0 < e < 1: η <= e exactly when t <= -ln(1/e - 1)
    (c) A_s ||v_s|| - (1 - A_s) max_{j <> s} ||v_j|| <= ||o||
    (d) ||o|| <= A_s ||v_s|| + (1 - A_s) max_{j <> s} ||v_j||

    Rearranged, (c) says what silence takes: ||v_s|| <= (||o|| + (1 - A_s) max ||v_j||) / A_s.
    See docs/claims/gate-silence.md. *)

Require Export Softmax.

Lemma gated_norm d η o M :
  (forall c, (c < d)%nat -> 0 < η c) -> is_max (fun c => (c < d)%nat) η M ->
  norm d (fun c => η c * o c) <= M * norm d o.
Proof.
  intros Hpos [HM (k & Hk & E)]. apply norm_gain.
  - rewrite <- E. left; auto.
  - intros c Hc. rewrite Rabs_pos_eq by (left; auto). auto.
Qed.

Lemma gate_threshold t e : 0 < e < 1 -> (σ t <= e <-> t <= - ln (1 / e - 1)).
Proof.
  intros He.
  assert (Hodds : 0 < 1 / e - 1)
    by (replace (1 / e - 1) with ((1 - e) / e) by (field; lra); apply Rdiv_lt_0_compat; lra).
  assert (E : σ (- ln (1 / e - 1)) = e).
  { unfold σ. rewrite Ropp_involutive, exp_ln by assumption. field; lra. }
  split; intros H.
  - destruct (Rle_dec t (- ln (1 / e - 1))) as [|Hn]; [assumption|exfalso].
    apply Rnot_le_lt in Hn. pose proof (sigma_strictly_increases _ _ Hn). lra.
  - rewrite <- E. now apply sigma_increases.
Qed.

Section Sink.
Variables (d n : nat) (l : row) (v : matrix) (s : nat) (M : R).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat).
Hypothesis longest_rival :
  is_max (fun j => (j < n)%nat /\ rival s j = true) (fun j => norm d (v j)) M.

Notation A_s := (weight n l s).
Notation o := (output n l v).
Notation o' := (output_without n l v s).

Lemma rest_le : norm d o' <= M.
Proof.
  apply output_without_le; [assumption|]. intros j Hj E. now apply longest_rival.
Qed.

Lemma at_most : norm d o <= A_s * norm d (v s) + (1 - A_s) * M.
Proof.
  pose proof (weight_pos n l s ltac:(lia)). pose proof (weight_lt_1 n l s two_keys visible).
  pose proof rest_le.
  rewrite (norm_ext d o (fun c => A_s * v s c + (1 - A_s) * o' c))
    by (intros; now apply output_split).
  eapply Rle_trans; [apply (norm_triangle d (fun c => A_s * v s c) (fun c => (1 - A_s) * o' c))|].
  rewrite !norm_scale, !Rabs_pos_eq by lra. nra.
Qed.

(** A_s v_s = o - (1 - A_s) o' *)
Lemma at_least : A_s * norm d (v s) - (1 - A_s) * M <= norm d o.
Proof.
  pose proof (weight_pos n l s ltac:(lia)). pose proof (weight_lt_1 n l s two_keys visible).
  pose proof rest_le.
  assert (Ht : A_s * norm d (v s) <= norm d o + (1 - A_s) * norm d o').
  { rewrite <- (Rabs_pos_eq A_s) at 1 by lra. rewrite <- norm_scale.
    rewrite (norm_ext d _ (fun c => o c + - (1 - A_s) * o' c)).
    - eapply Rle_trans; [apply (norm_triangle d o (fun c => - (1 - A_s) * o' c))|].
      rewrite norm_scale, Rabs_Ropp, Rabs_pos_eq by lra. lra.
    - intros c _. rewrite (output_split n l v s c) by assumption. ring. }
  nra.
Qed.

Lemma silence_takes : norm d (v s) <= (norm d o + (1 - A_s) * M) / A_s.
Proof.
  pose proof (weight_pos n l s ltac:(lia)). pose proof at_least.
  apply Rmult_le_reg_r with A_s; [assumption|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

End Sink.

Theorem gate_silence :
  (* a *) (forall d η o M, (forall c, (c < d)%nat -> 0 < η c) -> is_max (fun c => (c < d)%nat) η M ->
             norm d (fun c => η c * o c) <= M * norm d o) /\
  (* b *) (forall t e, 0 < e < 1 -> (σ t <= e <-> t <= - ln (1 / e - 1))) /\
          (forall d n l v s M, (2 <= n)%nat -> (s < n)%nat ->
             is_max (fun j => (j < n)%nat /\ rival s j = true) (fun j => norm d (v j)) M ->
  (* c *)    weight n l s * norm d (v s) - (1 - weight n l s) * M <= norm d (output n l v) /\
             norm d (v s) <= (norm d (output n l v) + (1 - weight n l s) * M) / weight n l s /\
  (* d *)    norm d (output n l v) <= weight n l s * norm d (v s) + (1 - weight n l s) * M).
Proof.
  split; [exact gated_norm|split; [exact gate_threshold|]].
  intros. split; [now apply at_least|split; [now apply silence_takes|now apply at_most]].
Qed.

Print Assumptions gate_silence.
