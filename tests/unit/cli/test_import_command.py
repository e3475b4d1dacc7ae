# SPDX-License-Identifier: Apache-2.0
"""`tidegauge import`: what columns mean, what is refused, and that no row comes twice."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LONG = """\
time,metric,value,step,model,region
2026-01-01T00:00:00Z,accuracy,0.5,1,m,eu
2026-01-01T00:00:01Z,accuracy,0.6,2,m,us
"""


def test_columns_named_as_their_targets_need_no_options(cli: Any, write: Any) -> None:
    """Others are not used, unless they are said to be labels; and that is told."""
    done = cli("import", write("a.csv", LONG), "--json")
    assert (done.code, done.json["recorded"], done.json["ignored_columns"]) == (0, 2, ["region"])
    rows = cli("history", "model:accuracy", "--json").json
    assert [(r["value"], r["step"], r["model"], r["labels"]) for r in rows] == [
        (0.5, 1, "m", {}),
        (0.6, 2, "m", {}),
    ]


def test_columns_can_be_called_anything(cli: Any, write: Any) -> None:
    """Mapped columns, labels, constants, and a unit of time."""
    path = write("a.csv", "ts;took;land;n\n1700000000123;5,5;de;7\n1700000000124;6.5;fr;8\n")
    done = cli(
        *("import", path, "--column", "time=ts", "--column", "value=took", "--label", "land"),
        *("--label", "number=n", "--set", "metric=latency_ms", "--set", "model=m"),
        *("--set", "source=old", "--time-unit", "ms", "--json"),
    )
    assert done.json["refused"] == {"bad_value": 1}
    [row] = cli("history", "model:latency_ms", "--json").json
    assert (row["time"], row["value"], row["model"]) == (
        "2023-11-14T22:13:20.124000+00:00",
        6.5,
        "m",
    )
    assert row["labels"] == {"land": "fr", "number": "8", "source": "old"}


def test_a_wide_table_has_a_column_for_each_metric(cli: Any, write: Any) -> None:
    """An empty cell is no fact; it is not a bad one."""
    path = write("a.csv", "when,epoch,loss,acc\n2026-01-01,1,0.9,\n2026-01-02,2,0.8,0.7\n")
    done = cli(
        *("import", path, "-c", "time=when", "-c", "step=epoch"),
        *("-m", "model:train_loss=loss", "-m", "model:val_accuracy=acc", "--json"),
    )
    assert (done.json["rows"], done.json["recorded"], done.json["refused"]) == (2, 3, {})
    assert cli("stats", "model:val_accuracy", "--json").json[0]["count"] == 1


def test_bad_rows_are_refused_counted_and_shown(cli: Any, write: Any) -> None:
    """Each for its reason; the good ones are recorded; exit code 1."""
    path = write(
        "a.csv",
        "time,metric,value,step\n"
        "2026-01-01,accuracy,0.5,\n"
        "2026-01-01,accuracy,1.5,\n"
        "2026-01-01,accuracy,nan,\n"
        "2026-01-01,accuracy,,\n"
        "2026-01-01,accuracy,much,\n"
        "2026-01-01,Bad Name,0.5,\n"
        "2026-01-01,nowhere:x,0.5,\n"
        "yesterday,accuracy,0.5,\n"
        "2026-01-01,accuracy,0.5,1.5\n"
        "2026-01-01,accuracy\n"
        "\n"
        "2026-01-01,accuracy,0.6,2.0\n",
    )
    done = cli("import", path, "--rejects", "rejects.csv", "--json")
    assert done.code == 1
    assert (done.json["rows"], done.json["recorded"]) == (11, 2)
    assert done.json["refused"] == {
        "out_of_range": 1,
        "not_finite": 1,
        "bad_value": 2,
        "bad_name": 2,
        "bad_time": 1,
        "bad_step": 1,
        "malformed_row": 1,
    }
    rejects = Path("rejects.csv").read_text().splitlines()
    assert rejects[0] == "row,reason,problem"
    assert [line.split(",")[:2] for line in rejects[1:3]] == [
        ["2", "out_of_range"],
        ["3", "not_finite"],
    ]
    assert rejects[-1] == "10,malformed_row,the row has 2 cells and the header 4"
    text = cli("import", path, "--again").out
    assert "11 rows, 2 recorded, 9 refused" in text
    assert "The first of them" in text


def test_names_can_be_fixed_on_the_way(cli: Any, write: Any) -> None:
    """As in lenient mode, when asked to."""
    path = write("a.csv", "time,metric,value\n2026-01-01,Reply Rate,0.5\n2026-01-01,f1,0.5\n")
    assert cli("import", path, "--fix-names").code == 0
    assert cli("stats", "usage:reply_rate", "--json").json[0]["count"] == 1


def test_check_records_nothing(cli: Any, write: Any) -> None:
    """And creates no store."""
    done = cli("import", write("a.csv", LONG), "--check", "--json")
    assert (done.code, done.json["accepted"], done.json["recorded"]) == (0, 2, 0)
    assert not cli.store.exists()


def test_a_file_is_imported_once(cli: Any, write: Any) -> None:
    """Known by its content and its columns' meaning, whatever its name; --again insists."""
    assert cli("import", write("a.csv", LONG)).code == 0
    done = cli("import", write("b.csv", LONG))
    assert done.code == 1
    assert "imported as a.csv" in done.err
    assert cli("import", write("c.csv", LONG), "--label", "region").code == 0
    assert cli("import", write("a.csv", LONG), "--again").code == 0
    assert cli("stats", "accuracy", "--json").json[0]["count"] == 6


def test_labels_and_metadata_come_from_json(cli: Any, write: Any) -> None:
    """A cell of each, as `export` writes them."""
    path = write(
        "a.csv",
        "time,metric,value,labels,metadata\n"
        '2026-01-01,f1,0.5,"{""region"": ""eu""}","{""note"": [1]}"\n'
        '2026-01-01,f1,0.5,"[1]",\n'
        '2026-01-01,f1,0.5,,"{"\n',
    )
    done = cli("import", path, "--json")
    assert done.json["refused"] == {"bad_label": 1, "bad_metadata": 1}
    [row] = cli("history", "f1", "--json").json
    assert (row["labels"], row["metadata"]) == ({"region": "eu"}, '{"note": [1]}')


def test_parquet_values_of_many_types(cli: Any, tmp_path: Path) -> None:
    """Timestamps of any unit, small integers, decimals, dictionaries, missing steps."""
    table = pa.table(
        {
            "time": pa.array(["2026-01-01T00:00:00.000005", "2026-01-02"]).cast(pa.timestamp("ns")),
            "metric": pa.array(["f1", "f1"]).dictionary_encode(),
            "value": pa.array([1, 0], pa.int8()),
            "step": pa.array([3.0, None], pa.float64()),
            "shop": pa.array([7, 8], pa.int32()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert cli("import", tmp_path / "a.parquet", "--label", "shop").code == 0
    rows = cli("history", "f1", "--json").json
    assert [(row["time"], row["value"], row["step"], row["labels"]) for row in rows] == [
        ("2026-01-01T00:00:00.000005+00:00", 1.0, 3, {"shop": "7"}),
        ("2026-01-02T00:00:00+00:00", 0.0, None, {"shop": "8"}),
    ]


def test_compressed_and_foreign_text(cli: Any, tmp_path: Path) -> None:
    """Compressed by its name, other encodings by option, and a byte order mark does no harm."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(LONG.encode()))
    assert cli("import", tmp_path / "a.csv.gz").code == 0
    latin = "time,metric,value,stadt\n2026-01-01,f1,0.5,Köln\n"
    (tmp_path / "b.csv").write_bytes(latin.encode("latin-1"))
    done = cli("import", tmp_path / "b.csv", "--label", "stadt")
    assert done.code == 2
    assert "--encoding latin-1" in done.err
    assert cli("import", tmp_path / "b.csv", "-l", "stadt", "--encoding", "latin-1").code == 0
    (tmp_path / "c.csv").write_bytes(b"\xef\xbb\xbf" + b"time,metric,value\n2026-01-02,f1,0.5\n")
    assert cli("import", tmp_path / "c.csv").code == 0


@pytest.mark.parametrize(
    ("text", "arguments", "problem"),
    [
        ("metric,value\nf1,0.5\n", [], "nothing says which column is the time"),
        ("time,value\n1,0.5\n", [], "nothing says which column is the metric"),
        ("time,metric\n1,f1\n", [], "nothing says which column is the value"),
        (LONG, ["-c", "time=tiem"], "no such column"),
        (LONG, ["-c", "colour=time"], "a column cannot be that"),
        (LONG, ["-l", "county"], "no such column"),
        ("time,time,metric,value\n", [], "the same name"),
        ("", [], "no header"),
    ],
)
def test_columns_that_cannot_be_understood_are_a_usage_error(
    cli: Any, write: Any, text: str, arguments: list[str], problem: str
) -> None:
    """Before anything is recorded."""
    done = cli("import", write("a.csv", text), *arguments)
    assert done.code == 2
    assert problem in done.err.lower()
    assert not cli.store.exists()


def test_a_file_that_is_not_there_or_not_parquet(cli: Any, write: Any) -> None:
    """Errors, not tracebacks."""
    done = cli("import", "nowhere.csv")
    assert (done.code, "nowhere.csv" in done.err) == (1, True)
    assert cli("import", write("a.parquet", "no")).code == 2
    assert cli("import", write("a.txt", LONG)).code == 2
    assert cli("import", write("a.txt", LONG), "--format", "csv").code == 0


def test_a_journal_that_is_full_stops_the_import_and_the_next_one_goes_on(
    cli: Any, write: Any, monkeypatch: Any
) -> None:
    """Nothing is lost and nothing comes twice, whoever made the journal wait."""
    rows = "".join(f"{1_700_000_000 + n},model:latency_ms,{n % 50}\n" for n in range(300_000))
    path = write("a.csv", f"time,metric,value\n{rows}")
    from tidegauge.store.store import Store

    state = Store(cli.store).state
    state.register_follower("slow")
    monkeypatch.setenv("TIDEGAUGE_JOURNAL_BUDGET_BYTES", str(9 << 20))
    monkeypatch.setenv("TIDEGAUGE_SEGMENT_SLOTS", "8192")
    done = cli("import", path)
    assert done.code == 1
    assert "byte budget" in done.err
    recorded = cli("stats", "latency_ms", "--json").json[0]["count"]
    assert 0 < recorded < 300_000
    state.forget_follower("slow")
    cli("drain")
    done = cli("import", path, "--json")
    assert done.code == 0
    assert done.json["resumed_after_row"] <= recorded
    assert (done.json["rows"], done.json["recorded"]) == (300_000, 300_000)
    assert cli("stats", "latency_ms", "--json").json[0]["count"] == 300_000
