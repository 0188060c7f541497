"""`python -m sahut_lab.trial NAME [--seed N] [--size K] [--victims A,B]`: one JSON object; exit code 1 on failure."""

import argparse
import json
import sys

from sahut_lab.trial import NAMES, run

parser = argparse.ArgumentParser(prog="sahut_lab.trial")
parser.add_argument("name", choices=sorted(NAMES))
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--size", type=int)
parser.add_argument("--victims", type=lambda text: tuple(text.split(",")), default=())
asked = parser.parse_args()
answer = run(asked.name, seed=asked.seed, size=asked.size, victims=asked.victims)
print(json.dumps(answer, indent=2))
sys.exit(0 if answer["passed"] else 1)
