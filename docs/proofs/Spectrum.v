(** * Eigenbases

    A symmetric matrix S has an orthonormal basis of eigenvectors B_k with eigenvalues λ_k. This
    theorem is not in Coq's library and is not proven here: where a claim speaks of a whole
    spectrum, its proof takes such a basis as given. *)

Require Export Sums.

Definition eigenvector (d : nat) (S : matrix) (λ : R) (y : row) : Prop :=
  forall i, (i < d)%nat -> times d S y i = λ * y i.

Definition orthonormal (d : nat) (B : matrix) : Prop :=
  forall k l, (k < d)%nat -> (l < d)%nat -> dot d (B k) (B l) = if (k =? l)%nat then 1 else 0.

Definition eigenbasis (d : nat) (S B : matrix) (λ : row) : Prop :=
  orthonormal d B /\
  (forall k, (k < d)%nat -> eigenvector d S (λ k) (B k)) /\
  (forall x i, (i < d)%nat -> x i = Σ (k < d) (dot d (B k) x * B k i)).

Section Eigenbasis.
Variables (d : nat) (S B : matrix) (λ : row).
Hypotheses (S_symmetric : symmetric d S) (basis : eigenbasis d S B λ).

Lemma dot_expand x y : dot d x y = Σ (k < d) (dot d (B k) x * dot d (B k) y).
Proof.
  destruct basis as (_ & _ & Hspan).
  rewrite (dot_ext d x y (fun i => Σ (k < d) (dot d (B k) x * B k i)) y) by auto.
  apply dot_mix_l.
Qed.

Lemma along_eigenvector k x : (k < d)%nat -> dot d (B k) (times d S x) = λ k * dot d (B k) x.
Proof.
  intros Hk. change (form d S (B k) x = λ k * dot d (B k) x).
  rewrite form_symmetric by assumption. unfold form.
  destruct basis as (_ & Heig & _).
  rewrite (dot_ext d x _ x (fun i => λ k * B k i)) by (auto; intros; now apply Heig).
  rewrite dot_scale_r, (dot_comm d x). reflexivity.
Qed.

Lemma form_expand x : form d S x x = Σ (k < d) (λ k * dot d (B k) x ^ 2).
Proof.
  unfold form. rewrite dot_expand. apply sum_ext; intros k Hk.
  rewrite along_eigenvector by assumption. ring.
Qed.

Lemma square_expand x : norm d x ^ 2 = Σ (k < d) dot d (B k) x ^ 2.
Proof. rewrite norm_sqr, dot_expand. apply sum_ext; intros; ring. Qed.

(** The form is the part along one eigenvector and what the others make of the rest. *)
Lemma form_beside m x μ_min μ_max :
  (m < d)%nat -> (forall k, (k < d)%nat -> rival m k = true -> μ_min <= λ k <= μ_max) ->
  let a := dot d (B m) x in
  let q := norm d x ^ 2 - a ^ 2 in
  μ_min * q <= form d S x x - λ m * a ^ 2 <= μ_max * q.
Proof.
  intros Hm Hμ a q.
  assert (Hq : q = Σ (k < d | rival m k) dot d (B k) x ^ 2)
    by (unfold q; rewrite square_expand, (sum_pick d m) by assumption; unfold a; ring).
  assert (Hf : form d S x x - λ m * a ^ 2 = Σ (k < d | rival m k) (λ k * dot d (B k) x ^ 2))
    by (rewrite form_expand, (sum_pick d m) by assumption; unfold a; ring).
  rewrite Hf, Hq, <- !sum_if_scale.
  split; apply sum_if_le; intros k Hk E; specialize (Hμ k Hk E);
    apply Rmult_le_compat_r; (apply pow2_ge_0 || apply Hμ).
Qed.

(** Rayleigh: the form is between the least and the largest eigenvalue. *)
Lemma rayleigh x μ_max :
  (forall k, (k < d)%nat -> λ k <= μ_max) -> form d S x x <= μ_max * norm d x ^ 2.
Proof.
  intros Hμ. rewrite form_expand, square_expand, <- sum_scale.
  apply sum_le; intros k Hk. apply Rmult_le_compat_r; [apply pow2_ge_0|auto].
Qed.

(** A unit vector that is an eigenvector up to a residual has an eigenvalue as near as that. *)
Lemma eigenvalue_near v ρ :
  dot d v v = 1 -> exists k, (k < d)%nat /\
    Rabs (λ k - ρ) <= norm d (fun i => times d S v i - ρ * v i).
Proof.
  intros Hv. set (e := fun i => times d S v i - ρ * v i).
  assert (Hd : (0 < d)%nat) by (destruct d; [unfold dot in Hv; simpl in Hv; lra|lia]).
  destruct (max_exists d (fun _ => true) (fun k => - (λ k - ρ) ^ 2) 0 Hd eq_refl)
    as (M & HM & k & [Hk _] & Ek).
  exists k; split; [assumption|]. apply le_of_squares; [apply norm_nonneg|].
  rewrite pow2_abs, square_expand.
  assert (Hone : Σ (k < d) dot d (B k) v ^ 2 = 1) by (rewrite <- square_expand, norm_sqr; exact Hv).
  rewrite <- (Rmult_1_r ((λ k - ρ) ^ 2)), <- Hone, <- sum_scale.
  apply sum_le; intros j Hj. unfold e.
  rewrite dot_sub_r, dot_scale_r, along_eigenvector by assumption.
  replace ((λ j * dot d (B j) v - ρ * dot d (B j) v) ^ 2)
    with ((λ j - ρ) ^ 2 * dot d (B j) v ^ 2) by ring.
  apply Rmult_le_compat_r; [apply pow2_ge_0|]. specialize (HM j (conj Hj eq_refl)). lra.
Qed.

End Eigenbasis.
