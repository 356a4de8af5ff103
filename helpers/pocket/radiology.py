"""The pocket clinic's second modality: radiological images, drawn from the facts that they show.

Drawings, no scans: an organ in a modality (a chest on X-ray, an abdomen on CT, a head on CT or MRI)
with one finding or none, on one side, small or large. As radiologists look at it, the patient's
right is at the left of the image. They teach nothing about real scans.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from helpers.files import read_text

PATH = Path(__file__).with_name("radiology.yaml")
# Raised by hand when an image would look different.
VERSION = 1
SIZE = 96  # pixels
NOISE = 5.0  # standard deviation in shades of 255


@dataclass(frozen=True)
class Scan:
    """What an image shows; `finding` is "" where there is none, and side and size with it."""

    organ: str
    modality: str
    finding: str = ""
    side: str = ""
    size: str = ""


@lru_cache
def words() -> dict[str, Any]:
    """Read what there is to see, and the sentences that say it."""
    found: dict[str, Any] = yaml.safe_load(read_text(PATH))
    return found


def plan_scan(rng: random.Random) -> Scan:
    """Draw the facts of an image."""
    organ = rng.choice(list(words()["organs"]))
    about = words()["organs"][organ]
    modality, finding = rng.choice(about["modalities"]), rng.choice(about["findings"])
    if not finding:
        return Scan(organ, modality)
    return Scan(
        organ, modality, finding, rng.choice(("left", "right")), rng.choice(words()["sizes"])
    )


def draw(scan: Scan, *, seed: int) -> Image.Image:
    """Draw one square image of `SIZE` pixels: the same arguments give the same pixels."""
    rng = np.random.default_rng(seed)
    page = _Page(rng)
    BODIES[scan.organ](page, scan.modality)
    if scan.finding:
        _draw_finding(page, scan)
    shades = page.shades + rng.normal(0, NOISE, page.shades.shape)
    grey = np.clip(shades, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


class _Page:
    """An image in the making: shades, and a patient who lies a little differently each time."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.shades = np.full((SIZE, SIZE), 8.0)
        shift, turn = rng.uniform(-0.05, 0.05, 2), rng.uniform(-0.08, 0.08)
        y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE / 2) - 1
        x, y = x - shift[0], y - shift[1]
        # Places run from -1 to 1; the patient's right is at negative x.
        self.x = x * np.cos(turn) - y * np.sin(turn)
        self.y = x * np.sin(turn) + y * np.cos(turn)
        self.stature = rng.uniform(0.92, 1.06)

    def oval(
        self, x: float, y: float, width: float, height: float, soft: float = 0.12
    ) -> np.ndarray:
        """Return the share of an oval in each pixel; lengths are half axes."""
        scale = self.stature
        far = np.hypot(
            (self.x - x * scale) / (width * scale), (self.y - y * scale) / (height * scale)
        )
        return np.clip((1 - far) / soft + 0.5, 0, 1)

    def paint(self, share: np.ndarray, shade: float) -> None:
        """Mix a shade in, by a share from 0 to 1 in each pixel."""
        self.shades += share * (shade - self.shades)


def _chest(page: _Page, modality: str) -> None:
    page.paint(page.oval(0, 0.1, 0.95, 1.05), 120)
    for side in (-1, 1):
        page.paint(page.oval(side * 0.42, -0.05, 0.34, 0.62), 38)
    page.paint(page.oval(0, -0.05, 0.1, 0.95), 165)
    page.paint(page.oval(0.14, 0.3, 0.26, 0.28), 150)
    for rib in range(6):
        arc = np.abs(page.y - (-0.65 + 0.23 * rib) - 0.12 * np.abs(page.x)) < 0.025
        inside = page.oval(0, 0.05, 0.85, 0.85) > 0.5
        page.paint(0.35 * (arc & inside), 170)
    page.paint(page.oval(0.0, 0.95, 0.9, 0.3), 150)


def _abdomen(page: _Page, modality: str) -> None:
    page.paint(page.oval(0, 0, 0.92, 0.72), 70)
    page.paint(page.oval(0, 0, 0.84, 0.64), 105)
    page.paint(page.oval(-0.36, -0.12, 0.4, 0.36), 138)
    page.paint(page.oval(0.5, -0.1, 0.2, 0.22), 130)
    for side in (-1, 1):
        page.paint(page.oval(side * 0.36, 0.3, 0.13, 0.16), 150)
    page.paint(page.oval(0, 0.4, 0.14, 0.14), 235)
    page.paint(page.oval(0.05, 0.18, 0.07, 0.07), 170)


def _head(page: _Page, modality: str) -> None:
    bone, brain, fluid = (240, 100, 40) if modality == "CT" else (30, 125, 60)
    page.paint(page.oval(0, 0, 0.76, 0.92), 90)
    page.paint(page.oval(0, 0, 0.72, 0.88), bone)
    page.paint(page.oval(0, 0, 0.62, 0.78), brain)
    page.paint(page.oval(0, 0, 0.02, 0.7), fluid)
    for side in (-1, 1):
        page.paint(page.oval(side * 0.12, -0.05, 0.08, 0.26), fluid)


BODIES: dict[str, Callable[[_Page, str], None]] = {
    "chest": _chest,
    "abdomen": _abdomen,
    "head": _head,
}


def _draw_finding(page: _Page, scan: Scan) -> None:
    """Draw a finding on the patient's side: right is at the left of the image."""
    about = words()["findings"][scan.finding]
    x, y, width, height = about["place"]
    side = -1 if scan.side == "right" else 1
    growth = 1.0 if scan.size == "large" else 0.55
    x += page.rng.uniform(-0.05, 0.05)
    y += page.rng.uniform(-0.05, 0.05)
    page.paint(
        page.oval(side * x, y, width * growth, height * growth, about["soft"]), about["shade"]
    )
    if core := about.get("core"):
        page.paint(page.oval(side * x, y, 0.55 * width * growth, 0.55 * height * growth), core)
