"""Texts of the tab Models: by key, English and Italian."""

TEXTS: dict[str, tuple[str, str]] = {
    "models_intro": (
        (
            "One model is open at a time, and each has rounds of its own; your feedback serves all. "
            "Everything runs on this machine; the network is used only to get a model."
        ),
        (
            "È aperto un modello alla volta e ognuno ha i suoi round; i giudizi servono a tutti. "
            "Tutto resta su questa macchina; la rete serve solo a scaricare un modello."
        ),
    ),
    "models": ("Models", "Modelli"),
    "model_talk": ("Talk to it now", "Parlaci adesso"),
    "format": ("Number format", "Formato dei numeri"),
    "format_usual": ("the usual one", "quello consueto"),
    "format_about": (
        "Fewer bits take less memory and lose a little: Q8_0 hardly any, Q4_0 the most.",
        "Meno bit occupano meno memoria e perdono qualcosa: Q8_0 quasi nulla, Q4_0 di più.",
    ),
    "model_in_use": ("in use", "in uso"),
    "model_default": ("default", "predefinito"),
    "model_ready": ("ready", "pronto"),
    "model_fetching": ("on its way", "in arrivo"),
    "model_partial": ("partly here", "scaricato in parte"),
    "model_available": ("not here yet", "da scaricare"),
    "model_missing": ("its file is gone", "il file non c'è più"),
    "model_damaged": ("its file has changed", "il file è cambiato"),
    "about_starter": (
        "SmolLM2 135M: small, quick, and here from the start.",
        "SmolLM2 135M: piccolo, veloce e già qui.",
    ),
    "about_starter-it": (
        "Gemma 3 270M, base: goes on with Italian texts; from optional packages, no network.",
        "Gemma 3 270M, base: continua testi italiani; da pacchetti facoltativi, senza rete.",
    ),
    "about_minerva-350m": (
        "The smallest Minerva, base: made in Rome for Italian, by Sapienza NLP.",
        "La Minerva più piccola, base: fatta a Roma per l'italiano, da Sapienza NLP.",
    ),
    "about_minerva-1b": (
        "Minerva 1B, base: writes better, and more slowly.",
        "Minerva 1B, base: scrive meglio, ma più piano.",
    ),
    "about_minerva-3b": (
        "Minerva 3B, base: for machines with some memory to spare.",
        "Minerva 3B, base: per macchine con un po' di memoria libera.",
    ),
    "about_minerva-7b": (
        "Minerva 7B, base: about 15 GB are fetched, then converted here.",
        "Minerva 7B, base: si scaricano circa 15 GB, poi convertiti qui.",
    ),
    "about_minerva-7b-instruct": (
        "Minerva 7B, taught by its makers to answer what it is asked.",
        "Minerva 7B, addestrata dai suoi autori a rispondere alle richieste.",
    ),
    "about_added": ("Added by you.", "Aggiunto da te."),
    "speaks_starter": ("English", "inglese"),
    "speaks_starter-it": ("Italian, English", "italiano, inglese"),
    "speaks_minerva-350m": ("Italian, English", "italiano, inglese"),
    "speaks_minerva-1b": ("Italian, English", "italiano, inglese"),
    "speaks_minerva-3b": ("Italian, English", "italiano, inglese"),
    "speaks_minerva-7b": ("Italian, English", "italiano, inglese"),
    "speaks_minerva-7b-instruct": ("Italian, English", "italiano, inglese"),
    "stands_in_use": ("You are talking to it now.", "È quello con cui stai parlando."),
    "stands_ready": ("It is on this machine and ready.", "È su questa macchina ed è pronto."),
    "stands_default": (
        "It opens at the next start; until then you talk to {open}.",
        "Si apre al prossimo avvio; fino ad allora parli con {open}.",
    ),
    "stands_not_default": (
        "Used by default, it opens at the next start.",
        "Usato come predefinito, si apre al prossimo avvio.",
    ),
    "stands_fetching": ("It is on its way here.", "È in arrivo."),
    "stands_partial": (
        "Part of its {size} is here; Resume goes on from there. Licence: {licence}.",
        "Una parte dei suoi {size} è qui e resta; Riprendi continua da lì. Licenza: {licence}.",
    ),
    "stands_available": (
        "It is not on this machine yet. It takes about {size}. Licence: {licence}.",
        "Non è ancora su questa macchina. Occupa circa {size}. Licenza: {licence}.",
    ),
    "stands_missing": (
        "Its file {path} is gone. Put it back, get the model again, or remove it.",
        "Il suo file {path} non c'è più. Rimettilo, scarica di nuovo il modello o rimuovilo.",
    ),
    "stands_damaged": (
        (
            "Its file {path} is no longer what it was. Put the right one back, get the model again, "
            "or remove it."
        ),
        (
            "Il suo file {path} non è più quello di prima. Rimetti quello giusto, scarica di nuovo "
            "il modello o rimuovilo."
        ),
    ),
    "model_get": ("Get", "Scarica"),
    "model_use": ("Use by default", "Usa come predefinito"),
    "model_remove": ("Remove", "Rimuovi"),
    "model_remove_ask": (
        "Remove **{name}** from this machine? Its rounds and your feedback stay.",
        "Rimuovere **{name}** da questa macchina? I suoi round e i tuoi giudizi restano.",
    ),
    "model_really": ("Yes, remove it", "Sì, rimuovi"),
    "model_keep": ("Keep it", "No, tieni"),
    "model_removed": ("{name} is removed.", "{name}: rimosso."),
    "model_chosen": (
        "{name} opens at the next start; until then you talk to {open}.",
        "{name} si apre al prossimo avvio; fino ad allora parli con {open}.",
    ),
    "model_arrived": ("{name} is here, checked and ready.", "{name}: arrivato, controllato e pronto."),
    "terms_read": ("Its terms:", "Le sue condizioni:"),
    "terms_accept": ("I have read the terms and accept them", "Ho letto le condizioni e le accetto"),
    "terms_first": (
        "This model comes under terms: read them, tick the box, then get it.",
        "Questo modello ha delle condizioni: leggile, spunta la casella, poi scaricalo.",
    ),
    "model_add": ("Add another model", "Aggiungi un altro modello"),
    "model_add_about": (
        (
            "A GGUF file or a Transformers folder on this machine, by its path, or a model on the "
            "Hugging Face hub, as OWNER/NAME. It must be of the llama, mistral or gemma3 family."
        ),
        (
            "Un file GGUF o una cartella Transformers di questa macchina, con il suo percorso, o un "
            "modello dell'hub di Hugging Face, come AUTORE/NOME. Deve essere della famiglia llama, "
            "mistral o gemma3."
        ),
    ),
    "model_source": ("Path, or name on the hub", "Percorso, o nome sull'hub"),
    "model_source_hint": ("/home/me/model.gguf or OWNER/NAME", "/home/io/modello.gguf o AUTORE/NOME"),
    "model_name": ("Name here", "Nome da dargli"),
    "model_name_hint": ("chosen for you", "scelto per te"),
    "model_add_run": ("Add", "Aggiungi"),
    "model_source_first": (
        "Write the path of a file or folder, or a name on the hub, then press Add.",
        "Scrivi il percorso di un file o di una cartella, o un nome sull'hub, poi premi Aggiungi.",
    ),
    "transfer": ("On its way", "In arrivo"),
    "transfer_starting": ("asking where it is to be had", "cerco dove si trova"),
    "transfer_stopping": ("stopping, what has come is kept", "mi fermo, ciò che è arrivato resta"),
    "transfer_stopped": ("stopped; what has come is kept.", "fermato; ciò che è arrivato resta."),
    "transfer_checking": ("checking what has come", "controllo ciò che è arrivato"),
    "transfer_converting": ("converting {done} of {total}", "converto {done} di {total}"),
    "transfer_rate": ("{size} a second", "{size} al secondo"),
    "decimal": (".", ","),
    "minerva_offer": (
        "This is the small English starter. **Minerva 350M** speaks Italian: {size}, {licence}.",
        (
            "Questo è il piccolo modello iniziale, in inglese. **Minerva 350M** parla italiano: "
            "{size}, {licence}."
        ),
    ),
    "minerva_get": ("Get Minerva", "Scarica Minerva"),
    "minerva_no": ("No, thanks", "No, grazie"),
}
