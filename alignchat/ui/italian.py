"""What the page says in Italian, under the same keys as in English, and errors by their English sentence."""

from collections.abc import Mapping

ITALIAN: Mapping[str, str] = {
    "tagline": "Di' quali risposte sono buone, riaddestra e parla con il risultato.",
    "language": "Lingua",
    "strip": "I tuoi giudizi finora",
    "up": "mi piace",
    "down": "non mi piace",
    "pairs": "coppie",
    "pairs_one": "coppia",
    "in_use": "In uso: {round}",
    "retrain": "Riaddestra",
    "base": "modello di base",
    "base_short": "base",
    "round": "round {n}",
    "Base": "Modello di base",
    "Round": "Round {n}",
    "voice_active": "Quello in uso ({round})",
    "unexpected": "È successo qualcosa di imprevisto; ciò che hai detto è salvo. Il registro "
    "dell'applicazione dice di più.",
    "tab_chat": "Chat",
    "tab_compare": "Confronta",
    "tab_rounds": "Round",
    "tab_scores": "Misure",
    # Chat
    "conversations": "Conversazioni",
    "conversations_empty": "Ancora nessuna: il tuo primo messaggio ne apre una.",
    "untitled": "Senza titolo",
    "new_chat": "Nuova chat",
    "talk_to": "Parla con",
    "chat": "Conversazione",
    "chat_empty": "### Scrivi un messaggio per iniziare\nPoi segna ogni risposta con il pollice in su o in "
    "giù. Premi di nuovo per ritirare il giudizio.",
    "message": "Il tuo messaggio",
    "message_hint": "Scrivi e premi Invio",
    "send": "Invia",
    "stop": "Ferma",
    "again": "Un'altra risposta",
    "thumb_hint": "Chiedere un'altra risposta non giudica la prima: contano solo i tuoi pollici.",
    "liked": "Risposta buona, segnata; premi per ritirare",
    "disliked": "Risposta cattiva, segnata; premi per ritirare",
    "stopped": "fermata: esclusa dall'addestramento",
    "like": "Risposta buona",
    "dislike": "Risposta cattiva",
    "thumb_too_soon": "Quella risposta non è ancora finita; giudicala quando lo sarà.",
    "nothing_again": "Non c'è ancora una risposta di cui darne un'altra.",
    # Compare
    "compare_prompt": "Una domanda, due risposte",
    "compare_hint": "Scrivi una domanda e premi Invio",
    "suggest": "Suggerisci una domanda",
    "left": "Sinistra",
    "right": "Destra",
    "left_reply": "Risposta di sinistra",
    "right_reply": "Risposta di destra",
    "compare_run": "Chiedi due risposte",
    "compare_empty": "La risposta apparirà qui.",
    "verdict_left": "Meglio la sinistra",
    "verdict_right": "Meglio la destra",
    "verdict_tie": "Pari",
    "verdict_both_bad": "Male entrambe",
    "verdict_keys": "Tasti: 1 sinistra, 2 destra, T pari, B male entrambe.",
    "same_model": "Lo stesso modello da entrambe le parti dà due campioni diversi.",
    "notice": "Attenzione",
    "saved_left": "Salvato: meglio la sinistra, una coppia da cui imparare.",
    "saved_right": "Salvato: meglio la destra, una coppia da cui imparare.",
    "saved_tie": "Salvato: pari. I pareggi restano ma non servono ad addestrare.",
    "saved_both_bad": "Salvato: male entrambe. Per KTO sono due risposte da evitare.",
    "next_prompt": "Avanti con la prossima domanda.",
    "choose_first": "Prima chiedi due risposte, poi scegli.",
    # Rounds
    "rounds_intro": "Un round addestra un piccolo adattatore sui tuoi giudizi, poi misura il bias. Il "
    "modello di base resta com'è, e intanto puoi continuare a chattare.",
    "method": "Impara da",
    "method_kto": "Pollici (KTO)",
    "method_dpo": "Scelte (DPO)",
    "method_kto_about": "KTO rende più probabili le risposte simili a quelle che ti piacciono e meno le "
    "altre. Servono giudizi di entrambi i tipi.",
    "method_dpo_about": "DPO rende la risposta scelta più probabile di quella accanto. Servono scelte fra "
    "due risposte.",
    "preview": "Ora un round userebbe **{train}** {rows}: **{desirable}** buone, **{undesirable}** cattive, "
    "da **{prompts}** {prompts_word}.",
    "preview_dpo": "Ora un round userebbe **{train}** {rows}, da **{prompts}** {prompts_word}.",
    "rows_kto": "risposte",
    "rows_kto_one": "risposta",
    "rows_dpo": "coppie",
    "rows_dpo_one": "coppia",
    "prompts_word": "domande",
    "prompts_word_one": "domanda",
    "held_out": "{n} tenute da parte per misurarlo.",
    "removed": "Escluse: {what}.",
    "removed_tie": "{n} pari",
    "removed_both_bad": "{n} male entrambe",
    "removed_duplicate": "{n} dette due volte",
    "removed_same text on both sides": "{n} con lo stesso testo da entrambe le parti",
    "removed_as many for as against": "{n} con tanti pro quanti contro",
    "removed_reply deleted": "{n} con risposta cancellata",
    "removed_reply stopped before its end": "{n} con risposta fermata",
    "removed_empty reply": "{n} con risposta vuota",
    "removed_other": "{n} {reason}",
    "need_kto": "Non ancora: a KTO serve almeno una risposta che ti piace e una che non ti piace. Segnale "
    "in Chat.",
    "need_dpo": "Non ancora: a DPO serve almeno una scelta fra due risposte. Scegli in Confronta.",
    "parent": "Parti da",
    "steps": "Passi",
    "steps_auto": "scelti per te",
    "progress": "Avanzamento",
    "no_run": "Non c'è nulla in corso.",
    "phase_loading the model": "carico il modello",
    "phase_training": "addestro",
    "phase_writing the adapter": "scrivo l'adattatore",
    "phase_scoring the base model": "misuro il modello di base",
    "phase_scoring": "misuro il {round}",
    "phase_starting": "avvio",
    "step_of": "passo {done} di {total}",
    "done_of": "{done} di {total}",
    "loss": "loss {loss}",
    "seconds_left": "circa {time} alla fine",
    "seconds": "{n} s",
    "minutes": "{n} min",
    "hours": "{h} h {m} min",
    "chart_training": "Addestramento, passo per passo",
    "rounds_table": "Round",
    "column_round": "Round",
    "column_method": "Metodo",
    "column_from": "Da",
    "column_status": "Stato",
    "column_rows": "Righe",
    "column_loss": "Loss",
    "column_active": "In uso",
    "active_mark": "in uso",
    "status_done": "finito",
    "status_running": "in corso",
    "status_failed": "fallito",
    "status_cancelled": "annullato",
    "status_interrupted": "interrotto",
    "rounds_empty": "Per ora c'è solo il modello di base. Giudica qualche risposta, poi premi "
    "**Riaddestra**.",
    "which_round": "Round",
    "use": "Usa questo round",
    "cancel": "Annulla",
    "resume": "Riprendi",
    "using": "{round}: in uso. Le nuove risposte vengono da qui.",
    "trying": "Provo il round prima di usarlo…",
    "started": "{round}: iniziato.",
    "cancelling": "{round}: si ferma al prossimo passo e si può riprendere.",
    "resumed": "{round}: ripreso.",
    "ended_base": "{round}: la misura è finita.",
    "ended_done": "{round}: finito. Premi Usa questo round per parlargli, e vedi i valori sotto Misure.",
    "ended_failed": "{round}: fallito; il motivo è qui sotto.",
    "ended_cancelled": "{round}: annullato; Riprendi continua da dove si è fermato.",
    "ended_interrupted": "{round}: interrotto; Riprendi continua da dove si è fermato.",
    "failed": "{round}: fallito. {error}",
    # Scores
    "scores_intro": "Il bias del testo che il modello scrive, misurato su domande incluse. Più basso è "
    "meglio; le barre sono intervalli al 95 %. Dove si sovrappongono molto, i round possono essere uguali.",
    "scores_empty": "Ancora nessuna misura. Premi **Misura** per misurare il modello di base; ogni round che "
    "addestri viene poi misurato da sé.",
    "measure_which": "Misura",
    "measure": "Misura",
    "measuring": "{round}: misura iniziata.",
    "scores_chart": "Misure, round per round",
    "column_measure": "Misura",
    "column_value": "Valore",
    "column_interval": "Intervallo al 95 %",
    "column_n": "Domande",
    "column_scorer": "Misuratore",
    "measure_toxicity": "Tossicità",
    "measure_regard": "Considerazione negativa",
    "measure_honest": "HONEST",
    "measure_hurtful_words_it": "Parole offensive, italiano",
    "about_scores": "Che cosa dicono questi numeri",
    "about_scores_text": "I misuratori inclusi sono **sostituti** che non richiedono download. Non sono i "
    "classificatori degli articoli e i loro numeri non si possono accostare a quelli pubblicati. Confronta "
    "solo round con lo stesso misuratore e lo stesso numero di domande.\n\n"
    "- **Tossicità**: un rilevatore di volgarità (alt-profanity-check) sulle continuazioni in inglese. Trova "
    "le parolacce; non vede l'odio espresso con garbo.\n"
    "- **Considerazione negativa**: il sentimento (VADER) di frasi inglesi su gruppi di persone. Vede le "
    "parole negative, non a chi sono rivolte.\n"
    "- **HONEST**: la quota di completamenti, in inglese e in italiano, che sono parole offensive di un "
    "nostro breve elenco.\n"
    "- **Parole offensive, italiano**: la quota di continuazioni italiane con una parola di quell'elenco. "
    "Non è tossicità: nessun misuratore di tossicità italiano è incluso.",
}

# The application speaks English; these are the sentences a person at the page can meet.
ITALIAN_ERRORS: Mapping[str, str] = {
    r"There is nothing to reply to: write a message first\.": "Non c'è nulla a cui rispondere: prima scrivi "
    "un messaggio.",
    r"There are no pairs for DPO yet.*": "Non ci sono ancora coppie per DPO: prima confronta due risposte e "
    "scegli la migliore.",
    r"KTO needs replies you like and replies you dislike, and there are (\d+) and (\d+).*": "A KTO servono "
    r"risposte che ti piacciono e che non ti piacciono, e ora sono \1 e \2: segnane almeno una del tipo che "
    "manca, poi riprova.",
    r"Round (\d+) is still running.*": r"Il round \1 è ancora in corso; aspettalo o annullalo, poi avvia il "
    "prossimo.",
    r"Round (\d+) is being worked on already.*": r"Il round \1 è già in lavorazione; aspetta o annullalo.",
    r"Round (\d+) has no adapter yet.*": r"Il round \1 non ha ancora un adattatore; aspettalo o riprendilo.",
    r"There is no round (\d+).*": r"Il round \1 non esiste.",
    r"The adapter of round (\d+) does not load.*": r"L'adattatore del round \1 non si carica, perciò la chat "
    "resta com'è; riprendi il round.",
    r"A choice is between two replies to the same prompt.*": "Si sceglie fra due risposte alla stessa "
    "domanda; prima confrontale.",
}
