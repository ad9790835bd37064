"""Run all benchmarks, or some, and write the results as JSON and as a table in bench/results.

    make bench                          # all, into bench/results/bench.{json,md}: an hour, most of it training
    make bench QUICK=1                  # small sizes, under 3 minutes on two cores, into bench/results/quick.{json,md}
    make bench ONLY="closest frames"    # these sections; the others keep their earlier results
    make bench ONLY=card                # the section for a CUDA device, into bench/results/card.{json,md}
    .venv/bin/python bench/run.py --help

Each section is a module beside this one and keeps its own date, commit and machine. No section fails for being slow. If
a section breaks, it keeps its earlier results, the others go on, and the exit code is 1. Install libraries to compare
with by `pip install -c constraints.txt -e ".[bench]"`; the table names those that do not import.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, importlib, importlib.util, sys, time, traceback
import torch
from nerflame.runtime import cpu_threads
from common import markdown, read_results, record, renew, write_results

def load(module, function):
    "Import a section's function when it is its turn, so that a failing import stops no other section."
    return getattr(importlib.import_module(module), function)

def stem_of(options)->str:
    "Return the name of the results' file: other sizes or other times never replace the full results."
    if options.quick: return "quick"
    if options.minutes_scale != 1: return "part"
    return "card" if options.only == ["card"] else "bench"

TITLES = dict(quick="Benchmarks, quick sizes: only to see that everything runs", card="Benchmarks on a GPU",
    part="Benchmarks: other times than those of the targets", bench="Benchmarks")

# in the order of the table; a file called profile.py would hide Python's own module of this name from torch
SECTIONS = dict(
    quality=lambda o: load("quality", "quality_rows")(o.quick, o.minutes_scale, o.repeats, o.runs, stem_of(o)),
    closest=lambda o: load("closest", "closest_rows")(o.quick),
    growth=lambda o: load("growth", "growth_rows")(o.quick),
    paper=lambda o: load("paper_step", "paper_rows")(o.quick),
    frames=lambda o: load("frames", "frames_rows")(o.quick, o.run),
    profile=lambda o: load("profile_step", "profile_rows")(o.quick, o.run),
    memory=lambda o: load("memory", "memory_rows")(o.quick),
    timesteps=lambda o: load("timesteps", "timesteps_rows")(o.quick),
    card=lambda o: load("card", "card_rows")())

def parse(arguments=None):
    "Parse the options."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION",
        help=f"sections to run: {', '.join(SECTIONS)}; left out: all but card")
    parser.add_argument("--quick", action="store_true",
        help="small sizes and one short training; results go to bench/results/quick.*")
    parser.add_argument("--run", metavar="RUN",
        help="trained face for frames and profile; left out: one is trained for a minute")
    parser.add_argument("--runs", nargs="+", metavar="NAME",
        help="trainings of quality, such as lps_200; left out: all; the others keep their earlier results")
    parser.add_argument("--minutes-scale", type=float, default=1.0,
        help="factor for the minutes of quality's trainings; with another one than 1 there are no targets, and results "
        "go to bench/results/part.*; default 1")
    parser.add_argument("--repeats", type=int, default=1,
        help="trainings of each kind in quality, with different seeds; default 1")
    options = parser.parse_args(arguments)
    if options.only and "card" in options.only and len(options.only) > 1:
        parser.error("card goes by itself: its results have a file of their own")
    if options.minutes_scale <= 0 or options.repeats < 1: parser.error("--minutes-scale and --repeats are positive")
    return options

def main():
    "Run the chosen sections and write their results after each; exit code 1 if one of them breaks."
    options = parse()
    torch.set_num_threads(cpu_threads())
    stem = stem_of(options)
    title = TITLES[stem]
    found, broken = read_results(stem), []
    names = [n for n in SECTIONS if (n in options.only if options.only else n != "card")]
    for name in names:
        print(f"{name} ...", flush=True)
        begin = time.perf_counter()
        try: fresh = record(SECTIONS[name](options), time.perf_counter() - begin)
        except Exception:
            broken.append(name)
            traceback.print_exc()
            continue
        found[name] = renew(found.get(name), fresh) if name == "quality" and options.runs else fresh
        write_results(stem, {n: found[n] for n in SECTIONS if n in found}, title)
    print(markdown({n: found[n] for n in names if n in found and n not in broken}, title))
    if broken: sys.exit(f"broken: {', '.join(broken)}")

if __name__ == "__main__": main()
