"""How it replies, in plain words: instructions and sampling, kept by the browser, with a reset."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from alignchat.ui.errors import Updates
from alignchat.ui.shared import AT_ONCE, Page


class How:
    """The panel's components; instructions belong to the conversation, the rest to the browser."""

    def __init__(self, page: Page) -> None:
        """Lay the panel out, closed; call inside the tab Chat."""
        self.texts, self.defaults = page.texts, page.loop.settings.chat
        self.kept = gr.BrowserState(None, storage_key="alignchat-how", secret="alignchat")
        with gr.Accordion(self.texts["how"], open=False, elem_id="how"):
            self.system = gr.Textbox(
                label=self.texts["how_system"],
                info=self.texts["how_system_hint"],
                value=self.defaults.system_prompt,
                lines=2,
                max_lines=8,
                elem_id="how-system",
            )
            with gr.Row(elem_id="how-sampling"):
                self.sampling: Mapping[str, gr.Slider | gr.Number] = {
                    "temperature": self._slider("temperature", 0, 2, 0.05),
                    "top_p": self._slider("top_p", 0.05, 1, 0.05),
                    "top_k": self._number("top_k"),
                    "max_tokens": self._number("max_tokens"),
                    "seed": self._number("seed"),
                }
            self.reset = gr.Button(
                self.texts["how_reset"], size="sm", scale=0, min_width=140, elem_id="how-reset"
            )
        controls = list(self.sampling.values())
        gr.on([control.change for control in controls], self._keep, controls, self.kept, **AT_ONCE)
        self.reset.click(self._reset, None, [self.system, *controls], **AT_ONCE)

    def _slider(self, name: str, low: float, high: float, step: float) -> gr.Slider:
        return gr.Slider(low, high, step=step, buttons=[], min_width=220, **self._described(name))

    def _number(self, name: str) -> gr.Number:
        return gr.Number(precision=0, min_width=140, **self._described(name))

    def _described(self, name: str) -> dict[str, Any]:
        return {
            "label": self.texts[f"how_{name}"],
            "info": self.texts[f"how_{name}_about"],
            "value": self._default(name),
            "elem_id": f"how-{name}".replace("_", "-"),
        }

    def _default(self, name: str) -> Any:
        return None if name == "seed" else self.defaults.model_dump()[name]

    def _keep(self, *values: float | None) -> dict[str, float | None]:
        """Return what differs from the settings, so that a setting that is changed later is followed."""
        asked = dict(zip(self.sampling, values, strict=True))
        return {name: value for name, value in asked.items() if value != self._default(name)}

    def _reset(self) -> Updates:
        defaults = {control: self._default(name) for name, control in self.sampling.items()}
        return {self.system: self.defaults.system_prompt, **defaults}

    def inputs(self) -> list[Any]:
        """Return what `asked` is made of."""
        return [self.system, *self.sampling.values()]

    def asked(self, system: str | None, *values: float | None) -> dict[str, Any]:
        """Return the panel's values as arguments of the loop's methods; an empty one means the default."""
        return {"system": system or "", **dict(zip(self.sampling, values, strict=True))}

    def remembered(self, kept: Mapping[str, Any] | None) -> Updates:
        """Return the updates that show what this browser kept; what it did not is left as it is by now."""
        shown = {"seed": None, **(kept or {})}  # An empty number is drawn as 0 until it is told to be empty.
        return {self.sampling[name]: value for name, value in shown.items() if name in self.sampling}
