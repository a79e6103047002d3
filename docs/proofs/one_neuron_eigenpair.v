(** * one-neuron-eigenpair

    One neuron's form A = w (g u' + u g')/2 has two eigenvalues that are not zero, in closed form,
    and the bisectors of its gate and up rows as eigenvectors. With c = cos(g, u):

    (a), (b) w g.u/2 +- |w| ||g|| ||u||/2 are the largest and the least eigenvalue, with eigenvectors
        g/||g|| +- u/||u||; on what is orthogonal to g and u the form is 0, so all others are 0;
    (c) the one larger in size has the eigenvector g/||g|| + sign(c) u/||u||, the sign of w c, the
        size |w| ||g|| ||u|| (1 + |c|)/2 and the share (1 + |c|)^2 / (2 (1 + c^2)) of ||A||_F^2, and
        the other one is smaller by (1 - |c|)/(1 + |c|);
    (f) the eigenvalue of a symmetric S nearest to ρ = v'Sv is within ||Sv - ρv||, for every unit v.

    Where g and u are collinear one of the bisectors is the zero row, and its eigenvalue is 0.
    (d), Weyl's inequality, and (e), that of Davis and Kahan, are not proven here.
    See docs/claims/one-neuron-eigenpair.md. *)

Require Export Spectrum.

Section Neuron.
Variables (d : nat) (w : R) (g u : row).
Hypotheses (w_not_0 : w <> 0) (g_not_0 : 0 < norm d g) (u_not_0 : 0 < norm d u).

Definition A : matrix := fun i j => w * (g i * u j + u i * g j) / 2.

Definition scale : R := norm d g * norm d u.
Definition c : R := dot d g u / scale.
Definition sign (t : R) : R := if Rlt_dec t 0 then -1 else 1.

(** g/||g|| + s u/||u|| for s = 1 or -1: the two bisectors. *)
Definition bisector (s : R) : row := fun i => g i / norm d g + s * (u i / norm d u).

Definition eigenvalue (s : R) : R := w * (dot d g u + s * scale) / 2.

Lemma scale_pos : 0 < scale.
Proof. now apply Rmult_lt_0_compat. Qed.

Lemma gu_is_c : dot d g u = scale * c.
Proof. unfold c. pose proof scale_pos. field; lra. Qed.

Lemma c_range : -1 <= c <= 1.
Proof.
  pose proof (cauchy_schwarz d g u) as H. fold scale in H. rewrite gu_is_c in H.
  pose proof scale_pos. apply abs_range in H.
  split; nra.
Qed.

Lemma times_A y i : times d A y i = w / 2 * (dot d u y * g i + dot d g y * u i).
Proof.
  unfold times, A.
  rewrite (dot_ext d _ y (fun j => (w / 2 * g i) * u j + (w / 2 * u i) * g j) y)
    by (intros; field || reflexivity).
  rewrite dot_add_l, !dot_scale_l. ring.
Qed.

Lemma A_symmetric : symmetric d A.
Proof. intros i j _ _. unfold A. field. Qed.

Lemma g_along s : dot d g (bisector s) = norm d g * (1 + s * c).
Proof.
  unfold bisector.
  rewrite (dot_ext d g _ g (fun i => / norm d g * g i + (s / norm d u) * u i))
    by (intros; reflexivity || (field; lra)).
  rewrite dot_add_r, !dot_scale_r, <- norm_sqr, gu_is_c. unfold scale. field; lra.
Qed.

Lemma u_along s : dot d u (bisector s) = norm d u * (c + s).
Proof.
  unfold bisector.
  rewrite (dot_ext d u _ u (fun i => / norm d g * g i + (s / norm d u) * u i))
    by (intros; reflexivity || (field; lra)).
  rewrite dot_add_r, !dot_scale_r, <- norm_sqr, (dot_comm d u g), gu_is_c. unfold scale.
  field; lra.
Qed.

(** ** Eigenvectors and eigenvalues *)

Lemma bisector_eigenvector s :
  s ^ 2 = 1 -> eigenvector d A (eigenvalue s) (bisector s).
Proof.
  intros Hs i _. rewrite times_A, u_along, g_along. unfold bisector, eigenvalue.
  rewrite gu_is_c. unfold scale.
  replace (w / 2 * (norm d u * (c + s) * g i + norm d g * (1 + s * c) * u i)) with
    (w / 2 * (norm d g * norm d u) * ((c + s) * (g i / norm d g) + (1 + s * c) * (u i / norm d u)))
    by (field; lra).
  replace (1 + s * c) with (s * (c + s)) by (rewrite Rmult_plus_distr_l, <- Hs; ring). field; lra.
Qed.

(** Rank two at most: A is 0 on every row that is orthogonal to g and u. *)
Lemma zero_elsewhere y : dot d g y = 0 -> dot d u y = 0 -> eigenvector d A 0 y.
Proof. intros Hg Hu i _. rewrite times_A, Hg, Hu. ring. Qed.

(** The two bisectors are orthogonal, and together they span g and u. *)
Lemma bisectors_orthogonal : dot d (bisector 1) (bisector (-1)) = 0.
Proof.
  unfold bisector at 1.
  rewrite (dot_ext d _ (bisector (-1)) (fun i => / norm d g * g i + / norm d u * u i) (bisector (-1)))
    by (intros; reflexivity || (field; lra)).
  rewrite dot_add_l, !dot_scale_l, g_along, u_along. field; lra.
Qed.

Lemma bisector_square s : s ^ 2 = 1 -> norm d (bisector s) ^ 2 = 2 * (1 + s * c).
Proof.
  intros Hs. rewrite norm_sqr. unfold bisector at 1.
  rewrite (dot_ext d _ (bisector s) (fun i => / norm d g * g i + (s / norm d u) * u i) (bisector s))
    by (intros; reflexivity || (field; lra)).
  rewrite dot_add_l, !dot_scale_l, g_along, u_along.
  replace (/ norm d g * (norm d g * (1 + s * c)) + s / norm d u * (norm d u * (c + s)))
    with (1 + 2 * s * c + s ^ 2) by (field; lra).
  rewrite Hs. ring.
Qed.

(** y'Ay = w (g.y)(u.y) lies between the two eigenvalues, times ||y||^2: so they are the largest and
    the least. It is w ||g|| ||u|| ((b+.y)^2 - (b-.y)^2)/4, and ||b+-||^2 = 2 (1 +- c). *)
Lemma form_A y : form d A y y = w * dot d g y * dot d u y.
Proof.
  unfold form. rewrite (dot_ext d y _ y (fun i => (w / 2 * dot d u y) * g i + (w / 2 * dot d g y) * u i))
    by (intros; reflexivity || (rewrite times_A; ring)).
  rewrite dot_add_r, !dot_scale_r, (dot_comm d y g), (dot_comm d y u). field.
Qed.

Lemma bisector_along s y : dot d (bisector s) y = dot d g y / norm d g + s * (dot d u y / norm d u).
Proof.
  unfold bisector.
  rewrite (dot_ext d _ y (fun i => / norm d g * g i + (s / norm d u) * u i) y)
    by (intros; reflexivity || (field; lra)).
  rewrite dot_add_l, !dot_scale_l. field; lra.
Qed.

Lemma product_range y :
  scale * (c - 1) / 2 * norm d y ^ 2 <= dot d g y * dot d u y <= scale * (c + 1) / 2 * norm d y ^ 2.
Proof.
  pose proof scale_pos as Hs. pose proof c_range.
  assert (E : dot d g y * dot d u y =
    scale / 4 * (dot d (bisector 1) y ^ 2 - dot d (bisector (-1)) y ^ 2))
    by (rewrite !bisector_along; unfold scale; field; lra).
  pose proof (cauchy_schwarz_sqr d (bisector 1) y) as H1. rewrite <- !norm_sqr in H1.
  rewrite bisector_square in H1 by ring.
  pose proof (cauchy_schwarz_sqr d (bisector (-1)) y) as H2. rewrite <- !norm_sqr in H2.
  rewrite bisector_square in H2 by ring.
  pose proof (pow2_ge_0 (dot d (bisector 1) y)). pose proof (pow2_ge_0 (dot d (bisector (-1)) y)).
  rewrite E. split; nra.
Qed.

Definition high : R := w * dot d g u / 2 + Rabs w * norm d g * norm d u / 2.
Definition low : R := w * dot d g u / 2 - Rabs w * norm d g * norm d u / 2.

Lemma high_low_bound y : low * norm d y ^ 2 <= form d A y y <= high * norm d y ^ 2.
Proof.
  rewrite form_A. pose proof (product_range y) as H. unfold high, low. rewrite gu_is_c.
  replace (Rabs w * norm d g * norm d u) with (Rabs w * scale) by (unfold scale; ring).
  rewrite Rmult_assoc. set (N := norm d y ^ 2) in *. set (P := dot d g y * dot d u y) in *.
  destruct (Rlt_dec w 0) as [Hw|Hw]; [rewrite Rabs_left|rewrite Rabs_pos_eq]; try lra.
  - split; nra.
  - split; nra.
Qed.

Lemma sign_sqr t : sign t ^ 2 = 1.
Proof. unfold sign. destruct (Rlt_dec t 0); ring. Qed.

Lemma sign_abs t : sign t * t = Rabs t.
Proof. unfold sign. destruct (Rlt_dec t 0); [rewrite Rabs_left|rewrite Rabs_pos_eq]; lra. Qed.

Lemma high_eigenvalue : high = eigenvalue (sign w).
Proof. unfold high, eigenvalue, scale. rewrite <- (sign_abs w). field. Qed.

Lemma low_eigenvalue : low = eigenvalue (- sign w).
Proof. unfold low, eigenvalue, scale. rewrite <- (sign_abs w). field. Qed.

(** ** (c): which of the two is larger in size *)

Definition larger : R := eigenvalue (sign c).
Definition smaller : R := eigenvalue (- sign c).

Lemma larger_value : larger = sign c * w * scale * (1 + Rabs c) / 2.
Proof.
  unfold larger, eigenvalue. rewrite gu_is_c.
  assert (Hc : c = sign c * Rabs c)
    by (rewrite <- (sign_abs c), <- Rmult_assoc; replace (sign c * sign c) with 1
          by (rewrite <- (sign_sqr c); ring); ring).
  rewrite Hc at 1. field.
Qed.

Lemma smaller_value : smaller = - (sign c * w * scale * (1 - Rabs c) / 2).
Proof.
  unfold smaller, eigenvalue. rewrite gu_is_c.
  assert (Hc : c = sign c * Rabs c)
    by (rewrite <- (sign_abs c), <- Rmult_assoc; replace (sign c * sign c) with 1
          by (rewrite <- (sign_sqr c); ring); ring).
  rewrite Hc at 1. field.
Qed.

Lemma abs_sign t : Rabs (sign t) = 1.
Proof. unfold sign. destruct (Rlt_dec t 0); [rewrite Rabs_left|rewrite Rabs_pos_eq]; lra. Qed.

Lemma abs_c_range : 0 <= Rabs c <= 1.
Proof. split; [apply Rabs_pos|]. apply Rabs_le, c_range. Qed.

Lemma larger_size : Rabs larger = Rabs w * norm d g * norm d u * (1 + Rabs c) / 2.
Proof.
  rewrite larger_value. pose proof scale_pos. pose proof abs_c_range.
  replace (sign c * w * scale * (1 + Rabs c) / 2) with (sign c * (w * (scale * (1 + Rabs c) / 2)))
    by field.
  rewrite !Rabs_mult, abs_sign, (Rabs_pos_eq (scale * (1 + Rabs c) / 2)) by nra.
  unfold scale. field.
Qed.

Lemma smaller_size : Rabs smaller = (1 - Rabs c) / (1 + Rabs c) * Rabs larger.
Proof.
  rewrite larger_size, smaller_value, Rabs_Ropp. pose proof scale_pos. pose proof abs_c_range.
  replace (sign c * w * scale * (1 - Rabs c) / 2) with (sign c * (w * (scale * (1 - Rabs c) / 2)))
    by field.
  rewrite !Rabs_mult, abs_sign, (Rabs_pos_eq (scale * (1 - Rabs c) / 2)) by nra.
  unfold scale. field; lra.
Qed.

Lemma larger_sign : c <> 0 -> 0 < larger * (w * c).
Proof.
  intros Hc. rewrite larger_value. pose proof scale_pos. pose proof abs_c_range.
  pose proof (Rabs_pos_lt c Hc).
  replace (sign c * w * scale * (1 + Rabs c) / 2 * (w * c))
    with (w ^ 2 * (scale * (1 + Rabs c) * (sign c * c)) / 2) by field.
  rewrite sign_abs. assert (0 < w ^ 2) by (destruct (Rdichotomy w 0 w_not_0); nra).
  assert (0 < scale * (1 + Rabs c) * Rabs c) by (repeat apply Rmult_lt_0_compat; lra). nra.
Qed.

Lemma frobenius_A : frobenius_sqr d A = w ^ 2 * scale ^ 2 * (1 + c ^ 2) / 2.
Proof.
  assert (Hrow : forall i, dot d (A i) (A i) = w ^ 2 / 4 *
    (dot d u u * (g i * g i) + 2 * dot d g u * (g i * u i) + dot d g g * (u i * u i))).
  { intros i. unfold A.
    rewrite (dot_ext d _ _ (fun j => (w / 2 * g i) * u j + (w / 2 * u i) * g j)
      (fun j => (w / 2 * g i) * u j + (w / 2 * u i) * g j)) by (intros; field).
    rewrite dot_add_l, !dot_add_r, !dot_scale_l, !dot_scale_r, (dot_comm d u g). field. }
  unfold frobenius_sqr. rewrite (sum_ext d _ _ (fun i _ => Hrow i)), sum_scale, !sum_add, !sum_scale.
  change (Σ (i < d) (g i * g i)) with (dot d g g).
  change (Σ (i < d) (g i * u i)) with (dot d g u).
  change (Σ (i < d) (u i * u i)) with (dot d u u).
  rewrite <- !norm_sqr, gu_is_c. unfold scale. field.
Qed.

Lemma larger_share : larger ^ 2 = (1 + Rabs c) ^ 2 / (2 * (1 + c ^ 2)) * frobenius_sqr d A.
Proof.
  rewrite frobenius_A, <- (pow2_abs larger), larger_size, <- (pow2_abs w).
  pose proof (pow2_ge_0 c). unfold scale. field; lra.
Qed.

Theorem one_neuron_eigenpair :
  (* a, b *) (forall y, low * norm d y ^ 2 <= form d A y y <= high * norm d y ^ 2) /\
             eigenvector d A high (bisector (sign w)) /\
             eigenvector d A low (bisector (- sign w)) /\
             (forall y, dot d g y = 0 -> dot d u y = 0 -> eigenvector d A 0 y) /\
  (* c *)    (c <> 0 ->
                eigenvector d A larger (bisector (sign c)) /\
                (larger = high \/ larger = low) /\
                0 < larger * (w * c) /\
                Rabs larger = Rabs w * norm d g * norm d u * (1 + Rabs c) / 2 /\
                larger ^ 2 = (1 + Rabs c) ^ 2 / (2 * (1 + c ^ 2)) * frobenius_sqr d A /\
                Rabs smaller = (1 - Rabs c) / (1 + Rabs c) * Rabs larger).
Proof.
  split; [exact high_low_bound|].
  split; [rewrite high_eigenvalue; apply bisector_eigenvector, sign_sqr|].
  split; [rewrite low_eigenvalue; apply bisector_eigenvector;
          rewrite <- (sign_sqr w); ring|].
  split; [exact zero_elsewhere|].
  intros Hc. split; [apply bisector_eigenvector, sign_sqr|].
  split; [|split; [now apply larger_sign|
           split; [exact larger_size|split; [exact larger_share|exact smaller_size]]]].
  rewrite high_eigenvalue, low_eigenvalue. unfold larger, sign.
  destruct (Rlt_dec c 0), (Rlt_dec w 0); rewrite ?Ropp_involutive; auto.
  right; f_equal; lra.
Qed.

(** A bisector can be the zero row, when g and u are collinear; the one of (c) never is. *)
Theorem larger_bisector_not_zero : 0 < norm d (bisector (sign c)).
Proof.
  pose proof (bisector_square (sign c) (sign_sqr c)) as H. rewrite sign_abs in H.
  pose proof (Rabs_pos c). pose proof (norm_nonneg d (bisector (sign c))). nra.
Qed.

End Neuron.

(** (f), with an eigenbasis of S. *)
Theorem rayleigh_residual d S B λ v :
  symmetric d S -> eigenbasis d S B λ -> dot d v v = 1 ->
  exists k, (k < d)%nat /\
    Rabs (λ k - form d S v v) <= norm d (fun i => times d S v i - form d S v v * v i).
Proof. intros HS HB Hv. now apply (eigenvalue_near d S B). Qed.

Print Assumptions one_neuron_eigenpair.
Print Assumptions larger_bisector_not_zero.
Print Assumptions rayleigh_residual.
