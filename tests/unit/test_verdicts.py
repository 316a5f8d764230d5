"""The verdicts: every claim has one, it is said once, and pages, labs and tables say the same."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from pathlib import Path

import pytest

from labkit import expectation, verdicts
from labkit.labs.lab import CHAPTERS, labs
from labkit.verdicts import markdown, verdict
from labkit.verdicts.verdict import DOES_NOT_HOLD, FORMS, HOLDS, HOLDS_WHEN, OPEN

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / "book").rglob("*.md"))}
IDS = ["P1", "P2", "T1", "T2", "T3", "T4", "T5", "T6", "I1", "I2", "I3", "E1", "E2", "E3", "E4", "D1"]
COUNTS = {10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen",
          17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 21: "twenty-one",
          22: "twenty-two", 23: "twenty-three", 24: "twenty-four"}
NUMBER = re.compile(r"\d[\d.,]*")
claims = pytest.mark.parametrize("claim", verdicts.CLAIMS, ids=lambda claim: claim.id)


def directives(name: str, text: str) -> list[str]:
    """Return the arguments of a directive, wherever it stands in a page."""
    return re.findall(rf"^```{{{name}}} ?(.*)$", text, re.MULTILINE)


def texts(claim: verdicts.Claim) -> list[str]:
    return [claim.words, claim.reading, claim.sentence, claim.more, claim.number, *claim.supports, *claim.opposes]


def test_every_claim_of_the_curriculum_is_there_once_and_in_order():
    assert [claim.id for claim in verdicts.CLAIMS] == IDS


@claims
def test_a_claim_has_a_form_a_number_and_evidence_on_both_sides(claim):
    assert claim.form in FORMS and claim.sentence.endswith(".")
    assert "\n" not in "".join(texts(claim))
    if claim.form != OPEN:
        assert claim.number and claim.machines and claim.supports and claim.opposes and claim.reading


@claims
def test_a_claims_page_ends_in_its_verdict_and_no_other_page_gives_one(claim):
    if claim.form == OPEN:
        return
    assert f"\n## The verdict on {claim.id}\n" in PAGES[f"{claim.page}.md"]
    given = [name for name, text in PAGES.items() if claim.id in " ".join(directives("verdict", text)).split()]
    assert given == [f"{claim.page}.md"]


@claims
def test_the_answer_comes_before_the_method(claim):
    page = PAGES[f"{claim.page}.md"]
    said = page.find(f"```{{answer}} {claim.id}\n"), page.find("```{verdicts} ")
    assert 0 < max(said) < page.index("\n## ", max(said)) < page.index(f"\n## The verdict on {claim.id}\n")
    assert claim.verdict in markdown.answer(claim)[0] and f"(#{claim.anchor})" in markdown.answer(claim)[0]


def test_pages_give_no_verdict_in_words_of_their_own():
    for name, text in PAGES.items():
        if name != "book/appendices/method.md":
            prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
            assert not re.search(r"\*\*(it )?(holds|does not hold)( when)?\**[.:]?\*\*", prose, re.IGNORECASE), name


def test_every_claim_stands_in_the_tables_of_the_front_page_of_its_chapter_and_of_what_we_found():
    for page in ("index", "what-we-found"):
        assert directives("verdicts", PAGES[f"book/{page}.md"]) == [""]
    for chapter, folder in CHAPTERS.items():
        assert directives("verdicts", PAGES[f"book/{folder}/index.md"]) == [chapter]
    assert directives("evidence", PAGES["book/what-we-found.md"]) == IDS


@claims
def test_the_numbers_of_a_claim_come_from_a_page_that_computes_them(claim):
    for text in texts(claim):
        for page, key, otherwise in re.findall(r"{number}`([^`:]+)::([^`=]+)=?([^`]*)`", text):
            if page.startswith("labs/"):
                assert f'\\"{key}\\":' in (ROOT / f"{page}.ipynb").read_text("utf-8") and otherwise, (page, key)
            else:
                assert key in PAGES[f"{page}.md"] or re.search(r'glue\(f"[^"]*\{', PAGES[f"{page}.md"]), (page, key)


@claims
def test_a_sentence_of_a_claim_has_at_most_three_numbers(claim):
    for text in texts(claim):
        plain = re.sub(r"{cite}`[^`]*`|\[[^]]*\]\([^)]*\)", "", text)
        plain = re.sub(r"{number}`[^`]*`", "1", plain)
        for sentence in re.split(r"(?<=[.;:]) ", plain):
            named = re.sub(r"\b[A-Za-z]+\d+\S*|ResNet-50|DeepSeek-V3|Llama 3\S*( \d+B)?", "", sentence)
            assert len(NUMBER.findall(named)) <= 3, sentence


@claims
def test_what_is_cited_is_in_the_bibliography(claim):
    known = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text("utf-8"), re.MULTILINE))
    for text in texts(claim):
        for keys in re.findall(r"{cite}`([^`]*)`", text):
            assert set(keys.split(",")) <= known


def test_the_table_says_what_the_page_says():
    for claim in verdicts.CLAIMS:
        row = next(line for line in markdown.table(verdicts.CLAIMS) if line.startswith(f"| [{claim.id}]"))
        assert claim.verdict in row and claim.verdict in "\n".join(markdown.verdict(claim))
        assert claim.number in row and row.count(" | ") == 3


@claims
def test_labs_show_the_verdict_from_the_one_source(claim):
    """A notebook that has a claim's verdict shows it by `verdicts.show("T1")`."""
    for lab in claim.labs:
        notebook = json.loads((ROOT / f"{lab.notebook}.ipynb").read_text("utf-8"))
        source = ["".join(cell["source"]) for cell in notebook["cells"]]
        assert any(re.search(rf'verdicts\.show\(.*"{claim.id}"', text) for text in source), lab.number


def test_labs_quote_a_claim_in_its_own_words():
    """What stands in italics after a claim's name is a part of the claim, as pages and tables have it."""
    quoted = 0
    for path in (ROOT / "labs").glob("*/*.ipynb"):
        source = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"])
        for name, words in re.findall(r"\*\*([PTIED]\d)\*\*[^*\n]*\*([^*\n]+)\*", source):
            quoted += 1
            assert words.lower() in verdicts.claim(name).words.lower(), (path.name, name)
    assert quoted >= 7


def test_a_run_that_came_out_otherwise_is_said_so_beside_the_verdict():
    faster = expectation.Expectation("faster", "{times} times as fast.", "One core.", lambda times: times > 1)
    expectation.begin("9.9")
    faster.check(times=2)
    assert "1 of 1 statements" in verdicts.show("P1").run and "Otherwise" not in verdicts.show("P1").run
    faster.check(times=0.5)
    shown = verdicts.show("P1", "P2")
    assert "0 of 1" in shown.run and "Otherwise: 0.5 times as fast." in shown.run
    assert all(verdicts.claim(name).sentence in shown._repr_markdown_() for name in ("P1", "P2"))
    expectation.begin("")


def test_what_a_run_tells_is_found_where_myst_nb_looks(monkeypatch):
    from myst_nb.ext.glue import extract_glue_data_cell
    from nbformat import v4

    outputs = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: outputs.append(
        v4.new_output("display_data", data, metadata=metadata)))
    verdict.tell({"six": "69 %"})
    assert not outputs, "nobody builds a book"
    monkeypatch.setenv("CLUSTER_TO_EDGE_BOOK", "1")
    verdict.tell({"six": "it's 69 %", "black": "27 %"})
    found = dict(extract_glue_data_cell(v4.new_code_cell(outputs=outputs)))
    assert {key: literal_eval(output.data["text/plain"]) for key, output in found.items()} == {
        "six": "it's 69 %", "black": "27 %"}


def test_an_unknown_claim_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"no claim 'T9'.*P1, P2, T1"):
        verdicts.claim("T9")


def test_the_forms_read_as_sentences():
    begins = {HOLDS: "**Holds:** ", HOLDS_WHEN: "**Holds when** ", DOES_NOT_HOLD: "**Does not hold:** ", OPEN: ""}
    for claim in verdicts.CLAIMS:
        assert claim.verdict == begins[claim.form] + claim.sentence


def test_the_front_page_leads_to_every_lab_and_counts_them():
    front = " ".join(PAGES["book/index.md"].split())
    assert f"with {COUNTS[len(labs())]} labs" in front
    assert [lab.title for lab in labs() if f"[{lab.title}](../{lab.notebook}.ipynb)" not in front] == []


def test_a_lab_that_is_named_exists():
    named = {name: set(re.findall(r"\b[Ll]abs? (\d\.\d)\b", text)) for name, text in PAGES.items()}
    for path in (ROOT / "labs").glob("*/*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        named[path.name] = set(re.findall(r"\bLabs? (\d\.\d)\b", "".join("".join(cell["source"]) for cell in cells)))
    named["verdicts"] = {lab for claim in verdicts.CLAIMS for text in texts(claim)
                         for lab in re.findall(r"\bLabs? (\d\.\d)\b", text)}
    there = {lab.number for lab in labs()}
    assert {name: labs_named - there for name, labs_named in named.items() if labs_named - there} == {}


def test_no_page_calls_planned_what_exists():
    labs = {path.stem.split("-", 1)[1].replace("-", " ") for path in (ROOT / "labs").rglob("*.ipynb")}
    for name, text in PAGES.items():
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for sentence in re.findall(r"[^.\n]*\bplanned\b(?! ahead| for it)[^.\n]*", prose):
            assert name.startswith(("book/index", "book/instructors")), (name, sentence)
            assert not any(lab in sentence.lower() for lab in labs), sentence


def test_nothing_in_the_table_of_verdicts_ends_its_cell():
    rows = [line for line in markdown.table(verdicts.CLAIMS) if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
