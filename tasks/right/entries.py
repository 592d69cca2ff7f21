"""What registry files may say: a teacher's entry, a file of weights, a file of a route."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tasks.ask.continuing import Continues
from tasks.ask.providers import provider_named
from tasks.right.demands import Condition
from tasks.right.fields import Frozen, Line, Sha256
from tasks.right.licenses import checked
from tasks.right.terms import (
    NO_SECOND_CONTRACT,
    SELF_HOSTED,
    AccountBudget,
    Attestation,
    BatchTerms,
    Evidence,
    Price,
    Quota,
    Reasoning,
    Review,
    RouteTerms,
    Trainable,
    WeightsTerms,
    check_conditions,
)
from tasks.right.watermark import DeclaredWatermark
from warehouse.errors import BadInput

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*-]+(\.[a-z0-9*-]+)*\.[a-z0-9-]+$")]
License = Annotated[Line, AfterValidator(checked)]


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a URL such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a URL holds no user, password or query: name the key's variable in api_key_env")
    try:
        parts.port  # noqa: B018  reading it checks it
    except ValueError:
        raise ValueError("the port is no number below 65536") from None
    return url.rstrip("/")


def _variable(name: str) -> str:
    if not name.replace("_", "").isalnum() or name != name.upper() or name[0].isdigit() or not name.isascii():
        raise ValueError(
            "write the NAME of an environment variable (capitals, digits, underscores), never the key itself"
        )
    return name


def _known(provider: str) -> str:
    try:
        return provider_named(provider).name
    except BadInput as error:
        raise ValueError(str(error)) from None


BaseUrl = Annotated[Line, AfterValidator(_endpoint)]
Variable = Annotated[Line, AfterValidator(_variable)]
ProviderName = Annotated[Line, AfterValidator(_known)]


class TeacherEntry(Frozen):
    """A teacher as its user writes it: five lines for a server of one's own, more where more is known."""

    name: Name
    base_url: BaseUrl | None = None
    model: Line | None = None
    """The id sent with every request; one that a file of weights knows brings that file's terms along."""
    license: License | None = None
    """Of the weights, where no file of weights describes them."""
    weights: Line | None = None
    """Name of a file in `weights/`."""
    route: Line = SELF_HOSTED
    provider: ProviderName | None = None
    """Whose rules of charging, headers and errors hold, where the route's are not the ones, e.g. `vllm`."""
    reviewed: Review | None = None
    """Who read both contracts, and when. The simulated teacher needs none and its review is not looked at."""
    attestations: tuple[Attestation, ...] = ()
    outputs_trainable: Trainable | None = None
    conditions: tuple[Condition, ...] = ()
    evidence: Evidence | None = None
    revision: Line | None = None
    api_key_env: Variable | None = None
    account: Line | None = None
    pool: Line | None = None
    quota: Quota = Quota()
    price: Price | None = None
    budget: AccountBudget = AccountBudget()
    """Ceilings on the whole account, whichever of its entries states them."""
    batch: BatchTerms | None = None
    """`batch: {}` says that there is a batch API, with the usual limits and half the price."""
    continues: Continues | None = None
    """How the server is told to go on with an answer that was cut off, if it can: `continue_final_message` (vLLM,
    SGLang) or `prefix` (DeepSeek's beta address, Mistral)."""
    expected_models: tuple[Line, ...] | None = Field(default=None, min_length=1)
    watermark: DeclaredWatermark | None = None
    """Only one whose key is known; None: whether there is one is unknown."""
    reasoning: Reasoning | None = None
    simulated: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _consistent(self) -> "TeacherEntry":
        if self.outputs_trainable is None:
            return self
        check_conditions(self.outputs_trainable, self.conditions)
        allowed = self.outputs_trainable in ("yes", "conditional")
        noncommercial = any(condition.id == "noncommercial" for condition in self.conditions)
        if self.license and "-NC" in self.license.upper() and allowed and not noncommercial:
            raise ValueError(
                f"{self.license} is non-commercial: say outputs_trainable: conditional, with the condition"
                " noncommercial"
            )
        return self


class WeightsFile(WeightsTerms):
    """`weights/<name>.yaml`: one licence, and the models it is of."""

    weights: Name
    license: License
    models: tuple[Line, ...] = ()
    """Ids, the first a plain one; later ones may be patterns with `*`. The longest that fits an id wins. None: a
    licence for whichever model an entry names it for."""
    reasoning: Reasoning = "unknown"

    @property
    def terms(self) -> WeightsTerms:
        """What a teacher carries of it."""
        return WeightsTerms.model_validate({field: getattr(self, field) for field in WeightsTerms.model_fields})


class DataFile(Frozen):
    """`datasets/<name>.yaml`: an agreement about published data, whose rows somebody may want to use as prompts."""

    dataset: Name
    license: License
    sources: tuple[Line, ...] = Field(min_length=1)
    """Names or patterns of the data sets it is of."""
    use: Literal["yes", "no", "unknown"]
    """Whether its rows may be asked, published inside a dataset and trained on. The gate asks the table of licences
    for prompts, never this line."""
    evidence: Evidence
    notes: Line | None = None


class ReviewFile(Review):
    """`reviews/<name>.yaml` beside a user's entries: what a person signed, of which terms, with what they attest."""

    teacher: Name
    terms_sha256: Sha256
    attestations: tuple[Attestation, ...] = ()

    @property
    def review(self) -> Review:
        """What a teacher carries of it."""
        return Review.model_validate({field: getattr(self, field) for field in Review.model_fields})


class RouteFile(RouteTerms):
    """`routes/<name>.yaml`: one contract, and the hosts it is for."""

    route: Name
    license: License | None
    hosts: tuple[Host, ...] = ()
    """Each stands for itself and all below it, `*` for anything: whoever calls them must use this route."""
    base_url: BaseUrl | None = None
    api_key_env: Variable | None = None
    api: ProviderName = "unknown"
    """Whose rules of charging, headers and errors its API follows; `provider` above is the other party's name."""
    batch: BatchTerms | None = None
    """The provider's batch API, for every entry on this route that does not say otherwise."""
    maker_models: tuple[Line, ...] = ()
    """Ids or patterns of models that the provider made itself: its terms are then the whole contract."""
    serves: dict[Name, Line] = {}
    """Models of others it hosts, name of the weights: id to ask for. Their licence holds besides."""

    @model_validator(mode="after")
    def _second_contract(self) -> "RouteFile":
        if self.license is None and self.route not in NO_SECOND_CONTRACT:
            raise ValueError("license is missing: a route of somebody else always has terms")
        return self

    def made(self, model: str) -> bool:
        """Whether the provider made that model itself."""
        return any(fnmatchcase(model.lower(), pattern.lower()) for pattern in self.maker_models)

    @property
    def terms(self) -> RouteTerms:
        """What a teacher carries of it."""
        return RouteTerms.model_validate({field: getattr(self, field) for field in RouteTerms.model_fields})
