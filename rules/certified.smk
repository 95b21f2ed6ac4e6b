"""What the rules of certificates are asked for, and read."""


def certificate_audit_files():
    """The table and the figure of every audit."""
    tables = [
        AUDIT_TABLE.format(certificate_audit=name) for name in STUDY.certificate_audits
    ]
    figures = [
        f"{AUDIT_FIGURE.format(certificate_audit=name)}.{kind}"
        for name in STUDY.certificate_audits
        for kind in ("svg", "png")
    ]
    return tables + figures


def certificate_audit_job(wildcards):
    return as_json(STUDY.certificate_audits[wildcards.certificate_audit].job())


def certificate_audit_code(wildcards):
    modules = STUDY.certificate_audits[wildcards.certificate_audit].modules()
    return code("scripts.certified_audit", *modules)


def certificate_job(wildcards):
    is_tuned = wildcards.variant in STUDY.tunings
    return as_json(
        {
            "cell": cell_of(wildcards)._asdict(),
            "tuned_on": STUDY.pilots[wildcards.request] if is_tuned else None,
        }
    )


def certificate_code(wildcards):
    trainer = STUDY.variants[wildcards.variant].trainer.block()
    modules = registry.modules("trainers", trainer)
    return metric_code("scripts.certificate", *modules)
