(** * shared-direction-ratios

    Channels that one neuron rules are written in fixed proportion: that of its column of W_down.
    With F = a w + e on channels C, w the column, a the value of the neuron and e what the others
    write:

    (a) |F_k w_k' - F_k' w_k| <= |w_k'| |e_k| + |w_k| |e_k'|;
    (b) ||F_C|| sin angle(F_C, w_C) <= ||e_C||.

    The left side of (b) is the distance of F_C from the line of w_C, which is how it is stated
    here: ||F - (F.w / ||w||^2) w||. See docs/claims/shared-direction-ratios.md. *)

Require Export Sums.

Section Ratios.
Variables (channels : nat) (a : R) (w e : row).
Hypothesis w_not_0 : 0 < norm channels w.

Definition F : row := fun k => a * w k + e k.

Lemma ratio k k' :
  Rabs (F k * w k' - F k' * w k) <= Rabs (w k') * Rabs (e k) + Rabs (w k) * Rabs (e k').
Proof.
  replace (F k * w k' - F k' * w k) with (w k' * e k + - (w k * e k')) by (unfold F; ring).
  eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp, !Rabs_mult. lra.
Qed.

Definition off_line : row := fun k => F k - dot channels F w / norm channels w ^ 2 * w k.

Definition cosine : R := dot channels F w / (norm channels F * norm channels w).

Lemma distance_to_line :
  norm channels off_line ^ 2 = norm channels F ^ 2 - dot channels F w ^ 2 / norm channels w ^ 2.
Proof.
  rewrite (norm_sqr channels off_line). unfold off_line.
  rewrite dot_sub_l, !dot_sub_r, !dot_scale_l, !dot_scale_r, (dot_comm channels w F).
  rewrite <- !norm_sqr. field. lra.
Qed.

(** It is ||F|| sin angle, with sin = sqrt(1 - cos^2). *)
Lemma distance_is_sine :
  0 < norm channels F -> norm channels off_line = norm channels F * sqrt (1 - cosine ^ 2).
Proof.
  intros HF. assert (Hc : cosine ^ 2 <= 1).
  { unfold cosine. pose proof (cauchy_schwarz_sqr channels F w) as H. rewrite <- !norm_sqr in H.
    unfold Rdiv. rewrite Rpow_mult_distr, pow_inv, Rpow_mult_distr.
    apply Rmult_le_reg_r with (norm channels F ^ 2 * norm channels w ^ 2);
      [apply Rmult_lt_0_compat; nra|].
    rewrite Rmult_assoc, Rinv_l by (apply Rmult_integral_contrapositive; split; nra). lra. }
  apply eq_of_squares; [apply norm_nonneg|apply Rmult_le_pos; [lra|apply sqrt_pos]|].
  rewrite Rpow_mult_distr, pow2_sqrt, distance_to_line by lra. unfold cosine. field. lra.
Qed.

(** No point of the line is nearer to F than its projection, and a w is at the distance ||e||. *)
Lemma line_is_near : norm channels off_line <= norm channels e.
Proof.
  apply le_of_squares; [apply norm_nonneg|]. rewrite distance_to_line.
  assert (He : norm channels e ^ 2 =
    norm channels F ^ 2 - 2 * a * dot channels F w + a ^ 2 * norm channels w ^ 2).
  { rewrite norm_sqr. rewrite (dot_ext channels e e (fun k => F k - a * w k) (fun k => F k - a * w k))
      by (intros; unfold F; ring).
    rewrite dot_sub_l, !dot_sub_r, !dot_scale_l, !dot_scale_r, (dot_comm channels w F).
    rewrite <- !norm_sqr. ring. }
  rewrite He. pose proof (pow2_ge_0 (a * norm channels w - dot channels F w / norm channels w)) as H.
  replace ((a * norm channels w - dot channels F w / norm channels w) ^ 2)
    with (a ^ 2 * norm channels w ^ 2 - 2 * a * dot channels F w
          + dot channels F w ^ 2 / norm channels w ^ 2) in H by (field; lra).
  lra.
Qed.

Theorem shared_direction_ratios :
  (* a *) (forall k k', Rabs (F k * w k' - F k' * w k) <=
                        Rabs (w k') * Rabs (e k) + Rabs (w k) * Rabs (e k')) /\
  (* b *) norm channels off_line <= norm channels e /\
          (0 < norm channels F ->
             norm channels F * sqrt (1 - cosine ^ 2) <= norm channels e).
Proof.
  split; [exact ratio|split; [exact line_is_near|]].
  intros HF. rewrite <- distance_is_sine by assumption. exact line_is_near.
Qed.

End Ratios.

Print Assumptions shared_direction_ratios.
