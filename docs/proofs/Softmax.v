(** * What one query of one attention head does

    It sees n keys with the logits l_j and the values v_j, rows of width d:

        A_j = e^(l_j) / Σ_i e^(l_i)      the weights
        o   = Σ_j A_j v_j                the output, before a gate
        LSE = ln Σ e^(l_j)               over the rivals of a key s, that is, over all j <> s

    The logits are arbitrary numbers: scale, rotary, norms on keys, biases and a soft cap have done
    their work before. *)

Require Export Sums Logistic.

Definition partition (n : nat) (l : row) : R := Σ (j < n) exp (l j).
Definition weight (n : nat) (l : row) (j : nat) : R := exp (l j) / partition n l.
Definition output (n : nat) (l : row) (v : matrix) : row := fun c => Σ (j < n) (weight n l j * v j c).

Definition rival_partition (n : nat) (l : row) (s : nat) : R := Σ (j < n | rival s j) exp (l j).
Definition LSE (n : nat) (l : row) (s : nat) : R := ln (rival_partition n l s).

(** The output of a softmax over the rivals alone. *)
Definition output_without (n : nat) (l : row) (v : matrix) (s : nat) : row :=
  fun c => Σ (j < n | rival s j) (exp (l j) / rival_partition n l s * v j c).

(** ** Weights *)

Lemma partition_pos n l : (0 < n)%nat -> 0 < partition n l.
Proof. intros Hn. apply sum_pos; [assumption|]. intros; apply exp_pos. Qed.

Lemma weight_pos n l j : (0 < n)%nat -> 0 < weight n l j.
Proof. intros Hn. apply Rdiv_lt_0_compat; [apply exp_pos|now apply partition_pos]. Qed.

Lemma weights_sum_to_1 n l : (0 < n)%nat -> Σ (j < n) weight n l j = 1.
Proof.
  intros Hn. pose proof (partition_pos n l Hn). unfold weight, Rdiv.
  rewrite sum_scale_r. fold (partition n l). field; lra.
Qed.

Lemma other_weights n l s : (s < n)%nat -> Σ (j < n | rival s j) weight n l j = 1 - weight n l s.
Proof.
  intros Hs. pose proof (weights_sum_to_1 n l ltac:(lia)) as H.
  rewrite (sum_pick n s) in H by assumption. lra.
Qed.

(** ** A key and its rivals *)

(** Two keys at least: then every key has a rival. *)
Lemma a_rival n s : (2 <= n)%nat -> exists r, (r < n)%nat /\ rival s r = true.
Proof.
  intros Hn. destruct (Nat.eq_dec s 0) as [->|H].
  - exists 1%nat; split; [lia|reflexivity].
  - exists 0%nat; split; [lia|]. apply rival_true; lia.
Qed.

Lemma rival_partition_pos n l s : (2 <= n)%nat -> 0 < rival_partition n l s.
Proof.
  intros Hn. destruct (a_rival n s Hn) as (r & Hr & E).
  apply (sum_if_pos n (rival s) (fun j => exp (l j)) r); auto. intros; apply exp_pos.
Qed.

Lemma partition_pick n l s :
  (s < n)%nat -> partition n l = exp (l s) + rival_partition n l s.
Proof. intros Hs. exact (sum_pick n s (fun j => exp (l j)) Hs). Qed.

Lemma weight_rivals n l s :
  (s < n)%nat -> weight n l s = exp (l s) / (exp (l s) + rival_partition n l s).
Proof. intros Hs. unfold weight. now rewrite (partition_pick n l s). Qed.

(** A_s = σ(l_s - LSE): the weight of s is settled by one number about its rivals. *)
Lemma weight_sigma n l s :
  (2 <= n)%nat -> (s < n)%nat -> weight n l s = σ (l s - LSE n l s).
Proof.
  intros Hn Hs. unfold LSE. rewrite sigma_ln by now apply rival_partition_pos.
  now apply weight_rivals.
Qed.

Lemma weight_lt_1 n l s : (2 <= n)%nat -> (s < n)%nat -> weight n l s < 1.
Proof. intros Hn Hs. rewrite weight_sigma by assumption. apply sigma_lt_1. Qed.

(** Without s the weights of the others grow by the factor 1 / (1 - A_s). *)
Lemma weight_without n l s j :
  (2 <= n)%nat -> (s < n)%nat ->
  weight n l j = (1 - weight n l s) * (exp (l j) / rival_partition n l s).
Proof.
  intros Hn Hs. pose proof (rival_partition_pos n l s Hn). pose proof (exp_pos (l s)).
  unfold weight. rewrite (partition_pick n l s Hs). field; lra.
Qed.

(** So the output is the sink's part and the rest: o = A_s v_s + (1 - A_s) o'. *)
Lemma output_split n l v s c :
  (2 <= n)%nat -> (s < n)%nat ->
  output n l v c = weight n l s * v s c + (1 - weight n l s) * output_without n l v s c.
Proof.
  intros Hn Hs. unfold output. rewrite (sum_pick n s) by assumption. f_equal.
  unfold output_without. rewrite <- sum_if_scale. apply sum_if_ext; intros j _ _.
  rewrite (weight_without n l s j) by assumption. ring.
Qed.

Lemma weights_without_sum_to_1 n l s :
  (2 <= n)%nat -> Σ (j < n | rival s j) (exp (l j) / rival_partition n l s) = 1.
Proof.
  intros Hn. pose proof (rival_partition_pos n l s Hn) as H. unfold Rdiv.
  rewrite sum_if_scale_r. fold (rival_partition n l s). field; lra.
Qed.

(** ** Mixtures *)

(** A mixture of numbers is between the least and the largest of them. *)
Lemma mean_ge n (P : nat -> bool) w x m :
  (forall j, (j < n)%nat -> P j = true -> 0 <= w j) -> Σ (j < n | P j) w j = 1 ->
  (forall j, (j < n)%nat -> P j = true -> m <= x j) -> m <= Σ (j < n | P j) (w j * x j).
Proof.
  intros Hw H1 Hx. replace m with (Σ (j < n | P j) (w j * m)).
  - apply sum_if_le; intros j Hj E. apply Rmult_le_compat_l; auto.
  - rewrite sum_if_scale_r, H1. ring.
Qed.

Lemma mean_le n (P : nat -> bool) w x M :
  (forall j, (j < n)%nat -> P j = true -> 0 <= w j) -> Σ (j < n | P j) w j = 1 ->
  (forall j, (j < n)%nat -> P j = true -> x j <= M) -> Σ (j < n | P j) (w j * x j) <= M.
Proof.
  intros Hw H1 Hx. replace M with (Σ (j < n | P j) (w j * M)).
  - apply sum_if_le; intros j Hj E. apply Rmult_le_compat_l; auto.
  - rewrite sum_if_scale_r, H1. ring.
Qed.

Lemma dot_mix_if d n (P : nat -> bool) w (v : matrix) b :
  dot d (fun c => Σ (j < n | P j) (w j * v j c)) b = Σ (j < n | P j) (w j * dot d (v j) b).
Proof.
  rewrite (dot_ext d _ b (fun c => Σ (j < n) ((if P j then w j else 0) * v j c)) b); auto.
  - rewrite dot_mix_l. apply sum_ext; intros j _. destruct (P j); ring.
  - intros c _. apply sum_ext; intros j _. destruct (P j); ring.
Qed.

Lemma norm_mix_if d n (P : nat -> bool) w (v : matrix) :
  (forall j, (j < n)%nat -> P j = true -> 0 <= w j) ->
  norm d (fun c => Σ (j < n | P j) (w j * v j c)) <= Σ (j < n | P j) (w j * norm d (v j)).
Proof.
  intros Hw.
  rewrite (norm_ext d _ (fun c => Σ (j < n) ((if P j then w j else 0) * v j c))).
  - eapply Rle_trans; [apply norm_mix|].
    + intros j Hj. destruct (P j) eqn:E; [auto|lra].
    + apply sum_le; intros j _. destruct (P j); lra.
  - intros c _. apply sum_ext; intros j _. destruct (P j); ring.
Qed.

Lemma weight_without_nonneg n l s j : (2 <= n)%nat -> 0 <= exp (l j) / rival_partition n l s.
Proof.
  intros Hn. left. apply Rdiv_lt_0_compat; [apply exp_pos|now apply rival_partition_pos].
Qed.

(** The output without the sink is no longer than the longest rival. *)
Lemma output_without_le d n l v s M :
  (2 <= n)%nat -> (forall j, (j < n)%nat -> rival s j = true -> norm d (v j) <= M) ->
  norm d (output_without n l v s) <= M.
Proof.
  intros Hn HM. eapply Rle_trans.
  - apply norm_mix_if. intros; now apply weight_without_nonneg.
  - apply mean_le; auto.
    + intros; now apply weight_without_nonneg.
    + now apply weights_without_sum_to_1.
Qed.
