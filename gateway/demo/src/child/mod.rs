//! Child processes of the demo: the broker and the box, which can really be killed.
//!
//! A child must not outlive the demo, whatever happens to the demo. Three things see to it: the
//! demo ends and waits for its children when it stops in order; tokio kills them when their handle
//! is dropped; and each child asks the kernel for a SIGKILL when its parent dies
//! ([`die_with_parent`]), which holds even when the demo itself was killed with SIGKILL.
//!
//! Children get a process group of their own, so that Ctrl-C in a terminal reaches the demo only,
//! which then stops them in the right order.

pub(crate) mod broker;
pub(crate) mod gatebox;

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::process::{Child, Command};

/// How long a child may take to stop in order before it is killed. The box syncs its journal and
/// says goodbye to the broker in well under a second; five are for a laptop under load.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// To be called first by every child: from here on it dies with the demo.
///
/// # Errors
/// When the kernel refuses, or when the parent is gone already.
pub(crate) fn die_with_parent(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died between the fork and the line above; then nobody would ever signal.
    let now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == parent {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the demo (process {parent}) that started this part is gone; start `gatehouse-demo` instead"
        )))
    }
}

/// Starts this same binary again as one of its hidden parts.
///
/// # Errors
/// When the program's own file cannot be found or run, e.g. because it was rebuilt meanwhile.
pub(crate) fn start(arguments: &[OsString], stdout: Stdio, stderr: Stdio) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .arg("--parent")
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The power cut: SIGKILL, and the process is gone when this returns.
///
/// # Errors
/// When the process cannot be waited for.
pub(crate) async fn cut(child: &mut Child) -> io::Result<()> {
    child.start_kill()?;
    child.wait().await.map(drop)
}

/// Asks a child to stop in order, and kills it when it does not within [`STOP_GRACE`].
///
/// # Errors
/// When the process cannot be waited for.
pub(crate) async fn stop(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        // The child has not been waited for, so its number cannot belong to another process yet;
        // that it has ended already is no error.
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(STOP_GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}
