"""The method table holds every method that any revision has, but for the tasks that are not served."""

import msgspec
import pytest

from dovetail.wire import (
    METHODS,
    CacheableResult,
    ClientResult,
    InputResponseRequestParams,
    Method,
    NotificationParams,
    RequestParams,
    Result,
)

REQUESTS = [method for method in METHODS.values() if method.kind == "request"]
NOTIFICATIONS = [method for method in METHODS.values() if method.kind == "notification"]


def name(method: Method) -> str:
    return method.name


@pytest.mark.parametrize("method", METHODS.values(), ids=name)
def test_every_method_has_parameters_that_decode(method: Method) -> None:
    assert METHODS[method.name] is method
    msgspec.json.Decoder(method.params)


@pytest.mark.parametrize("method", REQUESTS, ids=name)
def test_a_request_has_typed_meta_and_a_result(method: Method) -> None:
    assert issubclass(method.params, RequestParams)
    assert method.result is not None
    assert issubclass(method.result, ClientResult if method.direction == "to_client" else Result)


@pytest.mark.parametrize("method", NOTIFICATIONS, ids=name)
def test_a_notification_has_no_result(method: Method) -> None:
    assert issubclass(method.params, NotificationParams)
    assert method.result is None
    assert method.name.startswith("notifications/")


@pytest.mark.parametrize("method", REQUESTS, ids=name)
def test_caching_and_asking_are_what_the_types_say(method: Method) -> None:
    assert method.result is not None
    assert method.cacheable == issubclass(method.result, CacheableResult)
    assert method.may_ask == issubclass(method.params, InputResponseRequestParams)


def test_the_name_header_repeats_what_the_specification_says() -> None:
    # "Mcp-Name | params.name or params.uri | tools/call, resources/read, prompts/get requests" (Streamable HTTP)
    fields = {method.name: method.name_field for method in METHODS.values() if method.name_field}
    assert fields == {"tools/call": "name", "resources/read": "uri", "prompts/get": "name"}
    assert all(field in METHODS[method].params.__struct_fields__ for method, field in fields.items())


def test_no_task_is_served() -> None:
    assert not [method for method in METHODS if "tasks" in method]
