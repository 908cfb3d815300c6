"""What forking jobs from a process that has imported torch saves: the same sweep, warm and cold.

    python benchmarks/warm_start.py --folder outputs/warm_start

Runs a sweep of tiny trainings in turn with ``hydra.launcher.warm_start`` on and off, and prints the
median seconds of both and their ratio.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def main() -> None:
    """Reads the command line, times both and prints."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="gets data and sweeps")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    folder = given.folder.absolute()
    seconds(folder, given.jobs, warm=True)  # draws the photos and warms the disk's cache
    taken: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(given.repeats):
        for warm, times in taken.items():
            times.append(seconds(folder, given.jobs, warm=warm))
    warm_median, cold_median = (statistics.median(taken[warm]) for warm in (True, False))
    for warm, name in ((True, "forked"), (False, "from nothing")):
        shown = ", ".join(f"{value:.1f}" for value in taken[warm])
        print(f"{given.jobs} jobs, {name}: median {statistics.median(taken[warm]):.1f} s ({shown})")
    print(f"ratio {cold_median / warm_median:.2f}")


def seconds(folder: Path, jobs: int, *, warm: bool) -> float:
    """Time of a whole sweep, launcher included.

    Args:
        folder: Gets data and sweep.
        jobs: Of the sweep.
        warm: Whether they are forked.
    """
    shutil.rmtree(folder / "sweep", ignore_errors=True)
    begin = time.perf_counter()
    subprocess.run(
        [
            sys.executable, "-m", "project.train", "--multirun",
            f"data.root={folder}/photos", "data.source.scale=0.02", "data.size=32",
            "data.num_workers=0", "model.width=8", "trainer.max_epochs=1", "trainer=cpu",
            "trainer.enable_progress_bar=false", f"seed=range({jobs})",
            f"hydra.launcher.warm_start={str(warm).lower()}",
            f"paths.output={folder}/outputs", f"hydra.sweep.dir={folder}/sweep",
        ],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
