"""Grids of cells, and commands that stay short enough to be started."""

import json
import re

import pytest
import yaml

from tests.support.project import ROOT, TINY
from unlearn.study import grid as grid_module
from unlearn.study.grid import Cell, Grid
from unlearn.study.load import load_study

LONGEST = 128 * 1024 - 1
"""Bytes of one argument, on Linux; a job's command is one."""


def test_a_grid_is_a_product_less_what_cannot_be():
    grid = Grid([("d", "a"), ("e", "a")], ["v", "w"], ["r"], ["f"], [Cell("e", "a", "w", "r", "f")])
    assert [(c.dataset, c.variant) for c in grid.cells()] == [("d", "v"), ("d", "w"), ("e", "v")]


def test_files_are_those_of_the_cells_each_once():
    first = Grid([("d", "a")], ["v", "w"], ["r", "s"], ["f"])
    second = Grid([("d", "a")], ["v"], ["s", "t"], ["f"])
    block = {
        "grids": [first, second],
        "patterns": ["{dataset}/{model}/{trainer}/{fleet}", "{variant}/{request}"],
        "trainers": {"v": "standard", "w": "sisa"},
    }
    paths = grid_module.files(json.loads(json.dumps([block])), "x")
    assert paths[:2] == ["x/d/a/standard/f", "x/d/a/sisa/f"]
    assert paths[2:] == ["x/v/r", "x/v/s", "x/w/r", "x/w/s", "x/v/t"]


def test_a_grid_of_known_cells_is_left_out():
    full_grid = Grid([("d", "a")], ["v", "w"], ["r", "s"], ["f"])
    partial_grid = Grid([("d", "a")], ["w"], ["s"], ["f"])
    larger_grid = Grid([("d", "a")], ["w"], ["t"], ["f"])
    assert grid_module.covering([full_grid, partial_grid, larger_grid, full_grid]) == [
        full_grid,
        larger_grid,
    ]


@pytest.mark.parametrize("path", ["config.yaml", "configs/demo.yaml"])
def test_grids_survive_as_parameters_of_jobs(path):
    plan = load_study(yaml.safe_load((ROOT / path).read_text()), path)
    grids = json.loads(json.dumps([e.grid for e in plan.experiments.values()]))
    cells = grid_module.union([Grid(*grid) for grid in grids])
    assert cells == plan.cells
    fields = "/".join(f"{{{field}}}" for field in Cell._fields)
    assert len(grid_module.files([{"grids": grids, "patterns": [fields]}], "")) == len(plan.cells)


def test_no_command_is_too_long_for_thousands_of_cells(project):
    """Of 40 deletion sets, 25 learning rates and 3 controls' worth of cells: 27 x 40."""
    crowd = yaml.safe_load(yaml.safe_dump(TINY))
    experiment = crowd["experiments"]["accuracy"]
    experiment["method"] = {"name": "finetune", "lr": [round(0.001 * i, 3) for i in range(1, 26)]}
    experiment["request"]["rate"] = [round(0.01 * i, 2) for i in range(1, 41)]
    project.write_study(crowd)
    process = project.snakemake("-n", "--cores", "1", "--printshellcmds")
    commands = re.findall(r"^Shell command: (.*)$", process.stdout + process.stderr, re.M)
    assert len(commands) > 2 * 27 * 40
    assert max(map(len, commands)) < LONGEST / 2
