"""Prints the docker-compose.yml of a folder with the variables of its .env put in, in every form that Compose knows."""

import os
import sys

import yaml


def read_env(path: str) -> dict[str, str]:
    env = {}
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            name, found, value = line.strip().partition("=")
            if found and not name.startswith("#"):
                env[name.strip()] = value.strip()
    return env


def end_of(text: str, start: int) -> int:
    """Finds the brace that closes the one before start."""
    depth = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
    raise ValueError(text)


def one(inner: str, env: dict[str, str]) -> str:
    length = len(inner) - len(inner.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"))
    name, rest = inner[:length], inner[length:]
    value = env.get(name)
    for form, holds in ((":-", not value), ("-", value is None), (":+", bool(value)), ("+", value is not None)):
        if rest.startswith(form):
            other = fill(rest.removeprefix(form), env)
            if form.endswith("+"):
                return other if holds else ""
            return other if holds else value or ""
    if rest:
        raise ValueError(inner)
    return value or ""


def fill(text: str, env: dict[str, str]) -> str:
    out, at = "", 0
    while at < len(text):
        if text.startswith("$$", at):
            out, at = out + "$$", at + 2
        elif text.startswith("${", at):
            end = end_of(text, at + 2)
            out, at = out + one(text[at + 2 : end], env), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


def walk(value: object, env: dict[str, str]) -> object:
    if isinstance(value, str):
        return fill(value, env)
    if isinstance(value, list):
        return [walk(item, env) for item in value]
    if isinstance(value, dict):
        return {key: walk(item, env) for key, item in value.items()}
    return value


def main() -> None:
    folder = sys.argv[1]
    env = read_env(f"{folder}/.env")
    project = walk(yaml.safe_load(open(f"{folder}/docker-compose.yml", encoding="utf-8")), env)
    for service in project["services"].values():
        service.pop("build", None)
        variables = service.get("environment") or {}
        # A variable without a value is passed on, from .env too.
        for name, value in list(variables.items()):
            if value is None and name in env:
                variables[name] = env[name]
            elif value is None:
                del variables[name]
        service.setdefault("environment", {})
    project = {key: value for key, value in project.items() if not key.startswith("x-")}
    for secret in project["secrets"].values():
        if not secret["file"].startswith("/"):
            secret["file"] = f"{folder}/{secret['file']}"
    # Profiles that are not started need no images.
    project["services"] = {n: s for n, s in project["services"].items() if "profiles" not in s}
    volumes = {volume.split(":")[0] for s in project["services"].values() for volume in s.get("volumes", [])}
    project["volumes"] = {name: value or {} for name, value in project["volumes"].items() if name in volumes}
    yaml.safe_dump(project, sys.stdout, sort_keys=False)


main()
