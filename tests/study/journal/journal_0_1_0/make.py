"""Remake the journal beside this script: ``python make.py``, with popdetect 0.1.0 installed or on ``PYTHONPATH``.

It logs one session of six clips, whose ``session.csv`` has ``Therapist``, ``site`` and ``room`` as the clinic's own
columns, then changes one score. ``journal.sql`` is the dump of the journal; ``session/`` and ``STUDY.key`` are what
logs it again.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
CLIPS = (
    "file,status,label,p_pop,n_pops,first_pop_s,last_pop_s,snr_db,duration_s,sample_rate_hz,channels,quality,error,model,"
    "model_sha256,popdetect_version,sha256"
)
SCORES = (
    "file,patient_id,date,session_no,thrust_no,pain_before,pain_after,believes_pop_needed,thrust_speed_mm_s,Therapist,"
    "site,room"
)
ROWS = (
    ("Patient0", 6, 4, 4, "M. Berg", "north", "blue"),
    ("Patient1", 5, 4, 2, "M. Berg", "north", ""),
    ("Patient2", 7, 3, "", "", "north", "red"),
    ("Patient0", 6, 5, 4, "for Patient0: T2", "", ""),
    ("Patient1", 4, 4, 2, "", "", ""),
    ("Patient2", 8, 5, 5, "T2", "south", "red"),
)


def main() -> None:
    folder, study = HERE / "session", HERE / "STUDY.db"
    (folder / "popdetect").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "popdetect" / "session_id.txt", study, HERE / "STUDY.key"):
        stale.unlink(missing_ok=True)
    clips, scores = [CLIPS], [SCORES]
    for i, (patient, before, after, belief, therapist, site, room) in enumerate(ROWS):
        label = ("pop", "no_pop", "uncertain")[i % 3]
        pops = f"{int(label == 'pop')},0.51200,0.51200,23.4" if label == "pop" else "0,,,"
        clips.append(
            f"c{i}.wav,ok,{label},{0.9 - 0.4 * (i % 3):.4f},{pops},2.000,48000,1,,,default-1,{'ab' * 32},0.1.0,{i:064x}"
        )
        scores.append(
            f"c{i}.wav,{patient},2024-03-05,1,{1 + i // 3},{before},{after},{belief},12.5,{therapist},{site},{room}"
        )
    (folder / "popdetect" / "clips.csv").write_text("\n".join(clips) + "\n", encoding="utf-8")
    table = folder / "session.csv"
    for after in ("4", "3"):
        scores[1] = scores[1].replace(",6,4,4,", f",6,{after},4,")
        table.write_text("\n".join(scores) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "popdetect", "log", str(folder), "--journal", str(study), "--update"]
        subprocess.run(command, check=True)
    with closing(sqlite3.connect(study)) as journal:
        pragmas = [f"PRAGMA {name} = {journal.execute(f'PRAGMA {name}').fetchone()[0]};"
                   for name in ("application_id", "user_version")]  # fmt: skip
        (HERE / "journal.sql").write_text("\n".join([*pragmas, *journal.iterdump()]) + "\n", encoding="utf-8")
    study.unlink()


if __name__ == "__main__":
    main()
