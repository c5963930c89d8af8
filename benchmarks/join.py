"""Methods of one experiment that ran apart, put together: python benchmarks/join.py OUT EXPERIMENT...

The EXPERIMENTs, whole folders or what `experiments.sh` keeps of them, have the same plan: fields, splits and
budget. A method's figures are taken over as they are, from the first that has it; pairs are compared anew,
from the values of every field, which makes it the way to compare one experiment anew, too. OUT may be one of
them. Maps are not drawn: what is kept has none.
"""

import json
import sys
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from drepano.errors import DrepanoError
from drepano.experiments.plan import PLAN, read_plan
from drepano.experiments.summary import curve_differences, method_differences, results_of_table
from drepano.io import write_bytes, write_json, write_text
from drepano.methods import METHODS
from drepano.reports.experiment import figures
from drepano.reports.experiment.report import PER_CROP, PER_FIELD, SUMMARY, TABLES
from drepano.reports.experiment.tables import comparison_markdown, learning_curve_markdown

KIND = {"compare": "methods", "learning-curve": "curves"}
"""What holds a summary's figures by method."""


def crops_of(experiment: Path) -> pd.DataFrame:
    """Its single crops; a table without rows where there are none."""
    path = experiment / PER_CROP
    as_text = dict.fromkeys(("crop", "patient"), str)
    return pd.read_csv(path, dtype=as_text) if path.is_file() else pd.DataFrame({"method": []})


def with_nan(value: Any) -> Any:
    """NaN for every null: what `write_json` made of it."""
    if isinstance(value, dict):
        return {key: with_nan(part) for key, part in value.items()}
    if isinstance(value, list):
        return [with_nan(part) for part in value]
    return nan if value is None else value


def of_sources(tables: list[pd.DataFrame], source: dict[str, int]) -> pd.DataFrame:
    """The rows of every method from the table that it is taken from."""
    parts = [table[table["method"].map(source) == place] for place, table in enumerate(tables)]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def main(out: Path, experiments: list[Path]) -> None:
    plan = read_plan(experiments[0])
    for experiment in experiments[1:]:
        if read_plan(experiment) != plan:
            raise DrepanoError(
                f"{experiment}: its {PLAN} is not that of {experiments[0]}; join equal plans only"
            )
    summaries = [with_nan(json.loads((experiment / SUMMARY).read_text())) for experiment in experiments]
    as_text = dict.fromkeys(("field", "patient"), str)
    tables = [pd.read_csv(experiment / PER_FIELD, dtype=as_text) for experiment in experiments]

    source = {
        name: place for place in reversed(range(len(summaries))) for name in summaries[place][KIND[plan.kind]]
    }
    order = [name for name in METHODS if name in source]
    fields = of_sources(tables, source)
    crops = of_sources([crops_of(experiment) for experiment in experiments], source)
    results = results_of_table(fields, plan.classes, crops)
    by_method = {name: results[name] for name in order}
    summary = {
        **summaries[0],
        "conditions": [*dict.fromkeys(line for each in summaries for line in each["conditions"])],
        KIND[plan.kind]: {name: summaries[source[name]][KIND[plan.kind]][name] for name in order},
        "validation": {
            name: summaries[source[name]]["validation"][name]
            for name in order
            if name in summaries[source[name]]["validation"]
        },
    }
    if plan.kind == "compare":
        summary["differences"] = method_differences(by_method, plan)
        markdown = comparison_markdown(summary)
        drawn = {"roc": figures.draw_roc(summary), "confusion": figures.draw_confusion(summary)}
    else:
        summary["differences"] = curve_differences([*chain(*by_method.values())], order, plan)
        markdown = learning_curve_markdown(summary)
        drawn = {"learning-curve": figures.draw_learning_curve(summary)}
    if summary["validation"]:
        drawn["validation"] = figures.draw_validation(summary["validation"])
    write_text(out / PLAN, (experiments[0] / PLAN).read_text())
    write_json(out / SUMMARY, summary)
    write_text(out / PER_FIELD, fields.to_csv(index=False, float_format="%.5g"))
    if len(crops):
        write_text(out / PER_CROP, crops.to_csv(index=False))
    write_text(out / TABLES, markdown)
    for name, png in drawn.items():
        write_bytes(out / f"{name}.png", png)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
