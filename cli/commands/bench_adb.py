"""The options of `bench adb`. Heavy imports happen inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import RESULTS, AsJson, BundleFolder, ResultsFile


def bench_adb(
    bundle: BundleFolder,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="Serial or HOST:PORT of adb; else all that it sees."),
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option("--runtime", help="dsp, gpu, cpu; else dsp.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", help="Of performance; else burst.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Timed runs of each row.")] = 10,
    inferences: Annotated[int, typer.Option(min=1, help="Of each run.")] = 50,
    throughput: Annotated[int, typer.Option(min=0, help="Seconds of throughput, 0: none.")] = 5,
    images: Annotated[int, typer.Option(min=1, help="Test images whose outputs are held.")] = 8,
    cool_below: Annotated[float, typer.Option(help="Celsius that each run waits for.")] = 38.0,
    void_above: Annotated[float, typer.Option(help="Celsius above which a run is void.")] = 45.0,
    cool_wait: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 900.0,
    retries: Annotated[int, typer.Option(min=0, help="Further runs for a void one.")] = 2,
    run_limit: Annotated[float, typer.Option(min=1, help="Seconds until a run is ended.")] = 300.0,
    reconnect: Annotated[float, typer.Option(min=0, help="Seconds to wait for a lost one.")] = 60.0,
    device_dir: Annotated[
        str, typer.Option(help="Folder on the device.")
    ] = "/data/local/tmp/hexdet",
    target: Annotated[
        str | None, typer.Option(help="Chip that devices are taken for, if they name none.")
    ] = None,
    qnn: Annotated[
        bool, typer.Option("--qnn", help="qnn-net-run instead of snpe-net-run.")
    ] = False,
    context: Annotated[
        bool, typer.Option("--context", help="The chip's context binary, by qnn-net-run.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, go on with nothing.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Leave nothing on the device, not the libraries.")
    ] = False,
    sdk: Annotated[
        Path | None, typer.Option(help="Root of the SDK; else QAIRT_SDK_ROOT, SNPE_ROOT.")
    ] = None,
    adb: Annotated[
        Path | None, typer.Option(help="The adb program; else HEXDET_ADB, PATH.")
    ] = None,
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Run a bundle on phones and boards behind adb: latency, memory, heat, and outputs.

    Several devices run at once. An interrupted campaign goes on where it stopped: run it again.
    Runs during which a device was hot or throttled are void, shown so and made again. Exit code 1
    where something has no figure, 3 where outputs are not the network's.
    """
    from ...benchmarks.adb.health import Limits
    from ...benchmarks.adb.running import Pace
    from ...benchmarks.adb.session import Wanted
    from ..verbs.bench_adb import bench_adb as run

    wanted = Wanted(
        runtimes=tuple(dict.fromkeys(runtime or ["dsp"])),  # type: ignore[arg-type]
        profiles=tuple(dict.fromkeys(profile or ["burst"])),
        samples=samples,
        retries=retries,
        pace=Pace(inferences=inferences, throughput_s=throughput, run_limit_s=run_limit),
        limits=Limits(cool_below_c=cool_below, void_above_c=void_above, wait_s=cool_wait),
        reconnect_s=reconnect,
        device_dir=device_dir,
        family="qnn" if qnn or context else None,
        context=context,
        fresh=fresh,
        clean=clean,
        chip=target,
    )
    run(
        bundle,
        wanted,
        serials=device or [],
        images=images,
        sdk_root=sdk,
        adb_program=adb,
        memory=results,
        as_json=as_json,
    )
