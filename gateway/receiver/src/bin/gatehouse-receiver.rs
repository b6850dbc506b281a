//! The control room's end, as a program. A door: the room is [`gatehouse_receiver::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse_receiver::cli::main()
}
