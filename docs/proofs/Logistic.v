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
