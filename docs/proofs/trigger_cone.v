(** * trigger-cone

    Whether a form reaches t at x is a matter of one cosine, up to the other eigenvalues. With v the
    eigenvector of the largest eigenvalue λ, apart from the others, which are in [μ_min, μ_max], and
    x <> 0:

    (a) x'Sx >= t only if cos^2(x, v) >= (t/||x||^2 - μ_max)/(λ - μ_max);
    (b) x'Sx >= t if cos^2(x, v) >= (t/||x||^2 - μ_min)/(λ - μ_min).

    An eigenbasis is given, as Spectrum.v says. See docs/claims/trigger-cone.md. *)

Require Export Spectrum.

Section Cone.
Variables (d : nat) (S B : matrix) (λ : row) (m : nat) (μ_min μ_max : R).
Hypotheses (S_symmetric : symmetric d S) (basis : eigenbasis d S B λ) (Hm : (m < d)%nat).
Hypothesis others : forall k, (k < d)%nat -> rival m k = true -> μ_min <= λ k <= μ_max.
Hypotheses (apart : μ_max < λ m) (ordered : μ_min <= μ_max).

Variables (x : row) (t : R).
Hypothesis x_not_0 : 0 < norm d x.

(** v = B m is a unit vector. *)
Definition cos_sqr : R := dot d (B m) x ^ 2 / norm d x ^ 2.

(** Dividing λ a^2 + μ q by ||x||^2 = a^2 + q. *)
Lemma divided μ :
  (λ m * dot d (B m) x ^ 2 + μ * (norm d x ^ 2 - dot d (B m) x ^ 2)) / norm d x ^ 2
  = μ + (λ m - μ) * cos_sqr.
Proof. unfold cos_sqr. field. lra. Qed.

Lemma square_pos : 0 < norm d x ^ 2.
Proof. nra. Qed.

Theorem trigger_cone :
  (* a *) (t <= form d S x x -> (t / norm d x ^ 2 - μ_max) / (λ m - μ_max) <= cos_sqr) /\
  (* b *) ((t / norm d x ^ 2 - μ_min) / (λ m - μ_min) <= cos_sqr -> t <= form d S x x).
Proof.
  pose proof (form_beside d S B λ S_symmetric basis m x μ_min μ_max Hm others) as [Hlow Hhigh].
  pose proof square_pos as Hx. pose proof (divided μ_min) as Dmin. pose proof (divided μ_max) as Dmax.
  assert (Hinv : 0 < / norm d x ^ 2) by now apply Rinv_0_lt_compat.
  split; intros H.
  - apply Rmult_le_reg_r with (λ m - μ_max); [lra|].
    unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l by lra.
    assert (t / norm d x ^ 2 <= μ_max + (λ m - μ_max) * cos_sqr); [|lra].
    rewrite <- Dmax. apply Rmult_le_compat_r; lra.
  - apply Rmult_le_compat_r with (r := λ m - μ_min) in H; [|lra].
    unfold Rdiv at 1 in H. rewrite Rmult_assoc, Rinv_l in H by lra.
    assert (Ht : t / norm d x ^ 2 <= form d S x x / norm d x ^ 2).
    { apply Rle_trans with (μ_min + (λ m - μ_min) * cos_sqr); [lra|].
      rewrite <- Dmin. apply Rmult_le_compat_r; lra. }
    apply Rmult_le_reg_r with (/ norm d x ^ 2); assumption.
Qed.

End Cone.

Print Assumptions trigger_cone.
