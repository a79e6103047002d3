(** * Finite sums, rows and matrices

    A row of width d is a function from indices to real numbers, of which only the first d entries
    are ever looked at; a matrix has two indices. The width is an argument of every sum. A formula
    of a claim page can so be written down as it stands there:

        Σ (j < n) w j * v j c          the sum over j = 0, ..., n - 1
        Σ (j < n | rival s j) A j      the sum over those that pass a test

    Nothing here is about transformers. *)

From Coq Require Export Reals Lra Lia Arith Bool Psatz.
Open Scope R_scope.

Definition row := nat -> R.
Definition matrix := nat -> nat -> R.

Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with
  | O => 0
  | S m => sum m f + f m
  end.

Notation "'Σ' ( i < n ) F" := (sum n (fun i => F))
  (at level 41, i name, n at level 69, F at level 41).
Notation "'Σ' ( i < n | P ) F" := (sum n (fun i => if P then F else 0))
  (at level 41, i name, n at level 69, P at level 50, F at level 41).

(** ** Sums *)

Lemma sum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof.
  induction n as [|n IH]; intros H; simpl; [reflexivity|].
  rewrite IH, H by auto with arith; reflexivity.
Qed.

Lemma sum_zero n f : (forall i, (i < n)%nat -> f i = 0) -> sum n f = 0.
Proof.
  induction n as [|n IH]; intros H; simpl; [reflexivity|].
  rewrite IH, H by auto with arith; lra.
Qed.

Lemma sum_add n f g : Σ (i < n) (f i + g i) = sum n f + sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma sum_sub n f g : Σ (i < n) (f i - g i) = sum n f - sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma sum_scale n c f : Σ (i < n) (c * f i) = c * sum n f.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma sum_scale_r n c f : Σ (i < n) (f i * c) = sum n f * c.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma sum_const n c : Σ (i < n) c = INR n * c.
Proof. induction n as [|n IH]; [simpl; lra|]. rewrite S_INR; simpl; rewrite IH; lra. Qed.

Lemma sum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n as [|n IH]; intros H; simpl; [lra|].
  assert (sum n f <= sum n g) by auto with arith.
  assert (f n <= g n) by auto with arith. lra.
Qed.

Lemma sum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof. intros H. rewrite <- (sum_zero n (fun _ => 0)) by reflexivity. now apply sum_le. Qed.

Lemma sum_abs n f : Rabs (sum n f) <= Σ (i < n) Rabs (f i).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  pose proof (Rabs_triang (sum n f) (f n)). lra.
Qed.

Lemma sum_swap n m (f : matrix) : Σ (i < n) Σ (j < m) f i j = Σ (j < m) Σ (i < n) f i j.
Proof.
  induction n as [|n IH]; simpl; [now rewrite sum_zero|]. now rewrite IH, sum_add.
Qed.

Lemma term_le_sum n f k :
  (forall i, (i < n)%nat -> 0 <= f i) -> (k < n)%nat -> f k <= sum n f.
Proof.
  induction n as [|n IH]; intros H Hk; [lia|]; simpl.
  assert (0 <= sum n f) by (apply sum_nonneg; auto with arith).
  assert (0 <= f n) by auto with arith.
  destruct (Nat.eq_dec k n) as [->|]; [lra|].
  assert (f k <= sum n f) by (apply IH; [auto with arith|lia]). lra.
Qed.

Lemma sum_pos n f : (0 < n)%nat -> (forall i, (i < n)%nat -> 0 < f i) -> 0 < sum n f.
Proof.
  intros Hn H. apply Rlt_le_trans with (f 0%nat); [auto|].
  apply term_le_sum; [|assumption]. intros i Hi; left; auto.
Qed.

Lemma sum_zero_term n f k :
  (forall i, (i < n)%nat -> 0 <= f i) -> sum n f = 0 -> (k < n)%nat -> f k = 0.
Proof.
  intros H H0 Hk. apply Rle_antisym; [rewrite <- H0; now apply term_le_sum|auto].
Qed.

(** A sum is its part inside a set and its part outside. *)
Lemma sum_split n (C : nat -> bool) f :
  sum n f = Σ (i < n | C i) f i + Σ (i < n | negb (C i)) f i.
Proof. rewrite <- sum_add. apply sum_ext; intros i _. destruct (C i); simpl; lra. Qed.

(** All indices but s, "the rivals of s". *)
Definition rival (s j : nat) : bool := negb (j =? s)%nat.

Lemma rival_true s j : rival s j = true <-> j <> s.
Proof. unfold rival. rewrite negb_true_iff. apply Nat.eqb_neq. Qed.

Lemma sum_pick n s f : (s < n)%nat -> sum n f = f s + Σ (j < n | rival s j) f j.
Proof.
  induction n as [|n IH]; intros Hs; [lia|]; simpl. unfold rival at 2.
  destruct (Nat.eqb_spec n s) as [->|Hne]; simpl.
  - rewrite (sum_ext s f (fun j => if rival s j then f j else 0)); [lra|].
    intros i Hi. replace (rival s i) with true; [reflexivity|].
    symmetry; apply rival_true; lia.
  - rewrite IH by lia. lra.
Qed.

Lemma sum_if_le n (P : nat -> bool) f g :
  (forall i, (i < n)%nat -> P i = true -> f i <= g i) ->
  Σ (i < n | P i) f i <= Σ (i < n | P i) g i.
Proof. intros H. apply sum_le; intros i Hi. destruct (P i) eqn:E; [auto|lra]. Qed.

Lemma sum_if_ext n (P : nat -> bool) f g :
  (forall i, (i < n)%nat -> P i = true -> f i = g i) ->
  Σ (i < n | P i) f i = Σ (i < n | P i) g i.
Proof. intros H. apply sum_ext; intros i Hi. destruct (P i) eqn:E; auto. Qed.

Lemma sum_if_scale n (P : nat -> bool) c f :
  Σ (i < n | P i) (c * f i) = c * Σ (i < n | P i) f i.
Proof. rewrite <- sum_scale. apply sum_ext; intros i _. destruct (P i); lra. Qed.

Lemma sum_if_scale_r n (P : nat -> bool) c f :
  Σ (i < n | P i) (f i * c) = (Σ (i < n | P i) f i) * c.
Proof. rewrite <- sum_scale_r. apply sum_ext; intros i _. destruct (P i); lra. Qed.

Lemma sum_if_add n (P : nat -> bool) f g :
  Σ (i < n | P i) (f i + g i) = Σ (i < n | P i) f i + Σ (i < n | P i) g i.
Proof. rewrite <- sum_add. apply sum_ext; intros i _. destruct (P i); lra. Qed.

Lemma sum_if_nonneg n (P : nat -> bool) f :
  (forall i, (i < n)%nat -> P i = true -> 0 <= f i) -> 0 <= Σ (i < n | P i) f i.
Proof. intros H. apply sum_nonneg; intros i Hi. destruct (P i) eqn:E; [auto|lra]. Qed.

Lemma term_le_sum_if n (P : nat -> bool) f k :
  (forall i, (i < n)%nat -> P i = true -> 0 <= f i) -> (k < n)%nat -> P k = true ->
  f k <= Σ (i < n | P i) f i.
Proof.
  intros H Hk HP. pose (h i := if P i then f i else 0).
  replace (f k) with (h k) by (unfold h; now rewrite HP).
  apply (term_le_sum n h); [|assumption].
  intros i Hi; unfold h. destruct (P i) eqn:E; [auto|lra].
Qed.

Lemma sum_if_pos n (P : nat -> bool) f k :
  (forall i, (i < n)%nat -> P i = true -> 0 < f i) -> (k < n)%nat -> P k = true ->
  0 < Σ (i < n | P i) f i.
Proof.
  intros H Hk HP. apply Rlt_le_trans with (f k); [auto|].
  apply term_le_sum_if; auto. intros i Hi E; left; auto.
Qed.

Lemma count_rivals n s : (s < n)%nat -> Σ (j < n | rival s j) 1 = INR n - 1.
Proof.
  intros Hs. pose proof (sum_pick n s (fun _ => 1) Hs) as H. rewrite sum_const in H. lra.
Qed.

(** ** The largest and the least of finitely many numbers *)

Definition is_max (P : nat -> Prop) (f : nat -> R) (M : R) : Prop :=
  (forall i, P i -> f i <= M) /\ exists i, P i /\ f i = M.
Definition is_min (P : nat -> Prop) (f : nat -> R) (m : R) : Prop :=
  (forall i, P i -> m <= f i) /\ exists i, P i /\ f i = m.

(** "M is the maximum of f over ..." is never an empty assumption: finitely many numbers, at least
    one of which is meant, have a maximum. *)
Lemma max_or_none n (P : nat -> bool) f :
  (forall i, (i < n)%nat -> P i = false) \/
  exists M, is_max (fun i => (i < n)%nat /\ P i = true) f M.
Proof.
  induction n as [|n [Hno|(M & Hle & k & [Hk Ek] & HM)]]; [left; intros; lia| |].
  - destruct (P n) eqn:E.
    + right; exists (f n); split; [|exists n; auto with arith].
      intros i [Hi Ei]. destruct (Nat.eq_dec i n) as [->|]; [lra|].
      rewrite Hno in Ei by lia; discriminate.
    + left; intros i Hi. destruct (Nat.eq_dec i n) as [->|]; [assumption|apply Hno; lia].
  - right. destruct (P n) eqn:E; [destruct (Rle_dec (f n) M) as [Hn|Hn]|].
    2: { exists (f n); split; [|exists n; auto with arith].
         intros i [Hi Ei]. destruct (Nat.eq_dec i n) as [->|]; [lra|].
         assert (f i <= M) by (apply Hle; split; [lia|assumption]). lra. }
    all: exists M; split; [|exists k; auto with arith].
    all: intros i [Hi Ei]; destruct (Nat.eq_dec i n) as [->|];
      [lra || congruence|apply Hle; split; [lia|assumption]].
Qed.

Lemma max_exists n (P : nat -> bool) f k :
  (k < n)%nat -> P k = true -> exists M, is_max (fun i => (i < n)%nat /\ P i = true) f M.
Proof.
  intros Hk HP. destruct (max_or_none n P f) as [Hno|H]; [|assumption].
  rewrite Hno in HP by assumption; discriminate.
Qed.

(** ** Rows: dot product and length *)

Definition dot (d : nat) (a b : row) : R := Σ (i < d) (a i * b i).
Definition norm (d : nat) (a : row) : R := sqrt (dot d a a).

Lemma dot_ext d a b a' b' :
  (forall i, (i < d)%nat -> a i = a' i) -> (forall i, (i < d)%nat -> b i = b' i) ->
  dot d a b = dot d a' b'.
Proof. intros Ha Hb. apply sum_ext; intros i Hi. now rewrite Ha, Hb. Qed.

Lemma dot_comm d a b : dot d a b = dot d b a.
Proof. apply sum_ext; intros; ring. Qed.

Lemma dot_add_l d a b c : dot d (fun i => a i + b i) c = dot d a c + dot d b c.
Proof. unfold dot. rewrite <- sum_add. apply sum_ext; intros; ring. Qed.

Lemma dot_sub_l d a b c : dot d (fun i => a i - b i) c = dot d a c - dot d b c.
Proof. unfold dot. rewrite <- sum_sub. apply sum_ext; intros; ring. Qed.

Lemma dot_scale_l d x a c : dot d (fun i => x * a i) c = x * dot d a c.
Proof. unfold dot. rewrite <- sum_scale. apply sum_ext; intros; ring. Qed.

Lemma dot_add_r d a b c : dot d c (fun i => a i + b i) = dot d c a + dot d c b.
Proof. now rewrite dot_comm, dot_add_l, !(dot_comm d _ c). Qed.

Lemma dot_sub_r d a b c : dot d c (fun i => a i - b i) = dot d c a - dot d c b.
Proof. now rewrite dot_comm, dot_sub_l, !(dot_comm d _ c). Qed.

Lemma dot_scale_r d x a c : dot d c (fun i => x * a i) = x * dot d c a.
Proof. now rewrite dot_comm, dot_scale_l, (dot_comm d _ c). Qed.

Lemma dot_mix_l d n w (v : matrix) b :
  dot d (fun c => Σ (j < n) (w j * v j c)) b = Σ (j < n) (w j * dot d (v j) b).
Proof.
  unfold dot.
  rewrite (sum_ext d _ (fun c => Σ (j < n) (w j * (v j c * b c)))).
  - rewrite (sum_swap d n (fun c j => w j * (v j c * b c))).
    apply sum_ext; intros j _. apply sum_scale.
  - intros c _. rewrite <- sum_scale_r. apply sum_ext; intros; ring.
Qed.

Lemma dot_self_nonneg d a : 0 <= dot d a a.
Proof. apply sum_nonneg; intros; nra. Qed.

Lemma norm_nonneg d a : 0 <= norm d a.
Proof. apply sqrt_pos. Qed.

Lemma norm_sqr d a : norm d a ^ 2 = dot d a a.
Proof. apply pow2_sqrt, dot_self_nonneg. Qed.

Lemma norm_ext d a b : (forall i, (i < d)%nat -> a i = b i) -> norm d a = norm d b.
Proof. intros H. unfold norm. now rewrite (dot_ext d a a b b). Qed.

(** To compare lengths, compare squares. *)
Lemma le_of_squares x y : 0 <= y -> x ^ 2 <= y ^ 2 -> x <= y.
Proof. intros; nra. Qed.

Lemma eq_of_squares x y : 0 <= x -> 0 <= y -> x ^ 2 = y ^ 2 -> x = y.
Proof. intros; nra. Qed.

Lemma abs_range x y : Rabs x <= y -> - y <= x <= y.
Proof.
  intros H. pose proof (Rle_abs x). pose proof (Rle_abs (- x)). rewrite Rabs_Ropp in *. lra.
Qed.

Lemma norm_scale d x a : norm d (fun i => x * a i) = Rabs x * norm d a.
Proof.
  apply eq_of_squares.
  - apply norm_nonneg.
  - apply Rmult_le_pos; [apply Rabs_pos|apply norm_nonneg].
  - rewrite Rpow_mult_distr, !norm_sqr, pow2_abs, dot_scale_l, dot_scale_r. ring.
Qed.

Lemma norm_zero_iff d a : norm d a = 0 <-> forall i, (i < d)%nat -> a i = 0.
Proof.
  split.
  - intros H i Hi. assert (H0 : dot d a a = 0) by (rewrite <- norm_sqr, H; ring).
    assert (a i * a i = 0); [|nra].
    apply (sum_zero_term d (fun i => a i * a i)); [intros; nra|assumption..].
  - intros H. unfold norm, dot. rewrite sum_zero; [apply sqrt_0|].
    intros i Hi. rewrite H by assumption. ring.
Qed.

Lemma norm_pos d a : ~ (forall i, (i < d)%nat -> a i = 0) -> 0 < norm d a.
Proof.
  intros H. destruct (norm_nonneg d a) as [|E]; [assumption|].
  exfalso; apply H. now apply norm_zero_iff.
Qed.

Lemma entry_le_norm d a k : (k < d)%nat -> Rabs (a k) <= norm d a.
Proof.
  intros Hk. apply le_of_squares; [apply norm_nonneg|].
  rewrite norm_sqr, pow2_abs. simpl; rewrite Rmult_1_r.
  apply (term_le_sum d (fun i => a i * a i)); [intros; nra|assumption].
Qed.

(** The square of B a - P b, with P = a.b and B = b.b, is B (A B - P^2). *)
Lemma cauchy_schwarz_sqr d a b : dot d a b ^ 2 <= dot d a a * dot d b b.
Proof.
  set (A := dot d a a). set (B := dot d b b). set (P := dot d a b).
  assert (HB : 0 <= B) by apply dot_self_nonneg.
  destruct HB as [HB|HB].
  - assert (H : 0 <= dot d (fun i => B * a i - P * b i) (fun i => B * a i - P * b i))
      by apply dot_self_nonneg.
    rewrite dot_sub_l, !dot_sub_r, !dot_scale_l, !dot_scale_r in H.
    fold A B in H. rewrite (dot_comm d b a) in H. fold P in H. nra.
  - assert (H : P = 0); [|rewrite H, <- HB; lra].
    unfold P, dot. apply sum_zero; intros i Hi.
    assert (Hb : b i * b i = 0)
      by (apply (sum_zero_term d (fun i => b i * b i)); [intros; nra|auto..]).
    assert (b i = 0) by nra. nra.
Qed.

Lemma cauchy_schwarz d a b : Rabs (dot d a b) <= norm d a * norm d b.
Proof.
  apply le_of_squares; [apply Rmult_le_pos; apply norm_nonneg|].
  rewrite pow2_abs, Rpow_mult_distr, !norm_sqr. apply cauchy_schwarz_sqr.
Qed.

Lemma norm_triangle d a b : norm d (fun i => a i + b i) <= norm d a + norm d b.
Proof.
  pose proof (norm_nonneg d a); pose proof (norm_nonneg d b).
  apply le_of_squares; [lra|].
  rewrite norm_sqr, dot_add_l, !dot_add_r, (dot_comm d b a).
  pose proof (norm_sqr d a); pose proof (norm_sqr d b).
  pose proof (Rle_abs (dot d a b)); pose proof (cauchy_schwarz d a b). nra.
Qed.

Lemma norm_sum d n (v : matrix) : norm d (fun c => Σ (j < n) v j c) <= Σ (j < n) norm d (v j).
Proof.
  induction n as [|n IH]; simpl.
  - replace (norm d (fun _ => 0)) with 0; [lra|]. symmetry; now apply norm_zero_iff.
  - eapply Rle_trans; [apply norm_triangle|]. lra.
Qed.

(** A mixture with weights w >= 0 is no longer than the mixture of the lengths. *)
Lemma norm_mix d n w (v : matrix) :
  (forall j, (j < n)%nat -> 0 <= w j) ->
  norm d (fun c => Σ (j < n) (w j * v j c)) <= Σ (j < n) (w j * norm d (v j)).
Proof.
  intros Hw. eapply Rle_trans; [apply (norm_sum d n (fun j c => w j * v j c))|].
  apply sum_le; intros j Hj. rewrite norm_scale, Rabs_pos_eq by auto. lra.
Qed.

(** Multiplying entries by gains of at most M multiplies the length by at most M. *)
Lemma norm_gain d g a M :
  0 <= M -> (forall i, (i < d)%nat -> Rabs (g i) <= M) -> norm d (fun i => g i * a i) <= M * norm d a.
Proof.
  intros HM Hg. pose proof (norm_nonneg d a).
  apply le_of_squares; [nra|].
  rewrite Rpow_mult_distr, !norm_sqr. unfold dot. rewrite <- sum_scale.
  apply sum_le; intros i Hi. specialize (Hg i Hi).
  assert (g i ^ 2 <= M ^ 2) by (rewrite <- (pow2_abs (g i)); pose proof (Rabs_pos (g i)); nra).
  replace (g i * a i * (g i * a i)) with (g i ^ 2 * (a i * a i)) by ring.
  apply Rmult_le_compat_r; nra.
Qed.

(** ** Matrices: M b, a' M b, and the Frobenius norm *)

Definition times (d : nat) (M : matrix) (b : row) : row := fun i => dot d (M i) b.
Definition form (d : nat) (M : matrix) (a b : row) : R := dot d a (times d M b).
Definition frobenius_sqr (d : nat) (M : matrix) : R := Σ (i < d) dot d (M i) (M i).
Definition symmetric (d : nat) (M : matrix) : Prop :=
  forall i j, (i < d)%nat -> (j < d)%nat -> M i j = M j i.

Lemma form_symmetric d M a b : symmetric d M -> form d M a b = form d M b a.
Proof.
  intros HM. unfold form, times, dot.
  rewrite (sum_ext d _ (fun i => Σ (j < d) (a i * M i j * b j)))
    by (intros; rewrite <- sum_scale; apply sum_ext; intros; ring).
  rewrite (sum_swap d d (fun i j => a i * M i j * b j)).
  apply sum_ext; intros j Hj. rewrite <- sum_scale. apply sum_ext; intros i Hi.
  rewrite (HM i j) by assumption. ring.
Qed.

(** ||M b|| <= ||M||_F ||b||: Cauchy-Schwarz in every row of M. *)
Lemma norm_times_le d M b : norm d (times d M b) ^ 2 <= frobenius_sqr d M * norm d b ^ 2.
Proof.
  rewrite !norm_sqr. unfold dot at 1, times, frobenius_sqr. rewrite <- sum_scale_r.
  apply sum_le; intros i _. pose proof (cauchy_schwarz_sqr d (M i) b). lra.
Qed.

Lemma frobenius_sqr_nonneg d M : 0 <= frobenius_sqr d M.
Proof. apply sum_nonneg; intros; apply dot_self_nonneg. Qed.
