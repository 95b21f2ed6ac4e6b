# The plan. unlearn/study decides what a study computes, rules/common.smk where results lie;
# each rule calls the command of its name in scripts/.
from snakemake.utils import min_version

min_version("9.27")


include: "rules/config.smk"


if not workflow.configfiles:  # a study given with --configfile stands alone

    configfile: DEFAULT_STUDY


include: "rules/common.smk"
include: "rules/params.smk"
include: "rules/inputs.smk"
include: "rules/samplers.smk"
include: "rules/trials.smk"
include: "rules/data.smk"
include: "rules/memorisation.smk"
include: "rules/requests.smk"
include: "rules/train.smk"
include: "rules/tuning.smk"
include: "rules/unlearn.smk"
include: "rules/score.smk"
include: "rules/certificates.smk"
include: "rules/audit.smk"
include: "rules/relearn.smk"
include: "rules/figures.smk"
include: "rules/pictures.smk"
include: "rules/report.smk"
include: "rules/records.smk"


from scripts import fork_server


report: os.path.abspath(OVERVIEW)


wildcard_constraints:
    dataset=one_of(STUDY.datasets),
    noise=one_of(STUDY.noises),
    model=one_of(model for _, model in STUDY.models),
    trainer=one_of(STUDY.trainers),
    variant=one_of(STUDY.variants),
    request=one_of(STUDY.requests),
    fleet=one_of(STUDY.fleets),
    population=one_of(STUDY.populations),
    relearning=one_of(STUDY.relearnings),
    experiment=one_of(STUDY.experiments),
    picture=one_of(STUDY.pictures),
    certificate_audit=one_of(STUDY.certificate_audits),


onstart:
    # With the default limit, 100 jobs a second, Snakemake 9 looks for jobs to start once a second
    # more for every job that has ended: after a hundred that keeps a core busy.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and limiter.max_jobs >= 100 * limiter.timespan:
        workflow.scheduler.job_rate_limiter = None
    # Servers have this interpreter's libraries and this machine's cores.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        fork_server.launch_for(len(list(workflow.dag.needrun_jobs())))


rule all:
    """Everything a study promises; `complete` fails when a cell failed."""
    default_target: True
    input:
        tables=tables(),
        figures=figures(),
        summaries=summaries(),
        trials=[*trial_tables(), *trial_figures()],
        pictures=pictures(),
        certificate_audits=certificate_audit_files(),
        scores=SCORES,
        report=REPORT,
        complete=COMPLETE,
        records=records_to_make(),
    localrule: True
