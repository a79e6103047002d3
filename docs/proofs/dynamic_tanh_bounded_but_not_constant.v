(** * dynamic-tanh-bounded-but-not-constant

    DynamicTanh bounds what a block reads, and takes a spike to its sign, but it does not divide.
    For y = g .* tanh(a h) + b:

    (a) |y_i - b_i| <= |g_i|;
    (b) ||y - y'||^2 >= Σ_{i not in C} g_i^2 (tanh(a h_i) - tanh(a h'_i))^2 for any set C of
        channels, with equality when h = h' on C;
    (c) |g_i| <= |y_i - b_i| + 2 |g_i| e^(-2 |a h_i|).

    See docs/claims/dynamic-tanh-bounded-but-not-constant.md. *)

Require Import silu_relu_gap.
Require Export Logistic.

Section DynamicTanh.
Variables (d : nat) (g b : row) (a : R).

Definition y (h : row) : row := fun i => g i * tanh (a * h i) + b i.

Lemma tanh_sigma x : tanh x = 2 * σ (2 * x) - 1.
Proof. rewrite <- tau_sigma. unfold tau. f_equal. field. Qed.

Lemma tanh_range x : -1 < tanh x < 1.
Proof. rewrite tanh_sigma. pose proof (sigma_pos (2 * x)). pose proof (sigma_lt_1 (2 * x)). lra. Qed.

Lemma tanh_odd x : tanh (- x) = - tanh x.
Proof.
  rewrite !tanh_sigma. replace (2 * - x) with (- (2 * x)) by ring. rewrite sigma_opp. ring.
Qed.

(** 1 - tanh t = 2 / (1 + e^(2 t)) <= 2 e^(-2 t) *)
Lemma tanh_tail t : 1 - tanh t <= 2 * exp (-2 * t).
Proof.
  rewrite tanh_sigma. pose proof (sigma_opp (2 * t)) as E.
  replace (-2 * t) with (- (2 * t)) by ring. unfold σ in E at 1.
  rewrite Ropp_involutive in E. rewrite exp_Ropp. pose proof (exp_pos (2 * t)).
  assert (1 / (1 + exp (2 * t)) <= / exp (2 * t))
    by (unfold Rdiv; rewrite Rmult_1_l; apply Rinv_le_contravar; lra).
  lra.
Qed.

Lemma entry_bounded h i : Rabs (y h i - b i) <= Rabs (g i).
Proof.
  unfold y. replace (g i * tanh (a * h i) + b i - b i) with (g i * tanh (a * h i)) by ring.
  rewrite Rabs_mult. pose proof (tanh_range (a * h i)). pose proof (Rabs_pos (g i)).
  assert (Rabs (tanh (a * h i)) <= 1) by (apply Rabs_le; lra). nra.
Qed.

Definition beside (C : nat -> bool) (h h' : row) : R :=
  Σ (i < d | negb (C i)) (g i ^ 2 * (tanh (a * h i) - tanh (a * h' i)) ^ 2).

Lemma distance_split (C : nat -> bool) h h' :
  norm d (fun i => y h i - y h' i) ^ 2 =
  Σ (i < d | C i) (g i ^ 2 * (tanh (a * h i) - tanh (a * h' i)) ^ 2) + beside C h h'.
Proof.
  rewrite norm_sqr. unfold dot, beside.
  rewrite <- (sum_split d C (fun i => g i ^ 2 * (tanh (a * h i) - tanh (a * h' i)) ^ 2)).
  apply sum_ext; intros i _. unfold y. ring.
Qed.

Lemma entry_saturates h i :
  Rabs (g i) <= Rabs (y h i - b i) + 2 * Rabs (g i) * exp (-2 * Rabs (a * h i)).
Proof.
  unfold y. replace (g i * tanh (a * h i) + b i - b i) with (g i * tanh (a * h i)) by ring.
  rewrite Rabs_mult. pose proof (Rabs_pos (g i)). pose proof (tanh_tail (Rabs (a * h i))) as Ht.
  assert (tanh (Rabs (a * h i)) <= Rabs (tanh (a * h i))).
  { unfold Rabs at 1. destruct (Rcase_abs (a * h i)).
    - rewrite tanh_odd, <- Rabs_Ropp. apply Rle_abs.
    - apply Rle_abs. }
  nra.
Qed.

Theorem dynamic_tanh_bounded_but_not_constant :
  (* a *) (forall h i, Rabs (y h i - b i) <= Rabs (g i)) /\
  (* b *) (forall (C : nat -> bool) h h', norm d (fun i => y h i - y h' i) ^ 2 >= beside C h h') /\
          (forall (C : nat -> bool) h h', (forall i, (i < d)%nat -> C i = true -> h i = h' i) ->
             norm d (fun i => y h i - y h' i) ^ 2 = beside C h h') /\
  (* c *) (forall h i, Rabs (g i) <=
             Rabs (y h i - b i) + 2 * Rabs (g i) * exp (-2 * Rabs (a * h i))).
Proof.
  split; [exact entry_bounded|split; [|split; [|exact entry_saturates]]].
  - intros C h h'. rewrite (distance_split C).
    assert (0 <= Σ (i < d | C i) (g i ^ 2 * (tanh (a * h i) - tanh (a * h' i)) ^ 2)); [|lra].
    apply sum_if_nonneg; intros; apply Rmult_le_pos; apply pow2_ge_0.
  - intros C h h' Heq. rewrite (distance_split C), sum_zero; [ring|].
    intros i Hi. destruct (C i) eqn:E; [|reflexivity]. rewrite Heq by assumption. ring.
Qed.

End DynamicTanh.

Print Assumptions dynamic_tanh_bounded_but_not_constant.
