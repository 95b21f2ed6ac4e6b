"""What must be known before the study is read: where the project is, and its files."""

import sys

sys.path.insert(0, workflow.basedir)

from snakemake.exceptions import WorkflowError
from unlearn.study.load import StudyError, check_files

DEFAULT_STUDY = "config.yaml"

# Snakemake names neither file nor line of what it cannot read, and runs Python from a template.
if not workflow.configfiles:
    try:
        check_files([DEFAULT_STUDY])
    except StudyError as error:
        raise WorkflowError(str(error))
