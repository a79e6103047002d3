(** * sink-as-off-by-one

    A sink with a small key and a small value acts as an extra 1 in the denominator of the softmax.
    For n >= 2, o' the output without the sink, L = LSE of the rivals and o_1 the output of a softmax
    with the denominator 1 + Σ_{j <> s} e^(l_j):

    (a) ||o - o_1|| <= |σ(l_s - L) - σ(-L)| ||o'|| + A_s ||v_s||
    (b) ||o - o_1|| <= |l_s| / 4 ||o'|| + A_s ||v_s||

    See docs/claims/sink-as-off-by-one.md. *)

Require Export Softmax.

Section OffByOne.
Variables (d n : nat) (l : row) (v : matrix) (s : nat).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat).

Notation A_s := (weight n l s).
Notation o := (output n l v).
Notation o' := (output_without n l v s).
Notation L := (LSE n l s).

Definition o_1 : row := fun k =>
  Σ (j < n | rival s j) (exp (l j) / (1 + rival_partition n l s) * v j k).

Lemma off_by_one_output k : o_1 k = (1 - σ (- L)) * o' k.
Proof.
  pose proof (rival_partition_pos n l s two_keys) as HR.
  replace (σ (- L)) with (1 / (1 + rival_partition n l s)).
  - unfold o_1, output_without. rewrite <- sum_if_scale. apply sum_if_ext; intros. field; lra.
  - replace (- L) with (0 - L) by ring. unfold LSE. rewrite sigma_ln, exp_0 by assumption. reflexivity.
Qed.

Lemma difference k : o k - o_1 k = (σ (- L) - σ (l s - L)) * o' k + A_s * v s k.
Proof.
  rewrite off_by_one_output, (output_split n l v s k), weight_sigma by assumption. ring.
Qed.

Lemma distance_to_o_1 : norm d (fun k => o k - o_1 k) <=
  Rabs (σ (l s - L) - σ (- L)) * norm d o' + A_s * norm d (v s).
Proof.
  rewrite (norm_ext d _ (fun k => (σ (- L) - σ (l s - L)) * o' k + A_s * v s k))
    by (intros; apply difference).
  eapply Rle_trans; [apply (norm_triangle d (fun k => _ * o' k) (fun k => A_s * v s k))|].
  pose proof (weight_pos n l s ltac:(lia)).
  rewrite !norm_scale, (Rabs_pos_eq A_s), Rabs_minus_sym by lra. lra.
Qed.

Theorem sink_as_off_by_one :
  (* a *) norm d (fun k => o k - o_1 k) <=
            Rabs (σ (l s - L) - σ (- L)) * norm d o' + A_s * norm d (v s) /\
  (* b *) norm d (fun k => o k - o_1 k) <= Rabs (l s) / 4 * norm d o' + A_s * norm d (v s).
Proof.
  split; [exact distance_to_o_1|].
  eapply Rle_trans; [exact distance_to_o_1|]. apply Rplus_le_compat_r.
  apply Rmult_le_compat_r; [apply norm_nonneg|].
  replace (Rabs (l s)) with (Rabs (l s - L - - L)) by (f_equal; ring). apply sigma_lipschitz.
Qed.

End OffByOne.

Print Assumptions sink_as_off_by_one.
