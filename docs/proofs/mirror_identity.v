(** * mirror-identity

    Twice the even part of a gated feed-forward block is a quadratic form, exactly. With
    z_j = g_j.x, y_j = u_j.x, F(x) = Σ_j w_j act(z_j) y_j for one output channel and
    S = 1/2 Σ_j w_j (g_j u_j' + u_j g_j'), for every activation with act(z) - act(-z) = z,

    (a) F(x) + F(-x) = x' S x = Σ_j w_j z_j y_j;
    (b) (J(x) - J(-x)) v = 2 x' S v for every direction v, J(x) v being the derivative of F
        along v at x.

    SiLU, ReLU and any z φ(z) with φ(z) + φ(-z) = 1, as both forms of GELU are, meet the
    assumption. See docs/claims/mirror-identity.md. *)

Require Export Sums Logistic.

(** The rows of the gate and up projections, and one row of W_down. *)
Record block := { neurons : nat; gate : matrix; up : matrix; down : row }.

Section Block.
Variables (d : nat) (B : block).

Definition z (x : row) (j : nat) : R := dot d (gate B j) x.
Definition y (x : row) (j : nat) : R := dot d (up B j) x.
Definition write (act : R -> R) (x : row) : R := Σ (j < neurons B) (down B j * act (z x j) * y x j).

Definition S_k (i k : nat) : R :=
  / 2 * Σ (j < neurons B) (down B j * (gate B j i * up B j k + up B j i * gate B j k)).

Definition opposite (x : row) : row := fun i => - x i.

(** ** The form, neuron by neuron *)

Lemma times_S_k b i :
  times d S_k b i = / 2 * Σ (j < neurons B) (down B j * (gate B j i * y b j + up B j i * z b j)).
Proof.
  unfold times, dot, S_k.
  rewrite (sum_ext d _ (fun k => / 2 * Σ (j < neurons B)
    (down B j * (gate B j i * (up B j k * b k) + up B j i * (gate B j k * b k))))).
  - rewrite sum_scale. f_equal.
    rewrite (sum_swap d (neurons B) (fun k j =>
      down B j * (gate B j i * (up B j k * b k) + up B j i * (gate B j k * b k)))).
    apply sum_ext; intros j _. rewrite sum_scale. f_equal.
    rewrite sum_add, !sum_scale. reflexivity.
  - intros k _. rewrite Rmult_assoc, <- sum_scale_r. f_equal. apply sum_ext; intros; ring.
Qed.

Lemma form_S_k a b :
  form d S_k a b = / 2 * Σ (j < neurons B) (down B j * (z a j * y b j + y a j * z b j)).
Proof.
  unfold form. rewrite (dot_ext d a _ a
    (fun i => / 2 * Σ (j < neurons B) (down B j * (gate B j i * y b j + up B j i * z b j))))
    by (auto using times_S_k).
  rewrite dot_scale_r. f_equal. unfold dot.
  rewrite (sum_ext d _ (fun i => Σ (j < neurons B)
    (down B j * (y b j * (gate B j i * a i) + z b j * (up B j i * a i)))))
    by (intros i _; rewrite <- sum_scale; apply sum_ext; intros; ring).
  rewrite (sum_swap d (neurons B)
    (fun i j => down B j * (y b j * (gate B j i * a i) + z b j * (up B j i * a i)))).
  apply sum_ext; intros j _. rewrite sum_scale. f_equal.
  rewrite sum_add, !sum_scale. fold (dot d (gate B j) a). fold (dot d (up B j) a).
  fold (z a j). fold (y a j). ring.
Qed.

Lemma z_opposite x j : z (opposite x) j = - z x j.
Proof. unfold z, dot, opposite. rewrite (sum_ext d _ (fun i => -1 * (gate B j i * x i)))
  by (intros; ring). rewrite sum_scale. ring. Qed.

Lemma y_opposite x j : y (opposite x) j = - y x j.
Proof. unfold y, dot, opposite. rewrite (sum_ext d _ (fun i => -1 * (up B j i * x i)))
  by (intros; ring). rewrite sum_scale. ring. Qed.

(** ** (a) *)

Section Mirror.
Variable act : R -> R.
Hypothesis mirror : forall t, act t - act (- t) = t.

Lemma write_mirror x :
  write act x + write act (opposite x) = Σ (j < neurons B) (down B j * z x j * y x j).
Proof.
  unfold write. rewrite <- sum_add. apply sum_ext; intros j _.
  rewrite z_opposite, y_opposite. pose proof (mirror (z x j)) as H.
  replace (act (- z x j)) with (act (z x j) - z x j) by lra. ring.
Qed.

(** ** (b) *)

(** A row on the line through x in the direction v. *)
Definition on_line (x v : row) (t : R) : row := fun i => x i + t * v i.

Lemma z_on_line x v t j : z (on_line x v t) j = z x j + t * z v j.
Proof. unfold z, on_line. now rewrite dot_add_r, dot_scale_r. Qed.

Lemma y_on_line x v t j : y (on_line x v t) j = y x j + t * y v j.
Proof. unfold y, on_line. now rewrite dot_add_r, dot_scale_r. Qed.

(** J(x) v is a number D with which F(x + t v) has the derivative D at t = 0. *)
Definition slope_along (x v : row) (D : R) : Prop :=
  derivable_pt_lim (fun t => write act (on_line x v t)) 0 D.

(** The line through -x in the direction v is the mirror image of the line through x, run
    backwards. So the two slopes add up to that of the quadratic form along the line. *)
Lemma sum_along x v t :
  write act (on_line x v t) + write act (on_line (opposite x) v (- t)) =
  Σ (j < neurons B) (down B j * z (on_line x v t) j * y (on_line x v t) j).
Proof.
  rewrite <- write_mirror. f_equal. unfold write. apply sum_ext; intros j _.
  rewrite !z_on_line, !y_on_line, !z_opposite, !y_opposite, z_on_line, y_on_line.
  do 2 f_equal; [f_equal|]; ring.
Qed.

Lemma slope_of_form x v :
  derivable_pt_lim
    (fun t => Σ (j < neurons B) (down B j * z (on_line x v t) j * y (on_line x v t) j)) 0
    (2 * form d S_k x v).
Proof.
  rewrite form_S_k.
  replace (2 * (/ 2 * Σ (j < neurons B) (down B j * (z x j * y v j + y x j * z v j))))
    with (Σ (j < neurons B) (down B j * (z x j * y v j + y x j * z v j))) by lra.
  induction (neurons B) as [|n IH]; simpl; [apply derivable_pt_lim_const|].
  apply (derivable_pt_lim_plus
    (fun t => Σ (j < n) (down B j * z (on_line x v t) j * y (on_line x v t) j))
    (fun t => down B n * z (on_line x v t) n * y (on_line x v t) n)); [exact IH|].
  (* one neuron: the product of two affine functions of t *)
  intros e He. exists (mkposreal (e / (1 + Rabs (down B n * z v n * y v n)))
    ltac:(pose proof (Rabs_pos (down B n * z v n * y v n)); apply Rdiv_lt_0_compat; lra)).
  simpl. intros h Hh Hd. rewrite !z_on_line, !y_on_line.
  match goal with |- Rabs ?q < e => replace q with (h * (down B n * z v n * y v n)) by (field; lra) end.
  rewrite Rabs_mult. set (c := Rabs (down B n * z v n * y v n)) in *.
  assert (0 <= c) by apply Rabs_pos.
  apply Rle_lt_trans with (Rabs h * (1 + c)); [pose proof (Rabs_pos h); nra|].
  apply Rmult_lt_compat_r with (r := 1 + c) in Hd; [|lra].
  replace (e / (1 + c) * (1 + c)) with e in Hd by (field; lra). assumption.
Qed.

Theorem mirror_identity (x : row) :
  (* a *) write act x + write act (opposite x) = form d S_k x x /\
          form d S_k x x = Σ (j < neurons B) (down B j * z x j * y x j) /\
  (* b *) (forall v D D', slope_along x v D -> slope_along (opposite x) v D' ->
             D - D' = 2 * form d S_k x v).
Proof.
  assert (Hform : form d S_k x x = Σ (j < neurons B) (down B j * z x j * y x j)).
  { rewrite form_S_k, <- sum_scale. apply sum_ext; intros; field. }
  split; [|split].
  - now rewrite write_mirror, Hform.
  - exact Hform.
  - intros v D D' HD HD'.
    apply (uniqueness_limite
      (fun t => Σ (j < neurons B) (down B j * z (on_line x v t) j * y (on_line x v t) j)) 0);
      [|apply slope_of_form].
    intros e He.
    destruct (derivable_pt_lim_plus _ _ 0 _ _ HD
      (derivable_pt_lim_comp Ropp (fun t => write act (on_line (opposite x) v t)) 0 _ _
        (derivable_pt_lim_opp id 0 1 (derivable_pt_lim_id 0))
        ltac:(unfold slope_along in HD'; rewrite Ropp_0; exact HD')) e He) as [del Hdel].
    exists del. intros h Hh Hd. specialize (Hdel h Hh Hd).
    unfold plus_fct, comp in Hdel. rewrite !sum_along in Hdel.
    replace (D - D') with (D + D' * -1) by ring. exact Hdel.
Qed.

End Mirror.
End Block.

(** ** Activations that meet the assumption *)

Lemma mirror_of_share (φ : R -> R) :
  (forall t, φ t + φ (- t) = 1) -> forall t, t * φ t - - t * φ (- t) = t.
Proof.
  intros H t. replace (t * φ t - - t * φ (- t)) with (t * (φ t + φ (- t))) by ring.
  rewrite H. ring.
Qed.

Theorem mirror_identity_SiLU d B x :
  write d B SiLU x + write d B SiLU (opposite x) = form d (S_k B) x x.
Proof. apply mirror_identity. exact SiLU_mirror. Qed.

Theorem mirror_identity_ReLU d B x :
  write d B ReLU x + write d B ReLU (opposite x) = form d (S_k B) x x.
Proof. apply mirror_identity. exact ReLU_mirror. Qed.

Print Assumptions mirror_identity.
Print Assumptions mirror_identity_SiLU.
