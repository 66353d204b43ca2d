"""The Experiment record, and what its operations make of it.

Every function is pure: a record and a request in, a new record or an AWSError out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mock_sagemaker_ie.backend.experiments import lifecycle, rules
from mock_sagemaker_ie.backend.experiments.lifecycle import FINISHED, Life, Status
from mock_sagemaker_ie.backend.experiments.rules import LONGEST_DURATION, REMOVE, RETAIN, resolve_schedule, same_second
from mock_sagemaker_ie.backend.transitions import Failure
from mock_sagemaker_ie.protocol.errors import AWSError, validation_exception
from mock_sagemaker_ie.protocol.validation import refuse

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from mock_sagemaker_ie.backend.transitions import Call

Values = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One inference experiment.

    `settings`: the members of its Create request as updated since, Schedule complete, Tags apart.
    `number`: counts an account's experiments in the order of their creation.
    `actions`: what the end of the experiment does to each variant, by name.
    `desired`: the variants that Stop gave other machines, by name.
    `seen`: how each variant stood when each status began, by name.
    `before`: what the endpoint served before the test; None when the test makes the endpoint.
    """

    arn: str
    number: int
    settings: Values
    life: Life
    actions: Mapping[str, str]
    desired: Mapping[str, Values] = field(default_factory=dict)
    before: Values | None = None
    status_reason: str | None = None
    seen: tuple[Mapping[str, str], ...] = ()

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
        variants = {variant["VariantName"]: variant for variant in self.settings["ModelVariants"]}
        return {**variants, **self.desired}

    @property
    def shadow(self) -> str:
        """The name of the shadow variant."""
        return shadow_name(self.settings)

    @property
    def production(self) -> str:
        """The name of the production variant."""
        return str(self.settings["ShadowModeConfig"]["SourceModelVariantName"])

    @property
    def sampling_percentage(self) -> int:
        """How many of a hundred requests the shadow variant gets a copy of."""
        return int(self.settings["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"])

    @property
    def started(self) -> bool:
        """Whether the shadow variant has been deployed, or is on its way."""
        return any(entry.status is Status.STARTING for entry in self.life.entries)

    @property
    def copies(self) -> bool:
        """Whether traffic is copied: Running, and Updating from there."""
        return self.status is Status.RUNNING or (self.status is Status.UPDATING and self.started)

    def facts(self) -> Values:
        """What Describe and List say of it, but for the endpoint; each output shape picks its members."""
        facts: Values = {
            **{member: value for member, value in self.settings.items() if member != "EndpointName"},
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

    summary = facts


def shadow_name(settings: Values) -> str:
    """The name of the shadow variant in a request or a record."""
    return str(settings["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"])


# --- the operations


def create(params: Values, *, arn: str, number: int, before: Values | None, now: dt.datetime) -> Experiment:
    """CreateInferenceExperiment, of a request that obeys the rules."""
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
        before=before,
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
    if running and same_second(new["Schedule"]["StartTime"], old["Schedule"]["StartTime"]):
        # botocore before 1.36 sends whole seconds: an echoed StartTime is an unchanged one.
        new["Schedule"]["StartTime"] = old["Schedule"]["StartTime"]
    refuse([*rules.changed_in_running(experiment, new), *rules.broken_after_update(new, now, experiment.created)])
    actions = {new["ShadowModeConfig"]["SourceModelVariantName"]: RETAIN, shadow_name(new): REMOVE}
    changed = dataclasses.replace(experiment, settings=new, life=life, actions=actions)
    return _rescheduled(changed, new["Schedule"]["StartTime"], new["Schedule"]["EndTime"])


def stop(experiment: Experiment, params: Values, now: dt.datetime) -> Experiment:
    """StopInferenceExperiment: its actions are what the end does to each variant."""
    life = _called(experiment, lifecycle.STOP, now)
    refuse([*rules.actions_fit(experiment, params), *rules.desired_variants_fit(experiment, params)])
    desired = {variant["VariantName"]: variant for variant in params.get("DesiredModelVariants", ())}
    return dataclasses.replace(
        experiment,
        desired=desired,
        life=dataclasses.replace(life, desired_state=Status(params.get("DesiredState", Status.CANCELLED))),
        actions=params["ModelVariantActions"],
        status_reason=params.get("Reason"),
    )


def fail(experiment: Experiment, reason: str, now: dt.datetime) -> Experiment:
    """What the service was doing fails: there is no Failed status, the experiment is Cancelled."""
    life = _called(experiment, Failure(), now)
    return dataclasses.replace(experiment, life=life, status_reason=reason, desired={})


def deletable(experiment: Experiment) -> None:
    """DeleteInferenceExperiment: raise ConflictException in a status that does not permit it."""
    if not lifecycle.permits(experiment.life, lifecycle.DELETE):
        raise _conflict(experiment, str(lifecycle.DELETE))


def _called(experiment: Experiment, trigger: Call | Failure, now: dt.datetime) -> Life:
    if not lifecycle.permits(experiment.life, trigger):
        raise _conflict(experiment, "fail" if isinstance(trigger, Failure) else str(trigger))
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


def endpoint_under_test(endpoint_arn: str, arn: str) -> AWSError:
    """An endpoint that an unfinished experiment uses is the experiment's to change."""
    return validation_exception(
        f'Cannot change endpoint "{endpoint_arn}": it is in use by inference experiment {arn}.',
    )


def endpoint_not_in_service(endpoint_arn: str, status: str) -> AWSError:
    """A test begins on an endpoint in service, or on a new one."""
    return validation_exception(f'Cannot test on endpoint "{endpoint_arn}" in status {status}.')


def endpoint_unfit(endpoint: str, trait: str) -> AWSError:
    """Shadow tests are for endpoints of single-model, single-container, real-time variants (AWS: Shadow tests)."""
    return validation_exception(f"Inference experiments do not support endpoint {endpoint}: it is {trait}.")
