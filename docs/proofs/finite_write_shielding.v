(** * finite-write-shielding

    What a token shows to later blocks moves by no more than the write divided by the token's root
    mean square. With w = h' - h, u = h/rho, u' = h'/rho', for writes of any size:

    (a) ||u' - u||^2 + d eps (1/rho - 1/rho')^2 + d (rho' - rho)^2 / (rho rho')
        = ||w||^2 / (rho rho');
    (b) ||u' - u|| <= ||w|| / sqrt(rho rho');
    (c) ||g .* u' - g .* u|| <= max |g| ||w|| / sqrt(rho rho').

    See docs/claims/finite-write-shielding.md. *)

Require Export rms_bounded.

Section Write.
Variables (d : nat) (eps : R) (h h' : row).
Hypotheses (Hh : can_be_normed d eps h) (Hh' : can_be_normed d eps h').

Notation r := (rho d eps h).
Notation r' := (rho d eps h').
Notation u := (reading d eps h).
Notation u' := (reading d eps h').

Definition w : row := fun i => h' i - h i.
Definition moved : row := fun i => u' i - u i.

Lemma roots_pos : 0 < r * r'.
Proof. apply Rmult_lt_0_compat; now apply rho_pos. Qed.

Lemma shielding_exact :
  norm d moved ^ 2 + INR d * eps * (1 / r - 1 / r') ^ 2 + INR d * (r' - r) ^ 2 / (r * r')
  = norm d w ^ 2 / (r * r').
Proof.
  pose proof (width_pos d (proj1 Hh)). pose proof (rho_pos d eps h Hh).
  pose proof (rho_pos d eps h' Hh').
  assert (E : dot d h h = INR d * (r ^ 2 - eps)) by (rewrite rho_sqr by assumption; field; lra).
  assert (E' : dot d h' h' = INR d * (r' ^ 2 - eps)) by (rewrite rho_sqr by assumption; field; lra).
  rewrite !norm_sqr. unfold moved, w.
  rewrite !dot_sub_l, !dot_sub_r, (dot_comm d u u'), (dot_comm d h h'), !dot_readings by assumption.
  rewrite E, E'. field; lra.
Qed.

Lemma shielding : norm d moved <= norm d w / sqrt (r * r').
Proof.
  pose proof roots_pos as Hr. pose proof (sqrt_lt_R0 _ Hr) as Hs.
  apply le_of_squares.
  - apply Rmult_le_pos; [apply norm_nonneg|left; now apply Rinv_0_lt_compat].
  - unfold Rdiv. rewrite Rpow_mult_distr, pow_inv, pow2_sqrt by lra.
    fold (norm d w ^ 2 / (r * r')). rewrite <- shielding_exact.
    pose proof (pos_INR d). destruct Hh as (_ & He & _).
    assert (0 <= INR d * eps * (1 / r - 1 / r') ^ 2)
      by (apply Rmult_le_pos; [now apply Rmult_le_pos|apply pow2_ge_0]).
    assert (0 <= INR d * (r' - r) ^ 2 / (r * r')).
    { apply Rmult_le_pos; [apply Rmult_le_pos; [lra|apply pow2_ge_0]|].
      left; now apply Rinv_0_lt_compat. }
    lra.
Qed.

Theorem finite_write_shielding :
  (* a *) norm d moved ^ 2 + INR d * eps * (1 / r - 1 / r') ^ 2 + INR d * (r' - r) ^ 2 / (r * r')
          = norm d w ^ 2 / (r * r') /\
  (* b *) norm d moved <= norm d w / sqrt (r * r') /\
  (* c *) (forall g M, is_max (fun i => (i < d)%nat) (fun i => Rabs (g i)) M ->
             norm d (fun i => g i * u' i - g i * u i) <= M * (norm d w / sqrt (r * r'))).
Proof.
  split; [exact shielding_exact|split; [exact shielding|]].
  intros g M [HM (k & Hk & E)]. assert (0 <= M) by (rewrite <- E; apply Rabs_pos).
  rewrite (norm_ext d _ (fun i => g i * moved i)) by (intros; unfold moved; ring).
  eapply Rle_trans; [apply (norm_gain d g moved M); assumption|].
  apply Rmult_le_compat_l; [assumption|exact shielding].
Qed.

End Write.

Print Assumptions finite_write_shielding.
