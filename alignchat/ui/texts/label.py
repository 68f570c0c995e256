"""Texts of the tab Label: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "tab_label": ("Label", "Etichetta"),
    "label_stage": ("Pair to label", "Coppia da giudicare"),
    "label_prompt": ("Prompt", "Domanda"),
    "label_left": ("Left", "Sinistra"),
    "label_right": ("Right", "Destra"),
    "label_tie": ("Tie", "Pari"),
    "label_both_bad": ("Both bad", "Male entrambe"),
    "label_skip": ("Later", "Dopo"),
    "label_discard": ("Discard", "Scarta"),
    "label_undo": ("Undo", "Annulla"),
    "label_edit": ("Edit", "Riscrivi"),
    "label_progress": ("{labelled} labelled · {left} left", "{labelled} giudicate · {left} da fare"),
    "label_pace": ("{seconds} s each", "{seconds} s l'una"),
    "label_later": ("{n} put off", "{n} rimandate"),
    "label_agreement": (
        "agreement α = {alpha} on {n} pairs",
        "accordo α = {alpha} su {n} coppie",
    ),
    "label_empty": (
        "Nothing to label now. Prepare some pairs below: two replies to each prompt, made ahead.",
        "Per ora niente da giudicare. Prepara qualche coppia qui sotto: due risposte per ogni domanda, "
        "fatte in anticipo.",
    ),
    "label_done": (
        "All done: {labelled} pairs labelled. They count for the next round.",
        "Finito: {labelled} coppie giudicate. Contano per il prossimo round.",
    ),
    "label_all_away": (
        "The pairs that are left are on other pages now.",
        "Le coppie rimaste sono ora su altre pagine.",
    ),
    "label_offline": (
        "The app does not answer; trying again.",
        "L'applicazione non risponde; riprovo.",
    ),
    "label_keys": (
        "Keys: 1 or ← left, 2 or → right, T tie, B both bad, S later, E edit, D discard, U undo.",
        "Tasti: 1 o ← sinistra, 2 o → destra, T pari, B male entrambe, S dopo, E riscrivi, D scarta, U "
        "annulla.",
    ),
    "label_hidden": (
        "Sides are shuffled, and whose reply is whose is not told here.",
        "I lati sono mescolati, e qui non si dice di chi è ogni risposta.",
    ),
    "label_edit_which": ("Write your version of", "Scrivi la tua versione della"),
    "label_edit_left": ("the left reply", "risposta di sinistra"),
    "label_edit_right": ("the right reply", "risposta di destra"),
    "label_edit_save": ("Keep it (Ctrl+Enter)", "Conservala (Ctrl+Invio)"),
    "label_edit_cancel": ("Cancel (Esc)", "Lascia stare (Esc)"),
    "label_edited": (
        "Your version is kept and preferred over the reply. Now choose between the two.",
        "La tua versione è conservata e preferita alla risposta. Ora scegli fra le due.",
    ),
    "label_undone": ("Taken back.", "Ritirato."),
    "label_discarded": ("Discarded; U brings it back.", "Scartata; U la riporta."),
    "label_put_off": ("It comes back at the end.", "Torna alla fine."),
    "label_nothing_undone": ("There is nothing to undo here.", "Non c'è nulla da annullare qui."),
    "prepare": ("Prepare pairs", "Prepara coppie"),
    "prepare_about": (
        "Each prompt gets two replies, made in batches while you go on: of the base model and of the round "
        "in use, or two of the base model if that is in use.",
        "Ogni domanda riceve due risposte, fatte a blocchi mentre tu continui: del modello di base e del "
        "round in uso, o due del modello di base se è in uso quello.",
    ),
    "prepare_source": ("Prompts", "Domande"),
    "source_it": ("Starters in Italian", "Domande pronte in italiano"),
    "source_en": ("Starters in English", "Domande pronte in inglese"),
    "source_history": ("What I asked so far", "Ciò che ho chiesto finora"),
    "source_own": ("My own list or file", "Una mia lista o un file"),
    "source_set": ("A preference set", "Una raccolta di preferenze"),
    "prepare_set": (
        "A set that is on this machine (get it in Data)",
        "Una raccolta che è su questa macchina (prendila in Dati)",
    ),
    "prepare_own": (
        "One prompt a line, or JSON lines with “prompt”",
        "Una domanda per riga, o righe JSON con “prompt”",
    ),
    "prepare_file": ("Choose a file", "Scegli un file"),
    "prepare_count": ("At most", "Al massimo"),
    "prepare_overlap": ("Each pair is for", "Ogni coppia è per"),
    "overlap_1": ("one person", "una persona"),
    "overlap_2": ("two people", "due persone"),
    "prepare_run": ("Prepare", "Prepara"),
    "prepare_stop": ("Stop", "Ferma"),
    "prepare_go_on": ("Go on with {n}", "Continua con {n}"),
    "prepare_forget": ("Forget them", "Lasciale perdere"),
    "preparing": (
        "{made} pairs made, {waiting} prompts to go",
        "{made} coppie fatte, {waiting} domande da fare",
    ),
    "prepared": ("{made} pairs are ready.", "{made} coppie sono pronte."),
    "prepared_useless": (
        "{n} prompts gave two replies that were the same, empty or too long, and no pair.",
        "{n} domande hanno dato due risposte uguali, vuote o troppo lunghe, e nessuna coppia.",
    ),
    "prepare_waiting": ("{n} prompts wait for their replies.", "{n} domande aspettano le risposte."),
    "prepare_stopping": ("Stopping at the next step.", "Mi fermo al prossimo passo."),
}
