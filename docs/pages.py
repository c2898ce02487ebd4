"""Writes a page for each model in models/ before a site is built; a gradient that torch contradicts stops the build."""

import subprocess
from pathlib import Path


def write_pages(models: Path, pages: Path) -> None:
    """Write `pages/NAME.md` for each `models/NAME.sg` whose page is older than it."""
    for model in sorted(models.glob("*.sg")):
        page = pages / f"{model.stem}.md"
        if not page.exists() or page.stat().st_mtime < model.stat().st_mtime:
            report = ["symgrad", "report", str(model), "-o", str(page)]
            if subprocess.run(report, check=False).returncode:  # noqa: S603  a command of ours, and no shell
                page.unlink(missing_ok=True)  # so that the next build fails too
                raise SystemExit(f"{model}: no page, or its verification failed")


def on_pre_build(config: dict[str, str], **_: object) -> None:
    """What MkDocs calls."""
    write_pages(Path("models"), Path(config["docs_dir"]))


if __name__ == "__main__":  # what Quarto runs
    write_pages(Path("models"), Path())
