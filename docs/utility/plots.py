#!/usr/bin/env python3
"""Draws the plots of docs/utility.md from what `cordon bench utility --json` wrote.

    pip install matplotlib==3.10.*
    cordon bench utility --people 100000 --json u1.json
    cordon bench utility --people 1000000 --json u2.json
    python docs/utility/plots.py u1.json u2.json
"""

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
KINDS = [("count", "counts"), ("ratio", "means, shares, quantiles"), ("sum", "sums")]
EDGES = [10 * 10 ** (n / 4) for n in range(18)]


def cells(run):
    for question, column, kind, behind, truth, shown, error in run["cells"]:
        if behind >= 10:
            yield question, column, kind, behind, truth, shown, error


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def errors(runs):
    """How far figures are from the truth, by how many people are behind them."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
    for axis, (kind, title) in zip(axes, KINDS):
        off = {}
        for run in runs:
            for _, _, of, behind, truth, shown, _ in cells(run):
                if of == kind and shown is not None and truth:
                    band = max(n for n, edge in enumerate(EDGES) if edge <= behind + 1e-9)
                    off.setdefault(band, []).append(100 * abs(shown - truth) / abs(truth))
        bands = sorted(band for band in off if len(off[band]) >= 5)
        middle = [(EDGES[band] * EDGES[min(band + 1, len(EDGES) - 1)]) ** 0.5 for band in bands]
        axis.fill_between(
            middle,
            [max(0.01, quantile(off[band], 0.1)) for band in bands],
            [max(0.01, quantile(off[band], 0.9)) for band in bands],
            alpha=0.25,
            label="8 of 10 figures",
        )
        axis.plot(middle, [max(0.01, statistics.median(off[band])) for band in bands], label="median")
        axis.axhline(1, color="grey", linewidth=0.8, linestyle="--")
        axis.set(xscale="log", yscale="log", title=title, xlabel="patients in the group")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("error, % of the truth")
    axes[0].legend()
    save(figure, "errors")


def withheld(runs):
    """What part of the counts that are about ten people or more is withheld."""
    figure, axis = plt.subplots(figsize=(7, 4))
    steps = list(range(10, 60, 2))
    for run in runs:
        part = []
        for step in steps:
            near = [
                shown
                for _, _, kind, behind, truth, shown, _ in cells(run)
                if kind == "count" and step <= behind < step + 2 and truth >= 10
            ]
            part.append(100 * sum(s is None for s in near) / len(near) if near else float("nan"))
        axis.plot(steps, part, marker="o", label=f"{run['people']:,} people")
    axis.set(xlabel="patients in the group", ylabel="counts withheld, %", ylim=(0, 100))
    axis.grid(alpha=0.3)
    axis.legend()
    save(figure, "withheld")


def calibration(runs):
    """Errors in units of the standard error that was told with the figure."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
    bins = [n / 4 for n in range(-20, 21)]
    for axis, (kind, title) in zip(axes, KINDS):
        off = [
            max(-5, min(5, (shown - truth) / error))
            for run in runs
            for _, _, of, behind, truth, shown, error in cells(run)
            if of == kind and shown is not None and error and behind >= 100
        ]
        axis.hist(off, bins=bins, density=True, alpha=0.6)
        normal = [2.718281828 ** (-(x**2) / 2) / (2 * 3.14159265) ** 0.5 for x in bins]
        axis.plot(bins, normal, color="black", linewidth=1, label="as told")
        axis.set(title=f"{title}, 100 people and more", xlabel="(shown - truth) / told error")
    axes[0].legend()
    save(figure, "calibration")


def reruns(runs):
    """Truth and shown of an ordinary re-run, before and after."""
    run = runs[-1]
    picked = [r for r in run["reruns"] if r["pairs"]]
    figure, axes = plt.subplots(2, (len(picked) + 1) // 2, figsize=(14, 7))
    for axis, rerun in zip(axes.flat, picked):
        pairs = [p for p in rerun["pairs"] if p[2] is not None and p[4] is not None]
        axis.scatter([p[3] - p[1] for p in pairs], [p[4] - p[2] for p in pairs], s=8, alpha=0.6, rasterized=True)
        ends = [min((p[3] - p[1] for p in pairs), default=0), max((p[3] - p[1] for p in pairs), default=1)]
        axis.plot(ends, ends, color="grey", linewidth=0.8)
        axis.set(title=rerun["name"], xlabel="change in truth", ylabel="change as shown")
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(picked) :]:
        axis.axis("off")
    figure.suptitle(f"{run['people']:,} people")
    save(figure, "reruns")


def save(figure, name):
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main():
    plt.rcParams["svg.hashsalt"] = "cordon"
    plt.rcParams["svg.fonttype"] = "none"
    runs = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    errors(runs)
    withheld(runs)
    calibration(runs)
    reruns(runs)


if __name__ == "__main__":
    main()
