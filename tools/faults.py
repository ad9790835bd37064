"""Break trainings and commands on purpose, and check that nothing is lost and nothing is left behind.

Every fault happens in a child process that this one forks, so a training of the toy head takes a second or two. We
kill it before operations on files and at random moments, send it signals, fill the disk, remove what it reads and
writes, and put NaN into its loss. After each fault we look at the folders, go on as the last line of the command says,
and compare the weights with those of a training without faults: they must be the same to the last bit.

    python tools/faults.py [--short] [--only kills signals ...] [--seed N]"""
import argparse, os, sys
# with one thread sums are added in one order; threads, those of CUDA too, would not live on in a forked child
os.environ.update(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", TQDM_DISABLE="1")
os.environ.pop("NERFLAME_TYPECHECK", None)   # checks of shapes would take as long as the work
import random, signal, tempfile, time
from pathlib import Path
from faults_kinds import KINDS
from faults_world import World

def table(rows):
    "Format the results: a line for each kind of fault."
    head = "fault", "injected", "survived", "work lost, at most"
    lines = [head, *((r.kind, str(r.injected), str(r.survived), r.lost) for r in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    def line(cells): return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-"*(w + 2) for w in widths) + "|", *map(line, lines[1:])])

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="a sample of each kind, in less than a minute")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), help="these kinds of faults")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--table", help="file to write")
    values, began, rows = parser.parse_args(), time.monotonic(), []
    # a shell in the background starts us deaf to some of them
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in signal.SIGTERM, signal.SIGHUP: signal.signal(number, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        world = World(Path(folder).resolve(), values.short, random.Random(values.seed))
        for kind in values.only:
            rows += KINDS[kind](world)
            print(f"{kind}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    if values.table: Path(values.table).write_text(table(rows) + "\n")
    print(f"{sum(r.injected for r in rows)} faults in {time.monotonic() - began:.0f} s")
    for text in (t for r in rows for t in r.failures): print("FAILED", text)
    return int(any(r.failures for r in rows))

if __name__ == "__main__": sys.exit(main())
