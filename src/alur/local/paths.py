"""Where things lie in a checkout: everything generated is under `.alur/`, which git ignores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alur.errors import LocalStackError

_MARKER = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Paths:
    """The places of one checkout.

    Args:
        root: the checkout's directory, absolute.
    """

    root: Path

    @property
    def template(self) -> Path:
        """The deployment's SAM template."""
        return self.root / "template.yaml"

    @property
    def samconfig(self) -> Path:
        """One section of parameters for each environment."""
        return self.root / "samconfig.toml"

    @property
    def functions(self) -> Path:
        """One directory for each Lambda function."""
        return self.root / "functions"

    @property
    def source(self) -> Path:
        """The tree that is the Lambda layer and the job's archive."""
        return self.root / "src"

    @property
    def spark_app(self) -> Path:
        """The directory of the job's entry point."""
        return self.root / "spark_app"

    @property
    def built(self) -> Path:
        """What `sam build` makes."""
        return self.root / ".aws-sam" / "build"

    @property
    def ivy(self) -> Path:
        """Ivy's settings, coordinates and the lock of the jars."""
        return self.root / "ivy"

    @property
    def jars(self) -> Path:
        """The jars, one directory for each set."""
        return self.root / ".alur" / "jars"

    @property
    def class_archive(self) -> Path:
        """Spark's loaded classes, for its JVM to start from."""
        return self.root / ".alur" / "spark.jsa"

    @property
    def local(self) -> Path:
        """What a running stack writes."""
        return self.root / ".alur" / "local"


def find_paths(start: Path | None = None) -> Paths:
    """Find the checkout: the nearest directory upwards with a template or a project file of Alur.

    Args:
        start: where to begin; the current directory, then this package's own checkout, when None.

    Raises:
        LocalStackError: there is no checkout.
    """
    starts = [start] if start is not None else [Path.cwd(), Path(__file__)]
    for candidate in starts:
        for directory in [candidate.resolve(), *candidate.resolve().parents]:
            if (directory / _MARKER).is_file() and (directory / "src" / "alur").is_dir():
                return Paths(directory)
    raise LocalStackError("paths", "this is no checkout of Alur: run the command inside one")
