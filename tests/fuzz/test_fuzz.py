"""The fuzz run: whatever comes in, the service answers validly or refuses by name, and a refusal changes nothing.

CI runs it short. To run it long, say how many inputs every operation is to get:

    MOCK_SAGEMAKER_IE_FUZZ=5000 pytest tests/fuzz -s
"""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections import Counter
from contextlib import contextmanager

import pytest
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mock_sagemaker_ie.protocol.errors import COMMON_ERRORS, AWSError
from mock_sagemaker_ie.protocol.validation import violations
from mock_sagemaker_ie.protocol.wire import WireRequest, encode, encode_answer, error_body
from mock_sagemaker_ie.service.service import INVOKE_ENDPOINT
from tests.every_operation import REQUESTS
from tests.fuzz.inputs import inputs, likely, written
from tests.fuzz.worlds import MODELS, REGION, another, everything, known, live_on

EXAMPLES = int(os.environ.get("MOCK_SAGEMAKER_IE_FUZZ", "20"))
LONGEST = 2  # Seconds of the processor's time for one input.


class TooSlowError(Exception):
    """An input took too long to answer: a pattern that backtracks, a list that is walked too often."""


@contextmanager
def bounded():
    """Raise TooSlowError in what takes the processor more than LONGEST seconds, even within a regular expression."""

    def stop(*_):
        raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def outcome(service, model, request):
    """How the service met an input: `answered`, `not ours` or an error's code, once that is known to be right."""
    before = everything(service)
    try:
        with bounded():
            answer = service.answer(model, request, region=REGION)
    except AWSError as error:
        refused = error
    else:
        if answer is not None:
            check_answer(model, answer.values)
            return "answered"
        refused = None
    assert everything(service) == before
    return "not ours" if refused is None else check_error(model, refused)


def check_answer(model, values):
    """An answer obeys the operation's output shape, constraints included, and can be sent."""
    if model.output_shape is not None:
        report = ParamValidator().validate(values, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        assert [str(each) for each in violations(model.output_shape, values)] == []
        assert encode_answer(model, values)


def check_error(model, error):
    """An error is one that AWS knows, the operation's own or common to all, and can be sent. Returns its code."""
    modelled = [shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes]
    assert error.code in {*modelled, *COMMON_ERRORS, "SerializationException"}
    assert 400 <= error.status < 600
    assert encode(error_body(error, model.service_model))
    return error.code


bounds = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nothing bounds an input's time here")


@bounds
@pytest.mark.parametrize("operation", REQUESTS)
def test_a_right_request_is_answered(operation):
    """What is spoilt below would have been answered, or the fuzz run would be blind."""
    service = another()
    service.clock.advance(hours=1)

    assert outcome(service, MODELS[operation], written(MODELS[operation], REQUESTS[operation])) == "answered"


@bounds
def test_an_invocation_needs_no_header():
    """Its path alone says which endpoint it is for."""
    service = another()
    service.clock.advance(hours=1)

    assert outcome(service, MODELS[INVOKE_ENDPOINT], WireRequest(b"1,2", "/endpoints/a/invocations")) == "answered"


@bounds
@pytest.mark.parametrize("operation", MODELS)
def test_whatever_comes_in_is_answered_or_refused(operation, capsys):
    """After any few calls, any input is answered as the output shape says, or refused with an error AWS knows.

    And with what was accepted the world can live on.
    """
    tally = Counter()
    stories = st.lists(
        st.sampled_from(sorted(MODELS)).flatmap(lambda name: st.tuples(st.just(name), likely(MODELS[name], known()))),
        max_size=2,
    )
    hours = st.sampled_from([0, 0, 0.01, 1, 24, 200])

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories, inputs(MODELS[operation], known()), st.lists(hours, min_size=3, max_size=3))
    def run(story, last, pauses):
        service = another()
        for (name, request), pause in zip([*story, (operation, last)], pauses, strict=False):
            service.clock.advance(dt.timedelta(hours=pause))
            result = outcome(service, MODELS[name], request)
            note(f"{name}: {result}")
            tally[result] += 1
        live_on(service)

    run()

    with capsys.disabled():
        if "MOCK_SAGEMAKER_IE_FUZZ" in os.environ:
            print(f"\n{operation}: {sum(tally.values())} inputs, {dict(tally.most_common())}")
