"""The check-up: what is configured, what works, what to do about what does not, and never a key."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit as tk
from tests.faults.world import clean_environment, post_prompt, write_prompts
from tests.servers._process import serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._doctor import Checkup, Finding
from toolkit._doctor._machine import look_at_prices
from toolkit.cli import main
from toolkit.config import Settings
from toolkit.testing import FakeSource, fake_engine

KEY = "osprey-credential-4412"
PROXY_PASSWORD = "pigeon-loft-9"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean_environment(monkeypatch, tmp_path)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL", "_API_BASE", "_PROXY", "_proxy")) or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)


def found(checkup: Checkup, name: str, topic: str | None = None) -> Finding:
    """The one line with this name."""
    (line,) = [each for each in checkup.findings if each.name == name and topic in (None, each.topic)]
    return line


def nowhere() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_an_empty_machine_is_well_and_says_where_to_begin(tmp_path: Path) -> None:
    """With nothing configured nothing fails; notes say how to get a first prompt and a first key; nothing is made."""
    checkup = tk.doctor()
    assert checkup.is_ok
    assert "prompts/hello.prompt" in found(checkup, "none").remedy
    assert "OPENAI_API_KEY" in found(checkup, "no key").remedy
    assert list(tmp_path.iterdir()) == []


def test_sources_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each configured source says where it is and how many prompts and versions it has."""
    write_prompts(tmp_path)
    with serving("tests.servers.fake_langfuse") as langfuse:
        for text in ("one", "two"):
            post_prompt(langfuse, text, name="reply")
        monkeypatch.setenv("LANGFUSE_HOST", langfuse.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
        checkup = tk.doctor()
        url = langfuse.url
    assert found(checkup, "langfuse").text == f"{url}: 1 prompt, 2 versions"
    assert found(checkup, "folder").text == f"{tmp_path / 'prompts'}: 1 prompt, 2 versions"
    assert SECRET_KEY not in repr(checkup)


def test_a_source_that_is_away_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Langfuse that cannot be reached is the one line that fails, with its address and what to do."""
    away = nowhere()
    monkeypatch.setenv("LANGFUSE_HOST", away)
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
    checkup = tk.doctor()
    line = found(checkup, "langfuse")
    assert line.state == "fail"
    assert away in line.text
    assert line.remedy
    assert checkup.failing == (line,)


def test_a_source_that_is_silent_has_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that takes the request and does not answer is given up at the deadline, which the line names."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("LANGFUSE_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
        line = found(tk.doctor(timeout_s=0.2), "langfuse")
    assert (line.state, "no answer within 0.2 s" in line.text) == ("fail", True)


def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With check=False no server is asked; a folder is looked at all the same."""
    write_prompts(tmp_path)
    monkeypatch.setenv("LANGFUSE_HOST", nowhere())
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET_KEY)
    checkup = tk.doctor(check=False)
    assert (found(checkup, "langfuse").state, checkup.is_ok) == ("ok", True)
    assert "not asked" in found(checkup, "langfuse").text
    assert "1 prompt" in found(checkup, "folder").text


def test_half_a_pair_of_keys_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """One Langfuse key without the other is a line that fails and names the missing one."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC_KEY)
    line = found(tk.doctor(), "langfuse")
    assert (line.state, "LANGFUSE_SECRET_KEY" in line.remedy) == ("fail", True)


def test_a_source_that_raises_anything_is_a_line(tmp_path: Path) -> None:
    """What a plug-in's source raises, whatever it is, becomes a line that fails, masked."""

    class Broken(FakeSource):
        async def list(self, *, query: str = "") -> list[object]:
            raise ZeroDivisionError("over there with sk-abcdefgh12345678")

    engine = fake_engine(Settings(home=tmp_path), sources=[Broken([], name="broken")])
    line = found(tk.doctor(engine=engine), "broken")
    assert line.state == "fail"
    assert line.text == "ZeroDivisionError: over there with ****"


def test_keys_are_said_to_be_set_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose key is set has a line with the variable's name and a mask; the key is in neither form."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    checkup = tk.doctor()
    assert found(checkup, "openai").text == "https://api.openai.com/v1 · OPENAI_API_KEY=****"
    assert KEY not in repr(checkup) + checkup._repr_html_()


@pytest.mark.parametrize(
    ("key", "state", "told"),
    [("sk-test", "ok", "answers"), ("sk-of-somebody-else", "fail", "does not take the key (HTTP 401)")],
)
def test_providers_are_asked_when_asked_for(monkeypatch: pytest.MonkeyPatch, key: str, state: str, told: str) -> None:
    """With check=True a provider is asked for its models with its key, and a refused key is a line that fails."""
    with serving("tests.servers.fake_openai", "--require-key", "sk-test") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", key)
        quiet, asked = tk.doctor(), tk.doctor(check=True)
    assert found(quiet, "openai").text.endswith("OPENAI_API_KEY=****")
    assert (found(asked, "openai").state, found(asked, "openai").text.endswith(told)) == (state, True)


def test_a_provider_that_is_away_fails_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With check=True a server that is not there is a line that fails and names the variable of its address."""
    monkeypatch.setenv("OLLAMA_BASE_URL", nowhere())
    line = found(tk.doctor(check=True), "ollama")
    assert (line.state, "OLLAMA_BASE_URL" in line.remedy) == ("fail", True)


CONFIG = """
model_list:
- model_name: small
  litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/TEAM_API_KEY}
"""


def test_a_config_that_is_in_use_names_its_aliases_and_missing_keys(tmp_path: Path) -> None:
    """The config.yaml in use is listed with its aliases; a variable that it asks for and is not set fails."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    try:
        tk.configure("config.yaml")
        checkup = tk.doctor()
    finally:
        tk.configure(None)
    assert found(checkup, "config.yaml").text == "config.yaml, in use · models: small"
    line = found(checkup, "TEAM_API_KEY")
    assert (line.state, "small" in line.text) == ("fail", True)


def test_a_config_that_lies_there_unused_is_a_note(tmp_path: Path) -> None:
    """A config.yaml in the folder that nobody loaded is a note that says how to load it."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    line = found(tk.doctor(), "config.yaml")
    assert (line.state, line.remedy) == ("note", "tk.configure('config.yaml') makes it count.")
    assert "small" in line.text


def test_a_config_that_cannot_be_read_fails(tmp_path: Path) -> None:
    """A config.yaml that is no mapping is a line that fails with the reason."""
    (tmp_path / "config.yaml").write_text("- 1\n- 2\n", encoding="utf-8")
    assert found(tk.doctor(), "config.yaml").state == "fail"


def test_an_environment_that_makes_no_sense_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the environment that is refused is a line that fails, not an error."""
    monkeypatch.setenv("TOOLKIT_PROMPT_CACHE_TTL_S", "soon")
    line = found(tk.doctor(), "environment")
    assert (line.state, "TOOLKIT_PROMPT_CACHE_TTL_S" in line.text) == ("fail", True)


def test_the_store_is_measured(tmp_path: Path) -> None:
    """The store's line has its path and its number of runs."""
    engine = fake_engine(Settings(home=tmp_path / "home"))
    assert engine.store.runs() == []
    line = found(tk.doctor(engine=engine), "runs")
    assert line.text.startswith(f"{tmp_path / 'home' / 'runs.sqlite'}: 0 runs, ")
    assert line.state == "ok"


def test_a_damaged_store_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no run store is a line that fails and says how to save what is whole."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path))
    (tmp_path / "runs.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    line = found(tk.doctor(), "runs")
    assert (line.state, "repair_store" in line.remedy) == ("fail", True)


def test_a_store_folder_that_cannot_be_made_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store folder below a plain file is a line that fails and names TOOLKIT_HOME."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "file" / "home"))
    line = found(tk.doctor(), "runs")
    assert (line.state, "TOOLKIT_HOME" in line.remedy) == ("fail", True)


KILLED = """
import os
from tests.builders import NOON, make_arm, make_trial
from toolkit import _sync
from toolkit.config import Settings
from toolkit.engine import Engine

store = Engine(Settings.from_environment()).store
trial = make_trial()
_sync.run(store.save_run(run_id="run-left", created_at=NOON, arms=[trial.arm], trials=[trial], baseline=0))
_sync.run(store.acquire_lease("run-left"))
_sync.run(store.begin_attempt(run_id="run-left", trial_id=trial.trial_id, request_key="r1:x", sent_at=NOON))
os._exit(9)
"""


def test_what_a_killed_process_left_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose process was killed is a note with the requests whose outcome is unknown, and how to go on."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path))
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=root, check=False).returncode == 9
    line = found(tk.doctor(), "left by killed processes")
    assert line.text == "run-left (1 request sent without an outcome)"
    assert (line.state, line.remedy.startswith("tk.resume('run-left') goes on")) == ("note", True)


@pytest.mark.fault(22)
def test_the_way_to_the_network_is_shown_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proxy, exceptions and certificate file of the environment are shown, the proxy's name and password masked."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://carrier:{PROXY_PASSWORD}@proxy.test:3128")
    monkeypatch.setenv("HTTP_PROXY", f"carrier:{PROXY_PASSWORD}@other.test:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    checkup = tk.doctor(check=False)
    proxy, certificates = found(checkup, "proxy"), found(checkup, "certificates")
    assert proxy.text.startswith(
        "http through ****@other.test:3128, https through http://****@proxy.test:3128; asked directly: intranet.test"
    )
    assert (certificates.state, str(tmp_path / "none.pem") in certificates.text) == ("fail", True)
    assert main(["doctor", "--offline"]) == 1
    assert PROXY_PASSWORD not in repr(checkup) + checkup._repr_html_() + capsys.readouterr().out


def test_certificates_that_are_well_are_named_without_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of certificates that can be read the variable is told and not the path, which is this machine's."""
    import certifi

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    line = found(tk.doctor(check=False), "certificates")
    assert (line.state, line.text) == ("ok", "those of SSL_CERT_FILE, which can be read")


@pytest.mark.parametrize(("day", "state"), [("2026-12-01", "ok"), ("2028-01-01", "note")])
def test_an_old_table_of_prices_is_a_note(day: str, state: str) -> None:
    """The price table's line has its date; half a year later it is a note that says to update."""
    line = look_at_prices(dt.date.fromisoformat(day))
    assert (line.state, bool(line.remedy)) == (state, state == "note")
    assert "as of 20" in line.text


def test_an_extra_that_is_missing_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra whose package is not there is a note with the pip command that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openpyxl" else object())
    line = found(tk.doctor(check=False), "excel")
    assert (line.state, line.remedy) == ("note", "pip install 'promptsweep[excel]'")


def test_both_forms_show_foreign_words_as_words() -> None:
    """What a server or a file name says stands in the HTML escaped and in the text without control characters."""
    checkup = Checkup(
        findings=(Finding(topic="sources", name="x", state="fail", text="<img src=x>\x1b[31m", remedy="<b>"),)
    )
    assert "<img" not in checkup._repr_html_()
    assert "&lt;img" in checkup._repr_html_()
    assert "\x1b" not in repr(checkup)
    assert "FAIL" in repr(checkup)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_makes_no_sense_is_refused(seconds: float) -> None:
    """A deadline of no seconds, or of endless ones, is refused with the value."""
    with pytest.raises(tk.UsageError, match=str(seconds)):
        tk.doctor(timeout_s=seconds)


def test_the_command_prints_it_and_ends_with_0_or_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`toolkit doctor` prints the check-up and ends with 0 when all is well, with 1 when something fails."""
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("All well: ")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    assert main(["doctor", "--config", "config.yaml"]) == 1
    assert "FAIL  TEAM_API_KEY" in capsys.readouterr().out
