"""`cite --latex` and `--bibtex`, set by pdflatex and bibtex (biber), where they are installed."""

import re
import shutil
import subprocess

import pytest
from conftest import BASE, CHECKOUT, NEW, golden_run
from generated import golden_pair, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.cite import latex
from headroom_tools.cite.records import Loaded

HOSTILE = r"""\input{/etc/passwd} 100% $x_1^2$ a&b #1 ~ <b> "q" '' ``--'' ?` {}}{ \end{document} | é"""
HEAD = r"\documentclass{article}"
needs_latex = pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("bibtex")),
    reason="needs pdflatex and bibtex (texlive-latex-base)",
)


def _set(folder, document, *steps):
    """Sets a document; its process, with the log as its output."""
    (folder / "paper.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper"]
    for step in [command, *([step, "paper"] for step in steps), *([command] * (2 if steps else 0))]:
        result = subprocess.run(step, cwd=folder, capture_output=True, text=True, errors="replace",
                                timeout=120)  # fmt: skip
        if result.returncode:
            break
    return result


def _text(folder):
    """The words on the page, where pdftotext is installed; else None."""
    if not shutil.which("pdftotext"):
        return None
    told = subprocess.run(["pdftotext", "-layout", folder / "paper.pdf", "-"], capture_output=True,
                          text=True, check=True)  # fmt: skip
    return " ".join(told.stdout.split())


def _names(text):
    return re.findall(r"^\\headroom@is\{([^}]*)\}", text, re.M)


def _document(run, other=None, head=""):
    """The macros and entries of a run, and a document that uses each of them."""
    loaded = [Loaded(folder) for folder in (run, *([other] if other else []))]
    macros = latex.macros(loaded[0])
    entries = "\n".join(map(latex.bibtex, loaded))
    uses = "\n\n".join(rf"\headroom{{{name}}}" for name in _names(macros))
    cites = "".join(rf"\cite{{{key}}}" for key in re.findall(r"@misc\{(.*),", entries))
    return macros, entries, head, rf"{cites} {uses}"


@needs_latex
def test_every_macro_and_entry_is_set(tmp_path):
    macros, entries, _, body = _document(golden_run(BASE), golden_run(NEW))
    assert len(_names(macros)) > 50
    (tmp_path / "figures.tex").write_text(macros)
    (tmp_path / "refs.bib").write_text(entries)
    first = next(name for name in _names(macros) if name.endswith(" speedup"))
    result = _set(
        tmp_path,
        rf"{HEAD}\input{{figures}}\begin{{document}}\tableofcontents"
        rf"\section{{It is \headroom{{{first}}}}} {body}"
        r"\bibliographystyle{plain}\bibliography{refs}\end{document}",
        "bibtex",
    )
    assert result.returncode == 0, result.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    for wrong in ("undefined", "Missing character", "multiply defined", "Overfull \\hbox"):
        assert wrong not in log, log[log.index(wrong) - 500 :][:1000]
    assert "Warning" not in (tmp_path / "paper.blg").read_text()
    text = _text(tmp_path)
    if text is not None:
        run = Loaded(golden_run(BASE)).run
        assert "×" in text and "µs" in text.replace("μ", "µ") and run["commit"][:12] in text
        assert "Test CPU" in text and "The Headroom authors" in text


@needs_latex
@pytest.mark.parametrize("char", ":_")
def test_names_do_not_depend_on_the_meaning_of_characters(tmp_path, char):
    """As with babel's French, where `:` is a command, or with the package underscore."""
    macros, _, _, body = _document(golden_run(BASE))
    (tmp_path / "figures.tex").write_text(macros)
    active = rf"\catcode`\{char}=\active \def {char}{{\undefined}}"
    body = re.sub(r"\\cite\{[^}]*\}", "", body)
    document = rf"{HEAD}\begin{{document}}{active}\input figures {body}\end{{document}}"
    assert _set(tmp_path, document).returncode == 0


@needs_latex
def test_a_figure_that_is_not_there_stops_the_paper(tmp_path):
    (tmp_path / "figures.tex").write_text(latex.macros(Loaded(golden_run(BASE))))
    document = rf"{HEAD}\input{{figures}}\begin{{document}}\headroom{{simd/no_sum/x/n:1 time}}"
    result = _set(tmp_path, document + r"\end{document}")
    assert result.returncode and "no figure `simd/no_sum/x/n:1 time'" in result.stdout


def _hostile(folder):
    """A record that says hostile things wherever the schema lets it."""
    run, machine = golden_pair()
    run["build"]["compiler"] = run["build"]["flags"] = HOSTILE
    machine["cpu"].update(model_name=HOSTILE, vendor=HOSTILE)
    name = "20260101T000000Z-0123abcd-a_b.c+d"
    run.update(name=name, label="a_b.c+d")
    return written(folder / run["machine"] / name, run, machine)


def test_hostile_names_are_no_markup(tmp_path):
    loaded = Loaded(_hostile(tmp_path))
    entry = latex.bibtex(loaded)
    assert r"\input" not in entry and entry.isascii()
    depth = 0
    for at, char in enumerate(entry):  # as BibTeX pairs braces: a backslash hides none
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth > 0 or at == len(entry) - 2 or at <= len("@misc") or char == "\n"
    assert depth == 0
    with pytest.raises(HeadroomError, match="cannot be the name"):
        latex._define(r"a/b}\input{/etc/passwd}", "1")
    with pytest.raises(HeadroomError, match="cannot be the name"):
        latex._define("a/b%c", "1")


@needs_latex
@pytest.mark.parametrize("processor", ["bibtex", "biber"])
def test_hostile_names_stay_text(tmp_path, processor):
    if processor == "biber" and not shutil.which("biber"):
        pytest.skip("needs biber")
    macros, entries, _, body = _document(_hostile(tmp_path / "results"))
    (tmp_path / "figures.tex").write_text(macros)
    (tmp_path / "refs.bib").write_text(entries)
    head = r"\usepackage[backend=biber]{biblatex}\addbibresource{refs.bib}"
    tail = r"\printbibliography"
    if processor == "bibtex":
        head, tail = "", r"\bibliographystyle{plain}\bibliography{refs}"
    head += r"\newcommand{\untrusted}{" + latex.escaped(HOSTILE) + "}"
    result = _set(
        tmp_path,
        rf"{HEAD}{head}\input{{figures}}\begin{{document}}\untrusted{{}} {body} {tail}"
        r"\end{document}",
        processor,
    )
    assert result.returncode == 0, result.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "(/etc/passwd" not in log and "undefined" not in log.lower()
    text = _text(tmp_path)
    if text is not None:
        # The old fonts draw `_` as a line, `^` and `~` as accents.
        assert text.count(r"\input{/etc/passwd} 100% $x 1ˆ2$ a&b #1 ˜ <b>") >= 3, text[-2000:]
        assert text.count(r"--’’ ?‘ {}}{ \end{document} | ?") >= 3, text[-2000:]


def test_probes_are_named_as_a_marker_names_them():
    folder = sorted((CHECKOUT / "results").glob("*/*-base"))[-1]
    names = _names(latex.macros(Loaded(folder)))
    assert "machine/read/n:67108864/threads:1 probe" in names
    assert "machine/latency/n:16384/input:huge_pages probe brief" in names
    assert len(names) == len(set(names))
