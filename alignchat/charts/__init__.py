"""Scores and trainings as drawings, a kind of chart a module. Knows no file, no round's folder, no screen."""

from alignchat.charts.bars import bars_chart, side_effects_chart
from alignchat.charts.data import data_chart
from alignchat.charts.frame import Drawing
from alignchat.charts.parts import categories_chart, groups_chart, win_rates_chart
from alignchat.charts.rounds import scores_chart
from alignchat.charts.texts import Language
from alignchat.charts.training import training_chart

__all__ = [
    "Drawing",
    "Language",
    "bars_chart",
    "categories_chart",
    "data_chart",
    "groups_chart",
    "scores_chart",
    "side_effects_chart",
    "training_chart",
    "win_rates_chart",
]
