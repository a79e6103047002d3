(** * rms-bounded

    RMS normalisation puts a row on a ball: whatever the size of its entries, none of them is
    larger than sqrt(d) afterwards. For a row h of width d that is not zero, or eps > 0,

        rho = sqrt(||h||^2 / d + eps),    u = h / rho,

    (a) ||u||^2 = d ||h||^2 / (||h||^2 + d eps), so ||u||^2 <= d;
    (b) |u_i| <= sqrt(d) for every i;
    (c) ||g .* u|| <= sqrt(d) M, where M is the largest |g_i|.

    See docs/claims/rms-bounded.md. *)

Require Export Sums.

Definition rho (d : nat) (eps : R) (h : row) : R := sqrt (dot d h h / INR d + eps).
Definition reading (d : nat) (eps : R) (h : row) : row := fun i => h i / rho d eps h.

(** What a norm needs in order not to divide by zero. *)
Definition can_be_normed (d : nat) (eps : R) (h : row) : Prop :=
  (0 < d)%nat /\ 0 <= eps /\ (0 < norm d h \/ 0 < eps).

Lemma width_pos d : (0 < d)%nat -> 0 < INR d.
Proof. apply lt_0_INR. Qed.

Lemma lifted_square_pos d eps h : can_be_normed d eps h -> 0 < dot d h h + INR d * eps.
Proof.
  intros (Hd & Heps & H). pose proof (width_pos d Hd). pose proof (dot_self_nonneg d h).
  destruct H as [H|H]; [|nra].
  pose proof (norm_sqr d h). nra.
Qed.

Lemma rho_sqr d eps h : can_be_normed d eps h -> rho d eps h ^ 2 = (dot d h h + INR d * eps) / INR d.
Proof.
  intros H. pose proof (lifted_square_pos d eps h H) as Hp. destruct H as (Hd & _).
  pose proof (width_pos d Hd).
  replace ((dot d h h + INR d * eps) / INR d) with (dot d h h / INR d + eps) by (field; lra).
  unfold rho. apply pow2_sqrt.
  replace (dot d h h / INR d + eps) with ((dot d h h + INR d * eps) / INR d) by (field; lra).
  left. now apply Rdiv_lt_0_compat.
Qed.

Lemma rho_pos d eps h : can_be_normed d eps h -> 0 < rho d eps h.
Proof.
  intros H. pose proof (rho_sqr d eps h H). pose proof (lifted_square_pos d eps h H).
  assert (0 < rho d eps h ^ 2).
  { rewrite H0. apply Rdiv_lt_0_compat; [assumption|]. now apply width_pos, H. }
  pose proof (sqrt_pos (dot d h h / INR d + eps)). fold (rho d eps h) in *. nra.
Qed.

Lemma dot_readings d eps h h' :
  can_be_normed d eps h -> can_be_normed d eps h' ->
  dot d (reading d eps h) (reading d eps h') = dot d h h' / (rho d eps h * rho d eps h').
Proof.
  intros H H'. pose proof (rho_pos d eps h H). pose proof (rho_pos d eps h' H').
  unfold reading.
  rewrite (dot_ext d _ _ (fun i => / rho d eps h * h i) (fun i => / rho d eps h' * h' i)).
  - rewrite dot_scale_l, dot_scale_r. field; lra.
  - intros; field; lra.
  - intros; field; lra.
Qed.

Lemma reading_square d eps h :
  can_be_normed d eps h ->
  norm d (reading d eps h) ^ 2 = INR d * norm d h ^ 2 / (norm d h ^ 2 + INR d * eps).
Proof.
  intros H. pose proof (rho_sqr d eps h H) as Hr. pose proof (lifted_square_pos d eps h H).
  pose proof (rho_pos d eps h H). pose proof (width_pos d (proj1 H)).
  rewrite !norm_sqr, dot_readings by assumption.
  replace (rho d eps h * rho d eps h) with (rho d eps h ^ 2) by ring.
  rewrite Hr. field; lra.
Qed.

Lemma reading_square_le d eps h : can_be_normed d eps h -> norm d (reading d eps h) ^ 2 <= INR d.
Proof.
  intros H. rewrite reading_square by assumption. pose proof (lifted_square_pos d eps h H) as Hp.
  destruct H as (Hd & Heps & _). pose proof (width_pos d Hd). rewrite !norm_sqr.
  apply Rmult_le_reg_r with (dot d h h + INR d * eps); [assumption|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

Lemma reading_le d eps h : can_be_normed d eps h -> norm d (reading d eps h) <= sqrt (INR d).
Proof.
  intros H. apply le_of_squares; [apply sqrt_pos|].
  rewrite pow2_sqrt by apply pos_INR. now apply reading_square_le.
Qed.

Theorem rms_bounded (d : nat) (eps : R) (h : row) :
  can_be_normed d eps h ->
  let u := reading d eps h in
  (* a *) norm d u ^ 2 = INR d * norm d h ^ 2 / (norm d h ^ 2 + INR d * eps) /\
          norm d u ^ 2 <= INR d /\
  (* b *) (forall i, (i < d)%nat -> Rabs (u i) <= sqrt (INR d)) /\
  (* c *) (forall g M, is_max (fun i => (i < d)%nat) (fun i => Rabs (g i)) M ->
             norm d (fun i => g i * u i) <= sqrt (INR d) * M).
Proof.
  intros H u. pose proof (reading_le d eps h H) as Hu. fold u in Hu.
  split; [|split; [|split]].
  - now apply reading_square.
  - now apply reading_square_le.
  - intros i Hi. apply Rle_trans with (norm d u); [now apply entry_le_norm|assumption].
  - intros g M [Hg (k & Hk & HM)]. rewrite Rmult_comm.
    assert (0 <= M) by (rewrite <- HM; apply Rabs_pos).
    eapply Rle_trans; [now apply (norm_gain d g u M)|].
    now apply Rmult_le_compat_l.
Qed.

(** A row with one entry reaches (a) and (b), for eps = 0. *)
Theorem rms_bounded_tight (d : nat) (k : nat) (x : R) :
  (k < d)%nat -> 0 < x ->
  let h := fun i => if (i =? k)%nat then x else 0 in
  reading d 0 h k = sqrt (INR d) /\ norm d (reading d 0 h) ^ 2 = INR d.
Proof.
  intros Hk Hx h.
  assert (Hhh : dot d h h = x ^ 2).
  { unfold dot. rewrite (sum_pick d k) by assumption. rewrite sum_zero.
    - unfold h. rewrite Nat.eqb_refl. ring.
    - intros i _. unfold rival, h. destruct (i =? k)%nat; simpl; ring. }
  pose proof (width_pos d ltac:(lia)) as Hd.
  assert (Hn : norm d h = x).
  { apply eq_of_squares; [apply norm_nonneg|lra|]. now rewrite norm_sqr. }
  assert (H : can_be_normed d 0 h) by (repeat split; [lia|lra|left; lra]).
  split.
  - pose proof (rho_pos d 0 h H). pose proof (rho_sqr d 0 h H) as Hr.
    rewrite Hhh in Hr. unfold reading. replace (h k) with x by (unfold h; now rewrite Nat.eqb_refl).
    apply eq_of_squares; [left; now apply Rdiv_lt_0_compat|apply sqrt_pos|].
    rewrite pow2_sqrt by lra. replace ((x / rho d 0 h) ^ 2) with (x ^ 2 / rho d 0 h ^ 2) by (field; lra).
    rewrite Hr. field; lra.
  - rewrite reading_square, Hn by assumption. field. nra.
Qed.

Print Assumptions rms_bounded.
Print Assumptions rms_bounded_tight.
