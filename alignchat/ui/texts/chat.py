"""Texts of the tab Chat: by key, English and Italian. Those in WORDS are for the page's script."""

TEXTS: dict[str, tuple[str, str]] = {
    "conversations": ("Conversations", "Conversazioni"),
    "conversations_empty": (
        "None yet: your first message starts one.",
        "Ancora nessuna: il tuo primo messaggio ne apre una.",
    ),
    "conversations_search": ("Search", "Cerca"),
    "conversations_search_hint": ("Titles and messages", "Titoli e messaggi"),
    "conversations_not_found": ("Nothing with these words.", "Niente con queste parole."),
    "conversation_import": ("Import", "Importa"),
    "conversation_title": ("Title", "Titolo"),
    "conversation_delete": ("Delete", "Elimina"),
    "conversation_deleted": (
        "“{title}” is deleted, and nothing in it is trained on.",
        "“{title}” è eliminata e non serve più per l'addestramento.",
    ),
    "conversation_undo": ("Undo", "Annulla"),
    "conversation_imported": ("“{title}” is here.", "“{title}” è qui."),
    "conversation_export": ("Save as", "Salva come"),
    "untitled": ("Untitled", "Senza titolo"),
    "new_chat": ("New chat", "Nuova chat"),
    "talk_to": ("Talk to", "Parla con"),
    "chat": ("Conversation", "Conversazione"),
    "chat_empty": (
        (
            "## Write a message to begin\nThen mark each reply with a thumb up or down. Press a "
            "thumb again to take it back."
        ),
        (
            "## Scrivi un messaggio per iniziare\nPoi segna ogni risposta con il pollice in su o in "
            "giù. Premi di nuovo per ritirare il giudizio."
        ),
    ),
    "message": ("Your message", "Il tuo messaggio"),
    "message_hint": ("Write, then press Enter", "Scrivi e premi Invio"),
    "send": ("Send", "Invia"),
    "stop": ("Stop", "Ferma"),
    "thumb_hint": (
        "Asking for another reply says nothing about the first: only your thumbs do.",
        "Chiedere un'altra risposta non giudica la prima: contano solo i tuoi pollici.",
    ),
    "chat_keys": (
        (
            "Keys: ↑ in the empty box goes to the replies; there + and − are the thumbs, ← → the versions, "
            "W why, R again, E edit, C copy, Esc back."
        ),
        (
            "Tasti: ↑ nella casella vuota porta alle risposte; lì + e − sono i pollici, ← → le versioni, "
            "W perché, R un'altra, E modifica, C copia, Esc per tornare."
        ),
    ),
    "waiting_next": ("(others come first; you are next)", "(prima altri; poi tocca a te)"),
    "waiting_one": ("(1 before you)", "(1 prima di te)"),
    "waiting": ("({n} before you)", "({n} prima di te)"),
    "stopped": ("stopped: not trained on", "fermata: esclusa dall'addestramento"),
    "edited_by_you": ("your version", "la tua versione"),
    "fact_tokens": ("{n} tokens", "{n} token"),
    "fact_rate": ("{rate} tokens a second", "{rate} token al secondo"),
    "fact_seed": ("seed {seed}", "seme {seed}"),
    "fact_temperature": ("temperature {temperature}", "temperatura {temperature}"),
    "preferred": (
        "Saved: your version counts as better than the original.",
        "Salvato: la tua versione vale come migliore dell'originale.",
    ),
    "import_too_large": (
        "That file is too large for the page; import it with: conversations import FILE",
        "Quel file è troppo grande per la pagina; importalo con: conversations import FILE",
    ),
    "import_no_json": (
        "That file is not JSON; choose one that was saved here as JSON.",
        "Quel file non è JSON; scegline uno salvato qui come JSON.",
    ),
    "how": ("How it replies", "Come risponde"),
    "how_system": ("Instructions for the whole conversation", "Istruzioni per tutta la conversazione"),
    "how_system_hint": (
        "For example: reply in Italian, in two sentences. (System prompt)",
        "Per esempio: rispondi in italiano, in due frasi. (Prompt di sistema)",
    ),
    "how_temperature": ("Imagination", "Fantasia"),
    "how_temperature_about": (
        "Temperature. 0 always takes the likeliest word; higher is more surprising.",
        "Temperatura. Con 0 sceglie sempre la parola più probabile; più alta, più sorprendente.",
    ),
    "how_top_p": ("Breadth of choice", "Ampiezza della scelta"),
    "how_top_p_about": (
        "Top-p. Chooses among the likeliest words that together have this probability.",
        "Top-p. Sceglie fra le parole più probabili che insieme hanno questa probabilità.",
    ),
    "how_top_k": ("Words to choose from", "Parole fra cui scegliere"),
    "how_top_k_about": (
        "Top-k. At most this many; 0 means all.",
        "Top-k. Al massimo tante; 0 vuol dire tutte.",
    ),
    "how_max_tokens": ("Longest reply", "Risposta più lunga"),
    "how_max_tokens_about": (
        "In tokens, which are words or parts of them.",
        "In token, cioè parole o parti di parole.",
    ),
    "how_seed": ("Seed", "Seme"),
    "how_seed_about": (
        "The same seed gives the same reply; empty takes a new one each time.",
        "Lo stesso seme dà la stessa risposta; vuoto ne prende uno nuovo ogni volta.",
    ),
    "how_reset": ("Reset", "Ripristina"),
}

WORDS: dict[str, tuple[str, str]] = {
    "good": ("Good reply", "Risposta buona"),
    "bad": ("Bad reply", "Risposta cattiva"),
    "actions": ("Reply {n}", "Risposta {n}"),
    "yours": ("Your message", "Il tuo messaggio"),
    "its": ("Reply", "Risposta"),
    "version": ("Version {k} of {n}", "Versione {k} di {n}"),
    "earlier": ("Earlier version", "Versione precedente"),
    "later": ("Later version", "Versione successiva"),
    "again": ("Another reply", "Un'altra risposta"),
    "edit": ("Edit the reply", "Modifica la risposta"),
    "ask": ("Edit your message", "Modifica il tuo messaggio"),
    "copy": ("Copy", "Copia"),
    "copied": ("Copied", "Copiata"),
    "why": ("Why?", "Perché?"),
    "why_label": ("Reasons for your thumb", "Motivi del tuo giudizio"),
    "comment": ("Comment, if you like", "Un commento, se vuoi"),
    "close": ("Close", "Chiudi"),
    "save": ("Save", "Salva"),
    "resend": ("Send", "Invia"),
    "cancel": ("Cancel", "Annulla"),
    "better": (
        "Does your version count as better than the original?",
        "La tua versione vale come migliore dell'originale?",
    ),
    "better_yes": ("Yes, better", "Sì, migliore"),
    "better_no": ("No", "No"),
    "reason_helpful": ("helpful", "utile"),
    "reason_correct": ("correct", "corretta"),
    "reason_polite": ("polite", "cortese"),
    "reason_safe": ("safe", "sicura"),
    "reason_natural Italian": ("natural Italian", "italiano naturale"),
    "reason_off-topic": ("off-topic", "fuori tema"),
    "reason_wrong": ("wrong", "sbagliata"),
    "reason_rude": ("rude", "scortese"),
    "reason_biased": ("biased", "con pregiudizi"),
    "reason_repetitive": ("repetitive", "ripetitiva"),
    "reason_wrong language": ("wrong language", "lingua sbagliata"),
}
TEXTS |= {f"chat_word_{key}": words for key, words in WORDS.items()}
