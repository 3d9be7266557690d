//! The `cellctl` program. Everything is in the library; this ends the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    cellctl::cli::main(std::env::args_os())
}
