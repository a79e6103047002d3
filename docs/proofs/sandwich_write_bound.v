(** * sandwich-write-bound

    A norm behind a block limits what the block can write, on each channel and on all channels
    together. With o the output of the block, g' the gain, u = o/rho and write_k = g'_k u_k:

    (a) |write_k| <= sqrt(d) |g'_k|;
    (b) Σ_k (write_k / g'_k)^2 = d ||o||^2 / (||o||^2 + d eps), which is at most d;
    (c) the number of channels with |write_k| >= m > 0 is at most d max g'^2 / m^2;
    (d) |h_k| <= |e_k| + sqrt(d) Σ_b |g'_bk| after any number of blocks b, e being the embedding.

    See docs/claims/sandwich-write-bound.md. *)

Require Export rms_bounded.

Definition write (d : nat) (eps : R) (g o : row) : row := fun k => g k * reading d eps o k.

Lemma write_entry d eps g o k :
  can_be_normed d eps o -> (k < d)%nat -> Rabs (write d eps g o k) <= sqrt (INR d) * Rabs (g k).
Proof.
  intros Ho Hk. unfold write. rewrite Rabs_mult, Rmult_comm.
  apply Rmult_le_compat_r; [apply Rabs_pos|].
  apply Rle_trans with (norm d (reading d eps o)); [now apply entry_le_norm|now apply reading_le].
Qed.

Lemma write_joint d eps g o :
  can_be_normed d eps o -> (forall k, (k < d)%nat -> g k <> 0) ->
  Σ (k < d) (write d eps g o k / g k) ^ 2 = INR d * norm d o ^ 2 / (norm d o ^ 2 + INR d * eps).
Proof.
  intros Ho Hg. rewrite <- reading_square, norm_sqr by assumption.
  apply sum_ext; intros k Hk. unfold write. specialize (Hg k Hk). field. assumption.
Qed.

(** Each such channel has u_k^2 >= m^2 / max g'^2, and these add up to at most d. *)
Definition large (m : R) (f : row) (k : nat) : bool := if Rle_dec m (Rabs (f k)) then true else false.

Lemma large_channels d eps g o m M :
  can_be_normed d eps o -> 0 < m -> is_max (fun k => (k < d)%nat) (fun k => g k ^ 2) M ->
  Σ (k < d | large m (write d eps g o) k) 1 <= INR d * M / m ^ 2.
Proof.
  intros Ho Hm [HM (j & Hj & Ej)].
  assert (HM0 : 0 <= M) by (rewrite <- Ej; apply pow2_ge_0).
  apply Rmult_le_reg_r with (m ^ 2); [nra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by nra. rewrite Rmult_1_r, <- sum_if_scale_r.
  apply Rle_trans with (Σ (k < d) (M * (reading d eps o k * reading d eps o k))).
  - apply sum_le; intros k Hk. specialize (HM k Hk).
    assert (0 <= reading d eps o k * reading d eps o k) by nra.
    unfold large. destruct (Rle_dec m (Rabs (write d eps g o k))) as [Hw|_].
    + assert (Hsq : m ^ 2 <= write d eps g o k ^ 2)
        by (rewrite <- (pow2_abs (write d eps g o k)); apply pow_incr; lra).
      unfold write in Hsq. rewrite Rpow_mult_distr in Hsq. nra.
    + now apply Rmult_le_pos.
  - rewrite sum_scale. fold (dot d (reading d eps o) (reading d eps o)). rewrite <- norm_sqr.
    pose proof (reading_square_le d eps o Ho). nra.
Qed.

Lemma after_blocks d eps (g o : matrix) (e : row) blocks k :
  (forall b, (b < blocks)%nat -> can_be_normed d eps (o b)) -> (k < d)%nat ->
  Rabs (e k + Σ (b < blocks) write d eps (g b) (o b) k) <=
  Rabs (e k) + sqrt (INR d) * Σ (b < blocks) Rabs (g b k).
Proof.
  intros Ho Hk. eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat_l.
  eapply Rle_trans; [apply sum_abs|]. rewrite <- sum_scale.
  apply sum_le; intros b Hb. apply write_entry; auto.
Qed.

Theorem sandwich_write_bound d eps :
  (* a *) (forall g o k, can_be_normed d eps o -> (k < d)%nat ->
             Rabs (write d eps g o k) <= sqrt (INR d) * Rabs (g k)) /\
  (* b *) (forall g o, can_be_normed d eps o -> (forall k, (k < d)%nat -> g k <> 0) ->
             Σ (k < d) (write d eps g o k / g k) ^ 2
               = INR d * norm d o ^ 2 / (norm d o ^ 2 + INR d * eps) /\
             Σ (k < d) (write d eps g o k / g k) ^ 2 <= INR d) /\
  (* c *) (forall g o m M, can_be_normed d eps o -> 0 < m ->
             is_max (fun k => (k < d)%nat) (fun k => g k ^ 2) M ->
             Σ (k < d | large m (write d eps g o) k) 1 <= INR d * M / m ^ 2) /\
  (* d *) (forall g o e blocks k,
             (forall b, (b < blocks)%nat -> can_be_normed d eps (o b)) -> (k < d)%nat ->
             Rabs (e k + Σ (b < blocks) write d eps (g b) (o b) k) <=
             Rabs (e k) + sqrt (INR d) * Σ (b < blocks) Rabs (g b k)).
Proof.
  split; [|split; [|split]].
  - intros; now apply write_entry.
  - intros g o Ho Hg. rewrite write_joint by assumption. split; [reflexivity|].
    rewrite <- reading_square by assumption. now apply reading_square_le.
  - intros; now apply large_channels.
  - intros; now apply after_blocks.
Qed.

Print Assumptions sandwich_write_bound.
