"""`/v1/completions` as OpenAI's clients know it, and what a server says to whom: health, metrics, refusals."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import PATIENT, TOKEN, Serving, serving, until

CANARY = "my_secret_variable"
BODY = {"prompt": "import math\n\n\ndef area(radius):\n    return ", "suffix": "\n", "stop": ["\n"], "max_tokens": 32}
ENDLESS = {"prompt": "def f():\n    values = [", "suffix": "\n", "max_tokens": 1024, "n": 8}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("dialect"), "--port", "0", "--max-waiting", "3") as found:
        until(found.is_ready, "the model")
        yield found


def test_a_completion_has_the_shape_that_clients_expect(server: Serving) -> None:
    reply = server.ask("POST", "/v1/completions", {**BODY, "n": 2, "temperature": 0.2, "user": "me", "unheard_of": {}})
    assert reply.status == 200
    answer = reply.json
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
    assert answer["object"] == "text_completion"
    assert str(answer["id"]).startswith("cmpl-")
    choices = answer["choices"]
    assert isinstance(choices, list)
    for index, choice in enumerate(choices):
        assert set(choice) == {"text", "index", "logprobs", "finish_reason"}
        assert choice["index"] == index
        assert choice["text"]
        assert "\n" not in choice["text"]
        assert choice["finish_reason"] == "stop"
    usage = answer["usage"]
    assert isinstance(usage, dict)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > usage["completion_tokens"] > 0


@pytest.mark.parametrize("stop", [None, ["\n"]], ids=["lines", "a line"])
def test_a_text_that_max_tokens_end_may_end_anywhere(server: Serving, stop: list[str] | None) -> None:
    body = {"prompt": "import os\n\n\ndef home(user):\n    return os.path.jo", "suffix": "\n\nprint(1)\n", "stop": stop}
    texts = []
    for most in (1, 2, 3):
        answer = server.ask("POST", "/v1/completions", {**body, "max_tokens": most}).json
        [choice] = answer["choices"]  # type: ignore[misc]
        assert choice["finish_reason"] == "length"
        texts.append(choice["text"])
    assert len(texts[2]) > len(texts[1]) > len(texts[0]) > 0
    assert texts[2].startswith(texts[1])
    assert texts[1].startswith(texts[0])


@pytest.mark.parametrize("name", ["<fim_{}>", "<|fim_{}|>"], ids=["StarCoder's", "Qwen's"])
def test_a_suffix_in_the_prompt_is_as_good_as_one_beside_it(server: Serving, name: str) -> None:
    first, second, end = (name.format(part) for part in ("prefix", "suffix", "middle"))
    inside = {**BODY, "prompt": f"{first}{BODY['prompt']}{second}{BODY['suffix']}{end}", "suffix": None}
    expected, found = (server.ask("POST", "/v1/completions", body).json for body in (BODY, inside))
    assert found["choices"] == expected["choices"]
    assert found["usage"] == expected["usage"]
    half = server.ask("POST", "/v1/completions", {**BODY, "prompt": first + str(BODY["prompt"]), "suffix": None})
    assert half.status == 200


def test_a_stream_is_server_sent_events_up_to_done(server: Serving) -> None:
    whole = server.ask("POST", "/v1/completions", BODY).json["choices"]
    reply = server.ask("POST", "/v1/completions", {**BODY, "stream": True, "stream_options": {"include_usage": True}})
    assert reply.headers["content-type"].startswith("text/event-stream")
    *events, end = reply.text.split("\n\n")
    assert end == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    assert events.pop() == "data: [DONE]"
    *chunks, last = [json.loads(event.removeprefix("data: ")) for event in events]
    assert [choice for chunk in chunks for choice in chunk["choices"]] == whole
    assert {chunk["object"] for chunk in [*chunks, last]} == {"text_completion"}
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0


def test_a_text_ends_before_a_stop_text(server: Serving) -> None:
    whole, cut = (
        server.ask("POST", "/v1/completions", {**BODY, "stop": ["\n", *more]}).json["choices"] for more in ([], ["(", "s"])
    )
    assert isinstance(whole, list)
    assert isinstance(cut, list)
    assert cut[0]["text"] == min(whole[0]["text"].split(stop)[0] for stop in "(s")
    assert cut[0]["finish_reason"] == "stop"


def test_line_breaks_are_those_of_the_prompt(server: Serving) -> None:
    body = {"prompt": "def f(a):\r\n    b = a\r\n    return b\r\n\r\n\r\ndef g(a):\r\n", "suffix": "\r\n", "stop": None}
    choices = server.ask("POST", "/v1/completions", body).json["choices"]
    assert isinstance(choices, list)
    assert "\n" not in choices[0]["text"].replace("\r\n", "")


HERE = {"input_prefix": "def area_of_box(width, height):\n    return width * height\n\n\ndef area_of_page(width, height):\n"}
HERE |= {"prompt": "    return wid", "input_suffix": "\n\n\nprint(area_of_page(2, 3))\n"}
LLAMA_VIM = {"n_predict": 128, "stop": [], "n_indent": 4, "top_k": 40, "samplers": ["infill"], "cache_prompt": True, "id_slot": 0}
LLAMA_VIM |= {
    "t_max_prompt_ms": 30_000,
    "t_max_predict_ms": 30_000,
    "stream": False,
    "input_extra": [{"text": "x", "filename": "y"}],
}


def test_an_editor_that_knows_llama_cpp_gets_what_a_language_server_would_show(server: Serving) -> None:
    reply = server.ask(
        "POST", "/infill", {**HERE, **LLAMA_VIM, "response_fields": ["content", "timings/predicted_n", "unheard/of"]}
    )
    assert reply.status == 200
    assert reply.json == {"content": "th * height", "timings/predicted_n": reply.json["timings/predicted_n"]}
    assert '"content":"' in reply.text  # what llama.vim looks for before it reads
    assert "\n" not in reply.text
    whole = server.ask("POST", "/infill", HERE).json
    assert whole["content"] == "th * height"
    assert whole["stop"] is True
    assert whole["truncated"] is False
    timings = whole["timings"]
    assert isinstance(timings, dict)
    assert timings["predicted_n"] > 0
    assert timings["prompt_n"] > timings["predicted_n"]
    streamed = server.ask("POST", "/infill", {**HERE, "stream": True})
    assert json.loads(streamed.text.removeprefix("data: "))["content"] == "th * height"
    assert server.ask("POST", "/infill", {**HERE, "stop": [" *"]}).json["content"] == "th"


def test_an_editor_that_knows_llama_cpp_gets_nothing_where_nothing_is_sure_or_asked(server: Serving) -> None:
    nowhere = server.ask("POST", "/infill", {"input_prefix": "", "prompt": "x = ", "input_suffix": ""}).json
    assert nowhere["content"] == ""
    assert "below confidence" in str(nowhere["reason"])
    before = server.figure("quickfill_engine_passes_total")
    warming = server.ask("POST", "/infill", {**HERE, "n_predict": 0, "prompt": "", "response_fields": [""]})
    assert (warming.status, warming.json) == (200, {})
    assert server.figure("quickfill_engine_passes_total") == before
    for wrong in ({"n_predict": -2}, {"input_prefix": 3}, {"t_max_predict_ms": -1}):
        reply = server.ask("POST", "/infill", {**HERE, **wrong})
        assert reply.status == 400
        assert next(iter(wrong)) in reply.text


def test_an_editor_that_knows_llama_cpp_may_send_chunks_of_other_files_along(server: Serving) -> None:
    def visible(**more: object) -> float:
        before = server.figure("quickfill_visible_tokens_total")
        assert server.ask("POST", "/infill", {**HERE, **LLAMA_VIM, **more}).status == 200
        return server.figure("quickfill_visible_tokens_total") - before

    alone = visible(input_extra=[])
    chunk = "def area_of_room(width, height):\n    return width * height\n"
    assert visible(input_extra=[{"text": chunk, "filename": "room.py", "time": [1, 2]}]) >= alone + 10
    assert server.ask("POST", "/infill", {**HERE, "input_extra": [{"text": 3}]}).status == 400


def test_the_model_is_listed(server: Serving) -> None:
    answer = server.ask("GET", "/v1/models").json
    assert answer["object"] == "list"
    assert isinstance(answer["data"], list)
    assert [set(model) for model in answer["data"]] == [{"id", "object", "created", "owned_by"}]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"prompt": "my_secret_variable', "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b'"my_secret_variable"', "an object"),
        ({"suffix": CANARY}, "prompt: Field required"),
        ({"prompt": [CANARY, CANARY]}, "prompt: .*one text"),
        ({"prompt": 3, "suffix": CANARY}, "prompt: .*string"),
        ({"prompt": CANARY, "n": 99}, "n: .*less than or equal to 8"),
        ({"prompt": CANARY, "max_tokens": 10**9}, "max_tokens: .*1024"),
        (b'{"prompt": "my_secret_variable \\ud800"}', "Invalid JSON"),
    ],
)
def test_a_bad_body_is_refused_in_a_sentence_that_does_not_quote_it(server: Serving, body: object, complaint: str) -> None:
    reply = server.ask("POST", "/v1/completions", body)
    assert reply.status == 400
    message = str(reply.error["message"])
    assert len(message.splitlines()) == 1
    assert CANARY not in message
    assert re.search(complaint, message)


def test_an_empty_prompt_gets_an_answer(server: Serving) -> None:
    assert server.ask("POST", "/v1/completions", {"prompt": "", "max_tokens": 8}).status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["its length is told", "in chunks"])
def test_a_body_that_is_too_large_is_refused(server: Serving, chunked: bool) -> None:
    raw = json.dumps({"prompt": "x" * (5 << 20)}).encode()
    connection = server.connection()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    body = iter([raw[: 1 << 20], raw[1 << 20 :]]) if chunked else raw
    connection.request("POST", "/v1/completions", body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    assert response.status == 413
    assert "4,194,304 bytes" in json.loads(response.read())["error"]["message"]


@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", ""])
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/completions", "/v1/infill", "/nothing"])
def test_without_a_token_nothing_is_told(server: Serving, path: str, token: str | None) -> None:
    reply = server.ask("GET", path, token=token)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.error["code"] == "invalid_api_key"


def test_health_needs_no_token(server: Serving) -> None:
    assert server.ask("GET", "/healthz", token=None).status == 200
    assert server.ask("GET", "/readyz", token=None).json["status"] == "ready"


def test_a_client_that_names_no_session_has_its_text_read_once(server: Serving) -> None:
    text = "".join(f"def area_{n}(width, height):\n    return width * height\n\n\n" for n in range(20))
    counts = []
    for typed in ("", "a", "ar", "area"):
        before = server.figure("quickfill_encoded_tokens_total")
        server.ask("POST", "/v1/completions", {**BODY, "prompt": f"{text}total = {typed}"})
        counts.append(server.figure("quickfill_encoded_tokens_total") - before)
    assert counts[0] > 200
    assert max(counts[1:]) <= 8


def test_metrics_are_in_prometheus_format_and_count_what_was_done(server: Serving) -> None:
    before = server.figure("quickfill_requests_total")
    server.ask("POST", "/v1/completions", BODY)
    reply = server.ask("GET", "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(reply.text)}
    assert {"quickfill_waiting", "quickfill_passes", "quickfill_accepted_tokens", "quickfill_cached_tokens"} <= set(families)
    assert families["quickfill_requests"].samples[0].value == before + 1
    counts = [sample for sample in families["quickfill_http_request_seconds"].samples if sample.name.endswith("_count")]
    assert any(sample.labels == {"route": "/v1/completions", "status": "200"} for sample in counts)


def test_a_full_server_says_when_to_come_again(server: Serving) -> None:
    connections = [server.connection() for _ in range(3)]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    for connection in connections:
        connection.request("POST", "/v1/completions", json.dumps(ENDLESS), headers)
    until(lambda: server.figure("quickfill_http_requests_in_flight") == 3, "three requests under way")
    reply = server.ask("POST", "/v1/completions", BODY)
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.error["type"] == "rate_limit_error"
    for connection in connections:
        connection.close()
    until(lambda: server.ask("POST", "/v1/completions", BODY).status == 200, "room again")


def test_a_client_that_leaves_stops_its_request(server: Serving) -> None:
    before = server.figure("quickfill_cancelled_total")
    connection = server.connection()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/completions", json.dumps(ENDLESS), headers)
    until(lambda: server.figure("quickfill_running") > 0, "the request")
    connection.close()
    until(lambda: server.figure("quickfill_running") == 0, "its end")
    assert server.figure("quickfill_cancelled_total") == before + 1


def test_health_is_also_for_those_who_know_the_server_by_another_name(server: Serving) -> None:
    connection = server.connection()
    connection.request("GET", "/healthz", headers={"Host": "balancer.example"})
    assert connection.getresponse().status == 200


def test_bytes_that_are_no_http_do_no_harm(server: Serving) -> None:
    with socket.create_connection(server.place, PATIENT) as raw:
        raw.sendall(b"\x16\x03\x01 my_secret_variable\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert server.is_ready()


def test_many_at_once_are_all_answered_or_refused(server: Serving) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(server.ask("POST", "/v1/completions", BODY).status)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT)
    assert len(statuses) == 12
    assert set(statuses) <= {200, 429}
    assert 200 in statuses


def test_the_log_holds_no_code(server: Serving) -> None:
    server.ask("POST", "/v1/completions", {"prompt": CANARY, "n": CANARY})
    server.ask("POST", "/v1/infill", {"turn": CANARY})
    server.ask("GET", f"/v1/{CANARY}")
    assert CANARY not in server.log.read_text()
