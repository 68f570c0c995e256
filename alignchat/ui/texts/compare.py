"""Texts of the tab Compare: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "compare_prompt": ("One prompt, two replies", "Una domanda, due risposte"),
    "compare_hint": ("Write a prompt, then press Enter", "Scrivi una domanda e premi Invio"),
    "suggest": ("Suggest a prompt", "Suggerisci una domanda"),
    "left": ("Left", "Sinistra"),
    "right": ("Right", "Destra"),
    "left_reply": ("Left reply", "Risposta di sinistra"),
    "right_reply": ("Right reply", "Risposta di destra"),
    "compare_run": ("Get two replies", "Chiedi due risposte"),
    "compare_empty": ("The reply will appear here.", "La risposta apparirà qui."),
    "verdict_left": ("Left is better", "Meglio la sinistra"),
    "verdict_right": ("Right is better", "Meglio la destra"),
    "verdict_tie": ("Tie", "Pari"),
    "verdict_both_bad": ("Both bad", "Male entrambe"),
    "verdict_keys": (
        "Keys: 1 left, 2 right, T tie, B both bad.",
        "Tasti: 1 sinistra, 2 destra, T pari, B male entrambe.",
    ),
    "same_model": (
        "The same model on both sides gives two different samples.",
        "Lo stesso modello da entrambe le parti dà due campioni diversi.",
    ),
    "notice": ("Please note", "Attenzione"),
    "saved_left": (
        "Saved: left is better, a pair to learn from.",
        "Salvato: meglio la sinistra, una coppia da cui imparare.",
    ),
    "saved_right": (
        "Saved: right is better, a pair to learn from.",
        "Salvato: meglio la destra, una coppia da cui imparare.",
    ),
    "saved_tie": (
        "Saved: a tie. Ties are kept and not trained on.",
        "Salvato: pari. I pareggi restano ma non servono ad addestrare.",
    ),
    "saved_both_bad": (
        "Saved: both are bad. For KTO that is two replies to avoid.",
        "Salvato: male entrambe. Per KTO sono due risposte da evitare.",
    ),
    "next_prompt": ("The next prompt, please.", "Avanti con la prossima domanda."),
    "choose_first": ("Get two replies first, then choose.", "Prima chiedi due risposte, poi scegli."),
}
