(** * convex-hull

    The output of a head is a mixture of values, so it lies in their convex hull. If the hull
    stays away from the origin, the head must write something. For any unit vector e,

        min_j v_j.e <= ||o||.

    The largest left side over all e is the distance of the hull from the origin: no e gives more
    than the length of a point of the hull, and the direction of the nearest point p, with its
    property v_j.p >= ||p||^2 for all j, gives ||p||. That property is proven here of a point that
    is nearest; that a nearest point exists (the hull is compact) is not proven.
    See docs/claims/convex-hull.md. *)

Require Export Softmax.

Definition unit_row (d : nat) (e : row) : Prop := norm d e = 1.

(** Weights that are not negative and add up to 1, as those of a softmax. *)
Definition mixture_weights (n : nat) (w : row) : Prop :=
  (forall j, (j < n)%nat -> 0 <= w j) /\ Σ (j < n) w j = 1.

Definition mix (n : nat) (w : row) (v : matrix) : row := fun c => Σ (j < n) (w j * v j c).

Lemma softmax_mixes n l : (0 < n)%nat -> mixture_weights n (weight n l).
Proof. intros Hn. split; [intros; left; now apply weight_pos|now apply weights_sum_to_1]. Qed.

Lemma mix_along d n w v e m :
  mixture_weights n w -> (forall j, (j < n)%nat -> m <= dot d (v j) e) -> m <= dot d (mix n w v) e.
Proof.
  intros [Hw H1] Hm. unfold mix. rewrite dot_mix_l.
  apply (mean_ge n (fun _ => true) w (fun j => dot d (v j) e)); auto.
Qed.

Lemma dot_unit_le_norm d a e : unit_row d e -> dot d a e <= norm d a.
Proof.
  intros He. pose proof (cauchy_schwarz d a e) as H. rewrite He in H.
  pose proof (Rle_abs (dot d a e)). lra.
Qed.

Theorem mixture_is_long d n w v e m :
  mixture_weights n w -> unit_row d e -> is_min (fun j => (j < n)%nat) (fun j => dot d (v j) e) m ->
  m <= norm d (mix n w v).
Proof.
  intros Hw He [Hm _]. eapply Rle_trans; [now apply (mix_along d n w v e)|].
  now apply dot_unit_le_norm.
Qed.

Theorem convex_hull d n l v e m :
  (0 < n)%nat -> unit_row d e -> is_min (fun j => (j < n)%nat) (fun j => dot d (v j) e) m ->
  m <= norm d (output n l v).
Proof. intros Hn. apply mixture_is_long. now apply softmax_mixes. Qed.

(** ** The best direction *)

(** No point of the hull is shorter than p = mix w v. *)
Definition nearest d n w v : Prop :=
  mixture_weights n w /\
  forall w', mixture_weights n w' -> norm d (mix n w v) <= norm d (mix n w' v).

(** A step from p towards v_j stays in the hull. *)
Definition step (t : R) (w : row) (k : nat) : row :=
  fun j => (1 - t) * w j + t * (if (j =? k)%nat then 1 else 0).

Lemma pick_one n k f : (k < n)%nat -> Σ (j < n) ((if (j =? k)%nat then 1 else 0) * f j) = f k.
Proof.
  intros Hk. rewrite (sum_pick n k) by assumption. rewrite Nat.eqb_refl, sum_zero; [ring|].
  intros j _. unfold rival. destruct (j =? k)%nat; simpl; ring.
Qed.

Lemma step_mixes n w k t :
  (k < n)%nat -> 0 <= t <= 1 -> mixture_weights n w -> mixture_weights n (step t w k).
Proof.
  intros Hk Ht [Hw H1]. split.
  - intros j Hj. specialize (Hw j Hj). unfold step. destruct (j =? k)%nat; nra.
  - unfold step. rewrite sum_add, !sum_scale. change (sum n w) with (Σ (j < n) w j). rewrite H1.
    rewrite (sum_ext n _ (fun j => (if (j =? k)%nat then 1 else 0) * 1)) by (intros; ring).
    rewrite pick_one by assumption. ring.
Qed.

Lemma mix_step n w v k t c :
  (k < n)%nat -> mix n (step t w k) v c = (1 - t) * mix n w v c + t * v k c.
Proof.
  intros Hk. unfold mix, step. rewrite <- (pick_one n k (fun j => v j c) Hk).
  rewrite <- !sum_scale, <- sum_add. apply sum_ext; intros; ring.
Qed.

(** Otherwise a short step from p towards v_j would come nearer to the origin. *)
Lemma nearest_supports d n w v k :
  (k < n)%nat -> nearest d n w v -> norm d (mix n w v) ^ 2 <= dot d (v k) (mix n w v).
Proof.
  intros Hk [Hw Hp]. set (p := mix n w v). rewrite norm_sqr.
  set (a := dot d p p). set (b := dot d (v k) p). set (c := dot d (v k) (v k)).
  destruct (Rle_dec a b) as [|Hab]; [assumption|exfalso].
  assert (Hquad : forall t, 0 <= t <= 1 -> a <= (1 - t) ^ 2 * a + 2 * t * (1 - t) * b + t ^ 2 * c).
  { intros t Ht. pose proof (Hp _ (step_mixes n w k t Hk Ht Hw)) as H.
    fold p in H. pose proof (norm_nonneg d p) as H0.
    apply (fun H => pow_incr _ _ 2 (conj H0 H)) in H.
    rewrite !norm_sqr in H. fold a in H.
    rewrite (dot_ext d (mix n (step t w k) v) _ (fun i => (1 - t) * p i + t * v k i)
      (fun i => (1 - t) * p i + t * v k i)) in H by (intros; now apply mix_step).
    rewrite dot_add_l, !dot_add_r, !dot_scale_l, !dot_scale_r, (dot_comm d p (v k)) in H.
    fold a b c in H. lra. }
  (* the slope at t = 0 is 2 (b - a) < 0; the curvature a - 2 b + c limits the step *)
  set (s := a - 2 * b + c) in *.
  assert (Hs : 0 <= s).
  { pose proof (dot_self_nonneg d (fun i => p i - v k i)) as Hd.
    rewrite dot_sub_l, !dot_sub_r, (dot_comm d p (v k)) in Hd. fold a b c in Hd. unfold s. lra. }
  set (t := (a - b) / (s + (a - b) + 1)).
  assert (Ht : 0 < t <= 1).
  { unfold t. split; [apply Rdiv_lt_0_compat; lra|].
    apply Rmult_le_reg_r with (s + (a - b) + 1); [lra|].
    unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  specialize (Hquad t ltac:(lra)).
  assert (Hts : t * s < a - b).
  { assert (t * (s + (a - b) + 1) = a - b) by (unfold t; field; lra). nra. }
  unfold s in Hts. nra.
Qed.

(** The direction of the nearest point certifies its length, and no direction certifies more. *)
Theorem best_direction d n w v :
  (0 < n)%nat -> nearest d n w v -> 0 < norm d (mix n w v) ->
  let p := mix n w v in
  let e := fun c => / norm d p * p c in
  unit_row d e /\
  (forall j, (j < n)%nat -> norm d p <= dot d (v j) e) /\
  (forall e' m, unit_row d e' -> is_min (fun j => (j < n)%nat) (fun j => dot d (v j) e') m ->
     m <= norm d p).
Proof.
  intros Hn Hnear Hp p e. fold p in Hp. split; [|split].
  - unfold unit_row, e. rewrite norm_scale, Rabs_pos_eq by (left; now apply Rinv_0_lt_compat).
    field; lra.
  - intros j Hj. pose proof (nearest_supports d n w v j Hj Hnear) as H. fold p in H.
    unfold e. rewrite dot_scale_r. apply Rmult_le_reg_l with (norm d p); [assumption|].
    rewrite <- Rmult_assoc, Rinv_r by lra. lra.
  - intros e' m He' Hm. now apply (mixture_is_long d n w v e'); [apply Hnear| |].
Qed.

Print Assumptions convex_hull.
Print Assumptions best_direction.
