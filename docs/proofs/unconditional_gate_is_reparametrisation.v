(** * unconditional-gate-is-reparametrisation

    A gate that does not look at the input adds nothing to what attention can compute. With
    openings η = σ(b), the same for every token and every input, and for every o,

        W_O (η .* o) = (W_O diag(η)) o    and    W_O o = (W_O diag(1/η)) (η .* o),

    so the two families of functions are the same. Gates of a head or of a token are those of
    channels with equal entries. See docs/claims/unconditional-gate-is-reparametrisation.md. *)

Require Import Logistic.

Section Gate.
Variables (channels : nat) (b : row).

Definition opening : row := fun c => σ (b c).
Definition gated (o : row) : row := fun c => opening c * o c.

(** W diag(f) *)
Definition columns_times (W : matrix) (f : row) : matrix := fun k c => W k c * f c.

Lemma fold_gate W o k :
  times channels W (gated o) k = times channels (columns_times W opening) o k.
Proof. apply sum_ext; intros c _. unfold gated, columns_times. ring. Qed.

Lemma unfold_gate W o k :
  times channels W o k = times channels (columns_times W (fun c => / opening c)) (gated o) k.
Proof.
  apply sum_ext; intros c _. unfold gated, columns_times, opening.
  pose proof (sigma_pos (b c)). field; lra.
Qed.

(** What a block can make of the outputs of its heads, with the gate and without. *)
Definition with_gate (f : row -> row) : Prop :=
  exists W, forall o k, f o k = times channels W (gated o) k.
Definition without_gate (f : row -> row) : Prop :=
  exists W, forall o k, f o k = times channels W o k.

Theorem unconditional_gate_is_reparametrisation :
  (forall W o k, times channels W (gated o) k = times channels (columns_times W opening) o k) /\
  (forall W o k, times channels W o k =
                 times channels (columns_times W (fun c => / opening c)) (gated o) k) /\
  (forall f, with_gate f <-> without_gate f).
Proof.
  split; [exact fold_gate|split; [exact unfold_gate|]].
  intros f; split; intros [W HW].
  - exists (columns_times W opening). intros o k. now rewrite HW, fold_gate.
  - exists (columns_times W (fun c => / opening c)). intros o k. now rewrite HW, unfold_gate.
Qed.

End Gate.

Print Assumptions unconditional_gate_is_reparametrisation.
