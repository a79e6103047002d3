(** * sink-removal-identity

    What a head would write without its sink is known from the trace: no second pass is needed. For
    n >= 2 keys, with o' the output of the softmax over the rivals of s alone:

    (a) o' = (o - A_s v_s) / (1 - A_s)
    (b) ||o' - o|| = A_s ||o' - v_s||
    (c) ||o' - o|| = A_s / (1 - A_s) ||o - v_s||

    See docs/claims/sink-removal-identity.md. *)

Require Export Softmax.

Section Removal.
Variables (d n : nat) (l : row) (v : matrix) (s : nat).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat).

Notation A_s := (weight n l s).
Notation o := (output n l v).
Notation o' := (output_without n l v s).

Lemma without_sink k : o' k = (o k - A_s * v s k) / (1 - A_s).
Proof.
  pose proof (weight_lt_1 n l s two_keys visible).
  rewrite (output_split n l v s k) by assumption. field; lra.
Qed.

Theorem sink_removal_identity :
  (* a *) (forall k, o' k = (o k - A_s * v s k) / (1 - A_s)) /\
  (* b *) norm d (fun k => o' k - o k) = A_s * norm d (fun k => o' k - v s k) /\
  (* c *) norm d (fun k => o' k - o k) = A_s / (1 - A_s) * norm d (fun k => o k - v s k).
Proof.
  pose proof (weight_lt_1 n l s two_keys visible) as H1.
  pose proof (weight_pos n l s ltac:(lia)) as H0.
  split; [exact without_sink|split].
  - rewrite <- (Rabs_pos_eq A_s) by lra. rewrite <- norm_scale.
    apply norm_ext; intros k _. rewrite (output_split n l v s k) by assumption. ring.
  - rewrite <- (Rabs_pos_eq (A_s / (1 - A_s))) by (left; apply Rdiv_lt_0_compat; lra).
    rewrite <- norm_scale. apply norm_ext; intros k _.
    rewrite without_sink. field; lra.
Qed.

End Removal.

Print Assumptions sink_removal_identity.
