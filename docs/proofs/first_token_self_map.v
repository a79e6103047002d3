(** * first-token-self-map

    The first token of a causal text sees only itself. Its attention is therefore a fixed map of
    that token alone: no query, no key and no later token has a part in it.

    (a) with one visible key the output of a head is o = v_0, whatever the logit;
    (b) the write of the block is post_norm(Σ_h W_O^h (η_h .* (W_V^kv(h) x_0 + b_V^kv(h))) + b_O),
        and without gates, biases and post-norm it is linear in x_0;

    and, by induction over layers, row 0 of the residual stream at every depth depends on row 0 of
    the embeddings alone. Numbers are real here: that (a) is exact in floating point as well is
    shown on its page, docs/claims/first-token-self-map.md. *)

Require Import Softmax.

(** ** (a) One key *)

Lemma weight_of_one_key l : weight 1 l 0 = 1.
Proof. unfold weight, partition; simpl. pose proof (exp_pos (l 0%nat)). field; lra. Qed.

Lemma output_of_one_key l v c : output 1 l v c = v 0%nat c.
Proof. unfold output; simpl. rewrite weight_of_one_key. ring. Qed.

(** ** (b) The write of a block of heads *)

(** What a block is made of. `kv h` is the key-value head that head h reads; logits, gates and the
    post-norm are functions of the rows, and no more is assumed of them. *)
Record attention := {
  width : nat;                            (* of a row of the residual stream *)
  head_dim : nat;
  heads : nat;
  kv : nat -> nat;
  W_V : nat -> matrix;                    (* by key-value head *)
  b_V : nat -> row;
  W_O : nat -> matrix;                    (* by head: its columns of the output matrix *)
  b_O : row;
  logit : nat -> (nat -> row) -> nat -> row;  (* head, rows, query: a logit for each key *)
  gate : nat -> row -> row;               (* head, the token's own row: one factor a channel *)
  post_norm : row -> row
}.

Definition value (A : attention) (h : nat) (x : row) : row :=
  fun c => dot (width A) (W_V A (kv A h) c) x + b_V A (kv A h) c.

(** The write at query t, which sees the keys 0, ..., t. *)
Definition write (A : attention) (x : nat -> row) (t : nat) : row :=
  post_norm A (fun k =>
    Σ (h < heads A) dot (head_dim A) (W_O A h k)
      (fun c => gate A h (x t) c *
        output (Datatypes.S t) (logit A h x t) (fun j => value A h (x j)) c) + b_O A k).

(** The same without queries, keys, and other tokens. *)
Definition self_map (A : attention) (x0 : row) : row :=
  post_norm A (fun k =>
    Σ (h < heads A) dot (head_dim A) (W_O A h k) (fun c => gate A h x0 c * value A h x0 c)
    + b_O A k).

(** A post-norm looks at the entries of a row and at nothing else. *)
Definition of_entries (f : row -> row) : Prop :=
  forall a b, (forall i, a i = b i) -> forall i, f a i = f b i.

Lemma write_at_0 A x k : of_entries (post_norm A) -> write A x 0 k = self_map A (x 0%nat) k.
Proof.
  intros HN. apply HN; intros i. f_equal. apply sum_ext; intros h _.
  apply dot_ext; intros c _; [reflexivity|]. now rewrite output_of_one_key.
Qed.

Definition plain (A : attention) : Prop :=
  (forall h x c, gate A h x c = 1) /\ (forall a i, post_norm A a i = a i).
Definition unbiased (A : attention) : Prop :=
  (forall h c, b_V A h c = 0) /\ (forall k, b_O A k = 0).

Lemma self_map_linear A : plain A -> unbiased A ->
  forall a b s t k,
    self_map A (fun i => s * a i + t * b i) k = s * self_map A a k + t * self_map A b k.
Proof.
  intros [Hg HN] [HV HO] a b s t k. unfold self_map. rewrite !HN, HO, !Rplus_0_r.
  rewrite <- !sum_scale, <- sum_add. apply sum_ext; intros h _.
  rewrite <- !dot_scale_r, <- dot_add_r. apply dot_ext; intros c _; [reflexivity|].
  rewrite !Hg. unfold value. rewrite HV, dot_add_r, !dot_scale_r. ring.
Qed.

(** ** The consequence: row 0 at every depth *)

(** A layer is causal when what it makes of row t depends on the rows up to t only. *)
Definition agree_up_to (t : nat) (x x' : nat -> row) : Prop :=
  forall j, (j <= t)%nat -> forall i, x j i = x' j i.
Definition causal (f : (nat -> row) -> nat -> row) : Prop :=
  forall t x x', agree_up_to t x x' -> forall i, f x t i = f x' t i.

Definition stack (layers : list ((nat -> row) -> nat -> row)) (x : nat -> row) : nat -> row :=
  List.fold_left (fun rows layer => layer rows) layers x.

Lemma causal_agree f t x x' : causal f -> agree_up_to t x x' -> agree_up_to t (f x) (f x').
Proof. intros Hf H j Hj. apply Hf. intros k Hk. apply H; lia. Qed.

Lemma stack_causal layers : List.Forall causal layers -> causal (stack layers).
Proof.
  intros H t x x' Hx. enough (agree_up_to t (stack layers x) (stack layers x')) by auto.
  revert x x' Hx. induction H as [|f fs Hf _ IH]; intros x x' Hx; [assumption|].
  apply IH. now apply causal_agree.
Qed.

Theorem first_token_self_map :
  (* a *) (forall l v c, output 1 l v c = v 0%nat c) /\
  (* b *) (forall A x k, of_entries (post_norm A) -> write A x 0 k = self_map A (x 0%nat) k) /\
          (forall A, plain A -> unbiased A -> forall a b s t k,
             self_map A (fun i => s * a i + t * b i) k = s * self_map A a k + t * self_map A b k) /\
  (* every depth *)
          (forall layers x x', List.Forall causal layers -> (forall i, x 0%nat i = x' 0%nat i) ->
             forall i, stack layers x 0%nat i = stack layers x' 0%nat i).
Proof.
  repeat split.
  - exact output_of_one_key.
  - exact write_at_0.
  - exact self_map_linear.
  - intros layers x x' Hl H0 i. apply (stack_causal layers Hl 0%nat). intros j Hj.
    replace j with 0%nat by lia. exact H0.
Qed.

Print Assumptions first_token_self_map.
