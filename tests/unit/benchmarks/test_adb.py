"""Devices behind adb, without any: what they print, what goes onto them, how runs go on."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.benchmarks.adb.campaign import Sample, Step, open_campaign
from hexdet.benchmarks.adb.client import Connection, Done, find_adb
from hexdet.benchmarks.adb.commands import run_script
from hexdet.benchmarks.adb.health import Health, Limits, parse_health, throttled
from hexdet.benchmarks.adb.identity import identify
from hexdet.benchmarks.adb.session import alone
from hexdet.benchmarks.adb.shipping import check_device_folder
from hexdet.errors import DeviceError, NotRunError

COOL = Health(
    skin_c=31.0, battery_c=30.0, battery_percent=80, status=0, hottest="cpu", hottest_c=70.0,
    clock_mhz=2800.0, cap=1.0,
)  # fmt: skip
NOTHING = Health(
    skin_c=None, battery_c=None, battery_percent=None, status=None, hottest="", hottest_c=None,
    clock_mhz=None, cap=None,
)  # fmt: skip
PHONE = """/sys/class/thermal/thermal_zone0/type:cpu-0-0
/sys/class/thermal/thermal_zone1/type:modem
/sys/class/thermal/thermal_zone2/type:old style
/sys/class/thermal/thermal_zone0/temp:45100
/sys/class/thermal/thermal_zone1/temp:-40000
/sys/class/thermal/thermal_zone2/temp:33
/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq:300000
/sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq:1500000
/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq:2016000
/sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq:1600000
/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq:2016000
/sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq:3200000
battery
Current Battery Service state:
  USB powered: true
  level: 85
  temperature: 302
thermal
IsStatusOverride: false
Thermal Status: 2
Cached temperatures:
	Temperature{mValue=99.0, mType=3, mName=skin, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
	Temperature{mValue=36.5, mType=3, mName=LRB, mStatus=0}
	Temperature{mValue=0.0, mType=3, mName=LRF, mStatus=0}
	Temperature{mValue=71.0, mType=0, mName=CPU0, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=battery}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOTHING),
        ("\nbattery\n\nthermal\n", NOTHING),
        ("sh: grep: inaccessible\nbattery\nCan't find service: battery\nthermal\n", NOTHING),
        (
            PHONE,
            Health(
                skin_c=36.5, battery_c=30.2, battery_percent=85, status=2, hottest="cpu-0-0",
                hottest_c=45.1, clock_mhz=1500.0, cap=0.5,
            ),
        ),
    ],
)  # fmt: skip
def test_health_is_read(text: str, expected: Health) -> None:
    assert parse_health(text) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"status": 1}, "thermal status light"),
        ({"cap": 0.8}, "a core's clock was capped at 80%"),
        ({"skin_c": 46.0}, "skin at 46.0 C, over 45 C"),
        ({"skin_c": None, "battery_c": None, "hottest_c": 90.0}, ""),
    ],
)
def test_a_run_is_void_where_the_device_was_hot(
    changes: dict[str, float | None], reason: str
) -> None:
    """A quick look sees a core at 90 C alone: that is no skin at 90 C, and voids nothing."""
    later = Health(**{**COOL.__dict__, **changes})
    assert throttled([COOL, later, COOL], Limits()) == reason
    assert throttled([NOTHING], Limits()) == ""


class _Device(Connection):
    """A connection whose device has said everything already."""

    def __init__(self, told: str) -> None:
        self.serial = "S"
        self._told = told

    def shell(self, script: str, limit_s: float = 1.0) -> Done:
        return Done(code=0, out=self._told, err="")


def _identity(properties: str, machine: str = "", uname: str = "Linux aarch64") -> str:
    memory = "hexdet-memory\nMemTotal:        8000000 kB\n"
    return f"{properties}hexdet-soc\n{machine}hexdet-uname\n{uname}\n{memory}"


@pytest.mark.parametrize(
    ("told", "chip", "arch", "system"),
    [
        (_identity("[ro.soc.model]: [SM8550]\n"), "SM8550", 73, "android"),
        (_identity("[ro.board.platform]: [kalama]\n"), "SM8550", 73, "android"),
        (_identity("[ro.board.platform]: [kona]\n"), "SM8250", 66, "android"),
        (_identity("[ro.soc.model]: [SM8650]\n[a]: [[b]: [c]]\n"), "SM8650", 75, "android"),
        (_identity("", "QCS6490\n"), "QCS6490", 68, "linux"),
    ],
)
def test_a_device_is_identified(told: str, chip: str, arch: int, system: str) -> None:
    found = identify(_Device(told))
    assert (found.chip, found.arch, found.system) == (chip, arch, system)
    assert found.memory_mib == 7812 and not found.stand_in
    assert found.guessed == ("platform" in told)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("", "of an unknown kind"),
        (_identity(""), r"\(it names none\)"),
        (_identity("[ro.soc.model]: [MT6989]\n"), "the chip MT6989.*--target"),
        (_identity("[ro.soc.model]: [SM4450]\n"), "no DSP that runs networks"),
        (_identity("[ro.soc.model]: [SM8550]\n", uname="Linux armv7l"), "64-bit ARM"),
    ],
)
def test_a_device_that_cannot_run_is_refused(told: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        identify(_Device(told))
    if "MT6989" in told:
        assert identify(_Device(told), "SM8350").arch == 68


@pytest.mark.parametrize(
    "folder", ["", "/", "/data", "data/x", "/data/a:b", "/data/a;b", "/data/../x", "/data/a\nb"]
)
def test_a_folder_that_cannot_work_is_refused(folder: str) -> None:
    with pytest.raises(DeviceError, match="device-dir"):
        check_device_folder(folder)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_words_survive_the_script(words: list[str]) -> None:
    """Whatever stands in a word or a path, the shell takes it as it is."""
    script = run_script(words, "/r", "/w", "android", peak=False)
    line = script[script.index("exec ") + len("exec ") : script.index(" ) >log.txt")]
    assert shlex.split(line) == words


def test_the_script_runs_in_a_plain_shell(tmp_path: Path) -> None:
    work = tmp_path / "it's a run"
    work.mkdir()
    words = ["sh", "-c", 'echo "$ADSP_LIBRARY_PATH"; exit 3']
    script = run_script(words, str(tmp_path / "a root"), str(work), "android", peak=True)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert f"{tmp_path}/a root/dsp/lib;/system/lib/rfsa/adsp" in done.stdout
    assert not (work / "pid").exists()


def test_what_hangs_is_ended_by_the_next_call(tmp_path: Path) -> None:
    from hexdet.benchmarks.adb.commands import stop_script

    script = run_script(["sleep", "60"], str(tmp_path), str(tmp_path), "linux", peak=False)
    shell = subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL)
    while not (tmp_path / "pid").exists():
        pass
    subprocess.run(["sh", "-c", stop_script(str(tmp_path))], check=False, timeout=30)
    assert shell.wait(10) == 137
    # A number that belongs to another process by now is left alone.
    other = subprocess.Popen(["sleep", "60"], cwd="/")
    (tmp_path / "pid").write_text(f"{other.pid}\n", encoding="utf-8")
    subprocess.run(["sh", "-c", stop_script(str(tmp_path))], check=False, timeout=30)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_campaign_goes_on_only_with_the_same_settings(tmp_path: Path) -> None:
    step = Step(runtime="dsp", profile="burst", kind="latency", index=1)
    first = open_campaign(tmp_path, {"samples": 3}, {}, fresh=False)
    first.add(Sample(step=step, status="ok", inference_ms=1.5))
    first.add(Sample(step=step, status="void", reason="hot"))
    again = open_campaign(tmp_path, {"samples": 3}, {}, fresh=False)
    assert again.resumed and again.samples == first.samples and again.done(step)
    assert not open_campaign(tmp_path, {"samples": 4}, {}, fresh=False).resumed
    assert not open_campaign(tmp_path, {"samples": 4}, {}, fresh=True).resumed
    last = open_campaign(tmp_path, {"samples": 4}, {}, fresh=False)
    assert last.resumed
    last.finish()
    assert not open_campaign(tmp_path, {"samples": 4}, {}, fresh=False).resumed


def test_a_device_is_measured_by_one_call_at_a_time() -> None:
    with alone("some:1"):
        with pytest.raises(DeviceError, match="measured by another call"), alone("some:1"):
            pass
        with alone("other:1"):
            pass
    with alone("some:1"):
        pass


def test_adb_is_found_or_named(tmp_path: Path) -> None:
    with pytest.raises(NotRunError, match="is no adb program"):
        find_adb(tmp_path / "adb", {})
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    assert find_adb(program, {}) == program
    assert find_adb(None, {"PATH": str(tmp_path)}) == program
    assert find_adb(None, {"HEXDET_ADB": str(program), "PATH": ""}) == program
