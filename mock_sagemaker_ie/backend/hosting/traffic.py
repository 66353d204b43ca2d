"""Which variants a request goes to: production by weight, the shadow for its share, captures for theirs.

Deterministic and evenly spread: of every 100 requests, a share of 37 percent takes exactly 37 (inferred: AWS does not
say how it draws them).
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
    """Where and how exchanges are captured, by an experiment's DataStorageConfig or an endpoint's DataCaptureConfig."""

    destination: str
    kms_key: str | None = None
    csv: Sequence[str] = ()
    json: Sequence[str] = ()
    input: bool = True
    output: bool = True

    @classmethod
    def of_experiment(cls, config: Values) -> CaptureSettings:
        """By InferenceExperimentDataStorageConfig."""
        types = config.get("ContentType", {})
        return cls(
            config["Destination"],
            config.get("KmsKey"),
            types.get("CsvContentTypes", ()),
            types.get("JsonContentTypes", ()),
        )

    @classmethod
    def of_endpoint(cls, config: Values) -> CaptureSettings:
        """By DataCaptureConfig."""
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
    """A variant that a request goes to, and how many instances it has."""

    variant: str
    model: str
    instances: int

    @classmethod
    def of(cls, variant: Values) -> Target:
        """By a ProductionVariant."""
        return cls(variant["VariantName"], variant.get("ModelName", ""), variant.get("InitialInstanceCount", 1))


class Route(NamedTuple):
    """Where a request goes: production answers, the shadow gets a copy, `captures` are to be written of both."""

    production: Target
    shadow: Target | None
    captures: tuple[CaptureSettings, ...]


class Shares:
    """Takes a share of what comes, evenly spread, and turns among several by weight. Each key counts by itself."""

    def __init__(self) -> None:
        self._owed: dict[Hashable, Fraction] = {}
        self._credits: dict[Hashable, tuple[dict[str, Fraction], dict[str, Fraction]]] = {}

    def copy(self) -> Shares:
        """Independent shares that have counted as far."""
        twin = Shares()
        twin._owed = dict(self._owed)
        twin._credits = {key: (weights, dict(credit)) for key, (weights, credit) in self._credits.items()}
        return twin

    def takes(self, key: Hashable, share: Fraction) -> bool:
        """Whether this one is part of the share, of 0 to 1."""
        owed = self._owed.get(key, Fraction(0)) + min(share, Fraction(1))
        taken = owed >= 1
        self._owed[key] = owed - taken
        return taken

    def turn(self, key: Hashable, weights: dict[str, Fraction]) -> str:
        """Whose turn it is, each as often as its weight says (smooth weighted round robin); new weights begin anew."""
        known, credit = self._credits.get(key, ({}, {}))
        if known != weights:
            credit = dict.fromkeys(weights, Fraction(0))
            self._credits[key] = dict(weights), credit
        for name, weight in weights.items():
            credit[name] += weight
        winner = max(weights, key=lambda name: credit[name])
        credit[winner] -= sum(weights.values())
        return winner


def weight(variant: Values) -> Fraction:
    """A variant's weight, exactly as it is written: 0.37 is 37 hundredths."""
    return Fraction(str(variant.get("InitialVariantWeight", 1)))


def route(
    endpoint: Endpoint, shares: Shares, target: str | None, *, copies: bool, captures: tuple[CaptureSettings, ...]
) -> Route:
    """Where a request goes that the endpoint, which serves, is asked to answer.

    `target`: TargetVariant. `copies`: whether the shadow gets its share. `captures`: what is captured in any case.
    Raises AWSError (ValidationError) when no production variant is called `target`.
    """
    serving = endpoint.serving or {}
    production = {variant["VariantName"]: variant for variant in serving["ProductionVariants"]}
    key = endpoint.number
    if target is None:
        target = shares.turn(("turn", key), {name: weight(variant) for name, variant in production.items()})
    elif target not in production:
        message = f"Variant {target} of endpoint {endpoint.name} not found: expected one of {', '.join(production)}."
        raise AWSError("ValidationError", message)
    shadow = next(iter(serving.get("ShadowProductionVariants", ())), None) if copies else None
    if shadow is not None:
        weights = weight(shadow), weight(production[target])
        copied = shares.takes(("copy", key), weights[0] / weights[1] if weights[1] else Fraction(weights[0] > 0))
        shadow = shadow if copied else None
    config = serving.get("DataCaptureConfig")
    if config is not None and config.get("EnableCapture", True):
        share = Fraction(config["InitialSamplingPercentage"], 100)
        if shares.takes(("capture", key), share):
            captures = (*captures, CaptureSettings.of_endpoint(config))
    return Route(Target.of(production[target]), None if shadow is None else Target.of(shadow), captures)
