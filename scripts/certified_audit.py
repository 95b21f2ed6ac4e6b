"""Rule `certified_audit`: certificates of methods, audited from below on the worst case."""

import argparse
import csv
import io
import json

from scripts import command
from unlearn.certification.audit import CertificateAuditRow, audit
from unlearn.core import registry
from unlearn.storage.files import write_text

COLUMNS = ("method", "variant", *CertificateAuditRow._fields)


def main(arguments: argparse.Namespace) -> None:
    """Write one row for each method and scale of the noise."""
    job = json.loads(arguments.job)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for method in job["methods"]:
        loop = registry.create("methods", method["block"]).audited_loop()
        for row in audit(loop, job["runs"], job["noise_scales"], job["seed"]):
            values = (repr(value) if isinstance(value, float) else value for value in row)
            writer.writerow([method["block"]["kind"], method["variant"], *values])
            verdict = "refuted" if row.is_refuted else "not refuted"
            print(f"{method['variant']}, noise x {row.noise_scale:g}: {verdict}")
    write_text(arguments.output, text.getvalue())


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("methods, runs, noise_scales, seed")
    parser.add_output("output", "certificates and lower bounds, csv")
    command.run(main, parser)
