"""Find a Java that Spark 4 can run on: 17 or newer, with the module jdk.incubator.vector."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from alur.errors import LocalStackError

MINIMUM_VERSION = 17
_MODULE = "jdk.incubator.vector"
_HOW_TO_GET_IT = {
    "darwin": "brew install openjdk@17, then: export JAVA_HOME=$(brew --prefix openjdk@17)",
    "linux": "Debian and Ubuntu: apt-get install openjdk-17-jre-headless; "
    "Fedora: dnf install java-17-openjdk-headless; Amazon Linux: dnf install java-17-amazon-corretto",
}


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that will do.

    Args:
        executable: the path of `java`.
        version: its feature version, for example 17.
    """

    executable: str
    version: int


def parse_version(text: str) -> int | None:
    """Return the feature version that `java -version` prints, or None where there is none (`1.8.0` is 8)."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if not found:
        return None
    major = int(found.group(1))
    return int(found.group(2) or 0) if major == 1 else major


def find_java(environment: Mapping[str, str] | None = None) -> Java:
    """Find Java by JAVA_HOME, then by PATH, and check that Spark can start on it.

    Raises:
        LocalStackError: there is none, it is too old, or it is a trimmed one; the message says how to get one.
    """
    env = os.environ if environment is None else environment
    home = env.get("JAVA_HOME")
    executable = shutil.which("java", path=f"{home}/bin" if home else env.get("PATH"))
    advice = _HOW_TO_GET_IT.get(sys.platform, "install a JDK 17, for example Eclipse Temurin")
    if executable is None:
        where = f"JAVA_HOME={home} holds no bin/java" if home else "there is no java on the PATH"
        raise LocalStackError("Java", f"{where}. Alur's local stack needs Java {MINIMUM_VERSION} or newer: {advice}")
    # On a Mac without Java, /usr/bin/java exists and only says so.
    told = subprocess.run([executable, "-version"], capture_output=True, text=True, check=False)
    version = parse_version(told.stderr + told.stdout)
    if told.returncode != 0 or version is None:
        raise LocalStackError("Java", f"{executable} does not run ({told.stderr.strip()[:200]}): {advice}")
    if version < MINIMUM_VERSION:
        raise LocalStackError("Java", f"{executable} is Java {version}; Spark 4 needs {MINIMUM_VERSION}: {advice}")
    modules = subprocess.run([executable, "--list-modules"], capture_output=True, text=True, check=False)
    if _MODULE not in modules.stdout:
        problem = f"{executable} is a trimmed Java without the module {_MODULE}, which Spark 4 needs: {advice}"
        raise LocalStackError("Java", problem)
    return Java(executable, version)


def main() -> int:
    """Check Java for `make setup`: silent when it will do; else say what is missing."""
    try:
        find_java()
    except LocalStackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
