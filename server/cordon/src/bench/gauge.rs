//! What a piece of work costs the process that does it.

use std::time::Instant;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

/// Wall time, processor time of all threads, and the most memory that was resident at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    /// None where the system does not let the peak be reset.
    pub(super) peak_rss_mb: Option<f64>,
}

/// Runs from its start to its stop. One at a time: both clocks are those of the whole process.
pub(super) struct Gauge {
    reset: bool,
    cpu: ProcessTime,
    wall: Instant,
}

impl Gauge {
    pub(super) fn start() -> Self {
        // 5 sets the high-water mark to what is resident now (man 5 proc).
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { reset, cpu: ProcessTime::now(), wall: Instant::now() }
    }

    pub(super) fn stop(&self) -> Cost {
        let (wall_s, cpu_s) = (self.wall.elapsed().as_secs_f64(), self.cpu.elapsed().as_secs_f64());
        Cost { wall_s, cpu_s, peak_rss_mb: peak_mb().filter(|_| self.reset) }
    }
}

fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
