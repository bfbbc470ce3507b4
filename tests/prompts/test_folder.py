"""The folder of `.prompt` files: names, versions, labels, front matter, chats, and what it never reads."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit._sync import run
from toolkit.errors import PromptError, PromptNotFoundError, PromptSourceError, TemplateSyntaxError, UsageError
from toolkit.prompts import FolderSource

Write = Callable[[str, str], Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty prompts folder."""
    (tmp_path / "prompts").mkdir()
    return tmp_path / "prompts"


@pytest.fixture
def write(root: Path) -> Write:
    """Writes a file below the prompts folder."""

    def write(name: str, text: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def get(root: Path, prompt_id: str, **selection: str) -> Any:
    return run(FolderSource(root).get(prompt_id, **selection))


def test_a_file_without_front_matter_is_a_text_prompt(root: Path, write: Write):
    """A plain file is version 1 of a text prompt named by its path, with nothing in its config."""
    write("support/reply.prompt", "Hi {{name}}\n")
    prompt = get(root, "support/reply")
    assert (prompt.prompt_id, prompt.version, prompt.kind, prompt.source) == ("support/reply", "1", "text", "folder")
    assert (prompt.template, prompt.config, prompt.labels, prompt.label) == ("Hi {{name}}", {}, (), None)
    assert prompt.reference == "folder:support/reply@1"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("a\n", "a"),
        ("a", "a"),
        ("\na\n", "a"),
        ("\n\n a \n\n", "\n a \n"),
        ("---x\n", "---x"),
        ("\ufeffa\n", "a"),
        ("a\r\nb\r\n", "a\nb"),
        ("", ""),
        ("Dear User: hi\n", "Dear User: hi"),
        ("Translate.\nUser: hi\n", "Translate.\nUser: hi"),
    ],
)
def test_one_line_end_at_each_end_of_a_text_is_trimmed(root: Path, body: str, text: str):
    """A text loses one line end at its beginning and end, and nothing else; line ends of Windows read like others."""
    (root / "p.prompt").write_bytes(body.encode())
    assert get(root, "p").template == text


def test_front_matter_is_model_params_and_metadata(root: Path, write: Write):
    """Params may stand in `config` or beside it; unknown keys are kept, what is about the file is not config."""
    write(
        "p.prompt",
        "---\nmodel: openai/gpt-4o-mini\ntemperature: 0.5\nconfig: {max_tokens: 9}\nteam: support\n"
        "since: 2026-11-22\nstop: [a]\ndescription: d\ntags: [t]\nlabels: production\n---\nHi\n",
    )
    prompt = get(root, "p")
    assert prompt.config == {
        "model": "openai/gpt-4o-mini",
        "temperature": 0.5,
        "max_tokens": 9,
        "team": "support",
        "since": "2026-11-22",
        "stop": ("a",),
    }
    assert (prompt.template, prompt.labels) == ("Hi", ("production",))


def test_a_description_does_not_change_the_fingerprint(root: Path, write: Write):
    """What is said about a prompt can change without the prompt becoming another one."""
    write("a.prompt", "---\ndescription: one\ntags: [x]\n---\nHi\n")
    write("b.prompt", "Hi\n")
    assert get(root, "a").fingerprint == get(root, "b").fingerprint


def test_versions_come_from_names_front_matter_or_are_one(root: Path, write: Write):
    """The name's version, else the front matter's, else 1; versions are counted as numbers, oldest first."""
    write("p.v10.prompt", "ten")
    write("p.v9.prompt", "nine")
    write("p.prompt", "---\nversion: 8\n---\neight")
    write("q.prompt", "one")
    source = FolderSource(root)
    assert (run(source.versions("p")), run(source.versions("q"))) == (("8", "9", "10"), ("1",))
    assert [get(root, "p", version=version).template for version in ("8", "09", "10")] == ["eight", "nine", "ten"]


def test_the_default_is_the_newest_version(root: Path, write: Write):
    """Without version and label a folder gives the highest version, whatever `production` stands on."""
    write("p.v9.prompt", "---\nlabels: [production]\n---\nnine")
    write("p.v10.prompt", "ten")
    assert (get(root, "p").version, get(root, "p", label="production").version) == ("10", "9")


def test_a_dotted_name_is_not_a_version(root: Path, write: Write):
    """Only `.v` and digits before `.prompt` are a version; other dots belong to the name."""
    write("a.b.prompt", "x")
    write("a.v2beta.prompt", "y")
    assert [info.prompt_id for info in run(FolderSource(root).list())] == ["a.b", "a.v2beta"]


def test_two_files_of_one_version_are_refused(root: Path, write: Write):
    """Two files that claim one version of one name are an error that names both."""
    write("p.prompt", "a")
    write("p.v1.prompt", "b")
    with pytest.raises(PromptSourceError, match=r"p\.prompt and .*p\.v1\.prompt are both version 1"):
        get(root, "p")


def test_a_file_that_contradicts_its_name_is_refused(root: Path, write: Write):
    """A version in the front matter that differs from the one in the name is an error."""
    write("p.v2.prompt", "---\nversion: 3\n---\na")
    with pytest.raises(PromptSourceError, match="name says version 2 and its front matter 3"):
        get(root, "p")


def test_a_label_finds_its_version(root: Path, write: Write):
    """A prompt asked for by label says which label it was, and every label that stands on the version."""
    write("p.v1.prompt", "---\nlabels: [production, stable]\n---\na")
    write("p.v2.prompt", "b")
    prompt = get(root, "p", label="production")
    assert (prompt.version, prompt.label, prompt.labels) == ("1", "production", ("production", "stable"))


def test_latest_is_the_newest_version_unless_given_away(root: Path, write: Write):
    """`latest` needs no label of its own; where a file claims it, it is an ordinary label."""
    write("p.v1.prompt", "a")
    write("p.v2.prompt", "b")
    assert get(root, "p", label="latest").version == "2"
    write("p.v1.prompt", "---\nlabels: [latest]\n---\na")
    assert get(root, "p", label="latest").version == "1"


def test_the_index_wins_over_front_matter(root: Path, write: Write):
    """`labels.yaml` decides about the labels that it names, and leaves the others."""
    write("s/p.v1.prompt", "---\nlabels: [production, old]\n---\na")
    write("s/p.v2.prompt", "b")
    write("labels.yaml", "labels: {s/p: {production: 2}}\n")
    assert (get(root, "s/p", label="production").version, get(root, "s/p", label="old").version) == ("2", "1")
    assert (get(root, "s/p", version="1").labels, get(root, "s/p", version="2").labels) == (("old",), ("production",))


def test_a_label_stands_on_one_version(root: Path, write: Write):
    """A label that two files claim is an error that names both."""
    write("p.v1.prompt", "---\nlabels: [production]\n---\na")
    write("p.v2.prompt", "---\nlabels: [production]\n---\nb")
    with pytest.raises(PromptSourceError, match=r"'production' stands in .*p\.v1\.prompt and .*p\.v2\.prompt"):
        get(root, "p")


def test_the_index_settles_what_files_dispute(root: Path, write: Write):
    """A label that two files claim is no error where the index says which one has it."""
    write("p.v1.prompt", "---\nlabels: [production]\n---\na")
    write("p.v2.prompt", "---\nlabels: [production]\n---\nb")
    write("labels.yaml", "labels: {p: {production: 1}}")
    assert get(root, "p", label="production").version == "1"


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("labels: {p: {production: 7}}", "puts 'production' on version 7, which has no file"),
        ("labels: {p: {production: x}}", "'production' needs a version number such as 3, not 'x'"),
        ("labels: {p: production}", "'p' needs a map of labels to versions"),
        ("p: {production: 1}", r"labels\.yaml: it needs the form labels:"),
        ("labels: {", r"labels\.yaml, line 1: not valid YAML"),
    ],
)
def test_a_wrong_index_says_what_is_wrong(root: Path, write: Write, index: str, says: str):
    """An index that cannot be read, or names what is not there, is an error that names the file and the entry."""
    write("p.prompt", "a")
    write("labels.yaml", index)
    with pytest.raises(PromptSourceError, match=says):
        get(root, "p")


@pytest.mark.parametrize("front", ["---\nkind: chat\n---\n", "---\nmodel: m\n---\n", ""])
def test_role_lines_make_a_chat(root: Path, write: Write, front: str):
    """A body whose first line begins with a role is a chat, and each role line begins a message."""
    write("p.prompt", f"{front}\nSystem: Be {{{{tone}}}}.\n\nUser:\nHi\n  there\n\nAssistant: User: no\nDeveloper: d\n")
    prompt = get(root, "p")
    assert prompt.kind == "chat"
    assert prompt.template == (
        {"role": "system", "content": "Be {{tone}}."},
        {"role": "user", "content": "Hi\n  there"},
        {"role": "assistant", "content": "User: no"},
        {"role": "developer", "content": "d"},
    )


def test_kind_text_keeps_role_lines_as_text(root: Path, write: Write):
    """`kind: text` makes a text of a body that would read as a chat."""
    write("p.prompt", "---\nkind: text\n---\nUser: {{q}}\nAssistant:\n")
    assert (get(root, "p").kind, get(root, "p").template) == ("text", "User: {{q}}\nAssistant:")


def test_messages_make_a_chat(root: Path, write: Write):
    """`messages:` is the chat as it is, with placeholders for whole messages."""
    write(
        "p.prompt",
        "---\nmessages:\n- {role: system, content: Be brief.}\n- {type: placeholder, name: history}\n"
        "- {role: user, content: '{{q}}'}\n---\n",
    )
    assert get(root, "p").template == (
        {"role": "system", "content": "Be brief."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{q}}"},
    )


def test_jinja_is_asked_for_in_the_file(root: Path, write: Write):
    """`template_format: jinja2` is the one way to a Jinja prompt."""
    write("a.prompt", "---\ntemplate_format: jinja2\n---\n{% if x %}a{% endif %}")
    write("b.prompt", "{% if x %}a{% endif %}")
    assert (get(root, "a").template_format, get(root, "b").template_format) == ("jinja2", "mustache")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\nmodel: x\nHi", "front matter that '---' opens is not closed"),
        ("---\nmodel: x\nconfig: {a: [}\n---\nHi", r"p\.prompt, line 3: not valid YAML"),
        ("---\nmodel: x\nmodel: y\n---\nHi", r"p\.prompt, line 3: the key 'model' stands twice"),
        ("---\nx: !!python/object/apply:os.system [id]\n---\nHi", r"p\.prompt, line 2: not valid YAML"),
        ("---\n- a\n---\nHi", "must be a map of keys to values, not list"),
        ("---\nconfig: x\n---\nHi", "config must be a map, not str"),
        ("---\ntemperature: 1\nconfig: {temperature: 0}\n---\n", "'temperature' stands both in config and beside it"),
        ("---\nversion: two\n---\nHi", "'version' needs a version number such as 3, not 'two'"),
        ("---\nversion: true\n---\nHi", "'version' needs a version number such as 3, not True"),
        ("---\nlabels: {a: 1}\n---\nHi", "'labels' needs a list of words"),
        ("---\nkind: poem\n---\nHi", "kind is 'poem'; write text or chat"),
        ("---\ntemplate_format: f-string\n---\nHi", "template_format is 'f-string'"),
        ("---\ntemperature: .nan\n---\nHi", "holds what JSON cannot"),
        ("---\n3: x\n---\nHi", "holds what JSON cannot"),
        ("---\nkind: chat\n---\nHi", "does not begin with a line 'System:'"),
        ("---\nkind: chat\n---\nHi\nUser: a", "does not begin with a line 'System:'"),
        ("---\nmessages: []\n---\n", "'messages:' that are not a list"),
        ("---\nmessages: [{content: a}]\n---\n", "a message 0 that is neither"),
        ("---\nmessages: [{role: user, content: a}]\n---\nHi", "has 'messages:' and also a text"),
    ],
)
def test_a_wrong_file_says_what_and_where(root: Path, write: Write, text: str, says: str):
    """A file that cannot be read is an error that names the file, the line or key, and the reason."""
    write("p.prompt", text)
    with pytest.raises(PromptError, match=says) as caught:
        get(root, "p")
    assert isinstance(caught.value, PromptSourceError | TemplateSyntaxError)
    assert "p.prompt" in str(caught.value)
    assert (caught.value.prompt_id, caught.value.source) == ("p", "folder")


def test_a_file_in_another_encoding_says_so(root: Path):
    """Bytes that are not UTF-8 are an error that names the file and the place, and no guess."""
    (root / "p.prompt").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(PromptSourceError, match=r"p\.prompt: byte 2 is not UTF-8"):
        get(root, "p")


def test_a_huge_file_is_not_read(root: Path):
    """A file above a megabyte is refused."""
    (root / "p.prompt").write_bytes(b"x" * 1_000_001)
    with pytest.raises(PromptSourceError, match="larger than 1,000,000 bytes"):
        get(root, "p")


def test_a_broken_file_leaves_other_prompts_alone(root: Path, write: Write):
    """A file that cannot be read is no reason to refuse a prompt of another name."""
    write("bad.prompt", "---\n")
    write("good.prompt", "Hi")
    assert get(root, "good").template == "Hi"


def test_a_missing_folder_says_how_to_name_another(tmp_path: Path):
    """Without its folder the source says which it looked for and which variable names it."""
    source = FolderSource(tmp_path / "nowhere")
    for call in (source.get("p"), source.list(), source.versions("p")):
        with pytest.raises(PromptSourceError, match=r"no folder '.*nowhere'.*TOOLKIT_PROMPTS"):
            run(call)


def test_an_unknown_prompt_shows_what_there_is(root: Path, write: Write):
    """A name that no file has is an error with the nearest name and all of them."""
    write("support/reply.prompt", "a")
    write("greet.prompt", "b")
    with pytest.raises(PromptNotFoundError, match=r"Did you mean 'support/reply'\? It has: greet, support/reply"):
        get(root, "support/replly")


@pytest.mark.parametrize("selection", [{"version": "9"}, {"version": "x"}, {"label": "nope"}])
def test_an_unknown_version_or_label_shows_what_there_is(root: Path, write: Write, selection: dict[str, str]):
    """A version or label that the prompt does not have is an error with those that it has."""
    write("p.v1.prompt", "---\nlabels: [production]\n---\na")
    write("p.v3.prompt", "b")
    with pytest.raises(PromptNotFoundError, match=r"versions: 1, 3; labels: production \(version 1\)"):
        get(root, "p", **selection)


def test_version_and_label_exclude_each_other(root: Path, write: Write):
    """A version and a label together are refused."""
    write("p.prompt", "a")
    with pytest.raises(UsageError, match="version '1' and label 'production' are both given"):
        get(root, "p", version="1", label="production")


@pytest.mark.parametrize(
    "prompt_id",
    [
        "../secret", "a/../../secret", "/etc/passwd", "//host/share", "..", ".", "a/..", "a//b", "a/", "", " ",
        "C:\\secret", "C:/secret", "..\\secret", "\\\\host\\share", "a\x00b", "a\nb", "%2e%2e/secret", "..%2fsecret",
        "\u2025/secret", "\uff0e\uff0e/secret", "~/secret", "$HOME/secret", "a b", "secret.prompt\x00", "file:///etc",
        "a;b", "a|b", "a*", "a?b", "[a]", "{a}", "secret\u202e", "\uff41", "é",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(root: Path, prompt_id: str):
    """A name that is not made of letters, digits and `. _ - /`, or has a `..`, finds nothing."""
    (root.parent / "secret.prompt").write_text("secret")
    with pytest.raises(PromptNotFoundError):
        get(root, prompt_id)


def test_links_out_of_the_folder_are_not_followed(root: Path, write: Write):
    """A link to a file or folder outside is passed over, in `get` and in the list."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.prompt").write_text("secret")
    (root / "file.prompt").symlink_to(outside / "secret.prompt")
    (root / "dir").symlink_to(outside)
    write("p.prompt", "a")
    assert [info.prompt_id for info in run(FolderSource(root).list())] == ["p"]
    for prompt_id in ("file", "dir/secret"):
        with pytest.raises(PromptNotFoundError):
            get(root, prompt_id)


def test_hidden_files_and_folders_are_passed_over(root: Path, write: Write):
    """Notebook checkpoints and other dotted folders hold no prompts."""
    write(".ipynb_checkpoints/p-checkpoint.prompt", "old")
    write(".p.prompt.swp", "x")
    write(".hidden.prompt", "x")
    write("p.prompt", "a")
    write("README.md", "x")
    assert [info.prompt_id for info in run(FolderSource(root).list())] == ["p"]


def test_a_file_name_that_cannot_be_asked_for_is_an_error(root: Path, write: Write):
    """A `.prompt` file whose name no reference can spell is not silently left out."""
    write("my prompt.prompt", "a")
    with pytest.raises(PromptSourceError, match=r"my prompt\.prompt.*rename the file"):
        run(FolderSource(root).list())


def test_the_list_says_what_each_prompt_has(root: Path, write: Write):
    """An entry has the versions, labels, tags, kind and config of its prompt, and when it last changed."""
    first = write("s/p.v1.prompt", "---\nlabels: [production]\ntags: [b]\n---\na")
    second = write("s/p.v2.prompt", "---\ntags: [a]\nmodel: m\n---\nUser: b")
    os.utime(first, (1_000, 1_000))
    os.utime(second, (500, 500))
    write("q.prompt", "x")
    (info,) = run(FolderSource(root).list(query="S/"))
    assert (info.prompt_id, info.source, info.kind) == ("s/p", "folder", "chat")
    assert (info.versions, info.labels, info.tags) == (("1", "2"), ("production",), ("a", "b"))
    assert (info.config, info.updated_at) == ({"model": "m"}, dt.datetime.fromtimestamp(1_000, tz=dt.UTC))


def test_a_changed_file_is_read_again(root: Path, write: Write):
    """A source that was asked before gives what the file says now."""
    path = write("p.prompt", "one")
    source = FolderSource(root)
    assert run(source.get("p")).template == "one"
    path.write_text("two!")
    assert run(source.get("p")).template == "two!"
