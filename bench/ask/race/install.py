"""Makes each peer's virtual environment from its pinned requirements: `python bench/ask/race/install.py [PEER...]`.

One after another, below `.race/` or --venvs. A peer that does not install is said so, with pip's last words, and the
others go on; the exit status is then 1. An environment whose requirements are unchanged is left as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
DISTRIBUTIONS = {
    "curator": "bespokelabs-curator",
    "openai": "openai",
    "litellm": "litellm",
    "distilabel": "distilabel",
    "data_designer": "data-designer",
}


def python_of(venvs: Path, peer: str) -> Path:
    return venvs / peer / "bin" / "python"


def version_of(venvs: Path, peer: str) -> str:
    """As installed; "" where it is not."""
    name = DISTRIBUTIONS[peer].replace("-", "_")
    found = sorted((venvs / peer).glob(f"lib/python*/site-packages/{name}-*.dist-info"))
    return found[0].name.removeprefix(f"{name}-").removesuffix(".dist-info") if found else ""


def install(venvs: Path, peer: str) -> str:
    """ "" or why not."""
    wanted = HERE / "peers" / f"{peer}.txt"
    stamp = venvs / peer / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return ""
    venv.create(venvs / peer, with_pip=True, clear=True)
    pip = [str(python_of(venvs, peer)), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    ended = subprocess.run([*pip, "-r", str(wanted)], capture_output=True, text=True, check=False)
    if ended.returncode:
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        return (errors or ended.stderr.splitlines() or ["pip said nothing"])[-1]
    stamp.write_text(wanted.read_text())
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(DISTRIBUTIONS)} (default: all)")
    parser.add_argument("--venvs", type=Path, default=HERE.parents[2] / ".race")
    options = parser.parse_args()
    failed = False
    for peer in options.peers or DISTRIBUTIONS:
        why = install(options.venvs.resolve(), peer)
        failed = failed or bool(why)
        print(f"{peer}: {why or version_of(options.venvs.resolve(), peer)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
