"""From a model name to who answers: aliases of config.yaml, weighted deployments, prompt-manager prefixes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from toolkit._records import EMPTY, FrozenDict
from toolkit.config import ConfigFile, Credentials, Deployment
from toolkit.errors import MissingKeyError, UsageError
from toolkit.providers import Access, Provider, Providers

PROMPT_MANAGERS = {
    "langfuse": "langfuse",
    "humanloop": "humanloop",
    "folder": "folder",
    "dotprompt": "folder",
    "generic": "generic",
    "generic_prompt_management": "generic",
}
"""Prefixes of a model that name a prompt source, and the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a model name leads, before a provider is asked for."""

    model: str
    """`provider/name`, or what stands for it."""
    source: str | None = None
    """Prompt source that a prefix named."""
    deployments: tuple[Deployment, ...] = ()
    """Groups passed through, the alias that was asked for first."""

    @property
    def is_alias(self) -> bool:
        """True when the name was a `model_name` of config.yaml."""
        return bool(self.deployments)

    @property
    def params(self) -> FrozenDict:
        """Chat parameters of the deployments; those of the alias that was asked for go first."""
        merged: dict[str, object] = {}
        for deployment in reversed(self.deployments):
            merged |= deployment.params
        return FrozenDict(merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who answers."""

    provider: Provider
    model: str
    """Provider-side name."""
    params: FrozenDict = EMPTY
    """Chat parameters of config.yaml; the prompt's and the caller's go before them."""
    timeout_s: float | None = None
    max_parallel_requests: int | None = None
    """Most calls in flight that config.yaml allows; `None` = it does not say."""
    rpm: float | None = None
    """Calls a minute that config.yaml allows."""
    tpm: float | None = None
    """Tokens a minute that config.yaml allows."""
    is_alias: bool = False


def follow(model: str, config: ConfigFile | None, *, draw: float, entered: Collection[str] = ()) -> Target:
    """Returns where `model` leads: through the groups of config.yaml, each once, and past a prompt-manager prefix.

    A group that names itself, or one already passed, means the provider's plain model of that name.

    Args:
        model: As asked.
        config: The config.yaml, if there is one.
        draw: A number from 0 up to 1 that chooses among the deployments of a name, by weight.
        entered: Groups passed already.

    Example:
        >>> follow("langfuse/gpt-4o", None, draw=0.0)
        Target(model='gpt-4o', source='langfuse', deployments=())
    """
    groups = config.deployments if config is not None else {}
    passed = list(entered)
    deployments: list[Deployment] = []
    source: str | None = None
    while True:
        if model in groups and model not in passed:
            passed.append(model)
            deployments.append(choose(groups[model], draw))
            model = deployments[-1].model
            continue
        prefix, slash, rest = model.partition("/")
        if slash and rest and prefix in PROMPT_MANAGERS and source is None:
            source, model = PROMPT_MANAGERS[prefix], rest
            continue
        return Target(model=model, source=source, deployments=tuple(deployments))


def targets(model: str, config: ConfigFile | None) -> list[tuple[float, Target]]:
    """Returns every deployment that a name may be drawn to, with its weight; one of weight 1 for a plain model.

    Raises:
        UsageError: If all weights are 0.
    """
    group = config.deployments.get(model, ()) if config is not None else ()
    if not group:
        return [(1.0, follow(model, config, draw=0.0))]
    choose(group, 0.0)
    led = [(one.weight, one, follow(one.model, config, draw=0.0, entered=(model,))) for one in group]
    return [
        (weight, replace(target, deployments=(one, *target.deployments))) for weight, one, target in led if weight > 0
    ]


def choose(deployments: Sequence[Deployment], draw: float) -> Deployment:
    """Returns one of the deployments of a name, each with the probability of its weight.

    Args:
        deployments: At least one.
        draw: A number from 0 up to 1.

    Raises:
        UsageError: If all weights are 0.
    """
    total = sum(deployment.weight for deployment in deployments)
    if total <= 0:
        raise UsageError(f"Every deployment of {deployments[0].model_name!r} has weight 0; give one a weight.")
    mark = draw * total
    for deployment in deployments:
        mark -= deployment.weight
        if mark < 0:
            return deployment
    return deployments[-1]


def find_route(target: Target, providers: Providers, *, access: Access | None = None) -> Route:
    """Returns who answers for a target, checked without the network.

    Args:
        target: Where the name leads.
        providers: Finds adapters.
        access: The caller's own key and address; they go before those of config.yaml.

    Raises:
        UnknownNameError: If there is no such provider.
        MissingKeyError: If a key is needed and not set; names the variable, also one that config.yaml refers to.
    """
    credentials = _credentials(target.deployments)
    if access is None or (access.api_key is None and access.api_base is None and access.api_version is None):
        access = Access(api_key=credentials.api_key, api_base=credentials.api_base, api_version=credentials.api_version)
    empty = access == Access()
    provider, model = providers.find(target.model, access=None if empty else access)
    try:
        provider.check(model)
    except MissingKeyError as error:
        names = ("api_base", "base_url") if str(error.variable).endswith("_BASE") else ("api_key",)
        variable = next((credentials.unset[name] for name in names if name in credentials.unset), None)
        if variable is None:
            raise
        what = "key" if names == ("api_key",) else "address"
        raise MissingKeyError(
            f"The model {target.deployments[0].model_name!r} of config.yaml takes its {what} from {variable}, which is "
            "not set; set it in the environment.",
            variable=variable,
        ) from error
    parallel = [one.max_parallel_requests for one in target.deployments if one.max_parallel_requests]
    timeouts = [deployment.timeout_s for deployment in target.deployments if deployment.timeout_s is not None]
    return Route(
        provider=provider,
        model=model,
        params=target.params,
        timeout_s=timeouts[-1] if timeouts else None,
        max_parallel_requests=min(parallel) if parallel else None,
        rpm=_smallest(one.rpm for one in target.deployments),
        tpm=_smallest(one.tpm for one in target.deployments),
        is_alias=target.is_alias,
    )


def _smallest(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit), default=None)


def _credentials(deployments: Sequence[Deployment]) -> Credentials:
    """Credentials of the last deployment; where it has no key, that of an earlier one which names no other address."""
    if not deployments:
        return Credentials()
    last = deployments[-1].credentials
    for earlier in reversed(deployments[:-1]):
        found = earlier.credentials
        if last.api_key is None and (last.api_base is None or found.api_base in (None, last.api_base)):
            last = replace(
                last,
                api_key=found.api_key,
                api_base=last.api_base or found.api_base,
                unset=FrozenDict({**found.unset, **last.unset}),
            )
    return last


def first_set(deployments: Sequence[Deployment], name: str) -> object:
    """Returns the first value of a field that a deployment sets, the alias that was asked for first; else `None`."""
    for deployment in deployments:
        value: object = getattr(deployment, name)
        if value not in (None, False, EMPTY):
            return value
    return None
