(** * Bounds of e^x by rational numbers

    For x >= 0 the first n terms of the series of e^x are less than it, and with the next term
    taken twice they are more, as soon as x <= (n + 1) / 2: from there on each term is at most
    half of the one before. Twenty terms give fifteen digits. *)

Require Export Sums.

Fixpoint taylor_term (x : R) (k : nat) : R :=
  match k with
  | O => 1
  | S i => taylor_term x i * x / INR k
  end.

Definition taylor (x : R) (n : nat) : R := Σ (k < n) taylor_term x k.

Lemma taylor_term_nonneg x k : 0 <= x -> 0 <= taylor_term x k.
Proof.
  intros Hx. induction k as [|k IH]; [simpl; lra|].
  apply Rmult_le_pos; [now apply Rmult_le_pos|].
  left; apply Rinv_0_lt_compat, lt_0_INR; lia.
Qed.

Lemma taylor_term_fact x k : taylor_term x k = / INR (fact k) * x ^ k.
Proof.
  induction k as [|k IH]; [simpl; field|].
  change (taylor_term x (S k)) with (taylor_term x k * x / INR (S k)).
  rewrite IH, fact_simpl, mult_INR, <- tech_pow_Rmult.
  pose proof (lt_0_INR (fact k) (lt_O_fact k)). pose proof (lt_0_INR (S k) ltac:(lia)).
  field; lra.
Qed.

Lemma taylor_series x n : taylor x (S n) = sum_f_R0 (fun k => / INR (fact k) * x ^ k) n.
Proof.
  induction n as [|n IH].
  - unfold taylor; simpl. lra.
  - rewrite tech5, <- IH, <- taylor_term_fact. reflexivity.
Qed.

Lemma taylor_tends_to_exp x : Un_cv (fun n => taylor x (S n)) (exp x).
Proof.
  pose proof (proj2_sig (exist_exp x)) as H. change (proj1_sig (exist_exp x)) with (exp x) in H.
  intros e He. destruct (H e He) as [N HN]. exists N; intros n Hn.
  rewrite taylor_series. exact (HN n Hn).
Qed.

Lemma taylor_grows x n m : 0 <= x -> (n <= m)%nat -> taylor x n <= taylor x m.
Proof.
  intros Hx. induction 1 as [|m _ IH]; [lra|].
  unfold taylor in *; simpl. pose proof (taylor_term_nonneg x m Hx). lra.
Qed.

Lemma exp_lower x n : 0 <= x -> taylor x n <= exp x.
Proof.
  intros Hx. apply Rle_trans with (taylor x (S n)); [apply taylor_grows; auto|].
  apply (growing_ineq (fun n => taylor x (S n))); [|apply taylor_tends_to_exp].
  intros k. apply taylor_grows; auto.
Qed.

Lemma taylor_upper_falls x n m :
  0 <= x -> x <= (INR n + 1) / 2 -> (n <= m)%nat ->
  taylor x m + 2 * taylor_term x m <= taylor x n + 2 * taylor_term x n.
Proof.
  intros Hx Hn. induction 1 as [|m Hm IH]; [lra|].
  eapply Rle_trans; [|exact IH]. apply le_INR in Hm.
  change (taylor x (S m)) with (taylor x m + taylor_term x m).
  change (taylor_term x (S m)) with (taylor_term x m * x / INR (S m)).
  rewrite S_INR. pose proof (taylor_term_nonneg x m Hx). pose proof (pos_INR m).
  assert (x / (INR m + 1) <= / 2).
  { apply Rmult_le_reg_r with (INR m + 1); [lra|].
    unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  unfold Rdiv in *. nra.
Qed.

Lemma exp_upper x n :
  0 <= x -> x <= (INR n + 1) / 2 -> exp x <= taylor x n + 2 * taylor_term x n.
Proof.
  intros Hx Hn. destruct (Rle_dec (exp x) (taylor x n + 2 * taylor_term x n)) as [|H]; [assumption|].
  exfalso. apply Rnot_le_lt in H. set (b := taylor x n + 2 * taylor_term x n) in *.
  destruct (taylor_tends_to_exp x (exp x - b) ltac:(lra)) as [N HN].
  specialize (HN (max N n) ltac:(lia)).
  assert (taylor x (S (max N n)) <= b).
  { pose proof (taylor_upper_falls x n (S (max N n)) Hx Hn ltac:(lia)).
    pose proof (taylor_term_nonneg x (S (max N n)) Hx). unfold b. lra. }
  unfold R_dist in HN. rewrite Rabs_left in HN by lra. lra.
Qed.

(** ** The same with fractions, which a program can compute *)

From Coq Require Import QArith Qreals.

(** Horner's form 1 + x/(k + 1) (1 + x/(k + 2) (1 + ...)), in which fractions stay short. *)
Fixpoint horner (x : R) (k m : nat) : R :=
  match m with
  | O => 0
  | S i => 1 + x * / INR (S k) * horner x (S k) i
  end.

Lemma taylor_horner x k m : taylor x (k + m) = (taylor x k + taylor_term x k * horner x k m)%R.
Proof.
  revert k. induction m as [|m IH]; intros k; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite <- plus_n_Sm. change (S (k + m)) with (S k + m)%nat. rewrite IH.
  change (taylor x (S k)) with (taylor x k + taylor_term x k)%R.
  change (taylor_term x (S k)) with (taylor_term x k * x / INR (S k))%R.
  cbn [horner]. unfold Rdiv. ring.
Qed.

Fixpoint horner_Q (x : Q) (k m : nat) : Q :=
  match m with
  | O => 0
  | S i => 1 + x * (1 # Pos.of_succ_nat k) * horner_Q x (S k) i
  end.

Fixpoint taylor_term_Q (x : Q) (k : nat) : Q :=
  match k with
  | O => 1
  | S i => taylor_term_Q x i * x * (1 # Pos.of_succ_nat i)
  end.

Lemma Q2R_fraction k : Q2R (1 # Pos.of_succ_nat k) = (/ INR (S k))%R.
Proof. rewrite INR_IZR_INZ. unfold Q2R; simpl. ring. Qed.

Lemma horner_Q_spec x k m : Q2R (horner_Q x k m) = horner (Q2R x) k m.
Proof.
  revert k. induction m as [|m IH]; intros k; [apply RMicromega.Q2R_0|].
  cbn [horner_Q horner]. now rewrite Q2R_plus, !Q2R_mult, IH, Q2R_fraction, RMicromega.Q2R_1.
Qed.

Lemma taylor_term_Q_spec x k : Q2R (taylor_term_Q x k) = taylor_term (Q2R x) k.
Proof.
  induction k as [|k IH]; [apply RMicromega.Q2R_1|].
  cbn [taylor_term_Q taylor_term]. now rewrite !Q2R_mult, IH, Q2R_fraction.
Qed.

Definition exp_below_Q (x : Q) (n : nat) : Q := horner_Q x 0 n.
Definition exp_above_Q (x : Q) (n : nat) : Q := horner_Q x 0 n + 2 * taylor_term_Q x n.

Lemma exp_below_Q_spec x n : Q2R (exp_below_Q x n) = taylor (Q2R x) n.
Proof.
  change n with (0 + n)%nat at 2. rewrite taylor_horner. unfold exp_below_Q.
  rewrite horner_Q_spec. change (taylor (Q2R x) 0) with 0%R.
  change (taylor_term (Q2R x) 0) with 1%R. ring.
Qed.

Lemma exp_lower_Q x n : (0 <= x)%Q -> (Q2R (exp_below_Q x n) <= exp (Q2R x))%R.
Proof.
  intros Hx. rewrite exp_below_Q_spec. apply exp_lower. apply Qle_Rle in Hx.
  now rewrite RMicromega.Q2R_0 in Hx.
Qed.

Lemma exp_upper_Q x n :
  (0 <= x)%Q -> (2 * x <= inject_Z (Z.of_nat n) + 1)%Q ->
  (exp (Q2R x) <= Q2R (exp_above_Q x n))%R.
Proof.
  intros Hx Hn. unfold exp_above_Q. fold (exp_below_Q x n).
  rewrite Q2R_plus, Q2R_mult, exp_below_Q_spec, taylor_term_Q_spec.
  apply Qle_Rle in Hx, Hn. rewrite RMicromega.Q2R_0 in Hx.
  rewrite Q2R_mult, Q2R_plus, RMicromega.Q2R_1 in Hn.
  replace (Q2R (inject_Z (Z.of_nat n))) with (INR n) in Hn
    by (rewrite INR_IZR_INZ; unfold Q2R; simpl; field).
  replace (Q2R 2) with 2%R in * by (unfold Q2R; simpl; field).
  apply exp_upper; lra.
Qed.
