"""The unit and the image call the application as it can be called; files and settings they name are there."""

import configparser
import json
import re
import shlex
from pathlib import Path

from alignchat import cli, config

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "docs" / "deploy" / "alignchat.service"
IMAGE = (ROOT / "docs" / "deploy" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8").replace("\\\n", " ")


def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    unit.read(UNIT)
    return unit["Service"]


def instruction(name: str) -> str:
    (found,) = re.findall(rf"^{name} (.*)$", IMAGE, re.MULTILINE)
    return str(found)


def test_the_unit_calls_the_command_that_the_page_installs_and_leaves_it_time_to_stop() -> None:
    program, *arguments = shlex.split(service()["ExecStart"])
    assert f"python3 -m venv {Path(program).parents[1]} " in PAGE
    assert cli.parse(arguments).no_browser
    assert int(service()["TimeoutStopSec"]) > 10
    assert (service()["Restart"], service()["NoNewPrivileges"]) == ("on-failure", "yes")
    assert service()["ProtectSystem"] == "strict"
    assert service()["WorkingDirectory"] == f"/var/lib/{service()['StateDirectory']}"
    assert f"--data {service()['WorkingDirectory']} " in PAGE


def test_the_image_calls_the_command_on_the_port_it_opens_and_copies_what_is_there() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["alignchat"]
    asked = cli.parse(json.loads(instruction("CMD")))
    assert asked.host == "0.0.0.0"
    port = config.ServerSettings.model_fields["port"].default
    assert instruction("EXPOSE") == str(port)
    assert f"127.0.0.1', {port})" in IMAGE
    assert f"ALIGNCHAT_HOME={instruction('VOLUME')} " in IMAGE
    copied = [path for line in re.findall(r"^COPY (.*)$", IMAGE, re.MULTILINE) for path in line.split()[:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert {"alignchat", "feedback_store", "pyproject.toml"} <= set(copied)
    assert IMAGE.index("USER alignchat") < IMAGE.index("ENTRYPOINT")


def test_every_command_and_setting_of_the_page_is_one() -> None:
    calls = re.findall(r"docker run .*? alignchat(?: ([a-z][^`\n]*))?(?:`\.)?$", PAGE, re.MULTILINE)
    assert len(calls) == 4
    for call in filter(None, calls):
        cli.parse(shlex.split(call))
    files = (PAGE, IMAGE, UNIT.read_text("utf-8"))
    named = {name for text in files for name in re.findall(r"ALIGNCHAT_([A-Z]+__[A-Z_]+)=", text)}
    sections = {name: field.annotation for name, field in config.Settings.model_fields.items()}
    assert named
    for name in named:
        section, key = name.lower().split("__")
        assert key in sections[section].model_fields  # type: ignore[union-attr]
    built = re.findall(r"--build-arg (\w+)=", PAGE)
    assert set(built) <= set(re.findall(r"^ARG (\w+)", IMAGE, re.MULTILINE))
