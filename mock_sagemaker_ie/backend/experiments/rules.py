"""The rules that join several members of a request, or a request and the experiment it is for.

Every rule yields what is broken, to be refused with ValidationException. README's fidelity table says of each whether
AWS documents it or we infer it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments.lifecycle import Status
from mock_sagemaker_ie.protocol.validation import Rule, Violation, lower_camel, unique

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mock_sagemaker_ie.backend.experiments.record import Experiment

Values = dict[str, Any]

DEFAULT_DURATION = dt.timedelta(days=7)
LONGEST_DURATION = dt.timedelta(days=30)
# Dates outside cannot be computed with; no limit of AWS's is known (inferred).
EARLIEST, LATEST = (dt.datetime(year, 1, 1, tzinfo=dt.timezone.utc) for year in (1970, 9000))

# What Stop does to a variant (AWS: ModelVariantAction).
RETAIN, REMOVE, PROMOTE = "Retain", "Remove", "Promote"


# --- models and endpoint configurations


def one_way_to_contain(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """CreateModel takes PrimaryContainer or Containers, not both."""
    if ("PrimaryContainer" in params) == bool(params.get("Containers")):
        constraint = "Member must be given exactly when containers is not"
        yield Violation("primaryContainer", params.get("PrimaryContainer"), constraint)


def variants_fit(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """CreateEndpointConfig: a shadow variant has exactly one production variant (AWS: ShadowProductionVariants)."""
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        path, variants = lower_camel(member), params.get(member, ())
        if "ShadowProductionVariants" in params and len(variants) > 1:
            yield Violation(path, variants, "Member must have length less than or equal to 1 beside a shadow variant")
        for number, variant in enumerate(variants, start=1):
            if ("ServerlessConfig" in variant) == bool(variant.keys() & {"InstanceType", "InstancePools"}):
                constraint = "Member must be given exactly when serverlessConfig is not"
                yield Violation(f"{path}.{number}.member.instanceType", variant.get("InstanceType"), constraint)


def variant_names_differ(params: Values, _now: dt.datetime) -> Iterator[Violation]:
    """CreateEndpointConfig: production and shadow variants share one space of names."""
    production, shadow = params.get("ProductionVariants", []), params.get("ShadowProductionVariants", [])
    yield from unique(production, "VariantName", "productionVariants")
    names = {variant["VariantName"] for variant in production if "VariantName" in variant}
    for number, variant in enumerate(shadow, start=1):
        if variant.get("VariantName") in names:
            path = f"shadowProductionVariants.{number}.member.variantName"
            yield Violation(path, variant["VariantName"], "Member must be unique")


# --- experiments


def resolve_schedule(schedule: Values, now: dt.datetime) -> Values:
    """Both ends of a schedule: without a start it starts at once, without an end it ends 7 days after its start."""
    start = schedule.get("StartTime", now)
    return {"StartTime": start, "EndTime": schedule.get("EndTime") or max(start, now) + DEFAULT_DURATION}


def schedule_fits(settings: Values, now: dt.datetime, created: dt.datetime | None = None) -> Iterator[Violation]:
    """A schedule ends after it starts and in the future, at most 30 days after the test, `created` then, can start."""
    given = settings.get("Schedule", {})
    outside = {name: when for name, when in given.items() if not EARLIEST <= when < LATEST}
    for name, when in outside.items():
        constraint = f"Member must be between the years {EARLIEST.year} and {LATEST.year}"
        yield Violation(f"schedule.{lower_camel(name)}", when, constraint)
    if outside:
        return
    ends = resolve_schedule(given, now)
    start, end = ends["StartTime"], ends["EndTime"]
    if end <= start:
        yield Violation("schedule.endTime", end, "Member must be later than schedule.startTime")
    elif end <= now:
        yield Violation("schedule.endTime", end, "Member must be in the future")
    elif end - max(start, created or now) > LONGEST_DURATION:
        constraint = f"Member must be at most {LONGEST_DURATION.days} days later than schedule.startTime"
        yield Violation("schedule.endTime", end, constraint)


def _variant_names_differ(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    yield from unique(settings.get("ModelVariants", ()), "VariantName", "modelVariants")


def _roles_name_variants(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    variants = [variant.get("VariantName") for variant in settings.get("ModelVariants", ())]
    for path, name in _roles(settings):
        if name not in variants:
            yield Violation(path, name, f"Member must name one of modelVariants: [{', '.join(map(str, variants))}]")
    roles = [name for _, name in _roles(settings)]
    if len(roles) > 1 and len(set(roles)) == 1:
        yield Violation(SHADOW_PATH, roles[1], "Member must name another variant than sourceModelVariantName")


SHADOW_PATH = "shadowModeConfig.shadowModelVariants.1.member.shadowModelVariantName"


def _roles(settings: Values) -> list[tuple[str, str]]:
    """The paths and names by which a request gives variants their roles, as far as it does."""
    config = settings.get("ShadowModeConfig", {})
    shadows = config.get("ShadowModelVariants") or [{}]
    roles = [
        ("shadowModeConfig.sourceModelVariantName", config.get("SourceModelVariantName")),
        (SHADOW_PATH, shadows[0].get("ShadowModelVariantName")),
    ]
    return [(path, name) for path, name in roles if name is not None]


def _sampling_percentage(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    for number, shadow in enumerate(settings.get("ShadowModeConfig", {}).get("ShadowModelVariants", ()), start=1):
        percentage = shadow.get("SamplingPercentage", 0)
        if percentage < 0:  # The model has a maximum only.
            path = f"shadowModeConfig.shadowModelVariants.{number}.member.samplingPercentage"
            yield Violation(path, percentage, "Member must have value greater than or equal to 0")


# Of an Update before its experiment is looked at; the rest once it is known what the experiment would become.
UPDATE: tuple[Rule, ...] = (_variant_names_differ, _sampling_percentage)
CREATE: tuple[Rule, ...] = (_variant_names_differ, _roles_name_variants, _sampling_percentage, schedule_fits)


def broken_after_update(settings: Values, now: dt.datetime, created: dt.datetime) -> Iterator[Violation]:
    """What is broken in the settings that an Update makes of those of an experiment."""
    yield from _roles_name_variants(settings, now)
    yield from schedule_fits(settings, now, created)


def changed_in_running(experiment: Experiment, new: Values) -> Iterator[Violation]:
    """While Running, only Description, EndTime and SamplingPercentage may change."""
    if experiment.status is not Status.RUNNING:
        return
    before, after = _fixed_part(experiment.settings), _fixed_part(new)
    for path, value in after.items():
        if value != before[path]:
            yield Violation(path, value, "Member can be changed only while the experiment is Created")


def _fixed_part(settings: Values) -> dict[str, Any]:
    """What of the settings a running experiment keeps, by path."""
    return {
        "schedule.startTime": settings["Schedule"]["StartTime"],
        "modelVariants": sorted(settings["ModelVariants"], key=lambda variant: str(variant["VariantName"])),
        "dataStorageConfig": settings.get("DataStorageConfig"),
        "shadowModeConfig": dict(_roles(settings)),
    }


def same_second(one: dt.datetime, other: dt.datetime) -> bool:
    """Whether two instants are the same to a client that sends whole seconds."""
    return one.replace(microsecond=0) == other.replace(microsecond=0)


def actions_fit(experiment: Experiment, params: Values) -> Iterator[Violation]:
    """StopInferenceExperiment: every variant has an action, and together they leave one production variant."""
    actions: Mapping[str, str] = params["ModelVariantActions"]

    def violation(constraint: str) -> Violation:
        return Violation("modelVariantActions", actions, constraint)

    if actions.keys() != experiment.variants.keys():
        yield violation(f"Map must have exactly the variants of the experiment as keys: [{_names(experiment)}]")
        return
    production, shadow = actions[experiment.production], actions[experiment.shadow]
    if production == PROMOTE:
        yield violation(f"Map value Promote is for the shadow variant only: {experiment.production} is production")
    elif shadow == PROMOTE and production != REMOVE:
        yield violation(f"Map value for {experiment.production} must be Remove when {experiment.shadow} is promoted")
    elif production == REMOVE and shadow != PROMOTE:
        yield violation("Map must leave one variant as production: Retain it, or Promote the shadow in its place")


def desired_variants_fit(experiment: Experiment, params: Values) -> Iterator[Violation]:
    """StopInferenceExperiment: DesiredModelVariants are of variants that stay, each with its own model."""
    desired = params.get("DesiredModelVariants", [])
    yield from unique(desired, "VariantName", "desiredModelVariants")
    actions: Mapping[str, str] = params["ModelVariantActions"]
    staying = {name: v["ModelName"] for name, v in experiment.variants.items() if actions.get(name, REMOVE) != REMOVE}
    for number, variant in enumerate(desired, start=1):
        path, name, model = f"desiredModelVariants.{number}.member", variant["VariantName"], variant["ModelName"]
        if name not in staying:
            names = ", ".join(staying)
            yield Violation(f"{path}.variantName", name, f"Member must name a variant that stays: [{names}]")
        elif model != staying[name]:
            yield Violation(f"{path}.modelName", model, f"Member must be the variant's model: {staying[name]}")


def _names(experiment: Experiment) -> str:
    return ", ".join(experiment.variants)
