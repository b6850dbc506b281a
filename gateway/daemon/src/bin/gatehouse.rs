//! The gateway of a residential community: see `gatehouse --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse::cli::main()
}
