"""What `pip install .` brings: every file of the application, its command and its requirements."""

import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def tracked(*places: str) -> list[str]:
    return subprocess.check_output(["git", "ls-files", *places], cwd=ROOT, text=True).splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of what git tracks, as the build leaves files behind."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for path in tracked("alignchat", "feedback_store", "*.toml", "README.md", "LICENSE", "requirements*.txt"):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("alignchat-*.whl")
    return zipfile.ZipFile(built)


def of_its_information(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def required(name: str) -> set[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return {Requirement(line) for line in lines if line}


def test_the_wheel_holds_every_file_of_the_application_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = {path for path in wheel.namelist() if ".dist-info/" not in path}
    assert held == set(tracked("alignchat", "feedback_store"))


def test_the_wheel_names_the_command_and_the_same_requirements(wheel: zipfile.ZipFile) -> None:
    assert "alignchat = alignchat.cli:main" in of_its_information(wheel, "entry_points.txt")
    metadata: Message = Parser().parsestr(of_its_information(wheel, "METADATA"))
    wanted = {Requirement(line) for line in metadata.get_all("Requires-Dist", [])}
    assert {one for one in wanted if not one.marker} == required("requirements.txt")
    for one in (extra := {one for one in wanted if one.marker}):
        assert str(one.marker) == 'extra == "gpu"'
    assert {(one.name, one.specifier) for one in extra} == {
        (one.name, one.specifier) for one in required("requirements-gpu.txt")
    }


def test_without_a_checkout_the_doctor_reads_the_requirements_from_the_installed_package(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    code = "from alignchat import doctor; print(*doctor._required(), sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert {Requirement(line) for line in told.stdout.splitlines()} == required("requirements.txt")
