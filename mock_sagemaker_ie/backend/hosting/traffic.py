"""Routing of requests: production variants by weight, the shadow variant and captures by their share.

Routing is deterministic and evenly spread: of any 100 requests in a row, a share of 37 percent takes exactly 37
(inferred: AWS does not document how it samples).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_sagemaker_ie.protocol.errors import AWSError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from mock_sagemaker_ie.backend.hosting.endpoints import Endpoint

Values = dict[str, Any]


class CaptureSettings(NamedTuple):
    """The way to capture requests and responses: an experiment's DataStorageConfig or an endpoint's DataCaptureConfig.

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
    def of_experiment(cls, config: Values) -> CaptureSettings:
        """Return the settings of an InferenceExperimentDataStorageConfig."""
        types = config.get("ContentType", {})
        return cls(
            config["Destination"],
            config.get("KmsKey"),
            types.get("CsvContentTypes", ()),
            types.get("JsonContentTypes", ()),
        )

    @classmethod
    def of_endpoint(cls, config: Values) -> CaptureSettings:
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
    def of(cls, variant: Values) -> Target:
        """Return the target for a ProductionVariant."""
        return cls(variant["VariantName"], variant.get("ModelName", ""), variant.get("InitialInstanceCount", 1))


class Route(NamedTuple):
    """The variants that receive a request: production answers, and the shadow, if there is one, gets a copy.

    `captures`: how to capture the request and the responses of both, once for each of the settings. `config`: the
    name of the endpoint configuration that has both.
    """

    production: Target
    shadow: Target | None
    captures: tuple[CaptureSettings, ...]
    config: str


class TrafficSplitter:
    """Samples a share of requests and chooses among variants by weight, evenly spread. Each key has its own counts."""

    def __init__(self) -> None:
        # By key: the part of a request that is due to the sample.
        self._accumulated: dict[Hashable, Fraction] = {}
        # By key: the weights, and the credit of each name.
        self._credits: dict[Hashable, tuple[dict[str, Fraction], dict[str, Fraction]]] = {}

    def copy(self) -> TrafficSplitter:
        """Return an independent copy with the same counts."""
        copied = TrafficSplitter()
        copied._accumulated = dict(self._accumulated)
        copied._credits = {key: (weights, dict(credit)) for key, (weights, credit) in self._credits.items()}
        return copied

    def sample(self, key: Hashable, share: Fraction) -> bool:
        """Return whether the present request is in the sample. `share`: from 0 to 1; more counts as 1."""
        accumulated = self._accumulated.get(key, Fraction(0)) + min(share, Fraction(1))
        sampled = accumulated >= 1
        self._accumulated[key] = accumulated - sampled
        return sampled

    def choose(self, key: Hashable, weights: dict[str, Fraction]) -> str:
        """Return a name, each as often as its weight says (smooth weighted round robin). New weights start afresh."""
        present_weights, credit = self._credits.get(key, ({}, {}))
        if present_weights != weights:
            credit = dict.fromkeys(weights, Fraction(0))
            self._credits[key] = dict(weights), credit
        for name, weight in weights.items():
            credit[name] += weight
        chosen = max(weights, key=lambda name: credit[name])
        credit[chosen] -= sum(weights.values())
        return chosen


def weight(variant: Values) -> Fraction:
    """Return a variant's weight as an exact fraction of its decimal form: 0.37 is 37/100."""
    return Fraction(str(variant.get("InitialVariantWeight", 1)))


def route(
    endpoint: Endpoint,
    splitter: TrafficSplitter,
    target: str | None,
    *,
    copies: bool,
    captures: tuple[CaptureSettings, ...],
) -> Route:
    """Return the route of a request to an endpoint that serves.

    `target`: TargetVariant. `copies`: whether the shadow variant gets its share of copies. `captures`: settings that
    capture every request, in addition to the endpoint's DataCaptureConfig, which captures its share.
    Raises AWSError (ValidationError) when no production variant has the name `target`.
    """
    serving = endpoint.serving or {}
    production = {variant["VariantName"]: variant for variant in serving["ProductionVariants"]}
    key = endpoint.number
    if target is None:
        target = splitter.choose(("turn", key), {name: weight(variant) for name, variant in production.items()})
    elif target not in production:
        message = f"Variant {target} of endpoint {endpoint.name} not found: expected one of {', '.join(production)}."
        raise AWSError("ValidationError", message)
    shadow = next(iter(serving.get("ShadowProductionVariants", ())), None) if copies else None
    if shadow is not None and not splitter.sample(("copy", key), _shadow_share(shadow, production[target])):
        shadow = None
    config = serving.get("DataCaptureConfig")
    if config is not None and config.get("EnableCapture", True):
        share = Fraction(config["InitialSamplingPercentage"], 100)
        if splitter.sample(("capture", key), share):
            captures = (*captures, CaptureSettings.of_endpoint(config))
    copied = None if shadow is None else Target.of(shadow)
    return Route(Target.of(production[target]), copied, captures, serving["EndpointConfigName"])


def _shadow_share(shadow: Values, production: Values) -> Fraction:
    """Return the share of a production variant's requests that the shadow variant gets too: the ratio of weights."""
    shadow_weight, production_weight = weight(shadow), weight(production)
    return shadow_weight / production_weight if production_weight else Fraction(shadow_weight > 0)
