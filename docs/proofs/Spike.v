(** * A row with a spike, and what a norm reads of it

    The row h is s on the spike channels C and r elsewhere. In the lift, the row (h, sqrt(d eps)) of
    d + 1 entries, eps is one more channel off C: what stands beside the spike has the length
    n = sqrt(||r||^2 + d eps), the whole has the length H = sqrt(d) rho, and

        α = atan(n / ||s||)

    is the angle between the row and its spike. *)

Require Export rms_bounded.

Section Spike.
Variables (d : nat) (eps : R) (C : nat -> bool).

Definition on (h : row) : row := fun i => if C i then h i else 0.
Definition off (h : row) : row := fun i => if C i then 0 else h i.

Definition spike (h : row) : R := norm d (on h).
Definition beside (h : row) : R := sqrt (norm d (off h) ^ 2 + INR d * eps).
Definition α (h : row) : R := atan (beside h / spike h).

(** The assumption of every claim about spikes: a norm that makes sense, and a spike. *)
Definition has_spike (h : row) : Prop := (0 < d)%nat /\ 0 <= eps /\ 0 < spike h.

Lemma dot_on_off a b : dot d a b = dot d (on a) (on b) + dot d (off a) (off b).
Proof.
  unfold dot. rewrite <- sum_add. apply sum_ext; intros i _. unfold on, off. destruct (C i); ring.
Qed.

Lemma spike_square h : spike h ^ 2 = dot d (on h) (on h).
Proof. apply norm_sqr. Qed.

Lemma off_le_norm h : norm d (off h) <= norm d h.
Proof.
  apply le_of_squares; [apply norm_nonneg|]. rewrite !norm_sqr, (dot_on_off h h).
  pose proof (dot_self_nonneg d (on h)). lra.
Qed.

Section Row.
Variable h : row.
Hypothesis Hh : has_spike h.

Lemma spike_can_be_normed : can_be_normed d eps h.
Proof.
  destruct Hh as (Hd & He & Hs). repeat split; [assumption..|left].
  pose proof (norm_nonneg d h) as Hn. pose proof (norm_sqr d h) as E.
  rewrite (dot_on_off h h), <- spike_square in E. pose proof (dot_self_nonneg d (off h)). nra.
Qed.

Lemma beside_square : beside h ^ 2 = norm d (off h) ^ 2 + INR d * eps.
Proof.
  destruct Hh as (Hd & He & _). apply pow2_sqrt. pose proof (pow2_ge_0 (norm d (off h))).
  pose proof (pos_INR d). nra.
Qed.

Lemma beside_nonneg : 0 <= beside h.
Proof. apply sqrt_pos. Qed.

Lemma off_le_beside : norm d (off h) <= beside h.
Proof.
  apply le_of_squares; [apply beside_nonneg|]. rewrite beside_square.
  destruct Hh as (_ & He & _). pose proof (pos_INR d). nra.
Qed.

Definition H : R := sqrt (INR d) * rho d eps h.

Lemma H_pos : 0 < H.
Proof.
  apply Rmult_lt_0_compat; [apply sqrt_lt_R0, width_pos, Hh|apply rho_pos, spike_can_be_normed].
Qed.

Lemma H_square : H ^ 2 = spike h ^ 2 + beside h ^ 2.
Proof.
  pose proof (width_pos d (proj1 Hh)). unfold H.
  rewrite Rpow_mult_distr, pow2_sqrt, rho_sqr by (lra || apply spike_can_be_normed).
  rewrite beside_square, spike_square, norm_sqr, (dot_on_off h h). field; lra.
Qed.

Lemma root_of_tilt : sqrt (1 + (beside h / spike h)²) = H / spike h.
Proof.
  destruct Hh as (_ & _ & Hs). pose proof H_pos. pose proof H_square.
  rewrite <- (sqrt_pow2 (H / spike h)) by (left; now apply Rdiv_lt_0_compat).
  f_equal. unfold Rsqr, Rdiv. rewrite Rpow_mult_distr, H1. field; lra.
Qed.

Lemma cos_tilt : cos (α h) = spike h / H.
Proof.
  destruct Hh as (_ & _ & Hs). pose proof H_pos. unfold α.
  rewrite cos_atan, root_of_tilt. field; lra.
Qed.

Lemma sin_tilt : sin (α h) = beside h / H.
Proof.
  destruct Hh as (_ & _ & Hs). pose proof H_pos. unfold α.
  rewrite sin_atan, root_of_tilt. field; lra.
Qed.

Lemma tilt_nonneg : 0 <= beside h / spike h.
Proof.
  destruct Hh as (_ & _ & Hs).
  apply Rmult_le_pos; [apply beside_nonneg|left; now apply Rinv_0_lt_compat].
Qed.

Lemma tilt_range : 0 <= α h < PI / 2.
Proof.
  pose proof tilt_nonneg as Ht. pose proof (atan_bound (beside h / spike h)). unfold α.
  split; [|lra]. destruct Ht as [Ht|<-]; [|rewrite atan_0; lra].
  left. rewrite <- atan_0. now apply atan_increasing.
Qed.

End Row.
End Spike.
