(** * rank-one-certificate

    How far a form is from one direction can be bounded without an eigensolver. For a symmetric S,
    a unit v, ρ = v'Sv, e = Sv - ρv, a = v.x and q = ||x||^2 - a^2:

    (a) |x'Sx - ρ a^2| <= 2 |a| ||e|| sqrt(q) + sqrt(||S||_F^2 - ρ^2 - 2 ||e||^2) q;
    (b) that is at most sqrt(||S||_F^2 - ρ^2) ||x||^2;
    (c) |λ|_2 <= sqrt(||S||_F^2 - ρ^2), the second largest size of an eigenvalue;
    (d) with an eigenvector v and the other eigenvalues in [μ_min, μ_max],
        x'Sx - λ a^2 is in [μ_min q, μ_max q].

    (c) is said of any two orthonormal eigenvectors: the smaller of the sizes of their eigenvalues
    is bounded. In (d) an eigenbasis is given, as Spectrum.v says.
    See docs/claims/rank-one-certificate.md. *)

Require Export Spectrum.

Section Certificate.
Variables (d : nat) (S : matrix) (v : row).
Hypotheses (S_symmetric : symmetric d S) (v_unit : dot d v v = 1).

Definition ρ : R := form d S v v.
Definition e : row := fun i => times d S v i - ρ * v i.

(** What is left of S beside v: S⊥ = S - ρ vv' - (e v' + v e') = (1 - vv') S (1 - vv'). *)
Definition S_perp : matrix := fun i j => S i j - ρ * (v i * v j) - (e i * v j + v i * e j).

Definition radicand : R := frobenius_sqr d S - ρ ^ 2 - 2 * dot d e e.

Lemma e_orthogonal : dot d e v = 0.
Proof.
  unfold e. rewrite dot_sub_l, dot_scale_l, v_unit, (dot_comm d _ v).
  unfold ρ, form. ring.
Qed.

(** Two facts by which every sum below is computed: v'Se = ||e||^2 and v'Sv = ρ. *)
Lemma Sv_split i : times d S v i = ρ * v i + e i.
Proof. unfold e. ring. Qed.

Lemma form_v_r y : form d S y v = ρ * dot d y v + dot d y e.
Proof.
  unfold form. rewrite (dot_ext d y _ y (fun i => ρ * v i + e i)) by (auto using Sv_split).
  now rewrite dot_add_r, dot_scale_r.
Qed.

Lemma times_S_perp b i :
  times d S_perp b i = times d S b i - ρ * dot d v b * v i - (dot d v b * e i + dot d e b * v i).
Proof.
  unfold times, S_perp.
  rewrite (dot_ext d _ b (fun j => S i j - (ρ * v i + e i) * v j - v i * e j) b)
    by (intros; ring).
  rewrite (dot_sub_l d (fun j => S i j - (ρ * v i + e i) * v j) (fun j => v i * e j)).
  rewrite (dot_sub_l d (S i) (fun j => (ρ * v i + e i) * v j)), !dot_scale_l. ring.
Qed.

Lemma form_S_perp a b :
  form d S_perp a b =
  form d S a b - ρ * dot d v b * dot d a v - (dot d v b * dot d a e + dot d e b * dot d a v).
Proof.
  unfold form at 1. rewrite (dot_ext d a _ a (fun i =>
    times d S b i - (ρ * dot d v b) * v i - (dot d v b * e i + dot d e b * v i)))
    by (auto using times_S_perp).
  rewrite (dot_sub_r d (fun i => times d S b i - (ρ * dot d v b) * v i)
    (fun i => dot d v b * e i + dot d e b * v i)).
  rewrite (dot_sub_r d (times d S b)), dot_add_r, !dot_scale_r. reflexivity.
Qed.

(** The three parts of S are orthogonal in the Frobenius inner product, because e.v = 0. *)
Lemma frobenius_split : frobenius_sqr d S_perp = radicand.
Proof.
  unfold frobenius_sqr, radicand.
  rewrite (sum_ext d _ (fun i => dot d (S i) (S i)
    - 2 * (ρ * (v i * times d S v i) + e i * times d S v i + v i * times d S e i)
    + (ρ ^ 2 * (v i * v i) + 2 * ρ * (v i * e i) + e i * e i + dot d e e * (v i * v i)))).
  - rewrite (sum_add d (fun i => dot d (S i) (S i)
      - 2 * (ρ * (v i * times d S v i) + e i * times d S v i + v i * times d S e i))).
    rewrite (sum_sub d (fun i => dot d (S i) (S i))), sum_scale.
    rewrite !sum_add, !sum_scale.
    change (Σ (i < d) dot d (S i) (S i)) with (frobenius_sqr d S).
    change (Σ (i < d) (v i * times d S v i)) with (form d S v v).
    change (Σ (i < d) (e i * times d S v i)) with (form d S e v).
    change (Σ (i < d) (v i * times d S e i)) with (form d S v e).
    change (Σ (i < d) (v i * v i)) with (dot d v v).
    change (Σ (i < d) (v i * e i)) with (dot d v e).
    change (Σ (i < d) (e i * e i)) with (dot d e e).
    rewrite (form_symmetric d S v e S_symmetric), !form_v_r, (dot_comm d v e), e_orthogonal, v_unit.
    ring.
  - intros i _. unfold S_perp.
    rewrite (dot_ext d _ _ (fun j => S i j - ((ρ * v i + e i) * v j + v i * e j))
      (fun j => S i j - ((ρ * v i + e i) * v j + v i * e j))) by (intros; ring).
    rewrite dot_sub_l, !dot_sub_r, !dot_add_l, !dot_add_r, !dot_scale_l, !dot_scale_r.
    rewrite (dot_comm d v (S i)), (dot_comm d e (S i)), (dot_comm d v e), e_orthogonal, v_unit.
    change (dot d (S i) v) with (times d S v i). change (dot d (S i) e) with (times d S e i).
    ring.
Qed.

Lemma radicand_nonneg : 0 <= radicand.
Proof. rewrite <- frobenius_split. apply frobenius_sqr_nonneg. Qed.

(** ** A row beside v *)

Section Row.
Variable x : row.

Definition a : R := dot d v x.
Definition q : R := norm d x ^ 2 - a ^ 2.
Definition x_perp : row := fun i => x i - a * v i.

Lemma x_perp_orthogonal : dot d v x_perp = 0.
Proof. unfold x_perp. rewrite dot_sub_r, dot_scale_r, v_unit. fold a. ring. Qed.

Lemma x_perp_square : dot d x_perp x_perp = q.
Proof.
  unfold x_perp, q. rewrite norm_sqr, dot_sub_l, !dot_sub_r, !dot_scale_l, !dot_scale_r.
  rewrite (dot_comm d x v), v_unit. fold a. ring.
Qed.

Lemma q_nonneg : 0 <= q.
Proof. rewrite <- x_perp_square. apply dot_self_nonneg. Qed.

Lemma form_x_split : form d S x x = ρ * a ^ 2 + 2 * a * dot d e x_perp + form d S x_perp x_perp.
Proof.
  assert (Hx : forall y, form d S y x = a * form d S y v + form d S y x_perp).
  { intros y. unfold form. rewrite <- dot_scale_r, <- dot_add_r.
    apply dot_ext; auto. intros i _. unfold times. rewrite <- dot_scale_r, <- dot_add_r.
    apply dot_ext; auto. intros; unfold x_perp; ring. }
  assert (Hp : form d S x_perp x = form d S x_perp x_perp + a * dot d e x_perp).
  { rewrite Hx, form_v_r, (dot_comm d x_perp v), x_perp_orthogonal, (dot_comm d x_perp e). ring. }
  assert (Hv : form d S v x = a * ρ + dot d e x_perp).
  { rewrite Hx. fold ρ. rewrite (form_symmetric d S v), form_v_r by assumption.
    rewrite (dot_comm d x_perp v), x_perp_orthogonal, (dot_comm d x_perp e). ring. }
  rewrite Hx, (form_symmetric d S x v), (form_symmetric d S x x_perp), Hp, Hv by assumption.
  ring.
Qed.

Lemma form_perp_is_S_perp : form d S x_perp x_perp = form d S_perp x_perp x_perp.
Proof.
  rewrite form_S_perp, (dot_comm d x_perp v), x_perp_orthogonal. ring.
Qed.

(** Cauchy-Schwarz, and again in every row of S⊥. *)
Lemma form_perp_le : Rabs (form d S x_perp x_perp) <= sqrt radicand * q.
Proof.
  rewrite form_perp_is_S_perp. unfold form.
  eapply Rle_trans; [apply cauchy_schwarz|].
  pose proof radicand_nonneg. pose proof q_nonneg. pose proof (sqrt_pos radicand).
  apply le_of_squares; [nra|].
  rewrite Rpow_mult_distr, (norm_sqr d x_perp), x_perp_square, Rpow_mult_distr, pow2_sqrt
    by assumption.
  pose proof (norm_times_le d S_perp x_perp) as HT.
  rewrite frobenius_split, (norm_sqr d x_perp), x_perp_square in HT. nra.
Qed.

Lemma e_perp_le : Rabs (dot d e x_perp) <= norm d e * sqrt q.
Proof.
  eapply Rle_trans; [apply cauchy_schwarz|]. unfold norm at 2. rewrite x_perp_square. lra.
Qed.

Definition sharp_bound : R := 2 * Rabs a * norm d e * sqrt q + sqrt radicand * q.

Lemma certificate : Rabs (form d S x x - ρ * a ^ 2) <= sharp_bound.
Proof.
  rewrite form_x_split. unfold sharp_bound.
  replace (ρ * a ^ 2 + 2 * a * dot d e x_perp + form d S x_perp x_perp - ρ * a ^ 2)
    with (2 * a * dot d e x_perp + form d S x_perp x_perp) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat; [|apply form_perp_le].
  rewrite !Rabs_mult, (Rabs_pos_eq 2) by lra. pose proof e_perp_le.
  assert (0 <= 2 * Rabs a) by (pose proof (Rabs_pos a); lra). nra.
Qed.

(** Cauchy-Schwarz on (sqrt 2 ||e||, ||S⊥||_F) and (sqrt 2 |a| sqrt q, q); the square of the latter
    is 2 a^2 q + q^2 <= ||x||^4. *)
Lemma sharp_is_sharper : sharp_bound <= sqrt (frobenius_sqr d S - ρ ^ 2) * norm d x ^ 2.
Proof.
  pose proof radicand_nonneg as Hr. pose proof q_nonneg as Hq.
  set (E := norm d e). set (F := sqrt radicand). set (t := sqrt q). set (b := Rabs a).
  assert (HE : E ^ 2 = dot d e e) by apply norm_sqr.
  assert (HF : F ^ 2 = radicand) by now apply pow2_sqrt.
  assert (Ht : t ^ 2 = q) by now apply pow2_sqrt.
  assert (Hb : b ^ 2 = a ^ 2) by apply pow2_abs.
  assert (0 <= E) by apply norm_nonneg. assert (0 <= F) by apply sqrt_pos.
  assert (0 <= t) by apply sqrt_pos. assert (0 <= b) by apply Rabs_pos.
  assert (HS : frobenius_sqr d S - ρ ^ 2 = F ^ 2 + 2 * E ^ 2).
  { rewrite HF, HE. unfold radicand. ring. }
  assert (Hx : norm d x ^ 2 = b ^ 2 + t ^ 2) by (rewrite Hb, Ht; unfold q; ring).
  unfold sharp_bound. fold E F t b. rewrite HS, Hx, <- Ht.
  pose proof (sqrt_pos (F ^ 2 + 2 * E ^ 2)).
  apply le_of_squares; [nra|].
  rewrite Rpow_mult_distr, pow2_sqrt by nra.
  (* the difference of the two sides is a sum of squares *)
  assert (HD : (F ^ 2 + 2 * E ^ 2) * (b ^ 2 + t ^ 2) ^ 2 - (2 * b * E * t + F * t ^ 2) ^ 2 =
               (2 * E ^ 2 + F ^ 2) * b ^ 4 + 2 * (t * (b * F - E * t)) ^ 2) by ring.
  assert (0 <= (2 * E ^ 2 + F ^ 2) * b ^ 4) by (apply Rmult_le_pos; [nra|apply pow_le; lra]).
  pose proof (pow2_ge_0 (t * (b * F - E * t))). lra.
Qed.

End Row.

(** ** (c): in the plane of two eigenvectors some row is orthogonal to v *)

Definition deflated : matrix := fun i j => S i j - ρ * v i * v j.

Lemma deflated_frobenius : frobenius_sqr d deflated = frobenius_sqr d S - ρ ^ 2.
Proof.
  unfold frobenius_sqr at 1.
  rewrite (sum_ext d _ (fun i =>
    dot d (S i) (S i) - 2 * ρ * (v i * times d S v i) + ρ ^ 2 * (v i * v i))).
  - rewrite sum_add, (sum_sub d (fun i => dot d (S i) (S i))), !sum_scale.
    change (Σ (i < d) (v i * times d S v i)) with ρ.
    change (Σ (i < d) (v i * v i)) with (dot d v v).
    rewrite v_unit. unfold frobenius_sqr. ring.
  - intros i _. unfold deflated. rewrite dot_sub_l, !dot_sub_r, !dot_scale_l, !dot_scale_r.
    rewrite (dot_comm d v (S i)), v_unit. change (dot d (S i) v) with (times d S v i). ring.
Qed.

Lemma deflated_times y i : dot d v y = 0 -> times d deflated y i = times d S y i.
Proof.
  intros Hy. unfold times, deflated. rewrite dot_sub_l, dot_scale_l, Hy. ring.
Qed.

Lemma two_eigenvectors y1 y2 λ1 λ2 m :
  dot d y1 y1 = 1 -> dot d y2 y2 = 1 -> dot d y1 y2 = 0 ->
  eigenvector d S λ1 y1 -> eigenvector d S λ2 y2 ->
  0 <= m -> m <= Rabs λ1 -> m <= Rabs λ2 -> m ^ 2 <= frobenius_sqr d S - ρ ^ 2.
Proof.
  intros H11 H22 H12 He1 He2 Hm Hm1 Hm2.
  (* c1 y1 + c2 y2 is orthogonal to v and not zero *)
  assert (Hc : exists c1 c2, c1 * dot d v y1 + c2 * dot d v y2 = 0 /\ 0 < c1 ^ 2 + c2 ^ 2).
  { destruct (Req_dec (dot d v y1) 0) as [H1|H1].
    - exists 1, 0. split; [rewrite H1; ring|lra].
    - exists (dot d v y2), (- dot d v y1). split; [ring|nra]. }
  destruct Hc as (c1 & c2 & Hv & Hc). set (y := fun i => c1 * y1 i + c2 * y2 i).
  assert (Hy : dot d v y = 0) by (unfold y; rewrite dot_add_r, !dot_scale_r; exact Hv).
  assert (Hn : norm d y ^ 2 = c1 ^ 2 + c2 ^ 2).
  { rewrite norm_sqr. unfold y. rewrite dot_add_l, !dot_add_r, !dot_scale_l, !dot_scale_r.
    rewrite (dot_comm d y2 y1), H11, H22, H12. ring. }
  assert (HSy : norm d (times d deflated y) ^ 2 = c1 ^ 2 * λ1 ^ 2 + c2 ^ 2 * λ2 ^ 2).
  { rewrite (norm_ext d _ (fun i => c1 * λ1 * y1 i + c2 * λ2 * y2 i)).
    - rewrite norm_sqr, dot_add_l, !dot_add_r, !dot_scale_l, !dot_scale_r.
      rewrite (dot_comm d y2 y1), H11, H22, H12. ring.
    - intros i Hi. rewrite deflated_times by assumption. unfold times, y.
      rewrite dot_add_r, !dot_scale_r. fold (times d S y1 i) (times d S y2 i).
      rewrite He1, He2 by assumption. ring. }
  pose proof (norm_times_le d deflated y) as H. rewrite HSy, Hn, deflated_frobenius in H.
  assert (m ^ 2 <= λ1 ^ 2) by (rewrite <- (pow2_abs λ1); apply pow_incr; lra).
  assert (m ^ 2 <= λ2 ^ 2) by (rewrite <- (pow2_abs λ2); apply pow_incr; lra).
  assert (c1 ^ 2 * m ^ 2 <= c1 ^ 2 * λ1 ^ 2) by (apply Rmult_le_compat_l; [nra|assumption]).
  assert (c2 ^ 2 * m ^ 2 <= c2 ^ 2 * λ2 ^ 2) by (apply Rmult_le_compat_l; [nra|assumption]).
  apply Rmult_le_reg_r with (c1 ^ 2 + c2 ^ 2); [assumption|lra].
Qed.

Theorem rank_one_certificate :
  (* a *) (forall x, Rabs (form d S x x - ρ * a x ^ 2) <=
             2 * Rabs (a x) * norm d e * sqrt (q x)
             + sqrt (frobenius_sqr d S - ρ ^ 2 - 2 * norm d e ^ 2) * q x) /\
  (* b *) (forall x, 2 * Rabs (a x) * norm d e * sqrt (q x)
             + sqrt (frobenius_sqr d S - ρ ^ 2 - 2 * norm d e ^ 2) * q x <=
             sqrt (frobenius_sqr d S - ρ ^ 2) * norm d x ^ 2) /\
  (* c *) (forall y1 y2 λ1 λ2,
             dot d y1 y1 = 1 -> dot d y2 y2 = 1 -> dot d y1 y2 = 0 ->
             eigenvector d S λ1 y1 -> eigenvector d S λ2 y2 ->
             Rmin (Rabs λ1) (Rabs λ2) <= sqrt (frobenius_sqr d S - ρ ^ 2)).
Proof.
  rewrite norm_sqr. fold radicand. split; [|split].
  - exact certificate.
  - exact sharp_is_sharper.
  - intros y1 y2 λ1 λ2 H11 H22 H12 He1 He2.
    assert (Hm : 0 <= Rmin (Rabs λ1) (Rabs λ2)) by (apply Rmin_glb; apply Rabs_pos).
    rewrite <- (sqrt_pow2 (Rmin (Rabs λ1) (Rabs λ2))) by assumption. apply sqrt_le_1_alt.
    apply (two_eigenvectors y1 y2 λ1 λ2); auto using Rmin_l, Rmin_r.
Qed.

End Certificate.

(** (d), for v the m-th of the vectors of an eigenbasis. *)
Theorem rank_one_certificate_spectrum d S B λ m x μ_min μ_max :
  symmetric d S -> eigenbasis d S B λ -> (m < d)%nat ->
  (forall k, (k < d)%nat -> rival m k = true -> μ_min <= λ k <= μ_max) ->
  μ_min * q d (B m) x <= form d S x x - λ m * a d (B m) x ^ 2 <= μ_max * q d (B m) x.
Proof. intros HS HB. now apply form_beside. Qed.

Print Assumptions rank_one_certificate.
Print Assumptions rank_one_certificate_spectrum.
