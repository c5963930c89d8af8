"""The jobs of an experiment: which there are, and which are done."""

from __future__ import annotations

from drepano.experiments.plan import Job, finished_jobs


def test_a_method_that_no_seed_changes_gets_one(plan):
    jobs = plan.jobs(["unet", "ilastik", "dunet"], [3, 4], ["dunet"])
    seeds = {name: sorted({job.seed for job in jobs if job.method == name}) for name in ("unet", "dunet")}
    assert seeds == {"unet": [3, 4], "dunet": [3]}
    assert {job.seed for job in jobs if job.method == "ilastik"} == {3}


def test_finished_jobs_are_those_with_a_result_and_nothing_else(tmp_path):
    done, begun = Job("unet", "fold-1", 2), Job("unet", "fold-2", 2)
    for folder in (done.folder(tmp_path), tmp_path / "jobs/unet/fold-1/seed-2-old"):
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
    begun.folder(tmp_path).mkdir(parents=True)
    assert finished_jobs(tmp_path) == [done]


def test_every_split_and_seed_of_a_job_has_a_training_seed_of_its_own_whatever_the_method():
    seeds = {
        (split, seed): Job("unet", split, seed).training_seed
        for split in ("fold-1", "fold-2")
        for seed in (0, 1)
    }
    assert len(set(seeds.values())) == 4
    assert all(0 <= seed < 2**32 for seed in seeds.values())
    assert seeds["fold-1", 0] == Job("dunet", "fold-1", 0).training_seed
