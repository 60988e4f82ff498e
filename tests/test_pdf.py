"""`coursework pdf`: a lesson and several pages in one file are printed with their formulas, fonts and working links."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from pypdf import PdfReader

from coursework import pdf

sys.path.insert(0, str(Path(__file__).parent))
from browser import chromium
from test_site import PAGES, site  # noqa: F401  (a fixture)

ROOT = Path(__file__).parents[1]
LESSON, EXERCISE = "notebooks/math/svd", "exercises/math/svd"


@pytest.fixture(scope="module")
def printed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PdfReader]:  # noqa: F811
    chromium()
    root = tmp_path_factory.mktemp("printed")
    for name in ("_config.yml", "_toc.yml"):
        (root / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (root / "_build").mkdir()
    (root / "_build" / "html").symlink_to(site)
    documents = {root / "lesson.pdf": [LESSON], root / "book.pdf": ["book/start", LESSON, EXERCISE]}
    return {path.stem: PdfReader(path) for path in pdf.print_pages(root, documents)}


def links(reader: PdfReader) -> list[dict]:
    found = (each.get_object() for page in reader.pages for each in page.get("/Annots") or ())
    return [each for each in found if each["/Subtype"] == "/Link"]


def test_a_lesson_is_a4_with_numbers_formulas_and_its_own_fonts(printed):
    reader = printed["lesson"]
    assert 8 < len(reader.pages) < 40
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == pytest.approx([595, 842], abs=1)
    text = [page.extract_text() for page in reader.pages]
    assert text[0].startswith("Eigenvalues, SVD, PCA") and f"1 / {len(text)}" in text[0]
    assert "σ" in "".join(text) or "𝜎" in "".join(text), "no formula is printed"
    assert "Perhaps theirs has rank 2" in " ".join("".join(text).split()), "a quiz's reasons are folded away"
    assert "Open in Binder" not in "".join(text) and "Skip to the text" not in "".join(text)


def font_name(font: dict) -> str:
    """A variable font is drawn glyph by glyph, and its name lies one step further."""
    return str(font.get("/BaseFont") or font["/FontDescriptor"]["/FontName"])


def test_fonts_of_text_code_and_formulas_are_in_the_file(printed):
    for name, reader in printed.items():
        fonts = {font_name(font.get_object()) for page in reader.pages for font in page["/Resources"]["/Font"].values()}
        for wanted in ("Sans", "Serif", "Mono", "Math"):
            assert any(f"Course{wanted}" in font.replace("-", "") for font in fonts), (name, wanted, fonts)


def test_links_lead_within_the_file_or_to_the_published_site(printed):
    base = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
    for reader in printed.values():
        known = set(reader.named_destinations)
        for link in links(reader):
            if "/Dest" in link:
                assert not isinstance(link["/Dest"], str) or link["/Dest"].lstrip("/") in {k.lstrip("/") for k in known}
            else:
                assert link["/A"]["/URI"].startswith(("https://", "http://")) and "127.0.0.1" not in link["/A"]["/URI"]
    assert any(base in link.get("/A", {}).get("/URI", "") for link in links(printed["lesson"]))
    assert sum("/Dest" in link for link in links(printed["book"])) >= 2, "no page leads to another"


def test_a_solution_is_unfolded_on_a_page_of_its_own(printed):
    text = [" ".join(page.extract_text().split()) for page in printed["book"].pages]
    assert sum("One right answer to each question." in page for page in text) == 1
    assert any(page.startswith("Solution") for page in text)
    assert printed["book"].outline


def test_the_book_is_every_page_of_the_contents_once():
    names = pdf.pages_of_book(ROOT)
    assert names[0] == "book/index" and LESSON in names and EXERCISE in names
    assert names == PAGES and len(names) == len(set(names))


def test_what_is_missing_is_said_in_one_sentence(tmp_path):
    with pytest.raises(pdf.CannotPrint, match=r"no page notebooks/x/y\.html.*coursework site"):
        list(pdf.print_pages(tmp_path, {tmp_path / "x.pdf": ["notebooks/x/y"]}))
    (tmp_path / "_build/html").mkdir(parents=True)
    (tmp_path / "_build/html/index.html").write_text("<article></article>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "playwright.sync_api", None)
        with pytest.raises(pdf.CannotPrint, match="needs playwright"):
            list(pdf.print_pages(tmp_path, {tmp_path / "x.pdf": ["index"]}))
