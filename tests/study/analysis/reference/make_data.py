"""Make the studies of which `make.R` computes the reference figures. Run in this folder, then run ``Rscript make.R``.

R needs the packages lme4, pbkrtest and clubSandwich (in Debian: r-cran-lme4, r-cran-pbkrtest, r-cran-clubsandwich).
"""

from pathlib import Path

import numpy as np

KINDS = {  # seed; patients; sessions of each; thrusts of a session; share of pops
    "repeated": (1, 12, (1, 6), 1, 0.6),
    "rare": (4, 12, (4, 5), 1, 0.08),
    "sessions": (3, 10, (3, 4), 3, 0.6),
    "single": (5, 40, (1, 2), 1, 0.1),
}

for kind, (seed, n_patients, n_sessions, n_thrusts, share) in KINDS.items():
    rng = np.random.default_rng(seed)
    lines = ["patient,session,thrust,pop,before,after"]
    for patient in range(n_patients):
        own = rng.normal(0, 1)
        for session in range(int(rng.integers(*n_sessions))):
            day = rng.normal(0, 0.8) if n_thrusts > 1 else 0.0
            for thrust in range(n_thrusts):
                pop, before = int(rng.random() < share), float(np.rint(rng.normal(6, 1)))
                after = 5 + 0.6 * (before - 6) - 0.5 * pop + own + day + rng.normal(0, 1)
                lines.append(f"{patient},{session},{thrust},{pop},{before:g},{after:.3f}")
    Path(f"{kind}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
