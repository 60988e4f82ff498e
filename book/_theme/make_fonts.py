"""Makes the fonts of the site from IBM Plex: the glyphs that this course asks for, under a name that is not reserved.

A font that most pages need is two files: the characters of nearly every page, and the rest, which a browser asks for
where one of them stands. fonts.css, written beside them, tells it which those are.

Run by hand when a glyph is missing, never by a build: it needs the packages fonttools and brotli, and the npm packages
that static/fonts/README.md names, unpacked side by side in one folder.

    python book/_theme/make_fonts.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

TARGET = Path(__file__).parent / "course" / "static" / "fonts"


def codes(*wanted: tuple[int, int] | str) -> set[int]:
    """Code points: ranges, and the characters of texts."""
    found: set[int] = set()
    for each in wanted:
        found |= {ord(one) for one in each} if isinstance(each, str) else set(range(each[0], each[1] + 1))
    return found


ASCII = (0x20, 0x7E)
LATIN = (ASCII, (0xA0, 0xFF))
OFTEN = codes(ASCII, "\xa0©°²·×–—‘’“”…−±≈≤≥äéèöüαβκμρσ→")
HEADINGS = codes(*LATIN, "ŁłŠšőŽž–—‘’“”…·×−")
ITALIC = codes(*LATIN, "ŁłŠšőŽž–—‘’“”…×−→")
TEXT = codes(*LATIN, "ČčĞğİıŁłńŒœőŘřŞşŠšŽžű", "αβδεκλμπρσχΔΣ", "–—‘’“”„†•…′″€™←↑→↓−≈≠≤≥²³·×÷±µ√∞∑✓✗")
MONO = codes(*LATIN, (0x3B1, 0x3C9), "–—‘’“”•…←↑→↓∑−√∞≈≠≤≥", (0x2500, 0x2503), "┌┐└┘├┤┬┴┼┏┓┗┛╭╮╯╰█▇▆▅▄▃▂▁░▒▓✓✗")
MATH_OFTEN = codes(  # all that stretches is here, since a browser stretches glyphs of a formula's first font alone
    ASCII,
    "¯‾±²³·×ˆ\u0302\u0332",
    "ΔΓΣΦΩαβγδεηθκλμνξπρςστφχψω",
    (0x1D434, 0x1D467),  # italic letters
    (0x1D6FC, 0x1D71B),  # italic Greek, small
    "ℎ𝛤𝛥𝛴𝛷𝛺𝟏ℓℝ",
    "‖…′″∩∪∓±≺≻⏞⏟⏜⏝⎴⎵\u2061\u2062\u2063",
    "←→↑↓↔↦⇐⇒⇔⟵⟶⟷⟸⟹⟺∀∂∃∇∈∏∑−∗√∝∞∣∫∬∭∮⋀⋁⋂⋃∼≈≠≡≤≥⊤⋅⋯⌈⌉⌊⌋⟨⟩",
)
MATH = codes(
    ASCII,
    "¬°±²³·×÷",
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμνξοπρςστυφχψωϑϕϖϱϵ",
    (0x300, 0x304),
    "\u0305\u0306\u0307\u0308\u030c\u0332\u0338\u20d7",
    (0x1D400, 0x1D467),  # bold and italic letters
    (0x1D6E2, 0x1D71B),  # italic Greek
    "𝟏𝟙𝔼ℎℒℕℙℝℤℚℂℓℋℱ𝒩𝒟",
    (0x2010, 0x2016),
    "‘’“”†‡•…′″‾⁗\u2061\u2062\u2063",
    "←↑→↓↔↦⇐⇑⇒⇓⇔⟵⟶⟷⟸⟹⟺⟼",
    (0x2200, 0x220D),
    (0x220F, 0x2213),
    "∕∖∗∘∙√∝∞∠",
    (0x2223, 0x222E),
    "∴∼≃≅≈≍≔≜≠≡≤≥≪≫≺≻⪯⪰⊂⊃⊆⊇⊊⊕⊖⊗⊙⊢⊤⊥⋀⋁⋂⋃⋅⋮⋯⋱⌈⌉⌊⌋⎴⎵⏜⏝⏞⏟⟨⟩□■⩽⩾",
)

#: File, source, family, characters, those of nearly every page (or all), features, range of weights.
FONTS: dict[str, tuple[str, str, set[int], set[int] | None, list[str], tuple[int, int] | None]] = {
    "sans": ("**/IBM Plex Sans Var-Roman.woff2", "Course Sans", TEXT, OFTEN, ["kern", "tnum", "liga"], (400, 650)),
    "sans-italic": ("**/IBMPlexSans-Italic.woff2", "Course Sans", ITALIC, OFTEN, ["kern", "liga"], None),
    "serif": ("**/IBMPlexSerif-SemiBold.woff2", "Course Serif", HEADINGS, OFTEN, ["kern", "liga"], None),
    "mono": ("**/IBMPlexMono-Regular.woff2", "Course Mono", MONO, OFTEN, [], None),
    "math": ("**/IBMPlexMath-Regular.woff2", "Course Math", MATH, MATH_OFTEN, ["dtls"], None),
}
STYLES = {
    "sans": "font-weight: 400 650; ",
    "sans-italic": "font-style: italic; font-weight: 400 650; ",
    "serif": "font-weight: 600; ",
}
FACE = (
    '@font-face {{ font-family: "{family}"; src: url(fonts/{file}.woff2) format("woff2"); '
    "{style}{ranges}font-display: {display}; }}\n"
)


def make(source: Path, target: Path, family: str, wanted: set[int], features: list[str], weights: tuple | None) -> None:
    font = TTFont(source)
    if weights:
        fixed = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes if axis.axisTag != "wght"}
        font = instancer.instantiateVariableFont(font, {**fixed, "wght": weights})
        moved = font["gvar"].variations  # the subsetter asks for every glyph, also for those that do not vary
        font["gvar"].variations = {name: moved[name] if name in moved else [] for name in font.getGlyphOrder()}
    options = Options(layout_features=features, hinting=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
    subset = Subsetter(options)
    subset.populate(unicodes=wanted)
    subset.subset(font)
    for record in list(font["name"].names):
        if record.nameID in (1, 3, 4, 6):
            name = family.replace(" ", "") if record.nameID == 6 else family
            font["name"].setName(name, record.nameID, record.platformID, record.platEncID, record.langID)
    font.flavor = "woff2"
    font.save(target)
    print(
        f"{target.name}: {target.stat().st_size / 1000:.1f} KB, {len(font.getBestCmap())} of {len(wanted)} characters"
    )


def ranges(wanted: set[int]) -> str:
    """Code points as CSS writes them: U+A0-AF, U+3B1."""
    found: list[list[int]] = []
    for code in sorted(wanted):
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return ", ".join(f"U+{first:X}" if first == last else f"U+{first:X}-{last:X}" for first, last in found)


def main() -> None:
    folder, faces = Path(sys.argv[1]), []
    for name, (pattern, family, wanted, often, *rest) in FONTS.items():
        source = next(path for path in sorted(folder.glob(pattern)) if "split" not in path.parts)
        files = {name: wanted & often, f"{name}-more": wanted - often} if often else {name: wanted}
        for file, characters in files.items():
            own = f"{family} Italic" if "italic" in file else family
            make(source, TARGET / f"{file}.woff2", own, characters, *rest)
            only = f"unicode-range: {ranges(characters)}; " if file.endswith("-more") else ""
            display = "swap" if name in ("math", "sans-italic") else "optional"
            faces.append(
                FACE.format(family=family, file=file, style=STYLES.get(name, ""), ranges=only, display=display)
            )
    (TARGET / "fonts.css").write_text("".join(faces), encoding="utf-8")


if __name__ == "__main__":
    main()
