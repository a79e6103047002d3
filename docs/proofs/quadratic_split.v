(** * quadratic-split

    A write is three terms that add up exactly: a rank-one part along any direction v, what the rest
    of the form does, and what the gate shuts. With λ = v'Sv, and W the constant of silu-relu-gap:

    (a) F(x) = λ (v.x)^2 + x'(Sx - λ v (v.x)) - F(-x), for every activation of mirror-identity;
    (b) |F(x) - Σ_{z_j > 0} w_j z_j y_j| <= Σ_j |w_j y_j| |z_j| σ(-|z_j|), for SiLU;
    (c) the same is at most c Σ_j |w_j y_j|, for an activation that is within c of ReLU: W for SiLU.

    See docs/claims/quadratic-split.md. *)

Require Export mirror_identity.
Require Import silu_relu_gap.

Section Split.
Variables (d : nat) (B : block).

Notation z := (z d B).
Notation y := (y d B).
Notation S := (S_k B).

Lemma three_terms act x v :
  (forall t, act t - act (- t) = t) ->
  let λ := form d S v v in
  write d B act x =
  λ * dot d v x ^ 2 + dot d x (fun i => times d S x i - λ * v i * dot d v x)
  - write d B act (opposite x).
Proof.
  intros Hact λ. destruct (mirror_identity d B act Hact x) as [Hm _].
  assert (E : dot d x (fun i => times d S x i - λ * v i * dot d v x) =
              form d S x x - λ * dot d v x ^ 2); [|lra].
  rewrite (dot_ext d x _ x (fun i => times d S x i - λ * dot d v x * v i)) by (intros; ring).
  rewrite dot_sub_r, dot_scale_r, (dot_comm d x v). unfold form. ring.
Qed.

(** The sum over the active neurons is the write with ReLU for its activation. *)
Definition active (x : row) (j : nat) : bool := if Rlt_dec 0 (z x j) then true else false.

Lemma active_sum x :
  Σ (j < neurons B | active x j) (down B j * z x j * y x j) = write d B ReLU x.
Proof.
  apply sum_ext; intros j _. unfold active, ReLU, Rmax.
  destruct (Rlt_dec 0 (z x j)), (Rle_dec 0 (z x j)); try lra.
  all: replace (z x j) with 0 by lra; ring.
Qed.

(** The triangle inequality, neuron by neuron. *)
Lemma beside_active act x gap :
  (forall t, Rabs (act t - ReLU t) <= gap t) ->
  Rabs (write d B act x - Σ (j < neurons B | active x j) (down B j * z x j * y x j)) <=
  Σ (j < neurons B) (Rabs (down B j * y x j) * gap (z x j)).
Proof.
  intros Hgap. rewrite active_sum. unfold write. rewrite <- sum_sub.
  eapply Rle_trans; [apply sum_abs|]. apply sum_le; intros j _.
  replace (down B j * act (z x j) * y x j - down B j * ReLU (z x j) * y x j)
    with (down B j * y x j * (act (z x j) - ReLU (z x j))) by ring.
  rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|apply Hgap].
Qed.

Theorem quadratic_split :
  (* a *) (forall act x v, (forall t, act t - act (- t) = t) ->
             write d B act x =
             form d S v v * dot d v x ^ 2
             + dot d x (fun i => times d S x i - form d S v v * v i * dot d v x)
             - write d B act (opposite x)) /\
  (* b *) (forall x,
             Rabs (write d B SiLU x - Σ (j < neurons B | active x j) (down B j * z x j * y x j)) <=
             Σ (j < neurons B) (Rabs (down B j * y x j) * (Rabs (z x j) * σ (- Rabs (z x j))))) /\
  (* c *) (forall act c x, (forall t, Rabs (act t - ReLU t) <= c) ->
             Rabs (write d B act x - Σ (j < neurons B | active x j) (down B j * z x j * y x j)) <=
             c * Σ (j < neurons B) Rabs (down B j * y x j)) /\
          (forall W x, is_W W ->
             Rabs (write d B SiLU x - Σ (j < neurons B | active x j) (down B j * z x j * y x j)) <=
             W * Σ (j < neurons B) Rabs (down B j * y x j)).
Proof.
  assert (Hc : forall act c x, (forall t, Rabs (act t - ReLU t) <= c) ->
    Rabs (write d B act x - Σ (j < neurons B | active x j) (down B j * z x j * y x j)) <=
    c * Σ (j < neurons B) Rabs (down B j * y x j)).
  { intros act c x H. rewrite Rmult_comm, <- sum_scale_r.
    now apply (beside_active act x (fun _ => c)). }
  split; [exact three_terms|split; [|split; [exact Hc|]]].
  - intros x. apply (beside_active SiLU x (fun t => Rabs t * σ (- Rabs t))).
    intros t. rewrite gap_exact. lra.
  - intros W x HW. apply Hc. intros t. rewrite gap_exact. now apply bump_le.
Qed.

End Split.

Print Assumptions quadratic_split.
