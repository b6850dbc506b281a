//! The door to `gatehouse_demo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse_demo::main()
}
