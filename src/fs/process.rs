//! Processes of this machine, as the kernel lists them.
//!
//! Constraint kept: a process counts as gone only where that is certain: the same run of the kernel, the same space of
//! process numbers, and no process of that number that began at that time. Where the kernel has no such list (it is
//! Linux's), nothing is certain.

use std::fs;
use std::path::Path;

use crate::domain::lock::ProcessId;
use crate::ports::Processes;

/// Where the 22nd field of `/proc/<pid>/stat` is behind the name: `starttime` (proc(5)).
const STARTED: usize = 19;

/// The processes of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn me(&self) -> Option<ProcessId> {
        let pid = std::process::id();
        Some(ProcessId { boot: boot()?, space: space()?, pid, started: started(pid)? })
    }

    fn is_gone(&self, process: &ProcessId) -> bool {
        let comparable = boot().is_some_and(|boot| boot == process.boot) && space() == Some(process.space.clone());
        // Without this look at ourselves, a list that cannot be read would make everybody gone.
        comparable && started(std::process::id()).is_some() && started(process.pid) != Some(process.started)
    }
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn space() -> Option<String> {
    Some(fs::read_link("/proc/self/ns/pid").ok()?.display().to_string())
}

/// When a process began; none where there is none, or where it has ended and waits for its parent to notice.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The name stands in brackets and may hold anything, brackets too.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let dead = matches!(fields.first(), Some(&"Z" | &"X"));
    if dead { None } else { fields.get(STARTED)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_a_dead_one_is_gone() {
        let Some(me) = SystemProcesses.me() else { return };
        assert!(!SystemProcesses.is_gone(&me));
        assert!(SystemProcesses.is_gone(&ProcessId { started: me.started + 1, ..me.clone() }));
        assert!(!SystemProcesses.is_gone(&ProcessId { boot: "another".to_owned(), started: 1, ..me.clone() }));
        assert!(!SystemProcesses.is_gone(&ProcessId { space: "another".to_owned(), started: 1, ..me }));
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let pid = child.id();
        let space = space().expect("Linux");
        let dead = ProcessId { boot: boot().expect("Linux"), space, pid, started: started(pid).unwrap_or(1) };
        child.wait().expect("it ends");
        assert!(SystemProcesses.is_gone(&dead));
    }
}
