"""What looks like a secret does not reach a model. Every secret here is made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.completion.complete import Place, asked_of, complete
from lsp_server.context.explain import explain
from lsp_server.context.secrets import SECRET, secrets, without_secrets
from lsp_server.settings import Settings
from model.checkpoints.store import BUNDLED
from model.engine.engine import Engine
from model.infilling.request import Infilling, InfillRequest
from model.tokenization.tokenizer import Tokenizer

MIXED = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bD1fG3hJ5"
FOUND = [
    ("AWS_KEY = 'AKIA", "IOSFODNN7EXAMPL2", "'"),
    ("token = 'ghp_", MIXED, "'"),
    ("# glpat-", "abcdefgh12345678WXYZ", " is mine"),
    ("slack('xoxb-", "123456789012-abcdefABCDEF", "')"),
    ("stripe.api_key = 'sk_live_", "4eC39HqLyjWDarjtT1zdp7dc", "'"),
    ("client = OpenAI(api_key='sk-proj-", "abcdEFGH1234ijklMNOP5678", "')"),
    ("google = 'AIza", "SyA1234567890abcdefghijklmnopqrstuvw", "'"),
    ("jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.", "dozjgNryP4J3jVmNHl0w5N", "'"),
    ("engine = create_engine('postgresql://bob:", "s3cr3tpw", "@db.example.com/x')"),
    ("password = '", "correcthorse", "'"),
    ('    "PASSWORD": "', "hunter2hunter2", '",'),
    ("self.secret_key: str = '", "django-insecure-9x!", "'"),
    ("login(user, password='", "tr0ub4dor&3", "')"),
    ("export API_TOKEN=", "abc123def456", ""),
    ("salt = '", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "'"),
    ('API_KEY = "', "CANARYSECRETVALUE", '"'),
    ('SECRET_KEY = "', "django-insecure-8f$k2@j!x", '"'),
    ('headers = {"Authorization": "Bearer ', "abcDEF123456ghiJKL", '"}'),
    ('connect("Server=x;Password=', "hunter22", ';User=bob")'),
    ('get("https://example.com/?api_key=', "abc123def456", '&page=1")'),
    ("db_password: ", "s3cr3t!pass", "  # in YAML"),
    ('key = "', "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg", '"'),
    ("blob = '", "c29tZSBsb25nIGJhc2U2NCBzZWNyZXQgd2l0aCBlbnRyb3B5", "'"),
]
ORDINARY = [
    "password = os.environ['DB_PASSWORD']",
    "password = getpass.getpass('Password: ')",
    "token = '<your token here>'",
    "api_key = 'changeme'",
    "token_type = 'identifier'",
    "url = f'https://{user}:{password}@host/'",
    "PREFIX_TOKEN = Token.Error",
    "def check_password(self, password: str) -> bool:",
    "if password == '':",
    "name = 'a_rather_long_name_with_underscores_in_it'",
    "raise ValueError('the secret must not be empty')",
    "print('the quick brown fox jumps over the lazy dog')",
    "login(password=password1, token=token2)",
    "tokens = tokenize('foo=bar(baz)')",
    "class TestMultiGraphISOVF2pp(TestMultiGraphISO_3):",
    "from legacy import v3_2_0_session_header_format",
    "def test_davis_southern_women_detail_3_and_4():",
    "token: Token2",
    "xs = [1, 2, 3]  # https://example.com/a/very/long/path/to/some/page",
]


@pytest.mark.parametrize(("before", "secret", "after"), FOUND, ids=[before for before, _, _ in FOUND])
def test_what_looks_like_a_secret_is_not_in_what_is_left(before: str, secret: str, after: str) -> None:
    [clean] = without_secrets([f"import os\n{before}{secret}{after}\nx = 1\n"])
    assert secret not in clean
    assert SECRET in clean
    assert clean.startswith("import os\n")
    assert clean.endswith("\nx = 1\n")


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_code_stays(line: str) -> None:
    assert without_secrets([line]) == (line,)


def test_a_private_key_goes_with_all_its_lines_even_if_its_end_is_out_of_sight() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n"
    for end in ("-----END RSA PRIVATE KEY-----\n", ""):
        [clean] = without_secrets([f'KEY = """{key}{end}"""\nx = 1\n'])
        assert "MIIE" not in clean
        assert "abc" not in clean


@pytest.mark.parametrize(("before", "secret", "after"), FOUND, ids=[before for before, _, _ in FOUND])
def test_a_cursor_inside_a_secret_does_not_give_away_its_halves(before: str, secret: str, after: str) -> None:
    middle = len(secret) // 2
    left, right = without_secrets([before + secret[:middle], secret[middle:] + after + "\n"])
    assert secret[:middle] not in left
    assert secret[middle:] not in right


@given(st.lists(st.text(alphabet="ab='\n \"password", max_size=40), min_size=1, max_size=4))
def test_parts_stay_parts_and_what_is_no_secret_stays_where_it_is(parts: list[str]) -> None:
    text = "".join(parts)
    spans = secrets(text)
    assert all(start < end for start, end in spans)
    assert spans == sorted(spans)
    clean = without_secrets(parts)
    assert len(clean) == len(parts)
    if not spans:
        assert clean == tuple(parts)
    if len(parts) == 1:
        kept = text
        for start, end in reversed(spans):
            kept = kept[:start] + SECRET + kept[end:]
        assert clean == (kept,)


class Watched:
    """The engine, and what it was asked."""

    name = "watched"

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seen = engine, ""

    def infill(self, request: InfillRequest, session: str = "", cancelled: object = None) -> Infilling:
        self.seen += repr(request)
        return self.engine.infill(request, session)


CANARY = "hunter2canary9"
TEXT = f"import os\n\npassword = '{CANARY}'\n\n\ndef login(user):\n    return "


def test_a_planted_secret_reaches_neither_the_model_nor_an_explanation(bundled: Engine) -> None:
    watched = Watched(bundled)
    found = complete(watched, asked_of(Place(TEXT, ((len(TEXT), len(TEXT)),)), Settings(), allow_empty=False))  # type: ignore[arg-type]
    assert "def login" in watched.seen
    assert CANARY not in watched.seen
    assert all(SECRET not in candidate.text for candidate in found.candidates)
    explained = explain(Tokenizer.load(BUNDLED / "tokenizer.json"), TEXT, len(TEXT))
    assert CANARY not in explained.as_markdown()
    assert [(left.source, left.characters) for left in explained.left_out] == [("secrets", len(CANARY))]


def test_the_word_that_stands_for_a_secret_is_never_suggested(bundled: Engine) -> None:
    text = TEXT + f"password == '{CANARY}'\n\npassword = '"
    for count in (1, 4):
        found = complete(bundled, asked_of(Place(text, ((len(text), len(text)),)), Settings(), count, allow_empty=False))
        assert all(SECRET not in candidate.text for candidate in found.candidates)
