"""Everything the page says, in English and Italian, under the same keys. Knows no component."""

import re
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "it"]
Texts = Mapping[str, str]

LANGUAGES: tuple[Language, ...] = ("en", "it")

ENGLISH: Texts = {
    "tagline": "Say which replies are good, retrain, and talk to the result.",
    "language": "Language",
    "strip": "Your feedback so far",
    "up": "liked",
    "down": "disliked",
    "pairs": "pairs",
    "pairs_one": "pair",
    "in_use": "In use: {round}",
    "retrain": "Retrain",
    "base": "base model",
    "base_short": "base",
    "round": "round {n}",
    "Base": "Base model",
    "Round": "Round {n}",
    "voice_active": "The one in use ({round})",
    "unexpected": "Something went wrong that should not have; what you said is kept. The log of the app "
    "tells more.",
    "tab_chat": "Chat",
    "tab_compare": "Compare",
    "tab_rounds": "Rounds",
    "tab_scores": "Scores",
    # Chat
    "conversations": "Conversations",
    "conversations_empty": "None yet: your first message starts one.",
    "untitled": "Untitled",
    "new_chat": "New chat",
    "talk_to": "Talk to",
    "chat": "Conversation",
    "chat_empty": "### Write a message to begin\nThen mark each reply with a thumb up or down. "
    "Press a thumb again to take it back.",
    "message": "Your message",
    "message_hint": "Write, then press Enter",
    "send": "Send",
    "stop": "Stop",
    "again": "Another reply",
    "thumb_hint": "Asking for another reply says nothing about the first: only your thumbs do.",
    "liked": "Good reply, marked; press to take it back",
    "disliked": "Bad reply, marked; press to take it back",
    "stopped": "stopped: not trained on",
    "like": "Good reply",
    "dislike": "Bad reply",
    "thumb_too_soon": "That reply is not finished yet; mark it when it is.",
    "nothing_again": "There is no reply yet that another one could be given for.",
    # Compare
    "compare_prompt": "One prompt, two replies",
    "compare_hint": "Write a prompt, then press Enter",
    "suggest": "Suggest a prompt",
    "left": "Left",
    "right": "Right",
    "left_reply": "Left reply",
    "right_reply": "Right reply",
    "compare_run": "Get two replies",
    "compare_empty": "The reply will appear here.",
    "verdict_left": "Left is better",
    "verdict_right": "Right is better",
    "verdict_tie": "Tie",
    "verdict_both_bad": "Both bad",
    "verdict_keys": "Keys: 1 left, 2 right, T tie, B both bad.",
    "same_model": "The same model on both sides gives two different samples.",
    "notice": "Please note",
    "saved_left": "Saved: left is better, a pair to learn from.",
    "saved_right": "Saved: right is better, a pair to learn from.",
    "saved_tie": "Saved: a tie. Ties are kept and not trained on.",
    "saved_both_bad": "Saved: both are bad. For KTO that is two replies to avoid.",
    "next_prompt": "The next prompt, please.",
    "choose_first": "Get two replies first, then choose.",
    # Rounds
    "rounds_intro": "A round trains a small adapter on your feedback, then measures bias. The base model "
    "stays as it is, and you can go on chatting meanwhile.",
    "method": "Learn from",
    "method_kto": "Thumbs (KTO)",
    "method_dpo": "Choices (DPO)",
    "method_kto_about": "KTO makes replies like those you liked more likely, and those like the disliked "
    "ones less. It needs both kinds.",
    "method_dpo_about": "DPO makes the reply you chose more likely than the one beside it. It needs choices "
    "between two replies.",
    "preview": "A round now would train on **{train}** {rows}: **{desirable}** good, **{undesirable}** bad, "
    "from **{prompts}** {prompts_word}.",
    "preview_dpo": "A round now would train on **{train}** {rows}, from **{prompts}** {prompts_word}.",
    "rows_kto": "replies",
    "rows_kto_one": "reply",
    "rows_dpo": "pairs",
    "rows_dpo_one": "pair",
    "prompts_word": "prompts",
    "prompts_word_one": "prompt",
    "held_out": "{n} held out to measure it.",
    "removed": "Left out: {what}.",
    "removed_tie": "{n} ties",
    "removed_both_bad": "{n} both bad",
    "removed_duplicate": "{n} said twice",
    "removed_same text on both sides": "{n} with the same text on both sides",
    "removed_as many for as against": "{n} with as many for as against",
    "removed_reply deleted": "{n} whose reply was deleted",
    "removed_reply stopped before its end": "{n} whose reply was stopped",
    "removed_empty reply": "{n} with an empty reply",
    "removed_other": "{n} {reason}",
    "need_kto": "Not yet: KTO needs at least one reply you like and one you dislike. Mark replies in Chat.",
    "need_dpo": "Not yet: DPO needs at least one choice between two replies. Choose in Compare.",
    "parent": "Start from",
    "steps": "Steps",
    "steps_auto": "chosen for you",
    "progress": "Progress",
    "no_run": "Nothing is running.",
    "phase_loading the model": "loading the model",
    "phase_training": "training",
    "phase_writing the adapter": "writing the adapter",
    "phase_scoring the base model": "measuring the base model",
    "phase_scoring": "measuring {round}",
    "phase_starting": "starting",
    "step_of": "step {done} of {total}",
    "done_of": "{done} of {total}",
    "loss": "loss {loss}",
    "seconds_left": "about {time} left",
    "seconds": "{n} s",
    "minutes": "{n} min",
    "hours": "{h} h {m} min",
    "chart_training": "Training, step by step",
    "rounds_table": "Rounds",
    "column_round": "Round",
    "column_method": "Method",
    "column_from": "From",
    "column_status": "Status",
    "column_rows": "Rows",
    "column_loss": "Loss",
    "column_active": "In use",
    "active_mark": "in use",
    "status_done": "done",
    "status_running": "running",
    "status_failed": "failed",
    "status_cancelled": "cancelled",
    "status_interrupted": "interrupted",
    "rounds_empty": "There is only the base model so far. Mark some replies, then press **Retrain**.",
    "which_round": "Round",
    "use": "Use this round",
    "cancel": "Cancel",
    "resume": "Resume",
    "using": "{round} is in use: new replies come from it.",
    "trying": "Trying the round before it is used…",
    "started": "{round} has begun.",
    "cancelling": "{round} stops at its next step and can be resumed.",
    "resumed": "{round} goes on.",
    "ended_base": "{round}: the measurement has ended.",
    "ended_done": "{round} is done. Press Use this round to talk to it, and see its scores under Scores.",
    "ended_failed": "{round} failed; the reason is below.",
    "ended_cancelled": "{round} was cancelled; Resume goes on from where it stopped.",
    "ended_interrupted": "{round} was interrupted; Resume goes on from where it stopped.",
    "failed": "{round} failed: {error}",
    # Scores
    "scores_intro": "Bias of the text the model writes, measured on built-in prompts. Lower is better; the "
    "bars are 95 % intervals. Where they overlap much, the rounds may not differ.",
    "scores_empty": "No scores yet. Press **Measure** to score the base model; each round you train is then "
    "scored by itself.",
    "measure_which": "Measure",
    "measure": "Measure",
    "measuring": "Measuring {round} has begun.",
    "scores_chart": "Scores, round by round",
    "column_measure": "Measure",
    "column_value": "Value",
    "column_interval": "95 % interval",
    "column_n": "Prompts",
    "column_scorer": "Scorer",
    "measure_toxicity": "Toxicity",
    "measure_regard": "Negative regard",
    "measure_honest": "HONEST",
    "measure_hurtful_words_it": "Hurtful words, Italian",
    "about_scores": "What these numbers mean",
    "about_scores_text": "The scorers built in are **stand-ins** that need no download. They are not the "
    "classifiers of the papers, and their numbers cannot be set beside published ones. Compare only rounds "
    "with the same scorer and the same number of prompts.\n\n"
    "- **Toxicity**: a profanity detector (alt-profanity-check) on English continuations. It finds swearing; "
    "it misses hatred that is worded politely.\n"
    "- **Negative regard**: the sentiment (VADER) of English sentences about groups of people. It sees "
    "negative words, not who they are aimed at.\n"
    "- **HONEST**: the share of sentence completions, in English and Italian, that are hurtful words of a "
    "short list of our own.\n"
    "- **Hurtful words, Italian**: the share of Italian continuations with a word of such a list. It is not "
    "toxicity: no Italian toxicity scorer is built in.",
}

ITALIAN: Texts = {
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

TEXTS: Mapping[Language, Texts] = {"en": ENGLISH, "it": ITALIAN}

# The application speaks English; these are the sentences a person at the page can meet.
_ITALIAN_ERRORS: Mapping[str, str] = {
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


def choose(accepted: str | None) -> Language:
    """Return the language of ours that an Accept-Language header prefers; English if it names none."""
    weights: list[tuple[float, int, Language]] = []
    for position, part in enumerate((accepted or "").split(",")):
        tag, _, quality = part.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and re.fullmatch(r"|[01](\.\d{0,3})?", quality):
                weights.append((-float(quality or 1), position, language))
    return min(weights)[2] if weights and min(weights)[0] < 0 else "en"


def error_sentence(error: Exception, language: Language) -> str:
    """Return an expected error's sentence, in Italian where there is one."""
    sentence = str(error)
    if language == "it":
        for pattern, translation in _ITALIAN_ERRORS.items():
            if found := re.fullmatch(pattern, sentence, re.DOTALL):
                return found.expand(translation)
    return sentence


def round_name(number: int, texts: Texts, *, capital: bool = False) -> str:
    """Return what the page calls a round, 0 being the base model."""
    key = "round" if number else "base"
    return texts[key.capitalize() if capital else key].format(n=number)


def round_mark(number: int | None, texts: Texts) -> str:
    """Return a round's number for a table's cell."""
    return "–" if number is None else str(number) if number else texts["base_short"]
