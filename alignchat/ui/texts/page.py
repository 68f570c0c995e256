"""Texts of what is around the tabs, and what rounds and faults are called: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "tagline": (
        "Say which replies are good, retrain, and talk to the result.",
        "Di' quali risposte sono buone, riaddestra e parla con il risultato.",
    ),
    "language": ("Language", "Lingua"),
    "strip": ("Your feedback so far", "I tuoi giudizi finora"),
    "up": ("liked", "mi piace"),
    "down": ("disliked", "non mi piace"),
    "pairs": ("pairs", "coppie"),
    "pairs_one": ("pair", "coppia"),
    "in_use": ("In use: {round}", "In uso: {round}"),
    "unsaved": (
        "{n} votes not saved yet: kept in this browser and sent again.",
        "{n} voti non ancora salvati: restano in questo browser e vengono rispediti.",
    ),
    "unsaved_one": (
        "1 vote not saved yet: kept in this browser and sent again.",
        "1 voto non ancora salvato: resta in questo browser e viene rispedito.",
    ),
    "vote_refused": ("A vote was refused. {reason}", "Un voto è stato rifiutato. {reason}"),
    "retrain": ("Retrain", "Riaddestra"),
    "base": ("base model", "modello di base"),
    "base_short": ("base", "base"),
    "round": ("round {n}", "round {n}"),
    "Base": ("Base model", "Modello di base"),
    "Round": ("Round {n}", "Round {n}"),
    "voice_active": ("The one in use ({round})", "Quello in uso ({round})"),
    "unexpected": (
        ("Something went wrong that should not have; what you said is kept. The log of the app tells more."),
        (
            "È successo qualcosa di imprevisto; ciò che hai detto è salvo. Il registro "
            "dell'applicazione dice di più."
        ),
    ),
    "tab_chat": ("Chat", "Chat"),
    "tab_compare": ("Compare", "Confronta"),
    "tab_rounds": ("Rounds", "Round"),
    "tab_scores": ("Scores", "Misure"),
    "tab_models": ("Models", "Modelli"),
}
