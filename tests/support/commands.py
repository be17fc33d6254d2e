"""Commands that the pages show, cut into words and held against the parsers, the Makefile and botocore's models."""

import argparse
import contextlib
import importlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.session
from botocore import xform_name
from tests.support.pages import ROOT

AND_SO_ON = "…"
ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
COMMENT = re.compile(r"(?:^|(?<=\s))#\s.*$", re.MULTILINE)
HOLE = re.compile(r"<[\w ]+>")
INNER = re.compile(r"\$\(([^()]*)\)")
MAKE = shutil.which("make", path="/usr/local/bin:/usr/bin:/bin") or "make"  # on a page's path there is another
STAMPS = (".venv", ".venv-peers", ".venv-peers-endpoint", ".venv-integrations")


class WrongError(Exception):
    """The words cannot be."""


def commands(text: str) -> Iterator[list[str]]:
    """Yield each simple command of a shell's text: its words, without comments and where its output goes."""
    text = HOLE.sub("HOLE", COMMENT.sub("", text).replace("\\\n", " "))
    for inner in INNER.finditer(text):
        yield from commands(inner[1])
    lexer = shlex.shlex(INNER.sub("INNER", text), posix=True, punctuation_chars="|&;<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    target = False
    for word in lexer:
        if set(word) <= set("|&;\n"):
            if words:
                yield words
            words = []
        elif set(word) <= set("<>&"):
            target = True
        elif target:
            target = False
        else:
            words.append(word)
    if words:
        yield words


def check(words: list[str], *, whole: bool) -> None:
    """Check a command. ``whole``: nothing may be missing; else it may be the beginning of one, as in prose.

    **Raises**: ``WrongError``.
    """
    words = [word for word in words if word != AND_SO_ON]
    while words and ASSIGNED.match(words[0]):
        words = words[1:]
    if not words:
        return
    program, rest = Path(words[0]).name or words[0], words[1:]
    if program not in PROGRAMS:
        raise WrongError(f"nothing here knows the program {program}")
    PROGRAMS[program](rest, whole)


# our own programs


def read_with(parser: argparse.ArgumentParser, words: list[str], whole: bool) -> None:
    """Have a parser read the words, or only look whether it knows the names among them."""
    if not whole:
        walk(parser, words)
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(words)
    except SystemExit as ended:
        if ended.code:
            raise WrongError(said.getvalue().strip().splitlines()[-1]) from None


def walk(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Go from command to command, and know each option."""
    choices = {
        name: one
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, one in action.choices.items()
    }
    for number, word in enumerate(words):
        if word.startswith("-") and len(word) > 1:
            if word.partition("=")[0] not in parser._option_string_actions:
                raise WrongError(f"{parser.prog} has no option {word}")
        elif word in choices:
            walk(choices[word], words[number + 1 :])
            return
    if choices and words and not words[0].startswith("-") and words[0] != "COMMAND":
        raise WrongError(f"{parser.prog} has no command {words[0]}")


def infra(words: list[str], whole: bool) -> None:
    from jina_v3_infra.deploy.arguments import _split_cdk, build_parser

    own, of_the_cdk = _split_cdk(words)
    read_with(build_parser(), own, whole)
    if of_the_cdk:
        cdk(of_the_cdk, whole)


def client(words: list[str], whole: bool) -> None:
    from jina_v3_client.cli.arguments import build_parser

    read_with(build_parser(), words, whole)


def python(words: list[str], whole: bool) -> None:
    if words[:1] != ["-m"]:
        if not (ROOT / words[0]).is_file():
            raise WrongError(f"there is no {words[0]}")
        of_program(words[0].removesuffix(".py").replace("/", "."), words[1:], whole)
        return
    module, rest = words[1], words[2:]
    if module == "pytest":
        pytest_words(rest, whole)
    elif module in ("ipykernel", "jupyter"):  # other people's
        return
    elif module == "jina_v3_client":
        client(rest, whole)
    else:
        path = main_of(module)
        if path.name != "__main__.py" and "__main__" not in path.read_text(encoding="utf-8"):
            raise WrongError(f"{module} cannot be run")
        of_program(module, rest, whole)


def of_program(module: str, words: list[str], whole: bool) -> None:
    if "argparse" not in main_of(module).read_text(encoding="utf-8"):
        if any(word.startswith("-") for word in words):
            raise WrongError(f"{module} has no options")
        return
    parser, hands_on = parser_of(module)
    if not hands_on:
        read_with(parser, words, whole)


def main_of(module: str) -> Path:
    for root in (ROOT, *(ROOT / name for name in ("infra", "inference", "notebooks", "client"))):
        path = root / module.replace(".", "/")
        if (path / "__main__.py").is_file():
            return path / "__main__.py"
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
    raise WrongError(f"there is no module {module}")


class _Read(Exception):  # noqa: N818  # no error
    """Carries a parser out of the program that has made it, and whether it must know all words."""


@cache
def parser_of(module: str) -> tuple[argparse.ArgumentParser, bool]:
    """Return the parser that a program makes, and whether it hands on what it does not know to another.

    The program is run up to where it reads its words.
    """

    def give(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Read(parser, False)

    def give_some(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Read(parser, True)

    name = module + ".__main__" if main_of(module).name == "__main__.py" else module
    main = importlib.import_module(name).main
    reads = "argparse.ArgumentParser.parse_"
    with patch(reads + "args", give), patch(reads + "known_args", give_some):
        try:
            main()
        except _Read as read:
            return read.args[0], read.args[1]
    raise WrongError(f"{module} reads no words")


def serve(words: list[str], whole: bool) -> None:
    of_program("jina_v3.serving.server", words, whole)


def pytest_words(words: list[str], whole: bool) -> None:
    """Know the paths; pytest itself is not ours."""
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = word in ("-m", "-k", "-W", "-p") and not skip
        elif not (ROOT / word).exists():
            raise WrongError(f"there is no {word}")


# make


@cache
def makefile() -> tuple[set[str], set[str]]:
    """Return the targets, and the variables that a caller may set."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    return targets, set(re.findall(r"\$\((?:if \$\()?([A-Z]+)\b", text))


@cache
def expanded(*words: str) -> tuple[str, ...]:
    """Return what make would run, with all environments in place."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    stamps = [word for name in STAMPS for word in ("-o", f"{name}/.stamp")]
    ran = subprocess.run(
        [MAKE, "-n", "--no-print-directory", *stamps, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise WrongError(ran.stderr.strip())
    return tuple(ran.stdout.replace("\\\n", " ").splitlines())


OURS = re.compile(r"(?:[A-Z]\w*=\S* )*(?:\S*/)?(?:python|jina-v3-infra|docker build)\b(?! -c)")


def make(words: list[str], whole: bool) -> None:
    targets, variables = makefile()
    for word in words:
        if ASSIGNED.match(word):
            if word.partition("=")[0] not in variables:
                raise WrongError(f"the Makefile has no variable {word.partition('=')[0]}")
        elif word not in targets:
            raise WrongError(f"the Makefile has no target {word}")
    if any(AND_SO_ON in word or word == "ARGS=more options" for word in words):
        return
    if any(ASSIGNED.match(word) for word in words):
        for line in expanded(*words):
            if OURS.match(line):
                for command in commands(line):
                    check(command, whole=whole)


# programs of others


def cdk(words: list[str], whole: bool) -> None:
    known = {"bootstrap", "deploy", "destroy", "diff", "synth", "rollback", "list", "import", "doctor"}
    if words and words[0] not in known:
        raise WrongError(f"cdk has no command {words[0]}")


@cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


GLOBAL = {"--region", "--profile", "--query", "--output", "--cli-binary-format", "--no-sign-request", "--endpoint-url"}
BY_HAND = {
    ("s3", "cp"): {"--recursive", "--quiet"},
    ("s3", "ls"): {"--recursive", "--human-readable"},
    ("logs", "tail"): {"--since", "--format", "--follow", "--filter-pattern"},
}
"""What the AWS CLI has beside the operations."""


def aws_operation(service: str, name: str) -> Any:
    """Return botocore's model of an operation, of which the AWS CLI is made."""
    if service not in _session().get_available_services():
        raise WrongError(f"AWS has no service {service}")
    model = _session().get_service_model(service)
    names = {xform_name(operation, "-"): operation for operation in model.operation_names}
    if name not in names:
        raise WrongError(f"{service} has no operation {name}")
    return model.operation_model(names[name])


def aws_members(operation: Any) -> dict[str, str]:
    """Return an operation's options and what they are called in a request."""
    return {f"--{xform_name(member, '-')}": member for member in operation.input_shape.members}


def aws(words: list[str], whole: bool) -> None:
    if len(words) < 2:
        raise WrongError("a service and an operation are wanted")
    service, name, *rest = words
    options = {word.partition("=")[0] for word in rest if word.startswith("--")}
    if (service, name) in BY_HAND:
        unknown = options - BY_HAND[service, name] - GLOBAL
    else:
        operation = aws_operation(service, name)
        members = aws_members(operation)
        unknown = options - set(members) - GLOBAL - {"--max-items"}
        missing = {option for option, member in members.items() if member in operation.input_shape.required_members}
        if whole and missing - options:
            raise WrongError(f"{service} {name} needs {', '.join(sorted(missing - options))}")
    if unknown:
        raise WrongError(f"{service} {name} has no {', '.join(sorted(unknown))}")


def curl(words: list[str], whole: bool) -> None:
    known = {"-X", "-d", "-H", "--aws-sigv4", "--user", "--header", "--data-binary", "--silent", "-s", "--output", "-o"}
    unknown = [word for word in words if word.startswith("-") and word not in known]
    if unknown:
        raise WrongError(f"tests/support/commands.py does not know curl's {unknown[0]}")
    if whole and not any(re.match(r"(https?://)?(localhost|127\.0\.0\.1)[:/]", word) for word in words):
        raise WrongError("no address of this machine")


def docker(words: list[str], whole: bool) -> None:
    """``build`` has the words of ``make image``."""
    if words[:1] == ["build"]:
        made = next(line for line in expanded("image", "ARGS=") if line.startswith("docker build"))
        ours = {word for word in shlex.split(made) if word.startswith("--")}
        unknown = {word for word in words if word.startswith("--")} - ours - {"--no-cache", "--progress"}
        if unknown:
            raise WrongError(f"make image gives docker no {', '.join(sorted(unknown))}")
    elif words[:3] != ["buildx", "imagetools", "inspect"] and words[:1] not in (["login"], ["push"], ["info"]):
        raise WrongError(f"tests/support/commands.py does not know docker's {words[:1]}")


@cache
def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def pip(words: list[str], whole: bool) -> None:
    if words[:1] == ["check"]:
        return
    if words[:1] != ["install"]:
        raise WrongError(f"tests/support/commands.py does not know pip's {words[:1]}")
    for word in words[1:]:
        asked = re.fullmatch(r"\.(?:\[([a-z,-]+)\])?", word)
        if asked and not set((asked[1] or "").split(",")) - {""} <= extras():
            raise WrongError(f"there is no extra {asked[1]}")
        if not asked and word not in ("-e", "--editable", "jupyterlab"):
            raise WrongError(f"nothing is told of {word}")


def of_the_shell(words: list[str], whole: bool) -> None:
    """``cd`` goes to a folder that is there; for the others it is enough that they run."""
    if whole and words[:1] == ["infra"]:
        assert (ROOT / words[0]).is_dir()


PROGRAMS = {
    "aws": aws,
    "cdk": cdk,
    "curl": curl,
    "docker": docker,
    "jina-v3": client,
    "jina-v3-infra": infra,
    "make": make,
    "pip": pip,
    "python": python,
    "python3": python,
    "serve": serve,
    **dict.fromkeys((".", "cd", "export", "git", "head", "jq", "npm", "tail", "yes", "zcat"), of_the_shell),
}
