"""Texts of a training's settings, in English as they describe themselves, and in Italian."""

from alignchat.config import TrainingSettings

_ITALIAN = {
    "steps": "Passi di ottimizzazione; nessuno: tre passate sulle righe, da 10 a 200.",
    "batch_size": "Righe a passo. A KTO ne servono almeno 2, per stimare il termine KL.",
    "preset": "Quanto può muoversi un round: fissa learning_rate e beta, metodo per metodo.",
    "learning_rate": "Learning rate massimo dei pesi LoRA; nessuno: quello del preset.",
    "beta": "Con quanta forza il modello è tenuto al riferimento; nessuno: quello del preset.",
    "dpo_loss": "La loss di DPO, col nome di TRL.",
    "kto_loss": "La loss di KTO, col nome di TRL.",
    "label_smoothing": "Quota di scelte ritenute sbagliate dalle loss robust, exo_pair e aot di DPO.",
    "reference": "A che cosa è tenuto un round che continua da un altro: a quel round, o alla base.",
    "lora_rank": "Rango delle matrici LoRA.",
    "lora_alpha": "Scala di LoRA: alpha / rango moltiplica l'aggiornamento.",
    "lora_targets": "Quali matrici ricevono pesi LoRA: tutte le lineari, o solo quelle dell'attenzione.",
    "max_length": "Le righe con più token di così sono escluse, e contate.",
    "test_share": "Quota delle domande tenute da parte per misurare il round.",
    "test_rows": "Al più tante righe tenute da parte sono misurate per fonte.",
    "precision": "Formato dei prodotti di matrici; auto: bf16 dove l'hardware lo ha.",
    "weights": "4bit: i pesi del modello in NF4 (QLoRA); NVIDIA, requirements-gpu.txt.",
    "recompute": "Calcola le attivazioni due volte invece di tenerle: più lento, con meno memoria.",
    "while_chatting": "Come procede un round mentre si scrive una risposta: a priorità minore, sempre su "
    "metà dei core, o per niente.",
    "use_when_better": "La chat usa da sola un round finito, se nulla parla contro.",
    "seed": "Seme dei pesi LoRA iniziali e dell'ordine delle righe.",
}

TEXTS: dict[str, tuple[str, str]] = {
    f"setting_{key}": (field.description or "", _ITALIAN[key])
    for key, field in TrainingSettings.model_fields.items()
}
