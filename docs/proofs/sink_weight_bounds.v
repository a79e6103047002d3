(** * sink-weight-bounds

    The weight of a sink is settled by its logit against an aggregate of the rivals. For n >= 2
    keys, A_s the weight of key s, and j running over its rivals:

    (a) σ(l_s - max_j l_j - ln(n - 1)) <= A_s
    (b) A_s <= σ(l_s - max_j l_j)
    (c) A_s <= σ(l_s - mean_j l_j - ln(n - 1))
    (d) A_s <= σ(l_s - LSE_G(μ_G + ln |G|)) for any partition of the rivals into groups G with
        the means μ_G.

    The slack of (c) in logit units is the divergence of the uniform weights from the softmax of
    the rivals. See docs/claims/sink-weight-bounds.md. *)

Require Export Softmax.

Section Sink.
Variables (n : nat) (l : row) (s : nat).
Hypotheses (two_keys : (2 <= n)%nat) (visible : (s < n)%nat).

Definition among_rivals (j : nat) : Prop := (j < n)%nat /\ rival s j = true.

Lemma count_pos : 0 < INR n - 1.
Proof. apply le_INR in two_keys. simpl in two_keys. lra. Qed.

(** A_s = σ(l_s - LSE), so bounds of the LSE are bounds of A_s, the other way round. *)
Lemma weight_le b : b <= LSE n l s -> weight n l s <= σ (l s - b).
Proof. intros H. rewrite weight_sigma by assumption. apply sigma_increases. lra. Qed.

Lemma weight_ge b : LSE n l s <= b -> σ (l s - b) <= weight n l s.
Proof. intros H. rewrite weight_sigma by assumption. apply sigma_increases. lra. Qed.

Lemma exp_le x y : x <= y -> exp x <= exp y.
Proof. intros [H| ->]; [left; now apply exp_increasing|lra]. Qed.

Lemma ln_le x y : 0 < x -> x <= y -> ln x <= ln y.
Proof. intros Hx [H| ->]; [left; now apply ln_increasing|lra]. Qed.

(** ** (a), (b): each of the n - 1 terms is at most e^max, and one of them is. *)

Lemma LSE_le_max M : is_max among_rivals l M -> LSE n l s <= M + ln (INR n - 1).
Proof.
  intros [HM _]. pose proof count_pos. rewrite <- (ln_exp M) at 1.
  rewrite <- ln_mult by (apply exp_pos || assumption).
  apply ln_le; [now apply rival_partition_pos|].
  rewrite <- (count_rivals n s visible), <- sum_if_scale. apply sum_if_le; intros j Hj E.
  rewrite Rmult_1_r. apply exp_le, HM. now split.
Qed.

Lemma max_le_LSE M : is_max among_rivals l M -> M <= LSE n l s.
Proof.
  intros [_ (j & [Hj E] & <-)]. rewrite <- (ln_exp (l j)). apply ln_le; [apply exp_pos|].
  apply (term_le_sum_if n (rival s) (fun j => exp (l j))); auto.
  intros; left; apply exp_pos.
Qed.

(** ** (d), (c): Jensen's inequality in every group *)

(** G sends a rival to the number of its group, one of the numbers 0, ..., k - 1. *)
Definition in_group (G : nat -> nat) (g j : nat) : bool := rival s j && (G j =? g)%nat.
Definition size (G : nat -> nat) (g : nat) : R := Σ (j < n | in_group G g j) 1.
Definition mean (G : nat -> nat) (g : nat) : R := (Σ (j < n | in_group G g j) l j) / size G g.
Definition nonempty (G : nat -> nat) (g : nat) : Prop :=
  exists j, (j < n)%nat /\ in_group G g j = true.

Lemma size_pos G g : nonempty G g -> 0 < size G g.
Proof.
  intros (j & Hj & E). apply (sum_if_pos n (in_group G g) (fun _ => 1) j); auto; intros; lra.
Qed.

(** exp lies above its tangent at the mean; the linear terms cancel in the sum. *)
Lemma jensen G g :
  nonempty G g -> size G g * exp (mean G g) <= Σ (j < n | in_group G g j) exp (l j).
Proof.
  intros Hg. pose proof (size_pos G g Hg) as Hs. set (μ := mean G g).
  replace (size G g * exp μ)
    with (Σ (j < n | in_group G g j) (exp μ * 1 + (exp μ * l j + - (exp μ * μ) * 1))).
  - apply sum_if_le; intros j _ _. pose proof (exp_ineq1_le (l j - μ)).
    replace (exp (l j)) with (exp μ * exp (l j - μ)) by (rewrite <- exp_plus; f_equal; ring).
    pose proof (exp_pos μ). nra.
  - rewrite !sum_if_add, !sum_if_scale. fold (size G g).
    replace (Σ (j < n | in_group G g j) l j) with (μ * size G g)
      by (unfold μ, mean; field; lra).
    ring.
Qed.

(** The groups together hold every rival once. *)
Lemma groups_cover G k f :
  (forall j, among_rivals j -> (G j < k)%nat) ->
  Σ (g < k) Σ (j < n | in_group G g j) f j = Σ (j < n | rival s j) f j.
Proof.
  intros HG. rewrite (sum_swap k n (fun g j => if in_group G g j then f j else 0)).
  apply sum_ext; intros j Hj. unfold in_group. destruct (rival s j) eqn:E; simpl.
  - rewrite (sum_pick k (G j)) by (apply HG; split; assumption).
    rewrite Nat.eqb_refl, sum_zero; [ring|]. intros g _. unfold rival.
    rewrite (Nat.eqb_sym g). now destruct (G j =? g)%nat.
  - now apply sum_zero.
Qed.

Definition LSE_of_groups (G : nat -> nat) (k : nat) : R :=
  ln (Σ (g < k) exp (mean G g + ln (size G g))).

Lemma LSE_ge_groups G k :
  (forall j, among_rivals j -> (G j < k)%nat) -> (forall g, (g < k)%nat -> nonempty G g) ->
  LSE_of_groups G k <= LSE n l s.
Proof.
  intros HG Hne. apply ln_le.
  - apply sum_pos; [|intros; apply exp_pos]. destruct (a_rival n s two_keys) as (r & Hr & E).
    specialize (HG r (conj Hr E)). lia.
  - unfold rival_partition. rewrite <- (groups_cover G k) by assumption.
    apply sum_le; intros g Hg. specialize (Hne g Hg).
    rewrite exp_plus, exp_ln, Rmult_comm by now apply size_pos. now apply jensen.
Qed.

(** A group of one loses nothing. *)
Lemma singletons_exact G k :
  (forall j, among_rivals j -> (G j < k)%nat) ->
  (forall g, (g < k)%nat -> nonempty G g) ->
  (forall i j, among_rivals i -> among_rivals j -> G i = G j -> i = j) ->
  LSE_of_groups G k = LSE n l s.
Proof.
  intros HG Hne Hinj. unfold LSE_of_groups, LSE, rival_partition. f_equal.
  rewrite <- (groups_cover G k) by assumption. apply sum_ext; intros g Hg.
  destruct (Hne g Hg) as (r & Hr & E).
  assert (Hone : forall f, Σ (j < n | in_group G g j) f j = f r).
  { intros f. rewrite (sum_pick n r), E by assumption. rewrite sum_zero; [ring|].
    intros j Hj. destruct (rival r j) eqn:Ej; [|reflexivity].
    destruct (in_group G g j) eqn:E'; [|reflexivity].
    apply rival_true in Ej. unfold in_group in E, E'.
    apply andb_true_iff in E as [E1 E2]. apply andb_true_iff in E' as [E1' E2'].
    apply Nat.eqb_eq in E2, E2'. destruct Ej. apply Hinj; [split|split|]; congruence || assumption. }
  unfold mean, size. rewrite !Hone. rewrite ln_1, Rplus_0_r. f_equal. field.
Qed.

(** One group of all. *)
Definition mean_of_rivals : R := (Σ (j < n | rival s j) l j) / (INR n - 1).

Lemma one_group_if f : Σ (j < n | in_group (fun _ => 0%nat) 0 j) f j = Σ (j < n | rival s j) f j.
Proof. apply sum_ext; intros j _. unfold in_group. simpl. now rewrite andb_true_r. Qed.

Lemma LSE_ge_mean : mean_of_rivals + ln (INR n - 1) <= LSE n l s.
Proof.
  assert (Hsize : size (fun _ => 0%nat) 0 = INR n - 1)
    by (unfold size; rewrite one_group_if; now apply count_rivals).
  assert (Hmean : mean (fun _ => 0%nat) 0 = mean_of_rivals)
    by (unfold mean; rewrite Hsize, one_group_if; reflexivity).
  pose proof (LSE_ge_groups (fun _ => 0%nat) 1) as H.
  unfold LSE_of_groups in H. simpl in H.
  rewrite Rplus_0_l, ln_exp, Hmean, Hsize in H. apply H; [lia|].
  intros g Hg. replace g with 0%nat by lia. destruct (a_rival n s two_keys) as (r & Hr & E).
  exists r; split; [assumption|]. unfold in_group. now rewrite E.
Qed.

(** ** The slack of (c) *)

Definition rival_weight (j : nat) : R := exp (l j) / rival_partition n l s.
Definition uniform : R := / (INR n - 1).

Lemma slack_is_divergence :
  LSE n l s - (mean_of_rivals + ln (INR n - 1)) =
  Σ (j < n | rival s j) (uniform * ln (uniform / rival_weight j)).
Proof.
  pose proof count_pos as Hn. pose proof (rival_partition_pos n l s two_keys) as HR.
  rewrite sum_if_scale.
  rewrite (sum_if_ext n (rival s) _ (fun j => (LSE n l s - ln (INR n - 1)) * 1 + -1 * l j)).
  - rewrite sum_if_add, !sum_if_scale, count_rivals by assumption.
    unfold uniform, mean_of_rivals. field; lra.
  - intros j _ _. unfold uniform, rival_weight, LSE.
    replace (/ (INR n - 1) / (exp (l j) / rival_partition n l s))
      with (rival_partition n l s * (/ (INR n - 1) * / exp (l j)))
      by (pose proof (exp_pos (l j)); field; lra).
    pose proof (exp_pos (l j)).
    rewrite !ln_mult, !ln_Rinv, ln_exp; try apply Rinv_0_lt_compat; try assumption.
    + ring.
    + apply Rmult_lt_0_compat; now apply Rinv_0_lt_compat.
Qed.

Theorem sink_weight_bounds :
  (* a, b *) (forall M, is_max among_rivals l M ->
                σ (l s - (M + ln (INR n - 1))) <= weight n l s <= σ (l s - M)) /\
  (* c *)    weight n l s <= σ (l s - (mean_of_rivals + ln (INR n - 1))) /\
  (* d *)    (forall G k, (forall j, among_rivals j -> (G j < k)%nat) ->
                (forall g, (g < k)%nat -> nonempty G g) ->
                weight n l s <= σ (l s - LSE_of_groups G k)).
Proof.
  split; [|split].
  - intros M HM. split.
    + apply weight_ge. now apply LSE_le_max.
    + apply weight_le. now apply max_le_LSE.
  - apply weight_le, LSE_ge_mean.
  - intros G k HG Hne. apply weight_le. now apply LSE_ge_groups.
Qed.

End Sink.

Print Assumptions sink_weight_bounds.
Print Assumptions singletons_exact.
Print Assumptions slack_is_divergence.
