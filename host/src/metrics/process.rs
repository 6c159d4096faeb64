//! The process as its system sees it, under the names that Prometheus' own clients use. Read from `/proc` at each scrape;
//! on other systems there is nothing.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Reads the process's figures.
#[derive(Debug)]
pub(super) struct Process;

pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

impl Collector for Process {
    /// What the system does not tell is left out.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let of_process = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| Figures::read(&stat));
        if let Some(figures) = &of_process {
            let cpu = ConstCounter::new(seconds(figures.cpu_ticks));
            write(&mut encoder, "process_cpu_seconds", "Time on the processor, user and system", &cpu)?;
            if let Some(boot) = fs::read_to_string("/proc/stat").ok().and_then(|stat| boot_time(&stat)) {
                let start = ConstGauge::new(boot + seconds(figures.start_ticks));
                write(&mut encoder, "process_start_time_seconds", "When the process began, since 1970", &start)?;
            }
        }
        let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (name, help, field) in MEMORY {
            if let Some(kilobytes) = number_of(&memory, field) {
                write(&mut encoder, name, help, &ConstGauge::new(kilobytes.saturating_mul(1024)))?;
            }
        }
        // One of them is that of the folder which is read.
        if let Some(open) = fs::read_dir("/proc/self/fd").ok().and_then(|found| i64::try_from(found.count()).ok()) {
            write(&mut encoder, "process_open_fds", "File descriptors that are open", &ConstGauge::new(open - 1))?;
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        if let Some(most) = number_of(&limits, "Max open files") {
            write(&mut encoder, "process_max_fds", "File descriptors that may be open", &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

fn write(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, metric: &impl EncodeMetric) -> Result<(), Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// Of `/proc/self/stat` (proc_pid_stat(5)), in ticks of the clock.
struct Figures {
    cpu_ticks: u64,
    start_ticks: u64,
}

impl Figures {
    /// The program's name stands in brackets and may hold anything; what is counted comes after it.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number.checked_sub(FIRST_AFTER_NAME)?)?.parse::<u64>().ok();
        Some(Self { cpu_ticks: field(USER_TIME)?.saturating_add(field(SYSTEM_TIME)?), start_ticks: field(START_TIME)? })
    }
}

/// When the machine was started, in seconds since 1970.
fn boot_time(stat: &str) -> Option<f64> {
    number_of(stat, "btime").and_then(|seconds| u32::try_from(seconds).ok()).map(f64::from)
}

/// The first number behind `field` at the beginning of a line; `None` for `unlimited`.
fn number_of(text: &str, field: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.trim_start_matches(':').split_ascii_whitespace().next()?.parse().ok()
}

fn seconds(ticks: u64) -> f64 {
    // Exact to the tick for thirty million years.
    f64::from(u32::try_from(ticks / TICKS).unwrap_or(u32::MAX))
        + f64::from(u32::try_from(ticks % TICKS).unwrap_or(0)) / 100.0
}

const MEMORY: [(&str, &str, &str); 2] = [
    ("process_resident_memory_bytes", "Memory that is in use", "VmRSS"),
    ("process_virtual_memory_bytes", "Addresses that are in use", "VmSize"),
];

/// The numbers of the fields.
const FIRST_AFTER_NAME: usize = 3;
const USER_TIME: usize = 14;
const SYSTEM_TIME: usize = 15;
const START_TIME: usize = 22;
/// `USER_HZ`: 100 on every architecture that this program is built for.
const TICKS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_stand_behind_the_name_whatever_that_is() {
        let stat = "7 (a) b 9) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 12 0 12345 1 2";
        let figures = Figures::read(stat).unwrap();
        assert_eq!((figures.cpu_ticks, figures.start_ticks), (300, 12_345));
        assert!((seconds(12_345) - 123.45).abs() < 1e-9);
        assert!(Figures::read("7 (x) S 1").is_none() && Figures::read("").is_none());
    }

    #[test]
    fn numbers_are_read_by_the_beginning_of_their_line() {
        let status = "Name:\tVmRSS\nVmSize:\t  2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((number_of(status, "VmRSS"), number_of(status, "VmPeak")), (Some(1024), None));
        assert_eq!(
            number_of("Max open files            1024                 524288               files\n", "Max open files"),
            Some(1024)
        );
        assert_eq!(
            number_of("Max open files            unlimited            unlimited            files\n", "Max open files"),
            None
        );
        assert_eq!(boot_time("cpu 1 2\nbtime 1786000000\n"), Some(1_786_000_000.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_descriptors() {
        let text = crate::metrics::Metrics::new().encode();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name}\n{text}")).parse::<f64>().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_start_time_seconds") > 1.6e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
