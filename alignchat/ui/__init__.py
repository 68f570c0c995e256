"""The page in the browser. Knows the application object and nothing below it.

Importing this loads no gradio: `server` looks at the port, the model and the folder before that.
"""

from typing import TYPE_CHECKING

from alignchat.ui.i18n import Language

if TYPE_CHECKING:
    import gradio as gr

    from alignchat.loop import Loop


def build(loop: "Loop", language: Language = "en") -> "gr.Blocks":
    """Build the page in one language."""
    from alignchat.ui import page

    return page.build(loop, language)
