"""The metrics that jobs count or measure, and those of relearning: rows without a function."""

from dataclasses import replace

from unlearn.metrics.metric import PHASES, SPLITS, Metric, row

_NUMBER = Metric(name="", label="", unit="fraction", splits=SPLITS, better="oracle", scope="model")
_SPEEDUP = replace(
    _NUMBER,
    unit="ratio",
    splits=("forget",),
    better="high",
    scope="pair",
    is_drawn_for_original=False,
)
_COST = replace(_NUMBER, unit="count", splits=PHASES, better="low", is_frontier_cost=True)
_WORK = replace(_COST, is_drawn_for_original=False)
_SECONDS = replace(_WORK, unit="seconds", is_clocked=True)
_BYTES = replace(_COST, unit="bytes")
_COUNTER = replace(_COST, is_trainer_specific=True, is_frontier_cost=False)
_FACT = replace(_COUNTER, better=None)
_FLAG = replace(_COST, unit="flag", is_frontier_cost=False)
_NOISE = replace(_COST, splits=("learn",), better=None, is_frontier_cost=False)
_RELEARNED = replace(_NUMBER, splits=("forget", "test"), rule="relearn", is_curve=True)

COSTS = (
    row(_SECONDS, "wall_seconds", "Seconds"),
    row(_SECONDS, "cpu_seconds", "CPU seconds"),
    row(_WORK, "gradient_evaluations", "Gradient evaluations"),
    row(_WORK, "forward_evaluations", "Forward evaluations"),
    row(_WORK, "flops", "FLOPs"),
    row(_WORK, "optimizer_steps", "Optimiser steps"),
    row(_SECONDS, "io_seconds", "Seconds of reading and writing"),
    row(_BYTES, "peak_memory_bytes", "Peak memory (bytes)", over_steps="max", is_clocked=True),
    row(_BYTES, "bytes_stored", "Bytes stored", over_steps="last"),
    row(
        _SPEEDUP,
        "speedup",
        "Speed-up (gradient evaluations)",
        speedup_of="gradient_evaluations",
        is_of_one_size=True,
    ),
    row(
        _SPEEDUP,
        "speedup_seconds",
        "Speed-up (seconds)",
        speedup_of="wall_seconds",
        is_clocked=True,
    ),
)

COUNTERS = (
    row(
        _COUNTER,
        "expected_gradient_evaluations",
        "Expected gradient evaluations",
        over_steps="complete_sum",
    ),
    row(_COUNTER, "shards_retrained", "Shards retrained"),
    row(_COUNTER, "stages_retrained", "Stages retrained"),
    row(_COUNTER, "exact_steps", "Exact steps"),
    row(_FACT, "approximate_steps", "Approximate steps"),
    row(_FACT, "direct_steps", "Direct steps"),
    row(_COUNTER, "fallbacks", "Fall-backs to an exact step"),
    row(
        _FACT,
        "active_fraction",
        "Deleted points below the bound (%)",
        unit="fraction",
        over_steps="last",
    ),
    row(
        _FACT,
        "touched_fraction",
        "Minibatches that had a deleted point (%)",
        unit="fraction",
        over_steps="last",
    ),
    row(_COUNTER, "uniform_fallbacks", "Fall-backs to uniform weights"),
    row(_COUNTER, "unconverged_solves", "Unconverged solves"),
    row(_COUNTER, "largest_residual", "Largest relative residual", unit="ratio", over_steps="max"),
    row(
        _COUNTER,
        "nonstationarity",
        "Gradient of the original, relative to the influence",
        unit="ratio",
        over_steps="max",
    ),
    row(
        _COUNTER,
        "unflipped_fraction",
        "Deleted points that no adversarial step flips (%)",
        unit="fraction",
        over_steps="last",
    ),
)

CERTIFICATES = (
    row(
        _FACT,
        "certified_epsilon",
        "Certified epsilon",
        unit="ratio",
        better="low",
        over_steps="last",
    ),
    row(
        _FACT,
        "gap_bound",
        "Certified bound of the distance to the reference",
        unit="norm",
        better="low",
        over_steps="last",
    ),
    row(
        _FACT,
        "residual",
        "Gradient that removal leaves",
        unit="norm",
        better="low",
        over_steps="last",
    ),
    row(
        _FACT,
        "residual_bound",
        "Certified bound of the gradient that removal leaves",
        unit="norm",
        better="low",
        over_steps="last",
    ),
    row(_COUNTER, "restarts", "Retrainings because the noise was used up"),
)

FLAGS = (
    row(_FLAG, "completed", "Completed", better="high"),
    row(_FLAG, "diverged", "Diverged", over_steps="last"),
    row(_FLAG, "refused", "Refused"),
)

NOISES = (
    row(
        _NOISE,
        "noise_converged",
        "Searches that converged",
        unit="flag",
        better="high",
        noise_field="converged",
    ),
    row(_NOISE, "noise_error", "Mistakes left on noisy images", unit="ratio", noise_field="error"),
    row(
        _NOISE,
        "noise_clean_error",
        "Mistakes of the source without the noise",
        unit="ratio",
        noise_field="clean_error",
    ),
    row(_NOISE, "noise_rounds", "Rounds of the search for noise", noise_field="rounds"),
    row(_NOISE, "noise_renewals", "Sources renewed", noise_field="renewals"),
    row(
        _NOISE,
        "noise_probe_error",
        "Mistakes of new models of noisy images",
        unit="ratio",
        noise_field="probe_error",
    ),
    row(
        _NOISE,
        "noise_probe_clean_error",
        "Mistakes of new models of clean images",
        unit="ratio",
        noise_field="probe_clean_error",
    ),
    row(
        _NOISE,
        "noise_weak",
        "Searches whose noise is weak",
        unit="flag",
        better="low",
        noise_field="weak",
    ),
    row(
        _NOISE,
        "noise_wall_seconds",
        "Seconds of making noise",
        unit="seconds",
        noise_field="wall_seconds",
        is_clocked=True,
    ),
    row(
        _NOISE,
        "noise_gradient_evaluations",
        "Gradient evaluations for noise",
        noise_field="gradient_evaluations",
    ),
    row(_NOISE, "noise_largest", "Largest change of a pixel (of 255)", noise_field="largest"),
    row(_NOISE, "noise_mean_l2", "Mean L2 norm of noise", unit="norm", noise_field="mean_l2"),
    row(_NOISE, "noise_rms", "Root mean squared change of a pixel (of 255)", noise_field="rms"),
)

RELEARNING = (
    row(_RELEARNED, "relearned_accuracy", "Accuracy after relearning (%)"),
    row(_RELEARNED, "relearned_loss", "Cross-entropy after relearning (nats)", unit="nats"),
    row(
        _RELEARNED,
        "relearning_steps",
        "Steps until relearnt",
        unit="count",
        splits=("forget",),
        is_curve=False,
    ),
    row(
        _RELEARNED,
        "relearning_ratio",
        "Steps until relearnt / oracle's",
        unit="ratio",
        splits=("forget",),
        is_curve=False,
    ),
)

TUNINGS = (
    row(_NOISE, "tuning_trials", "Trials of tuning", tuning_field="trials"),
    row(
        _NOISE,
        "tuning_gradient_evaluations",
        "Gradient evaluations of tuning",
        tuning_field="gradient_evaluations",
    ),
    row(
        _NOISE,
        "tuning_wall_seconds",
        "Seconds of tuning",
        unit="seconds",
        tuning_field="wall_seconds",
        is_clocked=True,
    ),
)

SCORINGS = (
    row(_NOISE, "scoring_models", "Models that scored points", scoring_field="models"),
    row(
        _NOISE,
        "scoring_gradient_evaluations",
        "Gradient evaluations for scores of points",
        scoring_field="gradient_evaluations",
    ),
    row(
        _NOISE,
        "scoring_wall_seconds",
        "Seconds of scoring points",
        unit="seconds",
        scoring_field="wall_seconds",
        is_clocked=True,
    ),
)
