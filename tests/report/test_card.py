"""The dataset card: counts that agree with the files, pictures that never change, lines that Markdown keeps apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import yaml

from factory.report import contamination
from factory.report.card import card
from factory.report.gather import gather, stages
from factory.store.manifest import latest
from factory.store.publish import publish
from factory.store.run import Run
from tests.report.builders import COPIES, PROBLEMS, a_run
from tests.store.test_publish import SETTINGS, VIEW


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    run = a_run(tmp_path_factory.mktemp("run"))
    publish(run, SETTINGS, VIEW, card=lambda manifest: of(run, manifest))
    return run


def of(run: Run, manifest) -> dict[str, bytes]:
    found = gather(run.uri)
    funnel = stages(run, run.reader(), manifest, found.verdicts, found.rejects)
    return card(manifest, run.recipe, funnel, contamination.of_run(run))


def rows_below(text: str, heads: str) -> list[list[str]]:
    """The rows of the table with these heads."""
    lines = text[text.index(heads) :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_its_counts_are_those_of_the_files(run):
    text = run.store.read("dataset/README.md").decode()
    header = yaml.safe_load(text.split("---\n")[1])
    assert {config["config_name"] for config in header["configs"]} >= {"all", "high_python", "low_none"}
    assert header["license_name"] == "CC BY-SA 4.0"
    manifest = latest(run.store)
    published = sum(shard.rows for shard in manifest.shards)
    by_mode = rows_below(text, "| mode | tool | published traces")
    assert sum(int(row[2].replace(",", "")) for row in by_mode) == published
    assert [row[:2] for row in by_mode[:2]] == [["high", "python"], ["high", "none"]]
    by_bucket = rows_below(text, "| mode | tool | 128 |")
    assert sum(int(cell.replace(",", "")) for row in by_bucket for cell in row[2:]) == published
    assert rows_below(text, "| licence |")[0][:2] == ["CC BY-SA 4.0", f"{published:,}"]
    assert rows_below(text, "| source |") == [["forum", str(PROBLEMS - COPIES - 6), f"{published:,}"]]
    assert ["contest", "1", "1", str(COPIES)] in rows_below(text, "| benchmark |")
    assert "Not compared with: AIME" in text


def test_its_pictures_are_sound_and_named_in_it(run):
    text = run.store.read("dataset/README.md").decode()
    assert set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)) == {"lengths.svg", "pass_rates.svg"}
    for name, least in (("lengths.svg", 6), ("pass_rates.svg", 12)):
        root = ElementTree.fromstring(run.store.read(f"dataset/{name}"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        drawn = [*root.iter("{http://www.w3.org/2000/svg}polyline"), *root.iter("{http://www.w3.org/2000/svg}rect")]
        assert len(drawn) >= least
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for box in root.iter("{http://www.w3.org/2000/svg}svg"):
            x, y, w, h = (float(box.attrib.get(key, 0)) for key in ("x", "y", "width", "height"))
            assert x + w <= width
            assert y + h <= height


def test_publishing_twice_gives_the_same_files(run, tmp_path):
    names = [entry.key for entry in run.store.list("dataset/") if "_manifest" not in entry.key]
    assert {"dataset/README.md", "dataset/lengths.svg", "dataset/pass_rates.svg"} < set(names)
    again = a_run(tmp_path)
    publish(again, SETTINGS, VIEW, card=lambda manifest: of(again, manifest))
    publish(again, SETTINGS, VIEW, card=lambda manifest: of(again, manifest))
    pictures = ["dataset/lengths.svg", "dataset/pass_rates.svg", "dataset/README.md"]
    assert [again.store.read(name) for name in pictures] == [run.store.read(name) for name in pictures]


def test_a_card_without_benchmarks_says_so(run):
    text = card(latest(run.store), run.recipe, [], None)["README.md"].decode()
    assert "No benchmark was compared with." in text
    assert "problems of public benchmarks may be in it" in text
