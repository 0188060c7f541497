"""`python -m sahut_lab.bench NAME [--quick] [--size N]`: one JSON object."""

import argparse
import json

from sahut_lab.bench import NAMES, run

parser = argparse.ArgumentParser(prog="sahut_lab.bench")
parser.add_argument("name", choices=sorted(NAMES))
parser.add_argument("--quick", action="store_true")
parser.add_argument("--size", type=int)
asked = parser.parse_args()
print(json.dumps(run(asked.name, quick=asked.quick, size=asked.size), indent=2))
