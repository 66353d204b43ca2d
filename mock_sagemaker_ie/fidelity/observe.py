"""observe: run probes with the caller's own credentials and write what they saw."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from mock_sagemaker_ie.clock import as_clock
from mock_sagemaker_ie.fidelity import observations
from mock_sagemaker_ie.fidelity.cleaning import Cleaner, resources
from mock_sagemaker_ie.fidelity.observations import OPTIONAL, PROBES, Observation
from mock_sagemaker_ie.fidelity.runner import EndedError, Run, Target
from mock_sagemaker_ie.fidelity.sources import captures_in, metrics_of
from mock_sagemaker_ie.protocol.errors import error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mock_sagemaker_ie.fidelity.probe import Probe

    Say = Callable[[str], None]


class Order(NamedTuple):
    """What to observe.

    `tier`: the highest tier of the probes. `create_resources`: whether resources may be made. `endpoint_url`: of
    another service than AWS. `role`, `image`, `model_data`, `instance_type`: what the models of tiers 1 and 2 use.
    `capture`: an S3 URI for captured traffic. `poll`: the seconds between two looks at a status.
    """

    tier: int = 0
    create_resources: bool = False
    region: str | None = None
    endpoint_url: str | None = None
    role: str | None = None
    image: str | None = None
    model_data: str | None = None
    instance_type: str = "ml.t2.medium"
    capture: str | None = None
    poll: float = 15

    @property
    def probes(self) -> list[Probe]:
        """The probes up to this tier."""
        return [probe for probe in PROBES if probe.tier <= self.tier]


MAX_ATTEMPTS = 8  # Of a call that AWS throttles.

# What tier 0 sends in requests that must be refused anyway.
PLACEHOLDERS = {
    "role": "arn:aws:iam::000000000000:role/mock-sagemaker-ie",
    "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/none:1",
}


def plan(order: Order) -> str:
    """Return what a run will do. Raises ValueError when the order is not complete."""
    if order.tier and not order.create_resources:
        raise ValueError(
            f"tier {order.tier} creates resources in your account, and tier 2 runs instances that cost money: pass "
            "--create-resources to allow it"
        )
    if order.tier and (missing := [name for name in ("role", "image") if getattr(order, name) is None]):
        raise ValueError(f"tier {order.tier} creates models: pass {' and '.join('--' + name for name in missing)}")
    for name, begin in (("role", "arn:"), ("model_data", "s3://"), ("capture", "s3://")):
        value = getattr(order, name)
        if value is not None and not value.startswith(begin):
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected a text that begins with {begin}")
    lines = []
    for probe in order.probes:
        operations = dict.fromkeys(getattr(step, "operation", type(step).__name__) for step in probe.steps)
        takes = f", about {probe.minutes} minutes" if probe.minutes else ""
        lines.append(f"  tier {probe.tier}  {probe.name}{takes}: {', '.join(operations)}")
    return "\n".join(["It will call:", *lines])


def target_for(order: Order) -> Target:
    """Return AWS, or the service at the URL, as a target. Raises ValueError without credentials or a region."""
    session = botocore.session.Session()
    region = order.region or session.get_config_variable("region")
    if not region:
        raise ValueError("no region: pass --region, or set AWS_DEFAULT_REGION, or run 'aws configure'")
    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise ValueError(f"the credentials cannot be read: {error_text(error)}") from None
    if credentials is None:
        raise ValueError("no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID, or run 'aws configure'")
    # Broken requests are what tier 0 is about, and AWS throttles.
    attempts = session.get_config_variable("max_attempts") or MAX_ATTEMPTS
    config = Config(parameter_validation=False, retries={"mode": "standard", "total_max_attempts": attempts})
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            # The environment may name another place for S3 and CloudWatch.
            own = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}" in os.environ
            url = None if own else order.endpoint_url
            clients[service] = session.create_client(service, region_name=region, endpoint_url=url, config=config)
        return clients[service]

    prefix = f"mock-ie-{secrets.token_hex(4)}"
    given = {name: getattr(order, name) or PLACEHOLDERS.get(name) for name in ("role", "image")}
    names = {"prefix": prefix, "region": region, "instance_type": order.instance_type, **given}
    names |= {"model_data": order.model_data, "capture": order.capture and f"{order.capture.rstrip('/')}/{prefix}"}
    return Target(
        client,
        time.sleep,
        as_clock(None).now,
        names,
        lambda endpoint: captures_in(client("s3"), str(names["capture"]), endpoint),
        lambda endpoint: metrics_of(client("cloudwatch"), endpoint),
        order.poll,
    )


def observe(probes: Iterable[Probe], target: Target, out: Path, say: Say) -> tuple[list[str], str]:
    """Run probes one after another, write each, and clean up. Return what could not be removed, and what ended the run.

    After Ctrl-C or another exception everything made is cleaned up, what was seen is written, and the exception goes
    on. When nobody answers any more, the run ends with what it has: its file says so.
    """
    left: list[str] = []
    ended_by = ""
    for probe in probes:
        say(f"{probe.name}: {probe.text}")
        run, ended_by = Run(probe, target), "an exception"
        try:
            run.all_steps()
            ended_by = ""
        except EndedError as error:
            ended_by = str(error)
        except KeyboardInterrupt:
            ended_by = "Ctrl-C"
            raise
        finally:
            try:
                path = observations.write(out, _observation(probe, run, target, ended_by))
                say(f"  {len(run.steps)} of {len(probe.steps)} steps{ended_by and ', ended by ' + ended_by}: {path}")
            finally:  # Also when the disk is full.
                left += _clean_up(run, target, say)
        if ended_by:
            break
    return left, ended_by


def _clean_up(run: Run, target: Target, say: Say) -> list[str]:
    cleaner = Cleaner(target, resources(run.made, run.configs), say)
    try:
        cleaner.clean()
    except KeyboardInterrupt:
        say("  removing goes on; another Ctrl-C ends it")
        cleaner.clean()
        raise
    finally:
        for resource, reason in cleaner.left.items():
            say(f"  NOT REMOVED: {resource} ({reason})")
        if cleaner.unlisted:
            say(f"  endpoint configurations whose names begin with {target.names['prefix']} may be left too")
    return [f"{resource} ({reason})" for resource, reason in cleaner.left.items()]


def _observation(probe: Probe, run: Run, target: Target, ended_by: str) -> Observation:
    date = target.now().astimezone(dt.timezone.utc).date().isoformat()
    shown = run.scrubbed(ended_by)
    given = tuple(name for name in OPTIONAL if target.names[name])
    tool = version("mock-sagemaker-ie")
    return Observation(probe, run.steps, tool, botocore.__version__, date, shown, given=given)
