"""Prompts through the real SDK: what it makes, reads and labels is what the fake holds."""

from typing import Any

import pytest

pytestmark = pytest.mark.langfuse_sdk


def test_versions_and_labels(sdk: Any, ask: Any):
    """A second version of a name takes the label from the first, and the SDK's update gives it back."""
    read = sdk(
        """
        for text, labels in (("Hello {{name}}", ["production"]), ("Hi {{name}}", ["production", "staging"])):
            client.create_prompt(name="support/reply", prompt=text, labels=labels, commit_message=text)
        second = client.get_prompt("support/reply", cache_ttl_seconds=0)
        client.update_prompt(name="support/reply", version=1, new_labels=["production"])
        first = client.get_prompt("support/reply", cache_ttl_seconds=0)
        print(json.dumps([[prompt.version, prompt.prompt, prompt.compile(name="Ann")] for prompt in (second, first)]))
        """
    )
    assert read == [[2, "Hi {{name}}", "Hi Ann"], [1, "Hello {{name}}", "Hello Ann"]]
    (entry,) = ask("GET", "v2/prompts")["data"]
    assert (entry["name"], entry["versions"], sorted(entry["labels"])) == (
        "support/reply",
        [1, 2],
        ["latest", "production", "staging"],
    )
    assert ask("GET", "v2/prompts/support%2Freply", version=1)["labels"] == ["production"]
    assert ask("GET", "v2/prompts/support%2Freply", version=2)["commitMessage"] == "Hi {{name}}"


def test_a_chat_prompt(sdk: Any, ask: Any):
    """A chat prompt with a placeholder is held as it was made, and read back the same."""
    read = sdk(
        """
        messages = [{"role": "system", "content": "Be {{mood}}"}, {"type": "placeholder", "name": "history"}]
        client.create_prompt(name="chat", type="chat", prompt=messages, labels=["production"], config={"model": "m"})
        prompt = client.get_prompt("chat", type="chat")
        print(json.dumps([prompt.compile(mood="kind", history=[{"role": "user", "content": "Hi"}]), prompt.config]))
        """
    )
    assert read == [[{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}], {"model": "m"}]
    assert ask("GET", "v2/prompts/chat")["type"] == "chat"


def test_an_unknown_prompt(sdk: Any):
    """The SDK takes the fake's 404 for what it is."""
    name = sdk(
        """
        try:
            client.get_prompt("nothing", max_retries=0)
        except Exception as error:
            print(json.dumps(type(error).__name__))
        """
    )
    assert name == "NotFoundError"
