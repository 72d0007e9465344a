//! `syft`, the program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    syft::cli::run(std::env::args_os())
}
