"""The Experiment record, and the pure functions that create and change it: a record and a request in, a record out.

A function raises AWSError when the service refuses the request. Nothing here touches an endpoint.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments import lifecycle, rules
from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, Life, Status
from mock_sagemaker_ie.backend.experiments.rules import MAX_DURATION, REMOVE, RETAIN, resolve_schedule, same_second
from mock_sagemaker_ie.backend.history import History
from mock_sagemaker_ie.backend.transitions import At, Failure, later
from mock_sagemaker_ie.protocol.errors import AWSError
from mock_sagemaker_ie.protocol.validation import refuse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from mock_sagemaker_ie.backend.assumptions import Assumptions
    from mock_sagemaker_ie.backend.tags import Tags
    from mock_sagemaker_ie.backend.transitions import Call, Table

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One inference experiment.

    `number`: counts the experiments of an account and region in the order of creation.
    `settings`: the members of its Create request with later updates, with a complete Schedule and without Tags.
    `requested_schedule`: the Schedule as Create and Update asked for it; StartInferenceExperiment does not change it.
    `actions`: what the end of the experiment does to each variant, by name (AWS: ModelVariantAction).
    `desired`: the variants for which Stop gave DesiredModelVariants, by name.
    `variant_history`: the status of each variant, by name, when each status of the experiment began.
    `before`: the deployment that the endpoint served before the test; None when the test creates the endpoint.
    """

    name: str
    arn: str
    number: int
    settings: Values
    requested_schedule: Values
    life: Life
    actions: Mapping[str, str]
    desired: Mapping[str, Values] = field(default_factory=dict)
    before: Values | None = None
    status_reason: str | None = None
    variant_history: History[Mapping[str, str]] = field(default_factory=History)
    tags: Tags = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The name of the endpoint under test."""
        return str(self.settings["EndpointName"])

    @property
    def status(self) -> Status:
        """The present status."""
        return self.life.status

    @property
    def finished(self) -> bool:
        """True when the experiment is Completed or Cancelled."""
        return self.status in FINISHED

    @property
    def created(self) -> dt.datetime:
        """CreationTime."""
        return self.life.entries[0].since

    @property
    def modified(self) -> dt.datetime:
        """LastModifiedTime. Every change of content is a change of status too."""
        return self.life.since

    @property
    def variants(self) -> dict[str, Values]:
        """The variants as configured, by name."""
        variants = {variant["VariantName"]: variant for variant in self.settings["ModelVariants"]}
        return {**variants, **self.desired}

    @property
    def production(self) -> str:
        """The name of the production variant."""
        return str(self.settings["ShadowModeConfig"]["SourceModelVariantName"])

    @property
    def shadow(self) -> str:
        """The name of the shadow variant."""
        return _shadow_name(self.settings)

    @property
    def sampling_percentage(self) -> int:
        """The number of requests in a hundred of which the shadow variant gets a copy."""
        return int(self.settings["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"])

    @property
    def started(self) -> bool:
        """True when the experiment has been Starting or Running, so that its shadow variant has been deployed."""
        return self.life.started

    @property
    def copies(self) -> bool:
        """True when traffic is copied to the shadow: in Running, and in Updating that began in Running."""
        return self.status is Status.RUNNING or (self.status is Status.UPDATING and self.started)

    @property
    def failed(self) -> bool:
        """True when a failure led to the present status."""
        return isinstance(self.life.entries.last.trigger, Failure)

    @property
    def ended_by_schedule(self) -> bool:
        """True when EndTime led to the present status."""
        return self.life.entries.last.trigger == At("EndTime")

    def facts(self) -> Values:
        """Return what Describe and List show of it, without its endpoint; each output shape selects its members."""
        facts: Values = {
            **{member: value for member, value in self.settings.items() if member != "EndpointName"},
            "Arn": self.arn,
            "Status": self.status.value,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
        if self.status_reason is not None:
            facts["StatusReason"] = self.status_reason
        if self.finished:
            facts["CompletionTime"] = self.life.since
        return facts

    summary = facts


def _shadow_name(settings: Values) -> str:
    return str(settings["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"])


def _default_actions(settings: Values) -> dict[str, str]:
    """Return what the end of the schedule does to each variant."""
    return {settings["ShadowModeConfig"]["SourceModelVariantName"]: RETAIN, _shadow_name(settings): REMOVE}


# --- the operations


def create(params: Values, *, before: Values | None, tags: Tags, now: dt.datetime, **identity: Any) -> Experiment:
    """Return the record of a CreateInferenceExperiment request that satisfies the rules.

    `identity`: its name, ARN and number.
    """
    settings = {name: value for name, value in params.items() if name != "Tags"}
    settings["Schedule"] = schedule = resolve_schedule(params.get("Schedule", {}), now)
    life = lifecycle.begin(now, schedule["StartTime"], schedule["EndTime"])
    actions = _default_actions(settings)
    return Experiment(
        **identity,
        settings=settings,
        requested_schedule=schedule,
        life=life,
        actions=actions,
        before=before,
        tags=tags,
    )


@dataclass(frozen=True)
class Reading:
    """What the mock takes AWS to do: the assumptions, and the lifecycle under them."""

    assumptions: Assumptions
    lifecycle: Table[Status]

    @classmethod
    def of(cls, assumptions: Assumptions) -> Reading:
        """Return the reading with these assumptions."""
        return cls(assumptions, lifecycle.ALL_ROWS.under(assumptions))


def start(experiment: Experiment, params: Values, now: dt.datetime, reading: Reading) -> Experiment:  # noqa: ARG001 - one signature for all
    """Change the record by StartInferenceExperiment: the schedule begins now, and lasts at most 30 days."""
    life = _follow(experiment, lifecycle.START, now, reading)
    end = min(experiment.life.end_time, later(now, MAX_DURATION))
    return _reschedule(dataclasses.replace(experiment, life=life), now, end)


def update(experiment: Experiment, params: Values, now: dt.datetime, reading: Reading) -> Experiment:
    """Change the record by UpdateInferenceExperiment: given members replace the old ones.

    Of Schedule each end replaces the old one, of ModelVariants each variant the old one with its name.
    """
    life = _follow(experiment, lifecycle.UPDATE, now, reading)
    running = experiment.status is Status.RUNNING
    given, old = params.get("Schedule", {}), experiment.settings
    if running:
        refuse(rules.start_time_repeats(given, reading.assumptions))
    schedule = {**old["Schedule"], **(_changed_ends(experiment, given, reading.assumptions) if running else given)}
    new = {**old, **params, "Schedule": schedule}
    if "ModelVariants" in params:
        refuse(rules.updated_variants_exist(old["ModelVariants"], params["ModelVariants"]))
        new["ModelVariants"] = _merge_variants(old["ModelVariants"], params["ModelVariants"])
    fixed = rules.unchangeable_in_running(old, new) if running else ()
    refuse([*fixed, *rules.broken_after_update(new, now, experiment.created)])
    changed = dataclasses.replace(
        experiment,
        settings=new,
        requested_schedule={**experiment.requested_schedule, **given},
        life=life,
        actions=_default_actions(new),
    )
    return _reschedule(changed, schedule["StartTime"], schedule["EndTime"])


def _changed_ends(experiment: Experiment, given: Values, assumptions: Assumptions) -> Values:
    """Return the ends of a running experiment's schedule that an Update changes.

    AWS's own CloudFormation handler sends the whole Schedule of its template with each Update, also after
    StartInferenceExperiment has changed the actual ends. So an end as it was requested last is no change (inferred:
    repeated_start_time).
    botocore before 1.36 sends whole seconds, so a repeated instant may come back without its milliseconds.
    """
    known = [experiment.settings["Schedule"], experiment.requested_schedule]
    if assumptions.repeated_start_time != "as_requested":
        known = known[:1]
    return {end: when for end, when in given.items() if not any(same_second(when, schedule[end]) for schedule in known)}


def _merge_variants(old: list[Values], given: list[Values]) -> list[Values]:
    """Return the variants after an Update. Two given variants are all there is; one replaces the variant of its name.

    AWS: ModelVariants may name only the variants whose infrastructure is to change.
    """
    if len(given) >= len(old):
        return given
    changes = {variant["VariantName"]: variant for variant in given}
    return [changes.get(variant["VariantName"], variant) for variant in old]


def stop(experiment: Experiment, params: Values, now: dt.datetime, reading: Reading) -> Experiment:
    """Change the record by StopInferenceExperiment: its actions say what the end does to each variant."""
    life = _follow(experiment, lifecycle.STOP, now, reading)
    variants = experiment.variants
    broken = rules.actions_fit(experiment.production, experiment.shadow, variants, params)
    refuse([*broken, *rules.desired_variants_fit(variants, params)])
    desired = {variant["VariantName"]: variant for variant in params.get("DesiredModelVariants", ())}
    return dataclasses.replace(
        experiment,
        desired=desired,
        life=dataclasses.replace(
            life, desired_state=Status(params.get("DesiredState", reading.assumptions.desired_state))
        ),
        actions=params["ModelVariantActions"],
        status_reason=params.get("Reason"),
    )


def fail(experiment: Experiment, reason: str, now: dt.datetime, reading: Reading) -> Experiment:
    """Change the record by a failure of the service: there is no status Failed, so the experiment is Cancelled."""
    life = _follow(experiment, Failure(), now, reading)
    return dataclasses.replace(experiment, life=life, status_reason=reason, desired={})


def pass_deadline(experiment: Experiment, transition: Any, at: dt.datetime) -> Experiment:
    """Change the record by a transition that time triggers."""
    return dataclasses.replace(experiment, life=lifecycle.enter(experiment.life, transition, at))


def require_deletable(experiment: Experiment, reading: Reading) -> None:
    """Raise AWSError (ConflictException) when the status does not permit DeleteInferenceExperiment."""
    if not reading.lifecycle.permits(experiment.status, lifecycle.DELETE):
        raise _conflict(experiment, str(lifecycle.DELETE))


def _follow(experiment: Experiment, trigger: Call | Failure, now: dt.datetime, reading: Reading) -> Life:
    """Follow a row of the table. Raises AWSError (ConflictException) when the present status has none."""
    if not reading.lifecycle.permits(experiment.status, trigger):
        raise _conflict(experiment, "fail" if isinstance(trigger, Failure) else str(trigger))
    return lifecycle.enter(experiment.life, reading.lifecycle.row(experiment.status, trigger), now)


def _reschedule(experiment: Experiment, start: dt.datetime, end: dt.datetime) -> Experiment:
    return dataclasses.replace(
        experiment,
        settings={**experiment.settings, "Schedule": {"StartTime": start, "EndTime": end}},
        life=dataclasses.replace(experiment.life, start_time=start, end_time=end),
    )


def _conflict(experiment: Experiment, verb: str) -> AWSError:
    """Return the error for an operation in a status that does not permit it (inferred: experiment_texts)."""
    return AWSError(
        "ConflictException",
        f"Cannot {verb.lower()} inference experiment {experiment.name} in status {experiment.status}.",
    )
