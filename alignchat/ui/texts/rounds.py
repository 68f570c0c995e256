"""Texts of the tab Rounds: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "rounds_intro": (
        (
            "A round trains a small adapter on your feedback, then measures bias. The base model "
            "stays as it is, and you can go on chatting meanwhile."
        ),
        (
            "Un round addestra un piccolo adattatore sui tuoi giudizi, poi misura il bias. Il "
            "modello di base resta com'è, e intanto puoi continuare a chattare."
        ),
    ),
    "method": ("Learn from", "Impara da"),
    "method_kto": ("Thumbs (KTO)", "Pollici (KTO)"),
    "method_dpo": ("Choices (DPO)", "Scelte (DPO)"),
    "method_kto_about": (
        (
            "KTO makes replies like those you liked more likely, and those like the disliked ones "
            "less. It needs both kinds."
        ),
        (
            "KTO rende più probabili le risposte simili a quelle che ti piacciono e meno le altre. "
            "Servono giudizi di entrambi i tipi."
        ),
    ),
    "method_dpo_about": (
        (
            "DPO makes the reply you chose more likely than the one beside it. It needs choices "
            "between two replies."
        ),
        ("DPO rende la risposta scelta più probabile di quella accanto. Servono scelte fra due risposte."),
    ),
    "method_orpo": ("Choices (ORPO)", "Scelte (ORPO)"),
    "method_cpo": ("Choices (CPO)", "Scelte (CPO)"),
    "method_orpo_about": (
        (
            "ORPO teaches the chosen reply itself while it makes the other one less likely. It is held to "
            "nothing, so it moves further than DPO."
        ),
        (
            "ORPO insegna la risposta scelta e intanto rende meno probabile l'altra. Non è tenuto a nulla, "
            "quindi si muove più di DPO."
        ),
    ),
    "method_cpo_about": (
        "CPO does as DPO without a reference, and also teaches the chosen reply itself. It moves further.",
        "CPO fa come DPO senza riferimento, e insegna anche la risposta scelta. Si muove di più.",
    ),
    "preset": ("How far", "Quanto"),
    "preset_gentle": ("gentle", "poco"),
    "preset_standard": ("standard", "normale"),
    "preset_strong": ("strong", "molto"),
    "preset_about": (
        "Learning rate {rate}, beta {beta}: gentle is for few ratings, strong for many clear ones.",
        "Learning rate {rate}, beta {beta}: poco per pochi giudizi, molto per tanti e chiari.",
    ),
    "advanced": ("All settings of the training", "Tutte le impostazioni dell'addestramento"),
    "measure_machine": ("How long will it take?", "Quanto ci vorrà?"),
    "measuring_machine": (
        "Measuring this machine, about half a minute…",
        "Misuro questa macchina, circa mezzo minuto…",
    ),
    "gigabytes": ("{n} GB", "{n} GB"),
    "takes": (
        "{steps} steps in about **{time}**, at most about **{memory}** of {budget} of memory.",
        "{steps} passi in circa **{time}**, al più circa **{memory}** di {budget} di memoria.",
    ),
    "takes_memory": (
        "{steps} steps, at most about **{memory}** of {budget} of memory.",
        "{steps} passi, al più circa **{memory}** di {budget} di memoria.",
    ),
    "would_fit": ("That does not fit; it would with {changes}.", "Non ci sta; ci starebbe con {changes}."),
    "will_not_fit": (
        "That does not fit, with any setting here; take a smaller model.",
        "Non ci sta, con nessuna impostazione; prendi un modello più piccolo.",
    ),
    "not_measured": ("How long was not measured yet.", "La durata non è ancora stata misurata."),
    "against": (
        "Something speaks against this round, compared with the {other}. You decide.",
        "Qualcosa parla contro questo round, confrontato con: {other}. Decidi tu.",
    ),
    "nothing_against": (
        "Nothing speaks against this round, compared with the {other}.",
        "Nulla parla contro questo round, confrontato con: {other}.",
    ),
    "fact_worse": ("worse", "peggio"),
    "fact_better": ("better", "meglio"),
    "fact_unseen": ("no difference can be seen", "non si vede differenza"),
    "difference": (
        "{value}, 95 % between {low} and {high}, n = {n}",
        "{value}, 95 % fra {low} e {high}, n = {n}",
    ),
    "held_out_rows": ("Held-out rows, reward", "Righe tenute da parte, ricompensa"),
    "guard": ("Guard", "Guardia"),
    "guard_loss": (
        "at step {step} the loss was {value} times that of the first steps; see its curve.",
        "al passo {step} la loss era {value} volte quella dei primi passi; vedi la curva.",
    ),
    "guard_logits": (
        "at step {step} the logits had moved by {value}; see their curve.",
        "al passo {step} i logit si erano spostati di {value}; vedi la curva.",
    ),
    "guard_chosen": (
        "at step {step} the chosen replies' log-probability had fallen by {value}; see its curve.",
        "al passo {step} la log-probabilità delle risposte scelte era scesa del {value}; vedi la curva.",
    ),
    "guard_repetition": (
        "after step {step} {value} of what it says in the sample replies below is repeated.",
        "dopo il passo {step} il {value} di ciò che dice nelle risposte di prova qui sotto è ripetuto.",
    ),
    "held_out_table": ("On held-out rows", "Sulle righe tenute da parte"),
    "held_out_note": (
        "On rows held out of training, by source; rewards are against the base model.",
        "Su righe fuori dall'addestramento, per fonte; le ricompense sono rispetto al modello di base.",
    ),
    "column_source": ("Source", "Fonte"),
    "column_model": ("Model", "Modello"),
    "column_n": ("n", "n"),
    "column_prompt": ("Prompt", "Domanda"),
    "metric_logits/chosen": ("Logits, chosen", "Logit, scelte"),
    "metric_logits/rejected": ("Logits, rejected", "Logit, rifiutate"),
    "metric_logps/chosen": ("Log p, chosen", "Log p, scelte"),
    "metric_logps/rejected": ("Log p, rejected", "Log p, rifiutate"),
    "metric_loss": ("Loss", "Loss"),
    "metric_rewards/chosen": ("Reward, chosen", "Ricompensa, scelte"),
    "metric_rewards/rejected": ("Reward, rejected", "Ricompensa, rifiutate"),
    "metric_rewards/margins": ("Margin", "Margine"),
    "metric_rewards/accuracies": ("Accuracy", "Accuratezza"),
    "metric_kl": ("KL", "KL"),
    "metric_grad_norm": ("Gradient norm", "Norma del gradiente"),
    "metric_learning_rate": ("Learning rate", "Learning rate"),
    "log": ("The latest steps", "Gli ultimi passi"),
    "sample_replies": ("Sample replies", "Risposte di prova"),
    "preview": (
        (
            "A round now would train on **{train}** {rows}: **{desirable}** good, **{undesirable}** "
            "bad, from **{prompts}** {prompts_word}."
        ),
        (
            "Ora un round userebbe **{train}** {rows}: **{desirable}** buone, **{undesirable}** "
            "cattive, da **{prompts}** {prompts_word}."
        ),
    ),
    "preview_dpo": (
        "A round now would train on **{train}** {rows}, from **{prompts}** {prompts_word}.",
        "Ora un round userebbe **{train}** {rows}, da **{prompts}** {prompts_word}.",
    ),
    "rows_kto": ("replies", "risposte"),
    "rows_kto_one": ("reply", "risposta"),
    "rows_dpo": ("pairs", "coppie"),
    "rows_dpo_one": ("pair", "coppia"),
    "prompts_word": ("prompts", "domande"),
    "prompts_word_one": ("prompt", "domanda"),
    "held_out": ("{n} held out to measure it.", "{n} tenute da parte per misurarlo."),
    "removed": ("Left out: {what}.", "Escluse: {what}."),
    "removed_tie": ("{n} ties", "{n} pari"),
    "removed_both_bad": ("{n} both bad", "{n} male entrambe"),
    "removed_duplicate": ("{n} said twice", "{n} dette due volte"),
    "removed_same text on both sides": (
        "{n} with the same text on both sides",
        "{n} con lo stesso testo da entrambe le parti",
    ),
    "removed_as many for as against": ("{n} with as many for as against", "{n} con tanti pro quanti contro"),
    "removed_reply deleted": ("{n} whose reply was deleted", "{n} con risposta cancellata"),
    "removed_reply stopped before its end": ("{n} whose reply was stopped", "{n} con risposta fermata"),
    "removed_empty reply": ("{n} with an empty reply", "{n} con risposta vuota"),
    "removed_other": ("{n} {reason}", "{n} {reason}"),
    "need_kto": (
        ("Not yet: KTO needs at least one reply you like and one you dislike. Mark replies in Chat."),
        ("Non ancora: a KTO serve almeno una risposta che ti piace e una che non ti piace. Segnale in Chat."),
    ),
    "need_dpo": (
        "Not yet: DPO needs at least one choice between two replies. Choose in Compare.",
        "Non ancora: a DPO serve almeno una scelta fra due risposte. Scegli in Confronta.",
    ),
    "parent": ("Start from", "Parti da"),
    "steps": ("Steps", "Passi"),
    "steps_auto": ("chosen for you", "scelti per te"),
    "progress": ("Progress", "Avanzamento"),
    "no_run": ("Nothing is running.", "Non c'è nulla in corso."),
    "phase_loading the model": ("loading the model", "carico il modello"),
    "phase_training": ("training", "addestro"),
    "phase_waiting for the chat": ("waiting for the chat", "aspetto la chat"),
    "phase_measuring the held-out rows": ("measuring the held-out rows", "misuro le righe tenute da parte"),
    "phase_trying the round": ("trying the round", "provo il round"),
    "phase_making ready to measure": ("making ready to measure", "preparo la misura"),
    "phase_writing the adapter": ("writing the adapter", "scrivo l'adattatore"),
    "phase_scoring the base model": ("measuring the base model", "misuro il modello di base"),
    "phase_scoring": ("measuring {round}", "misuro il {round}"),
    "phase_starting": ("starting", "avvio"),
    "step_of": ("step {done} of {total}", "passo {done} di {total}"),
    "done_of": ("{done} of {total}", "{done} di {total}"),
    "loss": ("loss {loss}", "loss {loss}"),
    "seconds_left": ("about {time} left", "circa {time} alla fine"),
    "seconds": ("{n} s", "{n} s"),
    "minutes": ("{n} min", "{n} min"),
    "hours": ("{h} h {m} min", "{h} h {m} min"),
    "chart_training": ("Training, step by step", "Addestramento, passo per passo"),
    "rounds_table": ("Rounds", "Round"),
    "column_round": ("Round", "Round"),
    "column_method": ("Method", "Metodo"),
    "column_from": ("From", "Da"),
    "column_status": ("Status", "Stato"),
    "column_rows": ("Rows", "Righe"),
    "column_loss": ("Loss", "Loss"),
    "column_active": ("In use", "In uso"),
    "active_mark": ("in use", "in uso"),
    "status_done": ("done", "finito"),
    "status_running": ("running", "in corso"),
    "status_failed": ("failed", "fallito"),
    "status_cancelled": ("cancelled", "annullato"),
    "status_interrupted": ("interrupted", "interrotto"),
    "status_damaged": ("damaged", "danneggiato"),
    "rounds_empty": (
        "There is only the base model so far. Mark some replies, then press **Retrain**.",
        "Per ora c'è solo il modello di base. Giudica qualche risposta, poi premi **Riaddestra**.",
    ),
    "which_round": ("Round", "Round"),
    "use": ("Use this round", "Usa questo round"),
    "cancel": ("Cancel", "Annulla"),
    "resume": ("Resume", "Riprendi"),
    "using": (
        "{round} is in use: new replies come from it.",
        "{round}: in uso. Le nuove risposte vengono da qui.",
    ),
    "trying": ("Trying the round before it is used…", "Provo il round prima di usarlo…"),
    "started": ("{round} has begun.", "{round}: iniziato."),
    "cancelling": (
        "{round} stops at its next step and can be resumed.",
        "{round}: si ferma al prossimo passo e si può riprendere.",
    ),
    "resumed": ("{round} goes on.", "{round}: ripreso."),
    "ended_base": ("{round}: the measurement has ended.", "{round}: la misura è finita."),
    "ended_done": (
        "{round} is done. Press Use this round to talk to it, and see its scores under Scores.",
        "{round}: finito. Premi Usa questo round per parlargli, e vedi i valori sotto Misure.",
    ),
    "ended_failed": ("{round} failed; the reason is below.", "{round}: fallito; il motivo è qui sotto."),
    "ended_damaged": (
        "{round} has ended, and a file of it is damaged; which one is said below.",
        "{round}: terminato, ma un suo file è danneggiato; qui sotto è detto quale.",
    ),
    "ended_cancelled": (
        "{round} was cancelled; Resume goes on from where it stopped.",
        "{round}: annullato; Riprendi continua da dove si è fermato.",
    ),
    "ended_interrupted": (
        "{round} was interrupted: its process was ended, perhaps for want of memory. Resume goes on from "
        "where it stopped; if that happens again, retrain with smaller batches or with recompute.",
        "{round}: interrotto. Il suo processo è stato chiuso, forse per mancanza di memoria. Riprendi "
        "continua da dove si è fermato; se succede ancora, riaddestra con batch più piccoli o con recompute.",
    ),
    "failed": ("{round} failed: {error}", "{round}: fallito. {error}"),
}
