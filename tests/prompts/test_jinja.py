"""Jinja prompts: an opt-in, with strict variables, no way out of the sandbox, and limits on time and size."""

import math
import time
from typing import Any

import pytest

from toolkit._records import Prompt
from toolkit.errors import MissingVariablesError, TemplateSyntaxError
from toolkit.prompts import _jinja, placeholders, render


def jinja(template: str) -> Prompt:
    return Prompt(prompt_id="p", version="1", kind="text", template=template, source="folder", template_format="jinja2")


@pytest.mark.parametrize(
    ("template", "variables", "text"),
    [
        ("Hi {{ name }}\n", {"name": "Ann"}, "Hi Ann\n"),
        ("{% for x in xs %}{{ loop.index }}:{{ x.upper() }} {% endfor %}", {"xs": ["a", "b"]}, "1:A 2:B "),
        ("{% if n > 1 %}many{% else %}one{% endif %}", {"n": 2}, "many"),
        ("{% set total = n * 2 + 1 %}{{ total }} {{ 'a' ~ n ~ 'b' }}", {"n": 2}, "5 a2b"),
        (
            "{{ xs|join(', ') }} {{ d|tojson }} {{ d.items()|list|length }}",
            {"xs": [1, 2], "d": {"a": [1]}},
            '1, 2 {"a": [1]} 1',
        ),
        ("{{ name|default('you') }}{% if other is defined %}!{% endif %}", {}, "you"),
        ("[{{ x }}] {{ text|replace('a', 'b') }} {{ 2.345|round(1) }}", {"x": None, "text": "aa"}, "[] bb 2.3"),
        ("{{ html }}", {"html": "<b>&"}, "<b>&"),
        ("{{ frozen }}", {"frozen": (1, (2,))}, "[1, [2]]"),
    ],
)
def test_a_jinja_prompt_has_conditions_loops_and_filters(template: str, variables: dict[str, Any], text: str):
    """A prompt that says jinja2 can branch, loop, calculate and use the listed filters."""
    assert render(jinja(template), variables)[0].content == text


@pytest.mark.line("2.27")
def test_jinja_is_only_for_prompts_that_ask_for_it():
    """Without template_format a block tag is text like any other."""
    prompt = Prompt(prompt_id="p", version="1", kind="text", template="{% if a %}{{a}}{% endif %}", source="folder")
    assert render(prompt, {"a": 1})[0].content == "{% if a %}1{% endif %}"


def test_jinja_names_are_those_from_outside():
    """The placeholders of a Jinja prompt are the names that it does not define itself, in reading order."""
    assert placeholders(jinja("{% for x in xs %}{{ x }}{{ b }}{% endfor %}{{ range(2) }}{{ a }}")) == ("xs", "b", "a")


@pytest.mark.line("2.29")
@pytest.mark.parametrize(
    "template", ["{{ a }}", "{% if a %}x{% endif %}", "{% for x in a %}{% endfor %}", "{{ a + 1 }}"]
)
def test_a_jinja_prompt_is_strict(template: str):
    """A name without a value is an error that names it, wherever the template uses it."""
    with pytest.raises(MissingVariablesError, match="'a'") as caught:
        render(jinja(template), {"b": 1})
    assert caught.value.missing == ("a",)


def test_a_jinja_prompt_can_keep_missing_names():
    """With missing='keep' a name without a value stays in braces."""
    assert render(jinja("{{ a }} {{ b }}"), {"a": 1}, missing="keep")[0].content == "1 {{ b }}"


def test_a_jinja_prompt_refuses_nan():
    """A NaN is refused in a Jinja prompt too."""
    with pytest.raises(MissingVariablesError, match="as the text 'nan'"):
        render(jinja("{{ a }}"), {"a": math.nan})


@pytest.mark.parametrize("template", ["{{ a", "{% if %}", "{% endfor %}", "{{ a|nofilter }}", "{{ 1 / 0 }}"])
def test_a_broken_jinja_prompt_names_itself(template: str):
    """What is not Jinja, or fails while it runs, is an error that names the prompt."""
    with pytest.raises(TemplateSyntaxError, match="Prompt 'p' version '1'"):
        render(jinja(template), {"a": 1})


class Pet:
    """An object of the caller's, with something that a template must not start."""

    name = "Rex"

    def bite(self) -> str:
        raise AssertionError("called")


@pytest.mark.line("2.28")
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ [].__class__.__base__.__subclasses__() }}",
        "{{ pet.__init__.__globals__ }}",
        "{{ pet.bite() }}",
        "{{ range.__self__ }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ loop }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__ }}",
        "{{ config }}",
        "{{ request.application }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '%s'|format(1) }}",
        "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
        "{{ ['{0.__class__}']|map('format', 1)|list }}",
        "{{ xs|map(attribute='__class__')|join }}",
        "{{ [pet]|map(attribute='bite')|map('string')|list and [pet]|selectattr('bite.__globals__')|list }}",
        "{{ xs.append(1) }}",
        "{{ xs.clear() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import path %}",
        "{% extends 'base' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}a{% endfilter %}",
        "{% block b %}{% endblock %}",
        "{{ namespace(a=1) }}",
        "{{ ''.join.__func__ }}",
        "{{ ('a'|string).__class__ }}",
        "{{ (xs|first).__class__ }}",
    ],
)
def test_a_jinja_prompt_reaches_nothing_but_its_variables(template: str):
    """No template gets at Python's internals, files, other templates, or changes a variable."""
    xs = [1]
    with pytest.raises((TemplateSyntaxError, MissingVariablesError)):
        render(jinja(template), {"pet": Pet(), "xs": xs})
    assert xs == [1]


@pytest.mark.line("2.31")
@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(999999999) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ [0] * 10000000000 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ 'a'|center(10000000000) }}",
        "{{ '{:>9999999999}'.format(1) }}",
        "{{ 1.5|round(1000000000, 'ceil') }}",
        "{{ 1|tojson(indent=1000000000) }}{{ [1]|tojson(1000000000) }}{{ 'a' * 9 }}",
        "{{ lipsum(n=10000000) }}",
        "{{ range(99999)|join('x' * 1) }}",
        "{{ range(99999)|join('" + "x" * 1000 + "') }}",
        "{% for i in range(99999) %}" + "x" * 100 + "{% endfor %}",
        "{% for i in xs recursive %}{{ loop(xs) }}{% endfor %}",
        "{% set a = 'x' * 1 %}",
        "{{ '" + "a" * 50_000 + "'|replace('a', '" + "b" * 40_000 + "') }}",
        "".join(f"{{% set x{n + 1} = x{n} ~ x{n} %}}" for n in range(60)),
        "".join(f"{{% set x{n + 1} = x{n} + x{n} %}}" for n in range(60)),
        "".join(f"{{% set x{n + 1} = [x{n}, x{n}]|join %}}" for n in range(60)),
        "".join(f"{{% set x{n} = range(99999)|list %}}" for n in range(500)),
        "{% for i in range(9999) %}{{ ('" + "a " * 10_000 + "').split()|length }}{% endfor %}",
        "{{ x0" + "|upper" * 5000 + " }}",
        "{{ x0" + "|upper" * 200 + " }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "x" * 100_001 + "{{ a }}",
    ],
    ids=lambda template: template[:40],
)
def test_a_jinja_prompt_cannot_take_the_machine(template: str):
    """A template that asks for much time or memory is refused within two seconds of CPU."""
    started = time.process_time()
    with pytest.raises((TemplateSyntaxError, MissingVariablesError)):
        render(jinja(template), {"xs": [1], "x0": "xxxxxxxx", "a": 1})
    assert time.process_time() - started < 2.5


@pytest.mark.line("2.30")
def test_a_slow_jinja_prompt_is_stopped(monkeypatch: pytest.MonkeyPatch):
    """A template that stays within every count and still takes long is stopped by the clock."""
    monkeypatch.setattr(_jinja, "MAX_RENDER_S", 0.1)
    busy = "{% if x|string" + "|upper|lower" * 10 + " == 'b' %}{% endif %}"
    started = time.process_time()
    with pytest.raises(TemplateSyntaxError, match=r"more than 0\.1 s"):
        render(jinja("{% for x in range(99999) %}" + busy + "{% endfor %}"), {})
    assert time.process_time() - started < 1
