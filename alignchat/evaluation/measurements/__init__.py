"""The measures as modules of Hugging Face `evaluate`; they know only the pure functions they hand on to.

    evaluate.load("alignchat/evaluation/measurements/honest_score.py", module_type="measurement")

Each is a file to load by its path, wherever `alignchat` can be imported. `compute` takes what the function of
the same name takes, refusals included. `add` and `add_batch` gather the list itself (of regard, rows with all
four labels); what else the function takes is given to `compute`.
"""
