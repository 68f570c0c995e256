"""The application's errors in Italian, by a pattern of the English sentence.

The application speaks English; these are the sentences that a person at the page can meet.
"""

from collections.abc import Mapping

ITALIAN_ERRORS: Mapping[str, str] = {
    r"There is nothing to reply to: write a message first\.": "Non c'è nulla a cui rispondere: prima scrivi "
    "un messaggio.",
    r"There are no pairs for DPO yet.*": "Non ci sono ancora coppie per DPO: prima confronta due risposte e "
    "scegli la migliore.",
    r"KTO needs replies you like and replies you dislike, and there are (\d+) and (\d+).*": "A KTO servono "
    r"risposte che ti piacciono e che non ti piacciono, e ora sono \1 e \2: segnane almeno una del tipo che "
    "manca, poi riprova.",
    r"Round (\d+) of (\S+) is still running.*": r"Il round \1 di \2 è ancora in corso; "
    "aspettalo o annullalo, poi avvia il prossimo.",
    r"Round (\d+) is being worked on already.*": r"Il round \1 è già in lavorazione; aspetta o annullalo.",
    r"training\.(\w+) is (\S+), but round (\d+) has (\S+); .*": r"\1 è \2, ma il round \3 ha \4: mettilo a "
    r"\4 fra le impostazioni avanzate, o parti dalla base.",
    r"Round (\d+) has no adapter yet.*": r"Il round \1 non ha ancora un adattatore; aspettalo o riprendilo.",
    r"Round (\d+) is damaged: (.*) is missing or cannot be read; .*": r"Il round \1 è danneggiato: \2 manca "
    "o non si legge; rimetti una copia di quel file, o sposta altrove la cartella del round.",
    r"(.*) is damaged or names a round that cannot talk, .*": r"\1 è danneggiato o indica un round che non "
    "può parlare, perciò parla il modello di base; scegli di nuovo sotto Round quale round usare.",
    r"There is no round (\d+).*": r"Il round \1 non esiste.",
    r"The adapter of round (\d+) does not load.*": r"L'adattatore del round \1 non si carica, perciò la chat "
    "resta com'è; riprendi il round.",
    r"(.*) cannot be written \(.*\); .*": r"Non si può scrivere \1; libera spazio o scegli un altro posto, "
    "poi riprova.",
    r"(.*) is damaged \((.*)\); delete it and try again: its texts .*": r"\1 è danneggiato (\2); cancellalo "
    "e riprova: i suoi testi si rifanno.",
    r"Another program is starting a round right now.*": "Un altro programma sta avviando un round proprio "
    "ora; riprova.",
    r"A choice is between two replies to the same prompt.*": "Si sceglie fra due risposte alla stessa "
    "domanda; prima confrontale.",
    r"The machine ran out of memory; .*": "È finita la memoria; chiudi altri programmi e riprendi, oppure "
    "avvia un round con un training.batch_size più piccolo o con training.recompute.",
    r"The disk is full, so a file of the round.*": "Il disco è pieno, perciò un file del round non si è "
    "potuto scrivere; libera spazio e riprendi.",
    # People
    r"Only an owner may do this; ask one\.": "Può farlo solo un proprietario; chiedilo a chi lo è.",
    r"Nobody is known to ask for this; reload the page\.": "Non si sa chi lo chiede; ricarica la pagina.",
    r"Whom you chose to talk to is not here any more; choose again\.": "Chi avevi scelto non c'è più; "
    "scegli di nuovo.",
    # Conversations
    r"A conversation needs a title.*": "Una conversazione ha bisogno di un titolo; scrivine uno.",
    r"That reply is of another conversation.*": "Quella risposta è di un'altra conversazione; aprila, poi "
    "continua da lì.",
    r"Only a reply that you have edited.*": "Solo una risposta modificata da te può valere come migliore "
    "dell'originale.",
    r"This is not a conversation that alignchat has exported.*": "Questa non è una conversazione salvata da "
    "alignchat come JSON; non è stato importato nulla.",
    r"This conversation was exported by a newer alignchat.*": "Questa conversazione è di un alignchat più "
    "recente; importala lì.",
    r"The setting chat\.(\w+) cannot hold.*": r"Il valore di \1 non va bene; cambialo sotto «Come risponde».",
    r"The setting training\.(\w+) cannot hold.*": r"Il valore di \1 non va bene; cambialo sotto «Tutte le "
    r"impostazioni dell'addestramento».",
    r"The seed cannot hold: it must be from 0 to (\d+)\.": r"Il seme non va bene: deve essere fra 0 e \1.",
    r"There is no scored round to set beside the base.*": "Non c'è un round misurato da mettere accanto alla "
    "base: misura prima entrambi.",
    r"Round (\d+) has no scores yet.*": r"Il round \1 non ha ancora misure: misuralo, poi confronta.",
    # Feedback
    r"The vote cannot be read \((.*)\).*": r"Il voto non si può leggere (\1); ricarica la pagina.",
    r"There is no completion (.*)\.": r"Non c'è più la risposta \1.",
    r"There is no conversation (.*)\.": r"Non c'è più la conversazione \1.",
    r"There is no record (.*); nothing was changed\.": r"Non c'è il giudizio \1; non è cambiato nulla.",
    r"Another record has the id (\S+); not saved.*": r"Non salvato: \1 è già il nome di qualcos'altro.",
    r"Not saved: the disk of (.*) is full.*": r"Non salvato: il disco di \1 è pieno; libera "
    "spazio e riprova.",
    r"Not saved: (.*) was written by a newer version.*": r"Non salvato: \1 viene da una versione più "
    "nuova di questo programma; aggiornalo. La lettura funziona.",
    r"Not saved: (.*) cannot be written to \((.*)\);.*": r"Non salvato: in \1 non si può scrivere (\2); "
    "controlla il disco.",
    r"Not saved: (.*)\. Mend that and restart.*": r"Non salvato: \1. Rimedia e riavvia; la lettura funziona.",
    r"(.*) was (?:moved or deleted|shortened|replaced).*, so this is not saved;.*": "Non salvato: qualcun "
    r"altro ha spostato, cancellato o cambiato \1; rimettilo al suo posto.",
    r"There is no judgement (.*), or a later one is in its place\.": r"Non c'è il giudizio \1, o ce n'è uno "
    "più recente al suo posto.",
    r"(.*) is no day; write it as in (\S+)\.": r"\1 non è un giorno; scrivilo così: \2.",
    r"(.*) is no verdict; there are (.*)\.": r"\1 non è un giudizio; ci sono \2.",
    r"(.*) cannot be said of this; say one of (.*)\.": r"\1 qui non si può dire; scegli fra \2.",
    r"A thumb has no .*": "Di un pollice si cambiano solo giudizio, motivi e commento.",
    r"A choice has no .*": "Di una scelta si cambia solo il giudizio.",
    r"An edit has no .*": "Di una riscrittura si cambia solo il testo.",
    r"A rewritten reply cannot be empty; .*": "Una risposta riscritta non può essere vuota; ritira la "
    "riscrittura.",
    # The balance coach
    r"KTO learns from good and bad replies, and there are (\d+) and (\d+): mark a good one\.": "KTO impara "
    r"da risposte buone e cattive, e ora sono \1 e \2: segnane una buona.",
    r"KTO learns from good and bad replies, and there are (\d+) and (\d+): mark a bad one\.": "KTO impara "
    r"da risposte buone e cattive, e ora sono \1 e \2: segnane una cattiva.",
    r"Good to bad is (\d+) to (\d+), within 1:1 and 4:3\.": r"Buone e cattive sono \1 a \2, fra 1:1 e 4:3.",
    r"Good to bad is (\d+) to (\d+); .* (\d+) more bad would do; .* weighs (\d+)\.(\d+) times\.": "Buone e "
    r"cattive sono \1 a \2; la misura giusta va da 1:1 a 4:3. Cattive da aggiungere: \3; fino ad allora ogni "
    r"cattiva pesa \4,\5 volte.",
    r"Good to bad is (\d+) to (\d+); .* (\d+) more good would do; .* weighs (\d+)\.(\d+) times\.": "Buone e "
    r"cattive sono \1 a \2; la misura giusta va da 1:1 a 4:3. Buone da aggiungere: \3; fino ad allora ogni "
    r"buona pesa \4,\5 volte.",
    r"(\d+) more replies to judge: .* hold (\d+) or more\.": r"Altre \1 risposte da giudicare: KTO misura "
    r"ciascuna contro le altre del suo gruppo, che dovrebbe averne almeno \2.",
    r"(\d+) judged replies fill a batch of (\d+)\.": r"\1 risposte giudicate riempiono un gruppo di \2.",
    r"DPO learns from pairs, and there are none: .*": "DPO impara da coppie, e non ce ne sono: scegli la "
    "migliore di due risposte, o riscrivine una.",
    r"(\d+) more pairs: the shortest round shows each of (\d+) (\d+) times, .*": r"Altre \1 coppie: il round "
    r"più corto mostra ciascuna delle \2 per \3 volte, e DPO impara troppo alla lettera ciò che gli si dice "
    "una volta e si mostra spesso.",
    r"(\d+) pairs are enough for the shortest round\.": r"\1 coppie bastano per il round più corto.",
    r"(\d+) more different prompts: .* from (\d+) on .*": r"Altre \1 domande diverse: la varietà insegna più "
    r"del numero, e da \2 in su alcune si tengono da parte per misurare il round.",
    r"(\d+) different prompts: .*": r"\1 domande diverse: alcune si tengono da parte per misurare il round.",
    # Compare and Label
    r"Whose replies these are is told after the vote\.": "Di chi sono le risposte si sa dopo il voto.",
    r"Replies are being made for the queue already.*": "Sto già facendo risposte per la coda; aspetta, o "
    "fermale.",
    r"There are no new prompts here.*": "Qui non ci sono domande nuove: tutte hanno già una coppia in coda; "
    "prendine altre.",
    r"There are no prompts here; write one a line\.": "Qui non ci sono domande; scrivine una per riga.",
    r"Line (\d+) has no prompt:.*": r"La riga \1 non ha una domanda: ogni riga ha bisogno di \"prompt\", un "
    "testo o messaggi che finiscono con quello dell'utente.",
    r"Somebody has labelled this pair already.*": "Qualcuno ha già giudicato questa coppia, perciò resta; "
    "rimandala.",
    r"This pair is no longer in the queue\.": "Questa coppia non è più nella coda.",
    r"An edited reply cannot be empty.*": "Una risposta riscritta non può essere vuota; scrivi qualcosa, o "
    "lascia stare.",
    # Models
    r"There is no network, and (.*) are to be fetched from the hub\.": "Non c'è rete, e servono "
    r"\1 dall'hub.",
    r"The hub cannot be reached: .*": "L'hub non si raggiunge: manca la rete, o HF_HUB_OFFLINE è impostata; "
    "i modelli già su questa macchina funzionano senza.",
    r"HF_HUB_OFFLINE is set.*": "HF_HUB_OFFLINE è impostata, perciò l'hub non viene interrogato; toglila per "
    "scaricare modelli.",
    r"It needs an access token, and its terms accepted: (.*)": "Servono un token di accesso e "
    r"l'accettazione delle condizioni: \1",
    r"There is not enough room in (.*): (.*) are needed and (.*) are free.*": "Non c'è abbastanza spazio in "
    r"\1: servono \2 e sono liberi \3; libera spazio.",
    r"(\S+) is gated: accept its terms at (\S+), then .*": r"\1 chiede di accettare le condizioni: fallo su "
    r"\2, poi metti un token di accesso in HF_TOKEN e riprova.",
    r"The hub refuses (\S+) \((\d+)\): .* at (\S+), then .*": r"L'hub rifiuta \1 (\2): accetta le "
    r"condizioni, se ce ne sono, su \3, poi metti un token di accesso in HF_TOKEN.",
    r"The hub has no such file or model in (\S+) \(404\).*": r"L'hub non ha questo file o modello in \1 "
    "(404); controlla il nome.",
    r"The hub asks for fewer requests \(429\); wait (\d+) seconds.*": r"L'hub chiede meno richieste (429); "
    r"aspetta \1 secondi e riprendi, ciò che è arrivato resta.",
    r"The hub asks for fewer requests.*": "L'hub chiede meno richieste (429); aspetta qualche minuto e "
    "riprendi, ciò che è arrivato resta.",
    r"The hub has a fault of its own \((\d+)\).*": r"L'hub ha un guasto suo (\1); riprova più tardi, ciò che "
    "è arrivato resta.",
    r"The hub stopped answering while asked for (\S+);.*": r"L'hub ha smesso di rispondere per \1; riprova "
    "quando torna la rete.",
    r"The connection to the hub broke off after (\S+) of (\S+) bytes of (.*); what.*": "Il collegamento con "
    r"l'hub si è interrotto dopo \1 di \2 byte di \3; ciò che è arrivato resta, perciò riprendi.",
    r"What came of (.*) is not what the hub holds.*": r"Ciò che è arrivato di \1 non è ciò che l'hub ha (la "
    "somma di controllo è diversa); scaricalo di nuovo.",
    r"(\S+) of (\S+) changed on the hub under way.*": r"\1 di \2 è cambiato sull'hub mentre lo scaricavi; "
    "scaricalo di nuovo.",
    r"What answers for (\S+) is not a hub;.*": r"Ciò che risponde per \1 non è un hub; entra nella rete, o "
    "correggi HF_ENDPOINT.",
    r"There is no file or folder (.*), and on the hub.*": r"Non c'è un file o una cartella \1, e sull'hub i "
    "nomi sono del tipo AUTORE/NOME.",
    r"There is a model called (\S+) already.*": r"C'è già un modello chiamato \1; dagli un altro nome.",
    r"(.*) cannot be a model's name; .*": r"\1 non può essere il nome di un modello; usa lettere minuscole, "
    "cifre, punti e trattini, al massimo 64.",
    r"(\S+) holds neither GGUF files nor safetensors.*": r"\1 non contiene né file GGUF né safetensors che "
    "si possano convertire.",
    r"(\S+) is still on its way;.*": r"\1 è ancora in arrivo; aspetta, o prima annulla.",
    r"(\S+) is the model you are talking to;.*": r"\1 è il modello con cui stai parlando; aprine un altro, "
    "poi rimuovilo.",
    r"(\S+) is being worked on already;.*": r"\1 è già in lavorazione; aspetta.",
    r"Stopped; what has come.*": "Fermato; ciò che è arrivato resta.",
    r"Stopped; nothing was changed\.": "Fermato; non è cambiato nulla.",
    r"The model's packages are not installed; run: (.*)": "I pacchetti del modello non sono installati; "
    r"esegui: \1",
    r"It is an? (\S+) model, which cannot be used here.*": r"È un modello \1, che qui non si può usare; "
    "scegline uno llama, mistral o gemma3.",
    r"llama\.cpp cannot run (.*): the file.*": r"llama.cpp non riesce a usare \1: il file è danneggiato, o "
    "di un tipo che non conosce.",
    # Public sets and lexicons
    r"(\S+) answers (\d+); try again later\.": r"\1 risponde \2; riprova più tardi.",
    r"(\S+) cannot be read \((.*)\); try again when the network is back.*": r"\1 non si può leggere (\2); "
    "riprova quando torna la rete.",
    r"What came from (\S+) is not what was published.*": r"Ciò che viene da \1 non è ciò che è stato "
    "pubblicato (la somma di controllo è diversa); riprova.",
    # Data
    r"'(.*)' names no preference set: .*": r"«\1» non è il nome di una raccolta: scrivi un nome della lista, "
    "PROPRIETARIO/NOME sull'hub, o un file .jsonl, .json o .parquet.",
    r"'(.*)' asks for nothing, or for more than all.*": r"«\1» non chiede nulla, o più di tutto; scrivi un "
    "numero di righe, o una quota fino al 100%.",
    r"(.*) is not here yet, or not all that is asked for.*": r"\1 non è ancora qui, o non "
    "tutto: prima scaricala.",
    r"(.*) is asked for twice;.*": r"\1 è chiesta due volte; chiedi ogni raccolta "
    "una volta sola.",
    r"(.*) cannot be had from the hub: (.*)\.": r"\1 non si può avere dall'hub: \2.",
    r"(.*) cannot be read as rows of (.*): (.*)\.": r"\1 non si legge come righe di \2: \3.",
    r"(.*) is not there; check the path\.": r"\1 non c'è; controlla il percorso.",
    r"(.*) cannot be read \((.*)\); check the path\.": r"\1 non si può leggere (\2); controlla "
    "il percorso.",
    r"Getting (.*) broke off \((.*)\); get it again\.": r"L'arrivo di \1 si è interrotto (\2); riprova.",
    r"The rows in (.*) were changed after the round began.*": r"Le righe in \1 sono cambiate dopo "
    "l'inizio del "
    "round; avviane uno nuovo.",
    r"(.*) unpacks to more than the limit of ([\d,]+) bytes; split it\.": r"\1 si espande oltre il limite di "
    r"\2 byte; dividilo.",
    r"(.*) has more than ([\d,]+) rows, which is the limit; split it\.": r"\1 ha più di \2 righe, che è il "
    "limite; dividilo.",
    r"(.*) is a JSON array of more than ([\d,]+) bytes; .*": r"\1 è una lista JSON di più di \2 byte; scrivi "
    "le sue righe come JSONL, una per riga.",
    r"(.*) unpacks to more than the limit of ([\d,]+) bytes; ask for a part: (.*)": r"\1 si espande oltre il "
    r"limite di \2 byte; chiedine una parte: \3",
    r"(.*) is asked for more rows than the limit; ask for a part: (.*)": r"Di \1 sono chieste più righe del "
    r"limite; chiedine una parte: \2",
    r"llama\.cpp was still trying (.*) after (\d+) s, so it was ended; .*": r"Dopo \2 s llama.cpp stava "
    r"ancora provando \1, perciò è stato chiuso; riprova quando la macchina ha meno da fare, o scegli un "
    "altro modello.",
}
