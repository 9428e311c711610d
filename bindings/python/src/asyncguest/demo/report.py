"""The figures that are printed when the window has gone. Owns nothing."""

from __future__ import annotations

from time import monotonic

from .app import Demo
from .style import bytes_text


def report(demo: Demo) -> str:
    """One line for each thing that the demo shows."""
    downloads, stats, meter = demo.downloads, demo.guest.stats(), demo.meter
    states = [download.state for download in downloads]
    checked = sum(download.state == "complete" and download.digest is not None for download in downloads)
    duration, animation = stats.delivery_duration, demo.window.animation
    lines = [
        f"drive {demo.drive}, {demo.fetcher.name}, {monotonic() - meter.began:.1f} s",
        f"downloads: {states.count('complete')} complete ({checked} with the right SHA-256), "
        f"{states.count('cancelled')} cancelled, {states.count('failed')} failed; {bytes_text(demo.arrived)} arrived",
        f"animation: {animation.frames} frames, longest gap {animation.longest_gap * 1e3:.1f} ms",
        f"message box: stood {demo.dialog_seconds:.2f} s, {demo.dialog_bytes} bytes arrived meanwhile, "
        f"in {demo.dialog_deliveries} deliveries",
        f"late: asyncio timers p50 {ms(meter.guest_late(50))}, p99 {ms(meter.guest_late(99))}; "
        f"Tk timers p50 {ms(meter.host_late(50))}, p99 {ms(meter.host_late(99))}",
        f"deliveries: {stats.batches}, p50 {ms(duration.percentile(50))}, p99 {ms(duration.percentile(99))}; "
        f"{stats.events} events",
        f"finally blocks: {sum(download.ended for download in downloads)} of "
        f"{sum(download.begun for download in downloads)} ran",
    ]
    for download in downloads:
        if download.state == "failed":
            lines.append(f"failed: {download.url}: {download.error}")
    return "\n".join(lines)


def ms(seconds: float) -> str:
    """0.123 ms"""
    return f"{seconds * 1e3:.3f} ms"
