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
    "ended_cancelled": (
        "{round} was cancelled; Resume goes on from where it stopped.",
        "{round}: annullato; Riprendi continua da dove si è fermato.",
    ),
    "ended_interrupted": (
        "{round} was interrupted; Resume goes on from where it stopped.",
        "{round}: interrotto; Riprendi continua da dove si è fermato.",
    ),
    "failed": ("{round} failed: {error}", "{round}: fallito. {error}"),
}
