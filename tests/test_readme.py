"""The README's tables and tree say what is so. Run this file to write the table of settings anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from alignchat.config import Section, Settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TABLE = re.compile(r"(<!-- settings: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def rows() -> Iterator[str]:
    yield "| setting | default | what it does |\n|---|---|---|\n"
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            for key, inner in section.model_fields.items():
                yield row(f"{name}.{key}", inner.default, inner.description)
        elif name != "data":
            yield row(name, field.default, field.description)


def row(key: str, default: object, description: str | None) -> str:
    shown = ", ".join(default) if isinstance(default, tuple) else default
    return f"| `{key}` | {'' if shown in (None, '') else f'`{shown}`'} | {description} |\n"


def with_table(text: str) -> str:
    return TABLE.sub(lambda match: match[1] + "".join(rows()) + match[2], text)


def test_the_table_of_settings_is_the_one_made_from_the_settings() -> None:
    text = README.read_text("utf-8")
    assert with_table(text) == text, "run: python tests/test_readme.py"


def tree() -> list[str]:
    block = README.read_text("utf-8").split("<!-- tree")[1].split("```")[1]
    paths, folders = [], [""]
    for line in block.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        path = folders[depth] + line.split()[0]
        paths.append(path)
        folders[depth + 1 :] = [path]
    return paths


def test_everything_in_the_tree_is_there() -> None:
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_every_module_of_the_application_is_in_the_tree() -> None:
    told = set(tree())
    opened = [ROOT / "alignchat", *(ROOT / Path(path).parent for path in told if path.count("/") == 2)]
    modules = {str(path.relative_to(ROOT)) for folder in opened for path in folder.glob("[a-z]*.py")}
    packages = {f"alignchat/{path.parent.name}/" for path in (ROOT / "alignchat").glob("*/__init__.py")}
    assert (modules | packages) - told == set()


def test_the_picture_is_there_and_small() -> None:
    picture = ROOT / "docs" / "screenshot.png"
    assert 10_000 < picture.stat().st_size < 400_000


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
