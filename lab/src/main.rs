//! The program `lab`; everything is in the library, so that the tests can build the same program.

fn main() -> std::process::ExitCode {
    lab::main()
}
