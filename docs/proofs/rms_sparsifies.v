(** * rms-sparsifies

    Beside a spike everything else becomes small. The row h is s on the spike channels C and r
    elsewhere, s is not zero. With R = ||r||^2 + d eps, tau = ||r|| / ||s||, c the number of spike
    channels, and p the share of C in the energy of any row that is not zero:

    (a) u_i = kappa u~_i for i not in C, where u~ is what the norm makes of r alone and
        kappa = sqrt(R / (R + ||s||^2));
    (b) ||u off C|| <= sqrt(d) tau / sqrt(1 + tau^2);
    (c) (Σ u_i^2)^2 / Σ u_i^4 <= 1 / (p^2/c + (1 - p)^2/(d - c));
    (d) ||u||_1 / ||u||_2 <= sqrt(c p) + sqrt((d - c)(1 - p)).

    (c) and (d) do not change when the row is scaled, so they are stated of any row u.
    See docs/claims/rms-sparsifies.md. *)

Require Export Spike.

Section Sparse.
Variables (d : nat) (eps : R) (C : nat -> bool) (h : row).
Hypothesis Hh : has_spike d eps C h.

Definition R_beside : R := norm d (off C h) ^ 2 + INR d * eps.
Definition kappa : R := sqrt (R_beside / (R_beside + spike d C h ^ 2)).

Lemma off_beside i : C i = false -> off C h i = h i.
Proof. unfold off. now intros ->. Qed.

Lemma shrinks i : 0 < R_beside -> (i < d)%nat -> C i = false ->
  reading d eps h i = kappa * reading d eps (off C h) i.
Proof.
  intros HR Hi HC. pose proof (spike_can_be_normed d eps C h Hh) as Hn.
  destruct Hh as (Hd & He & Hs). pose proof (width_pos d Hd) as Hw.
  assert (Ho : can_be_normed d eps (off C h)).
  { repeat split; [assumption..|]. pose proof (norm_nonneg d (off C h)) as [H0|H0]; [now left|right].
    unfold R_beside in HR. rewrite <- H0 in HR. nra. }
  pose proof (rho_pos d eps h Hn) as P. pose proof (rho_pos d eps (off C h) Ho) as P'.
  assert (Hk : kappa = rho d eps (off C h) / rho d eps h).
  { unfold kappa. rewrite <- (sqrt_pow2 (rho d eps (off C h) / rho d eps h))
      by (left; now apply Rdiv_lt_0_compat).
    f_equal. unfold Rdiv at 2. rewrite Rpow_mult_distr, pow_inv, !rho_sqr by assumption.
    rewrite (dot_on_off d C h h), <- spike_square, <- !norm_sqr. unfold R_beside in *.
    field. repeat split; nra. }
  rewrite Hk. unfold reading. rewrite off_beside by assumption. field; lra.
Qed.

Definition tau : R := norm d (off C h) / spike d C h.

Lemma small_beside : norm d (off C (reading d eps h)) <= sqrt (INR d) * (tau / sqrt (1 + tau ^ 2)).
Proof.
  pose proof (spike_can_be_normed d eps C h Hh) as Hn. destruct Hh as (Hd & He & Hs).
  pose proof (width_pos d Hd) as Hw. pose proof (rho_pos d eps h Hn) as P.
  pose proof (norm_nonneg d (off C h)) as Ho.
  assert (Ht : 0 <= tau) by (apply Rmult_le_pos; [assumption|left; now apply Rinv_0_lt_compat]).
  assert (H1 : 0 < 1 + tau ^ 2) by nra.
  assert (H2 : 0 < sqrt (1 + tau ^ 2)) by now apply sqrt_lt_R0.
  pose proof (sqrt_pos (INR d)).
  apply le_of_squares.
  { apply Rmult_le_pos; [assumption|]. apply Rmult_le_pos; [assumption|].
    left; now apply Rinv_0_lt_compat. }
  rewrite (norm_ext d _ (fun i => / rho d eps h * off C h i))
    by (intros i _; unfold off, reading; destruct (C i); [ring|field; lra]).
  rewrite norm_scale, Rpow_mult_distr, pow2_abs, pow_inv, rho_sqr by assumption.
  rewrite Rpow_mult_distr, pow2_sqrt by lra. unfold Rdiv at 2.
  rewrite Rpow_mult_distr, pow_inv, pow2_sqrt by lra.
  rewrite (dot_on_off d C h h), <- spike_square, <- norm_sqr.
  set (S2 := spike d C h ^ 2). set (R2 := norm d (off C h) ^ 2).
  assert (HS : 0 < S2) by (unfold S2; nra). assert (HR : 0 <= R2) by apply pow2_ge_0.
  assert (Et : tau ^ 2 = R2 / S2).
  { unfold tau, S2, R2, Rdiv. now rewrite Rpow_mult_distr, pow_inv. }
  rewrite Et. replace (R2 / S2 * / (1 + R2 / S2)) with (R2 * / (S2 + R2)) by (field; lra).
  assert (0 <= INR d * eps) by (apply Rmult_le_pos; lra).
  replace (/ ((S2 + R2 + INR d * eps) / INR d) * R2)
    with (INR d * (R2 * / (S2 + R2 + INR d * eps))) by (field; lra).
  apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; [assumption|].
  apply Rinv_le_contravar; lra.
Qed.

End Sparse.

(** ** (c), (d): Cauchy-Schwarz on C and beside it *)

Section Shares.
Variables (d : nat) (C : nat -> bool) (u : row).

Definition spikes : R := Σ (i < d | C i) 1.
Definition others : R := Σ (i < d | negb (C i)) 1.

(** (Σ_P f)^2 <= |P| Σ_P f^2 *)
Lemma sum_sqr_le (P : nat -> bool) f :
  (Σ (i < d | P i) f i) ^ 2 <= (Σ (i < d | P i) 1) * Σ (i < d | P i) f i ^ 2.
Proof.
  pose proof (cauchy_schwarz_sqr d (fun i => if P i then 1 else 0) (fun i => if P i then f i else 0)) as H.
  unfold dot in H.
  rewrite (sum_ext d _ (fun i => if P i then f i else 0)) in H by (intros; destruct (P i); ring).
  rewrite (sum_ext d (fun i => (if P i then 1 else 0) * _) (fun i => if P i then 1 else 0)) in H
    by (intros; destruct (P i); ring).
  rewrite (sum_ext d (fun i => (if P i then f i else 0) * _) (fun i => if P i then f i ^ 2 else 0)) in H
    by (intros; destruct (P i); ring).
  exact H.
Qed.

Hypothesis u_not_0 : 0 < norm d u.
Hypotheses (some_spike : 0 < spikes) (some_other : 0 < others).

Definition p : R := (Σ (i < d | C i) u i ^ 2) / norm d u ^ 2.

Lemma energy : norm d u ^ 2 = Σ (i < d | C i) u i ^ 2 + Σ (i < d | negb (C i)) u i ^ 2.
Proof.
  rewrite norm_sqr, <- (sum_split d C (fun i => u i ^ 2)). apply sum_ext; intros; ring.
Qed.

Lemma p_on : Σ (i < d | C i) u i ^ 2 = p * norm d u ^ 2.
Proof. unfold p. field. lra. Qed.

Lemma p_off : Σ (i < d | negb (C i)) u i ^ 2 = (1 - p) * norm d u ^ 2.
Proof. pose proof energy. pose proof p_on. lra. Qed.

Lemma p_range : 0 <= p <= 1.
Proof.
  assert (0 <= Σ (i < d | C i) u i ^ 2) by (apply sum_if_nonneg; intros; apply pow2_ge_0).
  assert (0 <= Σ (i < d | negb (C i)) u i ^ 2) by (apply sum_if_nonneg; intros; apply pow2_ge_0).
  rewrite p_on, p_off in *. assert (0 < norm d u ^ 2) by nra. split; nra.
Qed.

Definition fourth : R := Σ (i < d) u i ^ 4.

Lemma fourth_ge : (p ^ 2 / spikes + (1 - p) ^ 2 / others) * (norm d u ^ 2) ^ 2 <= fourth.
Proof.
  unfold fourth. rewrite (sum_split d C).
  pose proof (sum_sqr_le C (fun i => u i ^ 2)) as H1.
  pose proof (sum_sqr_le (fun i => negb (C i)) (fun i => u i ^ 2)) as H2.
  cbv beta in H1, H2. rewrite p_on in H1. rewrite p_off in H2. fold spikes in H1. fold others in H2.
  rewrite (sum_if_ext d C (fun i => (u i ^ 2) ^ 2) (fun i => u i ^ 4)) in H1 by (intros; ring).
  rewrite (sum_if_ext d (fun i => negb (C i)) (fun i => (u i ^ 2) ^ 2) (fun i => u i ^ 4)) in H2
    by (intros; ring).
  set (A := Σ (i < d | C i) u i ^ 4) in *. set (B := Σ (i < d | negb (C i)) u i ^ 4) in *.
  set (N := norm d u ^ 2) in *.
  assert (K1 : p ^ 2 / spikes * N ^ 2 <= A).
  { apply Rmult_le_reg_l with spikes; [assumption|].
    replace (spikes * (p ^ 2 / spikes * N ^ 2)) with ((p * N) ^ 2) by (field; lra). exact H1. }
  assert (K2 : (1 - p) ^ 2 / others * N ^ 2 <= B).
  { apply Rmult_le_reg_l with others; [assumption|].
    replace (others * ((1 - p) ^ 2 / others * N ^ 2)) with (((1 - p) * N) ^ 2) by (field; lra).
    exact H2. }
  lra.
Qed.

Lemma sum_abs_le (P : nat -> bool) :
  Σ (i < d | P i) Rabs (u i) <= sqrt ((Σ (i < d | P i) 1) * Σ (i < d | P i) u i ^ 2).
Proof.
  apply le_of_squares; [apply sqrt_pos|].
  assert (0 <= Σ (i < d | P i) 1) by (apply sum_if_nonneg; intros; lra).
  assert (0 <= Σ (i < d | P i) u i ^ 2) by (apply sum_if_nonneg; intros; apply pow2_ge_0).
  rewrite pow2_sqrt by (now apply Rmult_le_pos).
  eapply Rle_trans; [apply sum_sqr_le|]. cbv beta.
  rewrite (sum_if_ext d P (fun i => Rabs (u i) ^ 2) (fun i => u i ^ 2)) by (intros; apply pow2_abs).
  lra.
Qed.

Lemma l1_le :
  (Σ (i < d) Rabs (u i)) / norm d u <= sqrt (spikes * p) + sqrt (others * (1 - p)).
Proof.
  pose proof p_range. apply Rmult_le_reg_r with (norm d u); [assumption|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. rewrite Rmult_1_r, (sum_split d C).
  pose proof (sum_abs_le C) as H1. pose proof (sum_abs_le (fun i => negb (C i))) as H2.
  cbv beta in H1, H2.
  rewrite p_on in H1. rewrite p_off in H2. fold spikes in H1. fold others in H2.
  rewrite <- Rmult_assoc, sqrt_mult, sqrt_pow2 in H1 by (try apply Rmult_le_pos; nra).
  rewrite <- Rmult_assoc, sqrt_mult, sqrt_pow2 in H2 by (try apply Rmult_le_pos; nra).
  lra.
Qed.

Lemma participation :
  (norm d u ^ 2) ^ 2 / fourth <= 1 / (p ^ 2 / spikes + (1 - p) ^ 2 / others).
Proof.
  pose proof fourth_ge as HF. pose proof p_range.
  set (q := p ^ 2 / spikes + (1 - p) ^ 2 / others) in *.
  assert (Hq : 0 < q).
  { unfold q. assert (0 < / spikes) by now apply Rinv_0_lt_compat.
    assert (0 < / others) by now apply Rinv_0_lt_compat. unfold Rdiv.
    destruct (Rle_dec p (/ 2)).
    - assert (0 < (1 - p) ^ 2 * / others) by (apply Rmult_lt_0_compat; nra).
      assert (0 <= p ^ 2 * / spikes) by (apply Rmult_le_pos; nra). lra.
    - assert (0 < p ^ 2 * / spikes) by (apply Rmult_lt_0_compat; nra).
      assert (0 <= (1 - p) ^ 2 * / others) by (apply Rmult_le_pos; nra). lra. }
  assert (HN : 0 < (norm d u ^ 2) ^ 2) by (apply pow_lt, pow_lt; assumption).
  assert (0 < fourth) by nra.
  apply Rmult_le_reg_r with (fourth * q); [nra|].
  replace ((norm d u ^ 2) ^ 2 / fourth * (fourth * q)) with (q * (norm d u ^ 2) ^ 2) by (field; lra).
  replace (1 / q * (fourth * q)) with fourth by (field; lra). exact HF.
Qed.

End Shares.

Theorem rms_sparsifies :
  (forall d eps C h, has_spike d eps C h ->
  (* a *) (forall i, 0 < R_beside d eps C h -> (i < d)%nat -> C i = false ->
             reading d eps h i = kappa d eps C h * reading d eps (off C h) i) /\
  (* b *) norm d (off C (reading d eps h)) <= sqrt (INR d) * (tau d C h / sqrt (1 + tau d C h ^ 2))) /\
  (forall d C u, 0 < norm d u -> 0 < spikes d C -> 0 < others d C ->
  (* c *) (norm d u ^ 2) ^ 2 / (Σ (i < d) u i ^ 4) <=
            1 / (p d C u ^ 2 / spikes d C + (1 - p d C u) ^ 2 / others d C) /\
  (* d *) (Σ (i < d) Rabs (u i)) / norm d u <=
            sqrt (spikes d C * p d C u) + sqrt (others d C * (1 - p d C u))).
Proof.
  split.
  - intros d eps C h Hh. split; [intros; now apply shrinks|now apply small_beside].
  - intros d C u Hu Hs Ho. split; [now apply participation|now apply l1_le].
Qed.

Print Assumptions rms_sparsifies.
