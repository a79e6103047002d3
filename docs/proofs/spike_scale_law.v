(** * spike-scale-law

    What happens to a token's reading when its spike is scaled by t >= 0. With h' = t s + r, u and u'
    the readings of h and h', and tau = sqrt(||r||^2 + d eps) / ||s||:

    (a) ||u' - u||^2 + d eps (1/rho - 1/rho')^2 = 4 d sin^2(turn/2), with
        turn = |atan(tau) - atan(tau/t)| for t > 0 and π/2 - atan(tau) for t = 0;
    (b) ||u' - u|| <= 2 sqrt(d) sin(atan(tau)/2) for all t >= 1.

    See docs/claims/spike-scale-law.md. *)

Require Export rms_near_constant.

Section Scale.
Variables (d : nat) (eps : R) (C : nat -> bool) (h : row).
Hypothesis Hh : has_spike d eps C h.

Definition scaled (t : R) : row := fun i => if C i then t * h i else h i.
Definition tau : R := beside d eps C h / spike d C h.

Notation r := (rho d eps h).
Notation r' t := (rho d eps (scaled t)).
Notation moved t := (fun i => reading d eps (scaled t) i - reading d eps h i).

Lemma on_scaled t i : on C (scaled t) i = t * on C h i.
Proof. unfold on, scaled. destruct (C i); ring. Qed.

Lemma off_scaled t i : off C (scaled t) i = off C h i.
Proof. unfold off, scaled. now destruct (C i). Qed.

Lemma dot_scaled t : dot d h (scaled t) = t * spike d C h ^ 2 + norm d (off C h) ^ 2.
Proof.
  rewrite (dot_on_off d C), spike_square, norm_sqr, <- dot_scale_r.
  f_equal; apply dot_ext; auto using on_scaled, off_scaled.
Qed.

(** In the lift the two rows have the lengths sqrt(d) rho, so the cosine of their angle tells. *)
Lemma lifted_distance t :
  can_be_normed d eps (scaled t) ->
  norm d (moved t) ^ 2 + INR d * eps * (1 / r - 1 / r' t) ^ 2 =
  2 * INR d * (1 - (t * spike d C h ^ 2 + beside d eps C h ^ 2) / (INR d * (r * r' t))).
Proof.
  intros Ht. pose proof (spike_can_be_normed d eps C h Hh) as Hn.
  pose proof (width_pos d (proj1 Hn)). pose proof (rho_pos d eps h Hn).
  pose proof (rho_pos d eps (scaled t) Ht).
  assert (E : dot d h h = INR d * (r ^ 2 - eps)) by (rewrite rho_sqr by assumption; field; lra).
  assert (E' : dot d (scaled t) (scaled t) = INR d * (r' t ^ 2 - eps))
    by (rewrite rho_sqr by assumption; field; lra).
  rewrite norm_sqr, dot_sub_l, !dot_sub_r, (dot_comm d (reading d eps (scaled t)) (reading d eps h)).
  rewrite !dot_readings, E, E', dot_scaled, beside_square by assumption. field; lra.
Qed.

Lemma spike_scaled t : 0 < t -> spike d C (scaled t) = t * spike d C h.
Proof.
  intros Ht. unfold spike. rewrite (norm_ext d _ (fun i => t * on C h i)) by (auto using on_scaled).
  rewrite norm_scale, Rabs_pos_eq; lra.
Qed.

Lemma beside_scaled t : beside d eps C (scaled t) = beside d eps C h.
Proof. unfold beside. now rewrite (norm_ext d _ (off C h)) by (auto using off_scaled). Qed.

Lemma has_spike_scaled t : 0 < t -> has_spike d eps C (scaled t).
Proof.
  intros Ht. destruct Hh as (Hd & He & Hs). repeat split; trivial.
  rewrite spike_scaled by assumption. now apply Rmult_lt_0_compat.
Qed.

Definition turn (t : R) : R := Rabs (atan tau - atan (tau / t)).

Lemma cos_abs x : cos (Rabs x) = cos x.
Proof. unfold Rabs. destruct (Rcase_abs x); [apply cos_neg|reflexivity]. Qed.

Lemma H_product h1 h2 : H d eps h1 * H d eps h2 = INR d * (rho d eps h1 * rho d eps h2).
Proof.
  unfold H. replace (sqrt (INR d) * rho d eps h1 * (sqrt (INR d) * rho d eps h2))
    with (sqrt (INR d) ^ 2 * (rho d eps h1 * rho d eps h2)) by ring.
  now rewrite pow2_sqrt by apply pos_INR.
Qed.

Lemma law t : 0 < t ->
  norm d (moved t) ^ 2 + INR d * eps * (1 / r - 1 / r' t) ^ 2 = 4 * INR d * sin (turn t / 2) ^ 2.
Proof.
  intros Ht. pose proof (has_spike_scaled t Ht) as Hs.
  rewrite lifted_distance by now apply (spike_can_be_normed d eps C).
  replace (4 * INR d * sin (turn t / 2) ^ 2) with (2 * INR d * (2 * sin (turn t / 2) ^ 2)) by ring.
  rewrite half_angle. unfold turn. rewrite cos_abs. f_equal. f_equal.
  assert (E : tau / t = beside d eps C (scaled t) / spike d C (scaled t)).
  { rewrite beside_scaled, spike_scaled by assumption. unfold tau.
    destruct Hh as (_ & _ & Hp). field; lra. }
  rewrite E. fold (α d eps C (scaled t)). unfold tau. fold (α d eps C h).
  rewrite cos_minus, !cos_tilt, !sin_tilt, beside_scaled, spike_scaled by assumption.
  rewrite <- H_product. pose proof (H_pos d eps C h Hh). pose proof (H_pos d eps C (scaled t) Hs).
  field. lra.
Qed.

(** Without the spike: what is left is at a right angle to it. *)
Lemma law_at_0 : can_be_normed d eps (scaled 0) ->
  norm d (moved 0) ^ 2 + INR d * eps * (1 / r - 1 / r' 0) ^ 2
  = 4 * INR d * sin ((PI / 2 - atan tau) / 2) ^ 2.
Proof.
  intros H0. rewrite lifted_distance by assumption.
  replace (4 * INR d * sin ((PI / 2 - atan tau) / 2) ^ 2)
    with (2 * INR d * (2 * sin ((PI / 2 - atan tau) / 2) ^ 2)) by ring.
  rewrite half_angle, cos_shift. f_equal. f_equal.
  unfold tau. fold (α d eps C h). rewrite sin_tilt, <- H_product by assumption.
  pose proof (H_pos d eps C h Hh) as Hp. pose proof (width_pos d (proj1 H0)) as Hd.
  assert (HB : H d eps (scaled 0) = beside d eps C h).
  { apply eq_of_squares; [|apply sqrt_pos|].
    - apply Rmult_le_pos; [apply sqrt_pos|left; now apply rho_pos].
    - unfold H. rewrite Rpow_mult_distr, pow2_sqrt, rho_sqr by (lra || assumption).
      rewrite beside_square, (dot_on_off d C), norm_sqr by assumption.
      rewrite (dot_ext d (on C (scaled 0)) (on C (scaled 0)) (fun i => 0 * on C h i)
        (fun i => 0 * on C h i)) by (auto using on_scaled).
      rewrite (dot_ext d (off C (scaled 0)) (off C (scaled 0)) (off C h) (off C h))
        by (auto using off_scaled).
      rewrite dot_scale_l. field; lra. }
  assert (0 < H d eps (scaled 0)).
  { apply Rmult_lt_0_compat; [now apply sqrt_lt_R0|now apply rho_pos]. }
  rewrite HB in *. field; lra.
Qed.

Lemma tau_nonneg : 0 <= tau.
Proof. now apply tilt_nonneg. Qed.

Lemma turn_range t : 1 <= t -> 0 <= turn t <= atan tau.
Proof.
  intros Ht. pose proof tau_nonneg as H0. split; [apply Rabs_pos|].
  assert (Hq : 0 <= tau / t <= tau).
  { split; [apply Rmult_le_pos; [assumption|left; apply Rinv_0_lt_compat; lra]|].
    apply Rmult_le_reg_r with t; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra. }
  assert (Hmono : forall x y, x <= y -> atan x <= atan y).
  { intros x y [H| ->]; [left; now apply atan_increasing|lra]. }
  pose proof (Hmono _ _ (proj1 Hq)) as H1. rewrite atan_0 in H1.
  pose proof (Hmono _ _ (proj2 Hq)). unfold turn. rewrite Rabs_pos_eq; lra.
Qed.

Theorem spike_scale_law :
  (* a *) (forall t, 0 < t ->
             norm d (moved t) ^ 2 + INR d * eps * (1 / r - 1 / r' t) ^ 2
             = 4 * INR d * sin (Rabs (atan tau - atan (tau / t)) / 2) ^ 2) /\
          (can_be_normed d eps (scaled 0) ->
             norm d (moved 0) ^ 2 + INR d * eps * (1 / r - 1 / r' 0) ^ 2
             = 4 * INR d * sin ((PI / 2 - atan tau) / 2) ^ 2) /\
  (* b *) (forall t, 1 <= t -> norm d (moved t) <= 2 * sqrt (INR d) * sin (atan tau / 2)).
Proof.
  split; [exact law|split; [exact law_at_0|]].
  intros t Ht. pose proof (turn_range t Ht). pose proof (atan_bound tau) as Hb. pose proof PI_RGT_0.
  pose proof (sqrt_pos (INR d)). destruct Hh as (Hd & He & _). pose proof (width_pos d Hd).
  assert (0 <= sin (turn t / 2)) by (apply sin_ge_0; lra).
  assert (Hs : sin (turn t / 2) <= sin (atan tau / 2)) by (apply sin_incr_1; lra).
  apply le_of_squares; [apply Rmult_le_pos; lra|].
  rewrite !Rpow_mult_distr, pow2_sqrt by lra.
  pose proof (law t ltac:(lra)) as E.
  assert (0 <= INR d * eps * (1 / r - 1 / r' t) ^ 2)
    by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply pow2_ge_0]).
  assert (sin (turn t / 2) ^ 2 <= sin (atan tau / 2) ^ 2) by (apply pow_incr; lra). nra.
Qed.

End Scale.

Print Assumptions spike_scale_law.
