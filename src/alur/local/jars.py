"""The jars of local Spark and DynamoDB Local: by the Ivy that pyspark ships, pinned by name and SHA-256.

`python -m alur.local.jars install` fetches what is missing and verifies all of it; `… lock` resolves anew and writes
`ivy/jars.lock` (the format of `sha256sum`, relative to `.alur/jars`). Ivy keeps its downloads in `~/.ivy2`, so a second
checkout downloads nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from alur.errors import LocalStackError
from alur.local.java import find_java
from alur.local.paths import Paths, find_paths

SETS = ("spark", "dynamodb")
"""The names of the sets: `ivy/<name>.xml` says what is in one, `.alur/jars/<name>/` holds it."""

_ATTEMPTS = 3
_NATIVE_SUFFIXES = (".so", ".dylib", ".dll")

Say = Callable[[str], None]


def parse_lock(text: str) -> dict[str, str]:
    """Parse lines of `sha256sum` into `{"spark/x.jar": "<hex>"}`; empty lines and comments are left out."""
    entries = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            digest, name = line.split(maxsplit=1)
            entries[name] = digest
    return entries


def render_lock(entries: Mapping[str, str]) -> str:
    """Render `{"spark/x.jar": "<hex>"}` as a lock file, sorted by name."""
    lines = [
        "# Regenerate with: make lock-jars. Verify by hand with: (cd .alur/jars && sha256sum -c ../../ivy/jars.lock)"
    ]
    lines += [f"{entries[name]}  {name}" for name in sorted(entries)]
    return "\n".join(lines) + "\n"


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Say, a line each, how the files that were found differ from the lock; an empty list where they do not."""
    lines = [f"{name}: is missing" for name in sorted(set(wanted) - set(found))]
    lines += [f"{name}: is not in the lock" for name in sorted(set(found) - set(wanted))]
    for name in sorted(set(wanted) & set(found)):
        if wanted[name] != found[name]:
            lines.append(f"{name}: SHA-256 is {found[name]}, the lock says {wanted[name]}")
    return lines


def jar_paths(paths: Paths, name: str) -> list[Path]:
    """Return the jars of a set, sorted.

    Raises:
        LocalStackError: the set is not there; `make setup` brings it.
    """
    jars = sorted((paths.jars / name).glob("*.jar"))
    if not jars:
        raise LocalStackError("jars", f"{paths.jars / name} holds no jars: run `make setup`")
    return jars


def install(paths: Paths, say: Say) -> None:
    """Bring every set to what the lock says: fetch what is not there, verify, link the native libraries.

    Raises:
        LocalStackError: Java is missing, a download failed three times, or bytes differ from the lock.
    """
    lock = parse_lock((paths.ivy / "jars.lock").read_text())
    for name in SETS:
        wanted = {file: digest for file, digest in lock.items() if file.startswith(f"{name}/")}
        if differences(wanted, _digests(paths, name)):
            _retrieve(paths, name, say)
            wrong = differences(wanted, _digests(paths, name))
            if wrong:
                shutil.rmtree(paths.jars / name)
                problem = "what was fetched is not what ivy/jars.lock pins:\n  " + "\n  ".join(wrong)
                raise LocalStackError("jars", f"{problem}\nRemove these from ~/.ivy2/cache and run `make setup` again.")
        say(f"jars/{name}: {len(wanted)} files, as ivy/jars.lock says")
    link_native_libraries(paths.jars / "dynamodb", platform.system(), platform.machine())


def lock(paths: Paths, say: Say) -> None:
    """Resolve every set anew and write the lock.

    Raises:
        LocalStackError: Java is missing, or a download failed three times.
    """
    entries: dict[str, str] = {}
    for name in SETS:
        shutil.rmtree(paths.jars / name, ignore_errors=True)
        _retrieve(paths, name, say)
        entries.update(_digests(paths, name))
    (paths.ivy / "jars.lock").write_text(render_lock(entries))
    link_native_libraries(paths.jars / "dynamodb", platform.system(), platform.machine())
    say(f"ivy/jars.lock: {len(entries)} files")


def link_native_libraries(directory: Path, system: str, machine: str) -> None:
    """Link this machine's sqlite4java library to the plain name that it looks for last.

    sqlite4java tries `sqlite4java-<os>-<arch>-<version>`, then without the version, without the architecture, and
    `sqlite4java` alone. A Mac's own architecture must be preferred, or an ARM one would load the Intel library.

    Args:
        directory: where the libraries lie.
        system: as `platform.system()` says.
        machine: as `platform.machine()` says.
    """
    kind = {"Linux": "linux", "Darwin": "osx"}.get(system)
    architecture = {"x86_64": "amd64", "arm64": "aarch64"}.get(machine, machine)
    if kind is None:
        return
    stem = f"libsqlite4java-{kind}"
    candidates = sorted(directory.glob(f"{stem}-{architecture}-*")) or sorted(directory.glob(f"{stem}-[0-9]*"))
    for library in candidates[:1]:
        for alias in (f"libsqlite4java{library.suffix}", f"{stem}{library.suffix}"):
            link = directory / alias
            link.unlink(missing_ok=True)
            link.symlink_to(library.name)


def _digests(paths: Paths, name: str) -> dict[str, str]:
    directory = paths.jars / name
    found = {}
    for file in sorted(directory.glob("*")) if directory.is_dir() else []:
        if file.is_file() and not file.is_symlink() and file.suffix in (".jar", *_NATIVE_SUFFIXES):
            found[f"{name}/{file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _retrieve(paths: Paths, name: str, say: Say) -> None:
    java = find_java()
    directory = paths.jars / name
    directory.mkdir(parents=True, exist_ok=True)
    command = [java.executable, "-cp", os.pathsep.join(str(jar) for jar in _ivy_jars()), "org.apache.ivy.Main"]
    command += ["-warn", "-settings", str(paths.ivy / "ivysettings.xml"), "-ivy", str(paths.ivy / f"{name}.xml")]
    command += ["-confs", "default", "-sync", "-retrieve", f"{directory}/[artifact]-[revision](-[classifier]).[ext]"]
    for attempt in range(1, _ATTEMPTS + 1):
        say(f"jars/{name}: Ivy resolves them (the first time about a minute, then from ~/.ivy2) ...")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        reason = _last_lines(done.stdout + done.stderr)
        if attempt < _ATTEMPTS:
            say(f"jars/{name}: attempt {attempt} of {_ATTEMPTS} failed, trying again: {reason.splitlines()[-1:]}")
            time.sleep(2.0 * attempt)
    raise LocalStackError("jars", f"Ivy could not fetch the set {name} in {_ATTEMPTS} attempts:\n{reason}")


def _ivy_jars() -> list[Path]:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise LocalStackError("jars", "pyspark, which ships Ivy, is not installed: run `make setup`")
    folder = Path(spec.origin).parent / "jars"
    return [*folder.glob("ivy-*.jar"), *folder.glob("commons-cli-*.jar")]


def _last_lines(text: str, count: int = 15) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def main(arguments: list[str]) -> int:
    """Run `install` or `lock` for the Makefile."""
    actions = {"install": install, "lock": lock}
    action = actions.get(arguments[0]) if len(arguments) == 1 else None
    if action is None:
        sys.stderr.write("usage: python -m alur.local.jars install|lock\n")
        return 2
    try:
        action(find_paths(), lambda line: print(line, flush=True))  # noqa: T201 - progress of `make setup`
    except LocalStackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
