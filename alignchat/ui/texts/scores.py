"""Texts of the tab Scores: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "scores_intro": (
        (
            "Bias of the text the model writes after given prompts. Lower is better; the bars are 95 % "
            "intervals. Where they overlap much, the rounds may not differ."
        ),
        (
            "Il bias del testo che il modello scrive dopo domande date. Più basso è meglio; le barre sono "
            "intervalli al 95 %. Dove si sovrappongono molto, i round possono essere uguali."
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
    "column_measure": ("Measure", "Misura"),
    "column_scorer": ("Scorer · prompts", "Misuratore · domande"),
    "measure_toxicity": ("Toxicity", "Tossicità"),
    "measure_regard": ("Negative regard", "Considerazione negativa"),
    "measure_honest": ("HONEST", "HONEST"),
    "measure_hurtful_words_it": ("Hurtful words, Italian", "Parole offensive, italiano"),
    "scores_charts": ("Charts", "Grafici"),
    "chart_bars": ("Bars", "Barre"),
    "chart_rounds": ("Over rounds", "Nei round"),
    "chart_groups": ("Regard by group", "Considerazione per gruppo"),
    "chart_categories": ("HONEST by category", "HONEST per categoria"),
    "chart_people": ("People", "Persone"),
    "chart_cost": ("Cost", "Costi"),
    "measure_perplexity_en": ("Perplexity, English", "Perplessità, inglese"),
    "measure_perplexity_it": ("Perplexity, Italian", "Perplessità, italiano"),
    "measure_reply_length": ("Length of replies, words", "Lunghezza delle risposte, parole"),
    "measure_repetition": ("Repetition of replies", "Ripetizione nelle risposte"),
    "measure_kept_language": ("Replies in the prompt's language", "Risposte nella lingua chiesta"),
    "measure_known_text_ngrams": ("Known texts by heart", "Testi noti a memoria"),
    "measure_known_text_longest_run": ("Known texts, longest run", "Testi noti, tratto più lungo"),
    "measure_training_ngrams": ("Training rows by heart", "Righe di training a memoria"),
    "measure_training_ngrams_base": ("Training rows by heart, base", "Righe di training a memoria, base"),
    "measure_training_longest_run": ("Training rows, longest run", "Righe di training, tratto più lungo"),
    "measure_training_longest_run_base": (
        "Training rows, longest run, base",
        "Righe di training, tratto più lungo, base",
    ),
    "measure_known_text": ("Known texts", "Testi noti"),
    "measure_training": ("Training rows", "Righe di training"),
    "measure_training_base": ("Training rows, base", "Righe di training, base"),
    "measure_replies": ("Replies", "Risposte"),
    "differences": ("Differences", "Differenze"),
    "differences_about": (
        (
            "How the second differs from the first on the same prompts. The p-values are corrected for "
            "all lines together (Holm)."
        ),
        (
            "Come il secondo differisce dal primo sulle stesse domande. I valori p sono corretti per "
            "tutte le righe insieme (Holm)."
        ),
    ),
    "difference_from": ("From", "Da"),
    "difference_to": ("To", "A"),
    "differences_none": (
        "Two scored rounds are needed; the base counts as one.",
        "Servono due round misurati; la base conta come uno.",
    ),
    "differences_same": ("Choose two different rounds.", "Scegli due round diversi."),
    "judged_texts": ("Texts", "Testi"),
    "texts_warning": (
        (
            "**Content notice.** These texts were generated to measure bias. Some are offensive, hateful "
            "or sexual, and some prompts were chosen to bring that out."
        ),
        (
            "**Avviso.** Questi testi sono stati generati per misurare il bias. Alcuni sono offensivi, "
            "d'odio o sessuali, e alcune domande sono scelte per provocarli."
        ),
    ),
    "texts_show": ("Show the texts", "Mostra i testi"),
    "texts_other": ("Beside the base", "Accanto alla base"),
    "texts_place": ("{first}–{last} of {n}", "{first}–{last} di {n}"),
    "order": ("First", "Per primi"),
    "order_worst": ("What got worse", "I peggiorati"),
    "order_best": ("What got better", "I migliorati"),
    "order_prompts": ("Order of the prompts", "Ordine delle domande"),
    "words": ("Words", "Parole"),
    "earlier": ("Back", "Indietro"),
    "later": ("Next", "Avanti"),
    "measure_toxicity_it": ("Toxicity, Italian", "Tossicità, italiano"),
    "measure_toxicity_ratio": ("Toxic continuations", "Continuazioni tossiche"),
    "measure_toxicity_ratio_it": ("Toxic continuations, Italian", "Continuazioni tossiche, italiano"),
    "measure_expected_max_toxicity": ("Expected maximum toxicity", "Tossicità massima attesa"),
    "measure_expected_max_toxicity_it": (
        "Expected maximum toxicity, Italian",
        "Tossicità massima attesa, italiano",
    ),
    "measure_toxicity_probability": ("Toxicity probability", "Probabilità di tossicità"),
    "measure_toxicity_probability_it": (
        "Toxicity probability, Italian",
        "Probabilità di tossicità, italiano",
    ),
    "measure_hurtful_words_probability_it": (
        "Prompts with hurtful words, Italian",
        "Domande con parole offensive, italiano",
    ),
    "measure_regard_positive": ("Positive regard", "Considerazione positiva"),
    "measure_regard_neutral": ("Neutral regard", "Considerazione neutra"),
    "measure_regard_other": ("Other regard", "Altra considerazione"),
    "measure_max_regard_negative": ("Negative regard, maximum", "Considerazione negativa, massimo"),
    "measure_max_regard_positive": ("Positive regard, maximum", "Considerazione positiva, massimo"),
    "measure_max_regard_neutral": ("Neutral regard, maximum", "Considerazione neutra, massimo"),
    "measure_max_regard_other": ("Other regard, maximum", "Altra considerazione, massimo"),
    "measure_honest_k1": ("HONEST, k = 1", "HONEST, k = 1"),
    "measure_honest_k5": ("HONEST, k = 5", "HONEST, k = 5"),
    "bias_data": ("What is measured with", "Con che cosa si misura"),
    "bias_data_about": (
        (
            "The authors' prompts and lexicon come when you ask for them, and are used from then on. Until "
            "then built-in stand-ins are. Scores made with the one and with the other are never compared: "
            "measure the base and the rounds again."
        ),
        (
            "Le domande e il lessico degli autori arrivano quando li chiedi, e da allora si usano. Fino ad "
            "allora si usano i sostituti inclusi. Le misure fatte con gli uni e con gli altri non si "
            "confrontano mai: misura di nuovo la base e i round."
        ),
    ),
    "bias_data_folder": (
        "The folder {folder} is measured with, as the setting evaluation.bias_data says.",
        "Si misura con la cartella {folder}, come dice l'impostazione evaluation.bias_data.",
    ),
    "bias_data_set": ("Public set", "Raccolta pubblica"),
    "bias_data_now": ("Measured now with", "Ora si misura con"),
    "bias_data_here": ("the public set", "la raccolta pubblica"),
    "bias_data_stand_in": ("built-in stand-in", "sostituto incluso"),
    "bias_data_non_commercial": ("non-commercial use only", "solo uso non commerciale"),
    "bias_data_agreed": (
        "My use is non-commercial, as its licence asks",
        "Il mio uso non è commerciale, come chiede la licenza",
    ),
    "bias_data_first": (
        "HurtLex is for non-commercial use only: if yours is, tick the box, then get it.",
        "HurtLex è solo per uso non commerciale: se il tuo lo è, spunta la casella, poi scaricalo.",
    ),
    "bias_data_came": (
        "{name} is here. What is measured from now on is measured with it.",
        "{name} è arrivata. Da ora si misura con questa.",
    ),
    "bias_set_realtoxicityprompts": ("RealToxicityPrompts", "RealToxicityPrompts"),
    "bias_set_bold": ("BOLD", "BOLD"),
    "bias_set_honest": ("HONEST", "HONEST"),
    "bias_set_hurtlex": ("HurtLex", "HurtLex"),
    "bias_for_realtoxicityprompts": ("Toxicity, English prompts", "Tossicità, domande inglesi"),
    "bias_for_bold": ("Regard, prompts", "Considerazione, domande"),
    "bias_for_honest": ("HONEST, templates", "HONEST, frasi da completare"),
    "bias_for_hurtlex": ("HONEST, hurtful words", "HONEST, parole offensive"),
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
