//! `gatehouse safe-outputs`: every output in its safe state, when the gateway cannot do so itself.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use gatehouse_core::site::SafeState;

use super::{ConfigArg, EX_NOPERM, load, output};
use crate::io::drive::{SetError, set_once};
use crate::unit::switched;

/// Sets what can be set, and says what cannot: one chip that is gone must not leave the others on.
pub(super) fn safe_outputs(args: &ConfigArg) -> ExitCode {
    let config = match load(args) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if UnixStream::connect(&config.socket).is_ok() {
        output::eprint(
            "error: the gateway is running, and holds its outputs itself\nhint: systemctl stop \
             gatehouse sets them to their safe state\n",
        );
        return ExitCode::FAILURE;
    }
    let (mut set, mut code) = (0, ExitCode::SUCCESS);
    for (place, known) in config.outputs.iter().enumerate() {
        let Some(switched) = switched(&config, place, known) else { continue };
        // Kept as it is.
        let Some(level) = switched.line.first else { continue };
        match set_once(&switched.line, level) {
            Ok(()) => set += 1,
            Err(error) => {
                output::eprint(&format!("error: output {}: {error}\n", known.rules.id));
                let denied = matches!(&error, SetError::Open(error) if error.is_permission());
                code = if denied { ExitCode::from(EX_NOPERM) } else { ExitCode::FAILURE };
            }
        }
    }
    let keep = |it: &&gatehouse_config::Output| it.rules.safe == SafeState::Keep;
    let kept = config.outputs.iter().filter(keep).count();
    let kept = if kept > 0 { format!(", {kept} left as they are") } else { String::new() };
    output::print(&format!("{set} of {} set to their safe state{kept}\n", config.outputs.len()));
    code
}
