"""The rules that join several members of a request about experiments, or a request and its experiment.

Every rule yields violations, which are answered with ValidationException. The page Fidelity says which rules AWS
documents and which we infer.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.protocol.limits import EARLIEST, LATEST
from mock_sagemaker_ie.protocol.validation import Rule, Violation, lower_camel, unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mock_sagemaker_ie.backend.assumptions import Assumptions

Values = dict[str, Any]

DEFAULT_DURATION = dt.timedelta(days=7)
MAX_DURATION = dt.timedelta(days=30)

# What Stop does to a variant (AWS: ModelVariantAction).
RETAIN, REMOVE, PROMOTE = "Retain", "Remove", "Promote"


def resolve_schedule(schedule: Values, now: dt.datetime) -> Values:
    """Return both ends of a schedule. Without StartTime it starts at once; without EndTime it lasts 7 days."""
    start = schedule.get("StartTime", now)
    return {"StartTime": start, "EndTime": schedule.get("EndTime") or max(start, now) + DEFAULT_DURATION}


def schedule_fits(settings: Values, now: dt.datetime, created: dt.datetime | None = None) -> Iterator[Violation]:
    """Check that a schedule ends in the future, after its start, and at most 30 days after the test can start.

    AWS: CreateInferenceExperiment; the order of the ends is inferred: schedule_order, one_end_of_schedule.
    `created`: the instant at which the experiment was created; by default now.
    """
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
    elif end - max(start, created or now) > MAX_DURATION:
        constraint = f"Member must be at most {MAX_DURATION.days} days later than schedule.startTime"
        yield Violation("schedule.endTime", end, constraint)


def _variant_names_differ(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check that no two variants have one name (inferred: rules_across_members)."""
    yield from unique(settings.get("ModelVariants", ()), "VariantName", "modelVariants")


def _roles_name_variants(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check that source and shadow each name another variant (inferred: rules_across_members)."""
    variants = [variant.get("VariantName") for variant in settings.get("ModelVariants", ())]
    for path, name in _roles(settings):
        if name not in variants:
            yield Violation(path, name, f"Member must name one of modelVariants: [{', '.join(map(str, variants))}]")
    roles = [name for _, name in _roles(settings)]
    if len(roles) > 1 and len(set(roles)) == 1:
        yield Violation(SHADOW_PATH, roles[1], "Member must name another variant than sourceModelVariantName")


SHADOW_PATH = "shadowModeConfig.shadowModelVariants.1.member.shadowModelVariantName"


def _roles(settings: Values) -> list[tuple[str, str]]:
    """Return the path and the value of each member that names the production or the shadow variant."""
    config = settings.get("ShadowModeConfig", {})
    shadows = config.get("ShadowModelVariants") or [{}]
    roles = [
        ("shadowModeConfig.sourceModelVariantName", config.get("SourceModelVariantName")),
        (SHADOW_PATH, shadows[0].get("ShadowModelVariantName")),
    ]
    return [(path, name) for path, name in roles if name is not None]


def _sampling_percentage(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    """Check that no percentage is negative (inferred: rules_across_members)."""
    for number, shadow in enumerate(settings.get("ShadowModeConfig", {}).get("ShadowModelVariants", ()), start=1):
        percentage = shadow.get("SamplingPercentage", 0)
        if percentage < 0:  # The model has a maximum only.
            path = f"shadowModeConfig.shadowModelVariants.{number}.member.samplingPercentage"
            yield Violation(path, percentage, "Member must have value greater than or equal to 0")


# The rules for a request by itself. An Update is checked again with the members that it does not change.
UPDATE: tuple[Rule, ...] = (_variant_names_differ, _sampling_percentage)
CREATE: tuple[Rule, ...] = (_variant_names_differ, _roles_name_variants, _sampling_percentage, schedule_fits)


def updated_variants_exist(old: list[Values], given: list[Values]) -> Iterator[Violation]:
    """Check an Update that names fewer variants than the experiment has: each is one of the experiment's.

    AWS: UpdateInferenceExperiment, ModelVariants.
    """
    names = [variant["VariantName"] for variant in old]
    for number, variant in enumerate(given, start=1):
        if len(given) < len(old) and variant["VariantName"] not in names:
            constraint = f"Member must name a variant of the experiment: [{', '.join(names)}]"
            yield Violation(f"modelVariants.{number}.member.variantName", variant["VariantName"], constraint)


def broken_after_update(settings: Values, now: dt.datetime, created: dt.datetime) -> Iterator[Violation]:
    """Check the settings that an experiment would have after an Update (inferred: rules_across_members)."""
    yield from _roles_name_variants(settings, now)
    yield from schedule_fits(settings, now, created)


def start_time_repeats(given: Values, assumptions: Assumptions) -> Iterator[Violation]:
    """Check the Schedule of an Update in Running: StartTime is not there, if that is inferred: repeated_start_time."""
    if "StartTime" in given and assumptions.repeated_start_time == "refused":
        constraint = "Member can be given only while the experiment is Created"
        yield Violation("schedule.startTime", given["StartTime"], constraint)


def unchangeable_in_running(old: Values, new: Values) -> Iterator[Violation]:
    """Check an Update in Running: only Description, EndTime and SamplingPercentage may change.

    AWS: UpdateInferenceExperiment; the error is inferred: update_statuses.
    """
    before, after = _fixed_part(old), _fixed_part(new)
    for path, value in after.items():
        if value != before[path]:
            yield Violation(path, value, "Member can be changed only while the experiment is Created")


def _fixed_part(settings: Values) -> dict[str, Any]:
    """Return the settings that a running experiment keeps, by path."""
    return {
        "schedule.startTime": settings["Schedule"]["StartTime"],
        "modelVariants": sorted(settings["ModelVariants"], key=lambda variant: str(variant["VariantName"])),
        "dataStorageConfig": settings.get("DataStorageConfig"),
        "shadowModeConfig": dict(_roles(settings)),
    }


def same_second(one: dt.datetime, other: dt.datetime) -> bool:
    """Return whether two instants are equal for a client that sends whole seconds."""
    return one.replace(microsecond=0) == other.replace(microsecond=0)


def actions_fit(production: str, shadow: str, variants: Iterable[str], params: Values) -> Iterator[Violation]:
    """Check StopInferenceExperiment: every variant has an action, and one variant stays as production.

    Inferred: stop_actions.
    """
    actions: Mapping[str, str] = params["ModelVariantActions"]
    names = list(variants)

    def violation(constraint: str) -> Violation:
        return Violation("modelVariantActions", actions, constraint)

    if actions.keys() != set(names):
        yield violation(f"Map must have exactly the variants of the experiment as keys: [{', '.join(names)}]")
    elif actions[production] == PROMOTE:
        yield violation(f"Map value Promote is for the shadow variant only: {production} is production")
    elif actions[shadow] == PROMOTE and actions[production] != REMOVE:
        yield violation(f"Map value for {production} must be Remove when {shadow} is promoted")
    elif actions[production] == REMOVE and actions[shadow] != PROMOTE:
        yield violation("Map must leave one variant as production: Retain it, or Promote the shadow in its place")


def desired_variants_fit(variants: Mapping[str, Values], params: Values) -> Iterator[Violation]:
    """Check StopInferenceExperiment: DesiredModelVariants name variants that stay, with their own models.

    Inferred: desired_variants.
    """
    desired = params.get("DesiredModelVariants", [])
    yield from unique(desired, "VariantName", "desiredModelVariants")
    actions: Mapping[str, str] = params["ModelVariantActions"]
    models = {name: each["ModelName"] for name, each in variants.items() if actions.get(name, REMOVE) != REMOVE}
    for number, variant in enumerate(desired, start=1):
        path, name, model = f"desiredModelVariants.{number}.member", variant["VariantName"], variant["ModelName"]
        if name not in models:
            names = ", ".join(models)
            yield Violation(f"{path}.variantName", name, f"Member must name a variant that stays: [{names}]")
        elif model != models[name]:
            yield Violation(f"{path}.modelName", model, f"Member must be the variant's model: {models[name]}")
