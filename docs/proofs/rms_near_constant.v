(** * rms-near-constant

    Two tokens with spikes on the same channels are read as almost the same vector, however
    different their sizes and the rest of them are. With α = atan(sqrt(||r||^2 + d eps) / ||s||) for
    each token and θ the angle between the spikes s_a and s_b, for every eps >= 0:

    (a) ||u_a - u_b|| <= 2 sqrt(d) sqrt(sin^2((α_a + α_b)/2) + cos α_a cos α_b sin^2(θ/2));
    (b) that is at most 2 sqrt(d) sin(min(π, α_a + α_b + θ)/2);
    (c) and that is at most sqrt(d) (tan α_a + tan α_b + θ);
    (d) with a gain, ||y_a - y_b|| <= hypot(max |g on C| ||D on C||, max |g off C| ||D off C||).

    What (a) loses is stated exactly; so it is an equality for eps = 0 and r_a, r_b antiparallel.
    See docs/claims/rms-near-constant.md. *)

Require Export Spike.

(** ** Angles *)

(** The bracket of (a). *)
Definition bracket (α β θ : R) : R := sin ((α + β) / 2) ^ 2 + cos α * cos β * sin (θ / 2) ^ 2.

Lemma half_angle x : 2 * sin (x / 2) ^ 2 = 1 - cos x.
Proof.
  replace x with (2 * (x / 2)) at 2 by field. rewrite cos_2a_sin. ring.
Qed.

Lemma bracket_cosines α β θ : 2 * bracket α β θ = 1 + sin α * sin β - cos α * cos β * cos θ.
Proof.
  unfold bracket. rewrite Rmult_plus_distr_l, half_angle, cos_plus.
  replace (2 * (cos α * cos β * sin (θ / 2) ^ 2)) with (cos α * cos β * (2 * sin (θ / 2) ^ 2)) by ring.
  rewrite half_angle. ring.
Qed.

Section Triangle.
Variables α β θ : R.
Hypotheses (Hα : 0 <= α < PI / 2) (Hβ : 0 <= β < PI / 2) (Hθ : 0 <= θ <= PI).

Lemma cosines_nonneg : 0 <= cos α /\ 0 <= cos β.
Proof. split; apply cos_ge_0; lra. Qed.

Lemma sines_nonneg : 0 <= sin α /\ 0 <= sin β.
Proof. split; apply sin_ge_0; lra. Qed.

Lemma bracket_nonneg : 0 <= bracket α β θ.
Proof.
  destruct cosines_nonneg. unfold bracket.
  pose proof (pow2_ge_0 (sin ((α + β) / 2))). pose proof (pow2_ge_0 (sin (θ / 2))).
  assert (0 <= cos α * cos β) by (now apply Rmult_le_pos). nra.
Qed.

Lemma bracket_le_1 : bracket α β θ <= 1.
Proof.
  pose proof (bracket_cosines α β θ) as E. destruct cosines_nonneg.
  pose proof (COS_bound θ) as [Hc _]. pose proof (COS_bound (α - β)) as [_ H1].
  rewrite cos_minus in H1.
  assert (0 <= cos α * cos β) by (now apply Rmult_le_pos). nra.
Qed.

(** sin α sin β <= sin^2 of the half sum: the product is largest for equal angles. *)
Lemma product_of_sines : sin α * sin β <= sin ((α + β) / 2) ^ 2.
Proof.
  pose proof (half_angle (α + β)) as E. rewrite cos_plus in E.
  pose proof (COS_bound (α - β)) as [_ H1]. rewrite cos_minus in H1. lra.
Qed.

(** Below π the three angles add up: (b) without the minimum. *)
Lemma bracket_le_sum : α + β + θ <= PI -> bracket α β θ <= sin ((α + β + θ) / 2) ^ 2.
Proof.
  intros HA. set (σ := (α + β) / 2). set (t := θ / 2).
  assert (Hσ : 0 <= σ <= PI / 2) by (unfold σ; lra). assert (Ht : 0 <= t <= PI / 2) by (unfold t; lra).
  assert (Hsum : 0 <= cos (σ + t)) by (apply cos_ge_0; unfold σ, t in *; lra).
  rewrite cos_plus in Hsum.
  assert (0 <= sin σ) by (apply sin_ge_0; lra). assert (0 <= sin t) by (apply sin_ge_0; lra).
  assert (0 <= cos σ) by (apply cos_ge_0; lra). assert (0 <= cos t) by (apply cos_ge_0; lra).
  pose proof product_of_sines as Hp. fold σ in Hp.
  assert (Hcc : cos α * cos β = cos σ ^ 2 - sin σ ^ 2 + sin α * sin β).
  { replace (cos α * cos β) with (cos (α + β) + sin α * sin β) by (rewrite cos_plus; ring).
    replace (α + β) with (2 * σ) by (unfold σ; field). rewrite cos_2a. ring. }
  replace ((α + β + θ) / 2) with (σ + t) by (unfold σ, t; field).
  unfold bracket. fold σ t. rewrite sin_plus, Hcc.
  pose proof (sin2_cos2 t) as Et. unfold Rsqr in Et.
  (* the difference is sin t (2 sin σ cos σ cos t - sin α sin β sin t) *)
  assert (Hd : 0 <= sin t * (2 * sin σ * cos σ * cos t - sin α * sin β * sin t)).
  { apply Rmult_le_pos; [assumption|].
    assert (sin α * sin β * sin t <= sin σ ^ 2 * sin t) by (now apply Rmult_le_compat_r).
    assert (0 <= sin σ * (2 * (cos σ * cos t) - sin σ * sin t)); [|nra].
    apply Rmult_le_pos; [assumption|]. assert (0 <= cos σ * cos t) by (now apply Rmult_le_pos). lra. }
  replace ((sin σ * cos t + cos σ * sin t) ^ 2)
    with (sin σ ^ 2 * (1 - sin t * sin t) + 2 * sin σ * cos σ * cos t * sin t + cos σ ^ 2 * sin t ^ 2)
    by (replace (1 - sin t * sin t) with (cos t * cos t) by lra; ring).
  nra.
Qed.

Lemma bracket_triangle : sqrt (bracket α β θ) <= sin (Rmin PI (α + β + θ) / 2).
Proof.
  pose proof bracket_nonneg. pose proof PI_RGT_0.
  assert (0 <= sin (Rmin PI (α + β + θ) / 2))
    by (unfold Rmin; destruct (Rle_dec PI (α + β + θ)); apply sin_ge_0; lra).
  apply le_of_squares; [assumption|]. rewrite pow2_sqrt by assumption.
  unfold Rmin in *. destruct (Rle_dec PI (α + β + θ)) as [HA|HA].
  - rewrite sin_PI2. pose proof bracket_le_1. lra.
  - apply bracket_le_sum. lra.
Qed.

End Triangle.

Lemma sin_le_x x : 0 <= x -> sin x <= x.
Proof. intros [H| <-]; [left; now apply sin_lt_x|rewrite sin_0; lra]. Qed.

Lemma atan_le x : 0 <= x -> atan x <= x.
Proof.
  intros [H| <-]; [|rewrite atan_0; lra].
  destruct (MVT_cor2 atan (fun c => / (1 + c ^ 2)) 0 x H) as (c & E & Hc).
  - intros c _. apply derivable_pt_lim_atan.
  - rewrite atan_0 in E. pose proof (pow2_ge_0 c).
    assert (/ (1 + c ^ 2) <= 1) by (rewrite <- Rinv_1; apply Rinv_le_contravar; lra). nra.
Qed.

(** ** Two tokens *)

Section Tokens.
Variables (d : nat) (eps : R) (C : nat -> bool) (h_a h_b : row).
Hypotheses (Ha : has_spike d eps C h_a) (Hb : has_spike d eps C h_b).

Notation u_a := (reading d eps h_a).
Notation u_b := (reading d eps h_b).
Notation s_a := (on C h_a).
Notation s_b := (on C h_b).
Notation r_a := (off C h_a).
Notation r_b := (off C h_b).
Notation α_a := (α d eps C h_a).
Notation α_b := (α d eps C h_b).
Notation n_a := (beside d eps C h_a).
Notation n_b := (beside d eps C h_b).
Notation H_a := (H d eps h_a).
Notation H_b := (H d eps h_b).
Notation rho_a := (rho d eps h_a).
Notation rho_b := (rho d eps h_b).

(** D = u_a - u_b *)
Definition D : row := fun i => u_a i - u_b i.

Definition θ : R := acos (dot d s_a s_b / (norm d s_a * norm d s_b)).

Lemma cos_θ : cos θ = dot d s_a s_b / (norm d s_a * norm d s_b).
Proof.
  destruct Ha as (_ & _ & Hsa), Hb as (_ & _ & Hsb). unfold spike in Hsa, Hsb.
  assert (Hp : 0 < norm d s_a * norm d s_b) by (now apply Rmult_lt_0_compat).
  apply cos_acos. pose proof (cauchy_schwarz d s_a s_b) as Hcs.
  apply abs_range in Hcs.
  split; apply Rmult_le_reg_r with (norm d s_a * norm d s_b); trivial;
    unfold Rdiv; rewrite Rmult_assoc, Rinv_l by lra; lra.
Qed.

Lemma θ_range : 0 <= θ <= PI.
Proof. apply acos_bound. Qed.

(** What (a) loses, exactly. The first term is the step from the lift to the row, the second one is
    the loss in Cauchy-Schwarz for n_a and n_b, with n_a.n_b = r_a.r_b + d eps. *)
Definition loss : R :=
  INR d * eps * (/ rho_a - / rho_b) ^ 2
  + 2 * (n_a * n_b + (dot d r_a r_b + INR d * eps)) / (rho_a * rho_b).

Lemma distance_exact : norm d D ^ 2 + loss = 4 * INR d * bracket α_a α_b θ.
Proof.
  pose proof (width_pos d (proj1 Ha)) as Hd.
  pose proof (spike_can_be_normed d eps C h_a Ha) as Na.
  pose proof (spike_can_be_normed d eps C h_b Hb) as Nb.
  pose proof (rho_pos d eps h_a Na) as Pa. pose proof (rho_pos d eps h_b Nb) as Pb.
  pose proof (rho_sqr d eps h_a Na) as Ea. pose proof (rho_sqr d eps h_b Nb) as Eb.
  assert (HH : H_a * H_b = INR d * (rho_a * rho_b)).
  { unfold H. replace (sqrt (INR d) * rho_a * (sqrt (INR d) * rho_b))
      with (sqrt (INR d) ^ 2 * (rho_a * rho_b)) by ring. now rewrite pow2_sqrt by lra. }
  replace (4 * INR d * bracket α_a α_b θ) with (2 * INR d * (2 * bracket α_a α_b θ)) by ring.
  rewrite bracket_cosines, cos_θ, !cos_tilt, !sin_tilt by assumption.
  replace (1 + n_a / H_a * (n_b / H_b) - spike d C h_a / H_a * (spike d C h_b / H_b) *
           (dot d s_a s_b / (norm d s_a * norm d s_b)))
    with (1 + (n_a * n_b - dot d s_a s_b) / (H_a * H_b)).
  2: { destruct Ha as (_ & _ & Hsa), Hb as (_ & _ & Hsb).
       pose proof (H_pos d eps C h_a Ha). pose proof (H_pos d eps C h_b Hb).
       unfold spike in *. field. repeat split; lra. }
  rewrite HH, norm_sqr. unfold D, loss.
  rewrite dot_sub_l, !dot_sub_r, (dot_comm d u_b u_a), !dot_readings by assumption.
  rewrite (dot_on_off d C h_a h_b).
  replace (rho_a * rho_a) with (rho_a ^ 2) by ring. replace (rho_b * rho_b) with (rho_b ^ 2) by ring.
  assert (Fa : dot d h_a h_a = INR d * (rho_a ^ 2 - eps)) by (rewrite Ea; field; lra).
  assert (Fb : dot d h_b h_b = INR d * (rho_b ^ 2 - eps)) by (rewrite Eb; field; lra).
  rewrite Fa, Fb. field. lra.
Qed.

Lemma loss_nonneg : 0 <= loss.
Proof.
  pose proof (width_pos d (proj1 Ha)). pose proof (proj1 (proj2 Ha)) as Heps.
  pose proof (rho_pos d eps h_a (spike_can_be_normed d eps C h_a Ha)).
  pose proof (rho_pos d eps h_b (spike_can_be_normed d eps C h_b Hb)).
  apply Rplus_le_le_0_compat.
  - apply Rmult_le_pos; [nra|apply pow2_ge_0].
  - apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat; nra].
    pose proof (cauchy_schwarz d r_a r_b) as Hcs. apply abs_range in Hcs.
    pose proof (off_le_beside d eps C h_a Ha). pose proof (off_le_beside d eps C h_b Hb).
    pose proof (norm_nonneg d r_a). pose proof (norm_nonneg d r_b).
    assert (norm d r_a * norm d r_b <= n_a * n_b) by (apply Rmult_le_compat; assumption).
    nra.
Qed.

Definition sharp : R := 2 * sqrt (INR d) * sqrt (bracket α_a α_b θ).
Definition triangle : R := 2 * sqrt (INR d) * sin (Rmin PI (α_a + α_b + θ) / 2).
Definition linear : R := sqrt (INR d) * (tan α_a + tan α_b + θ).

Lemma sharp_square : sharp ^ 2 = 4 * INR d * bracket α_a α_b θ.
Proof.
  pose proof (width_pos d (proj1 Ha)).
  assert (0 <= bracket α_a α_b θ)
    by (apply bracket_nonneg; apply tilt_range || apply θ_range; assumption).
  unfold sharp. rewrite !Rpow_mult_distr, !pow2_sqrt by lra. ring.
Qed.

Lemma sharp_nonneg : 0 <= sharp.
Proof.
  pose proof (sqrt_pos (INR d)). pose proof (sqrt_pos (bracket α_a α_b θ)). unfold sharp.
  apply Rmult_le_pos; lra.
Qed.

Lemma distance_sharp : norm d D <= sharp.
Proof.
  apply le_of_squares; [apply sharp_nonneg|].
  rewrite sharp_square, <- distance_exact. pose proof loss_nonneg. lra.
Qed.

Lemma sharp_le_triangle : sharp <= triangle.
Proof.
  pose proof (sqrt_pos (INR d)). unfold sharp, triangle.
  apply Rmult_le_compat_l; [lra|].
  apply bracket_triangle; apply tilt_range || apply θ_range; assumption.
Qed.

Lemma triangle_le_linear : triangle <= linear.
Proof.
  pose proof (tilt_range d eps C h_a Ha). pose proof (tilt_range d eps C h_b Hb).
  pose proof θ_range. pose proof PI_RGT_0. pose proof (sqrt_pos (INR d)).
  assert (Hmin : 0 <= Rmin PI (α_a + α_b + θ) <= α_a + α_b + θ)
    by (split; [apply Rmin_glb; lra|apply Rmin_r]).
  assert (Htan : forall h, has_spike d eps C h -> α d eps C h <= tan (α d eps C h)).
  { intros h Hh. unfold α. rewrite tan_atan. apply atan_le. now apply tilt_nonneg. }
  pose proof (Htan h_a Ha). pose proof (Htan h_b Hb).
  pose proof (sin_le_x (Rmin PI (α_a + α_b + θ) / 2) ltac:(lra)).
  unfold triangle, linear.
  replace (2 * sqrt (INR d) * sin (Rmin PI (α_a + α_b + θ) / 2))
    with (sqrt (INR d) * (2 * sin (Rmin PI (α_a + α_b + θ) / 2))) by ring.
  apply Rmult_le_compat_l; lra.
Qed.

Definition hypot (x y : R) : R := sqrt (x ^ 2 + y ^ 2).

(** Entries on C and off C do not mix: each part is multiplied by its largest gain. *)
Lemma with_gain g M_C M_R :
  0 <= M_C -> 0 <= M_R ->
  (forall i, (i < d)%nat -> C i = true -> Rabs (g i) <= M_C) ->
  (forall i, (i < d)%nat -> C i = false -> Rabs (g i) <= M_R) ->
  norm d (fun i => g i * u_a i - g i * u_b i) <=
  hypot (M_C * norm d (on C D)) (M_R * norm d (off C D)).
Proof.
  intros HC HR HgC HgR. apply le_of_squares; [apply sqrt_pos|].
  unfold hypot. rewrite pow2_sqrt by (apply Rplus_le_le_0_compat; apply pow2_ge_0).
  rewrite norm_sqr, (dot_on_off d C _ _), <- !norm_sqr. apply Rplus_le_compat.
  - apply pow_incr. split; [apply norm_nonneg|].
    rewrite (norm_ext d _ (fun i => (if C i then g i else 0) * on C D i))
      by (intros i _; unfold on, D; destruct (C i); ring).
    apply norm_gain; [assumption|]. intros i Hi. destruct (C i) eqn:E; [auto|now rewrite Rabs_R0].
  - apply pow_incr. split; [apply norm_nonneg|].
    rewrite (norm_ext d _ (fun i => (if C i then 0 else g i) * off C D i))
      by (intros i _; unfold off, D; destruct (C i); ring).
    apply norm_gain; [assumption|]. intros i Hi. destruct (C i) eqn:E; [now rewrite Rabs_R0|auto].
Qed.

Theorem rms_near_constant :
  (* a *) norm d D <= 2 * sqrt (INR d) *
            sqrt (sin ((α_a + α_b) / 2) ^ 2 + cos α_a * cos α_b * sin (θ / 2) ^ 2) /\
  (* b *) 2 * sqrt (INR d) *
            sqrt (sin ((α_a + α_b) / 2) ^ 2 + cos α_a * cos α_b * sin (θ / 2) ^ 2) <=
          2 * sqrt (INR d) * sin (Rmin PI (α_a + α_b + θ) / 2) /\
  (* c *) 2 * sqrt (INR d) * sin (Rmin PI (α_a + α_b + θ) / 2) <=
          sqrt (INR d) * (tan α_a + tan α_b + θ) /\
  (* d *) (forall g M_C M_R,
             0 <= M_C -> 0 <= M_R ->
             (forall i, (i < d)%nat -> C i = true -> Rabs (g i) <= M_C) ->
             (forall i, (i < d)%nat -> C i = false -> Rabs (g i) <= M_R) ->
             norm d (fun i => g i * u_a i - g i * u_b i) <=
             hypot (M_C * norm d (on C D)) (M_R * norm d (off C D))).
Proof.
  split; [exact distance_sharp|split; [exact sharp_le_triangle|split]].
  - exact triangle_le_linear.
  - exact with_gain.
Qed.

(** (a) is reached for eps = 0 and antiparallel r_a, r_b, at every θ. *)
Theorem rms_near_constant_tight :
  eps = 0 -> dot d r_a r_b = - (norm d r_a * norm d r_b) -> norm d D = sharp.
Proof.
  intros He Hr. apply eq_of_squares; [apply norm_nonneg|apply sharp_nonneg|].
  rewrite sharp_square, <- distance_exact. unfold loss.
  assert (Hn : forall h, has_spike d eps C h -> beside d eps C h = norm d (off C h)).
  { intros h Hh. apply eq_of_squares; [apply sqrt_pos|apply norm_nonneg|].
    rewrite beside_square, He by assumption. ring. }
  rewrite !Hn, Hr, He by assumption. unfold Rdiv. ring.
Qed.

End Tokens.

Print Assumptions rms_near_constant.
Print Assumptions rms_near_constant_tight.
