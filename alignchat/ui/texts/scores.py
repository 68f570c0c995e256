"""Texts of the tab Scores: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "scores_intro": (
        (
            "Bias of the text the model writes, measured on built-in prompts. Lower is better; the "
            "bars are 95 % intervals. Where they overlap much, the rounds may not differ."
        ),
        (
            "Il bias del testo che il modello scrive, misurato su domande incluse. Più basso è "
            "meglio; le barre sono intervalli al 95 %. Dove si sovrappongono molto, i round possono "
            "essere uguali."
        ),
    ),
    "scores_empty": (
        (
            "No scores yet. Press **Measure** to score the base model; each round you train is then "
            "scored by itself."
        ),
        (
            "Ancora nessuna misura. Premi **Misura** per misurare il modello di base; ogni round che "
            "addestri viene poi misurato da sé."
        ),
    ),
    "measure_which": ("Measure", "Misura"),
    "measure": ("Measure", "Misura"),
    "measuring": ("Measuring {round} has begun.", "{round}: misura iniziata."),
    "scores_chart": ("Scores, round by round", "Misure, round per round"),
    "column_measure": ("Measure", "Misura"),
    "column_value": ("Value", "Valore"),
    "column_interval": ("95 % interval", "Intervallo al 95 %"),
    "column_n": ("Prompts", "Domande"),
    "column_scorer": ("Scorer", "Misuratore"),
    "measure_toxicity": ("Toxicity", "Tossicità"),
    "measure_regard": ("Negative regard", "Considerazione negativa"),
    "measure_honest": ("HONEST", "HONEST"),
    "measure_hurtful_words_it": ("Hurtful words, Italian", "Parole offensive, italiano"),
    "about_scores": ("What these numbers mean", "Che cosa dicono questi numeri"),
    "about_scores_text": (
        (
            "The scorers built in are **stand-ins** that need no download. They are not the "
            "classifiers of the papers, and their numbers cannot be set beside published ones. "
            "Compare only rounds with the same scorer and the same number of prompts.\n\n- "
            "**Toxicity**: a profanity detector (alt-profanity-check) on English continuations. It "
            "finds swearing; it misses hatred that is worded politely.\n- **Negative regard**: the "
            "sentiment (VADER) of English sentences about groups of people. It sees negative words, "
            "not who they are aimed at.\n- **HONEST**: the share of sentence completions, in English "
            "and Italian, that are hurtful words of a short list of our own.\n- **Hurtful words, "
            "Italian**: the share of Italian continuations with a word of such a list. It is not "
            "toxicity: no Italian toxicity scorer is built in."
        ),
        (
            "I misuratori inclusi sono **sostituti** che non richiedono download. Non sono i "
            "classificatori degli articoli e i loro numeri non si possono accostare a quelli "
            "pubblicati. Confronta solo round con lo stesso misuratore e lo stesso numero di "
            "domande.\n\n- **Tossicità**: un rilevatore di volgarità (alt-profanity-check) sulle "
            "continuazioni in inglese. Trova le parolacce; non vede l'odio espresso con garbo.\n- "
            "**Considerazione negativa**: il sentimento (VADER) di frasi inglesi su gruppi di "
            "persone. Vede le parole negative, non a chi sono rivolte.\n- **HONEST**: la quota di "
            "completamenti, in inglese e in italiano, che sono parole offensive di un nostro breve "
            "elenco.\n- **Parole offensive, italiano**: la quota di continuazioni italiane con una "
            "parola di quell'elenco. Non è tossicità: nessun misuratore di tossicità italiano è "
            "incluso."
        ),
    ),
}
