(** * The logistic function σ(x) = 1 / (1 + e^(-x)), and what is made of it *)

Require Export Sums.

Definition σ (x : R) : R := 1 / (1 + exp (- x)).
Definition SiLU (x : R) : R := x * σ x.
Definition ReLU (x : R) : R := Rmax 0 x.

Lemma exp_opp_inv x : exp x * exp (- x) = 1.
Proof. rewrite <- exp_plus, Rplus_opp_r. apply exp_0. Qed.

Lemma sigma_pos x : 0 < σ x.
Proof. unfold σ. pose proof (exp_pos (- x)). apply Rdiv_lt_0_compat; lra. Qed.

Lemma sigma_lt_1 x : σ x < 1.
Proof.
  unfold σ. pose proof (exp_pos (- x)).
  apply Rmult_lt_reg_r with (1 + exp (- x)); [lra|]. field_simplify; lra.
Qed.

Lemma sigma_opp x : σ (- x) = 1 - σ x.
Proof.
  unfold σ. rewrite Ropp_involutive. pose proof (exp_pos x). pose proof (exp_pos (- x)).
  pose proof (exp_opp_inv x).
  apply Rmult_eq_reg_r with ((1 + exp x) * (1 + exp (- x))); [|nra].
  field_simplify; nra.
Qed.

Lemma sigma_increases x y : x <= y -> σ x <= σ y.
Proof.
  intros H. unfold σ. pose proof (exp_pos (- x)). pose proof (exp_pos (- y)).
  assert (exp (- y) <= exp (- x)).
  { destruct H as [H| ->]; [left; apply exp_increasing|]; lra. }
  apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra.
Qed.

Lemma sigma_strictly_increases x y : x < y -> σ x < σ y.
Proof.
  intros H. unfold σ. pose proof (exp_pos (- x)). pose proof (exp_pos (- y)).
  pose proof (exp_increasing (- y) (- x) ltac:(lra)).
  unfold Rdiv. rewrite !Rmult_1_l. apply Rinv_lt_contravar; [|lra]. apply Rmult_lt_0_compat; lra.
Qed.

(** σ(a - b) with a = ln x, b = ln y is the share of x in x + y. *)
Lemma sigma_ln a y : 0 < y -> σ (a - ln y) = exp a / (exp a + y).
Proof.
  intros Hy. unfold σ. replace (- (a - ln y)) with (ln y + - a) by ring.
  rewrite exp_plus, exp_ln, exp_Ropp by assumption. pose proof (exp_pos a). field; lra.
Qed.

(** e^x is the odds of σ(x). *)
Lemma sigma_odds x : σ x = exp x / (exp x + 1).
Proof. rewrite <- (Rminus_0_r x) at 1. rewrite <- ln_1. apply sigma_ln. lra. Qed.

Lemma SiLU_mirror x : SiLU x - SiLU (- x) = x.
Proof. unfold SiLU. rewrite sigma_opp. ring. Qed.

Lemma ReLU_mirror x : ReLU x - ReLU (- x) = x.
Proof. unfold ReLU, Rmax. destruct (Rle_dec 0 x), (Rle_dec 0 (- x)); lra. Qed.

(** ** The slope σ' = σ (1 - σ), which is at most 1/4 *)

Lemma sigma_derivative z : derivable_pt_lim σ z (σ z * (1 - σ z)).
Proof.
  pose proof (exp_pos (- z)).
  replace (σ z * (1 - σ z))
    with ((0 * (1 + exp (- z)) - (0 + exp (- z) * -1) * 1) / Rsqr (1 + exp (- z)))
    by (unfold σ, Rsqr; field; lra).
  apply (derivable_pt_lim_div (fun _ => 1) (fun z => 1 + exp (- z))); [| |lra].
  - apply derivable_pt_lim_const.
  - apply (derivable_pt_lim_plus (fun _ => 1) (fun z => exp (- z))).
    + apply derivable_pt_lim_const.
    + apply (derivable_pt_lim_comp Ropp exp); [|apply derivable_pt_lim_exp].
      apply (derivable_pt_lim_opp id z 1), derivable_pt_lim_id.
Qed.

Lemma sigma_slope_range z : 0 < σ z * (1 - σ z) <= / 4.
Proof.
  pose proof (sigma_pos z). pose proof (sigma_lt_1 z). pose proof (pow2_ge_0 (σ z - / 2)).
  split; nra.
Qed.

Lemma sigma_lipschitz x y : Rabs (σ x - σ y) <= Rabs (x - y) / 4.
Proof.
  assert (H : forall a b, a < b -> Rabs (σ b - σ a) <= Rabs (b - a) / 4).
  { intros a b Hab.
    destruct (MVT_cor2 σ (fun c => σ c * (1 - σ c)) a b Hab) as (c & E & _);
      [intros; apply sigma_derivative|].
    pose proof (sigma_slope_range c).
    rewrite E, Rabs_mult, (Rabs_pos_eq (σ c * (1 - σ c))) by lra. pose proof (Rabs_pos (b - a)). nra. }
  destruct (Rtotal_order x y) as [Hxy|[->|Hxy]].
  - rewrite (Rabs_minus_sym (σ x)), (Rabs_minus_sym x). now apply H.
  - rewrite !Rminus_diag_eq, Rabs_R0 by reflexivity. lra.
  - now apply H.
Qed.
