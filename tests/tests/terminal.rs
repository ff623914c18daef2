//! `lab train` at a terminal that goes away, or whose program is ended from elsewhere: it is as it was before.

use std::{
    fs::File,
    io::Read,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Child, Command, Stdio},
};

use lab_tests::{Folder, folder};
use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{LocalFlags, tcgetattr},
};

const RAW: LocalFlags = LocalFlags::ICANON.union(LocalFlags::ECHO).union(LocalFlags::ISIG);

/// The program, its prompt at one end of a terminal; the other end.
fn at_a_terminal(home: &Folder) -> (Child, File, File) {
    // Neither end is for other programs that this one starts: they would hold it open.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let screen = posix_openpt(flags).expect("a terminal");
    grantpt(&screen).and_then(|()| unlockpt(&screen)).expect("its other end");
    let slave = ptsname_r(&screen).expect("a name");
    let slave = File::options().read(true).write(true).custom_flags(flags.bits()).open(slave).expect("its other end");
    let end = || Stdio::from(slave.try_clone().expect("a copy"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-under-test"));
    command
        .args(["train", "port-mismatch"])
        .current_dir(folder())
        .env("TERM", "xterm")
        .env("XDG_DATA_HOME", home.path());
    let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the program starts");
    let mut screen = File::from(OwnedFd::from(screen));
    read_until(&mut screen, "train> ");
    assert!(!modes(&slave).intersects(RAW), "a line is edited");
    (child, screen, slave)
}

fn modes(terminal: &File) -> LocalFlags {
    tcgetattr(terminal).expect("a terminal").local_flags
}

/// What is shown until these words come.
fn read_until(screen: &mut File, words: &str) -> String {
    let mut shown = String::new();
    let mut some = [0; 4096];
    while !shown.contains(words) {
        let read = screen.read(&mut some).expect("it shows something");
        shown.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    shown
}

#[test]
fn whoever_ends_the_program_in_a_line_finds_the_terminal_as_it_was() {
    let home = Folder::new();
    for signal in ["INT", "TERM", "HUP"] {
        let (mut child, mut screen, slave) = at_a_terminal(&home);
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().expect("kill");
        assert!(sent.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{signal}");
        assert!(modes(&slave).contains(RAW), "{signal}: the terminal is left as the line editor had it");
        let shown = read_until(&mut screen, "nothing of this exercise is kept");
        assert!(shown.contains("\x1b[?2004l"), "{signal}: {shown:?}");
    }
}

#[test]
fn a_terminal_that_is_gone_ends_the_program() {
    let home = Folder::new();
    for signalled in [true, false] {
        let (mut child, screen, slave) = at_a_terminal(&home);
        drop((screen, slave));
        if signalled {
            let sent = Command::new("kill").arg("-HUP").arg(child.id().to_string()).status().expect("kill");
            assert!(sent.success());
        }
        let code = child.wait().expect("it ends").code().expect("by itself");
        assert!(code != 101, "it panicked");
    }
}
