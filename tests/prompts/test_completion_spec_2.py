"""How prompts become messages, line by line of section 2 of the completion specification."""

from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess
from toolkit._records import FrozenDict, Message, Prompt
from toolkit._sync import run
from toolkit.errors import MissingVariablesError
from toolkit.prompts import FolderSource, LangfuseSource, placeholders, render

PLACEHOLDER = FrozenDict({"type": "placeholder", "name": "history"})


def prompt(template: Any, template_format: Any = "mustache") -> Prompt:
    kind = "text" if isinstance(template, str) else "chat"
    return Prompt(
        prompt_id="p", version="1", kind=kind, template=template, source="langfuse", template_format=template_format
    )


def text(template: str, variables: dict[str, Any], template_format: Any = "mustache", missing: Any = "keep") -> Any:
    (message,) = render(prompt(template, template_format), variables, missing=missing)
    return message.content


# completion.md section 2: | text | one **user** message |
@pytest.mark.line("2.1")
def test_a_text_prompt_is_one_user_message():
    """A text prompt makes one message of the role user."""
    assert render(prompt("Be kind."), {}) == (Message(role="user", content="Be kind."),)


# completion.md section 2: | chat | the list as it is |
@pytest.mark.line("2.3")
def test_a_chat_prompt_is_sent_as_it_is(langfuse: ServerProcess, source: LangfuseSource):
    """A chat of Langfuse goes out with its roles, order and further keys, and nothing beside."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]
    langfuse.control(seed=[{"name": "tools", "type": "chat", "prompt": messages, "labels": ["production"]}])
    rendered = render(run(source.get("tools")), {})
    assert [message.to_wire() for message in rendered] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": ({"id": "c1", "type": "function"},)},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]


# completion.md section 2: placeholder: replaced by the list of messages, whose own variables are filled too
@pytest.mark.line("2.5", "2.6")
def test_a_message_placeholder_is_replaced_and_its_messages_filled():
    """The variable's messages stand where the placeholder stood; their own `{{names}}` are filled."""
    history = [{"role": "user", "content": "I am {{name}}"}, {"role": "assistant", "content": "Hi"}]
    rendered = render(prompt((PLACEHOLDER,)), {"history": history, "name": "Ann"})
    assert [message.content for message in rendered] == ["I am Ann", "Hi"]


# completion.md section 2: placeholder: extra keys (tool_calls, `content: null`, content parts) are kept
@pytest.mark.line("2.7")
def test_messages_of_a_placeholder_keep_their_further_keys():
    """Tool calls, an empty content and content parts of inserted messages come through."""
    parts = [{"type": "text", "text": "{{q}}"}, {"type": "image_url", "image_url": {"url": "http://a/b.png"}}]
    history = [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}, {"role": "user", "content": parts}]
    call, question = render(prompt((PLACEHOLDER,)), {"history": history, "q": "this?"})
    assert call.to_wire() == {"role": "assistant", "content": None, "tool_calls": ({"id": "c"},)}
    assert question.content == (
        {"type": "text", "text": "this?"},
        {"type": "image_url", "image_url": {"url": "http://a/b.png"}},
    )


# completion.md section 2: placeholder: unresolved or not a list: **error** naming it, before anything is sent
@pytest.mark.line("2.8", "2.9")
@pytest.mark.parametrize("variables", [{}, {"history": "hello"}, {"history": {"role": "user"}}, {"history": None}])
@pytest.mark.parametrize("missing", ["error", "keep"])
def test_an_unresolved_placeholder_is_an_error(variables: dict[str, Any], missing: Any):
    """A message placeholder without a list of messages is an error that names it, however names are taken."""
    with pytest.raises(MissingVariablesError, match="'history'"):
        render(prompt((PLACEHOLDER,)), variables, missing=missing)


# completion.md section 2: Variables, Langfuse semantics to the letter
@pytest.mark.line("2.10", "2.11", "2.12", "2.13", "2.14", "2.15", "2.17")
@pytest.mark.parametrize(
    ("template", "variables", "filled"),
    [
        ("{{ a }}{{a}}{{  a\n}}", {"a": "x"}, "xxx"),  # find `{{`, then the next `}}`, strip the name
        ("{{a}}", {"a": "{{b}}", "b": "no"}, "{{b}}"),  # one pass, never recursive
        ('{a} {"k": {"n": 1}}', {"a": "no"}, '{a} {"k": {"n": 1}}'),  # `{a}` and JSON braces untouched
        ("{{{a}}}", {"a": "no"}, "{{{a}}}"),  # the variable `{a`, so untouched
        ("{{{a}}}", {"{a": "yes"}, "yes}"),
        ("{{größe}} {{a-b}} {{self}}", {"größe": 1, "a-b": 2, "self": 3}, "1 2 3"),
        ("[{{a}}] {{b}}", {"a": None, "b": 1.5}, "[] 1.5"),  # None -> "", others str()
        ("{{who}}", {}, "{{who}}"),  # unknown names stay literal
    ],
)
def test_variables_are_filled_as_langfuse_fills_them(template: str, variables: dict[str, Any], filled: str):
    """Find `{{`, then the next `}}`, strip the name; one pass; what is not given stays as written."""
    assert text(template, variables) == filled


# completion.md section 2: Humanloop: `{{ name }}` with at most one space each side, `[a-zA-Z_0-9.\[\]]+`
@pytest.mark.line("2.22", "2.23", "2.25")
@pytest.mark.parametrize(
    ("template", "variables", "filled"),
    [
        ("{{a}} {{ a }} {{ a}} {{a }}", {"a": 1}, "1 1 1 1"),
        ("{{  a }} {{ a  }} {{\na}}", {"a": 1}, "{{  a }} {{ a  }} {{\na}}"),
        ("{{user.name}} {{items[0]}} {{A_9}}", {"user.name": "x", "items[0]": "y", "A_9": "z"}, "x y z"),
        ("{{größe}} {{a-b}} {{}}", {"größe": 1, "a-b": 2, "": 3}, "{{größe}} {{a-b}} {{}}"),
        ("{{a}}", {"a": "{{b}}", "b": "no"}, "{{b}}"),
        ("{{a}}", {"a": r"\1 \g<0>"}, r"\1 \g<0>"),
        # completion.md section 2: braces of JSON survive
        ('{"q": {"text": "{{ a }}"}}', {"a": 1}, '{"q": {"text": "1"}}'),
        ("[{{a}}]", {"a": None}, "[]"),
    ],
)
def test_variables_are_filled_as_humanloop_fills_them(template: str, variables: dict[str, Any], filled: str):
    """One space at most on each side, names of ASCII letters, digits and `_ . [ ]`; everything else is text."""
    assert text(template, variables, "humanloop") == filled


# completion.md section 2: Humanloop: all missing names listed in one error
@pytest.mark.line("2.24")
@pytest.mark.parametrize("missing", ["error", "keep"])
def test_humanloop_names_all_that_is_missing_at_once(missing: Any):
    """A Humanloop prompt without its variables is one error with every missing name, also where names may stay."""
    chat = prompt(({"role": "system", "content": "{{ a }} {{b}}"}, {"role": "user", "content": "{{c}}"}), "humanloop")
    with pytest.raises(MissingVariablesError, match="needs 'a', 'c' and got 'b'") as caught:
        render(chat, {"b": 1}, missing=missing)
    assert caught.value.missing == ("a", "c")


def test_humanloops_variables_are_known_before_rendering():
    """The names that a Humanloop prompt reads are those of its rule."""
    assert placeholders(prompt("{{ b }} {{a-b}} {{a}} {{b}}", "humanloop")) == ("b", "a")


# completion.md section 2: Folder prompts: the same `{{name}}`; Jinja only where the file says so
@pytest.mark.line("2.26", "2.27")
def test_a_folder_prompt_is_jinja_only_where_it_says_so(tmp_path: Path):
    """In a file without `template_format: jinja2` what looks like Jinja is text."""
    (tmp_path / "plain.prompt").write_text("{% if a %}{{a}}{{ a|upper }}{% endif %}")
    (tmp_path / "jinja.prompt").write_text("---\ntemplate_format: jinja2\n---\n{% if a %}{{a}}{{ a|upper }}{% endif %}")
    folder = FolderSource(tmp_path)
    contents = [render(run(folder.get(name)), {"a": "x"}, missing="keep")[0].content for name in ("plain", "jinja")]
    assert contents == ["{% if a %}x{{ a|upper }}{% endif %}", "xX"]


@pytest.mark.parametrize(
    ("template", "variables", "filled"),
    [
        ("{a} {{a}} {{ a }}", {"a": 1}, "1 1 1"),
        ("{a}", {"a": "{b}{{b}}", "b": "no"}, "{b}{{b}}"),
        ("{{a}}", {"a": "{b}", "b": "no"}, "{b}"),
        (
            '{"k": {"n": 1}} \\d{3} {} {0} { a }',
            {"k": 1, "3": 1, "0": 1, "a": 1},
            '{"k": {"n": 1}} \\d{3} {} {0} { a }',
        ),
        ("{größe} {a-b} {a.b}", {"größe": 1, "a-b": 2, "a.b": 3}, "1 2 3"),
        ("{who} {{who}}", {}, "{who} {{who}}"),
    ],
)
def test_generic_variables_have_one_or_two_braces(template: str, variables: dict[str, Any], filled: str):
    """A generic prompt's `{x}` and `{{x}}` are both filled, once; JSON, counts and other braces are text."""
    assert text(template, variables, "generic") == filled


@pytest.mark.parametrize("template_format", ["mustache", "humanloop", "generic"])
def test_missing_variables_of_every_format_are_named(template_format: Any):
    """Whatever the format, a name without a value is an error that names it before anything is sent."""
    with pytest.raises(MissingVariablesError, match="'x'"):
        text("{{x}}", {}, template_format, missing="error")
