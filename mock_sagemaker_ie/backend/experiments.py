"""The Experiment record, the rules its requests obey, and what its operations make of it.

Every function is pure: a record and a request in, a new record or an AWSError out. Section numbers in comments
are README's fidelity table, which says of each rule whether AWS documents it or we infer it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend import lifecycle
from mock_sagemaker_ie.backend.lifecycle import FINISHED, Life, Status
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import Violation, lower_camel, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mock_sagemaker_ie.backend.lifecycle import Call, Durations

Values = dict[str, Any]

DEFAULT_DURATION = dt.timedelta(days=7)
LONGEST_DURATION = dt.timedelta(days=30)
# Dates outside cannot be computed with; no limit of AWS's is known (inferred).
EARLIEST, LATEST = (dt.datetime(year, 1, 1, tzinfo=dt.timezone.utc) for year in (1970, 9000))

# What Stop does to a variant (AWS: ModelVariantAction).
RETAIN, REMOVE, PROMOTE = "Retain", "Remove", "Promote"


@dataclass(frozen=True)
class Experiment:
    """One inference experiment.

    `settings`: the members of its Create request as updated since, Schedule complete, Tags apart.
    `number`: counts an account's experiments in the order of their creation.
    `actions`: what the end of the experiment does to each variant, by name.
    """

    arn: str
    number: int
    settings: Values
    life: Life
    actions: Mapping[str, str]
    status_reason: str | None = None

    @property
    def name(self) -> str:
        """The name, unique in its account and region."""
        return str(self.settings["Name"])

    @property
    def status(self) -> Status:
        """The present status."""
        return self.life.status

    @property
    def created(self) -> dt.datetime:
        """CreationTime."""
        return self.life.entries[0].since

    @property
    def modified(self) -> dt.datetime:
        """LastModifiedTime: every change of content is a change of status too."""
        return self.life.since

    @property
    def variants(self) -> dict[str, Values]:
        """The variants by name, as configured."""
        return {variant["VariantName"]: variant for variant in self.settings["ModelVariants"]}

    @property
    def shadow(self) -> str:
        """The name of the shadow variant."""
        return shadow_name(self.settings)

    @property
    def production(self) -> str:
        """The name of the production variant."""
        return str(self.settings["ShadowModeConfig"]["SourceModelVariantName"])

    def as_of(self, now: dt.datetime, durations: Durations) -> Experiment:
        """The experiment with every transition that is due by `now`; itself when none is."""
        life = lifecycle.as_of(self.life, now, durations)
        return self if life is self.life else dataclasses.replace(self, life=life)

    def facts(self) -> Values:
        """What Describe and List say of it, but for the endpoint; each output shape picks its members."""
        facts: Values = {
            **self.settings,
            "Arn": self.arn,
            "Status": self.status.value,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
        if self.status_reason is not None:
            facts["StatusReason"] = self.status_reason
        if self.status in FINISHED:
            facts["CompletionTime"] = self.life.since
        return facts


def shadow_name(settings: Values) -> str:
    """The name of the shadow variant in a request or a record."""
    return str(settings["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"])


# --- the operations


def create(params: Values, *, arn: str, number: int, now: dt.datetime) -> Experiment:
    """CreateInferenceExperiment, of a request that obeys RULES."""
    settings = {name: value for name, value in params.items() if name != "Tags"}
    settings["Schedule"] = schedule = resolve_schedule(params.get("Schedule", {}), now)
    return Experiment(
        arn=arn,
        number=number,
        settings=settings,
        life=lifecycle.begin(now, schedule["StartTime"], schedule["EndTime"]),
        actions={
            settings["ShadowModeConfig"]["SourceModelVariantName"]: RETAIN,
            shadow_name(settings): REMOVE,
        },
    )


def start(experiment: Experiment, params: Values, now: dt.datetime) -> Experiment:  # noqa: ARG001 - one signature for all
    """StartInferenceExperiment: the schedule begins now and never lasts longer than 30 days."""
    life = _called(experiment, lifecycle.START, now)
    end = min(experiment.life.end_time, now + LONGEST_DURATION)
    return _rescheduled(dataclasses.replace(experiment, life=life), now, end)


def update(experiment: Experiment, params: Values, now: dt.datetime) -> Experiment:
    """UpdateInferenceExperiment: members given replace what was, the schedule's ends each by itself."""
    life = _called(experiment, lifecycle.UPDATE, now)
    old = experiment.settings
    new = {**old, **params, "Schedule": {**old["Schedule"], **params.get("Schedule", {})}}
    running = experiment.status is Status.RUNNING
    if running and _same_second(new["Schedule"]["StartTime"], old["Schedule"]["StartTime"]):
        # botocore before 1.36 sends whole seconds: an echoed StartTime is an unchanged one.
        new["Schedule"]["StartTime"] = old["Schedule"]["StartTime"]
    refuse([*_fixed_members(experiment, new), *broken_rules(new, now)])
    actions = {new["ShadowModeConfig"]["SourceModelVariantName"]: RETAIN, shadow_name(new): REMOVE}
    changed = dataclasses.replace(experiment, settings=new, life=life, actions=actions)
    return _rescheduled(changed, new["Schedule"]["StartTime"], new["Schedule"]["EndTime"])


def stop(experiment: Experiment, params: Values, now: dt.datetime) -> Experiment:
    """StopInferenceExperiment: its actions are what the end does to each variant."""
    life = _called(experiment, lifecycle.STOP, now)
    refuse([*_action_violations(experiment, params), *_desired_variant_violations(experiment, params)])
    desired = {variant["VariantName"]: variant for variant in params.get("DesiredModelVariants", ())}
    variants = [desired.get(name, variant) for name, variant in experiment.variants.items()]
    return dataclasses.replace(
        experiment,
        settings={**experiment.settings, "ModelVariants": variants},
        life=dataclasses.replace(life, desired_state=Status(params.get("DesiredState", Status.CANCELLED))),
        actions=params["ModelVariantActions"],
        status_reason=params.get("Reason"),
    )


def fail(experiment: Experiment, reason: str, now: dt.datetime) -> Experiment:
    """What the service was doing fails: there is no Failed status, the experiment is Cancelled (section 3)."""
    life = _called(experiment, lifecycle.Failure(), now)
    return dataclasses.replace(experiment, life=life, status_reason=reason)


def deletable(experiment: Experiment) -> None:
    """DeleteInferenceExperiment: raise ConflictException in a status that does not permit it."""
    if not lifecycle.permits(experiment.life, lifecycle.DELETE):
        raise _conflict(experiment, str(lifecycle.DELETE))


def _called(experiment: Experiment, trigger: Call | lifecycle.Failure, now: dt.datetime) -> Life:
    if not lifecycle.permits(experiment.life, trigger):
        raise _conflict(experiment, str(trigger))
    return lifecycle.follow(experiment.life, trigger, now)


def _rescheduled(experiment: Experiment, start: dt.datetime, end: dt.datetime) -> Experiment:
    return dataclasses.replace(
        experiment,
        settings={**experiment.settings, "Schedule": {"StartTime": start, "EndTime": end}},
        life=dataclasses.replace(experiment.life, start_time=start, end_time=end),
    )


# --- the errors, worded by us (inferred)


def _conflict(experiment: Experiment, verb: str) -> AWSError:
    return AWSError(
        "ConflictException",
        f"Cannot {verb.lower()} inference experiment {experiment.name} in status {experiment.status}.",
    )


def not_found(name: str) -> AWSError:
    """No experiment has this name."""
    return AWSError("ResourceNotFound", f"Inference experiment {name} does not exist.")


def name_taken(arn: str) -> AWSError:
    """Another experiment has this name."""
    return AWSError(
        "ResourceInUse",
        "Inference experiment names must be unique within an AWS account and region, "
        f"and an inference experiment with this name already exists ({arn})",
    )


def endpoint_taken(endpoint: str, arn: str) -> AWSError:
    """Another unfinished experiment uses the endpoint."""
    return AWSError("ResourceInUse", f"Endpoint {endpoint} is in use by inference experiment {arn}.")


# --- the rules that join several members (sections 1 and 3)


def resolve_schedule(schedule: Values, now: dt.datetime) -> Values:
    """Both ends of a schedule: without a start it starts at once, without an end it ends 7 days after its start."""
    start = schedule.get("StartTime", now)
    return {"StartTime": start, "EndTime": schedule.get("EndTime") or max(start, now) + DEFAULT_DURATION}


def _schedule(settings: Values, now: dt.datetime) -> Iterator[Violation]:
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
    elif end - start > LONGEST_DURATION:
        constraint = f"Member must be at most {LONGEST_DURATION.days} days later than schedule.startTime"
        yield Violation("schedule.endTime", end, constraint)


def _variant_names_differ(settings: Values, _now: dt.datetime) -> Iterator[Violation]:
    seen: set[str] = set()
    for number, variant in enumerate(settings.get("ModelVariants", ()), start=1):
        name = variant.get("VariantName")
        if name in seen:
            yield Violation(f"modelVariants.{number}.member.variantName", name, "Member must be unique")
        elif name is not None:
            seen.add(name)


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


Rule = Callable[[Values, dt.datetime], "Iterator[Violation]"]
RULES: tuple[Rule, ...] = (_variant_names_differ, _roles_name_variants, _sampling_percentage, _schedule)


def broken_rules(settings: Values, now: dt.datetime) -> Iterator[Violation]:
    """What RULES find in the settings of a request; a missing member is no matter of theirs."""
    for rule in RULES:
        yield from rule(settings, now)


def _fixed_members(experiment: Experiment, new: Values) -> Iterator[Violation]:
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


def _same_second(one: dt.datetime, other: dt.datetime) -> bool:
    return one.replace(microsecond=0) == other.replace(microsecond=0)


def _action_violations(experiment: Experiment, params: Values) -> Iterator[Violation]:
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


def _desired_variant_violations(experiment: Experiment, params: Values) -> Iterator[Violation]:
    staying = {name for name, action in params["ModelVariantActions"].items() if action != REMOVE}
    seen: set[str] = set()
    for number, variant in enumerate(params.get("DesiredModelVariants", ()), start=1):
        path, name = f"desiredModelVariants.{number}.member", variant["VariantName"]
        if name not in staying & experiment.variants.keys():
            names = ", ".join(sorted(staying))
            yield Violation(f"{path}.variantName", name, f"Member must name a variant that stays: [{names}]")
        elif name in seen:
            yield Violation(f"{path}.variantName", name, "Member must be unique")
        elif variant["ModelName"] != (model := experiment.variants[name]["ModelName"]):
            yield Violation(f"{path}.modelName", variant["ModelName"], f"Member must be the variant's model: {model}")
        seen.add(name)


def _names(experiment: Experiment) -> str:
    return ", ".join(experiment.variants)
