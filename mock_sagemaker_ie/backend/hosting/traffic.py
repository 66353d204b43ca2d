"""Routing of requests: production variants by weight, the shadow variant and captures by their share.

Routing is deterministic and evenly spread: of any 100 requests in a row, a share of 37 percent takes exactly 37
(inferred: even_shares).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.backend.hosting.deployment import containers, is_multi_model
from mock_sagemaker_ie.changes import UndoLog
from mock_sagemaker_ie.protocol.errors import AWSError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint
    from mock_sagemaker_ie.backend.hosting.metrics import Scope
    from mock_sagemaker_ie.backend.hosting.resources import Resource

Values = dict[str, Any]


class CaptureSettings(NamedTuple):
    """The way to capture requests and responses: the DataCaptureConfig of an endpoint.

    `destination`: the S3 URI of the folder for the capture files. `kms_key`: the KMS key with which S3 encrypts them.
    `csv`, `json`: the content types of bodies that are written as text. `input`, `output`: whether the request and
    the response are captured.
    """

    destination: str
    kms_key: str | None = None
    csv: Sequence[str] = ()
    json: Sequence[str] = ()
    input: bool = True
    output: bool = True

    @classmethod
    def of(cls, config: Values) -> CaptureSettings:
        """Return the settings of a DataCaptureConfig."""
        types = config.get("CaptureContentTypeHeader", {})
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        return cls(
            config["DestinationS3Uri"],
            config.get("KmsKeyId"),
            types.get("CsvContentTypes", ()),
            types.get("JsonContentTypes", ()),
            input=bool(modes & {"Input", "InputAndOutput"}),
            output=bool(modes & {"Output", "InputAndOutput"}),
        )


class Target(NamedTuple):
    """A variant that receives a request, with the name of its model and its number of instances."""

    variant: str
    model: str
    instances: int

    @classmethod
    def of(cls, variant: Values, counts: Mapping[str, int]) -> Target:
        """Return the target for a ProductionVariant. `counts`: the present numbers of instances, where they differ."""
        name = variant["VariantName"]
        return cls(name, variant.get("ModelName", ""), counts.get(name, variant.get("InitialInstanceCount", 1)))


class Route(NamedTuple):
    """The variants that receive a request: production answers, and the shadow, if there is one, gets a copy.

    `capture`: how to capture the request and the responses of both; None when they are not captured. `config`: the
    name of the endpoint configuration that has both. `scope`: the account and the region of the endpoint.
    """

    production: Target
    shadow: Target | None
    capture: CaptureSettings | None
    config: str
    scope: Scope


class TrafficSplitter:
    """Samples a share of requests and chooses among variants by weight, evenly spread. Each key has its own counts.

    A count is replaced, never changed.
    """

    def __init__(self, undo: UndoLog | None = None) -> None:
        self._undo = UndoLog() if undo is None else undo
        # By key: the part of a request that is due to the sample.
        self._accumulated: dict[Hashable, Fraction] = {}
        # By key: the weights, and the credit of each name.
        self._credits: dict[Hashable, tuple[dict[str, Fraction], dict[str, Fraction]]] = {}

    def copy(self, undo: UndoLog) -> TrafficSplitter:
        """Return an independent copy with the same counts."""
        copied = TrafficSplitter(undo)
        copied._accumulated, copied._credits = dict(self._accumulated), dict(self._credits)
        return copied

    def sample(self, key: Hashable, share: Fraction) -> bool:
        """Return whether the present request is in the sample. `share`: from 0 to 1; more counts as 1."""
        accumulated = self._accumulated.get(key, Fraction(0)) + min(share, Fraction(1))
        sampled = accumulated >= 1
        self._undo.update(self._accumulated, {key: accumulated - sampled})
        return sampled

    def choose(self, key: Hashable, weights: dict[str, Fraction]) -> str:
        """Return a name, each as often as its weight says (smooth weighted round robin). New weights start afresh."""
        present_weights, credit = self._credits.get(key, ({}, {}))
        if present_weights != weights:
            credit = dict.fromkeys(weights, Fraction(0))
        credit = {name: credit[name] + weight for name, weight in weights.items()}
        chosen = max(weights, key=lambda name: credit[name])
        credit[chosen] -= sum(weights.values())
        self._undo.update(self._credits, {key: (weights, credit)})
        return chosen


def weight(variant: Values) -> Fraction:
    """Return a variant's weight as an exact fraction of its decimal form: 0.37 is 37/100."""
    return Fraction(str(variant.get("InitialVariantWeight", 1)))


_COMPONENTS = "Inference Component Name header is {} for endpoints to which you {} to deploy inference components. {}"


def require_invocable(deployment: Values, params: Values, models: Mapping[str, Resource]) -> None:
    """Raise AWSError (ValidationError) for an InvokeEndpoint request that does not fit the endpoint's deployment.

    The texts about inference components and TargetModel were observed on AWS.
    """
    name, production = params["EndpointName"], deployment["ProductionVariants"]
    if "AsyncInferenceConfig" in deployment:
        text = f"Endpoint {name} is an asynchronous endpoint: invoke it with InvokeEndpointAsync."
        raise AWSError("ValidationError", text)
    of_components, header = all("ModelName" not in each for each in production), "InferenceComponentName" in params
    if of_components and not header:
        way_out = "Please include Inference Component Name header or consider using SageMaker models."
        raise AWSError("ValidationError", _COMPONENTS.format("required", "plan", way_out))
    if header and not of_components:
        way_out = "Please remove the Inference Component Name header and try again."
        raise AWSError("ValidationError", _COMPONENTS.format("not allowed", "dont plan", way_out))
    multi_model = any(is_multi_model(container) for each in production for container in containers(each, models))
    if "TargetModel" in params and not multi_model:
        text = f"Endpoint {name} is not a multi-model endpoint and does not support target model header."
        raise AWSError("ValidationError", text)


class Fleet(NamedTuple):
    """The instances that answer a request: those of the deployment that serves, or of the one that takes its place.

    `key`: of its counts in the TrafficSplitter. `counts`: the present numbers of instances, where they differ.
    """

    deployment: Values
    key: Hashable
    counts: Mapping[str, int]


def choose_fleet(endpoint: Endpoint, splitter: TrafficSplitter) -> Fleet:
    """Return the fleet that answers the present request: during a traffic shift, each fleet by its share."""
    phase, serving = endpoint.phase, endpoint.serving or {}
    if phase is None:
        return Fleet(serving, endpoint.number, {})
    if endpoint.pending is not None and splitter.sample(("fleet", endpoint.number), phase.share):
        return Fleet(endpoint.pending, (endpoint.number, "new"), phase.active)
    return Fleet(serving, endpoint.number, phase.old)


def route(
    endpoint: Endpoint,
    fleet: Fleet,
    splitter: TrafficSplitter,
    target: str | None,
    *,
    copies: bool,
    reaches_shadow: bool,
) -> Route:
    """Return the route of a request to a fleet of an endpoint that serves.

    `target`: TargetVariant. `copies`: whether the shadow variant gets its share of copies.
    `reaches_shadow`: whether `target` may be the shadow variant, which then answers alone (inferred: target_shadow).
    Raises AWSError (ValidationError) when no production variant has the name `target`.
    """
    serving, key, counts = fleet
    production = _by_name(serving, "ProductionVariants")
    if target is None:
        target = splitter.choose(("turn", key), {name: weight(variant) for name, variant in production.items()})
    elif reaches_shadow and target in (shadows := _by_name(serving, "ShadowProductionVariants")):
        production, copies = shadows, False
    elif target not in production:
        message = f"Variant {target} of endpoint {endpoint.name} not found: expected one of {', '.join(production)}."
        raise AWSError("ValidationError", message)
    shadow = next(iter(serving.get("ShadowProductionVariants", ())), None) if copies else None
    if shadow is not None and not splitter.sample(("copy", key), _shadow_share(shadow, production[target])):
        shadow = None
    capture, config = None, serving.get("DataCaptureConfig")
    if config is not None and config.get("EnableCapture", True):
        share = Fraction(config["InitialSamplingPercentage"], 100)
        if splitter.sample(("capture", key), share):
            capture = CaptureSettings.of(config)
    copied = None if shadow is None else Target.of(shadow, counts)
    _, _, _, region, account, _ = endpoint.arn.split(":")
    answering = Target.of(production[target], counts)
    return Route(answering, copied, capture, serving["EndpointConfigName"], (account, region))


def _by_name(deployment: Values, member: str) -> dict[str, Values]:
    """Return the production or the shadow variants of a deployment by name."""
    return {variant["VariantName"]: variant for variant in deployment.get(member, ())}


def _shadow_share(shadow: Values, production: Values) -> Fraction:
    """Return the share of a production variant's requests that the shadow variant gets too: the ratio of weights."""
    shadow_weight, production_weight = weight(shadow), weight(production)
    return shadow_weight / production_weight if production_weight else Fraction(shadow_weight > 0)
