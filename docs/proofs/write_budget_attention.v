(** * write-budget-attention

    What an attention block can write into a channel k is bounded by the rows of W_O W_V that lead
    there, whatever queries and keys do. With ||x_j||^2 <= d for what the block reads, weights A >= 0
    with a sum of at most 1, r_h = (W_O^h W_V^kv(h))_k, and gates in [0, 1]:

    (a) |write_k| <= sqrt(d) Σ_h ||r_h|| + |bias_k|, with no gate or one gate a head or token;
    (b) |write_k| <= sqrt(d) Σ_c |W_O[k, c]| ||W_V[c]|| + |bias_k|, with any gate;
    (c) |write_k| <= Σ_h ||r_h||_1 + |bias_k| where |x_i| <= 1, as with DynamicTanh;
    (d) |write_k| <= sqrt(d) ||Σ_h r_h|| + |bias_k| at a position that sees itself only, no gate.

    See docs/claims/write-budget-attention.md. *)

Require Export Sums.

Section Budget.
Variables (d heads n : nat) (x : matrix) (bias : R).

(** The weights of each head: a learned sink or an extra 1 may take its share, too. *)
Variable A : matrix.
Hypothesis weights_nonneg : forall h j, (h < heads)%nat -> (j < n)%nat -> 0 <= A h j.
Hypothesis weights_le_1 : forall h, (h < heads)%nat -> Σ (j < n) A h j <= 1.

Hypothesis read_bounded : forall j, (j < n)%nat -> norm d (x j) <= sqrt (INR d).

(** The mixture that head h makes of what it reads; values are linear in it. *)
Definition mixed (h : nat) : row := fun i => Σ (j < n) (A h j * x j i).

Lemma mean_abs_le h f M :
  (h < heads)%nat -> 0 <= M -> (forall j, (j < n)%nat -> Rabs (f j) <= M) ->
  Rabs (Σ (j < n) (A h j * f j)) <= M.
Proof.
  intros Hh HM Hf. eapply Rle_trans; [apply sum_abs|].
  apply Rle_trans with (Σ (j < n) (A h j * M)).
  - apply sum_le; intros j Hj. rewrite Rabs_mult, Rabs_pos_eq by auto.
    apply Rmult_le_compat_l; auto.
  - rewrite sum_scale_r. change (sum n (A h)) with (Σ (j < n) A h j).
    specialize (weights_le_1 h Hh). nra.
Qed.

Lemma mixed_norm h : (h < heads)%nat -> norm d (mixed h) <= sqrt (INR d).
Proof.
  intros Hh. unfold mixed. eapply Rle_trans; [apply norm_mix; auto|].
  apply Rle_trans with (Σ (j < n) (A h j * sqrt (INR d))).
  - apply sum_le; intros j Hj. apply Rmult_le_compat_l; auto.
  - rewrite sum_scale_r. change (sum n (A h)) with (Σ (j < n) A h j).
    specialize (weights_le_1 h Hh). pose proof (sqrt_pos (INR d)). nra.
Qed.

Lemma along_row h r : (h < heads)%nat -> Rabs (dot d r (mixed h)) <= sqrt (INR d) * norm d r.
Proof.
  intros Hh. eapply Rle_trans; [apply cauchy_schwarz|]. rewrite Rmult_comm.
  apply Rmult_le_compat_r; [apply norm_nonneg|now apply mixed_norm].
Qed.

Lemma gated_le η s M : 0 <= η <= 1 -> Rabs s <= M -> Rabs (η * s) <= M.
Proof.
  intros Hη Hs. rewrite Rabs_mult, (Rabs_pos_eq η) by lra. pose proof (Rabs_pos s). nra.
Qed.

Lemma with_bias s M : Rabs s <= M -> Rabs (s + bias) <= M + Rabs bias.
Proof. intros Hs. eapply Rle_trans; [apply Rabs_triang|lra]. Qed.

(** Row k of W_O^h W_V^kv(h). *)
Variable r : matrix.
Variable η : row.
Hypothesis gates : forall h, (h < heads)%nat -> 0 <= η h <= 1.

Definition write_k : R := Σ (h < heads) (η h * dot d (r h) (mixed h)) + bias.

Lemma by_heads : Rabs write_k <= sqrt (INR d) * (Σ (h < heads) norm d (r h)) + Rabs bias.
Proof.
  apply with_bias. eapply Rle_trans; [apply sum_abs|]. rewrite <- sum_scale.
  apply sum_le; intros h Hh. apply gated_le; [auto|now apply along_row].
Qed.

Lemma by_entries :
  (forall j i, (j < n)%nat -> (i < d)%nat -> Rabs (x j i) <= 1) ->
  Rabs write_k <= (Σ (h < heads) Σ (i < d) Rabs (r h i)) + Rabs bias.
Proof.
  intros Hx. apply with_bias. eapply Rle_trans; [apply sum_abs|].
  apply sum_le; intros h Hh. apply gated_le; [auto|].
  eapply Rle_trans; [apply sum_abs|]. apply sum_le; intros i Hi.
  rewrite Rabs_mult. pose proof (Rabs_pos (r h i)).
  assert (Rabs (mixed h i) <= 1) by (apply mean_abs_le; auto; lra). nra.
Qed.

(** One visible key: all heads read the same row, and the rows add up before the norm is taken. *)
Lemma one_key x0 :
  norm d x0 <= sqrt (INR d) ->
  Rabs (Σ (h < heads) dot d (r h) x0 + bias) <=
  sqrt (INR d) * norm d (fun i => Σ (h < heads) r h i) + Rabs bias.
Proof.
  intros Hx. apply with_bias.
  replace (Σ (h < heads) dot d (r h) x0) with (dot d (fun i => Σ (h < heads) (1 * r h i)) x0)
    by (rewrite dot_mix_l; apply sum_ext; intros; ring).
  eapply Rle_trans; [apply cauchy_schwarz|]. rewrite Rmult_comm.
  rewrite (norm_ext d (fun i => Σ (h < heads) (1 * r h i)) (fun i => Σ (h < heads) r h i))
    by (intros; apply sum_ext; intros; ring).
  apply Rmult_le_compat_r; [apply norm_nonneg|assumption].
Qed.

(** Gates by channel: head_of c is the head of channel c, W_V c the row that makes its value. *)
Variables (channels : nat) (head_of : nat -> nat) (W_O : row) (W_V : matrix) (ζ : row).
Hypothesis channel_gates : forall c, (c < channels)%nat -> 0 <= ζ c <= 1.
Hypothesis heads_of_channels : forall c, (c < channels)%nat -> (head_of c < heads)%nat.

Definition gated_write_k : R :=
  Σ (c < channels) (ζ c * (W_O c * dot d (W_V c) (mixed (head_of c)))) + bias.

Lemma by_channels :
  Rabs gated_write_k <= sqrt (INR d) * (Σ (c < channels) (Rabs (W_O c) * norm d (W_V c))) + Rabs bias.
Proof.
  apply with_bias. eapply Rle_trans; [apply sum_abs|]. rewrite <- sum_scale.
  apply sum_le; intros c Hc. apply gated_le; [auto|]. rewrite Rabs_mult.
  pose proof (along_row (head_of c) (W_V c) (heads_of_channels c Hc)).
  pose proof (Rabs_pos (W_O c)). nra.
Qed.

Theorem write_budget_attention :
  (* a *) Rabs write_k <= sqrt (INR d) * (Σ (h < heads) norm d (r h)) + Rabs bias /\
  (* b *) Rabs gated_write_k <=
            sqrt (INR d) * (Σ (c < channels) (Rabs (W_O c) * norm d (W_V c))) + Rabs bias /\
  (* c *) ((forall j i, (j < n)%nat -> (i < d)%nat -> Rabs (x j i) <= 1) ->
             Rabs write_k <= (Σ (h < heads) Σ (i < d) Rabs (r h i)) + Rabs bias) /\
  (* d *) (forall x0, norm d x0 <= sqrt (INR d) ->
             Rabs (Σ (h < heads) dot d (r h) x0 + bias) <=
             sqrt (INR d) * norm d (fun i => Σ (h < heads) r h i) + Rabs bias).
Proof.
  split; [exact by_heads|split; [exact by_channels|split; [exact by_entries|exact one_key]]].
Qed.

End Budget.

Print Assumptions write_budget_attention.
