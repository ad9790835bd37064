"""Write the forms of all commands' parsers, from which `nerflame COMMAND --help` is printed without torch."""
import json
from nerflame.command import parser_form
from nerflame.main import COMMANDS
from nerflame.use import commands
from notebooks import ROOT

FORMS = ROOT/"nerflame"/"forms.json"

def main():
    "Write the forms."
    forms = {name: parser_form(getattr(commands, f"{name}_parser")()) for name in COMMANDS}
    FORMS.write_text(json.dumps(forms, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{FORMS.relative_to(ROOT)}: {len(forms)} commands")

if __name__ == "__main__": main()
