"""Texts of the tab Chat: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "conversations": ("Conversations", "Conversazioni"),
    "conversations_empty": (
        "None yet: your first message starts one.",
        "Ancora nessuna: il tuo primo messaggio ne apre una.",
    ),
    "untitled": ("Untitled", "Senza titolo"),
    "new_chat": ("New chat", "Nuova chat"),
    "talk_to": ("Talk to", "Parla con"),
    "chat": ("Conversation", "Conversazione"),
    "chat_empty": (
        (
            "### Write a message to begin\nThen mark each reply with a thumb up or down. Press a "
            "thumb again to take it back."
        ),
        (
            "### Scrivi un messaggio per iniziare\nPoi segna ogni risposta con il pollice in su o in "
            "giù. Premi di nuovo per ritirare il giudizio."
        ),
    ),
    "message": ("Your message", "Il tuo messaggio"),
    "message_hint": ("Write, then press Enter", "Scrivi e premi Invio"),
    "send": ("Send", "Invia"),
    "stop": ("Stop", "Ferma"),
    "again": ("Another reply", "Un'altra risposta"),
    "thumb_hint": (
        "Asking for another reply says nothing about the first: only your thumbs do.",
        "Chiedere un'altra risposta non giudica la prima: contano solo i tuoi pollici.",
    ),
    "liked": ("Good reply, marked; press to take it back", "Risposta buona, segnata; premi per ritirare"),
    "disliked": ("Bad reply, marked; press to take it back", "Risposta cattiva, segnata; premi per ritirare"),
    "stopped": ("stopped: not trained on", "fermata: esclusa dall'addestramento"),
    "like": ("Good reply", "Risposta buona"),
    "dislike": ("Bad reply", "Risposta cattiva"),
    "thumb_too_soon": (
        "That reply is not finished yet; mark it when it is.",
        "Quella risposta non è ancora finita; giudicala quando lo sarà.",
    ),
    "nothing_again": (
        "There is no reply yet that another one could be given for.",
        "Non c'è ancora una risposta di cui darne un'altra.",
    ),
}
