"""`hexdet detect --serve` in a real browser: headless Chromium, driven as a viewer would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hexdet.datasets.scenes import Scenes
from hexdet.runtime.backend import Closing

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE_S = 120.0
FRAMES = 1500
BOX_BGR = (244, 133, 66)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: apt install chromium"
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a minute of a camera that swings over a crowded scene."""
    scene = Scenes(split="test", count=200, seed=0)[5].image
    height, width = scene.shape[0] * 4 // 5, scene.shape[1] * 4 // 5
    path = tmp_path_factory.mktemp("video") / "crowd.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (width, height))
    assert writer.isOpened()
    for t in np.arange(FRAMES) / 25:
        x = round((scene.shape[1] - width) * (0.5 + 0.5 * np.sin(t)))
        y = round((scene.shape[0] - height) * (0.5 + 0.5 * np.cos(0.7 * t)))
        writer.write(np.ascontiguousarray(scene[y : y + height, x : x + width]))
    writer.release()
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without the sandbox it also starts for root, in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """Return a tab that fails the test for any error of the page's script."""
    errors: list[Any] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.set_default_timeout(1000 * PATIENCE_S)
    tab.on("pageerror", lambda error: errors.append(error))
    yield tab
    tab.close()
    assert errors == []


class Served(Closing):
    """`hexdet detect BUNDLE VIDEO --serve ADDRESS`, running, its output kept."""

    def __init__(self, folder: Path, bundle: Path, video: Path, address: str, *more: str) -> None:
        command = [str(Path(sys.executable).with_name("hexdet")), "detect"]
        self._process = subprocess.Popen(
            [*command, str(bundle), str(video), "--serve", address, *more],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "120"},
        )
        self._lines: list[str] = []
        self._url = ""
        self._known = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if not self._url and (found := re.search(r"http://[\w.]+:\d+/", line)):
                self._url = found.group()
                self._known.set()
        self._known.set()

    @property
    def url(self) -> str:
        """Wait for the address that it prints."""
        assert self._known.wait(PATIENCE_S)
        assert self._url, self.output
        return self._url

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def close(self) -> None:
        """End it, however the test went."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def picture(tab: Page) -> np.ndarray[Any, Any]:
    """Return what the picture's place on the page shows, as BGR."""
    data = np.frombuffer(tab.locator("#picture").screenshot(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    return image


def wait_for_state(tab: Page, state: str) -> None:
    tab.wait_for_selector(f'body[data-state="{state}"]')


def number(tab: Page, name: str) -> float:
    return float(tab.inner_text(f"#{name}").removesuffix(" ms"))


def wait_until(tab: Page, condition: Callable[[], bool]) -> None:
    """Wait here: the page's security policy lets no text be evaluated as a condition in there."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, tab.inner_text("body")
        tab.wait_for_timeout(50)


def wait_for_detections(tab: Page, condition: Callable[[float], bool]) -> None:
    wait_until(tab, lambda: condition(number(tab, "detections")))


def test_a_viewer_sees_the_stream_moves_the_slider_and_hears_of_the_end(
    heads: Path, video: Path, tab: Page, tmp_path: Path
) -> None:
    with Served(tmp_path, heads, video, "127.0.0.1:0") as served:
        tab.goto(served.url, wait_until="domcontentloaded")
        wait_for_state(tab, "live")
        wait_until(tab, lambda: tab.locator("#picture").evaluate("p => p.naturalWidth") > 100)

        first = picture(tab)
        assert first.std() > 20
        boxes = np.abs(first.astype(int) - BOX_BGR).max(axis=2) < 40
        assert boxes.sum() > 100
        frame = number(tab, "frame")
        wait_until(tab, lambda: number(tab, "frame") > frame + 20)
        assert np.abs(picture(tab).astype(int) - first).mean() > 1

        assert number(tab, "fps") > 0.5
        assert number(tab, "net_ms") > 0.5
        assert number(tab, "dropped") >= 0
        times = [number(tab, f"{stage}_ms") for stage in ("capture", "pre", "net", "post")]
        assert all(time >= 0 for time in times)

        slider = tab.get_by_role("slider", name="Score threshold")
        wait_for_detections(tab, lambda n: n > 3)
        slider.fill("0.97")
        wait_for_detections(tab, lambda n: n == 0)
        assert tab.inner_text("#threshold-value") == "0.97"
        bare = picture(tab)
        assert (np.abs(bare.astype(int) - BOX_BGR).max(axis=2) < 40).sum() < boxes.sum()
        slider.focus()
        tab.keyboard.press("Home")
        wait_for_detections(tab, lambda n: n > 20)
        assert tab.inner_text("#threshold-value") == "0.01"
        assert tab.inner_text("#refusal") == ""

        code = served.stop(signal.SIGINT)
        wait_for_state(tab, "ended")
        assert tab.inner_text("#headline") == "Stream ended"
        assert tab.locator("#veil").is_visible()
        assert slider.is_disabled()
        assert code == 130, served.output
        assert "Traceback" not in served.output


def test_a_lost_connection_is_shown_and_taken_up_again(
    heads: Path, video: Path, tab: Page, tmp_path: Path
) -> None:
    with Served(tmp_path, heads, video, "127.0.0.1:0", "--track") as served:
        url = served.url
        tab.goto(url, wait_until="domcontentloaded")
        wait_for_state(tab, "live")
        served.stop(signal.SIGKILL)
        wait_for_state(tab, "lost")
        assert tab.inner_text("#headline") == "Connection lost"
    address = url.removeprefix("http://").rstrip("/")
    with Served(tmp_path, heads, video, address, "--track") as served:
        wait_for_state(tab, "live")
        wait_for_detections(tab, lambda n: n > 3)
        assert picture(tab).std() > 20
        served.stop(signal.SIGINT)
        wait_for_state(tab, "ended")
