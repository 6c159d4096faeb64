//! How much memory a process takes at most that serves within its limits, and how much it is allowed.
//!
//! ```text
//! base + places × what each takes + connections × their heads + bodies of requests + large answers
//! ```

use std::path::{Path, PathBuf};

use crate::limits::Limits;
use crate::operator::{Finding, Level, Origin};

/// What a process takes at most, in bytes, by what it takes it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    base: u64,
    places: u64,
    heads: u64,
    bodies: u64,
    large_answers: u64,
}

impl Need {
    /// That of a host within `limits` whose engine has so many instances.
    pub(crate) fn of(limits: &Limits, instances: u32) -> Self {
        let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let heads = bytes(limits.connections).saturating_mul(bytes(limits.request_head_bytes));
        Self {
            base: BASE_BYTES,
            places: u64::from(instances) * PLACE_BYTES,
            heads: heads.saturating_mul(HEAD_BUFFERS),
            bodies: bytes(limits.request_bodies_bytes),
            large_answers: bytes(limits.large_answers_bytes),
        }
    }

    /// All of it.
    pub(crate) fn bytes(self) -> u64 {
        let Self { base, places, heads, bodies, large_answers } = self;
        [places, heads, bodies, large_answers].into_iter().fold(base, u64::saturating_add)
    }

    /// What is wrong when the process is allowed less; `None` where it is not, or where the system does not tell.
    pub(crate) fn finding(self) -> Option<Finding> {
        self.finding_where(allowed())
    }

    fn finding_where(self, allowed: Option<u64>) -> Option<Finding> {
        let (needed, allowed) = (self.bytes().div_ceil(MEBIBYTE), allowed? / MEBIBYTE);
        (allowed < needed).then(|| Finding {
            level: Level::Warn,
            origin: Origin::Settings,
            setting: "[limits]".into(),
            text: format!("the bounds allow {needed} MiB of memory, and the process may take {allowed} MiB"),
            advice: "raise MemoryMax or the container's limit, or lower the bounds: docs/operate.md, Memory".into(),
        })
    }
}

/// The memory that the process may take, in bytes, as its control groups say; `None` where nothing says so.
fn allowed() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    lowest(&groups, |file| std::fs::read_to_string(file).ok())
}

/// The lowest limit of the groups that `/proc/self/cgroup` names, and of those that these are in.
fn lowest(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            v1 if v1.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        Some((PathBuf::from(root), Path::new(root).join(group), file))
    });
    let limits = files.flat_map(|(root, group, file)| {
        let within = group.ancestors().take_while(|folder| folder.starts_with(&root)).map(|folder| folder.join(file));
        within.filter_map(|file| read(&file)?.trim().parse().ok()).collect::<Vec<u64>>()
    });
    limits.min().filter(|limit| *limit < NO_LIMIT)
}

const MEBIBYTE: u64 = 1 << 20;
/// The program, the component's machine code, and what allocators keep: 40 to 60 MiB were seen after a few requests.
const BASE_BYTES: u64 = 64 << 20;
/// An instance with a small answer of 64 KiB, the host's part of its call, and what a slot keeps: 0.8 MiB were seen. One
/// that waits for an upstream counts as much: it may have answered others before, and all that wait may have their answers
/// at once.
const PLACE_BYTES: u64 = 1280 << 10;
/// hyper takes twice the largest head before it refuses it.
const HEAD_BUFFERS: u64 = 2;
/// What version 1 of control groups says where there is no limit is near the largest number.
const NO_LIMIT: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component;

    fn need(limits: &Limits) -> Need {
        Need::of(limits, component::most_instances(limits))
    }

    /// `MemoryMax` of the unit that we ship, in mebibytes.
    fn shipped() -> u64 {
        let unit = include_str!("../deploy/plausible-mcp.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).expect("the unit bounds memory");
        line.strip_suffix('M').expect("in mebibytes").parse().expect("a number")
    }

    #[test]
    fn the_unit_that_we_ship_allows_what_the_default_limits_need() {
        let needed = need(&Limits::default()).bytes().div_ceil(MEBIBYTE);
        assert!(needed <= shipped(), "{needed} MiB of {}", shipped());
        assert!(needed * 5 / 4 > shipped(), "{needed} MiB of {}: it could be lower", shipped());
    }

    #[test]
    fn the_guide_says_what_the_default_limits_need() {
        let guide = include_str!("../../docs/operate.md");
        let Need { base, places, heads, bodies, large_answers } = need(&Limits::default());
        let parts = [base, places, heads, bodies, large_answers].map(|bytes| format!("{} MiB", bytes / MEBIBYTE));
        let rows: Vec<_> = guide.lines().filter(|line| line.starts_with("| ") && line.ends_with(" MiB |")).collect();
        let total = format!("{} MiB", need(&Limits::default()).bytes() / MEBIBYTE);
        for part in parts.iter().chain([&total]) {
            assert!(rows.iter().any(|row| row.ends_with(&format!("| {part} |"))), "{part} is not among {rows:#?}");
        }
    }

    #[test]
    fn the_alert_and_the_dashboard_know_what_the_unit_allows() {
        let allowed = shipped();
        for (file, said) in [
            (include_str!("../deploy/alerts.yml"), format!("> 0.85 * {allowed} * 1024 * 1024")),
            (include_str!("../deploy/alerts.yml"), format!("of the {allowed} MiB of MemoryMax")),
            (include_str!("../deploy/alerts-test.yml"), format!("of the {allowed} MiB of MemoryMax")),
            (include_str!("../deploy/grafana.json"), format!("The unit that is shipped allows {allowed} MiB.")),
            (include_str!("../../docs/operate.md"), format!("The unit that we ship allows {allowed} MiB")),
        ] {
            assert!(file.contains(&said), "{said}");
        }
    }

    #[test]
    fn a_small_container_has_room_for_what_the_guide_gives_it() {
        let guide = include_str!("../../docs/operate.md");
        let (_, after) = guide.split_once("A container of 256 MiB").expect("the guide has one");
        let example =
            after.split("```").nth(1).and_then(|block| block.split_once("[limits]\n")).expect("with bounds").1;
        let rows = example.lines().map(|line| line.split_once(" = ").expect("a key and a value"));
        let limits = Limits::default().with(rows.map(|(key, value)| (key, value.trim_matches('"').to_owned())));
        let needed = need(&limits.expect("they are such")).bytes();
        assert!(needed <= 256 * MEBIBYTE, "{} MiB", needed.div_ceil(MEBIBYTE));
    }

    #[test]
    fn every_bound_that_takes_memory_counts() {
        let default = Limits::default();
        let more = |limits: Limits| need(&limits).bytes() - need(&default).bytes();
        let mib = |mebibytes: u64| mebibytes * MEBIBYTE;
        assert_eq!(more(Limits { concurrent_requests: default.concurrent_requests + 4, ..default }), mib(5));
        assert_eq!(more(Limits { finishing_requests: default.finishing_requests + 4, ..default }), mib(5));
        // Two wait for each request to Plausible or a provider, four for each document.
        assert_eq!(more(Limits { plausible_calls: default.plausible_calls + 2, ..default }), mib(5));
        assert_eq!(more(Limits { provider_calls: default.provider_calls + 2, ..default }), mib(5));
        assert_eq!(more(Limits { document_calls: default.document_calls + 1, ..default }), mib(5));
        assert_eq!(more(Limits { telemetry_calls: default.telemetry_calls + 4, ..default }), mib(5));
        assert_eq!(more(Limits { connections: default.connections + 16, ..default }), mib(1));
        assert_eq!(more(Limits { request_bodies_bytes: default.request_bodies_bytes + (1 << 20), ..default }), mib(1));
        assert_eq!(more(Limits { large_answers_bytes: default.large_answers_bytes + (1 << 20), ..default }), mib(1));
        assert!(need(&Limits { connections: usize::MAX, ..default }).bytes() > 1 << 50, "nothing overflows");
    }

    #[test]
    fn who_is_allowed_less_is_told() {
        let need = need(&Limits::default());
        assert!(need.finding_where(None).is_none());
        assert!(need.finding_where(Some(need.bytes() + MEBIBYTE)).is_none());
        let finding = need.finding_where(Some(100 << 20)).expect("it is too little");
        assert!(finding.level == Level::Warn && finding.text.ends_with("may take 100 MiB"), "{}", finding.text);
    }

    #[test]
    fn the_lowest_limit_of_all_groups_above_counts() {
        let v2 = "0::/system.slice/plausible-mcp.service\n";
        let v1 = "12:cpu,cpuacct:/a\n7:memory:/docker/abc\n";
        let limits = |file: &Path| match file.to_str()? {
            "/sys/fs/cgroup/system.slice/plausible-mcp.service/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/system.slice/memory.max" => Some("1073741824\n".to_owned()),
            "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes" => Some("536870912\n".to_owned()),
            "/sys/fs/cgroup/memory/memory.limit_in_bytes" => Some("9223372036854771712\n".to_owned()),
            _ => None,
        };
        assert_eq!(lowest(v2, limits), Some(1 << 30));
        assert_eq!(lowest(v1, limits), Some(512 << 20));
        assert_eq!(lowest("0::/\n", limits), None);
        assert_eq!(lowest("7:memory:/\n", limits), None, "no limit is none");
        assert_eq!(lowest("nonsense", limits), None);
    }
}
