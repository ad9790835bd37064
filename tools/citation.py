"""Turn CITATION.cff into BibTeX for the site's page Cite.

    .venv/bin/python tools/citation.py      # prints it"""
import re, textwrap, unicodedata
from dataclasses import dataclass
import yaml
from notebooks import ROOT

# accents that TeX writes in front of a letter, and letters that have a name of their own
ACCENTS = {"\u0301": "{\\'%s}", "\u0300": "{\\`%s}", "\u0302": "{\\^%s}", "\u0308": '{\\"%s}', "\u0303": "{\\~%s}",
    "\u0328": "{\\k{%s}}", "\u0327": "{\\c{%s}}", "\u030c": "{\\v{%s}}", "\u0307": "{\\.%s}"}
LETTERS = {"ł": "{\\l}", "Ł": "{\\L}", "ø": "{\\o}", "Ø": "{\\O}", "ß": "{\\ss}", "æ": "{\\ae}"}

@dataclass
class Reference:
    "An entry of BibTeX."
    key: str      # ASCII
    title: str
    when: str     # to cite it
    text: str     # the entry

def tex(text):
    "Spell a text in ASCII as TeX does."
    parts = []
    for letter in text:
        base, *marks = unicodedata.normalize("NFD", letter)
        parts.append(LETTERS.get(letter) or (ACCENTS[marks[0]] % base if marks else letter))
    return "".join(parts)

def ascii_name(text):
    "Reduce a name to small ASCII letters and digits."
    letters = (LETTERS.get(c, c).strip("{\\}") for c in unicodedata.normalize("NFD", text.lower()))
    return re.sub(r"[^a-z0-9]", "", "".join(letters))

def braced(title, names):
    """Put braces around words of a title that BibTeX must not write in small letters.
    These have two capitals, or a digit and a capital, or stand in `names`."""
    def word(m):
        keep = re.search(r"[A-Z0-9]\w*[A-Z]", m[0]) or m[0] in names
        return f"{{{m[0]}}}" if keep else m[0]
    return re.sub(r"\w+", word, title)

def person(a):
    "Format an author: a person, or a group in braces."
    if "given-names" not in a: return f"{{{tex(a['name'])}}}"
    return f"{tex(a['family-names'])}, {tex(a['given-names'])}"

def fields(c, year):
    "Return the fields of an entry, in order."
    arxiv = next((i for i in c.get("identifiers", []) if i["value"].startswith("arXiv:")), {})
    preprint = f"arXiv preprint {arxiv['value']}" if c["type"] == "article" and arxiv else ""
    link = c.get("repository-code", "") if not arxiv and "doi" not in c else ""
    return dict(
        title=braced(tex(c["title"]), {c.get("abbreviation"), *c.get("keywords", [])}),
        author=" and ".join(person(a) for a in c["authors"]),
        journal=tex(c.get("journal", "")) or preprint,
        booktitle=c.get("conference", {}).get("name", ""),
        volume=c.get("volume"), number=c.get("issue"), year=year,
        note=f"Version {c['version']}" if "version" in c else "",
        eprint=arxiv.get("value", "").removeprefix("arXiv:"),
        archivePrefix="arXiv" if arxiv else "", primaryClass=arxiv.get("description", ""),
        howpublished=f"\\url{{{link}}}" if link else "", doi=c.get("doi"))

def entry(c, key, year, kind):
    "Format an entry in lines of at most 96 columns."
    lines = []
    for name, value in fields(c, year).items():
        if not value: continue
        start = f"  {name:<13} = {{"
        lines += textwrap.wrap(f"{value}}},", 96, initial_indent=start, subsequent_indent=" "*len(start),
            break_long_words=False, break_on_hyphens=False)
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])

def references():
    "Return this project and its references, in the order of the file."
    cff = yaml.safe_load((ROOT/"CITATION.cff").read_text(encoding="utf-8"))
    settings = (ROOT/"settings.ini").read_text(encoding="utf-8")
    year = re.search(r"^copyright = (\d{4})", settings, re.M)[1]
    found = [Reference("nerflame", cff["title"], "this software was used", entry(cff, "nerflame", year, "misc"))]
    for c in cff["references"]:
        first = ascii_name(c["authors"][0]["family-names"])
        key = f"{first}{c['year']}{ascii_name(c['abbreviation'])}"
        kind = {"article": "article", "conference-paper": "inproceedings"}.get(c["type"], "misc")
        found.append(Reference(key, c["title"], c["notes"], entry(c, key, c["year"], kind)))
    return found

def bibtex(): return "\n".join(r.text for r in references())

if __name__ == "__main__": print(bibtex())
