# SPDX-License-Identifier: Apache-2.0
"""`tidegauge export sqlite` and `tidegauge import sqlite`: the file's shape, and no row twice."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tidegauge.journal.writer import JournalWriter
from tidegauge.model.series import SeriesKey
from tidegauge.model.times import parse_time_ns
from tidegauge.store.store import Store

# What other programs create, to the letter.
SCHEMA = {
    "system_performance": """CREATE TABLE system_performance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    feature TEXT NOT NULL,
    metric_category TEXT NOT NULL,
    metric_name TEXT NOT NULL,
    value REAL NOT NULL,
    unit TEXT,
    context TEXT,
    metadata TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
)""",
    "user_satisfaction": """CREATE TABLE user_satisfaction (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    feature TEXT NOT NULL,
    satisfaction_type TEXT NOT NULL,
    score REAL NOT NULL,
    feedback TEXT,
    interaction_id TEXT,
    metadata TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
)""",
    "feature_usage": """CREATE TABLE feature_usage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    feature TEXT NOT NULL,
    action TEXT NOT NULL,
    duration_ms REAL,
    success BOOLEAN,
    error_type TEXT,
    user_context TEXT,
    metadata TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
)""",
    "daily_aggregates": """CREATE TABLE daily_aggregates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    date TEXT NOT NULL,
    feature TEXT NOT NULL,
    metric_type TEXT NOT NULL,
    metric_name TEXT NOT NULL,
    avg_value REAL,
    min_value REAL,
    max_value REAL,
    stddev REAL,
    count INTEGER,
    percentile_50 REAL,
    percentile_95 REAL,
    percentile_99 REAL,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP,
    UNIQUE(date, feature, metric_type, metric_name)
)""",
}
# In the same manner.
MORE = {
    "learning_effectiveness": "id timestamp feature learning_type accuracy confidence sample_size "
    "improvement_rate metadata created_at",
    "optimization_impact": "id timestamp feature optimization_id impact_category before_value "
    "after_value user_impact_score metadata created_at",
    "resource_utilization": "id timestamp resource_type resource_name utilization_percent "
    "allocated used unit metadata created_at",
    "errors": "id timestamp feature error_type error_severity error_message recovery_attempted "
    "recovery_successful impact_level metadata created_at",
}
NO_DATABASE = """\
Error: The file cannot be read (file is not a database).
  Got: a.db
  Allowed: a SQLite file with the tables of an export
  Check that it is whole, and that no program keeps it locked.
"""
NO_TABLE = """\
Error: The file has none of the tables that can be imported.
  Got: a.db
  Allowed: system_performance, user_satisfaction, feature_usage, learning_effectiveness, \
optimization_impact, resource_utilization, errors, daily_aggregates
  For tables of other names and shapes, export them to CSV: see tidegauge import.
"""
NOON = "2026-01-01T12:00:00.000250Z"

Run = Callable[..., list[tuple[Any, ...]]]


def ask(path: str | Path, question: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Ask a file, or put rows into it."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        if rows:
            connection.executemany(question, rows)
            return []
        return connection.execute(question).fetchall()


def their_file(name: str, **tables: Iterable[dict[str, Any]]) -> Path:
    """A file as another program writes it; columns that are not given are left to SQLite."""
    path = Path(name)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for table, rows in tables.items():
            connection.execute(SCHEMA[table].replace("TABLE", "TABLE IF NOT EXISTS", 1))
            for row in rows:
                names, places = ", ".join(row), ", ".join("?" * len(row))
                statement = f"INSERT INTO {table} ({names}) VALUES ({places})"
                connection.execute(statement, tuple(row.values()))
    return path


def use(number: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of feature_usage, so many seconds after noon."""
    at = dt.datetime(2026, 1, 1, 12) + dt.timedelta(seconds=number)  # noqa: DTZ001 (as they do)
    return {"timestamp": at.isoformat(), "feature": "search", "action": "find", **columns}


def score(value: float, kind: str = "accuracy") -> dict[str, Any]:
    """A row of user_satisfaction."""
    at = "2026-01-01T12:00:00"
    return {"timestamp": at, "feature": "search", "satisfaction_type": kind, "score": value}


def put(store: Path, table: str, labels: dict[str, str], **columns: Any) -> None:
    """Put a row into the journal."""
    writer = JournalWriter(store / "journal")
    writer.put_event(table, SeriesKey.of("", labels), parse_time_ns(NOON), columns)
    writer.close()


@pytest.fixture
def filled(cli: Any) -> Any:
    """A store with a row that fits the file's table, and one that has more than that."""
    put(
        cli.store,
        "user_satisfaction",
        {"service": "shop", "region": "eu"},
        feature="search",
        satisfaction_type="accuracy",
        score=1.0,
        score_scale="1-5",
        normalized_score=0.0,
        rating=1,
        user_id="u1",
        metadata='{"page":3}',
    )
    cli("drain")
    put(cli.store, "feature_usage", {}, feature="search", action="find", success=True)
    return cli


def test_a_file_has_exactly_the_shape_that_others_create(filled: Any) -> None:
    """Column by column and letter by letter, and the tables that are not printed likewise."""
    assert filled("export", "sqlite", "out.db").code == 0
    with contextlib.closing(sqlite3.connect("theirs.db")) as connection:
        for statement in SCHEMA.values():
            connection.execute(statement)
    question = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT IN {} "
    question += "ORDER BY name"
    theirs = ask("theirs.db", question.format("('')"))
    ours = ask("out.db", question.format(tuple(MORE)))
    assert ours == theirs
    for table, columns in MORE.items():
        assert [row[1] for row in ask("out.db", f"PRAGMA table_info({table})")] == columns.split()


def test_what_has_no_column_is_in_the_metadata(filled: Any) -> None:
    """Under one key, beside the caller's own; nothing where there is nothing."""
    done = filled("export", "sqlite", "out.db", "--json")
    assert (done.json["rows"]["user_satisfaction"], done.json["rows"]["feature_usage"]) == (1, 1)
    [opinion] = ask("out.db", "SELECT * FROM user_satisfaction")
    assert opinion[:7] == (1, "2026-01-01T12:00:00.000250", "search", "accuracy", 1.0, None, None)
    assert json.loads(opinion[7]) == {
        "page": 3,
        "tidegauge": {
            "labels": {"region": "eu", "service": "shop"},
            "columns": {"score_scale": "1-5", "user_id": "u1"},
        },
    }
    assert opinion[8] == "2026-01-01 12:00:00"
    assert ask("out.db", "SELECT success, metadata FROM feature_usage") == [(1, None)]
    parsed = dt.datetime.fromisoformat(opinion[1])
    assert parsed < dt.datetime.now()  # noqa: DTZ005 (what others compare it with)


def test_an_export_brings_everything_to_another_store(filled: Any, tmp_path: Path) -> None:
    """Labels, dimensions, scale, user: the same rows, and the same file again."""
    filled("export", "sqlite", "out.db")
    other = tmp_path / "other"
    done = filled("import", "sqlite", "out.db", "--store", other, "--json")
    assert (done.code, done.json["recorded"], done.json["present"]) == (0, 2, 0)
    question = "SELECT * EXCLUDE (slot) FROM user_satisfaction"
    assert filled("sql", question, "--json", "--store", other).json == (
        filled("sql", question, "--json").json
    )
    filled("export", "sqlite", "again.db", "--store", other)
    for table in (*SCHEMA, *MORE):
        assert ask("again.db", f"SELECT * FROM {table}") == ask("out.db", f"SELECT * FROM {table}")


def test_an_export_is_recognised_by_its_own_store(filled: Any) -> None:
    """No row of it is recorded, and those that are new to the store are."""
    filled("export", "sqlite", "out.db")
    done = filled("import", "sqlite", "out.db", "--json")
    assert (done.json["recorded"], done.json["present"]) == (0, 2)
    # One that the store has, another like it, and one that it has not.
    copy = "INSERT INTO feature_usage (timestamp, feature, action, success) VALUES (?, ?, ?, ?)"
    row = ("2026-01-01T12:00:00.000250", "search", "find", 1)
    ask("out.db", copy, row, ("2026-01-02T00:00:00.000000", "search", "find", 0))
    done = filled("import", "sqlite", "out.db", "--json")
    assert (done.json["recorded"], done.json["present"]) == (2, 2)
    assert filled("sql", "SELECT count(*) AS n FROM feature_usage", "--json").json == [{"n": 3}]


def test_only_what_was_asked_for_is_exported(filled: Any) -> None:
    """By label and by time; ranges are half-open."""
    rows = filled("export", "sqlite", "a.db", "--where", "region=eu", "--json").json["rows"]
    assert (rows["user_satisfaction"], rows["feature_usage"]) == (1, 0)
    rows = filled("export", "sqlite", "b.db", "--end", "2026-01-01T12:00:00.000250Z", "--json").json
    assert sum(rows["rows"].values()) == 0
    assert filled("export", "sqlite", "c.db", "--where", "regoin=eu").code == 2


def test_a_file_that_is_there_is_replaced_only_by_force(filled: Any) -> None:
    """Exit code 2, and the file is as it was."""
    Path("out.db").write_text("mine")
    done = filled("export", "sqlite", "out.db")
    assert (done.code, Path("out.db").read_text()) == (2, "mine")
    assert "The file exists." in done.err
    assert filled("export", "sqlite", "out.db", "--force").code == 0
    assert filled("export", "sqlite", "nowhere/out.db").code == 1


def test_their_rows_give_the_right_statistics(cli: Any) -> None:
    """Naive local times, bools as numbers, scores of both scales, metadata of any kind."""
    path = their_file(
        "metrics.db",
        feature_usage=[
            use(0, duration_ms=10.0, success=1, metadata='{"a": 1}'),
            use(1, duration_ms=20, success=0, error_type="Timeout", metadata="by hand"),
            use(2, success=None) | {"timestamp": "2026-01-01 12:00:02.5"},
        ],
        user_satisfaction=[score(0.92), score(4, "speed"), score(1, "speed"), score(1, "overall")],
    )
    done = cli("import", "sqlite", path, "--time-zone", "Europe/Amsterdam", "--json")
    assert (done.code, done.json["recorded"]) == (0, 7)
    assert cli("sql", "SELECT time, success, metadata FROM feature_usage", "--json").json == [
        {"time": "2026-01-01T11:00:00+00:00", "success": True, "metadata": '{"a":1}'},
        {"time": "2026-01-01T11:00:01+00:00", "success": False, "metadata": '{"text":"by hand"}'},
        {"time": "2026-01-01T11:00:02.500000+00:00", "success": None, "metadata": None},
    ]
    question = "SELECT count(*) AS n, avg(duration_ms) AS mean FROM feature_usage"
    assert cli("sql", question, "--json").json == [{"n": 3, "mean": 15.0}]
    question = "SELECT satisfaction_type AS of, score_scale AS scale, normalized_score AS n"
    assert cli("sql", f"{question} FROM user_satisfaction ORDER BY ALL", "--json").json == [
        {"of": "accuracy", "scale": "0-1", "n": 0.92},
        {"of": "overall", "scale": "0-1", "n": 1.0},
        {"of": "speed", "scale": "1-5", "n": 0.0},
        {"of": "speed", "scale": "1-5", "n": 0.75},
    ]


def test_a_scale_that_is_given_holds_for_scores_that_say_none(cli: Any) -> None:
    """Also for a score that could be on another."""
    path = their_file("metrics.db", user_satisfaction=[score(0.5), score(7)])
    done = cli("import", "sqlite", path, "--scale", "0-10", "--json")
    assert done.json["recorded"] == 2
    question = "SELECT normalized_score AS n FROM user_satisfaction ORDER BY n"
    assert cli("sql", question, "--json").json == [{"n": 0.05}, {"n": 0.7}]
    done = cli("import", "sqlite", path, "--scale", "0-100")
    assert (done.code, "There is no such scale." in done.err) == (2, True)


def test_a_file_that_has_grown_brings_only_its_new_rows(cli: Any) -> None:
    """Equal rows are several; an id that is used again, after the file was begun anew, is new."""
    path = their_file("metrics.db", feature_usage=[use(), use(), use(1)])
    assert cli("import", "sqlite", path, "--json").json["recorded"] == 3
    done = cli("import", "sqlite", path, "--json")
    assert (done.code, done.json["recorded"], done.json["present"]) == (0, 0, 3)
    their_file("metrics.db", feature_usage=[use(), use(2)])
    ask(path, "DELETE FROM feature_usage WHERE id = 1")  # old rows may have gone meanwhile
    assert cli("import", "sqlite", path, "--json").json["recorded"] == 2
    path.unlink()
    their_file("metrics.db", feature_usage=[use(100), use(101)])
    assert cli("import", "sqlite", path, "--json").json["recorded"] == 2
    assert cli("sql", "SELECT count(*) AS n FROM feature_usage", "--json").json == [{"n": 7}]


def test_rows_that_are_not_allowed_are_refused_counted_and_shown(cli: Any) -> None:
    """Each for its reason, the others are recorded; exit code 1, and again the next time."""
    path = their_file(
        "metrics.db",
        feature_usage=[
            use(),
            use(1, duration_ms=-1.0),
            use(2, duration_ms=float("inf")),
            use(3, success="perhaps"),
            use(4) | {"timestamp": "yesterday"},
        ],
        user_satisfaction=[score(5.5), score("good")],  # type: ignore[arg-type]
    )
    for recorded in (1, 0):
        done = cli("import", "sqlite", path, "--json")
        assert (done.code, done.json["recorded"]) == (1, recorded)
        assert done.json["refused"] == {
            "out_of_range": 2,
            "not_finite": 1,
            "bad_value": 2,
            "bad_time": 1,
        }
    text = cli("import", "sqlite", path).out
    assert "7 rows, 0 recorded, 1 there before, 6 refused." in text
    assert "The first of them" in text


def test_check_records_nothing(cli: Any) -> None:
    """And creates no store."""
    path = their_file("metrics.db", feature_usage=[use(), use(1, duration_ms=-1.0)])
    done = cli("import", "sqlite", path, "--check", "--json")
    assert (done.code, done.json["recorded"], done.json["refused"]) == (1, 1, {"out_of_range": 1})
    assert not cli.store.exists()


def test_tables_and_columns_may_be_missing_or_more(cli: Any) -> None:
    """A column of ours is used, another is told; ids that are no key do not tell rows apart."""
    ask("odd.db", "CREATE TABLE feature_usage (timestamp, feature, action, user_id, mood, id)")
    rows = [("2026-01-01T12:00:00Z", "search", "find", user, "good", 1) for user in ("a", "b", "b")]
    ask("odd.db", "INSERT INTO feature_usage VALUES (?, ?, ?, ?, ?, ?)", *rows)
    done = cli("import", "sqlite", "odd.db", "--json")
    assert (done.code, done.json["recorded"]) == (0, 3)
    assert done.json["ignored_columns"] == ["feature_usage.mood"]
    question = "SELECT count(DISTINCT user_id) AS n FROM feature_usage"
    assert cli("sql", question, "--json").json == [{"n": 2}]


def test_users_and_free_text_are_kept_as_the_settings_say(cli: Any, monkeypatch: Any) -> None:
    """Hashed once, however often they are exported and imported."""
    monkeypatch.setenv("TIDEGAUGE_USER_IDS", "hash")
    monkeypatch.setenv("TIDEGAUGE_FREE_TEXT", "drop")
    path = their_file("metrics.db", user_satisfaction=[score(0.5) | {"feedback": "nice"}])
    ask(path, "ALTER TABLE user_satisfaction ADD COLUMN user_id TEXT")
    ask(path, "UPDATE user_satisfaction SET user_id = ?", ("ann",))
    cli("import", "sqlite", path)
    cli("export", "sqlite", "out.db")
    assert cli("import", "sqlite", "out.db", "--json").json["present"] == 1
    [row] = cli("sql", "SELECT user_id, feedback FROM user_satisfaction", "--json").json
    assert (row["user_id"][:2], row["feedback"]) == ("h:", None)


def test_an_export_is_recognised_though_users_are_hidden_by_now(
    filled: Any, monkeypatch: Any
) -> None:
    """The store has its rows as they were recorded; another store gets them hidden."""
    filled("export", "sqlite", "out.db")
    monkeypatch.setenv("TIDEGAUGE_USER_IDS", "hash")
    assert filled("import", "sqlite", "out.db", "--json").json["recorded"] == 0
    filled("import", "sqlite", "out.db", "--store", "other")
    [row] = filled(
        "sql", "SELECT user_id FROM user_satisfaction", "--json", "--store", "other"
    ).json
    assert row["user_id"][:2] == "h:"


def test_text_that_is_no_utf_8_costs_its_row_only(cli: Any) -> None:
    """The rows around it are recorded."""
    path = their_file("metrics.db", feature_usage=[use(), use(1), use(2)])
    ask(path, "UPDATE feature_usage SET action = CAST(x'ff' AS TEXT) WHERE id = ?", (2,))
    done = cli("import", "sqlite", path, "--json")
    assert (done.json["recorded"], done.json["refused"]) == (2, {"bad_value": 1})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no database at all, but long enough to be taken for one" * 20, NO_DATABASE),
        (b"", NO_TABLE),
    ],
)
def test_a_file_that_is_none_of_these_is_a_usage_error(
    cli: Any, content: bytes, problem: str
) -> None:
    """Before anything is recorded."""
    Path("a.db").write_bytes(content)
    done = cli("import", "sqlite", "a.db")
    assert (done.code, done.err) == (2, problem)
    assert not cli.store.exists()


def test_a_file_that_is_not_there_and_a_zone_that_is_none(cli: Any) -> None:
    """Errors that say what to do, not tracebacks."""
    assert cli("import", "sqlite", "nowhere.db").code == 1
    path = their_file("metrics.db", feature_usage=[use()])
    done = cli("import", "sqlite", path, "--time-zone", "Mars/Olympus")
    assert (done.code, "Europe/Amsterdam" in done.err) == (2, True)


def test_one_import_at_a_time(cli: Any) -> None:
    """Another one is told to wait."""
    path = their_file("metrics.db", feature_usage=[use()])
    with Store(cli.store).importing() as mine:
        assert mine
        done = cli("import", "sqlite", path)
    assert (done.code, "Somebody else is importing" in done.err) == (1, True)
    assert cli("import", "sqlite", path).code == 0


def test_another_program_may_be_writing_the_file(cli: Any) -> None:
    """What it has committed is imported, and it is not held up."""
    path = their_file("metrics.db", feature_usage=[use()])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        insert = "INSERT INTO feature_usage (timestamp, feature, action) VALUES (?, 'a', 'b')"
        connection.execute(insert, ("2026-01-01 12:00:00",))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, ("2026-01-01 12:00:01",))
        assert cli("import", "sqlite", path, "--json").json["recorded"] == 2
        connection.execute("COMMIT")
    assert cli("import", "sqlite", path, "--json").json["recorded"] == 1


def test_a_journal_that_is_full_stops_the_import_and_the_next_one_goes_on(
    cli: Any, monkeypatch: Any
) -> None:
    """Nothing is lost and nothing comes twice, whoever made the journal wait."""
    note = json.dumps({"note": "long" * 250})
    rows = [use(n // 2, metadata=note) for n in range(16_000)]
    path = their_file("metrics.db", feature_usage=rows)
    state = Store(cli.store).state
    state.register_follower("slow")
    monkeypatch.setenv("TIDEGAUGE_JOURNAL_BUDGET_BYTES", str(9 << 20))
    monkeypatch.setenv("TIDEGAUGE_SEGMENT_SLOTS", "1024")
    done = cli("import", "sqlite", path)
    assert (done.code, "byte budget" in done.err) == (1, True)
    question = "SELECT count(*) AS n, count(DISTINCT time) AS seconds FROM feature_usage"
    recorded = cli("sql", question, "--json").json[0]["n"]
    assert 0 < recorded < 16_000
    state.forget_follower("slow")
    cli("drain")
    monkeypatch.delenv("TIDEGAUGE_JOURNAL_BUDGET_BYTES")
    done = cli("import", "sqlite", path, "--json")
    assert (done.json["recorded"], done.json["present"]) == (16_000 - recorded, recorded)
    assert cli("sql", question, "--json").json == [{"n": 16_000, "seconds": 8_000}]


def test_aggregates_of_days_without_rows_are_kept(cli: Any) -> None:
    """As they are, once; those of days with rows are not, for they are computed from the rows."""
    aggregate = {"feature": "search", "metric_type": "usage", "metric_name": "find"}
    figures = {"avg_value": 2.0, "min_value": 1.0, "max_value": 3.0, "stddev": None, "count": 4}
    path = their_file(
        "metrics.db",
        feature_usage=[use()],
        daily_aggregates=[
            {"date": "2025-06-01", **aggregate, **figures},
            {"date": "2026-01-01", **aggregate, **figures},
            {"date": "2026-01-01", **aggregate, **figures, "metric_type": "error"},
            {"date": "someday", **aggregate, **figures},
        ],
    )
    for _ in range(2):
        done = cli("import", "sqlite", path, "--time-zone", "Europe/Amsterdam", "--json")
        assert (done.code, done.json["aggregates"]) == (1, 2)
        assert done.json["refused"] == {"bad_time": 1}
    question = (
        "SELECT date::VARCHAR AS date, metric_type, avg_value, stddev, count, sum, time_zone, time "
        "FROM daily_aggregates ORDER BY date"
    )
    kept = cli("sql", question, "--json").json
    assert [row["metric_type"] for row in kept] == ["usage", "error"]
    assert kept[0] == {
        "date": "2025-06-01",
        "metric_type": "usage",
        "avg_value": 2.0,
        "stddev": None,
        "count": 4,
        "sum": 8.0,
        "time_zone": "Europe/Amsterdam",
        "time": "2025-05-31T22:00:00+00:00",
    }
    cli("export", "sqlite", "out.db")
    assert ask("out.db", "SELECT date, metric_type, avg_value, count FROM daily_aggregates") == [
        ("2025-06-01", "usage", 2.0, 4),
        ("2026-01-01", "error", 2.0, 4),
    ]
    assert cli("doctor").code == 0
