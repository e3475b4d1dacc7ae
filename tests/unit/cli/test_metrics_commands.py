# SPDX-License-Identifier: Apache-2.0
"""`tidegauge metrics …`: the vocabulary from a shell."""

from __future__ import annotations

from typing import Any

MINE = """\
metrics:
  model:queueing_s:
    description: Time to answer
    kind: distribution
    unit: s
    direction: lower
    labels:
      region: {values: [eu, us]}
"""


def test_list_shows_declared_metrics_of_a_category(cli: Any) -> None:
    """One line for each; needs no store and creates none."""
    done = cli("metrics", "list", "--category", "usage")
    assert done.code == 0
    assert [line.split()[0] for line in done.lines[2:]] == [
        "usage:conversion_rate",
        "usage:engagement_rate",
        "usage:reply_rate",
    ]
    assert not cli.store.exists()


def test_list_has_every_field_in_json(cli: Any) -> None:
    """A metric is an object with all that its declaration says."""
    listed = {each["name"]: each for each in cli("metrics", "list", "--json").json}
    latency = listed["model:latency_ms"]
    assert (latency["kind"], latency["unit"], latency["combine"]) == ("distribution", "ms", "mean")
    assert latency["category"] == "model"


def test_show_explains_a_name(cli: Any) -> None:
    """An alias leads to its metric, with its names in other systems."""
    done = cli("metrics", "show", "accuracy_score", "--json")
    assert done.json["name"] == "model:accuracy"
    assert done.json["given"] == "accuracy_score"
    assert done.json["declared"] is True
    assert done.json["abroad"] == {
        "prometheus": "ml_model_accuracy",
        "otlp": "model.accuracy",
        "mlflow": "model:accuracy",
    }
    text = cli("metrics", "show", "reply_rate")
    assert text.lines[0] == "usage:reply_rate"
    assert "description  Rate of replies to messages" in text.out


def test_show_of_an_undeclared_name_says_so(cli: Any) -> None:
    """A bare name that nobody declared is a metric of the category custom."""
    done = cli("metrics", "show", "queue_depth")
    assert done.lines[0] == "custom:queue_depth"
    assert "(not declared: an open gauge)" in done.out


def test_search_finds_in_catalogue_and_store(cli: Any) -> None:
    """Recorded metrics are counted; --recorded leaves only those."""
    cli.record("custom:queue_depth", 1.0, 2.0, at="2026-01-01T00:00:00Z")
    found = cli("metrics", "search", "queue", "--json").json
    assert [(row["metric"], row["count"], row["in_catalogue"]) for row in found] == [
        ("custom:queue_depth", 2, False)
    ]
    assert [row["metric"] for row in cli("metrics", "search", "--recorded", "--json").json] == [
        "custom:queue_depth"
    ]
    assert cli("metrics", "search", "latency", "--json").json[0]["metric"] == "model:latency_ms"


def test_search_without_a_hit_ends_with_1(cli: Any) -> None:
    """So that a script can ask whether there is such a metric."""
    done = cli("metrics", "search", "no such thing")
    assert (done.code, done.out) == (1, "No metric is like that.\n")
    assert cli("metrics", "search", "no such thing", "--json").json == []


def test_validate_tells_good_names_from_bad(cli: Any) -> None:
    """Each name has a verdict; one bad name ends the command with 1."""
    done = cli("metrics", "validate", "f1", "Reply Rate", "nowhere:x", "--json")
    assert done.code == 1
    assert [(row["name"], row["valid"], row["metric"]) for row in done.json] == [
        ("f1", True, "model:f1_score"),
        ("Reply Rate", False, None),
        ("nowhere:x", False, None),
    ]
    assert [row["reason"] for row in done.json[1:]] == ["bad_name", "bad_name"]
    assert done.json[1]["fix"] == "Write 'reply_rate'."
    good = cli("metrics", "validate", "f1", "usage:reply_rate")
    assert good.code == 0
    assert good.lines[-1] == "2 of 2 names are valid."


def test_validate_declared_refuses_what_nobody_declared(cli: Any) -> None:
    """A well-formed name that is in no catalogue is a problem only with --declared."""
    assert cli("metrics", "validate", "custom:thing").code == 0
    done = cli("metrics", "validate", "custom:thing", "--declared", "--json")
    assert (done.code, done.json[0]["reason"]) == (1, "unknown_metric")


def test_validate_reads_a_file_and_stdin(cli: Any, write: Any) -> None:
    """One name per line; empty lines and comments do not count."""
    path = write("names.txt", "# mine\nf1\n\nusage:reply_rate\n")
    assert len(cli("metrics", "validate", "--file", path, "--json").json) == 2
    assert cli("metrics", "validate", "--file", "-", stdin="Bad Name\n").code == 1


def test_validate_checks_a_catalogue(cli: Any, write: Any) -> None:
    """A catalogue alone is checked as a whole; one that is broken is an error."""
    good = cli("metrics", "validate", "--catalog", write("mine.yaml", MINE), "--json")
    assert (good.code, good.json["valid"]) == (0, True)
    broken = write("broken.yaml", MINE.replace("unit: s", "unti: s"))
    done = cli("metrics", "validate", "--catalog", broken, "--json")
    assert (done.code, done.json["error"]["kind"]) == (1, "CatalogError")
    assert cli("metrics", "validate").code == 2


def test_a_catalogue_of_ones_own_is_searched(cli: Any, write: Any) -> None:
    """--catalog adds to the built-in vocabulary."""
    path = write("mine.yaml", MINE)
    shown = cli("metrics", "show", "queueing_s", "--catalog", path, "--json").json
    assert (shown["name"], shown["declared"]) == ("model:queueing_s", True)
    assert shown["labels"]["region"]["values"] == ["eu", "us"]


def test_diff_names_breaking_changes(cli: Any, write: Any) -> None:
    """A closed label that loses a value breaks; with --check that ends the command with 1."""
    before = write("before.yaml", MINE)
    after = write("after.yaml", MINE.replace("[eu, us]", "[eu]"))
    done = cli("metrics", "diff", before, after, "--json")
    assert done.code == 0
    assert done.json == {
        "breaking": 1,
        "changes": [
            {
                "breaking": True,
                "kind": "labels",
                "metric": "model:queueing_s",
                "text": "label region of model:queueing_s no longer takes 'us'",
            }
        ],
    }
    assert cli("metrics", "diff", before, after, "--check").code == 1
    assert cli("metrics", "diff", after, before, "--check").code == 0
    same = cli("metrics", "diff", "builtin", "builtin")
    assert (same.code, same.lines) == (0, ["No difference.", "0 changes, 0 of them breaking."])
