(** * key-ball

    Tokens that a layer reads alike have keys alike, before positions are put in. For k = W_K x:

    (a) ||k_a - k_b|| <= ||W_K||_2 ||x_a - x_b||;
    (b) ||k_a - k_b|| <= ||W_K diag(g)||_2 2 sqrt(d) sqrt(sin^2((α_a + α_b)/2)
        + cos α_a cos α_b sin^2(θ/2)), with the angles of rms-near-constant;
    (c) ||k'_a - k'_b|| <= max |g| ||k_a - k_b|| / sqrt(rho_a rho_b) for keys k' = g .* k / rho
        after a norm on keys.

    ||M||_2 is the least N with ||M y|| <= N ||y|| for all y; (a) and (b) hold for every such N. See
    docs/claims/key-ball.md. *)

Require Export rms_near_constant.
Require Import finite_write_shielding.

Section Keys.
Variables (d head_dim : nat) (W_K : matrix).

Definition key (x : row) : row := times d W_K x.

Definition stretches_at_most (M : matrix) (N : R) : Prop :=
  forall y, norm head_dim (times d M y) <= N * norm d y.

Lemma times_sub M x x' i : times d M x i - times d M x' i = times d M (fun j => x j - x' j) i.
Proof. unfold times. now rewrite dot_sub_r. Qed.

Lemma keys_near N x_a x_b :
  stretches_at_most W_K N ->
  norm head_dim (fun i => key x_a i - key x_b i) <= N * norm d (fun j => x_a j - x_b j).
Proof.
  intros HN. unfold key.
  rewrite (norm_ext head_dim _ (times d W_K (fun j => x_a j - x_b j)))
    by (intros; apply times_sub). apply HN.
Qed.

(** W_K diag(g) *)
Definition with_gain_columns (g : row) : matrix := fun i j => W_K i j * g j.

Lemma gain_moves g x i : times d W_K (fun j => g j * x j) i = times d (with_gain_columns g) x i.
Proof. apply sum_ext; intros j _. unfold with_gain_columns. ring. Qed.

Theorem key_ball :
  (* a *) (forall N x_a x_b, stretches_at_most W_K N ->
             norm head_dim (fun i => key x_a i - key x_b i) <= N * norm d (fun j => x_a j - x_b j)) /\
  (* b *) (forall eps C g h_a h_b N,
             has_spike d eps C h_a -> has_spike d eps C h_b -> 0 <= N ->
             stretches_at_most (with_gain_columns g) N ->
             norm head_dim (fun i => key (fun j => g j * reading d eps h_a j) i
                                   - key (fun j => g j * reading d eps h_b j) i) <=
             N * (2 * sqrt (INR d) * sqrt (
               sin ((α d eps C h_a + α d eps C h_b) / 2) ^ 2
               + cos (α d eps C h_a) * cos (α d eps C h_b) * sin (θ d C h_a h_b / 2) ^ 2))) /\
  (* c *) (forall eps g M k_a k_b,
             can_be_normed head_dim eps k_a -> can_be_normed head_dim eps k_b ->
             is_max (fun i => (i < head_dim)%nat) (fun i => Rabs (g i)) M ->
             norm head_dim (fun i => g i * reading head_dim eps k_a i
                                   - g i * reading head_dim eps k_b i) <=
             M * (norm head_dim (fun i => k_a i - k_b i)
                  / sqrt (rho head_dim eps k_a * rho head_dim eps k_b))).
Proof.
  split; [exact keys_near|split].
  - intros eps C g h_a h_b N Ha Hb HN Hstretch.
    rewrite (norm_ext head_dim _ (times d (with_gain_columns g)
      (fun j => reading d eps h_a j - reading d eps h_b j)))
      by (intros; unfold key; rewrite !gain_moves; apply times_sub).
    eapply Rle_trans; [apply Hstretch|]. apply Rmult_le_compat_l; [assumption|].
    now apply (rms_near_constant d eps C h_a h_b Ha Hb).
  - intros eps g M k_a k_b Ha Hb HM.
    destruct (finite_write_shielding head_dim eps k_b k_a Hb Ha) as (_ & _ & H).
    rewrite (Rmult_comm (rho head_dim eps k_a)). now apply H.
Qed.

End Keys.

Print Assumptions key_ball.
