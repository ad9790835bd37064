"""The BibTeX of what CITATION.cff names: for the site's page Cite and for the README, which must be the same.

    .venv/bin/python tools/citation.py      # prints the block that belongs into nbs/index.ipynb"""
import re, textwrap, unicodedata
from dataclasses import dataclass
from pathlib import Path
import yaml

ROOT = Path(__file__).resolve().parent.parent
# accents that TeX writes in front of a letter, and letters that have a name of their own
ACCENTS = {"\u0301": "{\\'%s}", "\u0300": "{\\`%s}", "\u0302": "{\\^%s}", "\u0308": '{\\"%s}', "\u0303": "{\\~%s}", "\u0328": "{\\k{%s}}", "\u0327": "{\\c{%s}}", "\u030c": "{\\v{%s}}", "\u0307": "{\\.%s}"}
LETTERS = {"ł": "{\\l}", "Ł": "{\\L}", "ø": "{\\o}", "Ø": "{\\O}", "ß": "{\\ss}", "æ": "{\\ae}"}

@dataclass
class Reference:
    "One entry."
    key: str      # ASCII
    title: str
    when: str     # to cite it
    text: str     # the entry

def tex(text):
    "Text in ASCII, as TeX spells it."
    parts = []
    for letter in text:
        base, *marks = unicodedata.normalize("NFD", letter)
        parts.append(LETTERS.get(letter) or (ACCENTS[marks[0]] % base if marks else letter))
    return "".join(parts)

def ascii_name(text): return re.sub(r"[^a-z0-9]", "", "".join(LETTERS.get(c, c).strip("{\\}") for c in unicodedata.normalize("NFD", text.lower())))

def braced(title, names):
    "A title in which BibTeX may not make names small: words with two capitals, a digit and a capital, or in `names`."
    return re.sub(r"\w+", lambda m: f"{{{m[0]}}}" if re.search(r"[A-Z0-9]\w*[A-Z]", m[0]) or m[0] in names else m[0], title)

def fields(c, year):
    "The fields of an entry, in order."
    people = " and ".join(f"{tex(a['family-names'])}, {tex(a['given-names'])}" if "given-names" in a else f"{{{tex(a['name'])}}}" for a in c["authors"])
    arxiv = next((i for i in c.get("identifiers", []) if i["value"].startswith("arXiv:")), None)
    number = arxiv["value"].removeprefix("arXiv:") if arxiv else ""
    where = f"https://doi.org/{c['doi']}" if "doi" in c else c.get("repository-code", "") if not arxiv else ""
    return dict(title=braced(tex(c["title"]), {c.get("abbreviation"), *c.get("keywords", [])}), author=people, journal=tex(c.get("journal", "")) or (f"arXiv preprint {arxiv['value']}" if c["type"] == "article" and arxiv else ""), booktitle=c.get("conference", {}).get("name", ""),
                volume=c.get("volume"), number=c.get("issue"), year=year, note=f"Version {c['version']}" if "version" in c else "", eprint=number, archivePrefix="arXiv" if arxiv else "", primaryClass=arxiv.get("description", "") if arxiv else "", howpublished=f"\\url{{{where}}}" if where and "doi" not in c else "", doi=c.get("doi"))

def entry(c, key, year, kind):
    "An entry of at most 96 columns."
    lines = []
    for name, value in fields(c, year).items():
        if not value: continue
        start = f"  {name:<13} = {{"
        lines += textwrap.wrap(f"{value}}},", 96, initial_indent=start, subsequent_indent=" "*len(start), break_long_words=False, break_on_hyphens=False)
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])

def references():
    "This project and what it names, in the order of the file."
    cff = yaml.safe_load((ROOT/"CITATION.cff").read_text(encoding="utf-8"))
    copyright = re.search(r"^copyright = (\d{4})", (ROOT/"settings.ini").read_text(encoding="utf-8"), re.M)
    found = [Reference("nerflame", cff["title"], "this software was used", entry(cff, "nerflame", copyright[1], "misc"))]
    for c in cff["references"]:
        key = f"{ascii_name(c['authors'][0]['family-names'])}{c['year']}{ascii_name(c['abbreviation'])}"
        kind = {"article": "article", "conference-paper": "inproceedings"}.get(c["type"], "misc")
        found.append(Reference(key, c["title"], c["notes"], entry(c, key, c["year"], kind)))
    return found

def bibtex(): return "\n".join(r.text for r in references())

if __name__ == "__main__": print(bibtex())
