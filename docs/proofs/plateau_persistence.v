(** * plateau-persistence

    A spike stays until blocks write against it. For one token and one channel, h_i and h_j two
    points of the residual stream, w_b the writes between them and s the sign of h_i <> 0,

        s h_j >= |h_i| - Σ_b max(0, -s w_b),

    with equality when all writes are opposite. So the level is at least a |h_i| until opposite
    writes total (1 - a) |h_i|. See docs/claims/plateau-persistence.md. *)

Require Import Sums.

Section Plateau.
Variables (blocks : nat) (h_i : R) (w : row).
Hypothesis level : h_i <> 0.

(** Blocks add their writes, and nothing else changes the stream. *)
Definition h_j : R := h_i + Σ (b < blocks) w b.

Definition s : R := if Rlt_dec h_i 0 then -1 else 1.
Definition opposite_writes : R := Σ (b < blocks) Rmax 0 (- s * w b).

Lemma s_level : s * h_i = Rabs h_i.
Proof. unfold s. destruct (Rlt_dec h_i 0); [rewrite Rabs_left|rewrite Rabs_pos_eq]; lra. Qed.

Lemma signed_level : s * h_j = Rabs h_i + Σ (b < blocks) (s * w b).
Proof. unfold h_j. rewrite Rmult_plus_distr_l, s_level, sum_scale. reflexivity. Qed.

Theorem plateau_persistence :
  s * h_j >= Rabs h_i - opposite_writes /\
  (forall a, opposite_writes <= (1 - a) * Rabs h_i -> s * h_j >= a * Rabs h_i) /\
  ((forall b, (b < blocks)%nat -> s * w b <= 0) -> s * h_j = Rabs h_i - opposite_writes).
Proof.
  assert (H : s * h_j >= Rabs h_i - opposite_writes).
  { rewrite signed_level. unfold opposite_writes.
    assert (H : Σ (b < blocks) (-1 * Rmax 0 (- s * w b)) <= Σ (b < blocks) (s * w b))
      by (apply sum_le; intros b _; pose proof (Rmax_r 0 (- s * w b)); lra).
    rewrite (sum_scale blocks (-1)) in H. lra. }
  split; [exact H|split].
  - intros a Ha. lra.
  - intros Hopp. rewrite signed_level. unfold opposite_writes.
    rewrite (sum_ext blocks (fun b => s * w b) (fun b => -1 * Rmax 0 (- s * w b))).
    + rewrite sum_scale. ring.
    + intros b Hb. specialize (Hopp b Hb). rewrite Rmax_right; lra.
Qed.

End Plateau.

Print Assumptions plateau_persistence.
