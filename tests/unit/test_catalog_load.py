# SPDX-License-Identifier: Apache-2.0
"""Catalogues of one's own, in YAML and in Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidegauge.catalog import Catalog, CatalogError, builtin_catalog, load_catalog
from tidegauge.model.spec import Deprecation, Direction, Kind, LabelSpec, MetricSpec, Target

SHOP = """
categories:
  shop: What customers do in the shop
metrics:
  shop:basket_value_eur:
    description: Value of a basket at checkout
    kind: distribution
    unit: EUR
    direction: higher
    min: 0
    labels:
      channel: {values: [web, app], description: where it was filled, required: true}
    series_cap: 100
    buckets: [5, 10.5]
    targets:
      - {stat: p50, op: ">=", value: 20}
    aliases: [basket]
    owner: checkout
  shop:basket_value:
    description: Value of a basket at checkout
    kind: distribution
    unit: EUR
    deprecated: {since: 2026-03-01, renamed_to: shop:basket_value_eur}
"""


def write(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    """A catalogue file."""
    path = folder / name
    path.write_text(text)
    return path


def test_a_yaml_catalogue(tmp_path: Path) -> None:
    """Every field is read, numbers as numbers and dates as text."""
    catalog = load_catalog(write(tmp_path, SHOP))
    assert catalog.metrics["shop:basket_value_eur"] == MetricSpec(
        name="shop:basket_value_eur",
        description="Value of a basket at checkout",
        kind=Kind.DISTRIBUTION,
        unit="EUR",
        direction=Direction.HIGHER,
        min=0.0,
        labels={
            "channel": LabelSpec(
                values=("web", "app"), description="where it was filled", required=True
            )
        },
        series_cap=100,
        buckets=(5.0, 10.5),
        targets=(Target(stat="p50", op=">=", value=20.0),),
        aliases=("basket",),
        owner="checkout",
    )
    assert catalog.metrics["shop:basket_value"].deprecated == Deprecation(
        since="2026-03-01", renamed_to="shop:basket_value_eur"
    )
    assert catalog.categories["shop"] == "What customers do in the shop"


def test_it_is_on_top_of_the_vocabulary(tmp_path: Path) -> None:
    """The built-in metrics are there too, and each knows where it comes from."""
    path = write(tmp_path, SHOP)
    catalog = load_catalog(path)
    assert catalog.canonical("reply_rate") == "usage:reply_rate"
    assert catalog.canonical("basket_value") == "shop:basket_value_eur"
    assert catalog.source("basket") == str(path)
    assert catalog.source("reply_rate") == "the built-in vocabulary"
    assert len(catalog) == len(builtin_catalog()) + 2


def test_it_may_be_on_top_of_nothing(tmp_path: Path) -> None:
    """With an empty base there is nothing but what the file declares."""
    assert len(load_catalog(write(tmp_path, SHOP), base=Catalog())) == 2


def test_catalogues_stack(tmp_path: Path) -> None:
    """A second file may rename to a metric of the first."""
    base = load_catalog(write(tmp_path, SHOP))
    second = """
    metrics:
      shop:cart:
        description: Value of a basket at checkout
        kind: distribution
        unit: EUR
        deprecated: {since: 1, renamed_to: shop:basket_value_eur}
    """
    catalog = load_catalog(write(tmp_path, second, "more.yml"), base=base)
    assert catalog.stored_names("cart") == (
        "shop:basket_value_eur",
        "shop:basket_value",
        "shop:cart",
    )


def test_a_metric_of_the_vocabulary_can_be_renamed(tmp_path: Path) -> None:
    """Saying `deprecated` is enough; the heir is declared as a metric of one's own."""
    text = """
    metrics:
      usage:reply_rate: {deprecated: {since: 2, renamed_to: usage:answer_rate}}
      usage:answer_rate: {description: Share of messages that got an answer, min: 0, max: 1}
    """
    path = write(tmp_path, text)
    catalog = load_catalog(path)
    assert catalog.canonical("reply_rate") == "usage:answer_rate"
    assert catalog.stored_names("answer_rate") == ("usage:answer_rate", "usage:reply_rate")
    assert catalog.source("usage:answer_rate") == str(path)
    assert catalog.metrics["usage:reply_rate"].description == (
        builtin_catalog().metrics["usage:reply_rate"].description
    )
    assert builtin_catalog().merged(catalog).renames == {"usage:reply_rate": "usage:answer_rate"}


def test_unquoted_numbers_and_words_are_what_fields_want(tmp_path: Path) -> None:
    """Unit 1, the word no and a version stay text; YAML's guesses do not get in the way."""
    text = """
    metrics:
      custom:x:
        description: no
        unit: 1
        labels: {tier: {values: [1, no, 2.0]}}
        deprecated: {since: 1.10}
    """
    spec = load_catalog(write(tmp_path, text)).metrics["custom:x"]
    assert (spec.description, spec.unit) == ("no", "1")
    assert spec.labels["tier"].values == ("1", "no", "2.0")
    assert spec.deprecated == Deprecation(since="1.10")


def test_a_label_with_nothing_behind_it_is_open(tmp_path: Path) -> None:
    """A label may be declared by its name alone."""
    text = """
    metrics:
      custom:x:
        description: x
        labels:
          tier:
          region: {required: true}
    """
    spec = load_catalog(write(tmp_path, text)).metrics["custom:x"]
    assert spec.labels == {"tier": LabelSpec(), "region": LabelSpec(required=True)}


def test_anchors_are_understood(tmp_path: Path) -> None:
    """Labels may be written once and used again."""
    text = """
    metrics:
      custom:x: {description: x, labels: &l {tier: {values: [a]}}}
      custom:y: {description: y, labels: *l}
    """
    catalog = load_catalog(write(tmp_path, text))
    assert catalog.metrics["custom:y"].labels == {"tier": LabelSpec(values=("a",))}


@pytest.mark.parametrize("text", ["", "# nothing\n", "metrics:\n", "metrics: {}\ncategories: {}"])
def test_an_empty_catalogue(tmp_path: Path, text: str) -> None:
    """A file that declares nothing adds nothing."""
    assert len(load_catalog(write(tmp_path, text))) == len(builtin_catalog())


def test_a_catalogue_may_be_closed(tmp_path: Path) -> None:
    """The file can say so, and so can the caller."""
    assert load_catalog(write(tmp_path, "closed: true")).closed is True
    assert load_catalog(write(tmp_path, "closed: false")).closed is False
    assert load_catalog(write(tmp_path, ""), closed=True).closed is True


BAD_FILES = [
    (
        "unknown-key",
        "metrics: {custom:x: {description: x, units: ms}}",
        (
            "shop.yaml has a key of the metric 'custom:x' that does not exist; got 'units'; "
            "allowed: "
            "aliases, buckets, combine, deprecated, description, direction, holds_s, kind, labels, "
            "max, min, "
            "names, owner, ratio, series_cap, targets, unit. Write 'unit'."
        ),
    ),
    (
        "unknown-label-key",
        "metrics: {custom:x: {description: x, labels: {tier: {valeus: [a]}}}}",
        (
            "shop.yaml has a key of the metric 'custom:x' that does not exist; got 'valeus'; "
            "allowed: "
            "description, required, shown_as, values. Write 'values'."
        ),
    ),
    (
        "unknown-target-key",
        "metrics: {custom:x: {description: x, targets: [{zzz: a}]}}",
        (
            "shop.yaml has a key of the metric 'custom:x' that does not exist; got 'zzz'; allowed: "
            "op, stat, value. Remove it."
        ),
    ),
    (
        "name-key",
        "metrics: {custom:x: {description: x, name: custom:y}}",
        (
            "shop.yaml has a key of the metric 'custom:x' that does not exist; got 'name'; "
            "allowed: "
            "aliases, buckets, combine, deprecated, description, direction, holds_s, kind, labels, "
            "max, min, "
            "names, owner, ratio, series_cap, targets, unit. Write 'names'."
        ),
    ),
    (
        "unknown-top-key",
        "metric: {}",
        (
            "shop.yaml has a key that does not exist; got 'metric'; allowed: categories, closed, "
            "metrics. Write 'metrics'."
        ),
    ),
    (
        "wrong-type",
        "metrics: {custom:x: {description: x, min: low}}",
        (
            "shop.yaml declares the metric 'custom:x' wrongly: Expected `float | null`, got "
            "`str` - at "
            "`$.min`; got 'low'; allowed: a number. See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "unknown-kind",
        "metrics: {custom:x: {description: x, kind: histogram}}",
        (
            "shop.yaml declares the metric 'custom:x' wrongly: Invalid enum value 'histogram' - at "
            "`$.kind`; got 'histogram'; allowed: gauge, counter, distribution. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "label-body",
        "metrics: {custom:x: {description: x, labels: {tier: [a]}}}",
        (
            "shop.yaml declares the metric 'custom:x' wrongly: Expected `object`, got `array` - at "
            "`$.labels[...]`; got {'tier': ['a']}; allowed: label to {values: [text, …], "
            "description: text, required: true or false}. See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "no-description",
        "metrics: {custom:x: {unit: ms}}",
        (
            "shop.yaml declares the metric 'custom:x' wrongly: Object missing required field "
            "`description`; allowed: at least a description. See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "no-body",
        "metrics: {custom:x: }",
        (
            "shop.yaml says nothing of the metric 'custom:x'; allowed: at least a description. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "metric-twice",
        "metrics:\n  custom:x: {description: x}\n  custom:x: {description: x}",
        (
            "shop.yaml has a key twice in line 3; got 'custom:x'; allowed: each key once. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "list",
        "metrics: [a]",
        (
            "shop.yaml has no names under `metrics`; allowed: metrics: {name: …}. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "no-mapping",
        "just text",
        (
            "shop.yaml has no keys; allowed: categories, closed, metrics. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "category-body",
        "categories: {shop: {a: b}}",
        (
            "shop.yaml describes the category 'shop' with something else than text. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "closed",
        "closed: perhaps",
        (
            "shop.yaml has no bool in `closed`; got 'perhaps'; allowed: true, false. "
            "See docs/how-to/own-catalogue.md."
        ),
    ),
    (
        "rule",
        "metrics: {custom:x: {description: x, unit: seconds}}",
        (
            "metric 'custom:x' in shop.yaml has a unit that is not known; got 'seconds'; "
            "allowed: a "
            "UCUM code such as 1, %, s, ms, By, MiBy, By/s, {token}, {request}/s, or a currency "
            "such "
            "as USD. Write 's'. Change its declaration."
        ),
    ),
    (
        "deprecated-and-nothing-else",
        "metrics: {custom:x: {deprecated: {since: 1}}}",
        (
            "metric 'custom:x' in shop.yaml needs a description of one line; got ''; allowed: one "
            "line of text. Change its declaration."
        ),
    ),
    (
        "conflict",
        "metrics: {model:accuracy: {description: Ours}}",
        (
            "metric 'model:accuracy' is declared in the built-in vocabulary and differently in "
            "shop.yaml; allowed: one declaration per metric. Rename or remove one of them; the "
            "second may say `deprecated`, and nothing else."
        ),
    ),
]


@pytest.mark.parametrize(
    ("text", "error"), [pytest.param(text, error, id=name) for name, text, error in BAD_FILES]
)
def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: str) -> None:
    """Each mistake is told with the file, the metric, what is allowed, and what to do."""
    write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError) as caught:
        load_catalog("shop.yaml")
    assert str(caught.value) == error


def test_what_is_not_yaml(tmp_path: Path) -> None:
    """A syntax error is told with its line, and with what most often causes it."""
    path = write(tmp_path, "metrics:\n  custom:x: {description: x, unit: %}\n")
    with pytest.raises(CatalogError) as caught:
        load_catalog(path)
    assert str(caught.value).startswith(f"{path} is not YAML: ")
    assert "line 2" in str(caught.value)
    assert caught.value.fix.startswith("Quote texts with ':' or '#'")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error names the path and says what could be read."""
    with pytest.raises(CatalogError) as caught:
        load_catalog(tmp_path / "none.yaml")
    assert "none.yaml cannot be read: [Errno 2] No such file or directory" in str(caught.value)
    assert caught.value.allowed == (
        "a YAML file (.yaml, .yml), a Python file (.py), or the name of a module"
    )


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are told as such."""
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match="cannot be read: 'utf-8' codec"):
        load_catalog(path)


PYTHON = """
from tidegauge.model.spec import MetricSpec

CATEGORIES = {"shop": "Shop"}
CLOSED = True
METRICS = [MetricSpec(name="shop:wait_ms", description="Waiting", unit="ms", kind="distribution")]
"""


def test_a_python_file(tmp_path: Path) -> None:
    """A file with METRICS, CATEGORIES and CLOSED is read like one in YAML."""
    path = write(tmp_path, PYTHON, "shop.py")
    catalog = load_catalog(path)
    assert catalog.metrics["shop:wait_ms"].kind is Kind.DISTRIBUTION
    assert catalog.categories["shop"] == "Shop"
    assert catalog.closed is True
    assert catalog.source("wait_ms") == str(path)


def test_a_python_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dotted name is imported."""
    package = tmp_path / "tidegauge_test_team"
    package.mkdir()
    write(package, "", "__init__.py")
    write(package, PYTHON, "metrics.py")
    monkeypatch.syspath_prepend(tmp_path)
    catalog = load_catalog("tidegauge_test_team.metrics")
    assert catalog.source("wait_ms") == "tidegauge_test_team.metrics"


BAD_PYTHON = [
    ("none", "", "shop.py declares no metrics; allowed: a list METRICS of MetricSpec. "),
    ("text", "METRICS = 'x'", "shop.py declares no metrics; got 'str'; allowed: a list METRICS"),
    ("items", "METRICS = ['x']", "shop.py declares no metrics; got 'list'; allowed: a list"),
    (
        "categories",
        "METRICS = []\nCATEGORIES = ['shop']",
        "CATEGORIES of shop.py is not a dict; got ['shop']; allowed: category to description. ",
    ),
    (
        "raises",
        "1 / 0",
        "catalogue shop.py cannot be read: ZeroDivisionError: division by zero; ",
    ),
    (
        "own-error",
        (
            "from tidegauge.catalog import Catalog\n"
            "from tidegauge.model.spec import MetricSpec\n"
            "Catalog([MetricSpec(name='x', description='x')])"
        ),
        "metric 'x' in Python has no full name; ",
    ),
]


@pytest.mark.parametrize(
    ("text", "error"), [pytest.param(text, error, id=name) for name, text, error in BAD_PYTHON]
)
def test_bad_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: str) -> None:
    """What is wrong with a Python catalogue is told with its name."""
    write(tmp_path, text, "shop.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError) as caught:
        load_catalog("shop.py")
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("shop.json", "it is no YAML or Python file"),
        ("folder/", "it is no YAML or Python file"),
        ("none.json", "no catalogue file and no module is called so (No module named 'none')"),
        ("none/shop.txt", "there is no such file"),
        ("", "it is no YAML or Python file"),
        ("\0", "there is no such file"),
        (None, "it is not a path"),
    ],
    ids=repr,
)
def test_what_is_no_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, problem: str
) -> None:
    """A file of another kind is not imported; the error says which kinds are read."""
    write(tmp_path, "{}", "shop.json")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError) as caught:
        load_catalog(source)
    assert str(caught.value) == (
        f"catalogue {source} cannot be read: {problem}; allowed: a YAML file (.yaml, .yml), a "
        "Python file (.py), or the name of a module. Check the path."
    )


def test_a_null_character_in_a_path_is_no_file() -> None:
    """The error is one of the catalogue."""
    with pytest.raises(CatalogError, match="cannot be read: embedded null byte"):
        load_catalog("\0.yaml")


def test_a_python_catalogue_that_misses_a_module(tmp_path: Path) -> None:
    """What the file could not import is named."""
    path = write(tmp_path, "import tidegauge_no_such_team", "shop.py")
    with pytest.raises(
        CatalogError, match="ModuleNotFoundError: No module named 'tidegauge_no_such_team'"
    ):
        load_catalog(path)


def test_a_module_that_is_not_there() -> None:
    """A dotted name that cannot be imported is told with the reason."""
    with pytest.raises(CatalogError, match="No module named 'tidegauge_no_such_team'") as caught:
        load_catalog("tidegauge_no_such_team.metrics")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_python_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing Python file is an error like a missing YAML file."""
    with pytest.raises(CatalogError, match="No such file or directory"):
        load_catalog(tmp_path / "none.py")


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    """The YAML in docs/how-to/own-catalogue.md is a catalogue."""
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "own-catalogue.md"
    [example] = re.findall(r"^```yaml\n(.*?)^```", guide.read_text(), re.DOTALL | re.MULTILINE)
    catalog = load_catalog(write(tmp_path, example))
    assert catalog.canonical("basket") == "shop:basket_value_eur"
    assert catalog.stored_names("basket") == (
        "shop:basket_value_eur",
        "shop:basket_value",
    )


def test_the_guide_has_every_key() -> None:
    """Each field of a metric is in the guide's table."""
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "own-catalogue.md"
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", guide.read_text(), re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert documented == set(MetricSpec.__struct_fields__) - {"name"}
