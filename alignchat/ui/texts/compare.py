"""Texts of the tab Compare: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "compare_prompt": ("One prompt, two replies", "Una domanda, due risposte"),
    "compare_hint": ("Write a prompt, then press Enter", "Scrivi una domanda e premi Invio"),
    "suggest": ("Suggest a prompt", "Suggerisci una domanda"),
    "voice_first": ("Compare", "Confronta"),
    "voice_second": ("with", "con"),
    "blind": ("Blind", "Alla cieca"),
    "blind_about": (
        "Sides are shuffled; who said what is told after your vote.",
        "I lati sono mescolati; chi ha detto cosa si sa dopo il voto.",
    ),
    "left_reply": ("Left reply", "Risposta di sinistra"),
    "right_reply": ("Right reply", "Risposta di destra"),
    "compare_run": ("Get two replies", "Chiedi due risposte"),
    "compare_empty": ("The reply will appear here.", "La risposta apparirà qui."),
    "verdict_left": ("Left is better", "Meglio la sinistra"),
    "verdict_right": ("Right is better", "Meglio la destra"),
    "verdict_tie": ("Tie", "Pari"),
    "verdict_both_bad": ("Both bad", "Male entrambe"),
    "verdict_skip": ("Skip", "Salta"),
    "verdict_undo": ("Undo", "Annulla"),
    "verdict_keys": (
        "Keys: 1 or ← left, 2 or → right, T tie, B both bad, S skip, U undo, Enter next prompt. The same "
        "model twice gives two samples of it.",
        "Tasti: 1 o ← sinistra, 2 o → destra, T pari, B male entrambe, S salta, U annulla, Invio prossima "
        "domanda. Lo stesso modello due volte dà due suoi campioni.",
    ),
    "notice": ("Please note", "Attenzione"),
    "vote_saved": ("Saved.", "Salvato."),
    "vote_taken_back": (
        "Taken back. You know whose replies these are, so another vote on them is not blind.",
        "Ritirato. Ora sai di chi sono le risposte, perciò un altro voto su queste non è alla cieca.",
    ),
    "skipped": ("Skipped; nothing was stored.", "Saltata; non è stato salvato nulla."),
    "next_prompt": ("The next prompt, please: press Enter.", "Avanti con la prossima domanda: premi Invio."),
    "choose_first": ("Get two replies first, then choose.", "Prima chiedi due risposte, poi scegli."),
    "standings": ("Standings", "Classifica"),
    "standings_all": ("Count votes that were not blind too", "Conta anche i voti non alla cieca"),
    "standings_empty": (
        "No blind vote between two rounds yet.",
        "Ancora nessun voto alla cieca fra due round.",
    ),
    "standings_ranked": (
        "In order of wins against the base: {order}.",
        "In ordine di vittorie sulla base: {order}.",
    ),
    "column_first": ("Round", "Round"),
    "column_second": ("against", "contro"),
    "column_wins": ("better", "meglio"),
    "column_ties": ("ties", "pari"),
    "column_losses": ("worse", "peggio"),
    "column_both_bad": ("both bad", "male entrambe"),
    "column_win_rate": ("win rate (95 %)", "vittorie (95 %)"),
    "column_against_base": ("wins against the base (95 %)", "vittorie sulla base (95 %)"),
    "column_votes": ("n", "n"),
    "duel_better": (
        "{first} wins more often than {second} (n = {n}).",
        "{first} vince più spesso di {second} (n = {n}).",
    ),
    "duel_worse": (
        "{first} wins less often than {second} (n = {n}).",
        "{first} vince meno spesso di {second} (n = {n}).",
    ),
    "duel_open": (
        "{first} and {second} cannot be told apart yet (n = {n}); about {needed} more votes may do it.",
        "{first} e {second} non si distinguono ancora (n = {n}); forse con altri {needed} voti.",
    ),
    "duel_even": ("{first} and {second} are even (n = {n}).", "{first} e {second} sono pari (n = {n})."),
    "left_out": ("Not counted: {what}.", "Non contati: {what}."),
    "left_out_not_blind": ("{n} that were not blind", "{n} non alla cieca"),
    "left_out_same_round": ("{n} between two samples of one round", "{n} fra due campioni di un solo round"),
}
