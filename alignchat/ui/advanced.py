"""The panel of a training's settings, made from `TrainingSettings`. Knows no round."""

from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from alignchat.config import TrainingSettings
from alignchat.ui.errors import Updates
from alignchat.ui.i18n import Texts

# What the tab asks for itself.
_ELSEWHERE = ("steps", "preset")


class Advanced:
    """One component a setting, in the settings' order, each with its description."""

    def __init__(self, settings: TrainingSettings, texts: Texts) -> None:
        """Lay the panel out, closed; call inside a block."""
        fields = TrainingSettings.model_fields
        self.keys = [key for key in fields if key not in _ELSEWHERE]
        with gr.Accordion(texts["advanced"], open=False, elem_id="advanced"), gr.Row(elem_id="advanced-row"):
            self.components = [
                _component(key, fields[key], getattr(settings, key), texts) for key in self.keys
            ]

    def unset(self) -> Updates:
        """Return the updates that show what is not set as empty: Gradio draws a 0, and would send it."""
        numbers = [part for part in self.components if isinstance(part, gr.Number)]
        return {number: None for number in numbers if number.value is None}

    def asked(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Return the settings that the components' values stand for; an empty one is left out."""
        given = dict(zip(self.keys, values, strict=True))
        return {key: _number(value) for key, value in given.items() if value not in (None, "")}


def _component(key: str, field: FieldInfo, value: Any, texts: Texts) -> gr.components.Component:
    named: dict[str, Any] = {"label": key, "info": texts[f"setting_{key}"], "elem_id": f"set-{key}"}
    named |= {"min_width": 260, "interactive": True}
    if field.annotation is bool:
        return gr.Checkbox(value, **named)
    if get_origin(field.annotation) is Literal:
        return gr.Dropdown(list(get_args(field.annotation)), value=value, filterable=False, **named)
    return gr.Number(value, **named)


def _number(value: Any) -> Any:
    """Return what a number field that knows only floats meant."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
