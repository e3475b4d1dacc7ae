# SPDX-License-Identifier: Apache-2.0
"""What the settings `free_text` and `user_ids` promise, looked for in every byte of a store."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

Done = subprocess.CompletedProcess[str]

USER = "alice-8f3d"
TEXT = "the-words-of-somebody"
PROGRAM = f"""
import tidegauge as tg
from tidegauge.config import live_reading
from tidegauge.integrations.feature_records import FeatureRecords

tg.configure(store="store", strict=True)
records = FeatureRecords()
for time in ("2026-01-01T10:00:00Z", None):
    records.record_satisfaction("f", "overall", 4, "{TEXT}", user="{USER}", time=time)
    records.record_feature_usage("f", "go", 3.0, user="{USER}", time=time)
    records.record_error("f", "E", "error", "{TEXT}", user="{USER}", time=time)
live_reading()
assert tg.flush()
records.record_satisfaction("f", "overall", 4, "{TEXT}", user="{USER}")
tg.correct(
    "user_satisfaction",
    where={{"user_id": "{USER}", "score": 4.0}},
    set={{"feedback": "{TEXT}", "user_id": "{USER}", "score": 5.0}},
)
sql = "SELECT count(DISTINCT user_id), count(DISTINCT feedback), avg(score) FROM user_satisfaction"
print(tg.sql(sql).fetchall()[0])
"""


def found(store: Path, text: str) -> bool:
    """Whether a text is in any file of a store, columns of tables unpacked."""
    for path in store.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".parquet":
                data += repr(duckdb.connect().execute(f"FROM '{path}'").fetchall()).encode()
            if text.encode() in data:
                return True
    return False


@pytest.mark.parametrize(
    ("kept", "shown"),
    [("keep", (1, 1, 5.0)), ("hash", (1, 1, 5.0)), ("drop", (0, 0, 4.0))],
)
def test_no_byte_has_what_is_hashed_or_dropped(
    kept: str, shown: tuple[float, ...], run_program: Callable[..., Done], tmp_path: Path
) -> None:
    """Journal, tables, live metrics, state and trail: each has it as the settings say, or not."""
    settings = {"TIDEGAUGE_FREE_TEXT": kept, "TIDEGAUGE_USER_IDS": kept}
    done = run_program(PROGRAM, tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(shown)
    for text in (USER, TEXT):
        assert found(tmp_path / "store", text) == (kept == "keep")


def test_what_was_kept_can_be_forgotten(run_program: Callable[..., Done], tmp_path: Path) -> None:
    """From a program with several processes behind it, in every form that was ever used."""
    for kept in ("keep", "hash"):
        settings = {"TIDEGAUGE_FREE_TEXT": "keep", "TIDEGAUGE_USER_IDS": kept}
        done = run_program(PROGRAM, tmp_path, **settings)
        assert done.returncode == 0, done.stderr
    program = f"""
import tidegauge as tg

tg.configure(store="store")
done = tg.forget("{USER}")
print(done.rows, done.remaining)
sql = "SELECT count(*), count(user_id), count(feedback) FROM user_satisfaction"
print(*tg.sql(sql).fetchall()[0])
"""
    done = run_program(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "{'errors': 4, 'feature_usage': 4, 'user_satisfaction': 6} ()",
        "6 0 0",
    ]
    assert not found(tmp_path / "store", USER)
    assert not found(tmp_path / "store", TEXT)


def test_a_background_thread_settles_the_trail(
    run_program: Callable[..., Done], tmp_path: Path
) -> None:
    """A correction that was killed after its commit gets its row from whoever drains."""
    program = """
import os, signal
import tidegauge as tg
from tidegauge.amend.trail import Trail

tg.configure(store="store", follower="off")
tg.log_metric("model:accuracy", 0.5)
Trail._finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
tg.correct("points", where={"metric": "accuracy"}, set={"value": 0.75})
"""
    assert run_program(program, tmp_path).returncode == -9
    program = """
import time
import tidegauge as tg

tg.configure(store="store", drain_after_s=0.1)
tg.log_metric("model:accuracy", 0.25)
deadline_s = time.monotonic() + 30
while not (found := tg.sql("SELECT action, rows FROM corrections").fetchall()):
    assert time.monotonic() < deadline_s
    time.sleep(0.05)
print(found)
"""
    done = run_program(program, tmp_path)
    assert done.stdout.strip() == "[('correct', 1)]", done.stderr
