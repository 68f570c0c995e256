"""Texts of what is around the tabs, and what rounds and faults are called: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "tagline": (
        "Say which replies are good, retrain, and talk to the result.",
        "Di' quali risposte sono buone, riaddestra e parla con il risultato.",
    ),
    "language": ("Language", "Lingua"),
    "language_code": ("en", "it"),
    "token_missing": (
        "This page opens only from its whole address, with its token: the program shows it where it was "
        "started, after “alignchat is at”.",
        "Questa pagina si apre solo dal suo indirizzo intero, con il token: il programma lo mostra dove è "
        "stato avviato, dopo «alignchat is at».",
    ),
    "sign_in_first": (
        "You are not signed in, or no longer: load the page again and sign in.",
        "L'accesso non è stato fatto o è scaduto: ricarica la pagina e accedi.",
    ),
    "sign_in": ("Sign in", "Accedi"),
    "sign_in_name": ("Name", "Nome"),
    "sign_in_password": ("Password", "Password"),
    "sign_in_wrong": (
        "Name and password do not go together; try again, or ask an owner for a new password.",
        "Nome e password non corrispondono; riprova, o chiedi a un proprietario una password nuova.",
    ),
    "sign_in_wait": (
        "Too many tries have failed; wait {n} min, then try again.",
        "Troppi tentativi falliti; aspetta {n} min, poi riprova.",
    ),
    "not_your_session": (
        "This part of the page belongs to somebody else's session; load the page again.",
        "Questa parte della pagina è della sessione di un'altra persona; ricarica la pagina.",
    ),
    "sign_out": ("Sign out", "Esci"),
    "role_owner": ("owner", "proprietario"),
    "role_annotator": ("annotator", "annotatore"),
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
