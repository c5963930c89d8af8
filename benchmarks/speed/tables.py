"""The tables of a result, as plain text and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.speed.peers import OUR_UNET, OURS

_LARGEST_DIFFERENCE = {"forward": 0.01, "training step": 0.2}
"""Rounding makes about 1e-6 a layer; a random network makes more of it, and a ReLU that rounding switches
changes the gradients of all layers before it."""


@dataclass(frozen=True)
class Table:
    """A title, a sentence below it, and rows, the first one the names of the columns."""

    title: str
    remark: str
    rows: list[list[str]]


def tables(results: dict[str, Any]) -> list[Table]:
    """A table of every part that `results` has."""
    side = results["plan"]["side"]
    made = []
    for work in ("forward", "training step"):
        if work in results:
            remark = (
                "Milliseconds; ratios of medians; difference of the first result (logits, or gradients of "
                "all weights) from ours, against the largest number in ours."
            )
            rows = _compared(results[work], _LARGEST_DIFFERENCE[work])
            made.append(Table(f"{work}, {side} px, batch 1", remark, rows))
    if "sizes" in results:
        remark = "Median in ms, and peak memory of the process in MB, of one forward pass."
        made.append(Table("forward by size", remark, _by(results["sizes"], "{} px", memory=True)))
    for work, rows in results.get("threads", {}).items():
        made.append(Table(f"{work} by threads, {side} px", "Median in ms.", _by(rows, "{} threads")))
    if "memory" in results:
        batch = results["plan"]["memory_batch"]
        title = f"memory of one training step, {side} px, batch {batch}"
        remark = "Resident memory in MB as Linux counts it: before, at the peak, and the step's part."
        made.append(Table(title, remark, _memory(results["memory"])))
    if "first call" in results:
        remark = "Seconds in a new process, caches of compiled code empty or filled by the run before."
        made.append(Table(f"first call of ours, {side} px", remark, _first(results["first call"])))
    if "layers" in results:
        remark = (
            "Milliseconds; multiply-adds of the offset convolution and of the product with the samples, "
            "twice as many for backward."
        )
        made.append(Table(f"deformable layers of ours, {side} px", remark, _layers(results["layers"])))
        median_s = results["forward"][OURS].get("median_s")
        remark = "What the whole network would take at the speed of a large matrix product and of a copy."
        made.append(Table(f"floor of a forward pass, {side} px", remark, _floor(results["floor"], median_s)))
    return made


def as_text(results: dict[str, Any]) -> str:
    parts = [_conditions(results)]
    for table in tables(results):
        widths = [max(map(len, column)) for column in zip(*table.rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if 0 < number < len(row) - 1 else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table.rows
        ]
        parts.append("\n".join([table.title, table.remark, "", *lines]))
    return "\n\n".join(parts) + "\n"


def as_markdown(results: dict[str, Any]) -> str:
    parts = ["# Speed", _conditions(results)]
    for table in tables(results):
        head, *body = (f"| {' | '.join(row)} |" for row in table.rows)
        rule = "|---" + "|--:" * (len(table.rows[0]) - 2) + "|---|"
        parts += [
            f"## {table.title[0].upper()}{table.title[1:]}",
            table.remark,
            "\n".join([head, rule, *body]),
        ]
    return "\n\n".join(parts) + "\n"


def _conditions(results: dict[str, Any]) -> str:
    where = results["conditions"]
    machine, versions = where["machine"], where["versions"]
    flags = [name for name, there in machine.items() if there is True]
    load = " ".join(f"{value:.2f}" for value in where["load_before"])
    clean = "" if where["tree_clean"] else ", with changes"
    return "\n".join(
        [
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {' '.join(flags)};",
            f"commit {where['commit'][:12]}{clean}, {where['date']}, load before {load};",
            ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
            f"By `{where['command']}`.",
        ]
    )


def _compared(peers: dict[str, dict[str, Any]], limit: float) -> list[list[str]]:
    rows = [["", "median", "smallest", "/ ours", "/ our U-Net", "difference", "first call s", "peak MB", ""]]
    ours, our_unet = (peers[name].get("median_s") for name in (OURS, OUR_UNET))
    for name, row in peers.items():
        if "median_s" not in row:
            rows.append([name, *[""] * 7, row["failed"]])
            continue
        difference = row["difference"]
        remarks = [row["note"], row.get("failed", "")]
        if difference is not None and not difference <= limit:
            remarks.append(f"not the same result: differs by more than {limit}")
        rows.append(
            [
                name,
                _ms(row["median_s"]),
                _ms(row["smallest_s"]),
                _ratio(row["median_s"], ours),
                _ratio(row["median_s"], our_unet),
                "" if difference is None else f"{difference:.0e}",
                f"{row['first_call_s']:.2f}",
                f"{row['peak_mb']:.0f}",
                "; ".join(filter(None, remarks)),
            ]
        )
    return rows


def _by(columns: dict[str, dict[str, dict[str, Any]]], title: str, memory: bool = False) -> list[list[str]]:
    rows = [["", *(title.format(column) for column in columns), ""]]
    for name in next(iter(columns.values())):
        found = [column[name] for column in columns.values()]
        cells = [_ms(row["median_s"]) if "median_s" in row else "-" for row in found]
        if memory:
            cells = [
                f"{cell} ({row['peak_mb']:.0f} MB)" if "peak_mb" in row else cell
                for cell, row in zip(cells, found, strict=True)
            ]
        rows.append([name, *cells, "; ".join(sorted({row["failed"] for row in found if "failed" in row}))])
    return rows


def _memory(peers: dict[str, dict[str, Any]]) -> list[list[str]]:
    rows = [["", "before", "peak", "step", ""]]
    for name, row in peers.items():
        numbers = [f"{row[key]:.0f}" if key in row else "-" for key in ("before_mb", "peak_mb", "step_mb")]
        rows.append([name, *numbers, row.get("failed", "")])
    return rows


def _first(calls: list[dict[str, Any]]) -> list[list[str]]:
    rows = [["", "caches", "import and build", "first call", "later calls", ""]]
    for call in calls:
        numbers = [f"{call[key]:.2f}" for key in ("import_s", "first_call_s", "warm_s")]
        rows.append([call["work"], call["cache"], *numbers, ""])
    return rows


def _layers(layers: list[dict[str, Any]]) -> list[list[str]]:
    rows = [["", "in", "out", "px", "forward", "G/s", "backward", "G/s", ""]]
    for layer in layers:
        rows.append(
            [
                layer["name"],
                *(str(layer[key]) for key in ("in_channels", "out_channels", "side")),
                _ms(layer["forward_s"]),
                f"{layer['forward_rate'] / 1e9:.1f}",
                _ms(layer["backward_s"]),
                f"{layer['backward_rate'] / 1e9:.1f}",
                "",
            ]
        )
    sums = [sum(layer[key] for layer in layers) for key in ("forward_s", "backward_s")]
    rows.append(["all", "", "", "", _ms(sums[0]), "", _ms(sums[1]), "", ""])
    return rows


def _floor(floor: dict[str, float], median_s: float | None) -> list[list[str]]:
    work, moved = floor["multiply_adds"] / 1e9, floor["bytes"] / 1e6
    rate, bandwidth = floor["product_rate"] / 1e9, floor["bytes_per_s"] / 1e9
    rows = [
        ["", "ms", "of"],
        ["multiply-adds", _ms(floor["product_s"]), f"{work:.2f} G at {rate:.1f} G/s"],
        [
            "inputs and outputs of layers",
            _ms(floor["copy_s"]),
            f"{moved:.0f} MB at {bandwidth:.1f} GB/s, read and written",
        ],
    ]
    return rows if median_s is None else [*rows, ["ours", _ms(median_s), "measured"]]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.{0 if seconds >= 1 else 1 if seconds >= 0.01 else 2}f}"


def _ratio(seconds: float, other: float | None) -> str:
    return "" if other is None else f"{seconds / other:.2f}"
