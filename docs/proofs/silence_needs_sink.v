(** * silence-needs-sink

    If the hull of all values but the sink's stays farther from the origin than the output is long,
    no weights on the other keys could give so short an output: the sink is necessary for the
    silence. For n >= 2, a unit vector e with ||o|| < min_{j <> s} v_j.e, and every mixture o' of the
    values v_j, j <> s,

        ||o|| < min_{j <> s} v_j.e <= ||o'||.

    In particular this is so of the output without the sink. See docs/claims/silence-needs-sink.md. *)

Require Export convex_hull.

Section Silence.
Variables (d n : nat) (l : row) (v : matrix) (s : nat) (e : row) (m : R).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat) (e_unit : unit_row d e).
Hypothesis least : is_min (fun j => (j < n)%nat /\ rival s j = true) (fun j => dot d (v j) e) m.
Hypothesis certificate : norm d (output n l v) < m.

(** Weights on the rivals alone. *)
Definition rival_weights (w : row) : Prop :=
  (forall j, (j < n)%nat -> rival s j = true -> 0 <= w j) /\ Σ (j < n | rival s j) w j = 1.

Definition mix_of_rivals (w : row) : row := fun c => Σ (j < n | rival s j) (w j * v j c).

Theorem silence_needs_sink :
  (forall w, rival_weights w ->
     norm d (output n l v) < m /\ m <= norm d (mix_of_rivals w)) /\
  m <= norm d (output_without n l v s).
Proof.
  assert (H : forall w, rival_weights w -> m <= norm d (mix_of_rivals w)).
  { intros w [Hw H1]. eapply Rle_trans; [|apply (dot_unit_le_norm d _ e e_unit)].
    unfold mix_of_rivals. rewrite dot_mix_if.
    apply (mean_ge n (rival s) w (fun j => dot d (v j) e)); auto.
    intros j Hj E. now apply least. }
  split; [auto|].
  apply (H (fun j => exp (l j) / rival_partition n l s)). split.
  - intros; now apply weight_without_nonneg.
  - now apply weights_without_sum_to_1.
Qed.

(** So there is no way to be that silent without s: such an output has weight on it. *)
Corollary no_silence_without_sink w c :
  rival_weights w -> (forall k, (k < d)%nat -> mix_of_rivals w k = c k) ->
  norm d c <> norm d (output n l v).
Proof.
  intros Hw Hc. destruct silence_needs_sink as [H _]. destruct (H w Hw) as [H1 H2].
  rewrite (norm_ext d (mix_of_rivals w) c Hc) in H2. lra.
Qed.

End Silence.

Print Assumptions silence_needs_sink.
