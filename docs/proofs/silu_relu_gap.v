(** * silu-relu-gap

    SiLU is ReLU but for a bump. With W e^W = 1/e and q tanh(q/2) = 2, for every z:

    (a) |SiLU(z) - ReLU(z)| <= W, with equality for |z| = 1 + W and nowhere else;
    (b) |SiLU(z) - ReLU(z)| = |z| σ(-|z|);
    (c) -SiLU(z) <= W, with equality at z = -(1 + W);
    (d) |SiLU'(z) - 1/2| <= q/4, with equality for |z| = q.

    W and q exist, and 0.278464542761073 < W < 0.278464542761074,
    2.399357280515467 < q < 2.399357280515468. See docs/claims/silu-relu-gap.md. *)

Require Import Logistic Exponential.
From Coq Require Import QArith Qreals.
Open Scope R_scope.

(** W e^W = 1/e, without the quotient. *)
Definition is_W (W : R) : Prop := 0 < W /\ W * exp (1 + W) = 1.

Definition tau (z : R) : R := tanh (z / 2).
Definition is_q (q : R) : Prop := 0 < q /\ q * tau q = 2.

(** ** (a) to (c) *)

Lemma gap_exact z : Rabs (SiLU z - ReLU z) = Rabs z * σ (- Rabs z).
Proof.
  unfold SiLU, ReLU. pose proof (sigma_pos z). pose proof (sigma_lt_1 z).
  destruct (Rle_dec 0 z) as [Hz|Hz].
  - rewrite Rmax_right, (Rabs_pos_eq z), sigma_opp by lra.
    rewrite Rabs_left1 by nra. ring.
  - rewrite Rmax_left, (Rabs_left z), Ropp_involutive by lra.
    rewrite Rabs_left1 by nra. ring.
Qed.

(** The exponential lies above its tangent at 1 + W, where it is 1/W. *)
Lemma tangent W t : is_W W -> t - W <= W * exp t /\ (t - W = W * exp t -> t = 1 + W).
Proof.
  intros [HW E]. set (x := t - (1 + W)).
  assert (Ht : W * exp t = exp x).
  { replace t with ((1 + W) + x) by (unfold x; ring).
    rewrite exp_plus, <- Rmult_assoc, E. ring. }
  rewrite Ht. split; [pose proof (exp_ineq1_le x); unfold x in *; lra|].
  intros Heq. destruct (Req_dec x 0) as [Hx|Hx]; [unfold x in *; lra|].
  pose proof (exp_ineq1 x Hx). unfold x in *; lra.
Qed.

Lemma bump t : t * σ (- t) = t / (1 + exp t).
Proof. unfold σ. rewrite Ropp_involutive. pose proof (exp_pos t). field; lra. Qed.

Lemma bump_le W t : is_W W -> t * σ (- t) <= W.
Proof.
  intros HW. rewrite bump. pose proof (exp_pos t). destruct (tangent W t HW) as [H1 _].
  apply Rmult_le_reg_r with (1 + exp t); [lra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Lemma bump_eq W t : is_W W -> (t * σ (- t) = W <-> t = 1 + W).
Proof.
  intros HW. rewrite bump. pose proof (exp_pos t). split.
  - intros E. apply (tangent W t HW).
    assert (t = W * (1 + exp t)) by (rewrite <- E; field; lra). lra.
  - intros ->. destruct HW as [HW E]. pose proof (exp_pos (1 + W)).
    apply Rmult_eq_reg_r with (1 + exp (1 + W)); [|lra].
    unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Lemma SiLU_least W z : is_W W -> - SiLU z <= W.
Proof. intros HW. pose proof (bump_le W (- z) HW) as H. rewrite Ropp_involutive in H.
  unfold SiLU. lra. Qed.

Lemma SiLU_least_reached W : is_W W -> - SiLU (- (1 + W)) = W.
Proof. intros HW. unfold SiLU. rewrite Ropp_mult_distr_l, Ropp_involutive. now apply bump_eq. Qed.

(** ** (d) *)

Lemma tau_sigma z : tau z = 2 * σ z - 1.
Proof.
  unfold tau, tanh, sinh, cosh, σ.
  replace (- z) with (- (z / 2) + - (z / 2)) by lra. rewrite exp_plus.
  pose proof (exp_pos (z / 2)). pose proof (exp_pos (- (z / 2))).
  pose proof (exp_opp_inv (z / 2)) as E.
  set (a := exp (z / 2)) in *. set (b := exp (- (z / 2))) in *.
  apply Rmult_eq_reg_r with ((a + b) * (1 + b * b)); [|nra].
  replace ((a - b) / 2 / ((a + b) / 2) * ((a + b) * (1 + b * b)))
    with ((a - b) * (1 + b * b)) by (field; nra).
  replace ((2 * (1 / (1 + b * b)) - 1) * ((a + b) * (1 + b * b)))
    with ((a + b) * (1 - b * b)) by (field; nra).
  replace ((a - b) * (1 + b * b)) with (a - b + (a * b) * b - b * b * b) by ring.
  replace ((a + b) * (1 - b * b)) with (a + b - (a * b) * b - b * b * b) by ring.
  rewrite E. ring.
Qed.

Definition SiLU_slope (z : R) : R := σ z * (1 + z * σ (- z)).

Lemma SiLU_derivative z : derivable_pt_lim SiLU z (SiLU_slope z).
Proof.
  unfold SiLU_slope. rewrite sigma_opp.
  replace (σ z * (1 + z * (1 - σ z)))
    with (1 * σ z + z * (σ z * (1 - σ z))) by ring.
  apply (derivable_pt_lim_mult id σ); [apply derivable_pt_lim_id|apply sigma_derivative].
Qed.

(** What the slope is beside 1/2: an odd function that grows up to q and falls from there on. *)
Definition excess (z : R) : R := SiLU_slope z - 1 / 2.

Lemma excess_sigma z : excess z = σ z + z * (σ z * (1 - σ z)) - 1 / 2.
Proof. unfold excess, SiLU_slope. rewrite sigma_opp. ring. Qed.

Lemma excess_odd z : excess (- z) = - excess z.
Proof. rewrite !excess_sigma, sigma_opp. field. Qed.

Lemma excess_derivative z :
  derivable_pt_lim excess z (σ z * (1 - σ z) * (2 - z * tau z)).
Proof.
  rewrite tau_sigma. set (s := σ z). set (s' := s * (1 - s)).
  replace (s' * (2 - z * (2 * s - 1)))
    with (s' + (1 * (s * (1 - s)) + z * (s' * (1 - s) + s * (0 - s'))) - 0) by (unfold s'; ring).
  assert (Hs : derivable_pt_lim σ z s') by apply sigma_derivative.
  assert (H : derivable_pt_lim (fun z => σ z + z * (σ z * (1 - σ z)) - 1 / 2) z
    (s' + (1 * (s * (1 - s)) + z * (s' * (1 - s) + s * (0 - s'))) - 0)).
  { apply (derivable_pt_lim_minus (fun z => σ z + z * (σ z * (1 - σ z))) (fun _ => 1 / 2));
      [|apply derivable_pt_lim_const].
    apply (derivable_pt_lim_plus σ (fun z => z * (σ z * (1 - σ z)))); [exact Hs|].
    apply (derivable_pt_lim_mult id (fun z => σ z * (1 - σ z)));
      [apply derivable_pt_lim_id|].
    apply (derivable_pt_lim_mult σ (fun z => 1 - σ z)); [exact Hs|].
    apply (derivable_pt_lim_minus (fun _ => 1) σ); [apply derivable_pt_lim_const|exact Hs]. }
  intros e He. destruct (H e He) as [del Hdel]. exists del. intros h Hh Hd.
  rewrite !excess_sigma. now apply Hdel.
Qed.

Lemma tau_nonneg z : 0 <= z -> 0 <= tau z.
Proof.
  intros Hz. rewrite tau_sigma. pose proof (sigma_increases 0 z Hz).
  replace (σ 0) with (1 / 2) in * by (unfold σ; rewrite Ropp_0, exp_0; field). lra.
Qed.

Lemma z_tau_increases x y : 0 <= x <= y -> x * tau x <= y * tau y.
Proof.
  intros [H0 H]. pose proof (tau_nonneg x H0).
  assert (tau x <= tau y) by (rewrite !tau_sigma; pose proof (sigma_increases x y H); lra).
  nra.
Qed.

Lemma excess_at_q q : is_q q -> excess q = q / 4.
Proof.
  intros [Hq E]. rewrite excess_sigma. rewrite tau_sigma in E.
  assert (Hs : σ q = (1 + 2 / q) / 2).
  { apply Rmult_eq_reg_l with q; [|lra].
    replace (q * ((1 + 2 / q) / 2)) with ((q + 2) / 2) by (field; lra). lra. }
  rewrite Hs. field; lra.
Qed.

Lemma excess_le q z : is_q q -> 0 <= z -> excess z <= excess q.
Proof.
  intros [Hq E] Hz.
  assert (Hs : forall c, 0 < σ c * (1 - σ c))
    by (intros c; pose proof (sigma_pos c); pose proof (sigma_lt_1 c); nra).
  destruct (Rtotal_order z q) as [H|[->|H]]; [|lra|].
  - destruct (MVT_cor2 excess (fun c => σ c * (1 - σ c) * (2 - c * tau c)) z q H)
      as (c & Ec & Hc); [intros; apply excess_derivative|].
    pose proof (z_tau_increases c q ltac:(lra)). specialize (Hs c).
    assert (0 <= σ c * (1 - σ c) * (2 - c * tau c)) by (apply Rmult_le_pos; lra). nra.
  - destruct (MVT_cor2 excess (fun c => σ c * (1 - σ c) * (2 - c * tau c)) q z H)
      as (c & Ec & Hc); [intros; apply excess_derivative|].
    pose proof (z_tau_increases q c ltac:(lra)). specialize (Hs c).
    assert (0 <= σ c * (1 - σ c) * (c * tau c - 2)) by (apply Rmult_le_pos; lra). nra.
Qed.

Lemma excess_nonneg z : 0 <= z -> 0 <= excess z.
Proof.
  intros Hz. rewrite excess_sigma. pose proof (tau_nonneg z Hz) as H. rewrite tau_sigma in H.
  pose proof (sigma_pos z). pose proof (sigma_lt_1 z).
  assert (0 <= z * (σ z * (1 - σ z))); [|lra].
  apply Rmult_le_pos; [assumption|]. apply Rmult_le_pos; lra.
Qed.

Lemma excess_abs z : Rabs (excess z) = excess (Rabs z).
Proof.
  destruct (Rle_dec 0 z) as [Hz|Hz].
  - rewrite !Rabs_pos_eq; [reflexivity|assumption|now apply excess_nonneg].
  - rewrite (Rabs_left z), excess_odd by lra. apply Rabs_left1.
    pose proof (excess_nonneg (- z) ltac:(lra)). rewrite excess_odd in H. lra.
Qed.

(** ** The claim *)

Theorem silu_relu_gap (W q z : R) :
  is_W W -> is_q q ->
  (* a *) Rabs (SiLU z - ReLU z) <= W /\
          (Rabs (SiLU z - ReLU z) = W <-> Rabs z = 1 + W) /\
  (* b *) Rabs (SiLU z - ReLU z) = Rabs z * σ (- Rabs z) /\
  (* c *) - SiLU z <= W /\
          - SiLU (- (1 + W)) = W /\
  (* d *) derivable_pt_lim SiLU z (SiLU_slope z) /\
          Rabs (SiLU_slope z - 1 / 2) <= q / 4 /\
          (Rabs z = q -> Rabs (SiLU_slope z - 1 / 2) = q / 4).
Proof.
  intros HW Hq. rewrite gap_exact. fold (excess z).
  repeat split; try now apply bump_le || apply bump_eq.
  - now apply SiLU_least.
  - now apply SiLU_least_reached.
  - apply SiLU_derivative.
  - rewrite excess_abs, <- (excess_at_q q Hq). apply excess_le; [assumption|apply Rabs_pos].
  - intros <-. rewrite excess_abs. now apply excess_at_q.
Qed.

(** ** The two constants *)

Lemma W_function_increases w w' : 0 < w < w' -> w * exp (1 + w) < w' * exp (1 + w').
Proof.
  intros H. pose proof (exp_increasing (1 + w) (1 + w') ltac:(lra)). pose proof (exp_pos (1 + w)).
  nra.
Qed.

(** The ends of the intervals are fractions, and so are the bounds of the exponential: Coq compares
    them by computing. *)
Definition W_low_Q : Q := 278464542761073 # 1000000000000000.
Definition W_high_Q : Q := 278464542761074 # 1000000000000000.
Definition W_low : R := Q2R W_low_Q.
Definition W_high : R := Q2R W_high_Q.

Lemma W_bounds_pos : 0 < W_low < W_high.
Proof. unfold W_low, W_high, Q2R; simpl. lra. Qed.

Lemma Q2R_1_plus x : Q2R (1 + x) = 1 + Q2R x.
Proof. rewrite Q2R_plus, RMicromega.Q2R_1. reflexivity. Qed.

Lemma W_low_below : W_low * exp (1 + W_low) < 1.
Proof.
  pose proof W_bounds_pos. pose proof (exp_upper_Q (1 + W_low_Q) 20 ltac:(easy) ltac:(easy)) as H1.
  assert (H2 : (W_low_Q * exp_above_Q (1 + W_low_Q) 20 < 1)%Q) by (vm_compute; reflexivity).
  apply Qlt_Rlt in H2. rewrite Q2R_mult, RMicromega.Q2R_1 in H2. rewrite Q2R_1_plus in H1.
  fold W_low in H1, H2. nra.
Qed.

Lemma W_high_above : 1 < W_high * exp (1 + W_high).
Proof.
  pose proof W_bounds_pos. pose proof (exp_lower_Q (1 + W_high_Q) 20 ltac:(easy)) as H1.
  assert (H2 : (1 < W_high_Q * exp_below_Q (1 + W_high_Q) 20)%Q) by (vm_compute; reflexivity).
  apply Qlt_Rlt in H2. rewrite Q2R_mult, RMicromega.Q2R_1 in H2. rewrite Q2R_1_plus in H1.
  fold W_high in H1, H2. nra.
Qed.

Theorem W_exists : exists W, is_W W.
Proof.
  destruct (IVT (fun w => w * exp (1 + w) - 1) W_low W_high) as (W & HW & E).
  - reg.
  - apply W_bounds_pos.
  - pose proof W_low_below; lra.
  - pose proof W_high_above; lra.
  - exists W. pose proof W_bounds_pos. split; lra.
Qed.

Theorem W_enclosure W : is_W W -> W_low < W < W_high.
Proof.
  intros [HW E]. pose proof W_low_below. pose proof W_high_above.
  pose proof W_bounds_pos. split.
  - destruct (Rlt_le_dec W_low W) as [|[H'|H']]; [assumption| |subst; lra].
    pose proof (W_function_increases W W_low ltac:(lra)). lra.
  - destruct (Rlt_le_dec W W_high) as [|[H'|H']]; [assumption| |subst; lra].
    pose proof (W_function_increases W_high W ltac:(lra)). lra.
Qed.

(** q tau(q) = 2 says (q - 2) e^q = q + 2. *)
Lemma q_equation z : z * tau z - 2 = ((z - 2) * exp z - (z + 2)) / (exp z + 1).
Proof. rewrite tau_sigma, sigma_odds. pose proof (exp_pos z). field; lra. Qed.

Definition q_low_Q : Q := 2399357280515467 # 1000000000000000.
Definition q_high_Q : Q := 2399357280515468 # 1000000000000000.
Definition q_low : R := Q2R q_low_Q.
Definition q_high : R := Q2R q_high_Q.

Lemma q_bounds_pos : 2 < q_low < q_high.
Proof. unfold q_low, q_high, Q2R; simpl. lra. Qed.

Lemma Q2R_2 : Q2R 2 = 2.
Proof. unfold Q2R; simpl. field. Qed.

Lemma q_low_below : q_low * tau q_low < 2.
Proof.
  pose proof q_bounds_pos. pose proof (exp_upper_Q q_low_Q 24 ltac:(easy) ltac:(easy)) as H1.
  assert (H2 : ((q_low_Q - 2) * exp_above_Q q_low_Q 24 < q_low_Q + 2)%Q)
    by (vm_compute; reflexivity).
  apply Qlt_Rlt in H2. rewrite Q2R_mult, Q2R_minus, Q2R_plus, Q2R_2 in H2.
  fold q_low in H1, H2. pose proof (q_equation q_low) as E. pose proof (exp_pos q_low).
  assert ((q_low * tau q_low - 2) * (exp q_low + 1) < 0); [|nra].
  rewrite E. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

Lemma q_high_above : 2 < q_high * tau q_high.
Proof.
  pose proof q_bounds_pos. pose proof (exp_lower_Q q_high_Q 24 ltac:(easy)) as H1.
  assert (H2 : (q_high_Q + 2 < (q_high_Q - 2) * exp_below_Q q_high_Q 24)%Q)
    by (vm_compute; reflexivity).
  apply Qlt_Rlt in H2. rewrite Q2R_mult, Q2R_minus, Q2R_plus, Q2R_2 in H2.
  fold q_high in H1, H2. pose proof (q_equation q_high) as E. pose proof (exp_pos q_high).
  assert (0 < (q_high * tau q_high - 2) * (exp q_high + 1)); [|nra].
  rewrite E. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

Theorem q_exists : exists q, is_q q.
Proof.
  destruct (IVT (fun z => z * (2 * σ z - 1) - 2) q_low q_high) as (q & Hq & E).
  - intros z. apply derivable_continuous_pt.
    exists (1 * (2 * σ z - 1) + z * (2 * (σ z * (1 - σ z)) - 0) - 0).
    apply (derivable_pt_lim_minus (fun z => z * (2 * σ z - 1)) (fun _ => 2));
      [|apply derivable_pt_lim_const].
    apply (derivable_pt_lim_mult id (fun z => 2 * σ z - 1)); [apply derivable_pt_lim_id|].
    apply (derivable_pt_lim_minus (fun z => 2 * σ z) (fun _ => 1)); [|apply derivable_pt_lim_const].
    apply (derivable_pt_lim_scal σ), sigma_derivative.
  - apply q_bounds_pos.
  - pose proof q_low_below. rewrite tau_sigma in *. lra.
  - pose proof q_high_above. rewrite tau_sigma in *. lra.
  - exists q. pose proof q_bounds_pos. split; [lra|]. rewrite tau_sigma. lra.
Qed.

Theorem q_enclosure q : is_q q -> q_low < q < q_high.
Proof.
  intros [Hq E]. pose proof q_low_below. pose proof q_high_above.
  pose proof q_bounds_pos. split.
  - destruct (Rlt_le_dec q_low q) as [|H']; [assumption|].
    pose proof (z_tau_increases q q_low ltac:(lra)). lra.
  - destruct (Rlt_le_dec q q_high) as [|H']; [assumption|].
    pose proof (z_tau_increases q_high q ltac:(lra)). lra.
Qed.

Print Assumptions silu_relu_gap.
Print Assumptions W_exists.
Print Assumptions W_enclosure.
Print Assumptions q_exists.
Print Assumptions q_enclosure.
